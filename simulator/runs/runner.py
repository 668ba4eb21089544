"""Simulating: the blocks of a scenario, here or in processes, added up to a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from simulator.engine import Results, block_simulation, memory
from simulator.engine.block_batches import (
    TOGETHER,
    counted,
    grouped,
    merged,
    portion,
    simulated,
)
from simulator.engine.executors import check_workers
from simulator.engine.recorder import fan_steps
from simulator.engine.streams import BLOCK_PATHS
from simulator.errors import UsageError
from simulator.runs.digest import KEEP_PATHS
from simulator.runs.run import Run
from simulator.runs.stopping_rule import MOST_PATHS, SequentialStopping, parse_goal, so_far
from simulator.scenario import Scenario, load_scenario
from simulator.statistics import Estimate
from simulator.worker_pool import WorkerPool

if TYPE_CHECKING:
    from simulator.engine.dask_executor import Cluster

_FIRST_LOOK = 4 * BLOCK_PATHS
_WORTH_A_WORKER = 80_000
"""Rows (entity, step) of blocks that take as long as a worker takes to start, about a second."""


def simulate(
    scenario: Scenario | str | Path,
    *,
    paths: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    cluster: Cluster | None = None,
    keep_levels: bool = False,
    shocks: Literal["zero"] | None = None,
    keep_paths: int = KEEP_PATHS,
    max_memory: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    until: str | None = None,
    look: Callable[[int, Estimate, float], None] | None = None,
) -> Run:
    """Simulate a scenario.

    Parameters
    ----------
    scenario
        From :func:`simulator.load_scenario`, or what it takes: a name such as "deepseek", or a path.
    paths, seed
        Instead of the scenario's.
    workers
        Processes; the numbers do not depend on it.
    cluster
        From :func:`simulator.engine.dask_executor.get_cluster`: computes instead of local workers.
    keep_levels
        Keep every level of every path in the tables (entities x steps x 4 bytes a path).
    shocks
        "zero" turns the noise off; uncertain assumptions are at their median.
    keep_paths
        Paths with a row in the tables. With more paths, statistics come from counts on a fixed
        grid, whose width their intervals include.
    max_memory
        Bytes; default half of what is available.
    progress
        Called with (paths done, paths in all) as paths are added; with ``until`` the
        second is the number of paths at the next look.
    until
        Such as ``"P(sp500.max_drawdown >= 0.49) +-0.5pp"``: whole blocks are added until the 95 %
        interval of that number is so narrow. ``paths`` is then the most there may be, default 10
        million. The run is that of so many paths, whatever decided their number.
    look
        Called at each look with (paths, estimate, half-width wanted).

    Raises
    ------
    RunError
        If the run needs too much memory, a number is not finite, or the cluster is lost.
    ScenarioError
        If ``paths`` or ``seed`` are not allowed.
    UsageError
        If an option is out of range, or ``until`` cannot be read.
    """
    if isinstance(scenario, str | Path):
        scenario = load_scenario(scenario)
    _check_options(paths, workers, shocks, keep_paths, until)
    goal = None if until is None else parse_goal(until, scenario.universe.titles, scenario.grid)
    default = 1 if shocks == "zero" else None if goal is None else MOST_PATHS
    scenario = scenario.with_(paths=default if paths is None else paths, seed=seed)
    _check_memory(
        scenario,
        workers,
        max_memory,
        keep_paths=keep_paths,
        keep_levels=keep_levels,
        simulates=cluster is None,
    )
    began = time.perf_counter()
    keep = block_simulation.Keep(levels=keep_levels)
    results = block_simulation.new_results(scenario, scenario.paths, keep, keep_paths)
    looks = None
    if goal is not None:
        looks = SequentialStopping(goal, _FIRST_LOOK, TOGETHER * BLOCK_PATHS, scenario.paths)
    blocks = range(-(-scenario.paths // BLOCK_PATHS))
    stretches = [blocks] if looks is None else _to_looks(looks, len(blocks))
    if cluster is None:
        parts = _filled(results, workers, scenario, keep, shocks is None, stretches)
    else:
        compute = partial(counted, scenario, keep, keep_paths, shocks is None)
        parts = _filled_by(cluster, results, compute, stretches)
    with closing(parts) as filled:
        for _ in filled:
            if progress is not None:
                progress(results.n, scenario.paths if looks is None else looks.next)
            if looks is not None and results.n >= looks.next and _enough(looks, results, look):
                break
    if goal is not None:
        results = so_far(results, copy=True)
        scenario = scenario.with_(paths=results.n)
    seconds = time.perf_counter() - began
    return Run(scenario, results, shocks, seconds, None if goal is None else goal.text)


def _enough(
    looks: SequentialStopping, results: Results, look: Callable[[int, Estimate, float], None] | None
) -> bool:
    """Whether the number is known well enough; ``look`` is called with what it is."""
    estimate = looks.goal.estimate(so_far(results))
    if look is not None:
        look(results.n, estimate, looks.goal.wanted(estimate))
    return looks.enough(estimate, results.n)


def _check_options(
    paths: int | None, workers: int, shocks: str | None, keep_paths: int, until: str | None
) -> None:
    """Raise UsageError for options of :func:`simulate` that are out of range or exclude each other."""
    if shocks not in (None, "zero"):
        raise UsageError(f'shocks is None or "zero", not {shocks!r}')
    if keep_paths < 1:
        raise UsageError(f"keep_paths must be 1 or more, got {keep_paths!r}")
    check_workers(workers)
    if shocks == "zero" and paths not in (None, 1):
        raise UsageError(f"without noise every path is the same: paths is 1, not {paths!r}")
    if shocks == "zero" and until is not None:
        raise UsageError("without noise every path is the same: there is no error to narrow")


def _check_memory(
    scenario: Scenario,
    workers: int,
    max_memory: int | None,
    *,
    keep_paths: int,
    keep_levels: bool,
    simulates: bool,
) -> None:
    """Raise RunError if a run needs more memory than it may have.

    One that does not simulate itself takes results, as from one local worker.
    """
    blocks = -(-scenario.paths // BLOCK_PATHS)
    workers = workers if simulates else 2
    memory.check(
        max_memory,
        paths=scenario.paths,
        keep_paths=keep_paths,
        keep_levels=keep_levels,
        entities=len(scenario.universe.entities),
        steps=scenario.steps,
        fan_times=fan_steps(scenario).size,
        inputs=len(scenario.uncertain()),
        block_paths=BLOCK_PATHS * min(TOGETHER, -(-blocks // workers)) * simulates,
        workers=min(workers, blocks),
        task_paths=BLOCK_PATHS * portion(blocks, workers, fresh=workers),
    )


def _to_looks(looks: SequentialStopping, blocks: int) -> Iterator[range]:
    """The blocks up to each look, planned when the stretch before is over."""
    begin = 0
    while begin < blocks:
        end = min(-(-looks.next // BLOCK_PATHS), blocks)
        yield range(begin, end)
        begin = end


def _filled(
    results: Results,
    workers: int,
    scenario: Scenario,
    keep: block_simulation.Keep,
    noise: bool,  # noqa: FBT001 - short, and read here only
    stretches: Iterable[range],
) -> Generator[None]:
    """Add all blocks to ``results``, with a stop after each addition; closing this ends the work.

    This process is one of the workers. It takes a few blocks at a time from the front, whose paths
    have rows in the tables, and adds them as they are. The others are given more from the end, and
    send what they have counted.
    """
    most, compute = scenario.paths, partial(counted, scenario, keep, results.keep_paths, noise)
    rows = scenario.steps * len(results.entities)  # of a block
    with WorkerPool(workers - 1, compute) as helpers:
        for blocks in stretches:
            begin, end = blocks.start, blocks.stop
            shared = helpers.started or (end - begin) * rows >= _WORTH_A_WORKER
            fresh = processes = workers if shared else 1
            while begin < end or helpers.busy:
                mine = range(begin, begin + portion(end - begin, processes, TOGETHER, fresh))
                begin = mine.stop
                while shared and begin < end and _takes(helpers, end - begin, processes):
                    fresh = max(fresh - 1, 0)
                    theirs = range(end - portion(end - begin, processes, fresh=fresh), end)
                    helpers.submit(theirs)
                    end = theirs.start
                fresh = 0
                for block in simulated(scenario, keep, noise, mine):
                    left = most - block.block * BLOCK_PATHS
                    results.add(block, min(block.count * BLOCK_PATHS, left))
                    yield
                for part in helpers.completed(wait=begin == end):
                    results.merge(part)
                    yield


def _takes(helpers: WorkerPool[range, Results], left: int, processes: int) -> bool:
    """Whether helpers are given more: the very last blocks go to whoever is free first, which may be this process."""
    return helpers.has_room if left >= processes else helpers.busy < processes - 1


def _filled_by(
    cluster: Cluster,
    results: Results,
    compute: Callable[[range], Results],
    stretches: Iterable[range],
) -> Generator[None]:
    """As :func:`_filled`, computed by a cluster: counts are merged there, rows come as they are."""
    with_rows = -(-results.kept // BLOCK_PATHS)
    with cluster.connected():
        for blocks in stretches:
            groups = grouped(blocks, with_rows)
            for part in cluster.merge(compute, merged, groups):
                results.merge(part)
                yield
