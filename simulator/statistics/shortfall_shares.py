"""Which part of an expected shortfall each holding brings (Euler's allocation; Tasche 1999)."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from simulator.arrays import FloatArray
from simulator.statistics.intervals import UNKNOWN, Estimate, enough_paths, quantile_rank


def shortfall_shares(losses: FloatArray, q: float) -> list[Estimate]:
    """Parts (H, n) of a loss on each path: their shares of its expected shortfall at ``q``.

    The shortfall is v + E[(X - v)+] / (1 - q), v the q-quantile of X, the sum of the parts; a part's
    share is the same with the part's value where X is v. The shares add up to
    :func:`simulator.statistics.intervals.expected_shortfall` of X.
    """
    total = losses.sum(axis=0)
    n = total.size
    order = np.argsort(total, kind="stable")
    if not enough_paths(n, q):
        return [UNKNOWN] * len(losses)
    at = order[quantile_rank(n, q) - 1]
    at_edge, edge = losses[:, at], total[at]
    excess = (losses - at_edge[:, np.newaxis]) * (total > edge) / (1 - q)
    values = at_edge + excess.mean(axis=1)
    errors = excess.std(axis=1, ddof=1) / sqrt(n) if n > 1 else np.full(values.size, inf)
    return list(map(Estimate.of_error, values.tolist(), errors.tolist()))
