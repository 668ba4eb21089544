"""History as levels: real crashes on the simulation's grid, and closing prices of the user's own.

The shipped series are weekly closes; the facts (peak, trough, recovery) come from daily closes. A
weekly series misses the lowest day, so the two depths differ, and a simulation in weekly steps is
compared with the weekly one. Where the data come from: ``simulator/history/data/SOURCES.md``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray, IntArray
from simulator.errors import BaselineError, UsageError, plain
from simulator.statistics import measure_drawdowns, worst_return

DateArray = NDArray[np.datetime64]

LARGEST_FILE = 20_000_000
"""Bytes of a user's CSV; a larger one is not read to its end."""
MOST_ROWS = 100_000
"""Rows of a user's CSV: four centuries of trading days."""

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


class Closes(NamedTuple):
    """Closing levels of an index, oldest first, both of shape (n,)."""

    dates: DateArray
    closes: FloatArray


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

    def from_peak(self, index: str, steps_per_year: int) -> Closes:
        """The closes on a grid of that many steps a year, from the peak of the deepest fall on.

        The peak is one of the grid's own closes, as everything after it.
        """
        try:
            dates, closes = sample(self.levels(index), steps_per_year)
        except BaselineError as error:
            source = self.facts[index].source if index in self.facts else self.name
            raise BaselineError(f"{source}: {error}") from None
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
            "max_drawdown": float(table.max_drawdown),
            "peak_step": int(table.peak_step),
            "trough_step": int(table.trough_step),
            "recovery_step": recovery,
            "underwater_steps": int(table.underwater_steps),
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


@lru_cache(maxsize=len(TITLES))
def baseline(name: str) -> Baseline:
    """A shipped baseline by name. All have facts, "dotcom" and "2008" weekly closes too."""
    if name not in TITLES:
        near = get_close_matches(name, TITLES, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"no baseline is called {name!r}: {guess}there are {', '.join(TITLES)}")
    facts = {fact.index: fact for fact in _shipped_facts() if fact.episode == name}
    series = {
        index: _parse(
            (files("simulator.history") / "data" / f"{index}_{name}.csv").read_bytes(),
            f"{index}_{name}.csv",
        )
        for index in (INDEXES if name in _WITH_SERIES else ())
    }
    return Baseline(name, TITLES[name], MappingProxyType(facts), MappingProxyType(series))


def reference_depths(steps_per_year: int) -> dict[str, dict[str, tuple[float, float | None]]]:
    """Baseline -> index -> depth on daily closes, and on the simulation's grid (None without a series on it)."""
    return {
        name: {
            index: (fact.depth, _grid_depth(baseline(name), index, steps_per_year))
            for index, fact in baseline(name).facts.items()
        }
        for name in names()
    }


def _grid_depth(crash: Baseline, index: str, steps_per_year: int) -> float | None:
    # The shipped closes are weekly: there is no daily series.
    if index not in crash.series or steps_per_year == _DAILY or not _on_calendar(steps_per_year):
        return None
    return float(measure_drawdowns(crash.from_peak(index, steps_per_year).closes).max_drawdown)


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
    wanted = np.arange(period[0], period[-1] + 1)
    if np.unique(period).size < 0.9 * wanted.size:
        raise BaselineError(
            f"{series.closes.size} closes over {wanted.size} steps are too few for {steps_per_year} steps a year: "
            f"expected one close or more a step; try a coarser grid such as 12, or closes at shorter intervals"
        )
    last = np.searchsorted(period, wanted, side="right") - 1
    return Closes(series.dates[last], series.closes[last])


# --- closes of the user's own ----------------------------------------------------------------

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")


def load_baseline_csv(path: str | Path) -> Baseline:
    """A baseline from a CSV file: header ``date,close``, one row a day, week or month, oldest first.

    The one index in it has the name of the file without its ending.

    Raises
    ------
    BaselineError
        With file, line, what was expected and what to try, if the file cannot be used.
    """
    path = Path(path)
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise BaselineError("is not a file: expected a CSV of date,close", str(path))
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BaselineError(f"cannot be read: {error.strerror}", str(path)) from error
    series = _parse(raw, str(path))
    table = measure_drawdowns(series.closes)
    peak, trough, recovery = int(table.peak_step), int(table.trough_step), int(table.recovery_step)
    name = plain(path.stem)
    fact = Fact(
        episode=name,
        index=name,
        peak_date=_day(series.dates[peak]),
        peak_close=float(series.closes[peak]),
        trough_date=_day(series.dates[trough]),
        trough_close=float(series.closes[trough]),
        depth=float(table.max_drawdown),
        recovery_date=_day(series.dates[recovery]) if recovery >= 0 else None,
        source=plain(path.name),
    )
    return Baseline(name, name, MappingProxyType({name: fact}), MappingProxyType({name: series}))


def _parse(raw: bytes, file: str) -> Closes:
    if len(raw) > LARGEST_FILE:
        raise BaselineError(
            f"is over {LARGEST_FILE // 10**6} MB: expected daily closes or fewer; cut it", file
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = raw.count(b"\n", 0, error.start) + 1
        raise BaselineError("is not UTF-8 text: save it as CSV in UTF-8", file, at) from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    if lines == [""]:
        raise BaselineError("is empty: expected the header date,close and one row a close", file)
    _check_header(lines[0], file)
    if len(lines) > MOST_ROWS:
        raise BaselineError(
            f"has {len(lines)} rows: expected at most {MOST_ROWS}; cut it, or keep weekly closes",
            file,
        )
    days: list[date] = []
    closes: list[float] = []
    for number, line in enumerate(lines[1:], start=2):
        day, close = _parse_row(line, file, number)
        if days and day <= days[-1]:
            fault = "is there twice" if day == days[-1] else f"comes after {days[-1]}"
            raise BaselineError(
                f"{day} {fault}: expected each date once, oldest first; sort the rows", file, number
            )
        days.append(day)
        closes.append(close)
    if len(days) < 2:
        raise BaselineError(
            f"has {len(days)} closes: a drawdown needs at least two", file, len(lines)
        )
    series = Closes(np.array(days, dtype="datetime64[D]"), np.array(closes))
    for array in series:
        array.flags.writeable = False  # shared by all who ask for this baseline
    return series


def _check_header(header: str, file: str) -> None:
    if [_field(name).lower() for name in header.split(",")] != ["date", "close"]:
        hint = (
            "use commas, and a point for decimals"
            if ";" in header
            else "name the columns so in line 1"
        )
        raise BaselineError(f"the header is {header[:80]!r}: expected date,close; {hint}", file, 1)


def _parse_row(line: str, file: str, number: int) -> tuple[date, float]:
    fields = [_field(field) for field in line.split(",")]
    if len(fields) != 2:
        raise BaselineError(
            f"{line[:80]!r} has {len(fields)} fields: expected a date and a close, such as 2000-03-10,5048.62; "
            "write no thousands separators and no other columns",
            file,
            number,
        )
    day, close = fields
    try:
        parsed = date.fromisoformat(day if _DATE.fullmatch(day) else "")
    except ValueError:
        raise BaselineError(
            f"{day[:80]!r} is not a date: expected year-month-day, such as 2000-03-10", file, number
        ) from None
    value = float(close) if _NUMBER.fullmatch(close) else 0.0
    if not 0 < value < float("inf"):
        raise BaselineError(
            f"{close[:80]!r} is not a close: expected a number above 0, such as 5048.62; leave out days without one",
            file,
            number,
        )
    return parsed, value


def _field(text: str) -> str:
    return text.strip().strip('"')


def _day(when: np.datetime64) -> date:
    return date.fromisoformat(str(when))
