"""The statistics of a run, its thresholds, and the causes of its falls, each with its Monte Carlo error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, isfinite, sqrt
from operator import ge, gt, le, lt

import numpy as np

from simulator.arrays import FloatArray, IntArray
from simulator.engine import Results
from simulator.engine.results import CAUSE_BINS, CHANNELS
from simulator.runs.samples import Sample, sample
from simulator.runs.statistic_catalogue import WORST, Statistic, statistics_by_name
from simulator.scenario import Threshold
from simulator.scenario.thresholds import TimeGrid
from simulator.statistics import Estimate, Survival, kaplan_meier_from_counts


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
    curve: Survival | None = None
    samples: dict[str, Sample] = {}
    estimates = {}
    for name, statistic in statistics_by_name(depths, TimeGrid.of(results.times)).items():
        if statistic.kind == "recovered":
            curve = curve or recovery_curve(results, entity)
            estimates[name] = Estimate(*curve.ended(results.times, statistic.at).tolist())
            continue
        if statistic.measure not in samples:
            samples[statistic.measure] = sample(results, entity, statistic.measure)
        estimates[name] = _estimate(samples[statistic.measure], statistic)
    return estimates


def _estimate(values: Sample, statistic: Statistic) -> Estimate:
    if statistic.kind == "mean":
        return values.mean()
    if statistic.kind == "shortfall":
        return values.shortfall(statistic.at)
    return (values.quantile if statistic.kind == "quantile" else values.at_least)(statistic.at)


def recovery_curve(results: Results, entity: str) -> Survival:
    """Share of the deepest falls not yet regained, by steps after their peak (Kaplan-Meier)."""
    row = results.entities.index(entity)
    return kaplan_meier_from_counts(results.recovered_counts[row], results.censored_counts[row])


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
    run shorter than a year has no numbers after one.
    """
    found = {}
    for when, measure in (("1y", "return_1y"), ("horizon", "terminal_return")):
        if TimeGrid.of(results.times).missing(measure):
            continue
        returns = sample(results, entity, measure)
        for level in (95, 99):
            share = (100 - level) / 100
            found[f"var_{level}_{when}"] = -returns.quantile(share)
            found[f"es_{level}_{when}"] = -returns.lower_shortfall(share)
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
        found[name] = Estimate.of_error(means[name], error)
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
