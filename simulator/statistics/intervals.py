"""Estimates with their Monte Carlo error: probability, quantile, mean, expected shortfall, survival.

Every interval is nominal 95 % and says how well n paths know the number, nothing about whether the
model is right. Paths are taken as independent and n as at least some hundreds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import ceil, floor, inf, isfinite, nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.arrays import FloatArray, IntArray

_TAIL = 0.025
Z = 1.959963984540054
"""Half a nominal 95 % interval, in standard errors: the normal quantile of 1 - _TAIL."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, its standard error, and its nominal 95 % interval.

    For probabilities and quantiles `mc_error` is the width of the interval over 2 x 1.96: the
    standard error where the normal law holds, and not 0 when an event was never seen.
    """

    value: float
    mc_error: float
    low: float
    high: float

    @classmethod
    def of_interval(cls, value: float, low: float, high: float) -> Estimate:
        """An estimate whose standard error is that of a normal law with this 95 % interval."""
        return cls(value, (high - low) / (2 * Z), low, high)

    @classmethod
    def of_error(cls, value: float, error: float, z: float = Z) -> Estimate:
        """An estimate with ``z`` standard errors on each side."""
        return cls(value, error, value - z * error, value + z * error)

    def __neg__(self) -> Estimate:
        """The estimate of the negative."""
        return Estimate(-self.value, self.mc_error, -self.high, -self.low)

    def within(self, low: float, high: float) -> Estimate:
        """Its interval cut to where the quantity can lie; without one, as it is."""
        if not isfinite(self.mc_error):
            return self
        return Estimate(self.value, self.mc_error, max(self.low, low), min(self.high, high))

    def as_json(self) -> dict[str, float | None]:
        """By name; None for infinity and NaN, which JSON does not have."""
        return {name: x if isfinite(x) else None for name, x in asdict(self).items()}

    def without_noise(self) -> Estimate:
        """The value alone: where nothing is drawn at random it has no error."""
        return Estimate(self.value, 0.0, self.value, self.value)


UNKNOWN = Estimate(nan, inf, -inf, inf)
"""What too few paths know of a tail."""


def enough_paths(n: int, q: float) -> bool:
    """Whether at least one of ``n`` paths is expected beyond the ``q``-quantile."""
    return n * (1 - q) > 1 - 1e-9


def quantile_rank(n: int, q: float) -> int:
    """Rank, from 1, of the order statistic at which the share of draws reaches ``q``."""
    return max(ceil(n * q - 1e-9), 1)


@lru_cache(maxsize=4096)
def probability(hits: int, n: int) -> Estimate:
    """Probability of an event seen on ``hits`` of ``n`` paths.

    Wilson's interval; Clopper and Pearson's exact one when n p (1 - p) < 10, where Wilson's covers
    too little. See Brown, Cai and DasGupta, Statistical Science 16 (2001).
    """
    hits, n = int(hits), int(n)
    if not 0 <= hits <= n or n == 0:
        raise ValueError(f"a probability needs 0 <= hits <= n and n > 0, got {hits} of {n}")
    p = hits / n
    if n * p * (1 - p) < 10:
        from scipy.special import betaincinv

        low = float(betaincinv(hits, n - hits + 1, _TAIL)) if hits else 0.0
        high = float(betaincinv(hits + 1, n - hits, 1 - _TAIL)) if hits < n else 1.0
        return Estimate.of_interval(p, low, high)
    z2 = Z * Z / n
    centre = (p + z2 / 2) / (1 + z2)
    half = Z / (1 + z2) * sqrt(p * (1 - p) / n + z2 / (4 * n))
    return Estimate.of_interval(p, centre - half, centre + half)


@lru_cache(maxsize=1024)
def quantile_ranks(n: int, q: float) -> tuple[int, int]:
    """Ranks l < u, from 1, whose order statistics hold the q-quantile between them.

    The number of draws below the quantile is binomial (n, q): l and u are its 2.5 % point and one
    more than its 97.5 % point, so at most 2.5 % is missed on each side, whatever the distribution.
    l = 0 or u = n + 1 says that n draws cannot bound it on that side.
    """
    from scipy.special import bdtr, bdtrik

    def smallest(tail: float) -> int:
        guess = max(0, ceil(float(bdtrik(tail, n, q))) - 1)  # the inverse is exact to a step
        while bdtr(guess, n, q) < tail:
            guess += 1
        return guess

    return smallest(_TAIL), smallest(1 - _TAIL) + 1


def quantile(values: ArrayLike, q: float, support: tuple[float, float] = (-inf, inf)) -> Estimate:
    """The ``q``-quantile of ``values`` (n,), interpolated as numpy and pandas do, between order statistics.

    Where n is too small to bound it on a side, the interval ends at the ``support`` of the
    quantity ((0, 1) for a depth).
    """
    values = _sample(values)
    _check_share(q)
    n = len(values)
    position = (n - 1) * q
    below, low, high = floor(position), *quantile_ranks(n, q)
    ranks = {below, min(below + 1, n - 1), max(low - 1, 0), min(high - 1, n - 1)}
    ordered = np.partition(values, sorted(ranks))
    before, after = float(ordered[below]), float(ordered[min(below + 1, n - 1)])
    value = before + (after - before) * (position - below)
    return Estimate.of_interval(
        value,
        float(ordered[low - 1]) if low >= 1 else support[0],
        float(ordered[high - 1]) if high <= n else support[1],
    )


def mean(values: ArrayLike) -> Estimate:
    """Mean of ``values`` (n,), interval corrected for skewness. One value has no error: it is inf."""
    values = _sample(values)
    return _mean(values)


def mean_of_few(values: ArrayLike) -> Estimate:
    """As :func:`mean` for some tens of values (n,): Student's t stands for the normal."""
    from scipy.special import stdtrit

    values = _sample(values)
    return _mean(values, z=float(stdtrit(max(len(values) - 1, 1), 1 - _TAIL)))


