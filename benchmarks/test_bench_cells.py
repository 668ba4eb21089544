"""What a cell of a sweep costs beside its simulation; ``make bench`` runs this file.

A sweep of cells of 2,000 paths is run as ever: planning, counting, statistics with paired errors, files and
table. After each cell its blocks are simulated once more, and the time of that is taken out of the sweep's: what is
compared alternates cell by cell, so that the ratio does not depend on the machine. The clock is the process's own and
does not count what it waits for the disk.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from sweep_scaling import KEEP, KEY

from simulator import Design, load_scenario
from simulator.engine import run_block
from simulator.engine.executors import Serial
from simulator.engine.streams import BLOCK_PATHS
from simulator.scenario import Scenario
from simulator.sweeps.design import design_cells, resolve_design
from simulator.sweeps.plan import make_plan
from simulator.sweeps.sweep import run_plan

GOAL, REACHED = 1.12, 1.16
"""A sweep over the engine: the goal, and what is reached in docs/performance.md with room for a busy machine."""
CELLS, PATHS = 20, 2000


def sweep_over_engine(scenario: Scenario, design: Design, place: Path) -> float:
    """Seconds of a sweep, over those of the blocks of its cells."""
    stories = [scenario.overlaid(overrides) for overrides in design_cells(design, scenario)]
    left, spent = iter([scenario, *stories]), 0.0

    def simulate_again(*_: int) -> None:
        nonlocal spent
        began = time.process_time()
        run_block(next(left), scenario.seed, 0, KEEP, count=-(-PATHS // BLOCK_PATHS))
        spent += time.process_time() - began

    began = time.process_time()
    run_plan(make_plan(scenario, design, place), Serial(), progress=simulate_again)
    return (time.process_time() - began - spent) / spent


def test_cells_cost_little_more_than_their_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = load_scenario("deepseek").with_(paths=PATHS)
    design = resolve_design(Design.grid({KEY: f"0.6:1.6:{CELLS}"}), scenario)
    ratios = [sweep_over_engine(scenario, design, tmp_path / str(n)) for n in range(6)][1:]
    middle = float(np.median(ratios))
    with capsys.disabled():
        print(f"\nsweep over engine: {middle:.3f} (median; {min(ratios):.3f} to {max(ratios):.3f})")
    assert middle <= REACHED
    if middle > GOAL:
        pytest.xfail(f"the goal of {GOAL} is missed")
