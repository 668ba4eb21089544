"""A universe: the firms of a market on one day, each figure with its source.

A file `universes/<name>.toml` holds the rows; `Universe.column` gives a figure of every firm
as an array `(firm,)`, `Universe.membership` the groups as an array `(group, firm)`.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from simulator.arrays import FloatArray
from simulator.errors import Problem, ScenarioError
from simulator.schema import NAME_RULE, UNSOURCED, Source, TomlFile, is_name, read_toml, suggestion
from simulator.shipped import shipped_scenarios
from simulator.universe.universe_schema import (
    FIGURES,
    GROUPS,
    FirmRow,
    Guidance,
    UniverseFile,
    read_tables,
)

QUARTER = 92
"""Days."""


@dataclass(frozen=True)
class Check:
    """A sum over the rows beside what it should be."""

    name: str
    value: float
    low: float
    high: float
    source: str


@dataclass(frozen=True)
class OldFigure:
    """A figure of some firms that is dated otherwise than the universe."""

    figure: str
    date: str
    tickers: tuple[str, ...]


@dataclass(frozen=True)
class Universe:
    """Firms, groups and sources of one day. F firms, G groups; money is USD billion."""

    name: str
    title: str
    as_of: date
    firms: tuple[FirmRow, ...]
    groups: tuple[str, ...]
    group_titles: Mapping[str, str]
    bubble_group: str
    guidance: Guidance
    checks: tuple[Check, ...]
    path: Path
    _sources: Mapping[str, Mapping[str, Source]]  # ticker, "" for all -> figure -> source
    cash: Mapping[str, float] = field(default_factory=dict)  # group -> USD billion beside its firms
    outside: frozenset[str] = frozenset()  # firms that a portfolio brought: no part of the economy

    @property
    def tickers(self) -> tuple[str, ...]:
        """Names of the firms, in file order."""
        return tuple(firm.ticker for firm in self.firms)

    @property
    def entities(self) -> tuple[str, ...]:
        """Groups, then firms: the first axis of every result."""
        return self.groups + self.tickers

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """A group's or firm's name in full, by entity."""
        groups = {group: self.group_titles.get(group, group) for group in self.groups}
        return {**groups, **{firm.ticker: firm.name for firm in self.firms}}

    def title_of(self, entity: str) -> str:
        """A group's or firm's name in full."""
        return self.titles[entity]

    def column(self, figure: str) -> FloatArray:
        """One figure of every firm, `(F,)`; `normal_margin` is the reported one where none is given."""
        if figure not in FIGURES:
            raise KeyError(f"{figure} is not a figure; {suggestion(figure, FIGURES)}")
        values = [getattr(firm, figure) for firm in self.firms]
        if figure == "normal_margin":
            values = [
                firm.operating_margin if value is None else value
                for firm, value in zip(self.firms, values, strict=True)
            ]
        return np.array(values, dtype=np.float64)

    @cached_property
    def membership(self) -> FloatArray:
        """Share of each firm's value counted in each group, `(G, F)`."""
        rows = [[firm.membership.get(group, 0.0) for firm in self.firms] for group in self.groups]
        return np.array(rows, dtype=np.float64)

    @property
    def group_cash(self) -> FloatArray:
        """Cash of each group, `(G,)` USD billion; it stays as it is."""
        return np.array([self.cash.get(group, 0.0) for group in self.groups])

    def source(self, ticker: str, figure: str) -> Source:
        """Where a firm's figure comes from: its own source, else the file-wide one."""
        own, common = self._sources.get(ticker, {}), self._sources.get("", {})
        return own.get(figure) or common.get(figure) or UNSOURCED

    def dated_otherwise(self) -> tuple[OldFigure, ...]:
        """Figures whose source is dated more than a quarter before or after the as-of date.

        A year or month counts from its first to its last day. Figures without a date are left out.
        """
        rows: dict[tuple[str, str], list[str]] = {}
        for figure in FIGURES:
            for firm in self.firms:
                when = self.source(firm.ticker, figure).date
                if getattr(firm, figure) is not None and days_apart(when, self.as_of) > QUARTER:
                    rows.setdefault((figure, when), []).append(firm.ticker)
        return tuple(OldFigure(*key, tuple(tickers)) for key, tickers in rows.items())

    def figures(self) -> dict[str, Any]:
        """Everything that moves a result, for the digest."""
        rows = [firm.model_dump(mode="json", exclude={"sources", "name"}) for firm in self.firms]
        cash = {"cash": dict(self.cash)} if self.cash else {}
        return {
            "as_of": self.as_of.isoformat(),
            "groups": list(self.groups),
            "bubble_group": self.bubble_group,
            "firms": rows,
            **cash,
        }


