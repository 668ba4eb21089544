"""Two runs on the same noise: the change of a statistic with a paired error.

Path i of one run and path i of another with the same seed share every shock, so the pairs, and
nothing else, are independent of each other. A mean or a probability changes by a mean of
differences, path by path. A quantile has no such form: its change is estimated again without one
of 32 interleaved groups of paths (path number modulo 32), left out of both runs together, and the
spread of the 32 answers gives the error (the delete-a-group jackknife; Shao and Wu, Annals of
Statistics 17, 1989), with Student's t of 31 degrees of freedom.

Measured (benchmarks/paired_intervals.py): the 95 % interval of a change of a quantile holds the
truth in 93 to 99 of 100 cases where at least 20 paths lie beyond the quantile, and is up to twice as
wide as needed where the two runs hardly differ; with five paths beyond it is in 91.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import floor, nan

import numpy as np

from simulator.arrays import BoolArray, FloatArray, IntArray
from simulator.runs.samples import Measured, measured
from simulator.runs.statistic_catalogue import Statistic
from simulator.statistics.intervals import enough_paths, quantile_rank, step_of, survival
from simulator.statistics.paired import GROUPS as GROUPS
from simulator.statistics.paired import groups_of


@dataclass(frozen=True)
class Sorted:
    """One measure of one entity over n paths, in ascending order, and the group of each path."""

    values: FloatArray  # (n,)
    groups: IntArray  # (n,)

    @classmethod
    def of(cls, values: FloatArray) -> Sorted:
        """Sort ``values`` (n,), given by path number."""
        order = np.argsort(values, kind="stable")
        return cls(values[order], order % min(GROUPS, values.size))

    def jackknife_values(self, ask: Callable[[FloatArray], float]) -> FloatArray:
        """``ask`` of all values, then without each group, if there are two: (groups + 1,)."""
        groups = range(groups_of(self.values.size))
        kept = (self.values[self.groups != g] for g in groups)
        return np.array([ask(self.values), *map(ask, kept)])


def jackknife_values(
    results: Measured, entity: str, statistics: Mapping[str, Statistic], paths: int
) -> dict[str, FloatArray]:
    """Each statistic of the first ``paths`` paths, then without each group of them: (groups + 1,).

    Two runs with the same noise are compared place by place; see :func:`changed`.
    """
    row = results.entities.index(entity)
    ordered: dict[str, Sorted] = {}
    values = {}
    for name, statistic in statistics.items():
        if statistic.kind == "recovered":
            values[name] = _recovered(results, row, statistic.at, paths)
            continue
        if statistic.measure not in ordered:
            ordered[statistic.measure] = Sorted.of(measured(results, row, statistic.measure, paths))
        values[name] = ordered[statistic.measure].jackknife_values(_question(statistic))
    return values


def _question(statistic: Statistic) -> Callable[[FloatArray], float]:
    """What a statistic asks of ascending values."""
    return {
        "quantile": lambda values: _quantile(values, statistic.at),
        "mean": lambda values: float(values.mean()),
        "share": lambda values: (
            (values.size - int(np.searchsorted(values, statistic.at))) / values.size
        ),
        "shortfall": lambda values: _shortfall(values, statistic.at),
    }[statistic.kind]


def _quantile(values: FloatArray, q: float) -> float:
    position = (values.size - 1) * q
    below = floor(position)
    low, high = values[below], values[min(below + 1, values.size - 1)]
    return float(low + (high - low) * (position - below))


def _shortfall(values: FloatArray, q: float) -> float:
    if not enough_paths(values.size, q):
        return nan
    v = float(values[quantile_rank(values.size, q) - 1])
    beyond = values[int(np.searchsorted(values, v)) :]
    return v + float(np.sum(beyond - v)) / (values.size * (1 - q))


def _recovered(results: Measured, row: int, years: float, paths: int) -> FloatArray:
    """Share of the deepest falls regained so many years after their peak (Kaplan-Meier), (groups + 1,)."""
    peak, recovery = (
        np.asarray(results.measures[f"{name}_step"][row, :paths], np.int64)
        for name in ("peak", "recovery")
    )
    at, last = step_of(results.times, years), results.times.size - 1
    groups = max(groups_of(paths), 1)
    group = np.arange(paths) % groups

    def counted(ends: IntArray, chosen: BoolArray) -> IntArray:
        flat = group[chosen] * (last + 1) + (ends - peak)[chosen]
        counts = np.bincount(flat, minlength=groups * (last + 1)).reshape(groups, last + 1)
        whole = counts.sum(axis=0)
        return np.vstack([whole, whole - counts])[: groups_of(paths) + 1]

    regained = recovery >= 0
    back = counted(recovery, regained)
    under = survival(back, counted(np.full(paths, last), ~regained))
    return np.asarray(1 - under[:, at], np.float64)
