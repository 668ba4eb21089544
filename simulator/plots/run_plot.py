"""What the figures of a run share: entity, falls, real crashes, words."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from simulator.arrays import FloatArray, IntArray
from simulator.errors import UsageError, plain, plural
from simulator.plots.plot import Plot
from simulator.runs.run_words import DOTCOM, label, years
from simulator.runs.samples import Sample, sample
from simulator.statistics import Estimate, Z
from simulator.statistics.formatting import format_interval, often, percent

if TYPE_CHECKING:
    from simulator.history import Crash
    from simulator.runs import Run

LEVELS = tuple(round(0.05 + 0.1 * i, 2) for i in range(10))
"""Edges of the nine 10 % bands, which hold 90 of 100 paths."""
QUANTILES = tuple(sorted({*LEVELS, 0.5}))
"""The edges and the median."""
SHADES = "Each shade holds 10 of 100 paths, the middle ones the strongest"


class RunPlot(Plot):
    """One figure of one entity of a run."""

    @property
    def run(self) -> Run:
        """The run behind the figure."""
        run: Run = self.source
        return run

    def check_names(self) -> None:
        """Raise UsageError for an entity that the run does not have."""
        if self.entity not in self.run.entities:
            known = ", ".join(self.run.entities)
            raise UsageError(f"no entity {plain(self.entity)!r} in this run; it has {known}")

    @property
    def origin(self) -> str:
        """The scenario, paths and seed."""
        return origin(self.run)

    @property
    def row(self) -> int:
        """Where the entity stands on the first axis of results."""
        return self.run.entities.index(self.entity)

    @property
    def name(self) -> str:
        """The entity's name for people."""
        return label(self.run, self.entity)

    @property
    def title(self) -> str:
        """The question, and the entity where it is not the S&P 500."""
        if self.entity == "sp500":
            return self.question
        return f"{self.name}: {self.question[0].lower()}{self.question[1:]}"

    @property
    def years(self) -> str:
        """The horizon in words."""
        return years(self.run.scenario.horizon_years)

    @property
    def few(self) -> str:
        """Words for a figure of the paths in the tables, where they are not all."""
        results = self.run.results
        return "" if results.n == results.kept else f" (the first {results.kept:,} paths)"

    @cached_property
    def falls(self) -> Sample:
        """The largest fall of every path."""
        return sample(self.run.results, self.entity, "max_drawdown")

    @cached_property
    def losses(self) -> Sample | None:
        """The lowest level of every path against today; None for runs that did not measure it."""
        if "loss_from_start" not in self.run.results.measures:
            return None
        return sample(self.run.results, self.entity, "loss_from_start")

    @cached_property
    def depths(self) -> FloatArray:
        """Depths of the largest falls (kept,) of the paths in the tables."""
        return np.asarray(self.run.results.measures["max_drawdown"][self.row], np.float64)

    def steps(self, name: str) -> IntArray:
        """The peak, trough or recovery step (kept,) of the paths in the tables; -1 for never."""
        return np.asarray(self.run.results.measures[f"{name}_step"][self.row], np.int64)

    @cached_property
    def crashes(self) -> tuple[Crash, ...]:
        """Real crashes of the index the entity is set beside."""
        return self.run.crashes(self.entity)

    @property
    def dotcom(self) -> Crash | None:
        """The dot-com crash on the grid of the run, where it is known on it."""
        known = (crash for crash in self.crashes if crash.name == DOTCOM and crash.same_grid)
        return next(known, None)

    def reaching(self, depth: float) -> str:
        """How many paths fall by ``depth`` or more, in words."""
        return often(self.falls.at_least(depth), self.run.paths)


def with_interval(value: float, low: float, high: float) -> str:
    """A share with its 95 % interval, as every table prints it; nothing for NaN."""
    if np.isnan(value):
        return ""
    return format_interval(Estimate(value, (high - low) / (2 * Z), low, high))


def band(level: float) -> str:
    """The name of a quantile's column: "5 %"."""
    return f"{round(level * 100)} %"


BANDS = tuple(map(band, QUANTILES))
"""Names of the columns of QUANTILES."""


def below(*levels: float) -> list[str]:
    """Heads of columns of quantiles; all of them by default."""
    return [f"{band(level)} of paths below" for level in levels or QUANTILES]


def origin(run: Run) -> str:
    """The scenario, paths and seed behind a figure, on one line."""
    return (
        f"Scenario: {plain(run.scenario.title, 90)}; {plural(run.paths, 'path')}, seed {run.seed}."
    )


def evenly(count: int, most: int) -> IntArray:
    """At most ``most`` of the places 0 to ``count`` - 1, evenly spread, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def thinned(rows: pd.DataFrame, most: int = 21) -> pd.DataFrame:
    """At most ``most`` rows, first and last included."""
    return rows.iloc[evenly(len(rows), most)]


def changes(rows: pd.DataFrame) -> list[list[str]]:
    """Rows of t and shares as text; NaN is left empty."""
    return [
        [f"{row[0]:.2f}", *("" if np.isnan(value) else percent(value) for value in row[1:])]
        for row in rows.itertuples(index=False)
    ]
