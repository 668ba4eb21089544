"""Changes between runs on the same noise: the same numbers as the summaries, and errors that hold."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri
from synthetic_run import synthetic_run

from simulator.arrays import FloatArray
from simulator.comparison.comparison import statistics_of
from simulator.comparison.paired_statistics import GROUPS, Sorted, jackknife_values
from simulator.runs.run import Run
from simulator.statistics.intervals import Estimate
from simulator.statistics.paired import (
    changed,
    changed_mean,
    changed_share,
    jackknife_estimate,
    unpaired_change,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("pairing"), paths=333)


def test_all_paths_give_the_numbers_of_the_summary(run: Run) -> None:
    for entity in ("sp500", "NVDA"):
        found = jackknife_values(
            run.results, entity, statistics_of(run.scenario, entity), run.paths
        )
        expected = run.estimates()[entity]
        assert found.keys() == expected.keys()
        for name, values in found.items():
            assert values[0] == pytest.approx(expected[name].value, rel=1e-12, abs=1e-12), name


def test_a_group_is_left_out(run: Run) -> None:
    """Against the same statistics of a run that never had those paths."""
    asked = statistics_of(run.scenario, "sp500")
    found = jackknife_values(run.results, "sp500", asked, run.paths)
    row = run.entities.index("sp500")
    falls = np.asarray(run.results.measures["max_drawdown"][row], np.float64)
    group = np.arange(run.paths) % GROUPS
    for g in (0, 17, 31):
        rest = falls[group != g]
        assert found["worst_1_in_10"][g + 1] == pytest.approx(np.quantile(rest, 0.9), rel=1e-12)
        assert found["mean"][g + 1] == pytest.approx(rest.mean(), rel=1e-12)
        assert found["reach_dotcom"][g + 1] == np.mean(rest >= asked["reach_dotcom"].at)
        assert found["mean"][g + 1] != falls.mean()
    # Recovery comes from counts: leave out all groups but one by hand.
    peak, back = (run.results.measures[f"{x}_step"][row].astype(int) for x in ("peak", "recovery"))
    rest = group != 5
    under = 1.0
    for step in range(53):
        gone = np.where(back[rest] >= 0, back[rest], run.results.times.size - 1) - peak[rest]
        at_risk = np.sum(gone >= step)
        under *= 1 - np.sum((back[rest] >= 0) & (gone == step)) / max(at_risk, 1)
    assert found["recovered_1y"][6] == pytest.approx(1 - under, rel=1e-9)


def test_a_run_against_itself_does_not_change(run: Run) -> None:
    found = jackknife_values(run.results, "sp500", statistics_of(run.scenario, "sp500"), run.paths)
    for values in found.values():
        assert changed(values, values) == Estimate(0.0, 0.0, 0.0, 0.0)


def pair(random: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
    """Two skewed samples that share most of their noise."""
    z = random.standard_normal(n)
    w = 0.95 * z + np.sqrt(1 - 0.95**2) * random.standard_normal(n)
    return -np.expm1(-np.exp(0.6 * z - 1)), -np.expm1(-np.exp(0.7 * w - 1))


def quantile_left_out(values: FloatArray, q: float) -> FloatArray:
    return Sorted.of(values).jackknife_values(lambda x: float(np.quantile(x, q)))


def test_the_interval_of_a_changed_quantile_holds_the_truth() -> None:
    """Coverage in 95 of 100 cases; with 300 samples its own standard error is 1.3 points.

    The same interval cut to a third covers half as often: the test can fail.
    """
    random, q, n, repeats = np.random.default_rng(5), 0.9, 640, 300
    z = float(ndtri(q))
    truth = -np.expm1(-np.exp(0.7 * z - 1)) + np.expm1(-np.exp(0.6 * z - 1))
    held = third = 0
    for _ in range(repeats):
        before, after = (quantile_left_out(x, q) for x in pair(random, n))
        found = changed(before, after)
        held += found.low <= truth <= found.high
        third += abs(found.value - truth) <= (found.high - found.value) / 3
    assert 0.92 <= held / repeats <= 0.995
    assert third / repeats < 0.75


def test_pairing_pays_and_needs_the_same_paths() -> None:
    x, y = pair(np.random.default_rng(6), 4_000)
    paired = changed(quantile_left_out(x, 0.5), quantile_left_out(y, 0.5))
    mixed_up = np.random.default_rng(7).permutation(y)
    unpaired = changed(quantile_left_out(x, 0.5), quantile_left_out(mixed_up, 0.5))
    assert paired.value == pytest.approx(unpaired.value, abs=1e-12)
    assert paired.mc_error < 0.6 * unpaired.mc_error
    assert changed_mean(x, y).mc_error < 0.6 * changed_mean(x, mixed_up).mc_error


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(8).standard_normal(32 * 200)
    found = jackknife_estimate(Sorted.of(values).jackknife_values(lambda x: float(x.mean())))
    # 32 groups know a standard deviation to 1 / sqrt(62) = 13 %.
    assert found.mc_error == pytest.approx(values.std() / np.sqrt(values.size), rel=0.4)
    assert found.high - found.value == pytest.approx(2.0395 * found.mc_error, rel=1e-4)


def test_a_changed_share_counts_who_crossed() -> None:
    before = np.array([True] * 30 + [False] * 70)
    after = np.array([False] * 5 + [True] * 40 + [False] * 55)
    found = changed_share(before, after)
    assert found.value == pytest.approx(0.10)
    up, down = 16 / 102, 6 / 102
    half = 1.959964 * np.sqrt((up + down - (up - down) ** 2) / 102)
    assert (found.low, found.high) == pytest.approx((up - down - half, up - down + half))
    nobody = changed_share(before, before)
    assert nobody.value == 0
    assert nobody.low < 0 < nobody.high  # a hundred paths do not prove that nothing changes


def test_a_changed_share_covers() -> None:
    """The truth of 3 % that newly see an event and 1 % that no longer do is +2 points."""
    random, held = np.random.default_rng(9), 0
    for _ in range(500):
        kind = random.choice(4, size=400, p=[0.03, 0.01, 0.16, 0.80])
        found = changed_share((kind == 1) | (kind == 2), (kind == 0) | (kind == 2))
        held += found.low <= 0.02 <= found.high
    assert held / 500 > 0.93


def test_runs_apart_join_their_intervals() -> None:
    before, after = Estimate(0.10, 0.03, 0.04, 0.16), Estimate(0.30, 0.04, 0.22, 0.38)
    found = unpaired_change(before, after)
    assert found.value == pytest.approx(0.20)
    assert found.mc_error == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx((0.10, 0.30))
    skewed = unpaired_change(Estimate(0.0, 0.01, 0.0, 0.04), after)
    assert skewed.value - skewed.low > skewed.high - skewed.value
    unknown = unpaired_change(before, Estimate(0.3, float("inf"), float("-inf"), float("inf")))
    assert unknown.low == float("-inf")


def test_one_path_knows_no_error(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, paths=1)
    for name, values in jackknife_values(
        run.results, "sp500", statistics_of(run.scenario, "sp500"), 1
    ).items():
        found = jackknife_estimate(values)
        np.testing.assert_equal((found.value, found.mc_error), (values[0], np.inf), name)
