"""Where a number comes from, and how sure it is: the entries of `[sources]` tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date as Date
from typing import Any

from pydantic import Field, ValidationError, field_validator

from simulator.errors import Problem
from simulator.schema.parameters import Params, Strength
from simulator.schema.toml_document import LONGEST_SOURCE, MOST_PROBLEMS, TomlFile
from simulator.schema.toml_positions import Path
from simulator.schema.validation_errors import problems_of, suggestion


class Source(Params):
    """One reference. Strength: A measured or official, B several agree, C thin or derived, D judgement."""

    source: str = Field(min_length=1, max_length=LONGEST_SOURCE, description="who says so")
    date: str = Field(default="", max_length=40, description="when, as a date or a year")
    quote: str = Field(default="", max_length=LONGEST_SOURCE, description="their words")
    weakness: str = Field(
        default="", max_length=LONGEST_SOURCE, description="what speaks against it"
    )
    strength: Strength = Field(
        default="D", description="A measured, B several agree, C thin, D judgement"
    )

    @field_validator("date", mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, Date) else value


UNSOURCED = Source(source="judgement (no source given)", strength="D")


def entries(table: dict[str, Any], path: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """The entries of a `[sources]` table: key, place, fields.

    Keys may be quoted (`"technology.elasticity" = {...}`) or nested (`technology.elasticity = {...}`).
    """
    stack: list[tuple[str, Path, Any]] = [("", path, table)]
    while stack:
        key, place, node = stack.pop()
        if place != path and (not isinstance(node, dict) or _is_entry(node)):
            yield key, place, node
        else:
            stack += [
                (f"{key}.{name}" if key else name, (*place, name), item)
                for name, item in node.items()
            ]


def _is_entry(node: dict[str, Any]) -> bool:
    """Whether these are the fields of a source (perhaps misspelt), not keys on the way to one."""
    fields = Source.model_fields
    return not node or any(
        not isinstance(item, dict) and (name in fields or suggestion(name, fields))
        for name, item in node.items()
    )


def read_sources(
    file: TomlFile, path: Path, table: Any
) -> tuple[dict[str, Source], dict[str, Path], list[Problem]]:
    """Sources by dotted key, where each stands, and what is wrong with them."""
    if not isinstance(table, dict):
        return {}, {}, [file.problem(path, "sources is not a table", expected="a table of sources")]
    sources: dict[str, Source] = {}
    places: dict[str, Path] = {}
    problems: list[Problem] = []
    for key, place, fields in entries(table, path):
        if len(problems) >= MOST_PROBLEMS:
            break
        try:
            sources[key] = Source.model_validate(fields)
            places[key] = place
        except ValidationError as error:
            problems += problems_of(error, Source, file, place)
    return sources, places, problems
