"""Blocks of paths: the time loop, the random numbers, workers and memory.

Imports: ``scenario``, ``model``, ``statistics``. Blocks are the unit of randomness, memory and parallel
work; grouping them changes no number.
Read first: ``block_simulation`` (a scenario, a seed and a block give what is kept of its paths), then
``simulation`` (one step of all equations), ``recorder`` (what is measured on the way) and ``streams``.
A new executor stands beside the others in ``executors``.
"""

from simulator.engine.block_simulation import replay as replay
from simulator.engine.block_simulation import run_block as run_block
from simulator.engine.consensus import PricedIn as PricedIn
from simulator.engine.consensus import consensus_path as consensus_path
from simulator.engine.consensus import priced_in as priced_in
from simulator.engine.executors import Executor as Executor
from simulator.engine.executors import get_executor as get_executor
from simulator.engine.recorder import Keep as Keep
from simulator.engine.results import BlockResult as BlockResult
from simulator.engine.results import Results as Results
