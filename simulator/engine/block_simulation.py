"""Blocks of paths, advanced step by step.

``run_block`` is pure: (scenario, seed, block) -> what is kept of it. The consensus runs
first, as one path without noise, and everything else is measured against it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from simulator.arrays import FloatArray, Precision
from simulator.engine.consensus import Consensus, consensus_path, fundamental_clock, quiet
from simulator.engine.factors import FACTORS
from simulator.engine.recorder import Keep as Keep
from simulator.engine.recorder import Recorder, aligned_steps, driver_steps, fan_steps
from simulator.engine.results import CHANNELS, DRIVERS, SAMPLE_PATHS, Axes, BlockResult, Results
from simulator.engine.simulation import Simulation, State
from simulator.engine.streams import BLOCK_PATHS, BlockShocks, ZeroShocks
from simulator.errors import NotFinite
from simulator.model.market import jump_chances
from simulator.scenario import Scenario

_per_thread = threading.local()
MEASURES_ONLY = Keep()


def run_block(
    scenario: Scenario,
    seed: int,
    block: int,
    keep: Keep = MEASURES_ONLY,
    *,
    count: int = 1,
    noise: bool = True,
    precision: Precision = np.float32,
) -> BlockResult:
    """Simulate one block, or ``count`` that follow each other, and measure; pure.

    Blocks simulated together cost less and are the same to the last bit.

    Parameters
    ----------
    scenario
        What to simulate.
    seed
        Run seed.
    block
        Number of the block, from 0.
    keep
        What survives beside the measures.
    count
        Number of blocks.
    noise
        False turns every shock off; the block is then a single path, in 64 bits.
    precision
        32 bits are what runs are made in.

    Raises
    ------
    NotFinite
        If a quantity became infinite or not a number; it says where.
    """
    simulation = start_block(scenario, seed, block, count, noise=noise, precision=precision)
    samples = SAMPLE_PATHS if block == 0 and keep.fans else 0
    recorder = Recorder(simulation, keep, samples)
    with np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
        try:
            for first, last in strides(scenario):
                recorder.record(first, last)
            return recorder.finish(block, count, keep)
        except FloatingPointError as error:
            raise not_finite(simulation, seed, block, recorder.now, str(error)) from None


_STRIDE = 13
"""Steps taken together, at most: what firms share is worked out for all of them at once."""


def strides(scenario: Scenario) -> Iterator[tuple[int, int]]:
    """First and last steps of parts of quarters, in order."""
    clock, first = fundamental_clock(scenario), 1
    while first <= scenario.steps:
        quarter = (first // clock + 1) * clock - 1
        last = min(quarter, first + _STRIDE - 1, scenario.steps)
        yield first, last
        first = last + 1


def start_block(
    scenario: Scenario,
    seed: int,
    block: int,
    count: int = 1,
    *,
    noise: bool = True,
    precision: Precision = np.float32,
) -> Simulation:
    """A block's simulation at t=0, or that of ``count`` blocks; parameters as in :func:`run_block`."""
    if not noise:
        calm, firms = quiet(scenario), len(scenario.universe.tickers)
        return Simulation(calm, consensus_path(calm), ZeroShocks(1, firms), noise=False)
    shocks = block_shocks(scenario, seed, block, count, precision)
    return Simulation(scenario, consensus_of(scenario), shocks)


def block_shocks(
    scenario: Scenario, seed: int, block: int, count: int = 1, precision: Precision = np.float32
) -> BlockShocks:
    """The draws of blocks, which depend on the universe and the time grid only."""
    universe = scenario.universe
    chances = jump_chances(universe, scenario.dt)
    return BlockShocks(seed, block, universe.tickers, chances, count, precision)


def consensus_of(scenario: Scenario) -> Consensus:
    """The consensus path, worked out once for all blocks of a scenario."""
    cached = getattr(_per_thread, "consensus", None)
    if cached is None or cached[0] is not scenario:
        cached = _per_thread.consensus = (scenario, consensus_path(scenario))
    path: Consensus = cached[1]
    return path


