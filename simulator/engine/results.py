"""What survives a block, and how blocks add up.

A block of paths yields a :class:`BlockResult`; :class:`Results` is their sum. The
per-path table is kept for the first ``keep_paths`` paths only; every other statistic
lives in counts on fixed grids, which merge exactly and in any order, so memory does
not grow with the number of paths.
"""

from __future__ import annotations

from dataclasses import dataclass
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
"""Causes are added up in whole units, so many to one: such a sum does not depend on its order."""
FAN_GRID = Grid(-6.0, 0.01, 1_200)
"""Log of level over starting level, for the fan."""
UNDERWATER_GRID = Grid(0.0, 0.002, 501)
"""Drawdown from the running peak, for the underwater fan."""
DRIVERS = ("price", "demand", "compute", "capex")
"""What AI tokens cost, how many are used, the compute they need, the capital spent on it."""
DRIVER_GRID = Grid(-30.0, 0.02, 3_000)
"""Log of a driver over its value at the start."""
ALIGNED_FALL = 0.30
"""Falls of at least this depth are laid on each other at their peaks."""
ALIGNED_YEARS = 3.0
"""So long after the peak; paths that end sooner are left out, so that every time sees the same paths."""

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
    measures: dict[str, NDArray[np.generic]]  # MEASURES -> (E, P)
    causes: NDArray[np.floating]  # (E, causes, P), logs from peak to trough
    channels: NDArray[np.float32]  # (E, CHANNELS, P), parts of the cause revenue
    inputs: dict[str, FloatArray]  # uncertain assumption -> (P,)
    fan_bins: NDArray[np.int16]  # (E, K, P) on FAN_GRID
    underwater_bins: NDArray[np.int16]  # (E, K, P) on UNDERWATER_GRID
    sample_levels: NDArray[np.floating]  # (E, T+1, p) the block's first paths, USD billion
    levels: NDArray[np.floating] | None = None  # (E, T+1, P) when asked for
    driver_bins: NDArray[np.int16] | None = None  # (D, J+1, P) on DRIVER_GRID
    aligned_bins: NDArray[np.int16] | None = None  # (G, A, P) on FAN_GRID; -1: not aligned
    count: int = 1  # blocks

    def tabled(self, paths: slice) -> dict[str, NDArray[np.generic]]:
        """The measures of some paths as they stand in tables: whoever counts those finds the same."""
        return {
            name: values[:, paths].astype(MEASURES[name], copy=False)
            for name, values in self.measures.items()
        }


