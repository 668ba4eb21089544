"""Every statistic of a cell from its counts, for all entities at once.

Values and intervals are those of a run on counts (:class:`HistogramEstimates`). Beside them stands what
leaving out each group of paths changes: to first order, so that a statistic of one cell and of
another respond alike to the paths that they share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray
from simulator.runs.statistic_catalogue import SUPPORT, Statistic, statistics_by_name
from simulator.scenario.thresholds import TimeGrid
from simulator.statistics import HistogramEstimates, kaplan_meier_from_counts
from simulator.statistics.histogram_estimates import used_bins
from simulator.statistics.intervals import step_of, survival
from simulator.statistics.paired import GROUPS
from simulator.sweeps.cell_histograms import CellHistograms, Tally

FEWEST = 4 * GROUPS
"""Paths below which groups are too small for an error."""

_GRIDS = {
    "max_drawdown": "max_drawdown",
    "loss_from_start": "loss_from_start",
    "terminal_return": "log_terminal",
    "worst_week": "worst_week",
    "worst_month": "worst_month",
    "dollars_lost": "relative_loss",
    "time_to_trough": "trough",
    "time_underwater": "underwater",
}
"""Measures, and the counts of a cell that they are estimated from."""

Depths = Callable[[str], Mapping[str, float]]
"""The real falls, by name of the crash, that an entity is set beside."""


@dataclass(frozen=True)
class CellStatistics:
    """Statistics of a cell: E entities, S statistics in the order of ``names``."""

    entities: tuple[str, ...]
    names: tuple[str, ...]
    estimates: FloatArray  # (E, S, 4): value, mc_error, low, high; NaN where an entity has none
    rounding: FloatArray  # (E, S): standard deviation of what the grid takes from the value
    deviations: NDArray[np.float32]  # (E, S, GROUPS): what leaving out a group changes, or NaN


def cell_statistics(counts: CellHistograms, depths: Depths) -> CellStatistics:
    """Every statistic of every entity, each with its error and what each group does to it."""
    entities = len(counts.entities)
    wholes = {measure: _estimates(counts, measure) for measure in _GRIDS}
    without = {
        measure: JackknifeReplicates(counts, grid, wholes[measure])
        for measure, grid in _GRIDS.items()
    }
    recovery = Recoveries(counts)
    values: dict[str, FloatArray] = {}
    changes: dict[str, FloatArray] = {}
    rounding: dict[str, FloatArray] = {}
    beside = [depths(name) for name in counts.entities]
    crashes = {name: depth for row in beside for name, depth in row.items()}
    for name, statistic in statistics_by_name(crashes, TimeGrid.of(counts.times)).items():
        rounding[name] = np.zeros(entities)
        if statistic.kind == "recovered":
            values[name] = recovery.shares(statistic.at)
            changes[name] = recovery.changes(statistic.at)
            continue
        whole = wholes[statistic.measure]
        if statistic.kind == "share":
            crash = name.removeprefix("reach_") if name.startswith("reach_") else ""
            levels = [row.get(crash, nan) if crash else statistic.at for row in beside]
            level = np.array(levels, np.float64)
            values[name] = whole.at_least(level)
            changes[name] = without[statistic.measure].at_least(level)
            continue
        values[name] = _estimate(whole, statistic)
        changes[name] = without[statistic.measure].estimate(statistic, values[name])
        if statistic.kind == "quantile":
            rounding[name] = whole.rounding(values[name])
    deviations = np.stack(list(changes.values()), axis=1).astype(np.float32)
    deviations[~np.isfinite(deviations)] = np.nan  # a quantile that so few paths cannot bound
    if counts.n < FEWEST:
        deviations[...] = np.nan
    return CellStatistics(
        counts.entities,
        tuple(values),
        np.stack(list(values.values()), axis=1),
        np.stack(list(rounding.values()), axis=1),
        deviations,
    )


def _estimates(counts: CellHistograms, measure: str) -> HistogramEstimates:
    """The estimates of one measure of all entities, in its unit."""
    name = _GRIDS[measure]
    scale: float | FloatArray = 1.0
    if measure == "dollars_lost":
        scale = counts.start_levels
    if measure.startswith("time_"):
        scale = float(counts.times[1])
    support = SUPPORT.get(measure, (0.0, inf))
    log = name.startswith("log_")
    return HistogramEstimates(counts.fine[name], counts.grid(name), support, scale, log=log)


def _estimate(whole: HistogramEstimates, statistic: Statistic) -> FloatArray:
    if statistic.kind == "mean":
        return whole.mean()
    ask = whole.shortfall if statistic.kind == "shortfall" else whole.quantile
    return ask(statistic.at)


class JackknifeReplicates:
    """Each group left out: what that changes, (E, GROUPS). Values are spread evenly within a bin."""

    def __init__(self, counts: CellHistograms, name: str, whole: HistogramEstimates) -> None:
        self._paths, self._whole = counts.n, whole
        first, groups = used_bins(counts.groups[name])
        self._counts = _one_out(groups)
        entities, samples, bins = self._counts.shape
        self._upto = np.zeros((entities, samples, bins + 1), np.int32)
        np.cumsum(self._counts, axis=2, out=self._upto[:, :, 1:])
        self._n = self._upto[:, :, -1].astype(np.int64)
        self._edges = counts.group_edges(name)[first : first + self._counts.shape[2] + 1]
        self._middles = (self._edges[:-1] + self._edges[1:]) / 2
        self._numbers = np.arange(self._edges.size)

    def at_least(self, level: FloatArray) -> FloatArray:
        """Of the share at or above ``level`` (E,)."""
        return -_change(self._below(level))

    def estimate(self, statistic: Statistic, whole: FloatArray) -> FloatArray:
        """Of a mean, shortfall or quantile, which is ``whole`` (E, 4) with all paths."""
        q = statistic.at
        if statistic.kind == "mean":
            means = self._counts @ self._middles / self._n
            return _change(self._whole.in_unit(means))
        if statistic.kind == "shortfall":  # flat in the quantile, whose error drops out
            v = self._quantile(q)
            over = np.maximum(self._middles - v[:, np.newaxis], 0)[:, np.newaxis]
            return _change((self._counts * over).sum(axis=2) / self._n / (1 - q))
        # Bahadur: a quantile moves by the change of the share below it over the density, which
        # the width of its interval gives.
        per_share = whole[:, 1:2] / sqrt(q * (1 - q) / self._paths)
        below = self._below(self._whole.on_grid(whole[:, 0]))
        with np.errstate(invalid="ignore"):  # no density is known where the interval has no end
            return -_change(below) * per_share

    def _quantile(self, q: float) -> FloatArray:
        """Of all paths (E,), on the grid."""
        at = q * self._n[0, 0]
        return np.array([np.interp(at, upto, self._edges) for upto in self._upto[:, 0]])

    def _below(self, level: FloatArray) -> FloatArray:
        """Share below ``level`` (E,), on the grid: (E, 1 + GROUPS); NaN where it is NaN."""
        known = np.isfinite(level)
        position = np.interp(np.where(known, level, 0.0), self._edges, self._numbers)
        bins = np.minimum(position.astype(np.int64), self._middles.size - 1)
        rows = np.arange(level.size)
        inside = self._counts[rows, :, bins] * (position - bins)[:, np.newaxis]
        below = (self._upto[rows, :, bins] + inside) / self._n
        return np.where(known[:, np.newaxis], below, np.nan)


def _change(values: FloatArray) -> FloatArray:
    """What leaving out each group changes, (E, GROUPS), of values with none left out first."""
    return values[:, 1:] - values[:, :1]


def _one_out(groups: Tally) -> Tally:
    """All groups together, then all but each: (E, 1 + GROUPS, bins)."""
    entities, size, bins = groups.shape
    counts = np.empty((entities, 1 + size, bins), np.int32)
    groups.sum(axis=1, out=counts[:, 0])
    np.subtract(counts[:, :1], groups, out=counts[:, 1:])
    return counts


class Recoveries:
    """Share of the deepest falls regained some years after their peak (Kaplan-Meier)."""

    def __init__(self, counts: CellHistograms) -> None:
        self._of = counts
        names = ("recovered", "censored")
        regained, censored = (counts.fine[name].astype(np.int64) for name in names)
        self._curves = kaplan_meier_from_counts(regained, censored)
        # Without each group, with quarters of a year for steps.
        self._under = survival(*(_one_out(counts.groups[name]) for name in names))

    def shares(self, years: float) -> FloatArray:
        """Of all paths, (E, 4)."""
        return self._curves.ended(self._of.times, years)

    def changes(self, years: float) -> FloatArray:
        """What leaving out each group changes, (E, GROUPS)."""
        at = self._of.group_bin("recovered", step_of(self._of.times, years))
        return _change(-self._under[:, :, at])
