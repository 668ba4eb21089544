"""A universe of another date: a copy of one, comments included, with new figures in its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import tomli

from simulator.errors import Problem, ScenarioError, UsageError
from simulator.schema import NAME_RULE, Source, TomlFile, is_name, read_toml
from simulator.schema.toml_positions import Path as KeyPath
from simulator.universe.figures_csv import NewFigures, read_figures
from simulator.universe.universe import OldFigure, Universe, load_universe

_DATED_CHECKS = ("_total", "_weight")


@dataclass(frozen=True)
class NewUniverse:
    """A universe file that was written, and what in it belongs to the old date.

    ``kept`` are firms with the old market value; ``left_out`` are checks and guidance of the old
    date, which stay in the file as comments; ``older`` are figures with a source of another time.
    """

    universe: Universe
    solved: tuple[str, ...]
    kept: tuple[str, ...]
    left_out: tuple[str, ...]
    older: tuple[OldFigure, ...]


def new_universe(
    name: str, base: Universe, figures: str | Path, as_of: date, folder: str | Path
) -> NewUniverse:
    """Write ``folder/name.toml``: a universe with its firms' figures on another date.

    Parameters
    ----------
    name
        Name of the new universe.
    base
        The universe whose file is copied.
    figures
        CSV of :func:`simulator.universe.figures_csv.read_figures`.
    as_of
        Day of the new market values.
    folder
        Where to write; made if missing. A file that is there is never overwritten.

    Raises
    ------
    UsageError
        If the name cannot be used, or the file is there.
    ScenarioError
        With every problem of the figures, or of the universe they would make.
    """
    if not is_name(name):
        raise UsageError(f"{name!r} cannot name a universe: {NAME_RULE}, and no device name")
    new = read_figures(figures, base, as_of)
    file = read_toml(base.path)
    edits, left_out = _edits(file, base, new, name, as_of)
    target = Path(folder) / f"{name}.toml"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("x", encoding="utf-8", newline="") as stream:
            stream.write(_edited(file.text, edits))
    except FileExistsError:
        raise UsageError(f"{target} exists; choose another name or remove it first") from None
    try:
        universe = load_universe(target)
        _verify(universe, base, new, as_of)
    except BaseException:
        target.unlink()
        raise
    kept = tuple(t for t in base.tickers if "market_value" not in new.figures.get(t, {}))
    return NewUniverse(universe, new.solved, kept, left_out, universe.dated_otherwise())


@dataclass(frozen=True)
class _Edit:
    """Text that takes the place of a stretch of the file."""

    start: int
    end: int
    text: str


def _edits(
    file: TomlFile, base: Universe, new: NewFigures, name: str, as_of: date
) -> tuple[list[_Edit], tuple[str, ...]]:
    """What changes in the text, and what of the old date becomes a comment."""
    title = f"Firms of {base.name} with market values of {as_of}"
    edits = [
        _replaced(file, ("name",), json.dumps(name)),
        _replaced(file, ("title",), json.dumps(title)),
        _replaced(file, ("as_of",), as_of.isoformat()),
    ]
    for index, firm in enumerate(base.firms):
        figures = new.figures.get(firm.ticker, {})
        source = new.sources.get(firm.ticker)
        if source is not None:
            edits += _firm_edits(file, index, figures, source)
    left_out = [
        ("checks", key) for key in file.data.get("checks", {}) if key.endswith(_DATED_CHECKS)
    ]
    left_out += [("guidance", key) for key in file.data.get("guidance", {})]
    for path in left_out:
        start = file.places[path].key
        edits.append(_Edit(start, start, f"# of {base.as_of}: "))
    return edits, tuple(".".join(path) for path in left_out)


def _firm_edits(
    file: TomlFile, index: int, figures: dict[str, float], source: Source
) -> Iterator[_Edit]:
    """New values of a firm's figures, each with its source."""
    row: KeyPath = ("firms", index)
    added_figures, added_sources = [], []
    for figure, value in figures.items():
        if (*row, figure) in file.places:
            yield _replaced(file, (*row, figure), repr(value))
        else:
            added_figures.append(f"{figure} = {value!r}\n")
        entry = _entry(source)
        if (*row, "sources", figure) in file.places:
            yield _replaced(file, (*row, "sources", figure), entry)
        else:
            added_sources.append(f"{figure} = {entry}\n")
    if added_figures:
        at = _line_end(file.text, file.places[*row, "ticker"].value)
        yield _Edit(at, at, "".join(added_figures))
    if added_sources and (*row, "sources") in file.places:
        at = _line_end(file.text, file.places[*row, "sources"].value)
        yield _Edit(at, at, "".join(added_sources))
    elif added_sources:
        last = max(place.value for path, place in file.places.items() if path[:2] == row)
        at = _line_end(file.text, last)
        yield _Edit(at, at, "[firms.sources]\n" + "".join(added_sources))


def _entry(source: Source) -> str:
    fields = ("source", "date", "strength")
    return "{ " + ", ".join(f"{key} = {_string(getattr(source, key))}" for key in fields) + " }"


def _string(text: str) -> str:
    """A text as a TOML string; JSON's escapes of printable text are TOML's too."""
    return json.dumps(text, ensure_ascii=False)


def _replaced(file: TomlFile, path: KeyPath, text: str) -> _Edit:
    start = file.places[path].value
    return _Edit(start, _value_end(file.text, start), text)


def _value_end(text: str, start: int) -> int:
    """Where the value ends that starts here: the last character that still makes a value of it."""
    line = text[start : _line_end(text, start)]
    for stop in range(len(line.rstrip()), 0, -1):
        try:
            value = tomli.loads(f"x={line[:stop]}")
        except tomli.TOMLDecodeError:
            continue
        if list(value) == ["x"]:
            return start + len(re.sub(r"\s*(#[^\"'{}]*)?$", "", line[:stop]))
    return start + len(line)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end + 1


def _edited(text: str, edits: list[_Edit]) -> str:
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _verify(universe: Universe, base: Universe, new: NewFigures, as_of: date) -> None:
    """The file must hold what was meant, however the copied one is laid out."""
    wrong = [
        f"{old.ticker} {figure}"
        for old, firm in zip(base.firms, universe.firms, strict=True)
        for figure in type(firm).specs()
        if getattr(firm, figure)
        != new.figures.get(old.ticker, {}).get(figure, getattr(old, figure))
    ]
    wrong += [
        f"source of {ticker} {figure}"
        for ticker, figures in new.figures.items()
        for figure in figures
        if universe.source(ticker, figure) != new.sources[ticker]
    ]
    if wrong or universe.as_of != as_of:
        message = f"its layout is not understood: {', '.join(wrong[:5]) or 'as_of'}"
        hint = "one key = value a line, sources under [firms.sources], as in the shipped files"
        raise ScenarioError([Problem(str(base.path), 0, 0, "", message, "", hint)])
