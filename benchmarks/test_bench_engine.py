"""How fast a run is, against the time that its random numbers alone need.

``make bench`` runs this file; docs/performance.md holds the figures. Seconds depend on the
machine, the ratio hardly does, so the bound is on the ratio.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
from timing import FLOOR_NORMALS, FLOOR_PATHS, draw_floor, in_turn

from simulator import load_scenario, simulate
from simulator.engine import block_simulation
from simulator.engine.block_batches import TOGETHER
from simulator.engine.streams import BLOCK_PATHS

BLOCK, RUN = 2.0, 2.25
"""A block, and a run with its tables, may take so many times the floor, per path-step."""
PATHS = 8 * BLOCK_PATHS
STEPS = 260
FLAT_BYTES = 25_000_000
"""Peak memory may differ so much between runs of different length."""


@pytest.fixture(scope="module")
def scenario():
    found = load_scenario("deepseek")
    assert found.steps == STEPS
    assert len(found.universe.tickers) + 6 == FLOOR_NORMALS
    return found


def test_a_block_costs_at_most_twice_the_floor(scenario, capsys) -> None:
    blocks = BLOCK_PATHS * TOGETHER
    work = {
        "floor": draw_floor(STEPS),
        "block": lambda: block_simulation.run_block(scenario, 1, 0, count=TOGETHER),
        "run": lambda: simulate(scenario, paths=PATHS, workers=1),
    }
    paths = {"floor": FLOOR_PATHS, "block": blocks, "run": PATHS}
    times = in_turn(work, repetitions=7)
    best = {name: times[name].best / paths[name] / STEPS * 1e9 for name in work}
    median = {name: times[name].median / paths[name] / STEPS * 1e9 for name in work}
    with capsys.disabled():
        print(f"\n{'ns per path-step':24s} {'best':>8s} {'median':>8s} {'ratio':>8s}")
        for name in work:
            ratio = best[name] / best["floor"]
            print(f"{name:24s} {best[name]:8.1f} {median[name]:8.1f} {ratio:8.2f}")
    assert best["block"] <= BLOCK * best["floor"]
    assert best["run"] <= RUN * best["floor"]


def test_time_grows_with_the_number_of_paths(scenario, capsys) -> None:
    sizes = [BLOCK_PATHS * n for n in (2, 4, 8, 16)]
    work = {str(n): lambda n=n: simulate(scenario, paths=n, workers=1) for n in sizes}
    times = in_turn(work, repetitions=3)
    each = [times[str(n)].best / n * 1e6 for n in sizes]
    with capsys.disabled():
        print(f"\n{'paths':>10s} {'microseconds a path':>22s}")
        for n, cost in zip(sizes, each, strict=True):
            print(f"{n:10,d} {cost:22.1f}")
    assert all(after < 1.1 * before for before, after in pairwise(each))


def test_time_grows_with_steps_and_firms(scenario, capsys) -> None:
    """A block over twice the years, and with every firm a second time."""
    longer = load_scenario("deepseek", {"scenario.horizon_years": 10.0})
    firms = scenario.universe.firms
    twins = [firm.model_copy(update={"ticker": f"{firm.ticker}2"}) for firm in firms]
    wider = replace(scenario, universe=replace(scenario.universe, firms=(*firms, *twins)))
    work = {
        "as it is": lambda: block_simulation.run_block(scenario, 1, 0, count=TOGETHER),
        "twice the steps": lambda: block_simulation.run_block(longer, 1, 0, count=TOGETHER),
        "twice the firms": lambda: block_simulation.run_block(wider, 1, 0, count=TOGETHER),
    }
    # Not in turn: another shape takes new memory, which costs more than what is measured.
    times = {name: in_turn({name: one}, repetitions=5)[name] for name, one in work.items()}
    with capsys.disabled():
        print(f"\n{'time over that of a block':28s}")
        for name in work:
            print(f"{name:28s}{times[name].best / times['as it is'].best:8.2f}")
    for name in work:
        assert times[name].best < 2.2 * times["as it is"].best, name


ALONE = """
import sys, time
from simulator import load_scenario, simulate
if __name__ == "__main__":
    scenario, workers = load_scenario("deepseek"), int(sys.argv[1])
    simulate(scenario, paths=2048 * workers, workers=workers)
    begin = time.perf_counter()
    run = simulate(scenario, paths=int(sys.argv[2]), workers=workers)
    print(run.seconds)
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two processors")
def test_two_workers_reach_what_two_runs_reach(capsys) -> None:
    """A run with two workers against two runs of half the paths side by side.

    It starts its worker, they are under way already: 0.3 to 0.7 seconds, so it must be a long one.
    """
    each = 128 * BLOCK_PATHS

    def seconds(workers: int, paths: int, copies: int) -> float:
        command = [sys.executable, "-c", ALONE, str(workers), str(paths)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(copies)]
        return max(float(one.communicate()[0]) for one in started)

    together, side_by_side = (
        min(seconds(*how) for _ in range(3)) for how in ((2, 2 * each, 1), (1, each, 2))
    )
    with capsys.disabled():
        print(f"\ntwo workers: {side_by_side / together:.2f} of two runs side by side")
    assert side_by_side > 0.9 * together


def test_blocks_simulated_together(scenario, capsys) -> None:
    with capsys.disabled():
        print(f"\n{'blocks together':>16s} {'ratio':>8s}")
        for n in (1, 2, 3, 4, 8):  # not in turn: a new size takes new memory
            work: dict[str, Callable[[], object]] = {
                "floor": draw_floor(STEPS),
                "blocks": partial(block_simulation.run_block, scenario, 1, 0, count=n),
            }
            times = in_turn(work, repetitions=4)
            each = times["blocks"].best / n / BLOCK_PATHS
            print(f"{n:16d} {each / times['floor'].best * FLOOR_PATHS:8.2f}")


PEAK = """
import re, sys
from pathlib import Path
from simulator import load_scenario, simulate
simulate(load_scenario("deepseek"), paths=int(sys.argv[1]), keep_paths=int(sys.argv[2]), workers=1)
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def peak_bytes(paths: int, keep_paths: int) -> int:
    """Peak memory of a run in a process of its own."""
    command = [sys.executable, "-c", PEAK, str(paths), str(keep_paths)]
    kilobytes = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return int(kilobytes) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_memory_does_not_grow_beyond_the_kept_paths(capsys) -> None:
    kept = 10_000
    short, long = (peak_bytes(paths, kept) for paths in (2 * kept, 6 * kept))
    with capsys.disabled():
        print(f"\npeak memory, {kept:,} paths kept: {short / 1e6:.0f} MB for {2 * kept:,} paths,")
        print(f"{long / 1e6:.0f} MB for {6 * kept:,}")
    assert long - short < FLAT_BYTES
