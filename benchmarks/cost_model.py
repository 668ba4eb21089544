"""What a run, a sweep's cell and a cluster cost, as formulas fitted to some runs and held against others.

    python benchmarks/cost_model.py        (five minutes)

Time is in floors: the time that the random numbers of as many path-steps alone need, measured in turn
(timing.draw_floor). The terms are what docs/performance.md says a step consists of: calls of numpy for four
blocks together, work a path-step, work a path-step and firm, and what is done once a path and firm.

Messages are those that a client and its scheduler, in one process, send and get over TCP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from timing import FLOOR_PATHS, draw_floor, in_turn

from simulator import Scenario, load_scenario, simulate
from simulator.engine import block_batches
from simulator.engine.block_batches import TOGETHER, grouped
from simulator.engine.dask_executor import get_cluster
from simulator.engine.streams import BLOCK_PATHS
from simulator.sweeps import sweep_cell

REPETITIONS = 5
FLOOR_STEPS = 260
TERMS = ("step of a group of blocks", "path-step", "path-step and firm", "path and firm")


@dataclass(frozen=True)
class Size:
    """A run to be timed: a shipped scenario, over so many years, every firm so many times."""

    name: str
    years: float
    copies: int
    paths: int

    def scenario(self) -> Scenario:
        """The scenario of this size."""
        scenario = load_scenario(self.name, {"scenario.horizon_years": self.years})
        firms = scenario.universe.firms
        more = [
            firm.model_copy(update={"ticker": f"{firm.ticker}{copy}"})
            for copy in range(1, self.copies)
            for firm in firms
        ]
        universe = replace(scenario.universe, firms=(*firms, *more))
        return replace(scenario, universe=universe).with_(paths=self.paths)

    def __str__(self) -> str:
        firms = len(self.scenario().universe.tickers)
        return f"{self.name}, {firms} firms, {self.years:g} years, {self.paths:,} paths"


FITTED = [
    Size("deepseek", years, copies, paths)
    for years in (2.5, 5.0, 10.0)
    for copies in (1, 2)
    for paths in (1024, 4096, 8192)
]
HELD_BACK = [
    Size("dotcom", 5.0, 1, 10_000),
    Size("dotcom", 3.0, 2, 6144),
    Size("glut", 5.0, 1, 20_480),
    Size("jevons", 7.0, 1, 2000),
    Size("calm", 4.0, 3, 5000),
]
FITTED_TASKS, HELD_BACK_TASKS = (24, 64, 200, 320), (128, 480)
FITTED_CELLS = [(n, p) for n in ("deepseek", "dotcom") for p in (500, 1000, 2000, 8000, 32_000)]
HELD_BACK_CELLS = [("jevons", 2000), ("glut", 4000), ("calm", 16_000), ("dotcom-1996", 5000)]


def timed(size: Size) -> NDArray[np.float64]:
    """Floors of a run with one worker, of each repetition."""
    scenario = size.scenario()
    work: dict[str, Callable[[], object]] = {
        "floor": draw_floor(FLOOR_STEPS),
        "run": lambda: simulate(scenario, workers=1),
    }
    times = in_turn(work, REPETITIONS)
    return np.divide(times["run"].seconds, times["floor"].seconds) * FLOOR_PATHS * FLOOR_STEPS


def terms(size: Size) -> list[float]:
    """How often each of ``TERMS`` is done, blocks being simulated whole."""
    scenario = size.scenario()
    blocks = -(-size.paths // BLOCK_PATHS)
    paths, steps, firms = blocks * BLOCK_PATHS, scenario.steps, len(scenario.universe.tickers)
    groups = -(-blocks // TOGETHER)
    return [groups * steps, paths * steps, paths * steps * firms, paths * firms]


def fit_time() -> NDArray[np.float64]:
    """Floors of a path-step for each of ``TERMS``, by least squares of relative errors; none is negative."""
    rows, costs = [], []
    for size in FITTED:
        costs.append(np.median(timed(size)))
        rows.append(terms(size))
    weighted = np.array(rows) / np.array(costs)[:, None]
    coefficients, _ = nnls(weighted, np.ones(len(costs)))
    print("a run, in floors of a path-step (the draws of one path and step):")
    for name, each in zip(TERMS, coefficients, strict=True):
        print(f"  {name:28s}{each:10.4f}")
    errors = weighted @ coefficients - 1
    print(f"  error on the {len(costs)} runs of the fit: {_spread(errors)}\n")
    return coefficients


def check_time(coefficients: NDArray[np.float64]) -> None:
    """Print what the formula says of runs it was not fitted to."""
    print(f"{'run held back':48s}{'measured':>22s}{'formula':>10s}{'error':>8s}")
    errors = []
    for size in HELD_BACK:
        scenario = size.scenario()
        floors = timed(size) / size.paths / scenario.steps
        said = float(np.dot(terms(size), coefficients)) / size.paths / scenario.steps
        errors.append(said / np.median(floors) - 1)
        measured = f"{np.median(floors):.2f} ({floors.min():.2f}-{floors.max():.2f})"
        print(f"{size!s:48s}{measured:>22s}{said:10.2f}{errors[-1]:+8.1%}")
    print(f"error on runs it was not fitted to: {_spread(errors)}\n")


def cell_bytes(name: str, paths: int) -> tuple[int, int]:
    """Bytes of a cell's data, and entities."""
    scenario = load_scenario(name).with_(paths=paths)
    counts = sweep_cell.simulated(scenario)
    return len(sweep_cell.packed(scenario, counts)), len(counts.entities)


