"""The task of a worker: to simulate and count some consecutive blocks.

Blocks are counted where they are simulated. A worker sends the rows of paths that go
into the tables, and one set of counts a task.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def portion(left: int, workers: int, most: int = _MOST) -> int:
    """Size of the next task, of ``left`` blocks.

    Towards the end they are fewer, so that no process waits long for another.
    """
    size = min(left if workers == 1 else -(-left // (3 * workers)), most)
    return size - size % TOGETHER if size > TOGETHER else size


def simulated(
    scenario: Scenario,
    keep: block_simulation.Keep,
    noise: bool,  # noqa: FBT001 - executors pass items by place
    blocks: range,
) -> Iterator[BlockResult]:
    """Simulate these blocks, a few together."""
    for begin in range(blocks.start, blocks.stop, TOGETHER):
        count = min(TOGETHER, blocks.stop - begin)
        yield block_simulation.run_block(
            scenario, scenario.seed, begin, keep, count=count, noise=noise
        )


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


def _narrowed(results: Results) -> Results:
    """The same with counts in the smallest types that hold them: less to send."""

    def narrow(counts: NDArray[Any]) -> NDArray[Any]:
        return counts.astype(np.min_scalar_type(counts.max(initial=0)))

    more: dict[str, Any] = {name: narrow(getattr(results, name)) for name in COUNTS}
    counts = {name: narrow(counts) for name, counts in results.counts.items()}
    return replace(results, counts=counts, **more)
