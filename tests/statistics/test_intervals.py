"""Intervals: known values, corners, and coverage by many small runs."""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np
import pytest
from scipy import stats

from simulator.statistics.histogram import Grid
from simulator.statistics.histogram_estimates import quantile_from_counts
from simulator.statistics.intervals import (
    Estimate,
    Survival,
    expected_shortfall,
    kaplan_meier_from_counts,
    mean,
    probability,
    quantile,
    quantile_ranks,
)

RUNS = 4_000
LOWEST, HIGHEST = 0.935, 0.98  # of runs whose nominal 95 % interval holds the truth


def coverage(estimates: list[Estimate], truth: float, width: float = 1.0) -> float:
    """Share of intervals that hold the truth, each shrunk about its value to a share of its width."""
    held = [
        e.value + width * (e.low - e.value) <= truth <= e.value + width * (e.high - e.value)
        for e in estimates
    ]
    return float(np.mean(held))


def check_coverage(estimates: list[Estimate], truth: float) -> None:
    assert LOWEST <= coverage(estimates, truth) <= HIGHEST
    assert coverage(estimates, truth, width=0.5) < LOWEST  # the check sees intervals half as wide
    assert coverage(estimates, truth, width=2.0) > HIGHEST  # and twice as wide


def runs(law: object, n: int, seed: int) -> np.ndarray:
    """(RUNS, n) draws of a scipy law."""
    return np.asarray(law.rvs(size=(RUNS, n), random_state=np.random.default_rng(seed)))  # type: ignore[attr-defined]


LAWS = {
    "like depths": stats.beta(2, 3),
    "heavy tail": stats.lognorm(1.0),
}


@pytest.mark.parametrize(
    ("n", "p"),
    [(1_000, 0.5), (1_000, 0.1), (1_000, 0.0102), (1_000, 0.9898), (10_000, 0.00101), (4_000, 0.3)],
)
def test_coverage_of_a_probability(n: int, p: float) -> None:
    assert n * p * (1 - p) >= 10
    hits = np.random.default_rng(21).binomial(n, p, RUNS)
    check_coverage([probability(h, n) for h in hits], p)


@pytest.mark.parametrize("q", [0.5, 0.75, 0.9, 0.95, 0.99])
def test_coverage_of_a_quantile(q: float) -> None:
    n = 1_020  # so that n q (1 - q) is 10 at 0.99
    law = LAWS["like depths"]
    sample, truth = runs(law, n, 22), float(law.ppf(q))
    check_coverage([quantile(row, q, (0.0, 1.0)) for row in sample], truth)


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_coverage_of_a_quantile_from_counts(q: float) -> None:
    n, law = 1_020, LAWS["like depths"]
    sample, truth = runs(law, n, 22), float(law.ppf(q))
    fine = Grid(0.0, 1e-4, 10_001)
    counts = (np.bincount(fine.index(row), minlength=fine.bins) for row in sample)
    check_coverage([quantile_from_counts(c, fine, q) for c in counts], truth)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_coverage_of_a_mean(law: object) -> None:
    sample, truth = runs(law, 1_000, 23), float(law.mean())  # type: ignore[attr-defined]
    check_coverage([mean(row) for row in sample], truth)


