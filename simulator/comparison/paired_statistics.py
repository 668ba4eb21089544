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
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import BoolArray, FloatArray, IntArray
from simulator.runs.summary import BELOW, RECOVERY_YEARS, WORST
from simulator.scenario.thresholds import TimeGrid
from simulator.statistics.intervals import enough_paths, quantile_rank
from simulator.statistics.paired import GROUPS as GROUPS
from simulator.statistics.paired import groups_of


class Measured(Protocol):
    """What paths left, by entity: all that changes are estimated from. Results are such."""

    @property
    def entities(self) -> tuple[str, ...]:
        """Names, in the order of the first axis of the measures."""
        ...

    @property
    def times(self) -> FloatArray:
        """Years of each step (T+1,), 0 included."""
        ...

    @property
    def measures(self) -> Mapping[str, NDArray[np.generic]]:
        """MEASURES -> (E, paths)."""
        ...


@dataclass(frozen=True)
class Statistic:
    """A number asked of one entity: what is measured on a path, and what is asked of all paths."""

    measure: str
    kind: Literal["quantile", "mean", "shortfall", "share", "recovered"]
    at: float = 0.0  # the quantile's level, the depth to be reached, or years


def statistics_by_name(depths: Mapping[str, float], grid: TimeGrid) -> dict[str, Statistic]:
    """The statistics of :func:`simulator.runs.summary.statistics`, under the same names.

    ``depths`` are the falls of real crashes, ``grid`` says which measures there are.
    """
    fall, lost = "max_drawdown", "dollars_lost"
    found = {name: Statistic(fall, "quantile", q) for name, q in WORST.items()}
    found["mean"] = Statistic(fall, "mean")
    found["expected_shortfall_1_in_20"] = Statistic(fall, "shortfall", 0.95)
    found |= {f"reach_{name}": Statistic(fall, "share", depth) for name, depth in depths.items()}
    loss = "loss_from_start"
    found |= {f"{loss}_{name}": Statistic(loss, "quantile", q) for name, q in WORST.items()}
    found[f"{loss}_mean"] = Statistic(loss, "mean")
    found[f"{loss}_expected_shortfall_1_in_20"] = Statistic(loss, "shortfall", 0.95)
    found |= {f"below_{share}": Statistic(loss, "share", share / 100) for share in BELOW}
    for span in ("time_to_trough", "time_underwater"):
        found[f"{span}_median"] = Statistic(span, "quantile", 0.5)
    found |= {
        f"recovered_{after}y": Statistic("recovery", "recovered", after)
        for after in RECOVERY_YEARS
        if after <= grid.horizon_years + 1e-9
    }
    found |= {f"{lost}_{name}": Statistic(lost, "quantile", q) for name, q in WORST.items()}
    found[f"{lost}_mean"] = Statistic(lost, "mean")
    for name in ("terminal_return", "worst_week", "worst_month"):
        if grid.missing(name):
            continue
        found[f"{name}_median"] = Statistic(name, "quantile", 0.5)
        found[f"{name}_worst_1_in_20"] = Statistic(name, "quantile", 0.05)
        if name == "terminal_return":
            found[f"{name}_best_1_in_20"] = Statistic(name, "quantile", 0.95)
    return found


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
    found = {}
    for name, one in statistics.items():
        if one.kind == "recovered":
            found[name] = _recovered(results, row, one.at, paths)
            continue
        if one.measure not in ordered:
            ordered[one.measure] = Sorted.of(measured(results, row, one.measure, paths))
        found[name] = ordered[one.measure].jackknife_values(_question(one))
    return found


def measured(results: Measured, row: int, measure: str, paths: int) -> FloatArray:
    """One measure of the first ``paths`` paths (paths,), in the unit of the summary."""
    step = float(results.times[1]) if results.times.size > 1 else 0.0

    def of_paths(name: str) -> FloatArray:
        return np.asarray(results.measures[name][row, :paths], np.float64)

    if measure == "time_to_trough":
        return (of_paths("trough_step") - of_paths("peak_step")) * step
    if measure == "time_underwater":
        return of_paths("underwater_steps") * step
    return of_paths(measure)


def _question(one: Statistic) -> Callable[[FloatArray], float]:
    """What a statistic asks of ascending values."""
    return {
        "quantile": lambda values: _quantile(values, one.at),
        "mean": lambda values: float(values.mean()),
        "share": lambda values: (values.size - int(np.searchsorted(values, one.at))) / values.size,
        "shortfall": lambda values: _shortfall(values, one.at),
    }[one.kind]


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
    at, last = int(np.searchsorted(results.times, years - 1e-9)), results.times.size - 1
    groups = max(groups_of(paths), 1)
    group = np.arange(paths) % groups

    def counted(ends: IntArray, chosen: BoolArray) -> IntArray:
        flat = group[chosen] * (last + 1) + (ends - peak)[chosen]
        counts = np.bincount(flat, minlength=groups * (last + 1)).reshape(groups, last + 1)
        whole = counts.sum(axis=0)
        return np.vstack([whole, whole - counts])[: groups_of(paths) + 1]

    regained = recovery >= 0
    back = counted(recovery, regained)
    gone = back + counted(np.full(paths, last), ~regained)
    at_risk = gone[:, ::-1].cumsum(axis=1)[:, ::-1]
    under = np.cumprod(1 - back / np.maximum(at_risk, 1), axis=1)
    return np.asarray(1 - under[:, at], np.float64)
