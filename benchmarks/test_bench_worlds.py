"""What the three other worlds of "what the story adds" cost, against a block of the run with all that is kept of it.

``make bench`` runs this file. Both are timed in turn, so that the ratio does not depend on the machine.
"""

from __future__ import annotations

import pytest
from timing import in_turn

from simulator import load_scenario
from simulator.engine import run_block
from simulator.engine.block_batches import TOGETHER
from simulator.engine.lockstep import group_falls
from simulator.runs.story import BOOM, ENTITIES, STORY, world

BOUND = 2.2
"""The run's own world and the three others may take so many times what its own takes."""


def test_four_worlds_cost_little_more_than_two(capsys: pytest.CaptureFixture[str]) -> None:
    scenario = load_scenario("deepseek")
    groups = [row for row, name in enumerate(scenario.universe.groups) if name in ENTITIES]
    others = [world(scenario, number) for number in range(BOOM | STORY)]
    work = {
        "own": lambda: run_block(scenario, 1, 0, count=TOGETHER),
        "others": lambda: group_falls(others, groups, 1, 0, count=TOGETHER),
    }
    times = in_turn(work, repetitions=9)
    best, median = (
        1.0 + getattr(times["others"], kind) / getattr(times["own"], kind)
        for kind in ("best", "median")
    )
    with capsys.disabled():
        print(f"\nfour worlds over one: {best:.2f} (best), {median:.2f} (median)")
    assert best <= BOUND