@pytest.mark.parametrize("q", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_coverage_of_expected_shortfall(law: object, q: float) -> None:
    n = 1_020
    sample = runs(law, n, 24)
    truth = float(law.expect(lb=law.ppf(q))) / (1 - q)  # type: ignore[attr-defined]
    found = [expected_shortfall(row, q) for row in sample]
    check_coverage(found, truth)
    # The error is that of the estimate: its spread over the runs.
    errors = np.array([e.mc_error for e in found])
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(np.std([e.value for e in found]), rel=0.1)


def test_skewness_matters_in_a_tail() -> None:
    """The plain normal interval, value +- 1.96 errors, covers too little: why Hall's is used."""
    law, q = LAWS["heavy tail"], 0.99
    truth = float(law.expect(lb=law.ppf(q))) / (1 - q)
    found = [expected_shortfall(row, q) for row in runs(law, 1_020, 24)]
    plain = [
        Estimate(e.value, e.mc_error, e.value - 1.96 * e.mc_error, e.value + 1.96 * e.mc_error)
        for e in found
    ]
    assert coverage(plain, truth) < 0.9 < LOWEST <= coverage(found, truth)


def kaplan_meier(durations: Any, observed: Any) -> Survival:
    """The survival of durations (n,) in steps; ``observed`` is False where a path ended first."""
    lasted, seen = np.asarray(durations), np.asarray(observed, np.bool_)
    size = int(lasted.max()) + 1
    counts = (np.bincount(lasted[which], minlength=size) for which in (seen, ~seen))
    return kaplan_meier_from_counts(*counts)


@pytest.mark.parametrize("step", [2, 5, 9])
def test_coverage_of_survival(step: int) -> None:
    rng = np.random.default_rng(25)
    n, hazard, leaves = 1_000, 0.15, 0.1
    truth = (1 - hazard) ** step
    held, held_half = [], []
    for _ in range(1_000):
        recovery, end = rng.geometric(hazard, n), rng.geometric(leaves, n)
        curve = kaplan_meier(np.minimum(recovery, end), recovery <= end)
        value, low, high = (a[step] for a in (curve.survival, curve.low, curve.high))
        held.append(low <= truth <= high)
        held_half.append((low + value) / 2 <= truth <= (high + value) / 2)
    assert LOWEST - 0.01 <= np.mean(held) <= HIGHEST  # 1,000 runs only: one error is 0.7 points
    assert np.mean(held_half) < LOWEST - 0.01


# --- known values and corners ----------------------------------------------------------------


@pytest.mark.parametrize(("hits", "n"), [(30, 100), (5_000, 10_000), (12, 700)])
def test_wilson(hits: int, n: int) -> None:
    known = stats.binomtest(hits, n).proportion_ci(method="wilson")
    found = probability(hits, n)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), rel=1e-12)
    assert found.value == hits / n
    assert found.mc_error == pytest.approx(np.sqrt(hits / n * (1 - hits / n) / n), rel=0.05)


@pytest.mark.parametrize(("hits", "n"), [(0, 50), (50, 50), (3, 1_000), (995, 1_000), (1, 1)])
def test_clopper_pearson(hits: int, n: int) -> None:
    known = stats.binomtest(hits, n).proportion_ci(method="exact")
    found = probability(hits, n)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), rel=1e-9)
    assert found.mc_error > 0  # an event never seen is not impossible


@pytest.mark.parametrize(("hits", "n"), [(-1, 10), (11, 10), (0, 0)])
def test_no_probability_of_nothing(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="hits"):
        probability(hits, n)


def test_ranks_are_those_of_the_binomial() -> None:
    for n in (1, 2, 7, 50, 1_000, 10_000, 1_000_000):
        for q in (0.0001, 0.01, 0.05, 0.5, 0.75, 0.9, 0.95, 0.99, 0.9999):
            known = stats.binom(n, q).ppf([0.025, 0.975])
            assert quantile_ranks(n, q) == (known[0], known[1] + 1), (n, q)


def test_quantile_value_is_that_of_numpy() -> None:
    values = np.random.default_rng(1).normal(size=777)
    for q in (0.001, 0.05, 0.5, 0.95, 0.999):
        assert quantile(values, q).value == pytest.approx(np.quantile(values, q), rel=1e-14)
    assert quantile([3.0], 0.5).value == 3.0
    assert quantile([1.0, 2.0], 0.5).value == 1.5


def test_quantile_ends_at_the_support_where_paths_are_too_few() -> None:
    values = np.linspace(0, 0.9, 20)
    found = quantile(values, 0.99, (0.0, 1.0))
    assert (found.high, found.value <= 0.9, 0 < found.low < 0.9) == (1.0, True, True)
    assert quantile(values, 0.99).high == inf
    assert quantile(values, 0.01, (0.0, 1.0)).low == 0.0


def test_quantile_from_counts_is_within_half_a_bin() -> None:
    values = np.random.default_rng(2).beta(2, 3, 5_000)
    grid = Grid(0.0, 1e-3, 1_001)
    counts = np.bincount(grid.index(values), minlength=grid.bins)
    for q in (0.01, 0.5, 0.9, 0.99, 0.9999):
        exact, found = (
            quantile(values, q, (0.0, 1.0)),
            quantile_from_counts(counts, grid, q, (0, 1)),
        )
        assert abs(found.value - exact.value) <= grid.width / 2 + 1e-12
        assert exact.low - grid.width - 1e-12 <= found.low <= exact.low + 1e-12
        assert exact.high - 1e-12 <= found.high <= exact.high + grid.width + 1e-12


def test_constant_sample_has_no_error() -> None:
    for found in (mean([2.0] * 10), expected_shortfall([2.0] * 10, 0.9)):
        assert found == Estimate(2.0, 0.0, 2.0, 2.0)


def test_one_path_has_no_known_error() -> None:
    assert mean([2.0]) == Estimate(2.0, inf, -inf, inf)
    assert expected_shortfall([2.0], 0.9).mc_error == inf


