"""Why it fell: the named causes of a fall, exact for firms and for indices.

A firm's log price is a sum of causes, each kept as its own state; their changes from
peak to trough add up to the log fall. An index is a sum of dollars, so a member's causes
count with its logarithmic-mean weight ``L(a, b) / L(A, B)``, ``L(a, b) = (b - a) / ln(b / a)``
(LMDI, Ang 2004): exact, no residual. The weights sum to at most 1, so a cause common to
all members counts for slightly less in an index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import LARGEST_LOG, BoolArray, FloatArray
from simulator.engine.results import CAUSES
from simulator.statistics import StepIndex

_CAUSE = {name: row for row, name in enumerate(CAUSES)}
BOOKS = ("revenue", "margin", "expectations")
"""Causes that move with firms' quarterly fundamentals."""


@dataclass(frozen=True)
class Factors:
    """Causes that are a firm's loading times a factor common to all firms on a path.

    ``names`` (J,) causes; ``loadings`` (firm, J). ``known`` are the parts known in
    advance: cause -> (time, firm) logs.
    """

    names: tuple[str, ...]
    loadings: FloatArray
    known: dict[str, FloatArray]


@dataclass(frozen=True)
class QuarterlyFundamentals:
    """What prices contain of firms' fundamentals at ends of quarters; in between, linear interpolation.

    ``causes`` (quarter, firm, path) logs by name; ``channels``, the same for the parts of the
    revenue surprise beside the core's; ``sold`` (channel, firm) says who sells there;
    ``steps`` in a quarter.
    """

    causes: dict[str, FloatArray]
    channels: dict[str, FloatArray]
    sold: BoolArray
    steps: int


@dataclass(frozen=True)
class History:
    """A block's past: ``own`` noise of firms (time, firm, path), ``factors`` (time, J, path)."""

    own: FloatArray
    factors: FloatArray
    books: QuarterlyFundamentals


@dataclass(frozen=True)
class FallAttribution:
    """Falls from peak to trough. E entities, C causes, S channels, P paths.

    ``causes`` (E, C, P) logs sum over causes to ln(trough / peak); ``channels`` (E, S, P) are
    parts of the cause revenue, what is left is the core's; ``lost`` (E, P) is in the unit of
    the start values.
    """

    causes: FloatArray
    channels: FloatArray
    lost: FloatArray


def attribute(
    history: History,
    factors: Factors,
    peak: StepIndex,
    trough: StepIndex,
    start_values: FloatArray,
    membership: FloatArray,
    cash: FloatArray | None = None,
    *,
    causes: bool = True,
) -> FallAttribution:
    """Causes of the fall from each entity's peak to its trough, and its dollars.

    Parameters
    ----------
    history
        The block's past.
    factors
        How factors and corrections enter.
    peak, trough
        Steps, (entity, path); groups first, then firms.
    start_values
        (firm,) at t=0.
    membership
        (group, firm) share of a firm's value counted in a group.
    cash
        (group,) what a group holds beside firms; it stays as it is and causes nothing.
    causes
        False if only the dollars are needed: causes and channels are then empty.
    """
    counted = np.concatenate([membership, np.eye(start_values.size)])
    lookup = _Lookup(history, factors, np.stack([peak, trough]).astype(np.intp), counted)
    precision, books = history.own.dtype, history.books
    entities, paths = peak.shape
    by_cause = np.zeros((entities, len(CAUSES) if causes else 0, paths), precision)
    channels = np.zeros((entities, len(books.channels) if causes else 0, paths), precision)
    # Value at the peak, at the trough.
    before, after, lost = np.zeros((3, entities, paths), precision)
    units = (counted * start_values).astype(precision)
    if cash is not None:
        before[: cash.size] = after[: cash.size] = cash[:, None]
    # Firm by firm: entities that fall together read the same places, which are in the cache.
    for firm in range(start_values.size):
        inside = np.flatnonzero(counted[:, firm])
        top, fall, change = lookup.changes(firm, inside)
        value = units[inside, firm, None] * np.exp(top)
        growth = np.expm1(fall)
        lost[inside] -= value * growth
        if not causes:
            continue
        before[inside] += value
        after[inside] += value * np.exp(fall)
        weight = value * mean_ratio(fall, growth)  # L(a, b); L(A, B) divides their sum
        change *= weight
        for row, entity in enumerate(inside):
            by_cause[entity] += change[:, row]
        for row, past in enumerate(books.channels.values()):
            if books.sold[row, firm]:
                channels[inside, row] += weight * lookup.book(past, firm, inside)[1]
    if not causes:
        return FallAttribution(by_cause, channels, lost)
    # Not log1p(-lost / before): where nearly all is lost, that has few digits.
    fall = np.log(after / before)
    whole = before * mean_ratio(fall, np.expm1(fall))
    by_cause /= whole[:, None]
    channels /= whole[:, None]
    return FallAttribution(by_cause, channels, lost)


