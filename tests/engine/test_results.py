"""Blocks add up to the same run, whatever computed them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic import BLOCK, ENTITIES, STEPS, empty_results, walk_block, walk_levels, walk_results

from simulator.engine.executors import get_executor
from simulator.engine.results import FAN_GRID, GRIDS, MEASURES, SAMPLE_PATHS, Results
from simulator.statistics.histogram import Grid


def arrays(results: Results) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for field in fields(results):
        value = getattr(results, field.name)
        if isinstance(value, dict):
            found |= {f"{field.name}.{key}": array for key, array in value.items()}
        elif isinstance(value, np.ndarray):
            found[field.name] = value
    return found


def same_bytes(one: Results, other: Results) -> bool:
    left, right = arrays(one), arrays(other)
    return left.keys() == right.keys() and all(
        left[name].tobytes() == right[name].tobytes() for name in left
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_change_no_byte(workers: Any) -> None:
    results = empty_results(500, 300)
    for block in get_executor(workers).map(walk_block, range(8)):
        results.add(block, min(BLOCK, 500 - results.n))
    assert same_bytes(results, walk_results(500, 300))
    assert not same_bytes(results, walk_results(500, 300, seed=1))


def test_shuffled_blocks_change_no_byte() -> None:
    order = np.random.default_rng(3).permutation(8)
    done = {int(block): walk_block(int(block)) for block in order}
    results = empty_results(512, 512)
    for block in done.values():
        results.add(block, BLOCK)
    assert same_bytes(results, walk_results(512))


@pytest.mark.parametrize("kept", [20, 100, 500])
def test_parts_counted_apart_merge_in_any_order(kept: int) -> None:
    results = empty_results(500, kept)
    for blocks in (range(2, 5), range(7, 8), range(2), range(5, 7)):
        begin, end = blocks.start * BLOCK, min(blocks.stop * BLOCK, 500)
        part = empty_results(end - begin, max(min(end, kept) - begin, 0), begin=begin)
        for block in blocks:
            part.add(walk_block(block), min(BLOCK, end - begin - part.n))
        results.merge(part)
    assert same_bytes(results, walk_results(500, kept))


def test_first_paths_stay_when_the_number_grows() -> None:
    short, long = walk_results(100), walk_results(500)
    for name in MEASURES:
        assert np.array_equal(short.measures[name], long.measures[name][:, :100])
    assert np.array_equal(short.causes, long.causes[:, :, :100])
    assert np.array_equal(
        short.inputs["technology.elasticity"], long.inputs["technology.elasticity"][:100]
    )
    assert np.array_equal(short.sample_levels, long.sample_levels)


def test_counts_hold_all_paths_and_tables_the_first() -> None:
    results, whole = walk_results(500, keep_paths=100), walk_results(500)
    assert (results.n, results.kept, whole.kept) == (500, 100, 500)
    assert np.array_equal(results.measures["max_drawdown"], whole.measures["max_drawdown"][:, :100])
    for name in (*GRIDS, "trough", "recovered", "censored"):
        one = results.counts[name] if name in GRIDS else getattr(results, f"{name}_counts")
        other = whole.counts[name] if name in GRIDS else getattr(whole, f"{name}_counts")
        assert np.array_equal(one, other), name
    assert np.array_equal(results.cause_sums, whole.cause_sums)
    assert (results.recovered_counts + results.censored_counts).sum() == 500 * len(ENTITIES)


def test_counts_equal_a_count_of_the_tables() -> None:
    results = walk_results(500)
    for e in range(len(ENTITIES)):
        depth = results.measures["max_drawdown"][e].astype(float)
        bins = np.minimum(np.floor(depth * 1e4), 10_000).astype(int)
        assert np.array_equal(
            results.counts["max_drawdown"][e], np.bincount(bins, minlength=10_001)
        )
        deep = bins >= 2_000
        by_hand = results.causes[e][:, deep].sum(axis=1, dtype=float)
        assert np.allclose(results.cause_sums[e][:, 200:].sum(axis=1), by_hand, rtol=1e-8)
        lost = results.measures["recovery_step"][e] < 0
        waited = STEPS - results.measures["peak_step"][e][lost]
        assert np.array_equal(results.censored_counts[e], np.bincount(waited, minlength=STEPS + 1))
    levels = np.concatenate([walk_levels(b) for b in range(8)], axis=2)[:, :, :500]
    end = FAN_GRID.index(np.log(levels[0, -1] / 1000.0))
    assert np.array_equal(results.fan_counts[0, -1], np.bincount(end, minlength=FAN_GRID.bins))
    assert np.array_equal(results.sample_levels, levels[:, :, :SAMPLE_PATHS].astype(np.float32))


def test_levels_are_kept_when_asked_for() -> None:
    results = walk_results(100, keep_levels=True)
    assert results.levels is not None
    assert np.array_equal(results.levels[:, :, 64:], walk_levels(1)[:, :, :36].astype(np.float32))
    assert walk_results(100).levels is None


def test_a_loss_to_zero_is_counted_in_the_end_bins() -> None:
    results, block = empty_results(BLOCK, BLOCK), walk_block(0)
    block.measures["terminal_return"] = np.full((len(ENTITIES), BLOCK), -1.0)
    block.measures["max_drawdown"] = np.ones((len(ENTITIES), BLOCK))
    results.add(block, BLOCK)
    assert results.counts["log_terminal"][0, 0] == BLOCK
    assert results.counts["max_drawdown"][0, -1] == BLOCK


def test_grid_ends_hold_what_lies_outside() -> None:
    grid = Grid(-1.0, 0.5, 4)
    assert grid.index(np.array([-9.0, -1.0, -0.6, -0.5, 0.99, 1.0, 9.0])).tolist() == [
        *(0, 0, 0, 1, 3, 3, 3)
    ]
    assert grid.edges.tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
