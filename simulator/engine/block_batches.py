"""The task of a worker: to simulate and count some consecutive blocks.

Blocks are counted where they are simulated. A worker sends the rows of paths that go
into the tables, and one set of counts a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine import block_simulation
from simulator.engine.results import COUNTS, BlockResult, Results
from simulator.engine.streams import BLOCK_PATHS
from simulator.scenario import Scenario

TOGETHER = 4
"""Most blocks simulated at once: fewer calls for the same numbers, at the price of memory
(docs/performance.md)."""
_MOST = 8
"""Most blocks of a task: its counts, 5 MB, are small beside the work, and its rows fit in memory."""
_MESSAGES = 64
"""Sets of counts that reach the process of a run from a cluster, about: enough to show progress by."""


def portion(left: int, workers: int, most: int = _MOST, fresh: int = 0) -> int:
    """Size of the next task, of ``left`` blocks.

    Towards the end they are fewer, so that no process waits long for another. ``fresh`` processes have had none: an
    even share is one task if it is small, because every task costs a message and the first of a process its memory.
    """
    if fresh and (share := -(-left // fresh)) <= _MOST:
        return share
    size = min(left if workers == 1 else -(-left // (3 * workers)), most)
    return size - size % TOGETHER if size > TOGETHER else size


def simulated(
    scenario: Scenario,
    keep: block_simulation.Keep,
    noise: bool,  # noqa: FBT001 - executors pass items by place
    blocks: range,
) -> Iterator[BlockResult]:
    """Simulate these blocks, a few together and about as many each time."""
    begin = blocks.start
    for groups in range(-(-len(blocks) // TOGETHER), 0, -1):
        count = -(-(blocks.stop - begin) // groups)
        yield block_simulation.run_block(
            scenario, scenario.seed, begin, keep, count=count, noise=noise
        )
        begin += count


def counted(
    scenario: Scenario,
    keep: block_simulation.Keep,
    keep_paths: int,
    noise: bool,  # noqa: FBT001 - executors pass items by place
    blocks: range,
) -> Results:
    """The results of these blocks, to be merged with others; pure."""
    begin = blocks.start * BLOCK_PATHS
    end = min(blocks.stop * BLOCK_PATHS, scenario.paths)
    kept = max(min(end, keep_paths) - begin, 0)
    results = block_simulation.new_results(scenario, end - begin, keep, kept, begin)
    for block in simulated(scenario, keep, noise, blocks):
        results.add(block, min(block.count * BLOCK_PATHS, end - begin - results.n))
    return _narrowed(results)


def merged(parts: Sequence[Results]) -> Results:
    """The sum of what :func:`counted` returned for blocks without rows in the tables; pure."""
    first, *others = parts
    wide: dict[str, Any] = {name: getattr(first, name).astype(np.int64) for name in COUNTS}
    total = replace(
        first,
        counts={name: counts.astype(np.int64) for name, counts in first.counts.items()},
        cause_units=first.cause_units.copy(),
        **wide,
    )
    for part in others:
        total.merge(part)
    return _narrowed(total)


def grouped(blocks: range, with_rows: int) -> Iterator[list[range]]:
    """Tasks of these blocks, in groups of which the counts are merged before they are sent.

    The first ``with_rows`` blocks have rows in the tables, which travel once: each of their tasks is alone.
    """
    tasks = [
        range(begin, min(begin + _MOST, blocks.stop))
        for begin in range(blocks.start, blocks.stop, _MOST)
    ]
    alone = sum(task.start < with_rows for task in tasks)
    yield from ([task] for task in tasks[:alone])
    size = max(-(-(len(tasks) - alone) // _MESSAGES), 1)
    for begin in range(alone, len(tasks), size):
        yield tasks[begin : begin + size]


def _narrowed(results: Results) -> Results:
    """The same with counts in the smallest types that hold them: less to send."""

    def narrow(counts: NDArray[Any]) -> NDArray[Any]:
        return counts.astype(np.min_scalar_type(counts.max(initial=0)))

    more: dict[str, Any] = {name: narrow(getattr(results, name)) for name in COUNTS}
    counts = {name: narrow(counts) for name, counts in results.counts.items()}
    return replace(results, counts=counts, **more)
