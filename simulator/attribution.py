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
    peak: NDArray[np.int16],
    trough: NDArray[np.int16],
    start_values: FloatArray,
    membership: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Causes of the fall from each entity's peak to its trough, and its dollars.

    Args:
        history: the block's past.
        factors: how factors and corrections enter.
        peak, trough: steps, (entity, path); groups first, then firms.
        start_values: (firm,) at t=0.
        membership: (group, firm) share of a firm's value counted in a group.

    Returns:
        (entity, cause, path) logs that sum over causes to ln(trough / peak), and
        (entity, path) value lost from peak to trough, in the unit of ``start_values``.
    """
    counted = np.concatenate([membership, np.eye(start_values.size)])
    # One row for each firm in each entity; an entity's rows stand together.
    entity, firm = np.nonzero(counted)
    steps = np.stack([peak, trough]).astype(np.intp)  # (2, entity, path)
    own = _look_up(history, steps[:, entity], firm)  # cause -> (2, row, path)
    start, moved = _factors_moved(history, steps)  # (J, entity, path)

    paths = peak.shape[1]
    change = np.zeros((len(CAUSES), entity.size, paths))
    log_value = np.zeros((entity.size, paths))  # at the peak, over the value at t=0
    for name, past in own.items():
        np.subtract(past[1], past[0], out=change[_CAUSE[name]])
        log_value += past[0]
    at = steps[:, entity] * start_values.size + firm[:, None]
    for name, known in factors.known.items():
        begin, end = np.take(known, at, mode="clip")
        log_value += begin
        end -= begin
        change[_CAUSE[name]] += end
    for j, name in enumerate(factors.names):
        loading = factors.loadings[firm, j]
        for row in np.flatnonzero(loading):
            change[_CAUSE[name], row] += loading[row] * moved[j, entity[row]]
            log_value[row] += loading[row] * start[j, entity[row]]

    weight = counted[entity, firm] * start_values[firm]
    value = weight[:, None] * np.exp(log_value)
    total = change.sum(axis=0)
    growth = np.expm1(total)
    first = np.searchsorted(entity, np.arange(counted.shape[0]))
    before = np.add.reduceat(value, first, axis=0)
    lost = -np.add.reduceat(value * growth, first, axis=0)
    # Not log1p(-lost / before): where nearly all is lost, that has few digits.
    fall = np.log(np.add.reduceat(value * np.exp(total), first, axis=0) / before)
    value *= _mean_ratio(total, growth)
    value /= (before * _mean_ratio(fall, np.expm1(fall)))[entity]
    change *= value
    causes = np.add.reduceat(change, first, axis=1)
    return np.ascontiguousarray(np.moveaxis(causes, 0, 1)), lost


def _look_up(history: History, steps: NDArray[np.intp], firm: NDArray[np.intp]) -> dict[str, FloatArray]:
    """Own causes at two steps of each row and path: cause -> (2, row, path)."""
    firms, paths = history.own["firm"].shape[1:]
    column = firm[:, None] * paths + np.arange(paths)
    fine = steps * (firms * paths) + column
    slow = steps // history.clock * (firms * paths) + column
    # Steps are known to be in range; "clip" spares take a second look.
    return {
        name: np.take(past, slow if name in FUNDAMENTAL else fine, mode="clip")
        for name, past in history.own.items()
    }


def _factors_moved(
    history: History, steps: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Factors at the peak, and their change to the trough, each (J, entity, path)."""
    count, paths = history.factors.shape[1:]
    flat = steps * (count * paths) + np.arange(paths)
    start, end = np.empty((2, count, *steps.shape[1:]))
    for j in range(count):
        np.take(history.factors, flat[0] + j * paths, mode="clip", out=start[j])
        np.take(history.factors, flat[1] + j * paths, mode="clip", out=end[j])
    end -= start
    return start, end


def _mean_ratio(rise: FloatArray, growth: FloatArray) -> FloatArray:
    """L(a, a e^x) / a = (e^x - 1) / x from x and e^x - 1; 1 at x = 0."""
    still = rise == 0.0
    return np.divide(growth, rise, out=np.ones_like(rise), where=~still)
