"""Changes between runs on the same random numbers, with jackknife errors (Shao and Wu 1989)."""

from __future__ import annotations

from functools import lru_cache
from math import inf, sqrt

import numpy as np

from simulator.arrays import BoolArray, FloatArray
from simulator.statistics.intervals import Estimate, Z, jackknife_variance, mean

GROUPS = 32


def groups_of(paths: int) -> int:
    """Groups that can be left out of so many paths: none of a single one."""
    return min(GROUPS, paths) if paths > 1 else 0


def changed(before: FloatArray, after: FloatArray) -> Estimate:
    """The change of a statistic between two runs on the same noise, from their :func:`left_out`."""
    return jackknife_estimate(after - before)


def jackknife_estimate(values: FloatArray) -> Estimate:
    """A number and its jackknife error, from all paths and without each group: (groups + 1,)."""
    value, groups = float(values[0]), values.size - 1
    if groups < 2:
        return Estimate(value, inf, -inf, inf)
    error = sqrt(jackknife_variance(values[1:]))
    return Estimate.of_error(value, error, t_quantile(groups - 1))


@lru_cache(maxsize=GROUPS)
def t_quantile(degrees: int) -> float:
    """Half a 95 % interval in standard errors, where the error itself rests on so few numbers."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


def changed_mean(before: FloatArray, after: FloatArray) -> Estimate:
    """The change of a mean, from the values of the same paths in both runs (n,)."""
    return mean(after - before)


def changed_share(before: BoolArray, after: BoolArray) -> Estimate:
    """The change of a probability, from which paths saw the event in each run (n,).

    Interval of Bonett and Price (J. Educ. Behav. Stat. 37, 2012): one path is added to those that
    newly see the event and one to those that no longer do, so that no change on n paths is not
    taken for certain.
    """
    n = before.size
    newly, no_longer = (int(np.count_nonzero(x)) for x in (after & ~before, before & ~after))
    up, down = (newly + 1) / (n + 2), (no_longer + 1) / (n + 2)
    half = Z * sqrt((up + down - (up - down) ** 2) / (n + 2))
    low, high = max(up - down - half, -1.0), min(up - down + half, 1.0)
    return Estimate.of_interval((newly - no_longer) / n, low, high)


def unpaired_change(before: Estimate, after: Estimate) -> Estimate:
    """The change between two runs that do not share their noise.

    Its interval joins the two so that skewed ones stay skewed (Newcombe's square-and-add).
    """
    value = after.value - before.value
    if not all(np.isfinite([before.low, before.high, after.low, after.high])):
        return Estimate(value, inf, -inf, inf)
    low = value - sqrt((after.value - after.low) ** 2 + (before.high - before.value) ** 2)
    high = value + sqrt((after.high - after.value) ** 2 + (before.value - before.low) ** 2)
    error = sqrt(before.mc_error**2 + after.mc_error**2)
    return Estimate(value, error, low, high)
