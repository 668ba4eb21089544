"""Streams and their addresses: seed, name and block."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BLOCK_PATHS = 1024
"""Paths in a block: the unit of randomness. Changing it changes every result."""

TINY = 2.0**-54
"""Keeps a uniform off 0, where normal scores are infinite."""


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
