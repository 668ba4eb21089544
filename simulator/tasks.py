"""What a worker does of a run: some blocks that follow each other, simulated and counted.

Blocks are counted where they are simulated. Between processes travel the rows of paths, while the
tables have room for them, and one set of counts a task.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator import engine
from simulator.results import COUNTS, BlockResult, Results
from simulator.scenario import Scenario
from simulator.streams import BLOCK_PATHS

TOGETHER = 2
"""At most so many blocks are simulated at once: fewer calls for the same numbers, at the price
of memory (docs/performance.md)."""
_MOST = 8
"""Blocks of a task at most: its counts, 5 MB, are little beside the work, its rows fit in memory."""


def cut(blocks: range, workers: int) -> Iterator[range]:
    """Tasks for all blocks, in order: as many of each size as there are workers.

    The first are small, so that a run soon shows progress, the last too, so that no worker waits
    long for another.
    """
    begin, size = blocks.start, TOGETHER
    while left := blocks.stop - begin:
        size = min(size, max(left // (2 * workers * TOGETHER), 1) * TOGETHER)
        turn = min(size * workers, left)
        shares = min(workers, turn)
        edges = [begin + turn * i // shares for i in range(shares + 1)]
        yield from (range(*pair) for pair in itertools.pairwise(edges))
        begin += turn
        size = min(2 * size, _MOST)


def simulated(
    scenario: Scenario,
    keep: engine.Keep,
    noise: bool,  # noqa: FBT001 - executors pass items by place
    blocks: range,
) -> Iterator[BlockResult]:
    """These blocks, a few together."""
    for begin in range(blocks.start, blocks.stop, TOGETHER):
        count = min(TOGETHER, blocks.stop - begin)
        yield engine.run_block(scenario, scenario.seed, begin, keep, count=count, noise=noise)


def counted(
    scenario: Scenario,
    keep: engine.Keep,
    keep_paths: int,
    noise: bool,  # noqa: FBT001 - executors pass items by place
    blocks: range,
) -> Results:
    """The results of these blocks, to be merged with those of the blocks before; pure."""
    begin = blocks.start * BLOCK_PATHS
    end = min(blocks.stop * BLOCK_PATHS, scenario.paths)
    kept = max(min(end, keep_paths) - begin, 0)
    found = engine.new_results(scenario, end - begin, keep, kept, blocks.start)
    for block in simulated(scenario, keep, noise, blocks):
        found.add(block, min(block.count * BLOCK_PATHS, end - begin - found.n))
    return _narrowed(found)


def _narrowed(results: Results) -> Results:
    """The same with counts in the smallest types that hold them: less to send."""

    def narrow(counts: NDArray[Any]) -> NDArray[Any]:
        return counts.astype(np.min_scalar_type(counts.max(initial=0)))

    more: dict[str, Any] = {name: narrow(getattr(results, name)) for name in COUNTS}
    counts = {name: narrow(counts) for name, counts in results.counts.items()}
    return replace(results, counts=counts, **more)
