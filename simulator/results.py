"""What survives a block, and how blocks add up.

A block of paths yields a :class:`BlockResult`; :class:`Results` is their sum. The
per-path table is kept for the first ``keep_paths`` paths only; every other statistic
lives in counts on fixed grids, which merge exactly and in any order, so memory does
not grow with the number of paths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import BoolArray, FloatArray, IntArray

CAUSES = (
    "revenue",
    "margin",
    "expectations",
    "sentiment",
    "news",
    "rates",
    "market",
    "contagion",
    "firm",
    "growth",
)
"""The named parts of a log price (docs/model.md, section 3). They sum to it exactly."""

MEASURES: dict[str, type[np.float64] | type[np.int16]] = {
    "max_drawdown": np.float64,
    "peak_step": np.int16,
    "trough_step": np.int16,
    "recovery_step": np.int16,  # -1: still under water at the end
    "underwater_steps": np.int16,
    "worst_week": np.float64,
    "worst_month": np.float64,
    "terminal_return": np.float64,
    "dollars_lost": np.float64,
}
"""What is measured on every path of every entity, and its type in the tables."""

SAMPLE_PATHS = 30
"""Whole paths kept for pictures."""


@dataclass(frozen=True)
class Grid:
    """``bins`` equal bins of ``width`` from ``low``; values outside land in the end bins."""

    low: float
    width: float
    bins: int

    @property
    def _per_unit(self) -> float:
        # A product is exact where a quotient is not: 0.3 / 1e-4 is just below 3000.
        return float(np.rint(1.0 / self.width))

    def index(self, values: FloatArray) -> IntArray:
        """Bin of each value."""
        scaled = np.floor((values - self.low) * self._per_unit)
        return np.clip(scaled, 0, self.bins - 1).astype(np.int64)

    def index_into(self, values: FloatArray, out: NDArray[np.int16]) -> None:
        """As ``index``, in place: ``values`` is used up, ``out`` gets the bins."""
        values -= self.low
        values *= self._per_unit
        np.clip(values, 0.0, self.bins - 1.0, out=values)
        out[...] = values  # rounds down

    @property
    def edges(self) -> FloatArray:
        """Bin edges, ``bins + 1`` of them."""
        return np.asarray(self.low + self.width * np.arange(self.bins + 1), np.float64)


GRIDS = {
    "max_drawdown": Grid(
        0.0, 1e-4, 10_001
    ),  # 0.01 points of depth; a loss of 100 % has its own bin
    "log_terminal": Grid(-12.0, 0.002, 10_000),  # log of terminal over starting level
    "worst_week": Grid(-1.0, 1e-3, 2_000),
    "worst_month": Grid(-1.0, 1e-3, 2_000),
    "relative_loss": Grid(0.0, 2e-3, 10_000),  # dollars lost over starting value
}
FAN_GRID = Grid(-6.0, 0.01, 1_200)
"""Log of level over starting level, for the fan."""
UNDERWATER_GRID = Grid(0.0, 0.002, 501)
"""Drawdown from the running peak, for the underwater fan."""


@dataclass
class BlockResult:
    """Blocks that follow each other, in path order. E entities, P paths, T steps, K fan times."""

    block: int  # number of the first
    measures: dict[str, NDArray[np.generic]]  # MEASURES -> (E, P)
    causes: FloatArray  # (E, causes, P), logs from peak to trough
    inputs: dict[str, FloatArray]  # uncertain assumption -> (P,)
    fan_bins: NDArray[np.int16]  # (E, K, P) on FAN_GRID
    underwater_bins: NDArray[np.int16]  # (E, K, P) on UNDERWATER_GRID
    sample_levels: FloatArray  # (E, T+1, p) the block's first paths, USD billion
    levels: FloatArray | None = None  # (E, T+1, P) when asked for
    count: int = 1  # blocks


@dataclass
class Results:
    """The sum of all blocks of a run.

    ``measures``, ``causes`` and ``inputs`` hold the first ``kept`` paths, in path order; the
    counts hold all ``n`` paths. Counts are integers and causes are summed path after path,
    so that the same paths give the same bits whatever process computed their block.

    E entities, T steps, K fan times, C causes.
    """

    entities: tuple[str, ...]
    times: FloatArray  # (T+1,) years
    fan_steps: IntArray  # (K,) steps at which the fan is kept
    start_levels: FloatArray  # (E,) USD billion at t=0
    keep_paths: int
    measures: dict[str, NDArray[np.generic]]  # MEASURES -> (E, kept)
    causes: FloatArray  # (E, C, kept), logs from peak to trough
    inputs: dict[str, FloatArray]  # uncertain assumption -> (kept,)
    counts: dict[str, IntArray]  # GRIDS -> (E, bins)
    cause_sums: FloatArray  # (E, C, depth bins): the causes of all paths of a depth, added up
    trough_counts: IntArray  # (E, T+1) paths by steps from peak to trough
    recovered_counts: IntArray  # (E, T+1) paths by steps from peak to recovery
    censored_counts: IntArray  # (E, T+1) paths still under water, by steps from peak to the end
    fan_counts: NDArray[np.int32]  # (E, K, bins) on FAN_GRID
    underwater_counts: NDArray[np.int32]  # (E, K, bins) on UNDERWATER_GRID
    sample_levels: FloatArray  # (E, T+1, p) USD billion, the first paths
    levels: FloatArray | None = None  # (E, T+1, kept) USD billion, when asked for
    n: int = 0  # paths so far
    blocks: int = 0  # blocks so far

    @property
    def kept(self) -> int:
        """Number of paths in the per-path tables."""
        return int(self.causes.shape[2])

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
        """
        size, steps, kept = len(entities), times.size, min(paths, keep_paths)
        fan = (size, fan_steps.size)
        return cls(
            entities=entities,
            times=times,
            fan_steps=fan_steps,
            start_levels=start_levels,
            keep_paths=keep_paths,
            measures={name: np.zeros((size, kept), dtype=MEASURES[name]) for name in MEASURES},
            causes=np.zeros((size, len(CAUSES), kept)),
            inputs={key: np.zeros(kept) for key in inputs},
            counts={name: np.zeros((size, grid.bins), np.int64) for name, grid in GRIDS.items()},
            cause_sums=np.zeros((size, len(CAUSES), GRIDS["max_drawdown"].bins)),
            trough_counts=np.zeros((size, steps), np.int64),
            recovered_counts=np.zeros((size, steps), np.int64),
            censored_counts=np.zeros((size, steps), np.int64),
            fan_counts=np.zeros((*fan, FAN_GRID.bins), np.int32),
            underwater_counts=np.zeros((*fan, UNDERWATER_GRID.bins), np.int32),
            sample_levels=np.zeros((size, steps, min(kept, SAMPLE_PATHS))),
            levels=np.zeros((size, steps, kept)) if keep_levels else None,
        )

    def add(self, block: BlockResult, take: int) -> None:
        """Add the first ``take`` paths of the next block.

        Blocks come in order: a sum of floats depends on the order of its terms.
        """
        if block.block != self.blocks:
            raise ValueError(f"block {block.block} came when block {self.blocks} was due")
        measures = {name: values[:, :take] for name, values in block.measures.items()}
        causes = block.causes[:, :, :take]
        rows = slice(self.n, min(self.n + take, self.kept))
        room = max(rows.stop - rows.start, 0)
        if room:
            for name, values in measures.items():
                self.measures[name][:, rows] = values[:, :room]
            self.causes[:, :, rows] = causes[:, :, :room]
            for key, drawn in block.inputs.items():
                self.inputs[key][rows] = drawn[:room]
            if self.levels is not None and block.levels is not None:
                self.levels[:, :, rows] = block.levels[:, :, :room]
        samples = self.sample_levels.shape[2]
        if self.n < samples:
            room = min(block.sample_levels.shape[2], take, samples - self.n)
            self.sample_levels[:, :, self.n : self.n + room] = block.sample_levels[:, :, :room]
        self._count_measures(measures)
        self.add_causes(measures["max_drawdown"], causes)
        _tally(self.fan_counts, block.fan_bins[:, :, :take])
        _tally(self.underwater_counts, block.underwater_bins[:, :, :take])
        self.n += take
        self.blocks += block.count

    def add_causes(self, depth: NDArray[np.generic], causes: FloatArray) -> None:
        """Add causes (E, C, P) of paths of these depths (E, P) to ``cause_sums``, path by path."""
        bins = GRIDS["max_drawdown"].index(np.asarray(depth, np.float64))
        rows = np.arange(causes.shape[0] * causes.shape[1]).reshape(*causes.shape[:2], 1)
        flat = rows * self.cause_sums.shape[2] + bins[:, np.newaxis, :]
        np.add.at(self.cause_sums.reshape(-1), flat.reshape(-1), causes.reshape(-1))

    def _count_measures(self, measures: dict[str, NDArray[np.generic]]) -> None:
        """Count (E, P) measures on their grids, and times from peak to trough and recovery."""
        with np.errstate(divide="ignore"):  # a loss to zero has log -inf: the lowest bin
            log_terminal = np.log1p(np.asarray(measures["terminal_return"], np.float64))
        values = {
            "max_drawdown": measures["max_drawdown"],
            "log_terminal": log_terminal,
            "worst_week": measures["worst_week"],
            "worst_month": measures["worst_month"],
            "relative_loss": np.asarray(measures["dollars_lost"], np.float64)
            / self.start_levels[:, np.newaxis],
        }
        for name, grid in GRIDS.items():
            _tally(self.counts[name], grid.index(np.asarray(values[name], np.float64)))
        peak, trough, recovery = (
            np.asarray(measures[f"{name}_step"], np.int64)
            for name in ("peak", "trough", "recovery")
        )
        _tally(self.trough_counts, trough - peak)
        regained = recovery >= 0
        last = self.times.size - 1
        _tally(self.recovered_counts, recovery - peak, regained)
        _tally(self.censored_counts, last - peak, ~regained)


def _tally(
    counts: NDArray[np.signedinteger], bins: NDArray[np.integer], where: BoolArray | None = None
) -> None:
    """Add one to ``counts`` (..., bins) for each entry of ``bins`` (..., P), in place."""
    inner = int(np.prod(counts.shape[1:-1], dtype=np.int64))
    offset = (np.arange(inner) * counts.shape[-1]).reshape(*counts.shape[1:-1], 1)
    for row, found in enumerate(bins):  # entity by entity: that stays in the cache
        flat = (found + offset).reshape(-1)
        chosen = flat if where is None else flat[where[row].reshape(-1)]
        counts[row] += np.bincount(chosen, minlength=counts[row].size).reshape(counts[row].shape)
