"""Counts on a fixed grid, and quantiles from them: memory that does not grow with the paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Grid:
    """``bins`` equal bins of ``width`` from ``low``; values outside land in the end bins."""

    low: float
    width: float
    bins: int

    @property
    def _per_unit(self) -> float:
        # A product is exact where a quotient is not: 0.3 / 1e-4 is just below 3000.
        return float(np.rint(1.0 / self.width))

    def index(self, values: FloatArray) -> IntArray:
        """Bin of each value."""
        scaled = np.floor((values - self.low) * self._per_unit)
        return np.asarray(np.clip(scaled, 0, self.bins - 1), np.int64)

    def index_into(self, values: FloatArray, out: NDArray[np.int16]) -> None:
        """As ``index``, in place: ``values`` is used up, ``out`` gets the bins."""
        values -= self.low
        values *= self._per_unit
        np.clip(values, 0.0, self.bins - 1.0, out=values)
        out[...] = values  # rounds down

    @property
    def edges(self) -> FloatArray:
        """Bin edges, ``bins + 1`` of them."""
        return np.asarray(self.low + self.width * np.arange(self.bins + 1), np.float64)


def tally(
    counts: NDArray[np.signedinteger], bins: NDArray[np.integer], where: BoolArray | None = None
) -> None:
    """Add one to ``counts`` (..., bins) for each entry of ``bins`` (..., P), in place."""
    inner = int(np.prod(counts.shape[1:-1], dtype=np.int64))
    offset = (np.arange(inner) * counts.shape[-1]).reshape(*counts.shape[1:-1], 1)
    for row, row_bins in enumerate(bins):  # entity by entity: that stays in the cache
        flat = (row_bins + offset).reshape(-1)
        chosen = flat if where is None else flat[where[row].reshape(-1)]
        counts[row] += np.bincount(chosen, minlength=counts[row].size).reshape(counts[row].shape)


FAN_QUANTILES = (0.01, *(round(0.05 * i, 2) for i in range(1, 20)), 0.99)


def grid_quantiles(
    counts: NDArray[np.int32], grid: Grid, quantiles: Sequence[float] = FAN_QUANTILES
) -> FloatArray:
    """Quantiles (E, K, Q) of ``counts`` (E, K, bins), interpolated within their bin.

    The number of paths may differ from entity to entity, not from time to time.
    """
    upto = np.cumsum(counts, axis=2, dtype=counts.dtype)
    n = upto[:, :1, -1:]
    values = np.empty((*counts.shape[:2], len(quantiles)))
    for column, q in enumerate(quantiles):
        bins = np.argmax(upto >= q * n, axis=2)[..., np.newaxis]
        inside = np.take_along_axis(counts, bins, axis=2)
        before = np.take_along_axis(upto, bins, axis=2) - inside
        values[..., column] = (grid.low + grid.width * (bins + (q * n - before) / inside))[..., 0]
    return values
