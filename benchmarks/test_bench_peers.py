"""How fast others are: the same walks and the same market part, in one process, in turn.

Ratios are of times taken in turn, five times: median, smallest and largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import peers
import pytest
from timing import FLOOR_PATHS, Timing, draw_floor, in_turn

from simulator import load_scenario
from simulator.engine import block_simulation
from simulator.engine.block_batches import TOGETHER
from simulator.engine.streams import BLOCK_PATHS

PATHS = 4096
FEW = 128
"""Paths of QuantLib, which is slow."""
CHECKED = 512
"""Paths on which results are compared."""
Peer = Callable[[int], np.ndarray]


def made(candidates: Mapping[str, Callable[[], Peer]]) -> dict[str, Peer]:
    """The peers that are installed, and a line for each that is not."""
    peers_here = {}
    for name, make in candidates.items():
        try:
            peers_here[name] = make()
        except ImportError as error:
            print(f"left out: {name} ({error}); `make bench` installs what it can")
    return peers_here


def check_same_law(falls: Mapping[str, np.ndarray]) -> None:
    """Fail where mean falls, (asset, path), differ by more than chance: then times mean nothing."""
    means = {
        name: (fall.mean(), fall.mean(axis=0).std() / fall.shape[1] ** 0.5)
        for name, fall in falls.items()
    }
    first, error = next(iter(means.values()), (0.0, 0.0))
    for name, (mean, other) in means.items():
        assert abs(mean - first) < 5 * np.hypot(error, other), name


def timed(work: Mapping[str, tuple[Callable[[int], object], int]]) -> dict[str, Timing]:
    """Each run with its number of paths, five times in turn."""
    return in_turn({name: partial(run, n) for name, (run, n) in work.items()}, 5)


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("deepseek")


@pytest.fixture(scope="module")
def own(scenario) -> dict[str, tuple[Callable[[int], object], int]]:
    """The floor and a block of the whole model, with the paths each has."""
    floor, paths = draw_floor(scenario.steps), BLOCK_PATHS * TOGETHER
    return {
        "floor": (lambda _: floor(), FLOOR_PATHS),
        "this model": (
            lambda _: block_simulation.run_block(scenario, 1, 0, count=TOGETHER),
            paths,
        ),
    }


def test_walks(capsys, scenario, own) -> None:
    candidates = {
        "numpy, whole arrays": lambda: peers.script_walks,
        "numba, one loop": peers.compiled_walks,
        "JAX on processors": peers.jax_walks,
        "QuantLib, multi-path": peers.library_walks,
    }
    entities = len(scenario.universe.entities)
    with capsys.disabled():
        print()
        work = made(candidates)
        check_same_law({name: walk(CHECKED) for name, walk in work.items()})
        paths = {name: FEW if name.startswith("QuantLib") else PATHS for name in work}
        model = own["this model"]
        times = timed({**{name: (work[name], paths[name]) for name in work}, "this model": model})
        print(f"{'walks: ns an asset-step':34s}{'best':>8s}   this model, by entity = 1")
        for name, n in {**paths, "this model": model[1]}.items():
            sizes = n * (entities if name == "this model" else peers.ASSETS)
            cost = times[name].best / sizes / scenario.steps * 1e9
            ratio = times[name].over(times["this model"], model[1] * entities / sizes)
            print(f"{name:34s}{cost:8.1f}   {ratio}")


def test_the_markets_part(capsys, scenario, own) -> None:
    figures = peers.MarketFigures.of(scenario)
    candidates = {
        "numba, one loop: the market alone": lambda: peers.compiled_market(figures),
        "JAX on processors: the market alone": lambda: peers.jax_market(figures),
    }
    with capsys.disabled():
        print()
        work = made(candidates)
        check_same_law({name: kernel(PATHS)[0] for name, kernel in work.items()})
        every = {**{name: (kernel, PATHS) for name, kernel in work.items()}, **own}
        times = timed(every)
        print(f"{'market: ns a path-step':36s}{'best':>8s}   floor = 1")
        for name, (_, n) in every.items():
            cost = times[name].best / n / scenario.steps * 1e9
            print(f"{name:36s}{cost:8.1f}   {times[name].over(times['floor'], FLOOR_PATHS / n)}")
