"""Spearman's rank correlation with its interval."""

from __future__ import annotations

from math import atanh, inf, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray
from simulator.statistics.intervals import Estimate, Z


def ranks(values: FloatArray) -> NDArray[np.int64]:
    """Twice the rank of each value less twice the mean rank: whole numbers, so that sums are exact."""
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    doubled = 2 * np.cumsum(ties) - ties  # twice the mean rank of a value, less 1
    return np.asarray((doubled - values.size)[place], np.int64)


def rank_correlation(x: NDArray[np.int64], y: NDArray[np.int64]) -> Estimate:
    """Spearman's correlation of two samples from their :func:`ranks` (n,), with a 95 % interval.

    Fisher's transform with the variance (1 + r^2 / 2) / (n - 3) of Bonett and Wright (Psychometrika
    65, 2000). A constant sample has no ranks: 0, and nothing is known.
    """
    n, xy, xx, yy = x.size, int(np.sum(x * y)), int(np.sum(x * x)), int(np.sum(y * y))
    if not xx or not yy or n < 5:
        return Estimate(0.0, inf, -1.0, 1.0)
    r = xy / sqrt(xx * yy)
    if abs(r) >= 1.0:
        return Estimate(r, 0.0, r, r)
    error = sqrt((1 + r * r / 2) / (n - 3))
    low, high = (tanh(atanh(r) + side * Z * error) for side in (-1, 1))
    return Estimate.of_interval(r, low, high)
