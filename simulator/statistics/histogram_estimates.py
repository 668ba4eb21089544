"""Estimates from counts on a grid: for runs whose paths are not all kept, and for the cells of sweeps."""

from __future__ import annotations

from functools import cached_property
from math import floor, inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray, IntArray
from simulator.statistics.histogram import Grid
from simulator.statistics.intervals import (
    Estimate,
    Z,
    enough_paths,
    probability,
    quantile_rank,
    quantile_ranks,
)


class HistogramEstimates:
    """Statistics of E samples of n values each, from their counts: (E, 4) of value, error, low, high.

    The middle of a bin stands for all in it, so a value is off by at most half a bin; intervals are
    widened by the grid, so they keep their coverage. The end bins contain all that lies outside the
    grid: a value there is a bound.

    Parameters
    ----------
    counts
        (E, bins), as many in each row.
    grid
        The bins.
    support
        Range of the quantity, in its own unit: where an interval ends that n values cannot bound.
    scale
        The unit of the quantity over the grid's, one number or one a row.
    log
        Whether the grid is on the log of one plus the value.
    """

    def __init__(
        self,
        counts: NDArray[np.signedinteger],
        grid: Grid,
        support: tuple[float, float] = (-inf, inf),
        scale: float | FloatArray = 1.0,
        *,
        log: bool = False,
    ) -> None:
        self._first, used = used_bins(counts)
        # Of the same type where it is wide enough: a sum that converts takes ten times as long.
        upto = np.cumsum(used, axis=-1, dtype=np.promote_types(used.dtype, np.int32))
        self._n = int(upto[..., -1].flat[0])
        if counts.ndim != 2 or self._n <= 0 or np.any(upto[:, -1] != self._n):
            raise ValueError(
                f"expected counts of at least one path, as many in each row, one per bin, got shape {counts.shape}"
            )
        self._used, self._rows = used, np.arange(len(used))[:, np.newaxis]
        # Paths up to each bin, row after row: one search finds the bins of all rows.
        self._upto = np.zeros(1 + upto.size, np.int64)
        np.add(upto, self._n * self._rows, out=self._upto[1:].reshape(upto.shape))
        self._grid, self._support, self._log = grid, support, log
        self._scale = np.reshape(np.asarray(scale, np.float64), (-1, 1))
        bins = self._first + np.arange(used.shape[1] + 1)
        self._edges = grid.low + grid.width * bins
        middles = (self._edges[:-1] + self._edges[1:]) / 2
        self._middles = np.expm1(middles) if log else middles

    @cached_property
    def _counts(self) -> FloatArray:
        """The counts as floats: a product with them needs no conversion."""
        return self._used.astype(np.float64)

    @cached_property
    def _edges_in_unit(self) -> FloatArray:
        """Edges of bins in the unit of the quantity, (E or 1, bins + 1)."""
        return self.in_unit(self._edges)

    def in_unit(self, values: FloatArray) -> FloatArray:
        """Values on the grid (E, any number) in the unit of the quantity."""
        return np.asarray((np.expm1(values) if self._log else values) * self._scale)

    def on_grid(self, values: FloatArray) -> FloatArray:
        """Values in the unit of the quantity (E,) on the grid."""
        values = values / self._scale[:, 0]
        return np.log1p(np.maximum(values, -1 + 1e-12)) if self._log else values

    def quantile(self, q: float) -> FloatArray:
        """The ``q``-quantile, its interval widened to whole bins."""
        if not 0 < q < 1:
            raise ValueError(f"expected a share between 0 and 1, got {q}")
        n, grid = self._n, self._grid
        position = (n - 1) * q
        below, low, high = floor(position), *quantile_ranks(n, q)
        ranks = np.array([below + 1, min(below + 2, n), max(low, 1), min(high, n)])
        bins = self._first + self._bins_of(ranks)
        value = bins[:, 0] + 0.5 + (bins[:, 1] - bins[:, 0]) * (position - below)
        bins = np.stack([value, bins[:, 2], bins[:, 3] + 1], axis=1)
        value, lows, highs = self.in_unit(grid.low + grid.width * bins).T
        least, most = self._support
        lows = np.maximum(lows, least) if low >= 1 else np.full_like(lows, least)
        highs = np.minimum(highs, most) if high <= n else np.full_like(highs, most)
        return np.stack([value, (highs - lows) / (2 * Z), lows, highs], axis=1)

    def rounding(self, quantile: FloatArray) -> FloatArray:
        """Standard deviation (E,) of a :meth:`quantile` within its bin."""
        half = np.array([-0.5, 0.5]) * self._grid.width
        ends = self.in_unit(self.on_grid(quantile[:, 0])[:, np.newaxis] + half)
        return np.asarray(np.diff(ends, axis=1)[:, 0] / sqrt(12))

    def mean(self) -> FloatArray:
        """The mean, each value in the middle of its bin."""
        return np.asarray(self._weighted(self._counts, self._middles) * self._scale)

    def _bins_of(self, ranks: IntArray) -> IntArray:
        """Bins, from the first used one, of order statistics whose ranks (any number) count from 1: (E, number)."""
        found = np.searchsorted(self._upto[1:], ranks + self._n * self._rows)
        return np.asarray(found - self._rows * self._used.shape[1])

    def shortfall(self, q: float) -> FloatArray:
        """Mean of the largest share 1 - ``q``, each value in the middle of its bin."""
        rank = quantile_rank(self._n, q)
        return self._beyond(self._counts, self._middles, rank, 1 - q)

    def lower_shortfall(self, q: float) -> FloatArray:
        """Mean of the smallest share ``q``, each value in the middle of its bin."""
        rank = self._n + 1 - quantile_rank(self._n, 1 - q)
        mirrored = self._beyond(self._counts[:, ::-1], -self._middles[::-1], rank, 1 - (1 - q), -1)
        return np.asarray(mirrored[:, [0, 1, 3, 2]] * np.array([-1, 1, -1, -1]))

    def _beyond(
        self, counts: FloatArray, middles: FloatArray, rank: int, share: float, sign: int = 1
    ) -> FloatArray:
        """As :func:`simulator.statistics.intervals.expected_shortfall`, of ``counts`` at rising ``middles``.

        Parameters
        ----------
        counts, middles
            Of the bins, (E, bins) and (bins,); from the last to the first if ``sign`` is -1.
        rank
            Of the order statistic at which the ``share`` begins, in the order of the values themselves.
        """
        if not enough_paths(self._n, 1 - share):
            return np.tile([nan, inf, -inf, inf], (len(counts), 1))
        v = sign * self._middles[self._bins_of(np.array([rank]))]
        excess = self._weighted(counts, np.maximum(middles - v, 0.0) / share)
        return np.asarray((excess + v * np.array([1, 0, 1, 1])) * self._scale)

    def _weighted(self, counts: FloatArray, values: FloatArray) -> FloatArray:
        """Mean of ``values`` (E or 1, bins) over paths; the interval allows for half a bin."""
        n = self._n
        parts = counts * values
        value = parts.sum(axis=1) / n
        squares = values - value[:, np.newaxis]
        squares *= squares
        error = np.sqrt(np.multiply(counts, squares, out=parts).sum(axis=1) / max(n - 1, 1) / n)
        half_bin = self._grid.width / 2
        if self._log:
            half_bin = (self._counts * np.diff(np.expm1(self._edges))).sum(axis=1) / (2 * n)
        half = Z * error + half_bin
        return np.stack([value, error, value - half, value + half], axis=1)

    def at_least(self, level: float | FloatArray) -> FloatArray:
        """Share at or above ``level``, one or one a row; NaN where that is NaN.

        Paths in the bin that contains the level count for the upper end, not for the lower one.
        """
        n, (rows, bins) = self._n, self._used.shape
        levels = np.broadcast_to(np.asarray(level, np.float64), rows)[:, np.newaxis]
        around = levels + 1e-9 * (1 + abs(levels)) * np.array([-1, 1])
        edges = self._edges_in_unit
        if len(edges) == 1:
            places = np.searchsorted(edges[0], around)
        else:
            places = np.stack([np.searchsorted(*row) for row in zip(edges, around, strict=True)])
        at = self._rows * bins + np.clip(places - [0, 1], 0, bins)
        fewest, most = (n * (1 + self._rows) - self._upto[at]).T
        sure, possible = places.T
        fewest = np.where(sure < possible, most, fewest)  # on an edge: exact
        lows = np.array([probability(hits, n).low for hits in fewest.tolist()])
        highs = np.array([probability(hits, n).high for hits in most.tolist()])
        shares = np.stack(
            [(fewest + most) / (2 * n), (highs - lows) / (2 * Z), lows, highs], axis=1
        )
        return np.where(np.isfinite(levels), shares, nan)


def used_bins(counts: NDArray[np.signedinteger]) -> tuple[int, NDArray[np.signedinteger]]:
    """The first bin that is not empty for all, and the counts from there to the last such bin."""
    used = np.flatnonzero(counts.any(axis=tuple(range(counts.ndim - 1))))
    first, end = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 1)
    return first, counts[..., first:end]


def quantile_from_counts(
    counts: IntArray, grid: Grid, q: float, support: tuple[float, float] = (-inf, inf)
) -> Estimate:
    """The ``q``-quantile of one sample, from its ``counts`` (bins,) on ``grid``."""
    return Estimate(*HistogramEstimates(counts[np.newaxis], grid, support).quantile(q)[0].tolist())
