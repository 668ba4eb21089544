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

from simulator.arrays import FloatArray
from simulator.metrics import StepIndex
from simulator.results import CAUSES

_CAUSE = {name: row for row, name in enumerate(CAUSES)}
OWN = ("revenue", "margin", "expectations", "firm")
"""Causes that have a state of their own for every firm and path."""
FUNDAMENTAL = OWN[:3]
"""Those of them that move on the clock of fundamentals."""


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
class History:
    """A block's past.

    ``own`` causes (time, firm, path), fundamentals at every ``clock``-th step only;
    ``factors`` (time, J, path).
    """

    own: dict[str, FloatArray]
    factors: FloatArray
    clock: int


def attribute(
    history: History,
    factors: Factors,
    peak: StepIndex,
    trough: StepIndex,
    start_values: FloatArray,
    membership: FloatArray,
) -> tuple[FloatArray, FloatArray]:
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

    Returns
    -------
    tuple
        (entity, cause, path) logs that sum over causes to ln(trough / peak), and
        (entity, path) value lost from peak to trough, in the unit of ``start_values``.
    """
    counted = np.concatenate([membership, np.eye(start_values.size)])
    steps = np.stack([peak, trough]).astype(np.intp)  # (2, entity, path)
    at = _places(history.factors, steps)
    common = [_look_up(history.factors, j, at) for j in range(len(factors.names))]
    own_at = _places(history.own["firm"], steps)
    fundamental_at = _places(history.own["firm"], steps // history.clock)
    entities, paths = peak.shape
    causes = np.zeros((entities, len(CAUSES), paths))
    before, after, lost = np.zeros((3, entities, paths))  # value at the peak, at the trough
    # Firm by firm: entities that fall together read the same places, which are in the cache.
    for firm, start_value in enumerate(start_values):
        inside = np.flatnonzero(counted[:, firm])
        when, fine, slow = steps[:, inside], own_at[:, inside], fundamental_at[:, inside]
        change = np.zeros((len(CAUSES), inside.size, paths))
        log_value = np.zeros((inside.size, paths))  # at the peak, over the value at t=0
        for name, past in history.own.items():
            begin, moved = _look_up(past, firm, slow if name in FUNDAMENTAL else fine)
            log_value += begin
            change[_CAUSE[name]] += moved
        for name, known in factors.known.items():
            begin, end = np.take(known[:, firm], when)
            log_value += begin
            change[_CAUSE[name]] += end - begin
        for name, loading, (begin, moved) in zip(
            factors.names, factors.loadings[firm], common, strict=True
        ):
            if loading:
                log_value += loading * begin[inside]
                change[_CAUSE[name]] += loading * moved[inside]

        value = (counted[inside, firm] * start_value)[:, None] * np.exp(log_value)
        fall = change.sum(axis=0)
        growth = np.expm1(fall)
        before[inside] += value
        after[inside] += value * np.exp(fall)
        lost[inside] -= value * growth
        change *= value * _mean_ratio(fall, growth)  # L(a, b); L(A, B) divides their sum
        for row, entity in enumerate(inside):
            causes[entity] += change[:, row]
    # Not log1p(-lost / before): where nearly all is lost, that has few digits.
    fall = np.log(after / before)
    causes /= (before * _mean_ratio(fall, np.expm1(fall)))[:, None]
    return causes, lost


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


def _mean_ratio(rise: FloatArray, growth: FloatArray) -> FloatArray:
    """L(a, a e^x) / a = (e^x - 1) / x from x and e^x - 1; 1 at x = 0."""
    still = rise == 0.0
    return np.divide(growth, rise, out=np.ones_like(rise), where=~still)
