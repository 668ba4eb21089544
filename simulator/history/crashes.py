"""Real crashes beside simulated ones: which, how deep on the same grid, and as tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.history import baselines
from simulator.history.baselines import Baseline, Fact

if TYPE_CHECKING:
    import pandas as pd

_DAILY = 252
"""Steps a year of a grid of trading days: the facts are on it."""


@dataclass(frozen=True)
class Crash:
    """One crash of one index; depths are positive shares.

    ``depth`` is on the grid of a run if ``same_grid``, else on daily closes as ``daily_depth``.
    """

    name: str
    title: str
    index: str
    depth: float
    daily_depth: float
    same_grid: bool


def index_of(entity: str) -> str:
    """The index an entity is set beside: the S&P 500 for itself, the rest and a portfolio, else the NASDAQ."""
    return "sp500" if entity in ("sp500", "rest", "portfolio") else "nasdaq"


def crashes(index: str, steps_per_year: int) -> tuple[Crash, ...]:
    """The crashes of an index: those on this grid first, the dot-com crash before all.

    Within :func:`baselines.beside` the user's own series is among them.
    """
    known = _shipped(index, steps_per_year)
    own = baselines.own_baseline()
    if own is not None:
        depth = baselines.grid_depth(own, index, steps_per_year)
        known = (*known, _crash(own.name, own.name, index, own.fact(index).depth, depth))
    return tuple(sorted(known, key=lambda crash: (not crash.same_grid, crash.name != "dotcom")))


@lru_cache
def _shipped(index: str, steps_per_year: int) -> tuple[Crash, ...]:
    shipped = []
    for name, depths in baselines.reference_depths(steps_per_year).items():
        if index in depths:
            daily, grid = depths[index]
            if steps_per_year == _DAILY:
                grid = daily
            title = "dot-com" if name == "dotcom" else name
            shipped.append(_crash(name, title, index, daily, grid))
    return tuple(shipped)


def _crash(name: str, title: str, index: str, daily: float, grid: float | None) -> Crash:
    return Crash(name, title, index, daily if grid is None else grid, daily, grid is not None)


class History:
    """One crash as tables; see :func:`baseline`."""

    def __init__(self, source: Baseline) -> None:
        self._source = source
        self.name, self.title = source.name, source.title

    def levels(self, index: str) -> pd.Series[float]:
        """Closes by date: "sp500" or "nasdaq" (for a file: its name)."""
        import pandas as pd  # workers need the crashes, not the tables

        dates, closes = self._source.levels(index)
        days = pd.DatetimeIndex(dates, name="date")
        return pd.Series(closes, index=days, name=index)

    def fact(self, index: str) -> Fact:
        """Peak, trough, recovery and depth on daily closes."""
        return self._source.fact(index)

    def measure(self, steps_per_year: int) -> pd.DataFrame:
        """The measures of a run, by the same function on the same grid: one row per index.

        Columns as in ``Run.metrics`` (times in years from the peak), and the dates.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for index in self._source.series:
            measures = self._source.measure(index, steps_per_year)
            steps = {name: value for name, value in measures.items() if "_step" in name}
            row = {"entity": index, "max_drawdown": measures["max_drawdown"]}
            for name, step in steps.items():
                known = isinstance(step, int) and step >= 0
                row[f"{name.split('_')[0]}_t"] = step / steps_per_year if known else np.nan  # type: ignore[operator]
            row |= {name: value for name, value in measures.items() if name not in steps}
            rows.append(row)
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<baseline {self.name}: {self.title}>"


def baseline(name: str | Path) -> History:
    """A crash of history by name ("dotcom", "2008", ...), or closes of your own from a .csv file.

    Raises
    ------
    UsageError
        For a name there is not.
    BaselineError
        For a file that cannot be used, with its line.
    """
    if isinstance(name, Path) or name.endswith(".csv"):
        return History(baselines.load_baseline_csv(name))
    return History(baselines.baseline(name))