def test_expected_shortfall_is_the_mean_of_the_tail() -> None:
    values = np.arange(1.0, 101.0)
    assert expected_shortfall(values, 0.9).value == pytest.approx(95.5, abs=1e-9)
    # a part of the next value where n (1 - q) is not whole: (100 + 99 + 98 / 2) / 2.5
    assert expected_shortfall(values, 0.975).value == pytest.approx(99.2, abs=1e-9)


@pytest.mark.parametrize("n", [20, 25, 47, 99, 150, 4096])
@pytest.mark.parametrize("q", [0.95, 0.99])
def test_expected_shortfall_never_leaves_the_sample(n: int, q: float) -> None:
    values = np.random.default_rng(n).beta(2.0, 3.0, n)
    found = expected_shortfall(values, q)
    if n * (1 - q) < 1 - 1e-9:
        assert np.isnan(found.value)
        assert found.mc_error == inf
        return
    ordered, tail = np.sort(values)[::-1], n * (1 - q)
    whole = int(tail + 1e-9)
    by_hand = (ordered[:whole].sum() + (tail - whole) * ordered[whole]) / tail
    assert found.value == pytest.approx(by_hand, rel=1e-12)
    assert found.value <= ordered[0]


@pytest.mark.parametrize("values", [[], [np.nan, 1.0], [inf, 1.0], [[1.0, 2.0]]])
@pytest.mark.parametrize(
    "estimate",
    [mean, lambda v: quantile(v, 0.5), lambda v: expected_shortfall(v, 0.5)],
    ids=["mean", "quantile", "shortfall"],
)
def test_refuses_what_is_no_sample(
    values: list[float], estimate: Callable[[list[float]], Estimate]
) -> None:
    with pytest.raises(ValueError, match="finite number per path"):
        estimate(values)


@pytest.mark.parametrize("q", [0.0, 1.0, -0.1, 95.0, float("nan")])
def test_refuses_a_share_outside_its_range(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([1.0, 2.0], q)
    with pytest.raises(ValueError, match="between 0 and 1"):
        expected_shortfall([1.0, 2.0], q)


def test_kaplan_meier_of_the_classic_trial() -> None:
    """Remission under 6-MP, Freireich et al. 1963, as in Kalbfleisch and Prentice, table 1.1."""
    recovered = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    curve = kaplan_meier(recovered + censored, [True] * 9 + [False] * 12)
    known = {5: 1.0, 6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    for step, survival in known.items():
        assert curve.survival[step] == pytest.approx(survival, abs=5e-4)
    assert curve.survival.size == 36
    # R, survfit(conf.type = "log-log")
    assert (curve.low[6], curve.high[6]) == pytest.approx((0.6197, 0.9516), abs=5e-4)
    assert (curve.low[23], curve.high[23]) == pytest.approx((0.1881, 0.6801), abs=5e-4)


def test_kaplan_meier_corners() -> None:
    never = kaplan_meier([3, 3], [False, False])
    assert never.survival.tolist() == never.low.tolist() == never.high.tolist() == [1.0] * 4
    every = kaplan_meier([1, 2], [True, True])
    assert every.survival.tolist() == [1.0, 0.5, 0.0]
    assert every.low[2] == 0.0
    assert every.high[2] == every.high[1]
    assert kaplan_meier([0], [True]).survival.tolist() == [0.0]
    counts = kaplan_meier_from_counts(np.array([0, 1, 1]), np.array([0, 0, 0]))
    assert counts.survival.tolist() == every.survival.tolist()
    with pytest.raises(ValueError, match="counts"):
        kaplan_meier_from_counts(np.array([0, 0]), np.array([0, 0]))
    with pytest.raises(ValueError, match="counts"):
        kaplan_meier_from_counts(np.array([0, 1]), np.array([1]))


def test_kaplan_meier_of_several_is_that_of_each() -> None:
    rng = np.random.default_rng(9)
    recovered, censored = rng.integers(0, 3, (2, 40, 12))
    recovered[:5, -1], censored[:5] = 9, 0  # all recover
    recovered[5:9] = 0  # none does
    together = kaplan_meier_from_counts(recovered, censored)
    times = np.arange(12) / 4
    for row, ended in enumerate(together.ended(times, 1.5)):
        alone = kaplan_meier_from_counts(recovered[row], censored[row])
        for name in ("survival", "low", "high"):
            assert np.array_equal(getattr(together, name)[row], getattr(alone, name))
        assert np.array_equal(ended, alone.ended(times, 1.5))


def test_refuses_counts_of_no_path() -> None:
    with pytest.raises(ValueError, match="at least one path"):
        quantile_from_counts(np.zeros(3, dtype=np.int64), Grid(0.0, 0.1, 3), 0.5)
