"""Streams and their addresses: seed, name and block."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray
from simulator.model.shocks import StartShocks

BLOCK_PATHS = 1024
"""Paths in a block: the unit of randomness. Changing it changes every result."""


def generator(seed: int, name: str, block: int) -> np.random.Generator:
    """The stream called ``name`` of one block."""
    return np.random.Generator(np.random.SFC64(address(seed, name, block)))


def address(seed: int, name: str, block: int) -> np.random.SeedSequence:
    """The seed of a stream."""
    return np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()), block))


def raw_words(bits: np.random.SFC64, count: int) -> NDArray[np.uint64]:
    """The next words of a stream, low bytes first."""
    return np.asarray(bits.random_raw(count)).astype("<u8", copy=False)


def columns(block: int) -> slice:
    """Columns of a block, counted from the first of a group."""
    return slice(block * BLOCK_PATHS, (block + 1) * BLOCK_PATHS)


def start_shocks(once: Callable[[str], FloatArray], tickers: tuple[str, ...]) -> StartShocks:
    """The draws of a path's start, each from the stream of its name."""
    return StartShocks(
        regime=once("start:regime"),
        volatility=once("start:volatility"),
        opening=once("start:opening"),
        bust_length=once("start:bust_length"),
        recession=once("start:recession"),
        lab=np.stack([once(f"lab:{ticker}") for ticker in tickers]),
    )
