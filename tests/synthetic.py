"""A tiny engine for tests: random walks measured like the real one's, block by block."""

from __future__ import annotations

import numpy as np

from simulator.arrays import FloatArray
from simulator.engine.results import (
    CAUSES,
    FAN_GRID,
    SAMPLE_PATHS,
    UNDERWATER_GRID,
    Axes,
    BlockResult,
    Results,
)
from simulator.statistics.drawdown import measure_drawdowns, worst_return

BLOCK = 64
ENTITIES = ("sp500", "nasdaq", "NVDA")
STEPS = 104
SOLD = np.array([0.5, 0.2, 0.0])
"""Parts of the revenue surprise by channel; nobody sells models."""
FAN_STEPS = np.arange(0, STEPS + 1, 26)


def walk_levels(block: int, seed: int = 0) -> FloatArray:
    """Levels (E, T+1, P) in USD billion."""
    rng = np.random.default_rng([seed + 1, block + 1])
    moves = rng.normal(0.001, [[[0.02]], [[0.04]], [[0.08]]], (len(ENTITIES), STEPS, BLOCK))
    start = np.zeros((len(ENTITIES), 1, BLOCK))
    logs = np.concatenate([start, np.cumsum(moves, axis=1)], axis=1)
    return np.asarray(1000.0 * np.exp(logs), np.float64)


def walk_block(block: int, seed: int = 0, *, keep_levels: bool = False) -> BlockResult:
    """One block of random walks."""
    levels = walk_levels(block, seed)
    time_first = np.ascontiguousarray(np.moveaxis(levels, 1, 0))
    found = measure_drawdowns(time_first)
    columns = np.ogrid[: levels.shape[0], : levels.shape[2]]
    peak = levels[columns[0], found.peak_step, columns[1]]
    trough = levels[columns[0], found.trough_step, columns[1]]
    shares = np.linspace(0.5, 1.5, len(CAUSES)) / len(CAUSES)
    running = np.maximum.accumulate(levels, axis=1)
    under = (1 - levels / running)[:, FAN_STEPS]
    return BlockResult(
        block=block,
        measures={
            **found._asdict(),
            "worst_week": worst_return(time_first, 1),
            "worst_month": worst_return(time_first, 4),
            "return_1y": levels[:, min(52, levels.shape[1] - 1)] / levels[:, 0] - 1,
            "terminal_return": levels[:, -1] / levels[:, 0] - 1,
            "dollars_lost": peak - trough,
        },
        causes=shares[:, np.newaxis] * np.log(trough / peak)[:, np.newaxis, :],
        channels=np.asarray(
            SOLD[:, np.newaxis] * shares[0] * np.log(trough / peak)[:, np.newaxis, :], np.float32
        ),
        inputs={"technology.elasticity": levels[0, 1] / 1000.0},
        fan_bins=FAN_GRID.index(np.log(levels[:, FAN_STEPS] / 1000.0)).astype(np.int16),
        underwater_bins=UNDERWATER_GRID.index(under).astype(np.int16),
        sample_levels=levels[:, :, :SAMPLE_PATHS],
        levels=levels if keep_levels else None,
    )


def empty_results(
    paths: int, keep_paths: int, *, keep_levels: bool = False, begin: int = 0
) -> Results:
    """Room for a run of random walks."""
    axes = Axes(
        entities=ENTITIES,
        times=np.arange(STEPS + 1) / 52,
        fan_steps=FAN_STEPS,
        start_levels=np.full(len(ENTITIES), 1000.0),
        sells=np.tile(SOLD > 0.0, (len(ENTITIES), 1)),
    )
    return Results.empty(
        axes,
        ("technology.elasticity",),
        paths=paths,
        keep_paths=keep_paths,
        keep_levels=keep_levels,
        begin=begin,
    )


def walk_results(
    paths: int, keep_paths: int = 100_000, seed: int = 0, *, keep_levels: bool = False
) -> Results:
    """A whole run of random walks."""
    results = empty_results(paths, keep_paths, keep_levels=keep_levels)
    for block in range(-(-paths // BLOCK)):
        take = min(BLOCK, paths - results.n)
        results.add(walk_block(block, seed, keep_levels=keep_levels), take)
    return results
