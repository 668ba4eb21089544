"""A row of the hindcast: what should come out, what does, and the verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from simulator.arrays import FloatArray
from simulator.runs import Run
from simulator.statistics import Estimate, probability, quantile
from simulator.statistics.formatting import MINUS, decimals, percent

Verdict = Literal["met", "missed", "history cannot decide", "too few paths", "unchecked", "shown"]
"""``shown`` has no target; ``unchecked`` has one that no data at hand can check."""
Kind = Literal["judged", "fitted", "exact", "shown"]
"""``fitted`` rows were looked at when parameters were set: they validate nothing."""
Unit = Literal["share", "fall", "months", "times", "number", "tiny"]

TAIL = 0.05
"""A single outcome of history is met if it lies within the middle 90 % of futures."""


@dataclass(frozen=True)
class Row:
    """One row of the table. ``found`` is what was judged; ``result`` says it in words."""

    group: str
    what: str
    target: str
    source: str
    kind: Kind
    result: str
    verdict: Verdict
    found: Estimate | None = None


@dataclass
class Table:
    """Rows of one group, as they come."""

    group: str
    rows: list[Row] = field(default_factory=list)

    def band(
        self,
        what: str,
        found: Estimate,
        low: float,
        high: float,
        source: str,
        *,
        unit: Unit = "number",
        kind: Kind = "judged",
        history: Estimate | None = None,
        target: str = "",
    ) -> None:
        """``found`` should lie between ``low`` and ``high``, infinite where it is open.

        ``history`` is what history itself knows of the figure, with its interval.
        """
        told = f"{target_text(found, unit)}"
        if history is not None:
            told += f"; history {target_text(history, unit)}"
        verdict = evaluate_target(found, low, high, history)
        target = target or between(low, high, unit)
        self.rows.append(Row(self.group, what, target, source, kind, told, verdict, found))

    def outcome(
        self, what: str, simulated: FloatArray, real: float, source: str, *, unit: Unit = "number"
    ) -> None:
        """What happened once should be nothing special among ``simulated`` (path,)."""
        low, middle, high = (float(np.quantile(simulated, q)) for q in (TAIL, 0.5, 1 - TAIL))
        place = place_of(real, simulated)
        ends = " to ".join(write(end, unit) for end in sorted((low, high), key=abs))
        told = f"median {write(middle, unit)}, 90 % within {ends}; real at {target_text(place, 'share')}"
        target = f"real {write(real, unit)} within 5 to 95 %"
        verdict = evaluate_target(place, TAIL, 1 - TAIL)
        self.rows.append(Row(self.group, what, target, source, "judged", told, verdict, place))

    def shown(self, what: str, result: str, source: str, found: Estimate | None = None) -> None:
        """A figure without a target."""
        self.rows.append(Row(self.group, what, "", source, "shown", result, "shown", found))

    def unchecked(self, what: str, result: str, target: str, source: str) -> None:
        """A target without data."""
        self.rows.append(Row(self.group, what, target, source, "judged", result, "unchecked"))


def evaluate_target(
    found: Estimate, low: float, high: float, history: Estimate | None = None
) -> Verdict:
    """The value decides. Outside the band, its interval and history's say whether that is sure."""
    if low <= found.value <= high:
        return "met"
    if found.low <= high and found.high >= low:
        return "too few paths"
    if history is not None and found.low <= history.high and found.high >= history.low:
        return "history cannot decide"
    return "missed"


def place_of(real: float, simulated: FloatArray) -> Estimate:
    """Share of ``simulated`` (path,) at or below ``real``: its probability integral transform."""
    return probability(int(np.count_nonzero(simulated <= real)), simulated.size)


def share_above(windows: FloatArray, depth: float) -> Estimate:
    """Share of independent windows of history (n,) deeper than ``depth``."""
    return probability(int(np.count_nonzero(windows > depth)), windows.size)


def quantile_of(windows: FloatArray, q: float) -> Estimate:
    """A quantile of the depths of independent windows of history (n,)."""
    return quantile(windows, q, (0.0, 1.0))


def target_text(found: Estimate, unit: Unit) -> str:
    """An estimate with its interval."""
    if unit == "tiny":
        return f"{found.value:.1e}"
    error = found.mc_error * (100 if unit in ("share", "fall") else 1)
    places = decimals(error, 1 if unit in ("share", "fall", "months") else 3)
    ends = (found.low, found.high)
    if unit == "fall":
        ends = (found.high, found.low)
    low, high = (re.sub(r"( %| months|x)$", "", write(end, unit, places)) for end in ends)
    return f"{write(found.value, unit, places)} ({low} to {high})"


def write(value: float, unit: Unit, places: int | None = None) -> str:
    """A number in its unit."""
    if unit in ("share", "fall"):
        return percent(-value if unit == "fall" else value, 0 if places is None else places)
    if unit == "tiny":
        return f"{value:.0e}"
    if unit == "months":
        return f"{value:.{1 if places is None else places}f} months"
    body = f"{abs(value):.{2 if places is None else places}f}"
    sign = MINUS if value < 0 and float(body) else ""
    return f"{sign}{body}{'x' if unit == 'times' else ''}"


def between(low: float, high: float, unit: Unit) -> str:
    """A band in words, its ends as they were given."""
    if np.isinf(high):
        return f"above {_given(low, unit)}"
    if np.isinf(low):
        return f"at most {_given(high, unit)}"
    return f"{_given(low, unit)} to {_given(high, unit)}"


def _given(value: float, unit: Unit) -> str:
    scale, word = {"share": (100, " %"), "fall": (-100, " %"), "months": (1, " months")}.get(
        unit, (1, "x" if unit == "times" else "")
    )
    return f"{value * scale:g}{word}".replace("-", MINUS) if unit != "tiny" else f"{value:g}"


def relative_levels(run: Run, entity: str) -> FloatArray:
    """Levels over the start, (T+1, path), of a run that kept them."""
    levels = np.asarray(run.levels[run.entities.index(entity)], np.float64)
    return np.asarray(levels / levels[0])


def loss_from_start(levels: FloatArray) -> FloatArray:
    """How far below the start the lowest level is, (path,), from levels over it (T+1, path)."""
    return np.asarray(1.0 - levels.min(axis=0))
