"""What the figures of a run show: their tables and their words.

The drawing in :mod:`simulator.plots` and the tables under the figures of a report both
start here, so that a figure and its numbers cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from simulator.errors import UsageError, plain
from simulator.summary import Sample, sample
from simulator.wording import often, percent

if TYPE_CHECKING:
    from simulator.crashes import Crash
    from simulator.run import Run

KINDS = ("histogram", "fan", "exceedance", "underwater")

LEVELS = tuple(round(0.05 + 0.1 * i, 2) for i in range(10))
"""Edges of the nine 10 % bands, which hold 90 of 100 paths."""
BIN = 0.02
"""Width of a histogram bin: fixed, so that two runs can be laid side by side; two rows of histogram.csv."""
DOTCOM = "dotcom"
"""The crash that everything is set beside."""
SAMPLES = 5
"""Single paths drawn over a fan."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One figure of one entity of a run, before it is drawn.

    Raises
    ------
    UsageError
        For a kind of figure there is not, or an entity the run does not have.
    """

    kind: str
    run: Run
    entity: str = "sp500"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"no figure {plain(self.kind)!r}; there are {', '.join(KINDS)}")
        if self.entity not in self.run.entities:
            known = ", ".join(self.run.entities)
            raise UsageError(f"no entity {plain(self.entity)!r} in this run; it has {known}")

    @property
    def row(self) -> int:
        """Where the entity stands on the first axis of results."""
        return self.run.entities.index(self.entity)

    @property
    def name(self) -> str:
        """The entity's name for people."""
        return label(self.run, self.entity)

    @property
    def years(self) -> str:
        """The horizon in words."""
        return f"{self.run.scenario.horizon_years:g} years"

    @cached_property
    def falls(self) -> Sample:
        """The largest fall of every path."""
        return sample(self.run.results, self.entity, "max_drawdown")

    @cached_property
    def crashes(self) -> tuple[Crash, ...]:
        """Real crashes of the index the entity is set beside."""
        return self.run.crashes(self.entity)

    @property
    def dotcom(self) -> Crash | None:
        """The dot-com crash, if it is known on the grid of the run."""
        known = (crash for crash in self.crashes if crash.name == DOTCOM and crash.same_grid)
        return next(known, None)

    def reaching(self, depth: float) -> str:
        """How many paths fall by ``depth`` or more, in words."""
        return often(self.falls.at_least(depth), self.run.paths)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The numbers the figure is drawn from: falls negative, shares of paths in 0..1, t in years."""
        if self.kind == "histogram":
            return self._histogram()
        if self.kind == "exceedance":
            return self._exceedance()
        frame, sign = (self.run.fan, 1) if self.kind == "fan" else (self.run.underwater, -1)
        rows = frame[frame["entity"] == self.entity]
        bands = {band(level): sign * rows[level].to_numpy() for level in sorted({*LEVELS, 0.5})}
        return pd.DataFrame({"t": rows["t"].to_numpy(), **bands})

    def _histogram(self) -> pd.DataFrame:
        counts = self.run.results.counts["max_drawdown"][self.row]
        paths = counts[:-1].reshape(-1, round(BIN * 10_000)).sum(axis=1)
        paths[-1] += counts[-1]  # a loss of 100 %
        edges = -BIN * np.arange(len(paths) + 1)
        share = paths / self.run.paths
        return pd.DataFrame({"from": edges[:-1], "to": edges[1:], "paths": paths, "share": share})

    def _exceedance(self) -> pd.DataFrame:
        depths = np.linspace(0.0, 1.0, 201)
        found = [self.falls.at_least(float(depth)) for depth in depths]
        columns = {name: [getattr(one, name) for one in found] for name in ("value", "low", "high")}
        return pd.DataFrame({"fall of at least": -depths, **columns})

    @property
    def headline(self) -> str:
        """The message of the figure in one sentence, in natural frequencies."""
        if self.kind == "histogram" and self.dotcom is not None:
            share = self.reaching(self.dotcom.depth)
            return f"{self.name}: {share} simulated futures fall as far as in the dot-com crash, or further"
        if self.kind == "histogram":
            typical = percent(self.falls.quantile(0.5).value)
            return f"{self.name}: half of the simulated futures fall by {typical} or more"
        if self.kind == "exceedance":
            bad = percent(self.falls.quantile(0.95).value)
            return f"{self.name}: 1 in 20 simulated futures has a fall of {bad} or more"
        last = self.table.iloc[-1]
        if self.kind == "fan":
            ends = f"{last[band(0.05)]:.2f} and {last[band(0.95)]:.2f} times its start"
            return f"{self.name} after {self.years}: between {ends} in 90 of 100 simulated futures"
        below = percent(-last[band(0.5)])
        return (
            f"{self.name} after {self.years}: {below} or more below its high in half of the futures"
        )

    @property
    def subtitle(self) -> str:
        """What is drawn, said so that the figure can stand alone."""
        shades = "Each shade holds 10 of 100 paths, the middle ones the strongest"
        grid = f"within {self.years} on {closes(self.run)} closes"
        return {
            "histogram": f"Largest fall from a peak {grid}; share of paths per 2 points.",
            "fan": f"Level, start = 1, log scale. {shades}; {SAMPLES} single paths as thin lines.",
            "exceedance": f"How often the largest fall {grid} is at least this deep.",
            "underwater": f"Distance below the highest level so far. {shades}.",
        }[self.kind]

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """The table as text, thinned to what a reader wants: column names, rows."""
        rows = self.table
        if self.kind == "histogram":
            filled = np.flatnonzero(rows["paths"])
            rows = rows.iloc[filled[0] : filled[-1] + 1]
            return ["fall from", "to", "paths", "share"], [
                [percent(row[0]), percent(row[1]), f"{row[2]:,}", percent(row[3], 2)]
                for row in rows.itertuples(index=False)
            ]
        if self.kind == "exceedance":
            rows = rows.iloc[::5]
            rows = rows.iloc[: int((rows["value"] > 0).sum()) + 1]
            return ["fall of at least", "share of paths", "95 % interval from", "to"], [
                [percent(row[0], 1), *(percent(share, 2) for share in row[1:])]
                for row in rows.itertuples(index=False)
            ]
        picked = np.unique(np.linspace(0, len(rows) - 1, 21).round().astype(int))
        below = [f"{level} of paths below" for level in rows.columns[1:]]
        places = 2 if self.kind == "fan" else None
        return ["years", *below], [
            [
                f"{row[0]:.2f}",
                *(percent(level) if places is None else f"{level:.{places}f}" for level in row[1:]),
            ]
            for row in rows.iloc[picked].itertuples(index=False)
        ]


def band(level: float) -> str:
    """The name of a quantile's column: "5 %"."""
    return f"{round(level * 100)} %"


def label(run: Run, entity: str) -> str:
    """The name of an entity for people; what its title has in brackets is left out."""
    return plain(run.label(entity)).split(" (")[0]


def origin(run: Run) -> str:
    """The scenario, paths and seed behind a figure, on one line."""
    return f"Scenario: {plain(run.scenario.title, 90)}; {run.paths:,} paths, seed {run.seed}."


def closes(run: Run) -> str:
    """How often the run looks at prices: "weekly"."""
    steps = run.scenario.steps_per_year
    return {12: "monthly", 52: "weekly", 252: "daily"}.get(steps, f"{steps}-a-year")
