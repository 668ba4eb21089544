"""Drawdown, defined once for history and simulation, and the worst short loss.

The drawdown at step j is 1 - x_j / max(x_0 ... x_j), as a positive share, on levels that include
the start: a fall in the first period counts. The maximum drawdown is the largest of these. It is
defined on levels, not on returns, because a series of returns has lost its starting value.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.arrays import FloatArray

StepIndex = NDArray[np.int16] | NDArray[np.int32]
"""Steps count from 0, the close before the first step; int16 unless the history is longer than that."""


class DrawdownTable(NamedTuple):
    """The deepest fall of each column, and the lowest level, every field of shape ``(...)``.

    A column that never falls has depth 0 and all steps 0; one that never ends below its start has loss 0 at step 0.
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
    loss_from_start: FloatArray
    """Lowest level against the start, as a positive share; 0 if never below."""
    lowest_step: StepIndex
    """The first step at the lowest level."""


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
    levels = _levels(levels)
    columns = _columns(levels)
    meter = DrawdownMeter(columns[0], len(columns) - 1)
    _follow(meter, columns)
    return DrawdownTable._make(field.reshape(levels.shape[1:]) for field in meter.table())


def _follow(meter: FallMeter, columns: FloatArray) -> None:
    """Take every step; bad levels are reported once, with the results."""
    with np.errstate(invalid="ignore", over="ignore"):
        for step in range(1, len(columns)):
            meter.update(step, columns[step])


def _columns(levels: FloatArray) -> FloatArray:
    """Levels as ``(T+1, columns)``, checked to start above zero. Raises ValueError."""
    if levels.size == 0 or levels.ndim == 0:
        raise ValueError(
            f"a drawdown needs levels with time as first axis, got shape {levels.shape}"
        )
    if not np.all(levels[0] > 0):
        raise ValueError("a drawdown is a share of a peak: every level must start above zero")
    return levels.reshape(len(levels), -1)


class FallMeter:
    """How deep each column falls, step by step: the one definition, for history and simulation.

    Parameters
    ----------
    start
        Levels at step 0, ``(...)`` with at least one axis, above zero.
    """

    def __init__(self, start: FloatArray) -> None:
        self.high = start.copy()
        """Running maximum."""
        self.ratio = np.ones_like(self.high)
        """Level over the running maximum before the latest step: above 1 at a new high."""
        self._lowest = np.ones_like(self.high)
        self._start, self._floor = start.copy(), start.copy()

    def update(self, step: int, level: FloatArray) -> None:
        """Take the levels of the next step, ``(...)``; steps count from 1."""
        # A quotient is 1 only if both are equal, and above 1 only if the level is a new high.
        np.divide(level, self.high, out=self.ratio)
        self._compare(step, level)
        np.maximum(self.high, level, out=self.high)
        np.minimum(self._lowest, self.ratio, out=self._lowest)
        np.minimum(self._floor, level, out=self._floor)

    def _compare(self, step: int, level: FloatArray) -> None:
        """Compare a step with the extremes before it."""

    def falls(self) -> tuple[FloatArray, FloatArray]:
        """The deepest fall and the loss from the start so far, as shares: those of :class:`DrawdownTable`.

        Raises
        ------
        ValueError
            If a level was negative, NaN or infinite.
        """
        if not np.all(np.isfinite(self.high)) or np.any(self._lowest < 0):
            raise ValueError(
                "levels must be finite and not negative: a drawdown of anything else has no meaning"
            )
        # In 64 bits: what is left of a firm that loses nearly all keeps its digits.
        depth = 1.0 - self._lowest.astype(np.float64)
        return depth, 1.0 - self._floor.astype(np.float64) / self._start


