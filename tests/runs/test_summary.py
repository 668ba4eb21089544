"""Statistics of a run: from the paths and from counts, and how far the two are apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp

import numpy as np
import pytest
from synthetic import ENTITIES, SOLD, walk_results

from simulator.arrays import FloatArray
from simulator.engine.results import CAUSES, GRIDS, MEASURES
from simulator.runs.samples import Counted, Paths, sample
from simulator.runs.statistic_catalogue import WORST
from simulator.runs.summary import drivers, evaluate_threshold, statistics
from simulator.scenario.thresholds import parse_threshold
from simulator.statistics.histogram import Grid
from simulator.statistics.intervals import Estimate, expected_shortfall

WHOLE = walk_results(2000)
THIN = walk_results(2000, keep_paths=200)
DEPTHS = {"dotcom": 0.25, "2008": 0.2031}

TITLES = {entity: entity for entity in ENTITIES}


def test_every_statistic_is_inside_its_interval() -> None:
    for results in (WHOLE, THIN):
        for entity in ENTITIES:
            for name, found in statistics(results, entity, DEPTHS).items():
                assert found.low <= found.value <= found.high, (entity, name, found)
                assert np.isfinite([found.value, found.mc_error]).all(), name
                assert found.mc_error >= 0, name


def test_statistics_of_paths_are_numpys() -> None:
    depth = WHOLE.measures["max_drawdown"][0]
    found = statistics(WHOLE, "sp500", DEPTHS)
    for name, q in WORST.items():
        assert found[name].value == pytest.approx(np.quantile(depth, q), rel=1e-12)
    assert found["mean"].value == pytest.approx(depth.mean(), rel=1e-12)
    assert found["reach_dotcom"].value == np.mean(depth >= 0.25)
    assert found["reach_2008"].value == np.mean(depth >= 0.2031)
    steps = WHOLE.measures["trough_step"][0] - WHOLE.measures["peak_step"][0]
    assert found["time_to_trough_median"].value == pytest.approx(np.median(steps) / 52)
    worst = np.quantile(WHOLE.measures["worst_week"][0], 0.05)
    assert found["worst_week_worst_1_in_20"].value == pytest.approx(worst)


def test_counts_give_the_same_within_their_grid() -> None:
    for entity in ENTITIES:
        exact, grid = (statistics(r, entity, DEPTHS) for r in (WHOLE, THIN))
        assert exact.keys() == grid.keys()
        for name in exact:
            if name.startswith("time_underwater"):
                continue  # has no grid: from the kept paths
            width = {"dollars_lost": 2.0, "terminal_return": 0.01, "worst_": 0.001}.get(
                next((k for k in ("dollars_lost", "terminal_return") if name.startswith(k)), ""),
                0.0011,
            )
            assert grid[name].value == pytest.approx(exact[name].value, abs=width), name
            if name != "mean" and "shortfall" not in name and not name.endswith("_mean"):
                assert grid[name].low <= exact[name].low + 1e-9, name
                assert grid[name].high >= exact[name].high - 1e-9, name


def test_a_threshold_on_a_bin_edge_is_exact_from_counts() -> None:
    values = np.array([0.1, 0.25, 0.2500001, 0.24999, 0.9])
    grid = GRIDS["max_drawdown"]
    counts = np.bincount(grid.index(values), minlength=grid.bins)
    exact, counted = Paths(values).at_least(0.25), Counted(counts, grid).at_least(0.25)
    assert counted == exact
    between = Counted(counts, grid).at_least(0.25005)
    # The bin with two paths may lie above or below: half is the best guess, the interval has both.
    assert between.value == pytest.approx(0.4)
    assert between.low <= Paths(values).at_least(0.2501).low
    assert between.high >= exact.high


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 1.0, 1.00005, 2.0])
def test_thresholds_at_the_ends_of_a_grid(threshold: float) -> None:
    values = np.array([0.0, 0.5, 1.0])
    grid = GRIDS["max_drawdown"]
    counts = np.bincount(grid.index(values), minlength=grid.bins)
    assert Counted(counts, grid).at_least(threshold).value == pytest.approx(
        Paths(values).at_least(min(threshold, 1.0) if threshold < 1.0001 else threshold).value,
        abs=0.17,
    )


def test_log_grid_and_scale() -> None:
    grid = Grid(-2.0, 0.5, 8)
    counts = np.array([0, 0, 0, 0, 10, 0, 0, 0])
    returns = Counted(counts, grid, log=True).quantile(0.5)
    assert returns.value == pytest.approx(exp(0.25) - 1)
    assert (returns.low, returns.high) == pytest.approx((0.0, exp(0.5) - 1))
    assert Counted(counts, grid, scale=100.0).mean().value == pytest.approx(25.0)


def test_recovery_is_kaplan_meier() -> None:
    found = statistics(WHOLE, "sp500", {})
    peak, recovery = (WHOLE.measures[f"{n}_step"][0].astype(int) for n in ("peak", "recovery"))
    seen = recovery >= 0
    lasted = np.where(seen, recovery - peak, 104 - peak)
    survival = 1.0
    for step in range(53):
        survival *= 1 - np.sum(seen & (lasted == step)) / np.sum(lasted >= step)
    assert found["recovered_1y"].value == pytest.approx(1 - survival, rel=1e-12)
    assert "recovered_2y" in found
    assert "recovered_5y" not in found  # beyond the horizon


def test_drivers_are_means_over_the_worst_twentieth() -> None:
    depth, causes = WHOLE.measures["max_drawdown"][1], WHOLE.causes[1].astype(float)
    worst = np.argsort(depth)[-100:]
    found = drivers(WHOLE, "nasdaq")
    channels = [f"revenue_{name}" for name in ("core", "chips", "rental", "models")]
    assert list(found) == [*channels, *CAUSES[1:]]
    for c, name in enumerate(CAUSES[1:], start=1):
        assert found[name].value == pytest.approx(causes[c, worst].mean(), rel=1e-12)
    revenue = causes[0, worst].mean()
    for name, part in zip(channels, (0.3, *SOLD), strict=True):  # kept in half the digits
        assert found[name].value == pytest.approx(part * revenue, rel=1e-6, abs=1e-12)
    assert sum(found[name].value for name in channels) == pytest.approx(revenue, rel=1e-12)
    total = sum(one.value for one in found.values())
    assert total == pytest.approx(np.log1p(-depth[worst]).mean(), rel=1e-6)
    thin = drivers(THIN, "nasdaq")
    for name in CAUSES[1:]:  # all 2,000 paths count, whatever was kept
        assert thin[name].value == pytest.approx(found[name].value, abs=1e-4)
        assert 0.3 < thin[name].mc_error / found[name].mc_error < 3


def test_intervals_of_drivers_cover() -> None:
    rng = np.random.default_rng(5)
    hits, repeats, n = 0, 400, 1000
    truth_depth = rng.exponential(0.2, 2_000_000)
    cut = np.quantile(truth_depth, 0.95)
    truth = -1.3 * truth_depth[truth_depth >= cut].mean()
    results = walk_results(64)
    for _ in range(repeats):
        depth = rng.exponential(0.2, n)
        results.measures["max_drawdown"] = np.tile(depth, (3, 1))
        results.causes = np.zeros((3, len(CAUSES), n))
        results.causes[:, 0] = -1.3 * depth + rng.normal(0, 0.1, n)
        results.n = n
        results.channels = np.zeros((6, n), np.float32)
        found = drivers(results, "sp500")["revenue_core"]
        hits += bool(found.low <= truth <= found.high)
    assert 0.90 <= hits / repeats <= 0.985


def test_one_path_has_no_error_to_state() -> None:
    found = statistics(walk_results(1), "sp500", DEPTHS)
    assert found["median"].value == found["mean"].value
    assert found["mean"].mc_error == np.inf
    assert (found["median"].low, found["median"].high) == (0.0, 1.0)
    assert drivers(walk_results(1), "sp500")["revenue_core"].mc_error == np.inf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P(sp500.max_drawdown >= 0.25) < 0.9", lambda d, _: np.mean(d >= 0.25)),
        ("P(sp500.max_drawdown < 0.25) < 0.9", lambda d, _: np.mean(d < 0.25)),
        ("P(sp500.terminal_return > 0) > 0.1", lambda _, r: np.mean(r > 0)),
        ("P(sp500.terminal_return <= -0.1) < 0.6", lambda _, r: np.mean(r <= -0.1)),
        ("median(sp500.max_drawdown) < 0.9", lambda d, _: np.median(d)),
        ("worst_1_in_20(sp500.max_drawdown) < 0.9", lambda d, _: np.quantile(d, 0.95)),
        ("worst_1_in_20(sp500.terminal_return) > -0.9", lambda _, r: np.quantile(r, 0.05)),
        ("mean(sp500.terminal_return) > -0.9", lambda _, r: r.mean()),
        (
            "expected_shortfall_1_in_20(sp500.max_drawdown) < 0.9",
            lambda d, _: expected_shortfall(d, 0.95).value,
        ),
        (
            "expected_shortfall_1_in_20(sp500.terminal_return) > -0.9",
            lambda _, r: -expected_shortfall(-r, 0.95).value,
        ),
        (
            "expected_shortfall_1_in_100(sp500.terminal_return) > -0.95",
            lambda _, r: -expected_shortfall(-r, 0.99).value,
        ),
    ],
)
def test_thresholds(text: str, expected: Callable[[FloatArray, FloatArray], float]) -> None:
    threshold = parse_threshold("limit", text, TITLES)
    measures = WHOLE.measures
    value = expected(measures["max_drawdown"][0], measures["terminal_return"][0])
    for results, near in ((WHOLE, 1e-12), (THIN, 1.5e-3)):
        judged = evaluate_threshold(results, threshold)
        assert judged.passed
        assert judged.estimate.value == pytest.approx(value, abs=near)
    opposite = {"<": ">=", ">": "<="}
    head, _, limit = text.rpartition(" ")
    turned = parse_threshold("limit", f"{head[:-1]}{opposite[head[-1]]} {limit}", TITLES)
    assert not evaluate_threshold(WHOLE, turned).passed


def test_a_threshold_is_sure_where_its_interval_leaves_the_limit_out() -> None:
    found = evaluate_threshold(
        WHOLE, parse_threshold("x", "mean(sp500.max_drawdown) < 0.9", TITLES)
    )
    for limit, sure in (
        (found.estimate.value, False),
        (found.estimate.low + 1e-9, False),
        (found.estimate.low - 1e-9, True),
        (found.estimate.high + 1e-9, True),
    ):
        assert replace(found, threshold=replace(found.threshold, limit=limit)).sure == sure


def test_unknown_names_are_errors() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        sample(WHOLE, "gold", "max_drawdown")
    with pytest.raises(KeyError):
        sample(WHOLE, "sp500", "nonsense")
    assert isinstance(sample(WHOLE, "sp500", next(iter(MEASURES))).mean(), Estimate)