def expected_shortfall(values: ArrayLike, q: float) -> Estimate:
    """Mean of the largest 1 - ``q`` of ``values`` (n,): of the worst twentieth of depths at q = 0.95.

    With v the q-quantile it is v + E[(X - v)+] / (1 - q) (Rockafellar and Uryasev 2000). That is
    flat in v at the quantile, so the error of v drops out to first order, and the variance is
    Var((X - v)+) / (n (1 - q)^2): the spread within the tail and of the number of paths in it.

    With v an order statistic it is the mean of the n (1 - q) largest values, the last one in part,
    so it never leaves the sample (Acerbi and Tasche 2002). If that is less than one value, n paths
    do not know it: all fields but the infinite error and interval are NaN.
    """
    values = _sample(values)
    _check_share(q)
    n = len(values)
    if not enough_paths(n, q):
        return UNKNOWN
    at = quantile_rank(n, q) - 1
    v = float(np.partition(values, at)[at])
    return _mean(np.maximum(values - v, 0.0) / (1 - q), offset=v)


def _mean(values: FloatArray, offset: float = 0.0, z: float = Z) -> Estimate:
    """Offset plus mean, with Hall's interval (J. R. Statist. Soc. B 54, 1992) of half-width ``z``.

    Most values of a tail are zero, and the normal interval of so skewed a mean lies too low.
    Hall's cubic makes the studentised mean normal to second order; `bend` is skewness / sqrt(n).
    """
    n, centre = len(values), float(values.mean())
    value = offset + centre
    if n < 2:
        return Estimate(value, inf, -inf, inf)
    deviation = values - centre
    square = deviation * deviation
    variance = float(square.mean())
    error = sqrt(variance / (n - 1))
    cube = variance * sqrt(variance * n)  # may underflow to 0 for an all but constant sample
    bend = float((square * deviation).mean()) / cube if cube > 0 else 0.0

    def studentised(at: float) -> float:
        if abs(bend) < 1e-6:
            return at
        return 3 / bend * (float(np.cbrt(1 + bend * (at - bend / 6))) - 1)

    return Estimate(value, error, value - error * studentised(z), value - error * studentised(-z))


def _sample(values: ArrayLike) -> FloatArray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.all(np.isfinite(values)):
        raise ValueError(
            f"expected one finite number per path, got an array of shape {values.shape}"
        )
    return values


def _check_share(q: float) -> None:
    if not 0 < q < 1:
        raise ValueError(f"expected a share between 0 and 1, got {q}")


def jackknife(statistic: Callable[..., float], *samples: FloatArray, groups: int = 32) -> Estimate:
    """``statistic(*samples)`` with the error of leaving out one of ``groups`` groups of paths at a time.

    For statistics without a formula, such as a difference of quantiles. The last axis of every sample
    is the path. See Shao and Wu, Annals of Statistics 17 (1989): quantiles need large groups.
    """
    estimates = jackknives(lambda *parts: {"": statistic(*parts)}, *samples, groups=groups)
    return estimates[""]


