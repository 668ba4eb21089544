"""Results of a block, and their sum over blocks.

A block of paths yields a :class:`BlockResult`; :class:`Results` is their sum. The
per-path table is kept for the first ``keep_paths`` paths only; every other statistic
lives in counts on fixed grids, which merge exactly and in any order, so memory does
not grow with the number of paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import BoolArray, FloatArray, IntArray
from simulator.statistics import Grid
from simulator.statistics.histogram import tally

CAUSES = (
    "revenue",
    "margin",
    "expectations",
    "ai_expectations",
    "sentiment",
    "news",
    "rates",
    "market",
    "contagion",
    "firm",
    "growth",
)
"""The named parts of a log price (docs/model.md, section 3). They sum to it exactly."""

CHANNELS = ("chips", "rental", "models")
"""What AI spending is revenue for; the rest of a firm's revenue is its core."""

MEASURES: dict[str, type[np.float64] | type[np.float32] | type[np.int16]] = {
    "max_drawdown": np.float64,  # what is left of a firm that loses nearly all keeps its digits
    "peak_step": np.int16,
    "trough_step": np.int16,
    "recovery_step": np.int16,  # -1: still under water at the end
    "underwater_steps": np.int16,
    "loss_from_start": np.float64,
    "lowest_step": np.int16,
    "worst_week": np.float32,  # seven digits: tables of many paths are long
    "worst_month": np.float32,
    "return_1y": np.float32,  # at the end of the first year, or of a shorter run
    "terminal_return": np.float64,
    "dollars_lost": np.float32,
}
"""What is measured on every path of every entity, and its type in the tables."""

SAMPLE_PATHS = 30
"""Whole paths kept for pictures."""


GRIDS = {
    "max_drawdown": Grid(
        0.0, 1e-4, 10_001
    ),  # 0.01 points of depth; a loss of 100 % has its own bin
    "loss_from_start": Grid(0.0, 1e-4, 10_001),  # the same for the lowest level against the start
    "log_1y": Grid(-12.0, 0.002, 10_000),  # log of the level after a year over the starting level
    "log_terminal": Grid(-12.0, 0.002, 10_000),  # log of terminal over starting level
    "worst_week": Grid(-1.0, 1e-3, 2_000),
    "worst_month": Grid(-1.0, 1e-3, 2_000),
    "relative_loss": Grid(0.0, 2e-3, 10_000),  # dollars lost over starting value
}
_DEPTHS = 10
CAUSE_BINS = (GRIDS["max_drawdown"].bins - 1) // _DEPTHS + 1
"""Depths for which causes are added up: tenths of a point, and a loss of 100 % by itself."""
CAUSE_UNITS = 2.0**32
"""Units to one log: causes are added up in whole units, so that the sum does not depend on the order."""
FAN_GRID = Grid(-6.0, 0.01, 1_200)
"""Log of level over starting level, for the fan."""
UNDERWATER_GRID = Grid(0.0, 0.002, 501)
"""Drawdown from the running peak, for the underwater fan."""
DRIVERS = ("price", "demand", "compute", "capex")
"""What AI tokens cost, how many are used, the compute they need, the capital spent on it."""
DRIVER_GRID = Grid(-30.0, 0.02, 3_000)
"""Log of a driver over its value at the start."""
ALIGNED_FALL = 0.30
"""Falls of at least this depth are aligned at their peaks."""
ALIGNED_YEARS = 3.0
"""Years after the peak. Paths that end sooner are left out, so that every time has the same paths."""

COUNTS = (
    "trough_counts",
    "recovered_counts",
    "censored_counts",
    "fan_counts",
    "underwater_counts",
    "driver_counts",
    "aligned_counts",
)
"""What :class:`Results` counts beside ``counts``."""


@dataclass
class BlockResult:
    """Blocks that follow each other, in path order. E entities, P paths, T steps, K fan times."""

    block: int  # number of the first
    measures: dict[str, NDArray[Any]]  # MEASURES -> (E, P)
    causes: NDArray[np.floating]  # (E, causes, P), logs from peak to trough
    channels: NDArray[np.float32]  # (E, CHANNELS, P), parts of the cause revenue
    inputs: dict[str, FloatArray]  # uncertain assumption -> (P,)
    fan_bins: NDArray[np.int16]  # (E, K, P) on FAN_GRID
    underwater_bins: NDArray[np.int16]  # (E, K, P) on UNDERWATER_GRID
    sample_levels: NDArray[np.floating]  # (E, T+1, p) the block's first paths, USD billion
    levels: NDArray[np.floating] | None = None  # (E, T+1, P) if they are kept
    driver_bins: NDArray[np.int16] | None = None  # (D, J+1, P) on DRIVER_GRID
    aligned_bins: NDArray[np.int16] | None = None  # (G, A, P) on FAN_GRID; -1: not aligned
    count: int = 1  # blocks

    def tabled(self, paths: slice) -> dict[str, NDArray[Any]]:
        """The measures of some paths, rounded as in tables: counts of blocks are those of the tables."""
        return {
            name: values[:, paths].astype(MEASURES[name], copy=False)
            for name, values in self.measures.items()
        }


