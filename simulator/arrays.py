"""Array aliases, and the axis order said once.

* a state of all firms: ``(firm, path)``; a state of the economy: ``(path,)``;
* a history puts time first for one quantity, ``(time, firm, path)``, with time 0 (the
  close before the first step) included;
* results put the entity first: ``(entity, path)`` and ``(entity, time, path)``.

Times are years from the as-of date, money is USD billion, rates are per year, returns
and causes are logs unless a name says otherwise.

Paths are simulated in 32 bits: every operation reads and writes whole arrays, so half the bytes
are half the time, and prices keep six digits (docs/performance.md). The same code works in 64
bits where digits are the question: without noise, for rare events, beside the reference model.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
Precision: TypeAlias = type[np.float32] | type[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

# From a freed block of almost 32 MB glibc learns to keep what arrays of that size leave. Else it returns each to the
# system and fetches it anew, which costs as much as the arithmetic in it. Other allocators do not mind.
np.empty(2**25 - 2**14, np.uint8)


def in_precision(values: float | FloatArray, precision: Precision) -> FloatArray:
    """The values in this precision; the same array if they are."""
    return np.asarray(values, precision)


LARGEST_LOG = 40.0
"""Bound on logs of prices, sales and demand over those at t=0, either way: 32 bits hold the ratio of any two."""


def bounded(log: FloatArray) -> FloatArray:
    """Logs within `LARGEST_LOG`, so that their exponentials and the ratios of these are finite and positive."""
    return np.clip(log, -LARGEST_LOG, LARGEST_LOG)


_SMALL = 1 << 18
"""Multiplications from which BLAS shares a product among threads, which other workers need."""


def product(weights: FloatArray, rows: FloatArray, out: FloatArray) -> None:
    """Matrix product (m, k) @ (k, path) for small m and k, by one thread: some columns at a time."""
    width = max(_SMALL // max(weights.size, 1), 1)
    for begin in range(0, rows.shape[1], width):
        part = slice(begin, begin + width)
        np.matmul(weights, rows[:, part], out=out[:, part])


def cast_constants(room: object, precision: Precision) -> None:
    """Bring the constants that a room has worked out to the precision of its paths, in place.

    A single number of 64 bits would make every product with it one of 64 bits.
    """
    for name, value in vars(room).items():
        if isinstance(value, np.ndarray | np.floating) and value.dtype == np.float64:
            setattr(room, name, np.asarray(value, precision))
