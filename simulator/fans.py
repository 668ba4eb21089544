"""Fans: how levels and falls spread out over time, read from counts on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray
from simulator.results import FAN_GRID, UNDERWATER_GRID, Grid, Results

if TYPE_CHECKING:
    import pandas as pd

FAN_QUANTILES = (0.01, *(round(0.05 * i, 2) for i in range(1, 20)), 0.99)


def fan(results: Results) -> pd.DataFrame:
    """Quantiles of the level over the starting level: entity, t (years), a column per quantile.

    The bins are 0.5 % wide; the position within a bin is interpolated.
    """
    levels = np.exp(grid_quantiles(results.fan_counts, FAN_GRID))
    levels[:, results.fan_steps == 0] = 1.0  # known, whatever its bin
    return _table(results, levels)


def underwater(results: Results) -> pd.DataFrame:
    """Quantiles of the fall below the highest level so far, as positive shares; columns as in :func:`fan`."""
    falls = grid_quantiles(results.underwater_counts, UNDERWATER_GRID)
    falls[:, results.fan_steps == 0] = 0.0
    return _table(results, np.clip(falls, 0.0, 1.0))


def grid_quantiles(
    counts: NDArray[np.int32], grid: Grid, quantiles: Sequence[float] = FAN_QUANTILES
) -> FloatArray:
    """Quantiles (E, K, Q) of ``counts`` (E, K, bins), interpolated within their bin.

    The number of paths may differ from entity to entity, not from time to time.
    """
    upto = np.cumsum(counts, axis=2, dtype=counts.dtype)
    n = upto[:, :1, -1:]
    found = np.empty((*counts.shape[:2], len(quantiles)))
    for column, q in enumerate(quantiles):
        bins = np.argmax(upto >= q * n, axis=2)[..., np.newaxis]
        inside = np.take_along_axis(counts, bins, axis=2)
        before = np.take_along_axis(upto, bins, axis=2) - inside
        found[..., column] = (grid.low + grid.width * (bins + (q * n - before) / inside))[..., 0]
    return found


def _table(results: Results, quantiles: FloatArray) -> pd.DataFrame:
    """``quantiles`` (E, K, Q) with their entity and time."""
    import pandas as pd  # late: slow to import

    entities, times, _ = quantiles.shape
    table: dict[str | float, Any] = {
        "entity": np.repeat(list(results.entities), times),
        "t": np.tile(results.times[results.fan_steps], entities),
    }
    for q, column in zip(FAN_QUANTILES, np.moveaxis(quantiles, 2, 0), strict=True):
        table[q] = column.reshape(-1)
    return pd.DataFrame(table)
