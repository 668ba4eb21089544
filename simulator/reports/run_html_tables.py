"""Rows of text for the parts of a report that the terminal does not show, or shows otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import plain
from simulator.plots.run_plot import label
from simulator.plots.time_series import Fan
from simulator.reports.run_tables import STRENGTHS, WEAK
from simulator.runs.sensitivity import sensitivities
from simulator.runs.statistic_labels import CAUSE_NAMES
from simulator.statistics import Estimate
from simulator.statistics.formatting import format_log, percent

if TYPE_CHECKING:
    from simulator.runs import Run


@dataclass(frozen=True)
class NamedFuture:
    """One simulated path of the fan, told in words."""

    letter: str
    name: str
    path: int
    fall: str
    when: str
    cause: str
    end: str


def futures(run: Run, entity: str = "sp500") -> list[NamedFuture]:
    """The named paths of the fan: how far they fall, when, mostly why, and where they end."""
    found, row = run.results, run.entities.index(entity)
    rows = []
    for one in Fan(run, entity).futures:
        peak, low = found.times[one.peak], found.times[one.trough]
        causes = found.causes[row, :, one.path]
        worst = int(np.argmin(causes))
        name = CAUSE_NAMES[found.cause_names[worst]][0]
        points = format_log(Estimate(float(causes[worst]), 0.001, 0.0, 0.0), 0)
        whole = format_log(Estimate(float(causes.sum()), 0.001, 0.0, 0.0), 0)
        end = found.measures["terminal_return"][row, one.path]
        rows.append(
            NamedFuture(
                one.letter,
                one.name,
                one.path,
                percent(-one.depth, 1),
                f"from year {peak:.1f} to {low:.1f}",
                f"{name} ({points} of {whole} log points)",
                f"{1 + float(end):.2f} times the start",
            )
        )
    return rows


@dataclass(frozen=True)
class Moves:
    """How one uncertain assumption goes together with falls, by rank correlation."""

    key: str
    evidence: str
    is_weak: bool
    index: str  # with the S&P 500's fall
    most: str  # the group it moves most, and its correlation


def moves(run: Run, entity: str = "sp500") -> list[Moves]:
    """Uncertain assumptions by how strongly they go together with the fall of an entity, strongest first."""
    table = sensitivities(run)
    found = []
    for key, rows in table.groupby("key", sort=False):
        own = rows[rows["entity"] == entity].iloc[0]
        most = rows[rows["moves_most"]].iloc[0]
        grade = str(own["strength"])
        told = f"{label(run, str(most['entity']))} {_signed(most['rank_correlation'])}"
        interval = f"({_signed(own['low'])} to {_signed(own['high'])})"
        row = Moves(
            str(key),
            STRENGTHS.get(grade, plain(grade)),
            grade in WEAK,
            f"{_signed(own['rank_correlation'])} {interval}",
            told,
        )
        found.append((abs(float(own["rank_correlation"])), row))
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
