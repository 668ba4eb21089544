"""Fans: how levels and falls spread out over time, read from counts on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.arrays import FloatArray
from simulator.engine import Results
from simulator.engine.results import FAN_GRID, UNDERWATER_GRID
from simulator.statistics import FAN_QUANTILES, grid_quantiles

if TYPE_CHECKING:
    import pandas as pd


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
