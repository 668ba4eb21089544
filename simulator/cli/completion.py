"""Completion of scenario keys in a shell.

The keys come from the JSON Schema beside the shipped scenarios: importing the classes that it is made from
takes longer than a person waits for a completion.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer import Context

from simulator.shipped import shipped_scenarios

Rows = list[tuple[str, str]]
"""Words and what they mean; zsh and fish show both."""


def complete_key(ctx: Context, incomplete: str) -> Rows:
    """Full keys, or keys without their table where only one has them; events are those of the scenario typed before."""
    # Behind an option that still lacks its value the other words are left as they were typed.
    words = [ctx.params.get("scenario"), *ctx.args]
    rows = list(_keys(next(filter(None, map(_events, filter(None, words))), [])))
    full = [(key, doc) for key, doc in rows if key.startswith(incomplete)]
    if full:
        return full
    times = Counter(_short(key) for key, _ in rows)
    return [
        (_short(key), doc)
        for key, doc in rows
        if _short(key).startswith(incomplete) and times[_short(key)] == 1
    ]


def complete_setting(ctx: Context, incomplete: str) -> Rows:
    """As :func:`complete_key`, with the sign of equality that follows; nothing behind it."""
    if "=" in incomplete:
        return []
    return [(f"{key}=", doc) for key, doc in complete_key(ctx, incomplete)]


def _short(key: str) -> str:
    return key.partition(".")[2]


def _keys(events: list[str]) -> Iterator[tuple[str, str]]:
    """Every key with a number, and its meaning, where a scenario has such ``events``."""
    text = (shipped_scenarios() / "scenario.v1.schema.json").read_text("utf-8")
    schema = json.loads(text)
    yield from _below(schema, schema["$defs"], "")
    kinds = {
        table["properties"]["kind"]["const"]: table
        for table in schema["$defs"].values()
        if "kind" in table["properties"]
    }
    for number, event in enumerate(events):
        yield from _below(kinds.get(event, {}), schema["$defs"], f"events.{number}.")


def _below(
    table: Mapping[str, Any], tables: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, str]]:
    for name, field in table.get("properties", {}).items():
        if "x-unit" in field:
            yield f"{prefix}{name}", field["description"]
        elif "$ref" in field:
            yield from _below(tables[field["$ref"].rpartition("/")[2]], tables, f"{prefix}{name}.")


def _events(scenario: str) -> list[str]:
    """Kinds of the events of a scenario file, or of a shipped scenario; none where it cannot be read."""
    try:
        shipped = shipped_scenarios() / f"{scenario}.toml"
        data = tomllib.loads((shipped if shipped.is_file() else Path(scenario)).read_text("utf-8"))
        return [str(event["kind"]) for event in data.get("events", [])]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []  # while a line is typed there is nobody to tell
