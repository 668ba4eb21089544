"""Blocks of paths: the time loop, the random numbers, workers and memory.

Imports: ``scenario``, ``model``, ``statistics``. Blocks are the unit of randomness, memory and parallel
work; grouping them changes no number.
Read first: ``block_simulation`` (a scenario, a seed and a block give what is kept of its paths), then
``simulation`` (one step of all equations), ``recorder`` (what is measured on the way) and ``streams``.
A new way to compute in parallel is a class like those of ``executors`` and ``dask_executor``, chosen in
``cli.options``; the blocks of one run go through ``simulator.worker_pool``.
"""

from simulator.engine.block_simulation import replay, run_block
from simulator.engine.consensus import PricedIn, consensus_path, priced_in
from simulator.engine.executors import Executor, get_executor
from simulator.engine.recorder import Keep
from simulator.engine.results import BlockResult, Results