def check_bytes() -> None:
    """Fit the bytes of a cell for each entity: a power of the paths that falls as bins fill up."""

    def powers(paths: int) -> list[float]:
        return [1.0, np.log(paths), np.log(paths) ** 2]

    sizes = [(paths, *cell_bytes(name, paths)) for name, paths in FITTED_CELLS]
    logs = [np.log(size / entities) for _, size, entities in sizes]
    a, b, c = np.linalg.lstsq(np.array([powers(paths) for paths, *_ in sizes]), logs)[0]
    print(f"bytes of a cell = entities * exp({a:.3f} + {b:.3f} ln(paths) {c:+.4f} ln(paths)^2)")
    errors = []
    for name, paths in HELD_BACK_CELLS:
        size, entities = cell_bytes(name, paths)
        said = entities * float(np.exp(np.dot(powers(paths), [a, b, c])))
        errors.append(said / size - 1)
        print(
            f"{f'cell of {name}, {paths:,} paths':48s}{size:>22,d}{said:10,.0f}{errors[-1]:+8.1%}"
        )
    print(f"error on cells it was not fitted to: {_spread(errors)}")


class Messages:
    """Counts what this process sends and gets over Dask's connections."""

    def __init__(self) -> None:
        from distributed.comm.tcp import TCP

        self.count = self.sent = 0
        write, read = TCP.write, TCP.read

        async def counted_write(comm: Any, *args: Any, **kwargs: Any) -> int:
            size = await write(comm, *args, **kwargs)
            self.count += 1
            self.sent += size
            return size

        async def counted_read(comm: Any, *args: Any, **kwargs: Any) -> Any:
            message = await read(comm, *args, **kwargs)
            self.count += 1
            return message

        TCP.write, TCP.read = counted_write, counted_read  # type: ignore[assignment]


def check_messages() -> None:
    """Fit messages to tasks, results that are fetched, and seconds, and print the error on other runs."""
    messages = Messages()
    block_batches._MOST = 1  # tasks of a block each
    scenario = load_scenario("deepseek", {"scenario.horizon_years": 0.25})
    cluster = get_cluster("local", 2)
    rows: dict[int, tuple[list[float], int, int]] = {}
    with cluster.connected():
        for tasks in (1, *FITTED_TASKS, *HELD_BACK_TASKS):  # the first one is not counted
            count, sent, began = messages.count, messages.sent, time.perf_counter()
            paths = tasks * BLOCK_PATHS
            simulate(scenario, paths=paths, keep_paths=1000, cluster=cluster)
            results = len(list(grouped(range(paths // BLOCK_PATHS), 1)))
            seconds = time.perf_counter() - began
            terms = [float(tasks), float(results), seconds]
            rows[tasks] = terms, messages.count - count, messages.sent - sent
    fitted = [rows[tasks] for tasks in FITTED_TASKS]
    weighted = np.array([np.array(terms) / count for terms, count, _ in fitted])
    coefficients, _ = nnls(weighted, np.ones(len(fitted)))
    task, result, second = coefficients
    print(f"messages = {task:.1f} a task + {result:.1f} a result + {second:.1f} a second")
    errors = []
    for tasks in HELD_BACK_TASKS:
        terms, count, sent = rows[tasks]
        errors.append(float(np.dot(terms, coefficients)) / count - 1)
        name = f"run of {tasks} tasks, {sent / tasks / 1e3:,.0f} kB a task"
        print(f"{name:48s}{count:>22,d}{count * (1 + errors[-1]):10,.0f}{errors[-1]:+8.1%}")
    print(f"error on runs it was not fitted to: {_spread(errors)}")


def _spread(errors: Sequence[float] | NDArray[np.float64]) -> str:
    size = np.sqrt(np.mean(np.square(errors)))
    return f"{size:.1%} root mean square, {np.max(np.abs(errors)):.1%} largest"


if __name__ == "__main__":
    check_time(fit_time())
    check_bytes()
    check_messages()
