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
    """One row of the table. ``estimate`` is what is judged; ``result`` says it in words."""

    group: str
    what: str
    target: str
    source: str
    kind: Kind
    result: str
    verdict: Verdict
    estimate: Estimate | None = None


@dataclass
class Table:
    """Rows of one group, as they come."""

    group: str
    rows: list[Row] = field(default_factory=list)

    def band(
        self,
        what: str,
        estimate: Estimate,
        low: float,
        high: float,
        source: str,
        *,
        unit: Unit = "number",
        kind: Kind = "judged",
        history: Estimate | None = None,
        target: str = "",
    ) -> None:
        """``estimate`` should lie between ``low`` and ``high``, infinite where it is open.

        ``history`` is what history itself knows of the figure, with its interval.
        """
        result = target_text(estimate, unit)
        if history is not None:
            result += f"; history {target_text(history, unit)}"
        verdict = evaluate_target(estimate, low, high, history)
        target = target or between(low, high, unit)
        self.rows.append(Row(self.group, what, target, source, kind, result, verdict, estimate))

    def outcome(
        self, what: str, simulated: FloatArray, real: float, source: str, *, unit: Unit = "number"
    ) -> None:
        """What happened once should be nothing special among ``simulated`` (path,)."""
        low, middle, high = (float(np.quantile(simulated, q)) for q in (TAIL, 0.5, 1 - TAIL))
        place = place_of(real, simulated)
        ends = " to ".join(write(end, unit) for end in sorted((low, high), key=abs))
        result = f"median {write(middle, unit)}, 90 % within {ends}; real at {target_text(place, 'share')}"
        target = f"real {write(real, unit)} within 5 to 95 %"
        verdict = evaluate_target(place, TAIL, 1 - TAIL)
        self.rows.append(Row(self.group, what, target, source, "judged", result, verdict, place))

    def shown(self, what: str, result: str, source: str, estimate: Estimate | None = None) -> None:
        """A result without a target."""
        self.rows.append(Row(self.group, what, "", source, "shown", result, "shown", estimate))

    def estimate(self, what: str, estimate: Estimate, source: str, unit: Unit = "share") -> None:
        """An estimate without a target."""
        self.shown(what, target_text(estimate, unit), source, estimate)

    def unchecked(self, what: str, result: str, target: str, source: str) -> None:
        """A target without data."""
        self.rows.append(Row(self.group, what, target, source, "judged", result, "unchecked"))


def evaluate_target(
    estimate: Estimate, low: float, high: float, history: Estimate | None = None
) -> Verdict:
    """The value decides. Outside the band, its interval and history's say whether that is sure."""
    if low <= estimate.value <= high:
        return "met"
    if estimate.low <= high and estimate.high >= low:
        return "too few paths"
    if history is not None and estimate.low <= history.high and estimate.high >= history.low:
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


def target_text(estimate: Estimate, unit: Unit) -> str:
    """An estimate with its interval."""
    if unit == "tiny":
        return f"{estimate.value:.1e}"
    error = estimate.mc_error * (100 if unit in ("share", "fall") else 1)
    places = decimals(error, 1 if unit in ("share", "fall", "months") else 3)
    ends = (estimate.low, estimate.high)
    if unit == "fall":
        ends = (estimate.high, estimate.low)
    low, high = (re.sub(r"( %| months|x)$", "", write(end, unit, places)) for end in ends)
    return f"{write(estimate.value, unit, places)} ({low} to {high})"


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


def measured(run: Run, entity: str, measure: str) -> FloatArray:
    """A measure of an entity on every path, (path,)."""
    return np.asarray(run.results.measures[measure][run.entities.index(entity)], np.float64)
