"""What a sweep will take, before it begins: estimated from one small block."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.engine import memory
from simulator.engine.block_batches import TOGETHER
from simulator.engine.recorder import fan_steps
from simulator.engine.streams import BLOCK_PATHS
from simulator.runs import atomic_files
from simulator.sweeps import sweep_cell

if TYPE_CHECKING:
    from simulator.sweeps.sweep import Plan

_WORKER_GAIN = 0.9
"""What a worker adds beside others on one machine, as a share of one alone."""
_ROW = 130
"""Bytes of a row of sweep.csv."""


@dataclass(frozen=True)
class Forecast:
    """Of the cells that are missing."""

    cells: int
    paths: int
    seconds: float
    memory: int  # bytes, all workers together
    disk: int  # bytes


def forecast(plan: Plan, workers: int) -> Forecast:
    """Measure one block of the base and reckon from it; blocks of other cells take as long."""
    scenario, missing = plan.scenario, plan.to_compute
    sizes = memory.needed(
        entities=len(scenario.universe.entities),
        steps=scenario.steps,
        fan_times=fan_steps(scenario).size,
        inputs=len(scenario.uncertain()),
        kept=0,
        keep_levels=False,
        block_paths=TOGETHER * BLOCK_PATHS,
        workers=min(workers, max(missing, 1)),
        task_paths=0,  # workers keep their results
    )
    sweep_cell.simulated(scenario.with_(paths=1))  # what is done once is not timed
    began = time.perf_counter()
    block = sweep_cell.simulated(scenario.with_(paths=min(scenario.paths, BLOCK_PATHS)))
    files = sweep_cell.packed(scenario, block)
    seconds = time.perf_counter() - began
    blocks = sum(
        -(-scenario.paths // BLOCK_PATHS) - order.begun // BLOCK_PATHS for order in plan.orders()
    )
    gain = 1 + (min(workers, max(missing, 1)) - 1) * _WORKER_GAIN
    counted = atomic_files.pack_arrays(block.pack())
    # Bins fill up: a cell grows with its paths until every bin is taken.
    most = 3 * sum(counts.size for part in (block.fine, block.groups) for counts in part.values())
    cell = len(files) - len(counted) + min(len(counted) * scenario.paths // block.n, most)
    rows = (
        plan.cells * len(block.entities) * sweep_cell.figures_of(scenario, block).estimates.shape[1]
    )
    return Forecast(
        cells=missing,
        paths=plan.paths,
        seconds=blocks * seconds / gain,
        memory=sizes,
        disk=missing * cell + rows * _ROW,
    )
