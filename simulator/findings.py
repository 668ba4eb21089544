"""What a run found, as rows of text with the digits their error supports.

The summary for the terminal and the report for the browser are both filled from these rows,
so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.errors import plain
from simulator.plot_data import label
from simulator.summary import WORST
from simulator.wording import (
    format_dollars,
    format_error,
    format_interval,
    format_log,
    format_share,
    percent,
)

if TYPE_CHECKING:
    from simulator.run import Run

CAUSE_NAMES = {
    "revenue": "sales",
    "margin": "margins",
    "expectations": "expected growth",
    "sentiment": "AI premium",
    "news": "news",
    "rates": "interest rates",
    "market": "market as a whole",
    "contagion": "contagion",
    "firm": "single firms",
    "growth": "required growth",
}
"""The causes of docs/model.md, section 3, in words."""


@dataclass(frozen=True)
class Fall:
    """Largest falls of one entity, as text: a cell per statistic of WORST, the mean and its error."""

    entity: str
    name: str
    cells: tuple[str, ...]
    mean: str
    error: str


@dataclass(frozen=True)
class Reach:
    """How often an entity falls as far as a real crash did."""

    name: str
    crash: str
    fall: str  # on the grid of the run
    daily: str  # on daily closes
    chance: str


@dataclass(frozen=True)
class Loss:
    """Dollars lost from peak to trough, as text."""

    name: str
    median: str
    worst_1_in_20: str
    worst_1_in_100: str


@dataclass(frozen=True)
class Driver:
    """The mean of one cause over the worst twentieth of paths, in log points."""

    name: str
    points: str
    error: str


def falls(run: Run, entities: Iterable[str] | None = None) -> list[Fall]:
    """The table of largest falls, in the order of the run's entities."""
    rows = []
    for entity in run.entities if entities is None else entities:
        found = run.estimates()[entity]
        cells = tuple(format_share(found[name], sign=-1) for name in WORST)
        mean = format_share(found["mean"], sign=-1)
        rows.append(Fall(entity, label(run, entity), cells, mean, format_error(found["mean"])))
    return rows


def reaches(run: Run, entities: Iterable[str]) -> list[Reach]:
    """The chance that each entity falls as far as each crash measured on the run's own grid."""
    return [
        Reach(
            label(run, entity),
            plain(crash.title),
            percent(-crash.depth, 1),
            percent(-crash.daily_depth, 1),
            format_interval(run.estimates()[entity][f"reach_{crash.name}"]),
        )
        for entity in entities
        for crash in run.crashes(entity)
        if crash.same_grid
    ]


def losses(run: Run, entities: Iterable[str]) -> list[Loss]:
    """Dollars lost from peak to trough."""
    rows = []
    for entity in entities:
        found = run.estimates()[entity]
        cells = (found[f"dollars_lost_{name}"] for name in ("median", "worst_1_in_20", "worst_1_in_100"))
        rows.append(Loss(label(run, entity), *(format_dollars(cell) for cell in cells)))
    return rows


def drivers(run: Run, entity: str) -> list[Driver]:
    """The causes of the worst twentieth, the most harmful first."""
    causes = run.drivers(entity)
    ordered = sorted(causes, key=lambda name: causes[name].value)
    return [
        Driver(CAUSE_NAMES.get(name, name), format_log(causes[name]), format_error(causes[name]))
        for name in ordered
    ]


def groups(run: Run) -> list[str]:
    """The groups among the run's entities."""
    return [entity for entity in run.entities if entity in run.scenario.universe.groups]
