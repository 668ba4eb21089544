"""Every printed number of a run, with its Monte Carlo error.

A :class:`Sample` is one measure of one entity over all paths: the paths themselves while all are
in the tables, else their counts on a grid. Both answer the same questions; the second widens
its intervals by the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, isfinite, sqrt
from operator import ge, gt, le, lt
from typing import Protocol

import numpy as np

from simulator.arrays import FloatArray, IntArray
from simulator.engine import Results
from simulator.engine.results import CAUSE_BINS, CHANNELS, GRIDS
from simulator.scenario import Threshold
from simulator.scenario.thresholds import TimeGrid
from simulator.statistics import (
    Estimate,
    Grid,
    Z,
    expected_shortfall,
    kaplan_meier_from_counts,
    mean,
    probability,
    quantile,
    quantile_from_counts,
)
from simulator.statistics.intervals import UNKNOWN, enough_paths, quantile_rank

WORST = {
    "median": 0.5,
    "worst_1_in_4": 0.75,
    "worst_1_in_10": 0.9,
    "worst_1_in_20": 0.95,
    "worst_1_in_100": 0.99,
}
"""Statistics of a fall and how far towards the bad end they lie."""

RECOVERY_YEARS = (1, 2, 5, 10)

BELOW = (10, 20, 30, 40, 50)
"""Percent below the level at t = 0 at some time: the statistics ``below_10`` ..."""

_SUPPORT = {
    "max_drawdown": (0.0, 1.0),
    "loss_from_start": (0.0, 1.0),
    "worst_week": (-1.0, inf),
    "worst_month": (-1.0, inf),
    "return_1y": (-1.0, inf),
    "terminal_return": (-1.0, inf),
    "dollars_lost": (0.0, inf),
}

_LOG_GRIDS = {"return_1y": "log_1y", "terminal_return": "log_terminal"}


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

    def lower_shortfall(self, q: float) -> Estimate:
        """Mean of the smallest share ``q``."""
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
        return _within(expected_shortfall(self.values, q), self.support)

    def lower_shortfall(self, q: float) -> Estimate:
        """Mean of the smallest share ``q``."""
        return _within(_negative(expected_shortfall(-self.values, 1 - q)), self.support)


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
        return self._beyond(self.counts, self._middles(), q)

    def lower_shortfall(self, q: float) -> Estimate:
        """Mean of the smallest share ``q``, each path in the middle of its bin."""
        return _negative(self._beyond(self.counts[::-1], -self._middles()[::-1], 1 - q))

    def _beyond(self, counts: IntArray, middles: FloatArray, q: float) -> Estimate:
        """As :func:`simulator.statistics.intervals.expected_shortfall`, of ``counts`` at rising ``middles``."""
        n = int(counts.sum())
        if not enough_paths(n, q):
            return UNKNOWN
        v = float(middles[np.searchsorted(np.cumsum(counts), quantile_rank(n, q))])
        excess = np.maximum(middles - v, 0.0) / (1 - q)
        tail = self._weighted(excess if counts is self.counts else excess[::-1])
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
        if measure in _LOG_GRIDS:
            name = _LOG_GRIDS[measure]
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

    @property
    def sure(self) -> bool:
        """Whether the value is known and the whole 95 % interval lies on one side of the limit."""
        of = self.estimate
        return isfinite(of.value) and not of.low <= self.threshold.limit <= of.high

    @property
    def doubt(self) -> str:
        """Why it is not sure."""
        if isfinite(self.estimate.value):
            return "the interval holds the limit: more paths would tell"
        return "too few paths know of so rare a tail: more --paths are needed"


_RELATIONS = {">=": ge, "<=": le, ">": gt, "<": lt}
_SHORTFALLS = {"expected_shortfall_1_in_20": 0.05, "expected_shortfall_1_in_100": 0.01}
_BAD_IS_HIGH = {"max_drawdown", "loss_from_start", "time_to_trough"}


def evaluate_threshold(results: Results, threshold: Threshold) -> ThresholdResult:
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
    if threshold.statistic in _SHORTFALLS:
        share = _SHORTFALLS[threshold.statistic]
        bad_is_high = threshold.metric in _BAD_IS_HIGH
        return of.shortfall(1 - share) if bad_is_high else of.lower_shortfall(share)
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
    if "loss_from_start" in results.measures:  # runs before model 4 have none
        found |= _from_start(sample(results, entity, "loss_from_start"))
    found["time_to_trough_median"] = sample(results, entity, "time_to_trough").quantile(0.5)
    found["time_underwater_median"] = sample(results, entity, "time_underwater").quantile(0.5)
    found |= _recovery(results, row)
    lost = sample(results, entity, "dollars_lost")
    found |= {f"dollars_lost_{name}": lost.quantile(q) for name, q in WORST.items()}
    found["dollars_lost_mean"] = lost.mean()
    grid = TimeGrid.of(results.times)
    for measure in ("terminal_return", "worst_week", "worst_month"):
        if grid.missing(measure):
            continue
        returns = sample(results, entity, measure)
        found[f"{measure}_median"] = returns.quantile(0.5)
        found[f"{measure}_worst_1_in_20"] = returns.quantile(0.05)
        if measure == "terminal_return":
            found[f"{measure}_best_1_in_20"] = returns.quantile(0.95)
    return found


def _from_start(loss: Sample) -> dict[str, Estimate]:
    """Statistics of the lowest level against today."""
    found = {f"loss_from_start_{name}": loss.quantile(q) for name, q in WORST.items()}
    found["loss_from_start_mean"] = loss.mean()
    found["loss_from_start_expected_shortfall_1_in_20"] = loss.shortfall(0.95)
    return found | {f"below_{share}": loss.at_least(share / 100) for share in BELOW}


RISKS = tuple(
    f"{name}_{level}_{when}"
    for when in ("1y", "horizon")
    for level in (95, 99)
    for name in ("var", "es")
)
"""Value at risk and expected shortfall, at 95 and 99 %, after a year and at the horizon."""


def risk(results: Results, entity: str) -> dict[str, Estimate]:
    """The ``RISKS`` of one entity as shares of its starting value: losses are positive, gains negative.

    The value at risk of 95 % is the loss that the worst twentieth of paths reach or pass, the
    expected shortfall their mean loss. Both look at one day, not at what lay between; a
    run shorter than a year has no numbers after one. Empty for runs of result format 1.
    """
    if "return_1y" not in results.measures:
        return {}
    found = {}
    for when, measure in (("1y", "return_1y"), ("horizon", "terminal_return")):
        if TimeGrid.of(results.times).missing(measure):
            continue
        returns = sample(results, entity, measure)
        for level in (95, 99):
            share = (100 - level) / 100
            found[f"var_{level}_{when}"] = _negative(returns.quantile(share))
            found[f"es_{level}_{when}"] = _negative(returns.lower_shortfall(share))
    return found


def _within(of: Estimate, support: tuple[float, float]) -> Estimate:
    """An interval that ends where the quantity does; without one, as it is."""
    if not isfinite(of.mc_error):
        return of
    return Estimate(of.value, of.mc_error, max(of.low, support[0]), min(of.high, support[1]))


def _negative(of: Estimate) -> Estimate:
    return Estimate(-of.value, of.mc_error, -of.high, -of.low)


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

    The surprise in revenue is split by what is sold (``revenue_core``, ``revenue_chips`` ...) where
    the run has it; the means add up to that of the log fall.

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
    each = np.asarray(results.causes[row], np.float64)
    causes = dict(zip(results.cause_names, each, strict=True))
    means = {name: float(cause[deepest[:size]].mean()) for name, cause in causes.items()}
    if results.n > kept:
        means = dict(zip(causes, _tail_causes(results, row, share).tolist(), strict=True))
    if results.sells.any():
        causes, means = _split_revenue(results, row, causes, means, deepest[:size])
    found = {}
    for name, cause in causes.items():
        inside = np.zeros(kept)
        inside[deepest[:size]] = cause[deepest[:size]] - cause[edge].mean()
        error = inf if kept < 2 else float(inside.std(ddof=1)) * kept / size / sqrt(results.n)
        value = means[name]
        found[name] = Estimate(value, error, value - Z * error, value + Z * error)
    return found


def _split_revenue(
    results: Results,
    row: int,
    causes: dict[str, FloatArray],
    means: dict[str, float],
    tail: IntArray,
) -> tuple[dict[str, FloatArray], dict[str, float]]:
    """Causes (kept,) and their means with revenue by channel; the core has what the others leave."""
    first = int(results.sells[:row].sum())  # channels are kept for who sells there only
    sold = iter(results.channels[first:])
    parts = {
        f"revenue_{name}": np.asarray(next(sold) if sells else np.zeros(results.kept), np.float64)
        for name, sells in zip(CHANNELS, results.sells[row], strict=True)
    }
    typical = {name: float(part[tail].mean()) for name, part in parts.items()}
    core = causes["revenue"] - sum(parts.values())
    rest = means["revenue"] - sum(typical.values())
    causes = {"revenue_core": core, **parts, **causes}
    means = {"revenue_core": rest, **typical, **means}
    del causes["revenue"], means["revenue"]
    return causes, means


def _tail_causes(results: Results, row: int, share: float) -> FloatArray:
    """Mean causes (C,) of the deepest ``share`` of all paths; the last bin counts in part."""
    wanted = ceil(results.n * share)
    fine = results.counts["max_drawdown"][row]
    counts = np.append(fine[:-1].reshape(CAUSE_BINS - 1, -1).sum(axis=1), fine[-1])[::-1]
    before = np.cumsum(counts) - counts
    part = np.clip((wanted - before) / np.maximum(counts, 1), 0.0, 1.0)
    return np.asarray((results.cause_sums[row][:, ::-1] * part).sum(axis=1) / wanted)


def _between(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, (high - low) / (2 * Z), low, high)