class DrawdownMeter(FallMeter):
    """The deepest fall of each column with its steps.

    Everything is dense and in place. What happened at a step (a new high, the high regained, a new
    low) is a bit, the latest step's the lowest; after eight steps the bits become numbers of steps,
    eight times as cheap as numbers at every step.

    Parameters
    ----------
    start
        Levels at step 0, ``(...)`` with at least one axis, above zero.
    last
        Number of the last step.
    """

    def __init__(self, start: FloatArray, last: int) -> None:
        super().__init__(start)
        self._step_type = np.int16 if last <= np.iinfo(np.int16).max else np.int32
        self._now = self._noted = 0
        self._bits: NDArray[np.uint8] = np.zeros((4, *start.shape), np.uint8)
        self._flags: NDArray[np.bool_] = np.empty(self._bits.shape, np.bool_)
        steps = np.zeros((7, *start.shape), dtype=self._step_type)
        self._high_step, self._peak, self._trough, self._recovery = steps[:4]
        self._lowest_step = steps[6]
        self._regained, self._longest = steps[4:6]  # latest step not below the running maximum

    def _compare(self, step: int, level: FloatArray) -> None:
        rose, stood, sank, lower = self._flags
        np.greater(self.ratio, 1.0, out=rose)
        np.greater_equal(self.ratio, 1.0, out=stood)  # the high regained, which ends a spell
        np.less(self.ratio, self._lowest, out=sank)
        np.less(level, self._floor, out=lower)
        # Shift the flags in as the lowest bits.
        np.add(self._bits, self._bits, out=self._bits)
        np.bitwise_or(self._bits, self._flags.view(np.uint8), out=self._bits)
        self._now = step
        self._noted += 1
        if self._noted == _BITS:
            self._settle()

    def _settle(self) -> None:
        """Turn bits into numbers of steps.

        Steps only grow, so the latest one is the largest one; and a product with a flag costs a
        tenth of a choice by it.
        """
        rose, stood, sank, lower = self._bits
        newer = (sank & -sank) - np.uint8(1)  # than the last low; all bits if there is none
        self._last(self._trough, np.bitwise_count(newer), sank)
        # The high it fell from: the latest one before that low, here or earlier.
        before = rose & ~newer
        np.maximum(self._peak, np.multiply(self._high_step, sank != 0), out=self._peak)
        self._last(self._peak, _latest(before), before)
        self._last(self._high_step, _latest(rose), rose)
        # The first step on a high ends the wait for recovery, where the last low is still waiting.
        after = (stood & newer) * (self._trough > self._regained)
        self._last(self._recovery, _earliest(after), after)

        regains = stood != 0
        spell = np.subtract(self._now, _earliest(stood), dtype=self._step_type)
        spell -= self._regained
        spell *= regains
        np.maximum(self._longest, spell, out=self._longest)
        brief = np.flatnonzero(regains & (self._longest < _BITS))
        if brief.size:  # spells within these steps
            longest, inside = self._longest.reshape(-1), stood.reshape(-1)[brief]
            longest[brief] = np.maximum(longest[brief], _GAPS[inside])
        self._last(self._regained, _latest(stood), stood)
        self._last(self._lowest_step, _latest(lower), lower)
        self._bits[...] = 0
        self._noted = 0

    def _last(self, steps: StepIndex, ago: NDArray[np.uint8], where: NDArray[np.uint8]) -> None:
        """Raise ``steps`` to the step so long ``ago`` where any bit is set."""
        step = np.subtract(self._now, ago, dtype=self._step_type)
        step *= where != 0
        np.maximum(steps, step, out=steps)

    def table(self) -> DrawdownTable:
        """What has been measured so far.

        Raises
        ------
        ValueError
            If a level was negative, NaN or infinite.
        """
        depth, loss = self.falls()
        self._settle()
        kind = self._step_type
        recovery = np.where(self._trough > self._regained, kind(-1), self._recovery)
        # Two highs in a row are no spell; the last spell may go on.
        longest = np.where(self._longest > 1, self._longest, kind(0))
        np.maximum(longest, kind(self._now) - self._regained, out=longest)
        steps = (self._peak, self._trough, recovery, longest)
        return DrawdownTable(depth, *steps, loss, self._lowest_step)


_BITS = 8


def _latest(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Place of the lowest bit that is set."""
    return np.asarray(np.bitwise_count((bits & -bits) - np.uint8(1)))


def _earliest(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Place of the highest bit that is set."""
    filled = bits | (bits >> 1)
    filled |= filled >> 2
    filled |= filled >> 4
    return np.asarray(np.bitwise_count(filled) - np.uint8(1))


def _gap(bits: int) -> int:
    """Largest distance between neighbours among the bits that are set."""
    places = [place for place in range(_BITS) if bits >> place & 1]
    return max((b - a for a, b in itertools.pairwise(places)), default=0)


_GAPS = np.array([_gap(bits) for bits in range(1 << _BITS)], np.uint8)


@overload
def max_drawdown(levels: ArrayLike, axis: None = None) -> float: ...
@overload
def max_drawdown(levels: ArrayLike, axis: int) -> FloatArray: ...
def max_drawdown(levels: ArrayLike, axis: int | None = None) -> FloatArray | float:
    """Maximum drawdown along ``axis`` as a positive share; the start must be included.

    Without ``axis`` one series (1-D), which gives a float. More dimensions need ``axis``, that of
    time, which is left out of the shape of the result. Raises ValueError as
    :func:`measure_drawdowns`, and for several series without ``axis``.

    >>> max_drawdown([100.0, 50.0, 50.5, 51.0])
    0.5
    """
    checked = _levels(levels)
    if axis is None and checked.ndim > 1:
        raise ValueError(
            f"levels of shape {checked.shape}: say axis=0 (time first) or axis=1 (a path in each row)"
        )
    first = np.moveaxis(checked, axis or 0, 0) if checked.ndim else checked
    columns = _columns(_levels(first))
    meter = FallMeter(columns[0])
    _follow(meter, columns)
    depth = meter.falls()[0].reshape(first.shape[1:])
    return float(depth) if axis is None else depth


def _levels(levels: Any) -> FloatArray:
    """Levels as an array, if they are numbers in order of time.

    Dates out of order are refused, not sorted: newest-first or shuffled rows are most often a slip
    upstream, and what else was worked out from them is wrong too.
    """
    index: Any = getattr(levels, "index", None)
    dated = getattr(getattr(index, "dtype", None), "kind", "") == "M" or hasattr(
        index, "to_timestamp"
    )
    if dated and not index.is_monotonic_increasing:
        raise ValueError("dates are out of order: expected oldest first; try .sort_index()")
    if np.ma.isMaskedArray(levels):
        if np.ma.getmaskarray(levels).any():
            raise ValueError("levels are masked in places: fill or drop them: .compressed()")
        levels = np.ma.getdata(levels)
    columns = levels.dtypes if hasattr(levels, "columns") else [np.asarray(levels).dtype]
    if any("datetime" in str(kind) for kind in columns):
        raise ValueError("a column holds dates: make it the index, as in .set_index('date')")
    try:
        numbers = np.asarray(levels, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("levels must be numbers: a column holds text or dates") from None
    if numbers.ndim and len(numbers) and np.isnan(numbers[0]).any():
        raise ValueError("levels begin with NaN: drop what is missing first, as in .dropna()")
    return numbers


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
    levels = _levels(levels)
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
