"""The ledger: every assumption of a scenario with its value, range, source and origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.schema import (
    OVERRIDE,
    UNSOURCED,
    Params,
    Path,
    Quantity,
    Source,
    Spec,
    TomlFile,
    override_path,
)

DEFAULT = "default"
CONSENSUS = "technology.consensus"
_TYPED = Source(source="judgement (set for this run)", strength="D")


@dataclass(frozen=True, slots=True)
class Assumption:
    """One line of the ledger.

    `value` is a number, a distribution or None; `priced_in` the consensus value of a technology key.
    `origin` is "default", "file.toml:line" or "--set".
    """

    key: str
    value: Any
    priced_in: Quantity | None
    unit: str
    low: float | None
    high: float | None
    source: str
    date: str
    strength: str
    weakness: str
    quote: str
    doc: str
    origin: str


def declared(tables: Mapping[str, Params]) -> Iterator[tuple[str, Any, Spec]]:
    """Key, value and declaration of every parameter in these tables and below."""
    for prefix, top in tables.items():
        for below, table in top.nested(prefix):
            for name, spec in type(table).specs().items():
                yield f"{below}.{name}", getattr(table, name), spec


def assumptions(
    tables: Mapping[str, Params], consensus: Params, sources: Mapping[str, Source], file: TomlFile
) -> list[Assumption]:
    """Every assumption, in the order of the tables."""
    rows = []
    for key, value, spec in declared(tables):
        placed, path = _given(key, file)
        origin = DEFAULT if path is None else file.origin(path)
        if origin == DEFAULT:
            source = _closest(key, sources) or Source(source=spec.source, strength=spec.strength)
        elif origin == OVERRIDE:
            source = _TYPED
        else:
            source = _closest(key, sources) or _closest(placed, sources) or UNSOURCED
        name = key.removeprefix("technology.")
        rows.append(
            Assumption(
                key=key,
                value=value,
                priced_in=getattr(consensus, name) if name != key else None,
                unit=spec.unit,
                low=spec.low,
                high=spec.high,
                doc=spec.doc,
                origin=origin,
                **source.model_dump(),
            )
        )
    return rows


def _given(key: str, file: TomlFile) -> tuple[str, Path | None]:
    """Key and path under which the file sets this value: its own, or what is priced in."""
    candidates = [key]
    if key.startswith("technology."):
        candidates.append(f"{CONSENSUS}.{key.removeprefix('technology.')}")
    for candidate in candidates:
        path = override_path(candidate)
        node: Any = file.data
        for part in path:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                break
        else:
            return candidate, path
    return key, None


def _closest(key: str, sources: Mapping[str, Source]) -> Source | None:
    """The source of a key, else of the table it stands in: one source may hold for a whole event."""
    parts = key.split(".")
    for end in range(len(parts), 0, -1):
        source = sources.get(".".join(parts[:end]))
        if source:
            return source
    return None
