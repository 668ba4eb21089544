"""History as levels: real crashes on the simulation's grid, and closing prices of the user's own.

The shipped series are weekly closes; the facts (peak, trough, recovery) come from daily closes. A
weekly series misses the lowest day, so the two depths differ, and a simulation in weekly steps is
compared with the weekly one. Where the data come from: ``simulator/history/data/SOURCES.md``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import numpy as np

from simulator.arrays import IntArray
from simulator.errors import BaselineError, UsageError, plain
from simulator.history.prices_csv import LARGEST_FILE, Closes, DateArray, read_closes
from simulator.statistics import max_drawdown, measure_drawdowns, worst_return

TITLES = {
    "1929": "Great Crash and Depression",
    "1973-74": "Oil crisis",
    "1987": "Black Monday",
    "dotcom": "Dot-com bust",
    "2008": "Financial crisis",
    "2020": "Pandemic",
    "2022": "Inflation and rate rises",
}
INDEXES = ("sp500", "nasdaq")
_WITH_SERIES = ("dotcom", "2008")


@dataclass(frozen=True)
class Fact:
    """A crash on daily closes (for a user's file: on its own closes). `depth` is a positive share."""

    episode: str
    index: str
    peak_date: date
    peak_close: float
    trough_date: date
    trough_close: float
    depth: float
    recovery_date: date | None
    source: str


@dataclass(frozen=True, eq=False)
class Baseline:
    """One crash: facts for each index, and closes for those that have them."""

    name: str
    title: str
    facts: Mapping[str, Fact]
    series: Mapping[str, Closes]
    notices: tuple[str, ...] = ()  # what was done to read a file

    def levels(self, index: str) -> Closes:
        """The closes as they are stored: weekly in the shipped files."""
        if index not in self.series:
            have = ", ".join(self.series) or "none: only its facts are known"
            raise UsageError(
                f"baseline {self.name} has no series of closes for {index!r} (it has {have})"
            )
        return self.series[index]

    def fact(self, index: str) -> Fact:
        """Peak, trough and recovery on daily closes."""
        if index not in self.facts:
            raise UsageError(f"baseline {self.name} knows {', '.join(self.facts)}, not {index!r}")
        return self.facts[index]

    def on_grid(self, index: str, steps_per_year: int) -> Closes:
        """The closes on a grid of that many steps a year.

        The first close of all counts as one: a run too begins at its as-of date and not at the end of a week.
        """
        series = self.levels(index)
        try:
            dates, closes = sample(series, steps_per_year)
        except BaselineError as error:
            source = self.facts[index].source if index in self.facts else self.name
            raise BaselineError(f"{source}: {error}") from None
        if dates[0] > series.dates[0]:
            dates = np.concatenate([series.dates[:1], dates])
            closes = np.concatenate([series.closes[:1], closes])
        return Closes(dates, closes)

    def from_peak(self, index: str, steps_per_year: int) -> Closes:
        """As :meth:`on_grid`, from the peak of the deepest fall on: one of the grid's own closes."""
        dates, closes = self.on_grid(index, steps_per_year)
        peak = int(measure_drawdowns(closes).peak_step)
        return Closes(dates[peak:], closes[peak:])

    def measure(self, index: str, steps_per_year: int) -> dict[str, float | int | date | None]:
        """The measures of a run, on its grid: sampled first, then measured by the same function.

        Steps count from the peak, up to the end of the series; `worst_week` and `worst_month` are
        over the nearest whole number of steps, at least one, and None where the series is too short.
        """
        dates, closes = self.from_peak(index, steps_per_year)
        table = measure_drawdowns(closes)
        recovery = int(table.recovery_step)
        measures: dict[str, float | int | date | None] = {
            name: value.item() for name, value in table._asdict().items()
        }
        for name, per_year in (("worst_week", 52), ("worst_month", 12)):
            span = round(steps_per_year / per_year) if steps_per_year >= per_year else len(closes)
            measures[name] = float(worst_return(closes, span)) if len(closes) > span else None
        measures["peak_date"] = _day(dates[0])
        measures["trough_date"] = _day(dates[int(table.trough_step)])
        measures["recovery_date"] = _day(dates[recovery]) if recovery >= 0 else None
        return measures


def names() -> list[str]:
    """Names of the shipped baselines, oldest first."""
    return list(TITLES)


_BESIDE: ContextVar[Baseline | None] = ContextVar("_BESIDE", default=None)


@contextmanager
def beside(own: Baseline | None) -> Iterator[None]:
    """Within this, the user's own series is among the crashes that both indexes are set beside."""
    token = _BESIDE.set(None if own is None else _of_both_indexes(own))
    try:
        yield
    finally:
        _BESIDE.reset(token)


def own_baseline() -> Baseline | None:
    """The series that tables and figures show beside the shipped crashes; see :func:`beside`."""
    return _BESIDE.get()


def _of_both_indexes(own: Baseline) -> Baseline:
    """A user's baseline under the names of both indexes, and under none of a shipped crash."""
    (fact,), (series,) = own.facts.values(), own.series.values()
    name = f"own {own.name}" if own.name in TITLES else own.name
    facts = {index: replace(fact, episode=name, index=index) for index in INDEXES}
    return replace(
        own, name=name, title="your own series", facts=facts, series=dict.fromkeys(INDEXES, series)
    )


def baseline(name: str) -> Baseline:
    """A baseline by name: a shipped one or, within :func:`beside`, the user's own.

    All have facts; "dotcom", "2008" and the user's own have closes too.
    """
    own = own_baseline()
    return own if own is not None and own.name == name else _shipped(name)


@lru_cache(maxsize=len(TITLES))
def _shipped(name: str) -> Baseline:
    if name not in TITLES:
        near = get_close_matches(name, TITLES, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"no baseline is called {name!r}: {guess}there are {', '.join(TITLES)}")
    facts = {fact.index: fact for fact in _shipped_facts() if fact.episode == name}
    series = {
        index: read_closes(
            (files("simulator.history") / "data" / f"{index}_{name}.csv").read_bytes(),
            f"{index}_{name}.csv",
        ).series
        for index in (INDEXES if name in _WITH_SERIES else ())
    }
    return Baseline(name, TITLES[name], MappingProxyType(facts), MappingProxyType(series))


@lru_cache
def reference_depths(steps_per_year: int) -> dict[str, dict[str, tuple[float, float | None]]]:
    """Baseline -> index -> depth on daily closes, and on the simulation's grid (None without a series on it)."""
    return {
        name: {
            index: (fact.depth, grid_depth(_shipped(name), index, steps_per_year))
            for index, fact in _shipped(name).facts.items()
        }
        for name in names()
    }


def grid_depth(crash: Baseline, index: str, steps_per_year: int) -> float | None:
    """The depth on a grid, a positive share; None if the closes are too few for it."""
    if index not in crash.series or not _on_calendar(steps_per_year):
        return None
    try:
        closes = crash.on_grid(index, steps_per_year).closes
    except BaselineError:
        return None
    return max_drawdown(closes)


def _shipped_facts() -> list[Fact]:
    text = (files("simulator.history") / "data" / "facts.csv").read_text(encoding="utf-8")
    return [
        Fact(
            row["episode"],
            row["index"],
            date.fromisoformat(row["peak_date"]),
            float(row["peak_close"]),
            date.fromisoformat(row["trough_date"]),
            float(row["trough_close"]),
            float(row["depth"]),
            date.fromisoformat(row["recovery_date"]) if row["recovery_date"] else None,
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    ]


# --- the simulation's grid -------------------------------------------------------------------


_DAILY = 252
"""Steps a year on which every close is a step."""


def _on_calendar(steps_per_year: int) -> bool:
    return steps_per_year == _DAILY or (
        steps_per_year > 0 and (12 % steps_per_year == 0 or 52 % steps_per_year == 0)
    )


def _periods(dates: DateArray, steps_per_year: int) -> IntArray:
    """Number of the calendar period of each date: months where they fit, else weeks from Monday."""
    if 12 % steps_per_year == 0:
        return dates.astype("datetime64[M]").astype(np.int64) // (12 // steps_per_year)
    return (dates.astype("datetime64[D]").astype(np.int64) + 3) // 7 // (52 // steps_per_year)


def sample(series: Closes, steps_per_year: int) -> Closes:
    """The last close of each calendar period: 52 is weeks (26, 13: of 2, 4 weeks), 12 months, 4 quarters.

    A period without a close repeats the one before, as a halted market does, so that steps stay
    steps. From weekly closes a month ends with its last whole week.

    Raises
    ------
    UsageError
        For a number of steps that divides neither 52 nor 12.
    BaselineError
        For a series with closes in fewer than nine tenths of the periods: monthly closes cannot
        be measured on a weekly grid.
    """
    if not _on_calendar(steps_per_year):
        raise UsageError(
            f"closes cannot be sampled {steps_per_year} times a year: expected 252 (daily), or a divisor of 52 or 12"
        )
    if steps_per_year == _DAILY:
        gap = float(np.median(np.diff(series.dates).astype(np.int64)))
        if gap > 1:
            raise BaselineError(
                f"closes are {gap:g} days apart: expected daily ones for 252 steps a year; try 52 or 12"
            )
        return Closes(series.dates.copy(), series.closes.copy())
    period = _periods(series.dates, steps_per_year)
    periods = np.arange(period[0], period[-1] + 1)
    if np.unique(period).size < 0.9 * periods.size:
        raise BaselineError(
            f"{series.closes.size} closes over {periods.size} steps are too few for {steps_per_year} steps a year: "
            f"expected one close or more a step; try a coarser grid such as 12, or closes at shorter intervals"
        )
    last = np.searchsorted(period, periods, side="right") - 1
    return Closes(series.dates[last], series.closes[last])


# --- closes of the user's own ----------------------------------------------------------------


def load_baseline_csv(path: str | Path, column: str | None = None) -> Baseline:
    """A baseline from a CSV file of dates and closes; see :func:`prices_csv.read_closes`.

    The one index in it has the name of the file without its ending.

    Raises
    ------
    BaselineError
        With every fault of the file: line, what was expected and what to try.
    """
    path = Path(path)
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise BaselineError("is not a file: expected a CSV of date,close", str(path))
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BaselineError(f"cannot be read: {error.strerror}", str(path)) from error
    prices = read_closes(raw, str(path), column)
    name = plain(path.stem)
    facts = MappingProxyType({name: _fact(name, plain(path.name), prices.series)})
    series = MappingProxyType({name: prices.series})
    return Baseline(name, name, facts, series, prices.notices)


def load_dfast(path: str | Path) -> Baseline:
    """The stock market in a scenario table of the Federal Reserve's stress tests, quarter by quarter.

    The levels are those of the ends of quarters. The table begins with the first quarter of the
    scenario: a fall before its end is not in it.

    Raises
    ------
    BaselineError
        If the file has no quarters or no stock market index.
    """
    own = load_baseline_csv(path)
    (series,) = own.series.values()
    spacing = float(np.median(np.diff(series.dates).astype(np.int64)))
    if not 89 <= spacing <= 93:
        raise BaselineError("has no quarters: expected dates such as 2025 Q1", str(path))
    notice = f"the fall is from the table's first quarter, which ends {series.dates[0]}, or later"
    return replace(own, notices=(*own.notices, notice))


def _fact(name: str, source: str, series: Closes) -> Fact:
    """The deepest fall of a series on its own closes."""
    table = measure_drawdowns(series.closes)
    peak, trough, recovery = int(table.peak_step), int(table.trough_step), int(table.recovery_step)
    return Fact(
        episode=name,
        index=name,
        peak_date=_day(series.dates[peak]),
        peak_close=float(series.closes[peak]),
        trough_date=_day(series.dates[trough]),
        trough_close=float(series.closes[trough]),
        depth=float(table.max_drawdown),
        recovery_date=_day(series.dates[recovery]) if recovery >= 0 else None,
        source=source,
    )


def _day(when: np.datetime64) -> date:
    return date.fromisoformat(str(when))