def not_finite(simulation: Simulation, seed: int, block: int, step: int, text: str) -> NotFinite:
    """Say where a run left the finite numbers: block, path, step and quantity."""
    for name, value in _quantities(simulation.state):
        bad = ~np.isfinite(value)
        if bad.any():
            path = block * BLOCK_PATHS + int(np.argwhere(bad)[0][-1])
            where = f"{name} on path {path} (block {path // BLOCK_PATHS}, step {step})"
            message = f"{where} is not finite: {text}; seed {seed}"
            return NotFinite(message, path // BLOCK_PATHS, path, step, name)
    last = block + simulation.shape[1] // BLOCK_PATHS - 1
    blocks = f"block {block}" if last <= block else f"one of blocks {block} to {last}"
    message = f"{blocks} left the finite numbers at step {step}: {text}; seed {seed}"
    return NotFinite(message, block, None, step, "")


def _quantities(state: State) -> Iterator[tuple[str, FloatArray]]:
    """Every array of a state with its dotted name."""
    for part in fields(state):
        process = getattr(state, part.name)
        for item in fields(process):
            yield f"{part.name}.{item.name}", getattr(process, item.name)


def axes_of(scenario: Scenario, keep: Keep) -> Axes:
    """What the results of a scenario refer to."""
    universe = scenario.universe
    values = universe.column("market_value")
    sold = np.stack([universe.column(f"{name}_share") for name in CHANNELS])
    pictures: dict[str, Any] = {}
    if keep.pictures:
        priced_in = consensus_of(scenario)
        pictures = {
            "driver_steps": driver_steps(scenario, fundamental_clock(scenario)),
            "driver_consensus": np.stack([getattr(priced_in, name) for name in DRIVERS]),
            "aligned_steps": aligned_steps(scenario),
            "groups": len(universe.groups),
        }
    return Axes(
        entities=universe.entities,
        times=scenario.dt * np.arange(scenario.steps + 1, dtype=np.float64),
        fan_steps=fan_steps(scenario),
        start_levels=np.concatenate(
            [(universe.membership * values).sum(axis=1) + universe.group_cash, values]
        ),
        sells=np.concatenate([universe.membership @ sold.T > 0.0, sold.T > 0.0]),
        **pictures,
    )


def new_results(
    scenario: Scenario, paths: int, keep: Keep, keep_paths: int, begin: int = 0
) -> Results:
    """Empty results for ``paths`` paths of a scenario, from path ``begin`` on."""
    return Results.empty(
        axes_of(scenario, keep),
        scenario.uncertain(),
        paths=paths,
        keep_paths=keep_paths,
        keep_levels=keep.levels,
        begin=begin,
    )


def replay(
    scenario: Scenario, seed: int, path: int, *, noise: bool = True
) -> dict[str, FloatArray]:
    """Every quantity of one path, by name: ``(T+1,)`` arrays, time 0 included.

    Names are ``technology.price``, ``market.factor`` and so on for the economy,
    ``firms.revenue.NVDA`` for a firm, ``level.sp500`` for prices in USD billion.
    """
    block, column = divmod(path, BLOCK_PATHS)
    simulation = start_block(scenario, seed, block, noise=noise)
    recorder = Recorder(simulation, Keep(levels=True), 0)
    tickers = scenario.universe.tickers
    rows: list[dict[str, float]] = []

    def keep_row() -> None:
        row: dict[str, float] = {}
        for name, value in _quantities(simulation.state):
            if value.ndim == 1:
                row[name] = float(value[column])
            else:
                row |= {
                    f"{name}.{t}": float(v) for t, v in zip(tickers, value[:, column], strict=True)
                }
        rows.append(row)

    keep_row()
    for k in range(1, scenario.steps + 1):
        recorder.record(k, k)
        keep_row()
    quantities = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for j, (cause, loading) in enumerate(FACTORS):
        quantities[f"factor.{cause}.{loading}"] = recorder.past.factors[:, j, column].copy()
    for entity, name in enumerate(scenario.universe.entities):
        quantities[f"level.{name}"] = recorder.levels[entity, :, column].copy()
    return quantities
