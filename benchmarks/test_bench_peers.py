"""How fast others are: the same walks and the same market part, in one process, in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import peers
import pytest
from timing import FLOOR_PATHS, draw_floor, in_turn

from simulator import load_scenario
from simulator.engine import block_simulation
from simulator.engine.block_batches import TOGETHER
from simulator.engine.streams import BLOCK_PATHS

PATHS = 1024
FEW = 128
"""Paths of QuantLib, which is slow."""


def made(make: Callable[..., Any], *args: Any) -> Any:
    """A peer, or None with a line that says what is missing."""
    try:
        return make(*args)
    except ImportError as error:
        print(f"left out: {error}; pip install -r benchmarks/requirements.txt")
        return None


@pytest.fixture(scope="module")
def engine_costs() -> dict[str, float]:
    """Nanoseconds a path-step of the floor and of a block of the whole model."""
    scenario = load_scenario("deepseek")
    count = BLOCK_PATHS * TOGETHER
    work = {
        "floor": (draw_floor(scenario.steps), FLOOR_PATHS),
        "block": (lambda: block_simulation.run_block(scenario, 1, 0, count=TOGETHER), count),
    }
    times = in_turn({name: run for name, (run, _) in work.items()}, repetitions=5)
    return {n: times[n].best / paths / scenario.steps * 1e9 for n, (_, paths) in work.items()}


def test_walks(capsys, engine_costs) -> None:
    with capsys.disabled():
        print()
        candidates = {
            "numpy script": (peers.script_walks, PATHS),
            "numba kernel": (made(peers.compiled_walks), PATHS),
            "QuantLib": (made(peers.library_walks), FEW),
        }
        found = {name: each for name, each in candidates.items() if each[0] is not None}
        depths = {
            name: walk(2000 if name != "QuantLib" else 500) for name, (walk, _) in found.items()
        }
        for name, depth in depths.items():  # the same law, or the comparison means nothing
            error = np.hypot(
                *(x.mean(axis=0).std() / x.shape[1] ** 0.5 for x in (depth, depths["numpy script"]))
            )
            assert abs(depth.mean() - depths["numpy script"].mean()) < 5 * error, name
        work = {name: lambda walk=walk, n=n: walk(n) for name, (walk, n) in found.items()}
        times = in_turn(work, repetitions=5)
        scenario = load_scenario("deepseek")
        ours = engine_costs["block"] / len(scenario.universe.entities)
        print(
            f"{'ns an asset-step (path-step of an asset)':44s}{'best':>8s}{'this model = 1':>16s}"
        )
        for name, (_, n) in found.items():
            cost = times[name].best / n / peers.STEPS / peers.ASSETS * 1e9
            print(f"{'walks: ' + name:44s}{cost:8.1f}{cost / ours:16.2f}")
        print(f"{'the whole model, by entity':44s}{ours:8.1f}{1.0:16.2f}")


def test_the_markets_part(capsys, engine_costs) -> None:
    scenario = load_scenario("deepseek")
    with capsys.disabled():
        print()
        kernel = made(peers.compiled_market, peers.MarketFigures.of(scenario))
        if kernel is None:
            return
        kernel(8)
        times = in_turn({"kernel": lambda: kernel(PATHS)}, repetitions=5)
        cost = times["kernel"].best / PATHS / scenario.steps * 1e9
        floor = engine_costs["floor"]
        print(f"{'ns a path-step':44s}{'best':>8s}{'floor = 1':>12s}")
        for name, each in (
            ("floor: the normals", floor),
            ("numba: market, prices and falls alone", cost),
            ("this model, all of it", engine_costs["block"]),
        ):
            print(f"{name:44s}{each:8.1f}{each / floor:12.2f}")
