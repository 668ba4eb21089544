"""Every statistic of a cell from its counts, for all entities at once.

Values and intervals are those of :mod:`simulator.runs.summary` on counts. Beside them stands what
leaving out each group of paths changes: to first order, so that a statistic of one cell and of
another respond alike to the paths that they share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import floor, inf, nan, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray
from simulator.runs.summary import BELOW, RECOVERY_YEARS, WORST
from simulator.scenario.thresholds import TimeGrid
from simulator.statistics import Z, kaplan_meier_from_counts, probability, quantile_ranks
from simulator.statistics.intervals import enough_paths, quantile_rank
from simulator.statistics.paired import GROUPS
from simulator.sweeps.cell_histograms import CellHistograms, Tally

FEWEST = 4 * GROUPS
"""Paths below which groups are too small for an error."""

_SUPPORT = {
    "max_drawdown": (0.0, 1.0),
    "loss_from_start": (0.0, 1.0),
    "log_terminal": (-1.0, inf),
    "worst_week": (-1.0, inf),
    "worst_month": (-1.0, inf),
}

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
    measures = [name for name in counts.fine if name not in ("recovered", "censored")]
    wholes = {name: HistogramEstimates(counts, name) for name in measures}
    without = {name: JackknifeReplicates(counts, name) for name in measures}
    values: dict[str, FloatArray] = {}
    changes: dict[str, FloatArray] = {}
    rounding: dict[str, FloatArray] = {}
    for asked in _asked(counts, depths):
        found = values[asked.name] = wholes[asked.measure].answer(asked)
        changes[asked.name] = without[asked.measure].answer(asked, found)
        rounding[asked.name] = wholes[asked.measure].rounding(asked, found)
        if asked.name == "time_underwater_median":  # the order of a run's summary
            values |= _recovered(counts)
            changes |= _recovered_leaving(counts)
    none = np.zeros(len(counts.entities))
    deviations = np.stack(list(changes.values()), axis=1).astype(np.float32)
    deviations[~np.isfinite(deviations)] = np.nan  # a quantile that so few paths cannot bound
    if counts.n < FEWEST:
        deviations[...] = np.nan
    return CellStatistics(
        counts.entities,
        tuple(values),
        np.stack(list(values.values()), axis=1),
        np.stack([rounding.get(name, none) for name in values], axis=1),
        deviations,
    )


@dataclass(frozen=True)
class StatisticSpec:
    """A statistic of a measure, at a share ``q`` or at a ``level`` of each entity (E,)."""

    name: str
    measure: str
    kind: Literal["quantile", "mean", "shortfall", "at_least"]
    q: float = 0.0
    level: FloatArray | None = None


def _asked(counts: CellHistograms, depths: Depths) -> Iterator[StatisticSpec]:
    """The statistics of :func:`simulator.runs.summary.statistics` but for recoveries."""
    fall, lost = "max_drawdown", "relative_loss"
    for name, q in WORST.items():
        yield StatisticSpec(name, fall, "quantile", q)
    yield StatisticSpec("mean", fall, "mean")
    yield StatisticSpec("expected_shortfall_1_in_20", fall, "shortfall", 0.95)
    beside = [depths(name) for name in counts.entities]
    for crash in dict.fromkeys(name for row in beside for name in row):
        level = np.array([row.get(crash, np.nan) for row in beside], np.float64)
        yield StatisticSpec(f"reach_{crash}", fall, "at_least", level=level)
    yield from _from_start(len(counts.entities))
    yield StatisticSpec("time_to_trough_median", "trough", "quantile", 0.5)
    yield StatisticSpec("time_underwater_median", "underwater", "quantile", 0.5)
    for name, q in WORST.items():
        yield StatisticSpec(f"dollars_lost_{name}", lost, "quantile", q)
    yield StatisticSpec("dollars_lost_mean", lost, "mean")
    for measure, grid in (
        ("terminal_return", "log_terminal"),
        ("worst_week", "worst_week"),
        ("worst_month", "worst_month"),
    ):
        if TimeGrid.of(counts.times).missing(measure):
            continue
        yield StatisticSpec(f"{measure}_median", grid, "quantile", 0.5)
        yield StatisticSpec(f"{measure}_worst_1_in_20", grid, "quantile", 0.05)
        if measure == "terminal_return":
            yield StatisticSpec(f"{measure}_best_1_in_20", grid, "quantile", 0.95)


def _from_start(entities: int) -> Iterator[StatisticSpec]:
    """Statistics of the lowest level against today."""
    loss, prefix = "loss_from_start", "loss_from_start_"
    for name, q in WORST.items():
        yield StatisticSpec(f"{prefix}{name}", loss, "quantile", q)
    yield StatisticSpec(f"{prefix}mean", loss, "mean")
    yield StatisticSpec(f"{prefix}expected_shortfall_1_in_20", loss, "shortfall", 0.95)
    for share in BELOW:
        yield StatisticSpec(
            f"below_{share}", loss, "at_least", level=np.full(entities, share / 100)
        )


def _unit(counts: CellHistograms, name: str, values: FloatArray) -> FloatArray:
    """Values of a grid (E, of each) in the unit of the statistic."""
    if name == "log_terminal":
        return np.asarray(np.expm1(values))
    if name == "relative_loss":
        return values * counts.start_levels[:, np.newaxis]
    if name in ("trough", "underwater"):
        return values * float(counts.times[1])
    return values


def _on_grid(counts: CellHistograms, name: str, values: FloatArray) -> FloatArray:
    """Values of a statistic (E,) in the unit of the grid."""
    if name == "log_terminal":
        return np.asarray(np.log1p(np.maximum(values, -1 + 1e-12)))
    if name == "relative_loss":
        return values / counts.start_levels
    return values / float(counts.times[1]) if name in ("trough", "underwater") else values


class HistogramEstimates:
    """All paths; statistics are (E, 4): value, error, low, high, as of :class:`summary.Counted`."""

    def __init__(self, counts: CellHistograms, name: str) -> None:
        self._of, self._name, self._n = counts, name, counts.n
        self._first, self._counts = _used(counts.fine[name])
        self._upto = np.cumsum(self._counts, axis=1)
        self._grid = counts.grid(name)

    def answer(self, asked: StatisticSpec) -> FloatArray:
        """The estimates of one statistic (E, 4)."""
        if asked.kind == "at_least":
            assert asked.level is not None
            return self._at_least(asked.level)
        if asked.kind == "mean":
            return self._mean()
        return self._shortfall(asked.q) if asked.kind == "shortfall" else self._quantile(asked.q)

    def rounding(self, asked: StatisticSpec, found: FloatArray) -> FloatArray:
        """Standard deviation (E,) of a quantile within its bin."""
        if asked.kind != "quantile":
            return np.zeros(len(found))
        ends = (
            _on_grid(self._of, self._name, found[:, 0])[:, np.newaxis]
            + np.array([-0.5, 0.5]) * self._grid.width
        )
        return np.asarray(np.diff(_unit(self._of, self._name, ends), axis=1)[:, 0] / sqrt(12))

    def _edges(self) -> FloatArray:
        bins = self._first + np.arange(self._counts.shape[1] + 1)
        return self._grid.low + self._grid.width * bins

    def _quantile(self, q: float) -> FloatArray:
        n, grid = self._n, self._grid
        position = (n - 1) * q
        below, low, high = floor(position), *quantile_ranks(n, q)
        ranks = np.array([below + 1, min(below + 2, n), max(low, 1), min(high, n)])
        bins = self._first + np.stack([np.searchsorted(row, ranks) for row in self._upto])
        share = position - below
        found: FloatArray = np.empty((bins.shape[0], 3))
        found[:, 0] = bins[:, 0] + 0.5 + (bins[:, 1] - bins[:, 0]) * share
        found[:, 1], found[:, 2] = bins[:, 2], bins[:, 3] + 1
        found = _unit(self._of, self._name, grid.low + grid.width * found)
        least, most = _SUPPORT.get(self._name, (0.0, inf))
        lows = np.maximum(found[:, 1], least) if low >= 1 else np.full(len(found), least)
        highs = np.minimum(found[:, 2], most) if high <= n else np.full(len(found), most)
        return np.stack([found[:, 0], (highs - lows) / (2 * Z), lows, highs], axis=1)

    def _mean(self) -> FloatArray:
        edges = self._edges()
        weighted = self._weighted(((edges[:-1] + edges[1:]) / 2)[np.newaxis], self._grid.width)
        return _unit(self._of, self._name, weighted)

    def _shortfall(self, q: float) -> FloatArray:
        if not enough_paths(self._n, q):
            return np.tile([nan, inf, -inf, inf], (len(self._counts), 1))
        edges = self._edges()
        middles, upto = (edges[:-1] + edges[1:]) / 2, np.cumsum(self._counts, axis=1)
        v = middles[np.argmax(upto >= quantile_rank(self._n, q), axis=1)][:, np.newaxis]
        over = np.maximum(middles - v, 0.0) / (1 - q)
        return np.asarray(self._weighted(over, self._grid.width) + v * np.array([1, 0, 1, 1]))

    def _weighted(self, values: FloatArray, width: float) -> FloatArray:
        """Mean of ``values`` (E or 1, bins) over paths; the interval allows for half a bin."""
        n = self._n
        value = (self._counts * values).sum(axis=1) / n
        away = (self._counts * (values - value[:, np.newaxis]) ** 2).sum(axis=1)
        error = np.sqrt(away / max(n - 1, 1) / n)
        half = Z * error + width / 2
        return np.stack([value, error, value - half, value + half], axis=1)

    def _at_least(self, level: FloatArray) -> FloatArray:
        edges, found = self._edges(), np.full((level.size, 4), np.nan)
        for row in np.flatnonzero(np.isfinite(level)):
            near = 1e-9 * (1 + abs(level[row]))
            before = np.concatenate([[0], self._upto[row]])
            sure, possible = (
                int(np.searchsorted(edges, level[row] + away)) for away in (-near, near)
            )
            # A level within a bin: its paths count for the upper end, not for the lower one.
            fewest = self._n - int(before[min(sure, before.size - 1)])
            most = self._n - int(before[min(max(possible - 1, 0), before.size - 1)])
            if sure < possible:  # on an edge: exact
                fewest = most
            low, high = probability(fewest, self._n).low, probability(most, self._n).high
            found[row] = (fewest + most) / (2 * self._n), (high - low) / (2 * Z), low, high
        return found


class JackknifeReplicates:
    """Each group left out: what that changes, (E, GROUPS). Values are spread evenly within a bin."""

    def __init__(self, counts: CellHistograms, name: str) -> None:
        self._of, self._name = counts, name
        first, self._counts = _used(_one_out(counts.groups[name]))
        self._n = self._counts.sum(axis=2, dtype=np.int64)
        self._edges = counts.group_edges(name)[first : first + self._counts.shape[2] + 1]
        self._middles = (self._edges[:-1] + self._edges[1:]) / 2

    def answer(self, asked: StatisticSpec, found: FloatArray) -> FloatArray:
        """``found`` (E, 4) is the answer for all paths."""
        if asked.kind == "mean":
            means = self._counts @ self._middles / self._n
            return _change(_unit(self._of, self._name, means))
        if asked.kind == "at_least":
            assert asked.level is not None
            return -_change(self._below(asked.level))
        v = _on_grid(self._of, self._name, found[:, 0])
        if asked.kind == "shortfall":  # flat in the quantile, whose error drops out
            v = self._quantile(asked.q)
            over = np.maximum(self._middles - v[:, np.newaxis], 0)[:, np.newaxis]
            return _change((self._counts * over).sum(axis=2) / self._n / (1 - asked.q))
        # Bahadur: a quantile moves by the change of the share below it over the density, which
        # the width of its interval tells.
        per_share = found[:, 1:2] / sqrt(asked.q * (1 - asked.q) / self._of.n)
        with np.errstate(invalid="ignore"):  # no density is known where the interval has no end
            return -_change(self._below(v)) * per_share

    def _quantile(self, q: float) -> FloatArray:
        """Of all paths (E,), on the grid."""
        upto, n = np.cumsum(self._counts[:, 0], axis=1), self._n[0, 0]
        return np.array(
            [np.interp(q * n, [0, *row], self._edges) for row in upto.tolist()], np.float64
        )

    def _below(self, level: FloatArray) -> FloatArray:
        """Share below ``level`` (E,), on the grid: (E, 1 + GROUPS); NaN where it is NaN."""
        known = np.nan_to_num(level)
        position = np.interp(known, self._edges, np.arange(self._edges.size))
        bins = np.minimum(position.astype(np.int64), self._middles.size - 1)
        # Sums up to one bin each: a few, where running sums would be of all.
        upto = np.stack([row[:, :n].sum(axis=1) for row, n in zip(self._counts, bins, strict=True)])
        inside = np.take_along_axis(self._counts, bins[:, np.newaxis, np.newaxis], axis=2)[:, :, 0]
        below = (upto + inside * (position - bins)[:, np.newaxis]) / self._n
        return np.where(np.isfinite(level)[:, np.newaxis], below, np.nan)


def _change(values: FloatArray) -> FloatArray:
    """What leaving out each group changes, (E, GROUPS), of values with none left out first."""
    return values[:, 1:] - values[:, :1]


def _used(counts: Tally) -> tuple[int, Tally]:
    """The first bin that is not empty for all, and the counts from there to the last such bin."""
    used = np.flatnonzero(counts.any(axis=tuple(range(counts.ndim - 1))))
    first, end = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 1)
    return first, counts[..., first:end]


def _one_out(groups: Tally) -> Tally:
    """All groups together, then all but each: (E, 1 + GROUPS, bins)."""
    whole = groups.sum(axis=1, keepdims=True, dtype=np.int32)
    return np.concatenate([whole, whole - groups], axis=1)


def _recovered(counts: CellHistograms) -> dict[str, FloatArray]:
    """Share of the deepest falls regained so many years after their peak (Kaplan-Meier), (E, 4)."""
    years = _years(counts)
    regained, censored = (counts.fine[name].astype(np.int64) for name in ("recovered", "censored"))
    found: dict[str, FloatArray] = {
        f"recovered_{y}y": np.empty((len(counts.entities), 4)) for y in years
    }
    for row in range(len(counts.entities)):
        curve = kaplan_meier_from_counts(regained[row], censored[row])
        for of_year, y in zip(found.values(), years, strict=True):
            at = _step(counts, y)
            low, high = 1 - float(curve.high[at]), 1 - float(curve.low[at])
            of_year[row] = 1 - float(curve.survival[at]), (high - low) / (2 * Z), low, high
    return found


def _recovered_leaving(counts: CellHistograms) -> dict[str, FloatArray]:
    """What leaving out each group changes, (E, GROUPS), with quarters of a year for steps."""
    regained, censored = (_one_out(counts.groups[name]) for name in ("recovered", "censored"))
    gone = regained + censored
    at_risk = gone.sum(axis=2, keepdims=True) - np.cumsum(gone, axis=2) + gone
    survival = np.cumprod(1 - regained / np.maximum(at_risk, 1), axis=2)
    bins = {y: counts.group_bin("recovered", _step(counts, y)) for y in _years(counts)}
    return {f"recovered_{y}y": _change(-survival[:, :, at]) for y, at in bins.items()}


def _years(counts: CellHistograms) -> list[int]:
    return [y for y in RECOVERY_YEARS if y <= counts.times[-1] + 1e-9]


def _step(counts: CellHistograms, years: int) -> int:
    return int(np.searchsorted(counts.times, years - 1e-9))
