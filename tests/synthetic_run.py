"""A run made of random walks: all that figures and reports need, in a fraction of a second."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from simulator.engine.block_simulation import Keep, new_results
from simulator.engine.results import (
    ALIGNED_FALL,
    CAUSES,
    CHANNELS,
    DRIVER_GRID,
    DRIVERS,
    FAN_GRID,
    UNDERWATER_GRID,
    BlockResult,
)
from simulator.engine.streams import BLOCK_PATHS
from simulator.runs.run import Run
from simulator.runs.story import ENTITIES, MEASURES, can_be_split, contributions, other_worlds
from simulator.scenario.scenario import load_scenario
from simulator.statistics.drawdown import measure_drawdowns, worst_return

SCENARIO = """
format_version = 1
[scenario]
name = "walk"
title = "A random walk"
universe = "us-2025-01"
paths = 400
seed = 7
horizon_years = 5.0
steps_per_year = 52
[technology]
elasticity = { dist = "triangular", low = 0.6, mode = 1.0, high = 1.6 }
[thresholds]
rare = "P(sp500.max_drawdown >= 0.30) < 0.05"
typical = "median(sp500.max_drawdown) < 0.60"
slow = "median(sp500.time_to_trough) > 0.1"
"""


def synthetic_run(
    folder: Path, *, paths: int = 400, keep_paths: int = 100_000, volatility: float = 0.2
) -> Run:
    """A Run of ``paths`` walks; the causes split each fall by fixed weights, so they add up."""
    file = folder / "walk.toml"
    file.write_text(SCENARIO, encoding="utf-8")
    scenario = load_scenario(file).with_(paths=paths)
    entities, steps = scenario.universe.entities, scenario.steps
    random = np.random.default_rng(scenario.seed)
    spread = volatility * np.linspace(1.0, 3.0, len(entities))[:, np.newaxis, np.newaxis]
    moves = random.standard_normal((len(entities), steps, paths)) * np.sqrt(scenario.dt)
    moves = spread * (0.6 * moves[:1] + 0.8 * moves) + (0.08 - spread**2 / 2) * scenario.dt
    logs = np.concatenate([np.zeros((len(entities), 1, paths)), moves.cumsum(axis=1)], axis=1)
    results = new_results(scenario, paths, Keep(pictures=True), keep_paths)
    levels = results.start_levels[:, np.newaxis, np.newaxis] * np.exp(logs)
    by_time = np.moveaxis(levels, 1, 0)
    falls = measure_drawdowns(by_time)
    high = np.maximum.accumulate(levels, axis=1)
    weights = np.linspace(1.0, -0.5, len(CAUSES))
    kept, lags, groups = results.fan_steps, results.aligned_steps, results.groups
    priced_in = results.driver_consensus
    drivers = priced_in[:, :, np.newaxis] * random.uniform(0.5, 1.5, paths)
    after = np.minimum(falls.peak_step[:groups, np.newaxis] + lags[:, np.newaxis], steps)
    since_peak = np.take_along_axis(logs[:groups], after.astype(np.intp), axis=1)
    since_peak = FAN_GRID.index(since_peak - since_peak[:, :1])
    deep = (falls.max_drawdown >= ALIGNED_FALL) & (falls.peak_step + lags[-1] <= steps)
    since_peak[~np.broadcast_to(deep[:groups, np.newaxis], since_peak.shape)] = -1
    assert len(drivers) == len(DRIVERS)
    block = BlockResult(
        block=0,
        measures={
            **falls._asdict(),
            "worst_week": worst_return(by_time, 1),
            "worst_month": worst_return(by_time, 4),
            "return_1y": levels[:, 52] / levels[:, 0] - 1,
            "terminal_return": levels[:, -1] / levels[:, 0] - 1,
            "dollars_lost": (high - levels).max(axis=1),
        },
        causes=np.log1p(-falls.max_drawdown)[:, np.newaxis]
        * (weights / weights.sum())[:, np.newaxis],
        channels=np.zeros((len(entities), len(CHANNELS), paths), np.float32),
        inputs={key: random.uniform(0.6, 1.6, paths) for key in scenario.uncertain()},
        fan_bins=FAN_GRID.index(logs[:, kept]).astype(np.int16),
        underwater_bins=UNDERWATER_GRID.index(1 - (levels / high)[:, kept]).astype(np.int16),
        sample_levels=levels[:, :, :30],
        driver_bins=DRIVER_GRID.index(drivers).astype(np.int16),
        aligned_bins=since_peak.astype(np.int16),
    )
    results.add(block, paths)
    run = Run(scenario, results)
    return with_story(run) if can_be_split(run) else run


class InventedWorlds:
    """An executor whose worlds have the run's own falls, some of them milder: .6, .8 and 1.1 times as deep."""

    def __init__(self, run: Run) -> None:
        self.measures: Any = run.results.measures
        self.rows = [run.entities.index(name) for name in ENTITIES if name in run.entities]

    def map(self, function: object, items: Iterable[Any]) -> Iterator[Any]:  # noqa: ARG002
        for first, count in items:
            paths = slice(first * BLOCK_PATHS, (first + count) * BLOCK_PATHS)
            own = np.array([self.measures[name][self.rows, paths] for name in MEASURES])
            yield np.array([np.minimum(times * own, 1.0) for times in (0.6, 0.8, 1.1)])


def with_story(run: Run) -> Run:
    return replace(
        run, contributions=contributions(run, other_worlds(run, executor=InventedWorlds(run)))
    )


def titled(run: Run, title: str) -> Run:
    """The same run under another title, which may be one no scenario file could have."""
    return replace(run, scenario=replace(run.scenario, title=title))
