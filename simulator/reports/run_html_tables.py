"""Rows of text for the parts of a report that the terminal does not show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import plain
from simulator.plots.time_series import Fan
from simulator.reports.run_tables import STRENGTHS, WEAK
from simulator.runs.run_words import label
from simulator.runs.sensitivity import sensitivities
from simulator.runs.statistic_labels import CAUSE_NAMES
from simulator.statistics.formatting import percent, signed

if TYPE_CHECKING:
    from simulator.runs import Run


@dataclass(frozen=True)
class NamedFuture:
    """One simulated path of the fan chart, in words."""

    letter: str
    name: str
    path: int
    fall: str
    when: str
    cause: str
    end: str


def futures(run: Run, entity: str = "sp500") -> list[NamedFuture]:
    """The named paths of the fan chart: how far they fall, when, the main cause, and where they end."""
    results, row = run.results, run.entities.index(entity)
    rows = []
    for future in Fan(run, entity).futures:
        peak, trough = results.times[future.peak], results.times[future.trough]
        causes = results.causes[row, :, future.path]
        worst = int(np.argmin(causes))
        name = CAUSE_NAMES[results.cause_names[worst]][0]
        points, whole = (signed(100 * float(log), 0) for log in (causes[worst], causes.sum()))
        end = 1 + float(results.measures["terminal_return"][row, future.path])
        rows.append(
            NamedFuture(
                future.letter,
                future.name,
                future.path,
                percent(-future.depth, 1),
                f"from year {peak:.1f} to {trough:.1f}",
                f"{name} ({points} of {whole} log points)",
                f"{end:.2f} times the start",
            )
        )
    return rows


@dataclass(frozen=True)
class Sensitivity:
    """The rank correlation of one uncertain assumption with falls."""

    key: str
    evidence: str
    is_weak: bool
    index: str  # with the fall of the S&P 500
    strongest: str  # the group with the strongest correlation, and its correlation


def sensitivity_rows(run: Run, entity: str = "sp500") -> list[Sensitivity]:
    """Uncertain assumptions by their rank correlation with the fall of an entity, strongest first."""
    table = sensitivities(run.scenario, run.results)
    size = table[table["entity"] == entity].set_index("key")["rank_correlation"].abs()
    rows = []
    for key in size.sort_values(ascending=False, kind="stable").index:
        of_key = table[table["key"] == key]
        own = of_key[of_key["entity"] == entity].iloc[0]
        most = of_key[of_key["moves_most"]].iloc[0]
        value, low, high = (signed(own[name], 2) for name in ("rank_correlation", "low", "high"))
        grade = str(own["strength"])
        rows.append(
            Sensitivity(
                str(key),
                STRENGTHS.get(grade, plain(grade)),
                grade in WEAK,
                f"{value} ({low} to {high})",
                f"{label(run, str(most['entity']))} {signed(most['rank_correlation'], 2)}",
            )
        )
    return rows
