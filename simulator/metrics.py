"""Drawdown, defined once for history and simulation, and the worst short loss.

The drawdown at step j is 1 - x_j / max(x_0 ... x_j), as a positive share, on levels that include
the start: a fall in the first period counts. The maximum drawdown is the largest of these. It is
defined on levels, not on returns, because a series of returns has lost its starting value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.arrays import FloatArray

StepIndex = NDArray[np.int16] | NDArray[np.int32]
"""Steps count from 0, the close before the first step; int16 unless the history is longer than that."""

_CHUNK = 16_384
"""Columns handled together. Their buffers stay in the cache; fewer columns pay more calls."""


class DrawdownTable(NamedTuple):
    """The deepest fall of each column, every field of shape ``(...)``.

    A column that never falls has depth 0 and all steps 0.
    """

    max_drawdown: FloatArray
    """Depth as a positive share: 0.5 is a halving, 1 a total loss."""
    peak_step: StepIndex
    """Where the running maximum was first reached, from which the level fell."""
    trough_step: StepIndex
    """The first step of that depth."""
    recovery_step: StepIndex
    """First step after the trough at or above the peak; -1 if still under water at the end."""
    underwater_steps: StepIndex
    """Longest spell below the running maximum, from its last high to the step that regains it, or to the end."""


def measure_drawdowns(levels: ArrayLike) -> DrawdownTable:
    """Measure the deepest fall in every column of ``levels``.

    Parameters
    ----------
    levels
        Shape ``(T+1, ...)``, time first, the start included; any unit. Zero is a total loss, from
        which a level may come back. Fastest in C order.

    Raises
    ------
    ValueError
        For an empty array, a level that is negative, NaN or infinite, and a start at zero.
    """
    levels = np.asarray(levels, dtype=np.float64)
    if levels.size == 0 or levels.ndim == 0:
        raise ValueError(
            f"a drawdown needs levels with time as first axis, got shape {levels.shape}"
        )
    if not np.all(levels[0] > 0):
        raise ValueError("a drawdown is a share of a peak: every level must start above zero")
    columns = levels.reshape(len(levels), -1)
    step_type = np.int16 if len(levels) <= np.iinfo(np.int16).max else np.int32
    depth = np.empty(columns.shape[1])
    steps = np.empty((4, columns.shape[1]), dtype=step_type)
    for start in range(0, columns.shape[1], _CHUNK):
        part = slice(start, start + _CHUNK)
        _measure(columns[:, part], depth[part], steps[:, part])
    shape = levels.shape[1:]
    peak, trough, recovery, underwater = (row.reshape(shape) for row in steps)
    return DrawdownTable(depth.reshape(shape), peak, trough, recovery, underwater)


def _measure(levels: FloatArray, depth: FloatArray, steps: StepIndex) -> None:
    """Fill ``depth`` (columns,) and ``steps`` (4, columns) of one chunk.

    New highs and new lows are rare (about one path in ten at a step), so only running maximum and
    ratio are dense; all bookkeeping is on the few columns where something happened.
    """
    peak, trough, recovery, underwater = steps
    steps[...] = 0
    end = len(levels) - 1
    high = levels[0].copy()
    high_step = np.zeros_like(peak)  # where the running maximum was set
    last_high = np.zeros_like(peak)  # where it was last touched
    lowest = np.ones_like(high)  # smallest ratio so far
    ratio = np.empty_like(high)
    happened = np.empty(high.shape, dtype=np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):  # bad levels are reported below, once
        for step in range(1, end + 1):
            level = levels[step]
            at = np.flatnonzero(np.greater_equal(level, high, out=happened))
            spell = step - last_high[at]
            underwater[at] = np.maximum(underwater[at], np.where(spell > 1, spell, 0))
            recovery[at] = np.where(recovery[at] < 0, step, recovery[at])
            high_step[at[level[at] > high[at]]] = step
            last_high[at] = step
            np.maximum(high, level, out=high)  # dense, so that a NaN stays to be seen
            np.divide(level, high, out=ratio)
            at = np.flatnonzero(np.less(ratio, lowest, out=happened))
            lowest[at] = ratio[at]
            peak[at] = high_step[at]
            trough[at] = step
            recovery[at] = -1
    if not np.all(np.isfinite(high)) or np.any(lowest < 0):
        raise ValueError(
            "levels must be finite and not negative: a drawdown of anything else has no meaning"
        )
    np.maximum(underwater, end - last_high, out=underwater)
    np.subtract(1.0, lowest, out=depth)


def max_drawdown(levels: ArrayLike, axis: int = 0) -> FloatArray:
    """Maximum drawdown along ``axis`` as a positive share; the start must be included.

    >>> float(max_drawdown([100.0, 50.0, 50.5, 51.0]))
    0.5
    """
    levels = np.asarray(levels, dtype=np.float64)
    return measure_drawdowns(np.moveaxis(levels, axis, 0) if levels.ndim else levels).max_drawdown


def worst_return(levels: ArrayLike, steps: int) -> FloatArray:
    """Lowest simple return over ``steps`` consecutive steps, shape ``(...)``; -0.1 is a loss of a tenth.

    ``levels`` is ``(T+1, ...)``, time first. Spans that begin at zero have no return and are left out.

    Raises
    ------
    ValueError
        If ``steps`` is not between 1 and T, or a level is negative, NaN or infinite, or starts at zero.
    """
    levels = np.asarray(levels, dtype=np.float64)
    if not 1 <= steps < len(levels):
        raise ValueError(
            f"a return over {steps} steps needs more than {steps} levels, got {len(levels)}"
        )
    if not (np.all(levels[0] > 0) and np.all(levels >= 0) and np.all(np.isfinite(levels))):
        raise ValueError("levels must be finite and not negative, and start above zero")
    lowest = np.full(levels.shape[1:], np.inf)
    ratio = np.empty_like(lowest)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for before, after in zip(levels[:-steps], levels[steps:], strict=True):
            # fmin passes over the NaN of 0 / 0
            np.fmin(lowest, np.divide(after, before, out=ratio), out=lowest)
    return np.asarray(lowest - 1.0)