@dataclass(kw_only=True)
class Axes:
    """What a run's results refer to.

    E entities, G groups (the first of them), T steps, K fan times, D drivers, J updates of fundamentals, A times
    since a peak. A run that kept no drivers has J+1 = 0 of them, one that kept no aligned paths has A = 0.
    """

    entities: tuple[str, ...]
    times: FloatArray  # (T+1,) years
    fan_steps: IntArray  # (K,) steps at which the fan is kept
    start_levels: FloatArray  # (E,) USD billion at t=0
    sells: BoolArray  # (E, CHANNELS): who has revenue from it
    groups: int = 0
    driver_steps: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(J+1,) steps at which the drivers are kept."""
    driver_consensus: FloatArray = field(default_factory=lambda: np.zeros((len(DRIVERS), 0)))
    """(D, J+1) what is priced in, logs."""
    aligned_steps: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(A,) steps since the peak."""


@dataclass(kw_only=True)
class Results(Axes):
    """The sum of all blocks of a run; sizes as in :class:`Axes`, C causes.

    ``measures``, ``causes`` and ``inputs`` hold the first ``kept`` paths, in path order; the
    counts hold all ``n`` paths, as they would stand in the tables. Counts and sums are of integers,
    so that the same paths give the same bits, whatever the order and the workers.
    """

    keep_paths: int
    measures: dict[str, NDArray[Any]]  # MEASURES -> (E, kept)
    causes: NDArray[np.floating]  # (E, C, kept), logs from peak to trough
    channels: NDArray[np.float32]  # (pairs of ``sells``, kept): parts of the cause revenue
    inputs: dict[str, FloatArray]  # uncertain assumption -> (kept,)
    counts: dict[str, IntArray]  # GRIDS -> (E, bins)
    cause_units: IntArray  # (E, C, depth bins): the causes of all paths of a depth, added up
    trough_counts: IntArray  # (E, T+1) paths by steps from peak to trough
    recovered_counts: IntArray  # (E, T+1) paths by steps from peak to recovery
    censored_counts: IntArray  # (E, T+1) paths still under water, by steps from peak to the end
    fan_counts: NDArray[np.int32]  # (E, K, bins) on FAN_GRID
    underwater_counts: NDArray[np.int32]  # (E, K, bins) on UNDERWATER_GRID
    driver_counts: NDArray[np.int32]  # (D, J+1, bins) on DRIVER_GRID
    aligned_counts: NDArray[np.int32]  # (G, A, bins) log of level over peak, on FAN_GRID
    sample_levels: NDArray[np.floating]  # (E, T+1, p) USD billion, the first paths
    levels: NDArray[np.floating] | None = None  # (E, T+1, kept) USD billion, if they are kept
    cause_names: tuple[str, ...] = CAUSES
    begin: int = 0  # number of the first path; above 0 in parts that will be merged
    n: int = 0  # paths so far

    @property
    def kept(self) -> int:
        """Number of paths in the per-path tables."""
        return int(self.causes.shape[2])

    @property
    def cause_sums(self) -> FloatArray:
        """The causes of all paths of a depth, added up: logs (E, C, depth bins)."""
        return self.cause_units / CAUSE_UNITS

    @cause_sums.setter
    def cause_sums(self, logs: FloatArray) -> None:
        self.cause_units = _units(logs)

    @classmethod
    def empty(
        cls,
        axes: Axes,
        inputs: Iterable[str],
        *,
        paths: int,
        keep_paths: int,
        keep_levels: bool = False,
        begin: int = 0,
    ) -> Results:
        """Arrays for ``paths`` paths, allocated once so that memory is known before the run starts.

        Parameters
        ----------
        axes
            What the results refer to.
        inputs
            Keys of the uncertain assumptions.
        paths
            Number of paths the run will have.
        keep_paths
            Most paths that have a row in the tables.
        keep_levels
            Whether tables hold every level of every path.
        begin
            Number of the first path.
        """
        size, steps, kept = len(axes.entities), axes.times.size, min(paths, keep_paths)
        samples = min(kept, SAMPLE_PATHS) if begin == 0 else 0

        def zeros(*shape: int) -> NDArray[np.int32]:
            return np.zeros(shape, np.int32)

        return cls(
            **vars(axes),
            keep_paths=keep_paths,
            # Tables are not zeroed: rows are written before they are read.
            measures={name: np.empty((size, kept), dtype=MEASURES[name]) for name in MEASURES},
            causes=np.empty((size, len(CAUSES), kept), np.float32),
            channels=np.empty((int(axes.sells.sum()), kept), np.float32),
            inputs={key: np.zeros(kept) for key in inputs},
            counts={name: np.zeros((size, grid.bins), np.int64) for name, grid in GRIDS.items()},
            cause_units=np.zeros((size, len(CAUSES), CAUSE_BINS), np.int64),
            trough_counts=np.zeros((size, steps), np.int64),
            recovered_counts=np.zeros((size, steps), np.int64),
            censored_counts=np.zeros((size, steps), np.int64),
            fan_counts=zeros(size, axes.fan_steps.size, FAN_GRID.bins),
            underwater_counts=zeros(size, axes.fan_steps.size, UNDERWATER_GRID.bins),
            driver_counts=zeros(len(DRIVERS), axes.driver_steps.size, DRIVER_GRID.bins),
            aligned_counts=zeros(axes.groups, axes.aligned_steps.size, FAN_GRID.bins),
            sample_levels=np.zeros((size, steps, samples), np.float32),
            levels=np.zeros((size, steps, kept), np.float32) if keep_levels else None,
            begin=begin,
        )

    def add(self, block: BlockResult, take: int) -> None:
        """Add the first ``take`` paths of a block; blocks may come in any order, each once."""
        begin = block.block * (block.causes.shape[2] // block.count) - self.begin
        measures = block.tabled(slice(take))
        causes = block.causes[:, :, :take].astype(np.float32, copy=False)
        rows = slice(begin, min(begin + take, self.kept))
        count = max(rows.stop - rows.start, 0)
        if count:
            for name, values in measures.items():
                self.measures[name][:, rows] = values[:, :count]
            self.causes[:, :, rows] = causes[:, :, :count]
            self.channels[:, rows] = block.channels[:, :, :count][self.sells]
            for key, drawn in block.inputs.items():
                self.inputs[key][rows] = drawn[:count]
            if self.levels is not None and block.levels is not None:
                self.levels[:, :, rows] = block.levels[:, :, :count]
        count = min(block.sample_levels.shape[2], take, self.sample_levels.shape[2] - begin)
        if count > 0:
            self.sample_levels[:, :, begin : begin + count] = block.sample_levels[:, :, :count]
        self._count_measures(measures)
        self.add_causes(measures["max_drawdown"], causes)
        tally(self.fan_counts, block.fan_bins[:, :, :take])
        tally(self.underwater_counts, block.underwater_bins[:, :, :take])
        if block.driver_bins is not None:
            tally(self.driver_counts, block.driver_bins[:, :, :take])
        if block.aligned_bins is not None:
            aligned = block.aligned_bins[:, :, :take]
            tally(self.aligned_counts, aligned, aligned >= 0)
        self.n += take

    def merge(self, others: Results) -> None:
        """Add the results of other blocks of the same run, in any order."""
        begin = others.begin - self.begin
        for mine, theirs in zip(self._tables(), others._tables(), strict=True):
            mine[..., begin : begin + theirs.shape[-1]] = theirs
        for mine, theirs in zip(self._tallies(), others._tallies(), strict=True):
            np.add(mine, theirs, out=mine)
        self.n += others.n

    def _tables(self) -> list[NDArray[Any]]:
        """All arrays whose last axis is the path."""
        levels = [] if self.levels is None else [self.levels]
        tables = [*self.measures.values(), *self.inputs.values()]
        return [*tables, self.causes, self.channels, self.sample_levels, *levels]

    def _tallies(self) -> list[NDArray[Any]]:
        """All that is counted or added up."""
        return [*self.counts.values(), *(getattr(self, name) for name in COUNTS), self.cause_units]

    def add_causes(self, depth: NDArray[Any], causes: NDArray[np.floating]) -> None:
        """Add causes (E, C, P) of paths of these depths (E, P) to ``cause_units``."""
        bins = GRIDS["max_drawdown"].index(np.asarray(depth, np.float64)) // _DEPTHS
        offset = np.arange(causes.shape[1])[:, np.newaxis] * self.cause_units.shape[2]
        for row, depths in enumerate(bins):  # entity by entity: that stays in the cache
            flat = (depths + offset).reshape(-1)
            np.add.at(self.cause_units[row].reshape(-1), flat, _units(causes[row]).reshape(-1))

    def _count_measures(self, measures: dict[str, NDArray[Any]]) -> None:
        """Count (E, P) measures on their grids, and times from peak to trough and recovery."""
        with np.errstate(divide="ignore"):  # a loss to zero has log -inf: the lowest bin
            log_1y, log_terminal = (
                np.log1p(np.asarray(measures[name], np.float64))
                for name in ("return_1y", "terminal_return")
            )
        lost = np.asarray(measures["dollars_lost"], np.float64)
        values = {
            **measures,
            "log_1y": log_1y,
            "log_terminal": log_terminal,
            "relative_loss": lost / self.start_levels[:, np.newaxis],
        }
        for name, grid in GRIDS.items():
            tally(self.counts[name], grid.index(np.asarray(values[name], np.float64)))
        peak, trough, recovery = (
            np.asarray(measures[f"{name}_step"], np.int64)
            for name in ("peak", "trough", "recovery")
        )
        tally(self.trough_counts, trough - peak)
        regained = recovery >= 0
        last = self.times.size - 1
        tally(self.recovered_counts, recovery - peak, regained)
        tally(self.censored_counts, last - peak, ~regained)


def _units(causes: NDArray[np.floating]) -> IntArray:
    """Logs in whole units, to the nearest."""
    return np.rint(causes * np.float64(CAUSE_UNITS)).astype(np.int64)