def jackknives(
    statistics: Callable[..., Mapping[str, float]], *samples: FloatArray, groups: int = 32
) -> dict[str, Estimate]:
    """As :func:`jackknife`, for several statistics by name that share their work."""
    paths = samples[0].shape[-1]
    groups = min(groups, paths)
    values = statistics(*samples)
    if groups < 2:
        return {name: Estimate(float(v), inf, -inf, inf) for name, v in values.items()}
    group = np.arange(paths) * groups // paths
    parts = [statistics(*(sample[..., group != g] for sample in samples)) for g in range(groups)]
    estimates = {}
    for name, value in values.items():
        without = np.array([part[name] for part in parts], dtype=np.float64)
        estimates[name] = Estimate.of_error(float(value), sqrt(jackknife_variance(without)))
    return estimates


def jackknife_variance(without: FloatArray) -> FloatArray:
    """Variance of a statistic (...) from its values without each group (..., groups)."""
    groups = without.shape[-1]
    deviation = without - without.mean(axis=-1, keepdims=True)
    return np.asarray((groups - 1) / groups * np.sum(deviation * deviation, axis=-1))


# --- time to recovery --------------------------------------------------------------------


@dataclass(frozen=True)
class Survival:
    """Share not yet recovered after each number of steps, (..., steps), and its interval."""

    survival: FloatArray
    low: FloatArray
    high: FloatArray

    def ended(self, times: FloatArray, years: float) -> FloatArray:
        """Share recovered after so many ``years``, of steps at ``times`` (T+1,): an estimate's fields (..., 4)."""
        at = step_of(times, years)
        value, low, high = (1 - x[..., at] for x in (self.survival, self.high, self.low))
        return np.stack([value, (high - low) / (2 * Z), low, high], axis=-1)


def step_of(times: FloatArray, years: float) -> int:
    """The first of ``times`` (T+1,) that is ``years`` or later, but for rounding."""
    return int(np.searchsorted(times, years - 1e-9))


def survival(ended: NDArray[np.signedinteger], censored: NDArray[np.signedinteger]) -> FloatArray:
    """Kaplan-Meier survival after each step, from counts of what ``ended`` or was ``censored`` (..., steps)."""
    gone = ended + censored
    return np.asarray(np.cumprod(1 - ended / np.maximum(at_risk(gone), 1), axis=-1))


def at_risk(gone: NDArray[np.signedinteger]) -> IntArray:
    """Number still there before each step, from the number ``gone`` at it (..., steps)."""
    return np.asarray(gone.sum(axis=-1, keepdims=True) - np.cumsum(gone, axis=-1) + gone)


def kaplan_meier_from_counts(
    recovered: NDArray[np.signedinteger], censored: NDArray[np.signedinteger]
) -> Survival:
    """Kaplan-Meier survival from the number of paths that ``recovered`` or were ``censored`` (..., steps) at each step.

    Interval by Greenwood's variance on the log(-log) scale, which keeps it within 0 and 1. Before
    the first recovery it is the single point 1; after the last path recovers its upper end is the
    last one known.
    """
    alike = recovered.shape == censored.shape and recovered.ndim > 0
    if not (alike and (recovered + censored).any(axis=-1).all()):
        raise ValueError("expected counts of at least one path, one per step, in both arrays")
    gone = recovered + censored
    left = at_risk(gone)
    share = survival(recovered, censored)
    staying = left - recovered
    greenwood = np.cumsum(
        np.divide(recovered, left * staying, out=np.zeros(left.shape), where=staying > 0), axis=-1
    )
    low, high = share.copy(), share.copy()
    inside = (share > 0) & (share < 1)
    log_survival = np.log(share[inside])
    spread = np.exp(Z * np.sqrt(greenwood[inside]) / -log_survival)
    low[inside] = np.exp(log_survival * spread)
    high[inside] = np.exp(log_survival / spread)
    known = np.count_nonzero(share > 0, axis=-1, keepdims=True)  # no share rises again
    last = np.where(known, np.take_along_axis(high, np.maximum(known - 1, 0), axis=-1), 1.0)
    return Survival(share, low, np.where(share > 0, high, last))
