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

from simulator.arrays import FloatArray, IntArray
from simulator.results import CAUSES

_CAUSE = {name: row for row, name in enumerate(CAUSES)}
OWN = ("revenue", "margin", "expectations", "firm")
"""Causes that have a state of their own for every firm and path."""


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
    """A block's past: own causes (time, firm, path), factors (time, J, path)."""

    own: dict[str, FloatArray]
    factors: FloatArray


def attribute(
    history: History,
    factors: Factors,
    peak: NDArray[np.int16],
    trough: NDArray[np.int16],
    start_values: FloatArray,
    membership: FloatArray,
) -> FloatArray:
    """Causes of the fall from each entity's peak to its trough.

    Args:
        history: the block's past.
        factors: how factors and corrections enter.
        peak, trough: steps, (entity, path); groups first, then firms.
        start_values: (firm,) at t=0.
        membership: (group, firm) share of a firm's value counted in a group.

    Returns:
        (entity, cause, path) logs that sum over causes to ln(trough / peak).
    """
    groups, firms = membership.shape
    paths = peak.shape[1]
    causes = np.empty((groups + firms, len(CAUSES), paths))
    column = np.arange(paths)
    log_start = np.log(start_values)
    for entity in range(groups + firms):
        begin, end = peak[entity].astype(np.intp), trough[entity].astype(np.intp)
        moved = history.factors[end, :, column] - history.factors[begin, :, column]
        if entity >= groups:
            causes[entity] = _firm(history, factors, entity - groups, begin, end, moved)
            continue
        members = np.flatnonzero(membership[entity])
        total = np.zeros(len(CAUSES) * paths).reshape(len(CAUSES), paths)
        before, after = np.zeros(paths), np.zeros(paths)
        weighted = []
        for firm in members:
            change = _firm(history, factors, firm, begin, end, moved)
            log_value = log_start[firm] + _log_level(history, factors, firm, begin)
            value = membership[entity, firm] * np.exp(log_value)
            rise = change.sum(axis=0)
            before += value
            after += value * np.exp(rise)
            weighted.append((value * _mean_ratio(rise), change))
        mean = before * _mean_ratio(np.log(after / before))
        for weight, change in weighted:
            total += (weight / mean) * change
        causes[entity] = total
    return causes


def _firm(
    history: History,
    factors: Factors,
    firm: int,
    begin: IntArray,
    end: IntArray,
    moved: FloatArray,
) -> FloatArray:
    """Causes of one firm between two steps of each path, (cause, path); moved is (path, J)."""
    column = np.arange(begin.size)
    change = np.zeros((len(CAUSES), begin.size))
    for name in OWN:
        past = history.own[name]
        change[_CAUSE[name]] = past[end, firm, column] - past[begin, firm, column]
    for j, name in enumerate(factors.names):
        loading = factors.loadings[firm, j]
        if loading:
            change[_CAUSE[name]] += loading * moved[:, j]
    for name, known in factors.known.items():
        change[_CAUSE[name]] += known[end, firm] - known[begin, firm]
    return change


def _log_level(history: History, factors: Factors, firm: int, at: IntArray) -> FloatArray:
    """Log of a firm's value over its value at t=0, (path,)."""
    column = np.arange(at.size)
    level = history.factors[at, :, column] @ factors.loadings[firm]
    for name in OWN:
        level += history.own[name][at, firm, column]
    for known in factors.known.values():
        level += known[at, firm]
    return np.asarray(level)


def _mean_ratio(rise: FloatArray) -> FloatArray:
    """L(a, a e^x) / a = (e^x - 1) / x, 1 at x = 0."""
    safe = np.where(rise == 0.0, 1.0, rise)
    return np.where(rise == 0.0, 1.0, np.expm1(safe) / safe)