def days_apart(text: str, day: date) -> int:
    """Days between a date, month or year and a day outside it; 0 within it or if it is none of these."""
    match = re.fullmatch(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", text)
    if match is None:
        return 0
    year, month, of_month = (int(part) if part else None for part in match.groups())
    try:
        first = date(year or 1, month or 1, of_month or 1)
        last_month = month or 12
        last = date(first.year, last_month, of_month or monthrange(first.year, last_month)[1])
    except ValueError:
        return 0
    return max((first - day).days, (day - last).days, 0)


def load_universe(name_or_path: str | Path, folder: Path | None = None) -> Universe:
    """Loads a universe by name (looked up in `folder`, then among the shipped ones) or from a path.

    Raises ScenarioError with every problem of the file.
    """
    name = name_or_path
    if not isinstance(name, str) or not is_name(name) or name.endswith(".toml"):
        return _load(Path(name))
    path = find_universe(name, folder)
    if path is None:
        known = universe_names(folder)
        message, hint = f"no universe is called {name}", suggestion(name, known)
        raise ScenarioError([Problem(name, 0, 0, "", message, ", ".join(known), hint)])
    return _load(path)


def find_entity(typed: str, titles: Mapping[str, str]) -> str | None:
    """The entity of these ``titles`` that ``typed`` is: its name, or its title, however it is spelled.

    Case, blanks and signs make no difference, nor does what a title has in brackets: "S&P 500"
    and "sp500" are one. None if nothing is called so.
    """
    if typed in titles:
        return typed
    by_word: dict[str, str] = {}
    for entity, title in titles.items():
        for name in (entity, title, title.split(" (")[0]):
            by_word.setdefault(_word(name), entity)
    return by_word.get(_word(typed)) if _word(typed) else None


def _word(text: str) -> str:
    """Letters and digits alone, without a leading "the"."""
    word = "".join(character for character in text.casefold() if character.isalnum())
    return word.removeprefix("the")


def find_universe(name: str, folder: Path | None = None) -> Path | None:
    """File of a universe; only an allowed name is ever turned into a path."""
    if not is_name(name):
        raise ValueError(f"{name!r} is not a name: {NAME_RULE}")
    for place in _places(folder):
        path = place / f"{name}.toml"
        if path.is_file():
            return path
    return None


def universe_names(folder: Path | None = None) -> list[str]:
    """Names that `find_universe` finds."""
    return sorted({path.stem for path in _universe_files(folder)})


def _places(folder: Path | None) -> list[Path]:
    own = [] if folder is None else [folder / "universes"]
    return [*own, shipped_scenarios() / "universes"]


def _universe_files(folder: Path | None) -> list[Path]:
    return [path for place in _places(folder) if place.is_dir() for path in place.glob("*.toml")]


def _load(path: Path) -> Universe:
    file = read_toml(path)
    parsed, sources = read_tables(file)
    known = [group for group in GROUPS if group in parsed.groups]
    others = [group for group in parsed.groups if group not in GROUPS]
    universe = Universe(
        parsed.name,
        parsed.title,
        parsed.as_of,
        parsed.firms,
        (*known, *others),
        {group: parsed.groups[group].title for group in (*known, *others)},
        parsed.bubble_group,
        parsed.guidance,
        (),
        path,
        sources,
    )
    checks, problems = _checks(file, parsed, universe)
    if problems:
        raise ScenarioError(problems)
    return replace(universe, checks=checks)


def _checks(
    file: TomlFile, parsed: UniverseFile, universe: Universe
) -> tuple[tuple[Check, ...], list[Problem]]:
    """Sums over the rows; one outside its bounds means that a row is wrong."""
    values = universe.membership * universe.column("market_value")
    totals = values.sum(axis=1)
    betas = values @ universe.column("beta") / totals
    known: dict[str, float] = {}
    for group, total, beta in zip(universe.groups, totals, betas, strict=True):
        known[f"{group}_total"] = float(total)
        known[f"{group}_beta"] = float(beta)
        known[f"{group}_weight"] = float(total / totals[universe.groups.index("sp500")])
    checks: list[Check] = []
    problems: list[Problem] = []
    for name, bounds in parsed.checks.items():
        path = ("checks", name)
        if name not in known:
            names = "<group>_total, <group>_weight (of sp500) or <group>_beta"
            hint = suggestion(name, known) or names
            problems.append(file.problem(path, f"unknown check `{name}`", hint=hint, at_key=True))
            continue
        check = Check(name, known[name], bounds.low, bounds.high, bounds.source)
        checks.append(check)
        if not check.low <= check.value <= check.high:
            message = f"{name} is {check.value:.6g}: the rows contradict a known total"
            expected = f"{check.low:g} to {check.high:g}, {check.source}"
            problems.append(file.problem(path, message, expected=expected, at_key=True))
    return tuple(checks), problems
