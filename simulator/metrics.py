"""Drawdown, defined once for history and simulation, and the worst short loss.

The drawdown at step j is 1 - x_j / max(x_0 ... x_j), as a positive share, on levels that include
the start: a fall in the first period counts. The maximum drawdown is the largest of these. It is
defined on levels, not on returns, because a series of returns has lost its starting value.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.arrays import FloatArray

StepIndex = NDArray[np.int16] | NDArray[np.int32]
"""Steps count from 0, the close before the first step; int16 unless the history is longer than that."""


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
    meter = DrawdownMeter(columns[0], len(columns) - 1)
    with np.errstate(invalid="ignore", over="ignore"):  # bad levels are reported once, by the table
        for step in range(1, len(columns)):
            meter.update(step, columns[step])
    table, shape = meter.table(), levels.shape[1:]
    return DrawdownTable(
        table.max_drawdown.reshape(shape),
        table.peak_step.reshape(shape),
        table.trough_step.reshape(shape),
        table.recovery_step.reshape(shape),
        table.underwater_steps.reshape(shape),
    )


class DrawdownMeter:
    """The deepest fall of each column, step by step: the one definition, for history and simulation.

    Everything is dense and in place: a 16-bit step is nothing beside a level, and a product with
    a mask costs less than finding where the mask holds.

    Parameters
    ----------
    start
        Levels at step 0, ``(...)`` with at least one axis, above zero.
    last
        Number of the last step.
    """

    def __init__(self, start: FloatArray, last: int) -> None:
        step_type = np.int16 if last <= np.iinfo(np.int16).max else np.int32
        self.high = start.copy()
        """Running maximum."""
        self.ratio = np.ones_like(self.high)
        """Level over running maximum at the latest step."""
        self._lowest = np.ones_like(self.high)
        self._now = 0
        steps = np.zeros((8, *start.shape), dtype=step_type)
        self._high_step, self._peak, self._trough, self._recovery = steps[:4]
        self._regained, self._longest = steps[4:6]  # latest step not below the running maximum
        self._work, self._gap = steps[6:]
        self._flag = np.empty(start.shape, dtype=np.bool_)

    def update(self, step: int, level: FloatArray) -> None:
        """Take the levels of the next step, ``(...)``; steps count from 1."""
        high, ratio, lowest, flag = self.high, self.ratio, self._lowest, self._flag
        regained, work, gap = self._regained, self._work, self._gap
        self._now = step
        now = work.dtype.type(step)

        # Steps only grow, so the latest one is the largest one.
        np.greater(level, high, out=flag)
        np.multiply(flag, now, out=work)
        np.maximum(self._high_step, work, out=self._high_step)
        np.maximum(high, level, out=high)
        np.divide(level, high, out=ratio)
        np.less(ratio, lowest, out=flag)
        np.minimum(lowest, ratio, out=lowest)
        np.multiply(flag, now, out=work)
        np.maximum(self._trough, work, out=self._trough)
        np.multiply(flag, self._high_step, out=work)
        np.maximum(self._peak, work, out=self._peak)

        # A quotient is 1 only if both are equal: this step regains the high, and ends a spell.
        np.equal(ratio, 1.0, out=flag)
        np.multiply(flag, now, out=work)
        np.subtract(work, regained, out=gap)  # negative without such a step
        np.maximum(self._longest, gap, out=self._longest)
        np.greater(self._trough, regained, out=flag)  # still waits for recovery
        np.multiply(flag, work, out=gap)
        np.maximum(self._recovery, gap, out=self._recovery)
        np.maximum(regained, work, out=regained)

    def table(self) -> DrawdownTable:
        """What has been measured so far.

        Raises
        ------
        ValueError
            If a level was negative, NaN or infinite.
        """
        if not np.all(np.isfinite(self.high)) or np.any(self._lowest < 0):
            raise ValueError(
                "levels must be finite and not negative: a drawdown of anything else has no meaning"
            )
        step_type = self._work.dtype.type
        waits = self._trough > self._regained
        recovery = np.where(waits, step_type(-1), self._recovery)
        # Two highs in a row are no spell; the last spell may go on.
        longest = np.where(self._longest > 1, self._longest, step_type(0))
        np.maximum(longest, step_type(self._now) - self._regained, out=longest)
        return DrawdownTable(1.0 - self._lowest, self._peak, self._trough, recovery, longest)


def max_drawdown(levels: ArrayLike, axis: int = 0) -> FloatArray:
    """Maximum drawdown along ``axis`` as a positive share; the start must be included.

    >>> float(max_drawdown([100.0, 50.0, 50.5, 51.0]))
    0.5
    """
    levels = np.asarray(levels, dtype=np.float64)
    return measure_drawdowns(np.moveaxis(levels, axis, 0) if levels.ndim else levels).max_drawdown


def worst_return(levels: ArrayLike, steps: int) -> FloatArray:
    """Lowest simple return of the spans of ``steps`` steps that follow each other, shape ``(...)``.

    -0.1 is a loss of a tenth. ``levels`` is ``(T+1, ...)``, time first; the first span begins at the
    start, like calendar months, and spans do not overlap. A span that begins at zero has no return
    and is left out, as is an unfinished one.

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
        for before, after in itertools.pairwise(levels[::steps]):
            # fmin passes over the NaN of 0 / 0
            np.fmin(lowest, np.divide(after, before, out=ratio), out=lowest)
    return np.asarray(lowest - 1.0)
