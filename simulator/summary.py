"""Every printed number of a run, with its Monte Carlo error.

A :class:`Sample` is one measure of one entity over all paths: the paths themselves while all are
in the tables, else their counts on a grid. Both answer the same questions; the second widens
its intervals by the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, sqrt
from operator import ge, gt, le, lt
from typing import Protocol

import numpy as np

from simulator.arrays import FloatArray, IntArray
from simulator.intervals import (
    Estimate,
    expected_shortfall,
    kaplan_meier_from_counts,
    mean,
    probability,
    quantile,
    quantile_from_counts,
)
from simulator.results import CAUSES, GRIDS, Grid, Results
from simulator.thresholds import Threshold

Z = 1.959963984540054
"""Half a nominal 95 % interval, in standard errors."""

WORST = {
    "median": 0.5,
    "worst_1_in_4": 0.75,
    "worst_1_in_10": 0.9,
    "worst_1_in_20": 0.95,
    "worst_1_in_100": 0.99,
}
"""Statistics of a fall and how far towards the bad end they lie."""

RECOVERY_YEARS = (1, 2, 5, 10)

_SUPPORT = {
    "max_drawdown": (0.0, 1.0),
    "worst_week": (-1.0, inf),
    "worst_month": (-1.0, inf),
    "terminal_return": (-1.0, inf),
    "dollars_lost": (0.0, inf),
}


class Sample(Protocol):
    """One number per path, of which statistics can be asked."""

    def quantile(self, q: float) -> Estimate:
        """The ``q``-quantile."""
        ...

    def at_least(self, threshold: float) -> Estimate:
        """Probability of a value of ``threshold`` or more."""
        ...

    def mean(self) -> Estimate:
        """The mean."""
        ...

    def shortfall(self, q: float) -> Estimate:
        """Mean of the largest share 1 - ``q``."""
        ...


@dataclass(frozen=True)
class Paths:
    """A sample held path by path: ``values`` (n,), which lie within ``support``."""

    values: FloatArray
    support: tuple[float, float] = (-inf, inf)

    def quantile(self, q: float) -> Estimate:
        """The ``q``-quantile, interval between order statistics."""
        return quantile(self.values, q, self.support)

    def at_least(self, threshold: float) -> Estimate:
        """Share of paths at or above ``threshold``."""
        return probability(int(np.count_nonzero(self.values >= threshold)), self.values.size)

    def mean(self) -> Estimate:
        """The mean over paths."""
        return mean(self.values)

    def shortfall(self, q: float) -> Estimate:
        """Mean of the largest share 1 - ``q``."""
        return expected_shortfall(self.values, q)


@dataclass(frozen=True)
class Counted:
    """A sample held as ``counts`` (bins,) on ``grid``, in a unit of ``scale`` times the grid's.

    ``log`` says that the grid is on the log of one plus the value. Values and edges of the end
    bins bound what lies outside the grid.
    """

    counts: IntArray
    grid: Grid
    support: tuple[float, float] = (-inf, inf)
    scale: float = 1.0
    log: bool = False

    def quantile(self, q: float) -> Estimate:
        """The ``q``-quantile, interval widened to whole bins."""
        found = quantile_from_counts(self.counts, self.grid, q)
        low, high = (self._value(end) for end in (found.low, found.high))
        low, high = max(low, self.support[0]), min(high, self.support[1])
        return _between(self._value(found.value), low, high)

    def at_least(self, threshold: float) -> Estimate:
        """Share of paths at or above ``threshold``; the bin that holds it counts for both ends."""
        n = int(self.counts.sum())
        edges = self._values(self.grid.edges)
        near = threshold + np.array([1.0, -1.0]) * 1e-9 * (1 + abs(threshold))
        sure, possible = np.searchsorted(edges, near[1]), np.searchsorted(edges, near[0]) - 1
        fewest, most = (int(self.counts[max(first, 0) :].sum()) for first in (sure, possible))
        if edges[max(possible, 0)] >= near[1]:  # on an edge: exact
            fewest = most
        low, high = probability(fewest, n).low, probability(most, n).high
        return _between((fewest + most) / (2 * n), low, high)

    def mean(self) -> Estimate:
        """The mean over paths, each in the middle of its bin."""
        return self._weighted(self._middles())

    def shortfall(self, q: float) -> Estimate:
        """Mean of the largest share 1 - ``q``, each path in the middle of its bin."""
        v = self.quantile(q).value
        tail = self._weighted(np.maximum(self._middles() - v, 0.0) / (1 - q))
        return Estimate(v + tail.value, tail.mc_error, v + tail.low, v + tail.high)

    def _weighted(self, values: FloatArray) -> Estimate:
        """Mean of ``values`` (bins,) over paths; the interval allows for half a bin."""
        n = int(self.counts.sum())
        value = float(np.sum(self.counts * values)) / n
        spread = float(np.sum(self.counts * (values - value) ** 2)) / max(n - 1, 1)
        error, widths = sqrt(spread / n), np.diff(self._values(self.grid.edges))
        grid_error = float(np.sum(self.counts * widths)) / (2 * n)
        half = Z * error + grid_error
        return Estimate(value, error, value - half, value + half)

    def _middles(self) -> FloatArray:
        return self._values(self.grid.edges[:-1] + self.grid.width / 2)

    def _values(self, grid_values: FloatArray) -> FloatArray:
        return (np.expm1(grid_values) if self.log else grid_values) * self.scale

    def _value(self, grid_value: float) -> float:
        return float(self._values(np.asarray(grid_value)))


def sample(results: Results, entity: str, measure: str) -> Sample:
    """One measure of one entity over all paths of a run.

    ``measure`` is a name of ``results.MEASURES``, or ``time_to_trough`` or ``time_underwater`` in
    years. What has no grid is answered by the paths in the tables.
    """
    row = results.entities.index(entity)
    if results.n > results.kept and measure in _SUPPORT:
        support = _SUPPORT[measure]
        if measure == "terminal_return":
            name = "log_terminal"
            return Counted(results.counts[name][row], GRIDS[name], support, log=True)
        if measure == "dollars_lost":
            name, scale = "relative_loss", float(results.start_levels[row])
            return Counted(results.counts[name][row], GRIDS[name], support, scale)
        return Counted(results.counts[measure][row], GRIDS[measure], support)
    step = float(results.times[1]) if results.times.size > 1 else 0.0
    if measure == "time_to_trough":
        if results.n > results.kept:
            whole = Grid(-0.5, 1.0, results.times.size)  # a bin a step: its middle is exact
            return Counted(results.trough_counts[row], whole, (0.0, inf), step)
        spent = results.measures["trough_step"][row] - results.measures["peak_step"][row]
        return Paths(spent * step, (0.0, float(results.times[-1])))
    if measure == "time_underwater":
        spell = results.measures["underwater_steps"][row]
        return Paths(spell * step, (0.0, float(results.times[-1])))
    values = np.asarray(results.measures[measure][row], np.float64)
    return Paths(values, _SUPPORT.get(measure, (-inf, inf)))


@dataclass(frozen=True)
class ThresholdResult:
    """A threshold, the estimate it was held against, and whether it holds."""

    threshold: Threshold
    estimate: Estimate
    passed: bool


_RELATIONS = {">=": ge, "<=": le, ">": gt, "<": lt}
_BAD_IS_HIGH = {"max_drawdown", "time_to_trough"}


def judge(results: Results, threshold: Threshold) -> ThresholdResult:
    """Hold a threshold against a run. The value decides, its interval says how surely."""
    found = _asked(sample(results, threshold.entity, threshold.metric), threshold)
    passed = _RELATIONS[threshold.relation](found.value, threshold.limit)
    return ThresholdResult(threshold, found, passed)


def _asked(of: Sample, threshold: Threshold) -> Estimate:
    if threshold.statistic == "mean":
        return of.mean()
    if threshold.statistic in WORST:
        q = WORST[threshold.statistic]
        return of.quantile(q if threshold.metric in _BAD_IS_HIGH else 1 - q)
    assert threshold.level is not None, "a probability is one of something"
    strict = threshold.comparison in (">", "<=")
    reached = of.at_least(float(np.nextafter(threshold.level, inf)) if strict else threshold.level)
    if threshold.comparison in (">=", ">"):
        return reached
    return Estimate(1 - reached.value, reached.mc_error, 1 - reached.high, 1 - reached.low)


def statistics(results: Results, entity: str, depths: Mapping[str, float]) -> dict[str, Estimate]:
    """Every statistic of one entity. Falls are positive shares, times are years, money is USD billion.

    ``depths`` are the falls of real crashes: their statistics are called ``reach_<name>``.
    """
    row = results.entities.index(entity)
    fall = sample(results, entity, "max_drawdown")
    found = {name: fall.quantile(q) for name, q in WORST.items()}
    found["mean"] = fall.mean()
    found["expected_shortfall_1_in_20"] = fall.shortfall(0.95)
    found |= {f"reach_{name}": fall.at_least(depth) for name, depth in depths.items()}
    found["time_to_trough_median"] = sample(results, entity, "time_to_trough").quantile(0.5)
    found["time_underwater_median"] = sample(results, entity, "time_underwater").quantile(0.5)
    found |= _recovery(results, row)
    lost = sample(results, entity, "dollars_lost")
    found |= {f"dollars_lost_{name}": lost.quantile(q) for name, q in WORST.items()}
    found["dollars_lost_mean"] = lost.mean()
    for measure in ("terminal_return", "worst_week", "worst_month"):
        returns = sample(results, entity, measure)
        found[f"{measure}_median"] = returns.quantile(0.5)
        found[f"{measure}_worst_1_in_20"] = returns.quantile(0.05)
    return found


def _recovery(results: Results, row: int) -> dict[str, Estimate]:
    """Share of the deepest falls regained so many years after their peak (Kaplan-Meier)."""
    curve = kaplan_meier_from_counts(results.recovered_counts[row], results.censored_counts[row])
    found = {}
    for years in RECOVERY_YEARS:
        if years <= results.times[-1] + 1e-9:
            at = int(np.searchsorted(results.times, years - 1e-9))
            found[f"recovered_{years}y"] = _between(
                1 - float(curve.survival[at]), 1 - float(curve.high[at]), 1 - float(curve.low[at])
            )
    return found


def drivers(results: Results, entity: str, share: float = 0.05) -> dict[str, Estimate]:
    """Mean of each cause, in logs from peak to trough, over the deepest ``share`` of falls.

    With m the mean of a cause at the edge of the tail, its error is that of
    E[(cause - m) 1(tail)] / share: the spread within the tail and of who is in it, as for the
    expected shortfall.
    """
    row, kept = results.entities.index(entity), results.kept
    depth = np.asarray(results.measures["max_drawdown"][row], np.float64)
    size = max(1, ceil(kept * share))
    deepest = np.argsort(-depth, kind="stable")
    around = max(1, size // 10)
    edge = deepest[max(0, size - around) : size + around]
    means = results.causes[row][:, deepest[:size]].mean(axis=1)
    if results.n > kept:
        means = _tail_causes(results, row, share)
    found = {}
    for c, name in enumerate(CAUSES):
        cause = results.causes[row, c]
        inside = np.zeros(kept)
        inside[deepest[:size]] = cause[deepest[:size]] - cause[edge].mean()
        error = inf if kept < 2 else float(inside.std(ddof=1)) * kept / size / sqrt(results.n)
        value = float(means[c])
        found[name] = Estimate(value, error, value - Z * error, value + Z * error)
    return found


def _tail_causes(results: Results, row: int, share: float) -> FloatArray:
    """Mean causes (C,) of the deepest ``share`` of all paths; the last bin counts in part."""
    wanted = ceil(results.n * share)
    counts = results.counts["max_drawdown"][row][::-1]
    before = np.cumsum(counts) - counts
    part = np.clip((wanted - before) / np.maximum(counts, 1), 0.0, 1.0)
    return np.asarray((results.cause_sums[row][:, ::-1] * part).sum(axis=1) / wanted)


def _between(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, (high - low) / (2 * Z), low, high)