@dataclass
class Results:
    """The sum of all blocks of a run.

    ``measures``, ``causes`` and ``inputs`` hold the first ``kept`` paths, in path order; the
    counts hold all ``n`` paths, as they would stand in the tables. Counts and sums are of integers,
    so that the same paths give the same bits, whoever computed and counted them in whatever order.

    E entities, G groups (the first of them), T steps, K fan times, C causes, D drivers, J updates
    of fundamentals, A times since a peak. A run that kept no drivers has J+1 = 0 of them, one that
    kept no aligned paths has A = 0.
    """

    entities: tuple[str, ...]
    times: FloatArray  # (T+1,) years
    fan_steps: IntArray  # (K,) steps at which the fan is kept
    start_levels: FloatArray  # (E,) USD billion at t=0
    keep_paths: int
    measures: dict[str, NDArray[np.generic]]  # MEASURES -> (E, kept)
    causes: NDArray[np.floating]  # (E, C, kept), logs from peak to trough
    sells: BoolArray  # (E, CHANNELS): who has revenue from it
    channels: NDArray[np.float32]  # (pairs of ``sells``, kept): parts of the cause revenue
    inputs: dict[str, FloatArray]  # uncertain assumption -> (kept,)
    counts: dict[str, IntArray]  # GRIDS -> (E, bins)
    cause_units: IntArray  # (E, C, depth bins): the causes of all paths of a depth, added up
    trough_counts: IntArray  # (E, T+1) paths by steps from peak to trough
    recovered_counts: IntArray  # (E, T+1) paths by steps from peak to recovery
    censored_counts: IntArray  # (E, T+1) paths still under water, by steps from peak to the end
    fan_counts: NDArray[np.int32]  # (E, K, bins) on FAN_GRID
    underwater_counts: NDArray[np.int32]  # (E, K, bins) on UNDERWATER_GRID
    sample_levels: NDArray[np.floating]  # (E, T+1, p) USD billion, the first paths
    driver_steps: IntArray  # (J+1,) steps at which the drivers are kept
    driver_counts: NDArray[np.int32]  # (D, J+1, bins) on DRIVER_GRID
    driver_consensus: FloatArray  # (D, J+1) what is priced in, logs
    aligned_steps: IntArray  # (A,) steps since the peak
    aligned_counts: NDArray[np.int32]  # (G, A, bins) log of level over peak, on FAN_GRID
    levels: NDArray[np.floating] | None = None  # (E, T+1, kept) USD billion, when asked for
    cause_names: tuple[str, ...] = CAUSES
    begin: int = 0  # number of the first path; what begins later is there to be merged
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
        *,
        entities: tuple[str, ...],
        times: FloatArray,
        fan_steps: IntArray,
        start_levels: FloatArray,
        inputs: tuple[str, ...],
        paths: int,
        keep_paths: int,
        keep_levels: bool = False,
        sells: BoolArray | None = None,
        driver_steps: IntArray | None = None,
        driver_consensus: FloatArray | None = None,
        aligned_steps: IntArray | None = None,
        groups: int = 0,
        cause_names: tuple[str, ...] = CAUSES,
        begin: int = 0,
    ) -> Results:
        """Room for ``paths`` paths, taken once so that memory is known before the run starts.

        Args:
            entities: names in the order of the first axis of every array.
            times: (T+1,) years, time 0 included.
            fan_steps: (K,) steps at which the fan is kept.
            start_levels: (E,) USD billion.
            inputs: keys of the uncertain assumptions.
            paths: paths the run will have.
            keep_paths: at most so many paths have a row in the tables.
            keep_levels: keep every level of every path in the tables.
            sells: (E, CHANNELS) who has revenue from which channel; nobody if left out.
            driver_steps: (J+1,) steps at which the drivers are kept; none if left out.
            driver_consensus: (D, J+1) the drivers as priced in, logs.
            aligned_steps: (A,) steps since a peak at which falls are kept; none if left out.
            groups: entities that are groups; their falls are aligned.
            cause_names: the causes, where they are not today's.
            begin: number of the first path.
        """
        size, steps, kept = len(entities), times.size, min(paths, keep_paths)
        sells = np.zeros((size, len(CHANNELS)), np.bool_) if sells is None else sells
        fan = (size, fan_steps.size)
        moments = np.zeros(0, np.int64) if driver_steps is None else driver_steps
        lags = np.zeros(0, np.int64) if aligned_steps is None else aligned_steps
        priced_in = np.zeros((len(DRIVERS), moments.size))
        samples = min(kept, SAMPLE_PATHS) if begin == 0 else 0
        return cls(
            entities=entities,
            times=times,
            fan_steps=fan_steps,
            start_levels=start_levels,
            keep_paths=keep_paths,
            # Tables are not zeroed: rows are written before they are read.
            measures={name: np.empty((size, kept), dtype=MEASURES[name]) for name in MEASURES},
            causes=np.empty((size, len(cause_names), kept), np.float32),
            sells=sells,
            channels=np.empty((int(sells.sum()), kept), np.float32),
            inputs={key: np.zeros(kept) for key in inputs},
            counts={name: np.zeros((size, grid.bins), np.int64) for name, grid in GRIDS.items()},
            cause_units=np.zeros((size, len(cause_names), CAUSE_BINS), np.int64),
            trough_counts=np.zeros((size, steps), np.int64),
            recovered_counts=np.zeros((size, steps), np.int64),
            censored_counts=np.zeros((size, steps), np.int64),
            fan_counts=np.zeros((*fan, FAN_GRID.bins), np.int32),
            underwater_counts=np.zeros((*fan, UNDERWATER_GRID.bins), np.int32),
            sample_levels=np.zeros((size, steps, samples), np.float32),
            driver_steps=moments,
            driver_counts=np.zeros((len(DRIVERS), moments.size, DRIVER_GRID.bins), np.int32),
            driver_consensus=priced_in if driver_consensus is None else driver_consensus,
            aligned_steps=lags,
            aligned_counts=np.zeros((groups, lags.size, FAN_GRID.bins), np.int32),
            levels=np.zeros((size, steps, kept), np.float32) if keep_levels else None,
            cause_names=cause_names,
            begin=begin,
        )

    def add(self, block: BlockResult, take: int) -> None:
        """Add the first ``take`` paths of a block; blocks may come in any order, each once."""
        begin = block.block * (block.causes.shape[2] // block.count) - self.begin
        measures = block.tabled(slice(take))
        causes = block.causes[:, :, :take].astype(np.float32, copy=False)
        rows = slice(begin, min(begin + take, self.kept))
        room = max(rows.stop - rows.start, 0)
        if room:
            for name, values in measures.items():
                self.measures[name][:, rows] = values[:, :room]
            self.causes[:, :, rows] = causes[:, :, :room]
            self.channels[:, rows] = block.channels[:, :, :room][self.sells]
            for key, drawn in block.inputs.items():
                self.inputs[key][rows] = drawn[:room]
            if self.levels is not None and block.levels is not None:
                self.levels[:, :, rows] = block.levels[:, :, :room]
        room = min(block.sample_levels.shape[2], take, self.sample_levels.shape[2] - begin)
        if room > 0:
            self.sample_levels[:, :, begin : begin + room] = block.sample_levels[:, :, :room]
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
        """Add what somebody else has counted of other blocks, in any order."""
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

    def add_causes(self, depth: NDArray[np.generic], causes: NDArray[np.floating]) -> None:
        """Add causes (E, C, P) of paths of these depths (E, P) to ``cause_units``."""
        bins = GRIDS["max_drawdown"].index(np.asarray(depth, np.float64)) // _DEPTHS
        offset = np.arange(causes.shape[1])[:, np.newaxis] * self.cause_units.shape[2]
        for row, found in enumerate(bins):  # entity by entity: that stays in the cache
            flat = (found + offset).reshape(-1)
            np.add.at(self.cause_units[row].reshape(-1), flat, _units(causes[row]).reshape(-1))

    def _count_measures(self, measures: dict[str, NDArray[np.generic]]) -> None:
        """Count (E, P) measures on their grids, and times from peak to trough and recovery."""
        with np.errstate(divide="ignore"):  # a loss to zero has log -inf: the lowest bin
            log_1y, log_terminal = (
                np.log1p(np.asarray(measures[name], np.float64))
                for name in ("return_1y", "terminal_return")
            )
        values = {
            "max_drawdown": measures["max_drawdown"],
            "loss_from_start": measures["loss_from_start"],
            "log_1y": log_1y,
            "log_terminal": log_terminal,
            "worst_week": measures["worst_week"],
            "worst_month": measures["worst_month"],
            "relative_loss": np.asarray(measures["dollars_lost"], np.float64)
            / self.start_levels[:, np.newaxis],
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
