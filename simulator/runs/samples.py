"""One measure of one entity over all paths of a run, and the estimates that can be made from it.

The paths themselves while all are in the tables, else their counts on a grid, with intervals
widened by the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray, IntArray
from simulator.engine import Results
from simulator.engine.results import GRIDS
from simulator.runs.statistic_catalogue import SUPPORT
from simulator.statistics import (
    Estimate,
    Grid,
    HistogramEstimates,
    expected_shortfall,
    mean,
    probability,
    quantile,
)


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
class Paths:
    """A sample path by path: ``values`` (n,), which lie within ``support``."""

    values: FloatArray
    support: tuple[float, float] = (-inf, inf)

    def quantile(self, q: float) -> Estimate:
        """The ``q``-quantile, interval between order statistics."""
        return quantile(self.values, q, self.support)

    def at_least(self, threshold: float) -> Estimate:
        """Share of paths at or above ``threshold``."""
        return probability(int(np.count_nonzero(self.values >= threshold)), self.values.size)

    def mean(self) -> Estimate:
        """The mean over paths."""
        return mean(self.values)

    def shortfall(self, q: float) -> Estimate:
        """Mean of the largest share 1 - ``q``."""
        return expected_shortfall(self.values, q).within(*self.support)

    def lower_shortfall(self, q: float) -> Estimate:
        """Mean of the smallest share ``q``."""
        return (-expected_shortfall(-self.values, 1 - q)).within(*self.support)


class Counted:
    """A sample as ``counts`` (bins,) on a grid; see :class:`HistogramEstimates`."""

    def __init__(
        self,
        counts: IntArray,
        grid: Grid,
        support: tuple[float, float] = (-inf, inf),
        scale: float = 1.0,
        *,
        log: bool = False,
    ) -> None:
        self._estimates = HistogramEstimates(counts[np.newaxis], grid, support, scale, log=log)

    def quantile(self, q: float) -> Estimate:
        """The ``q``-quantile, interval widened to whole bins."""
        return _only(self._estimates.quantile(q))

    def at_least(self, threshold: float) -> Estimate:
        """Share of paths at or above ``threshold``."""
        return _only(self._estimates.at_least(threshold))

    def mean(self) -> Estimate:
        """The mean over paths, each in the middle of its bin."""
        return _only(self._estimates.mean())

    def shortfall(self, q: float) -> Estimate:
        """Mean of the largest share 1 - ``q``, each path in the middle of its bin."""
        return _only(self._estimates.shortfall(q))

    def lower_shortfall(self, q: float) -> Estimate:
        """Mean of the smallest share ``q``, each path in the middle of its bin."""
        return _only(self._estimates.lower_shortfall(q))


def _only(rows: FloatArray) -> Estimate:
    """The estimate of the only row (1, 4)."""
    return Estimate(*rows[0].tolist())


Sample = Paths | Counted
"""One number per path, and its statistics."""

_LOG_GRIDS = {"return_1y": "log_1y", "terminal_return": "log_terminal"}


def sample(results: Results, entity: str, measure: str) -> Sample:
    """One measure of one entity over all paths of a run.

    ``measure`` is a key of ``SUPPORT``, or ``time_to_trough`` or ``time_underwater`` in years.
    What has no grid is answered by the paths in the tables.
    """
    row = results.entities.index(entity)
    step = float(results.times[1]) if results.times.size > 1 else 0.0
    if results.n > results.kept and measure in SUPPORT:
        scale = float(results.start_levels[row]) if measure == "dollars_lost" else 1.0
        log = measure in _LOG_GRIDS
        name = _LOG_GRIDS.get(measure, "relative_loss" if measure == "dollars_lost" else measure)
        return Counted(results.counts[name][row], GRIDS[name], SUPPORT[measure], scale, log=log)
    if results.n > results.kept and measure == "time_to_trough":
        whole = Grid(-0.5, 1.0, results.times.size)  # a bin a step: its middle is exact
        return Counted(results.trough_counts[row], whole, (0.0, inf), step)
    return Paths(
        measured(results, row, measure, results.kept),
        SUPPORT.get(measure, (0.0, float(results.times[-1]))),
    )


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
