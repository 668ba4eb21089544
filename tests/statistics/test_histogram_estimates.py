"""Estimates from counts, against the values that were counted."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.statistics.histogram import Grid
from simulator.statistics.histogram_estimates import HistogramEstimates

GRID = Grid(-2.0, 0.001, 4000)
LOGS = np.random.default_rng(5).normal(0.0, [[0.2], [0.4]], (2, 4001))
COUNTS = np.stack([np.bincount(GRID.index(row), minlength=GRID.bins) for row in LOGS])


@pytest.mark.parametrize("log", [True, False])
def test_statistics_of_counts_are_numpys_within_a_bin(log: bool) -> None:
    scale = np.array([1.0, 50.0])
    values = (np.expm1(LOGS) if log else LOGS) * scale[:, np.newaxis]
    estimates = HistogramEstimates(COUNTS, GRID, scale=scale, log=log)
    ordered, bin_ = np.sort(values, axis=1), 0.005 * scale
    upper, lower = ordered[:, -401:].mean(axis=1), ordered[:, :401].mean(axis=1)
    known = [
        (estimates.quantile(0.9), np.quantile(values, 0.9, axis=1)),
        (estimates.mean(), values.mean(axis=1)),
        (estimates.shortfall(1 - 401 / 4001), upper),
        (estimates.lower_shortfall(401 / 4001), lower),
    ]
    for (value, error, low, high), expected in ((x.T, y) for x, y in known):
        assert (abs(value - expected) < bin_).all()
        assert ((low <= value) & (value <= high) & (error > 0)).all()


def test_the_share_at_or_above_a_level_is_one_of_each_row() -> None:
    estimates = HistogramEstimates(COUNTS, GRID)
    shares = estimates.at_least(np.array([0.25, np.nan]))
    assert shares[0, 0] == np.mean(LOGS[0] >= 0.25)  # on an edge: exact
    assert np.isnan(shares[1]).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_counts_of_small_types_add_up_as_others_do(kind: type[np.integer]) -> None:
    assert COUNTS.max() < 255 < COUNTS[0].sum()
    small, wide = (HistogramEstimates(COUNTS.astype(of), GRID) for of in (kind, np.int64))
    for ask in ("quantile", "shortfall", "lower_shortfall", "at_least"):
        assert np.array_equal(getattr(small, ask)(0.1), getattr(wide, ask)(0.1))


def test_counts_of_no_path_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one path"):
        HistogramEstimates(np.zeros((1, GRID.bins), np.int64), GRID)