class _Lookup:
    """Logs at entities' peaks, and their changes to the troughs.

    ``steps`` (2, entity, path) of peaks and troughs; ``counted`` (entity, firm), 0 where a firm is no member.
    """

    def __init__(
        self, history: History, factors: Factors, steps: NDArray[np.intp], counted: FloatArray
    ) -> None:
        self._history, self._factors, self._steps = history, factors, steps
        books, precision = history.books, history.own.dtype
        self._loadings = factors.loadings.astype(precision)
        self._known = {name: known.astype(precision) for name, known in factors.known.items()}
        self._own_at = _places(history.own, steps)
        quarter, over = np.divmod(steps, books.steps)
        self._book_at = _places(books.causes["revenue"], quarter)
        self._part = (over / books.steps).astype(precision)
        at = _places(history.factors, steps)
        self._common = []
        for j in range(len(factors.names)):
            # A factor is looked up for entities whose members it moves.
            moved = np.flatnonzero(counted @ (self._loadings[:, j] != 0.0))
            self._common.append((moved, *_look_up(history.factors, j, at[:, moved])))

    def book(
        self, past: FloatArray, firm: int, inside: NDArray[np.intp]
    ) -> tuple[FloatArray, FloatArray]:
        """A cause or channel of a firm at the peaks of the entities ``inside``, and its change, (entity, path)."""
        return _look_between(past, firm, self._book_at[:, inside], self._part[:, inside])

    def changes(
        self, firm: int, inside: NDArray[np.intp]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """A firm from the peaks of the entities ``inside`` to their troughs.

        Its log price at the peaks over that at t=0 and the change of it, (entity, path), and the change of
        its causes, (cause, entity, path).
        """
        history, when = self._history, self._steps[:, inside]
        change = np.zeros((len(CAUSES), *when.shape[1:]), history.own.dtype)
        log_value, change[_CAUSE["firm"]] = _look_up(history.own, firm, self._own_at[:, inside])
        for name, past in history.books.causes.items():
            begin, change[_CAUSE[name]] = self.book(past, firm, inside)
            log_value += begin
        for name, known in self._known.items():
            begin, end = np.take(known[:, firm], when)
            log_value += begin
            change[_CAUSE[name]] += end - begin
        for name, loading, (moved, begin, move) in zip(
            self._factors.names, self._loadings[firm], self._common, strict=True
        ):
            if loading:
                rows = np.searchsorted(moved, inside)
                log_value += loading * begin[rows]
                change[_CAUSE[name]] += loading * move[rows]
        fall = change.sum(axis=0)
        # Prices are bounded, and what lies beyond is not a cause: the firm's own part gives way.
        end = log_value + fall
        top, bottom = (np.clip(value, -LARGEST_LOG, LARGEST_LOG) for value in (log_value, end))
        beyond = (bottom - end) - (top - log_value)
        change[_CAUSE["firm"]] += beyond
        # Not fall + beyond: the difference of two huge logs has no digits left.
        np.copyto(fall, bottom - top, where=beyond != 0.0)
        return top, fall, change


def _places(past: FloatArray, steps: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where the first row of a past (time, row, path) stands at steps (..., path), when flat."""
    rows, paths = past.shape[1:]
    return np.asarray(steps * (rows * paths) + np.arange(paths), np.intp)


def _look_up(past: FloatArray, row: int, places: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """A row of a past at peaks, and its change to troughs; ``places`` are (2, ..., path)."""
    flat = past.reshape(-1)[row * past.shape[2] :]
    # Places are known to be in range; "clip" spares take a second look.
    begin, end = np.take(flat, places, mode="clip")
    end -= begin
    return begin, end


def _look_between(
    past: FloatArray, row: int, places: NDArray[np.intp], part: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """As :func:`_look_up`, for a past that moves evenly from one of its times to the next."""
    flat = past.reshape(-1)[row * past.shape[2] :]
    value = np.take(flat, places, mode="clip")
    following = np.take(flat[past.shape[1] * past.shape[2] :], places, mode="clip")
    following -= value
    following *= part
    value += following
    begin, end = value
    end -= begin
    return begin, end


def mean_ratio(rise: FloatArray, growth: FloatArray) -> FloatArray:
    """L(a, a e^x) / a = (e^x - 1) / x from x and e^x - 1; 1 at x = 0."""
    still = rise == 0.0  # added to both: 1 / 1
    return np.asarray((growth + still) / (rise + still))
