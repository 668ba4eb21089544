"""What the recorder keeps for pictures: drivers, and falls aligned at their peaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator import load_scenario
from simulator.engine import block_simulation
from simulator.engine.consensus import consensus_path, fundamental_clock
from simulator.engine.recorder import Keep, aligned_steps, driver_steps
from simulator.engine.results import ALIGNED_FALL, DRIVER_GRID, DRIVERS, FAN_GRID, BlockResult
from simulator.engine.streams import BLOCK_PATHS
from simulator.scenario.scenario import Scenario
from simulator.statistics.drawdown import measure_drawdowns


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("deepseek").with_(paths=BLOCK_PATHS)


@pytest.fixture(scope="module")
def block(scenario: Scenario) -> BlockResult:
    return block_simulation.run_block(scenario, 7, 0, Keep(levels=True))


def test_aligned_falls_are_those_of_the_levels(scenario: Scenario, block: BlockResult) -> None:
    assert block.aligned_bins is not None
    assert block.levels is not None
    lags = aligned_steps(scenario)
    groups = len(scenario.universe.groups)
    assert block.aligned_bins.shape == (groups, lags.size, BLOCK_PATHS)
    for g in range(groups):
        levels = block.levels[g]  # (T+1, P)
        found = measure_drawdowns(levels)
        kept = (found.max_drawdown >= ALIGNED_FALL) & (found.peak_step + lags[-1] <= scenario.steps)
        assert ((block.aligned_bins[g] >= 0) == kept).all()
        paths = np.flatnonzero(kept)
        after = levels[found.peak_step[paths] + lags[:, np.newaxis], paths]
        bins = FAN_GRID.index(np.log(after / after[0]))
        away = block.aligned_bins[g][:, paths] - bins
        assert np.abs(away).max() <= 1  # seven digits: a value on an edge may fall to either side
        assert (away[1:] != 0).mean() < 1e-3


def test_drivers_are_those_of_the_replay(scenario: Scenario, block: BlockResult) -> None:
    assert block.driver_bins is not None
    clock = fundamental_clock(scenario)
    steps = driver_steps(scenario, clock)
    assert block.driver_bins.shape == (len(DRIVERS), steps.size, BLOCK_PATHS)
    for path in (0, 17):
        history = block_simulation.replay(scenario, 7, path)
        for row, name in enumerate(DRIVERS):
            told = DRIVER_GRID.index(history[f"technology.{name}"][steps])
            assert block.driver_bins[row, :, path].tolist() == told.tolist()
    first, last = block.driver_bins[:, 0], block.driver_bins[:, -1]
    assert (first == DRIVER_GRID.index(np.zeros(1))).all()
    assert (np.ptp(last, axis=1) > 20).all()


def test_what_is_priced_in_goes_with_them(scenario: Scenario) -> None:
    results = block_simulation.new_results(scenario, 10, Keep(), 10)
    path = consensus_path(scenario)
    for row, name in enumerate(DRIVERS):
        assert results.driver_consensus[row].tolist() == getattr(path, name).tolist()
    assert results.driver_steps.size == results.driver_consensus.shape[1]


def test_a_run_that_wants_no_pictures_carries_none(scenario: Scenario) -> None:
    bare = block_simulation.run_block(scenario, 7, 0, Keep(pictures=False))
    assert bare.driver_bins is None
    assert bare.aligned_bins is None
    results = block_simulation.new_results(scenario, BLOCK_PATHS, Keep(pictures=False), 10)
    results.add(bare, BLOCK_PATHS)
    assert results.driver_counts.size == results.aligned_counts.size == 0


def test_counts_add_up_whatever_the_blocks(scenario: Scenario) -> None:
    whole = block_simulation.new_results(scenario, 2 * BLOCK_PATHS, Keep(), 10)
    whole.add(block_simulation.run_block(scenario, 7, 0, Keep(), count=2), 2 * BLOCK_PATHS)
    parts = block_simulation.new_results(scenario, 2 * BLOCK_PATHS, Keep(), 10)
    for number in (0, 1):
        parts.add(block_simulation.run_block(scenario, 7, number, Keep()), BLOCK_PATHS)
    for name in ("driver_counts", "aligned_counts"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))
        assert getattr(whole, name).any()
    assert (whole.driver_counts.sum(axis=2) == 2 * BLOCK_PATHS).all()


@pytest.mark.parametrize(
    ("steps", "years", "last"), [(52, 5.0, 156), (52, 1.0, 28), (12, 5.0, 36), (252, 2.0, 285)]
)
def test_times_since_the_peak(scenario: Scenario, steps: int, years: float, last: int) -> None:
    lags = aligned_steps(replace(scenario, steps_per_year=steps, horizon_years=years))
    assert lags[0] == 0
    assert lags[-1] == last
    assert (np.diff(lags) > 0).all()
