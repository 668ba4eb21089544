"""What the figures of a run show: their tables and their headlines, as plain numbers and text.

The drawing in :mod:`simulator.plots` and the tables under the figures of a report both
start here, so that a figure and its numbers cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from simulator.errors import UsageError, plain
from simulator.intervals import Estimate
from simulator.summary import Sample, sample
from simulator.wording import often, percent

if TYPE_CHECKING:
    from simulator.run import Run

KINDS = ("histogram", "fan", "exceedance", "underwater")

LEVELS = tuple(round(0.05 + 0.1 * i, 2) for i in range(10))
"""Edges of the nine 10 % bands, which hold 90 of 100 paths."""
BIN = 0.025
"""Width of a histogram bin, as a share: fixed, so that two runs can be laid side by side."""
SAMPLES = 5
"""Single paths drawn over a fan."""


@dataclass(frozen=True)
class Mark:
    """A real crash beside the simulated ones; ``depth`` is a positive share."""

    name: str
    depth: float
    weekly: bool  # measured on the grid of the run; otherwise on daily closes

    @property
    def is_dotcom(self) -> bool:
        """The crash everything else is set beside."""
        return self.name == "dot-com"


@dataclass(frozen=True)
class Subject:
    """One entity of one run, as the figures need it."""

    run: Run
    entity: str
    row: int
    name: str
    marks: tuple[Mark, ...]
    falls: Sample  # the largest fall of every path

    @property
    def n(self) -> int:
        """Number of paths."""
        return self.run.results.n

    @property
    def years(self) -> str:
        """The horizon in words."""
        return f"{self.run.scenario.horizon_years:g} years"

    @property
    def dotcom(self) -> Mark | None:
        """The dot-com crash of the index this entity is compared with."""
        return next((mark for mark in self.marks if mark.is_dotcom), None)

    def reaching(self, depth: float) -> Estimate:
        """Share of paths whose largest fall is ``depth`` or deeper."""
        return self.falls.at_least(depth)

    def fall(self, share: float) -> float:
        """The fall that this share of paths reaches or passes."""
        return self.falls.quantile(1 - share).value


def subject(run: Run, entity: str) -> Subject:
    """Look up an entity. Raises UsageError for a name the run does not have."""
    if entity not in run.entities:
        raise UsageError(f"no entity {entity!r} in this run; it has {', '.join(run.entities)}")
    marks = tuple(Mark(plain(m.title), m.depth, m.same_grid) for m in run.crashes(entity))
    row, falls = list(run.entities).index(entity), sample(run.results, entity, "max_drawdown")
    return Subject(run, entity, row, label(run, entity), marks, falls)


def label(run: Run, entity: str) -> str:
    """The name of an entity for people, short: what stands in brackets is left out."""
    return plain(run.scenario.universe.title_of(entity)).split(" (")[0]


def _histogram_table(of: Subject) -> pd.DataFrame:
    counts = of.run.results.counts["max_drawdown"][of.row]
    per_bin = round(BIN * 10_000)
    paths = counts[:-1].reshape(-1, per_bin).sum(axis=1)
    paths[-1] += counts[-1]  # a loss of 100 %
    edges = BIN * np.arange(len(paths) + 1)
    return pd.DataFrame(
        {"from": -edges[:-1], "to": -edges[1:], "paths": paths, "share": paths / of.n}
    )


def _exceedance_table(of: Subject) -> pd.DataFrame:
    depths = np.arange(0, 10_001, 50)
    estimates = [of.reaching(depth / 10_000) for depth in depths]
    return pd.DataFrame(
        {
            "fall of at least": -depths / 10_000,
            "share": [e.value for e in estimates],
            "low": [e.low for e in estimates],
            "high": [e.high for e in estimates],
        }
    )


def _bands_table(frame: pd.DataFrame, of: Subject, sign: float) -> pd.DataFrame:
    rows = frame[frame["entity"] == of.entity]
    levels = sorted({*LEVELS, 0.5})
    columns = {f"{round(level * 100)} %": sign * rows[level].to_numpy() for level in levels}
    return pd.DataFrame({"t": rows["t"].to_numpy(), **columns})


TABLES: dict[str, Callable[[Subject], pd.DataFrame]] = {
    "histogram": _histogram_table,
    "fan": lambda of: _bands_table(of.run.fan, of, 1.0),
    "exceedance": _exceedance_table,
    "underwater": lambda of: _bands_table(of.run.underwater, of, -1.0),
}


def table(kind: str, run: Run, entity: str = "sp500") -> pd.DataFrame:
    """The numbers a figure is drawn from: falls negative, shares of paths in 0..1, t in years."""
    check_kind(kind)
    return TABLES[kind](subject(run, entity))


def check_kind(kind: str) -> None:
    """Raise UsageError for a figure there is not."""
    if kind not in KINDS:
        raise UsageError(f"no figure {kind!r}; there are {', '.join(KINDS)}")


def headline(kind: str, run: Run, entity: str = "sp500") -> str:
    """The message of a figure in one sentence, in natural frequencies."""
    check_kind(kind)
    of = subject(run, entity)
    if kind == "histogram":
        if of.dotcom is None:
            return f"{of.name}: half of {of.n:,} futures fall by {percent(of.fall(0.5))} or more"
        share = often(of.reaching(of.dotcom.depth), of.n)
        return (
            f"{of.name}: {share} simulated futures fall as far as in the dot-com crash, or further"
        )
    if kind == "exceedance":
        return (
            f"{of.name}: 1 in 20 simulated futures has a fall of {percent(of.fall(0.05))} or more"
        )
    last = table(kind, run, entity).iloc[-1]
    if kind == "fan":
        ends = f"{last['5 %']:.2f} and {last['95 %']:.2f} times its start"
        return f"{of.name} after {of.years}: between {ends} in 90 of 100 simulated futures"
    below = percent(-last["50 %"])
    return f"{of.name} after {of.years}: {below} or more below its high in half of the futures"


def subtitle(kind: str, run: Run) -> str:
    """What is drawn, said so that the figure can stand alone."""
    check_kind(kind)
    years = f"{run.scenario.horizon_years:g} years"
    shades = "Each shade holds 10 of 100 paths, the middle ones the strongest"
    return {
        "histogram": f"Largest fall from a peak within {years} on {closes(run)} closes; share of paths per 2.5 points.",
        "fan": f"Level, start = 1, log scale. {shades}; {SAMPLES} single paths as thin lines.",
        "exceedance": f"How often the largest fall within {years}, on {closes(run)} closes, is at least this deep.",
        "underwater": f"Distance below the highest level so far. {shades}.",
    }[kind]


def origin(run: Run) -> str:
    """The scenario, paths and seed behind a figure, on one line."""
    return f"Scenario: {plain(run.scenario.title, 90)}; {run.results.n:,} paths, seed {run.seed}."


def closes(run: Run) -> str:
    """How often the run looks at prices: "weekly"."""
    steps = run.scenario.steps_per_year
    return {12: "monthly", 52: "weekly", 252: "daily"}.get(steps, f"{steps}-a-year")
