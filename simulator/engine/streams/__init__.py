"""Addressed random numbers: the only place that draws.

Every stream has an address, (seed, name, block), and nothing else decides its numbers:
not the number of workers, the order of the blocks, the horizon, nor which other streams
exist. A block always draws all its ``BLOCK_PATHS`` columns, so the first N paths stay
when N grows. Scenarios share their noise (common random numbers) because names, not
scenarios, address the streams.

Generator: SFC64 under ``SeedSequence(seed, spawn_key=(crc32(name), block))``; normals of steps
by Box and Muller's method in 32 bits. Measured in docs/performance.md; part of the result format.
"""

from simulator.engine.streams.addresses import BLOCK_PATHS, generator
from simulator.engine.streams.block_shocks import BlockShocks
from simulator.engine.streams.clone_shocks import FreshShocks, StratifiedShocks
from simulator.engine.streams.shared_shocks import SharedShocks
from simulator.engine.streams.zero_shocks import ZeroShocks
from simulator.model.shocks import TINY, Arrivals, ChainShocks, Shocks, StartShocks, StepShocks
