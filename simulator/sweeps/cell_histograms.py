"""What a cell keeps: how many paths fell into which bin, as whole numbers that add up.

Beside the counts of all paths stand coarse ones of 32 interleaved groups (path number modulo
32). Leaving out one group at a time gives the error of any statistic, and, since the cells of a
sweep share their noise, of its difference between two cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import BoolArray, FloatArray, IntArray
from simulator.engine import BlockResult
from simulator.engine.results import GRIDS
from simulator.statistics import Grid
from simulator.statistics.paired import GROUPS

Tally = NDArray[np.int32]

_FACTORS = {
    "max_drawdown": 100,
    "loss_from_start": 100,
    "log_terminal": 25,
    "worst_week": 5,
    "worst_month": 5,
    "relative_loss": 20,
}
"""Grids that are counted on, and how many of their bins make one of a group: errors need no more."""
SPELLS = ("trough", "recovered", "censored", "underwater")
"""Steps from peak to trough, to recovery, to the end if not recovered; longest time under water."""


@dataclass
class CellHistograms:
    """Counts of ``n`` paths. E entities, T steps.

    ``fine`` holds (E, bins) by name of a grid and (E, T+1) by name of a spell; ``groups`` the
    same by group, (E, GROUPS, coarser bins). Each is a view into one flat array.
    """

    entities: tuple[str, ...]
    times: FloatArray  # (T+1,) years
    start_levels: FloatArray  # (E,) USD billion
    n: int = 0
    fine: dict[str, Tally] = field(init=False)
    groups: dict[str, Tally] = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.entities)
        bins = {name: self.grid(name).bins for name in (*_FACTORS, *SPELLS)}
        coarse = {
            name: int(self._coarse(name, np.array([n - 1]))[0]) + 1 for name, n in bins.items()
        }
        self._flat, self.fine = _views({name: (size, n) for name, n in bins.items()})
        self._flat_groups, self.groups = _views(
            {name: (size, GROUPS, n) for name, n in coarse.items()}
        )

    def grid(self, name: str) -> Grid:
        """The grid of ``fine``; that of a spell has a bin for every number of steps."""
        return GRIDS[name] if name in _FACTORS else Grid(-0.5, 1.0, self.times.size)

    def group_edges(self, name: str) -> FloatArray:
        """Edges of the bins of ``groups``, in the unit of the grid."""
        grid, edges = self.grid(name), np.arange(self.groups[name].shape[2] + 1.0)
        first = grid.low if name in _FACTORS else grid.low + 1 - self._factor(name)
        return np.asarray(first + grid.width * self._factor(name) * edges)

    def group_bin(self, name: str, steps: int) -> int:
        """The bin of ``groups`` that holds a number of steps."""
        return int(self._coarse(name, np.array([steps]))[0])

    def _factor(self, name: str) -> int:
        """Bins in a bin of a group; for steps a quarter of a year."""
        if name in _FACTORS:
            return _FACTORS[name]
        per_year = round(1 / float(self.times[1]))
        return per_year // 4 if per_year % 4 == 0 else 1

    def _coarse(self, name: str, bins: IntArray) -> IntArray:
        """Group's bin of each bin; one of steps ends with its last step, so that whole years show."""
        factor = self._factor(name)
        return bins // factor if name in _FACTORS else -(-bins // factor)

    def add(self, block: BlockResult, chosen: slice) -> None:
        """Count the ``chosen`` paths of a block, which are the next ones."""
        measures = block.tabled(chosen)
        group = np.arange(self.n, self.n + measures["max_drawdown"].shape[1]) % GROUPS
        with np.errstate(divide="ignore"):  # a loss to zero has log -inf: the lowest bin
            log_terminal = np.log1p(np.asarray(measures["terminal_return"], np.float64))
        lost = np.asarray(measures["dollars_lost"], np.float64)
        values = {
            **measures,
            "log_terminal": log_terminal,
            "relative_loss": lost / self.start_levels[:, np.newaxis],
        }
        for name in _FACTORS:
            self._tally(name, GRIDS[name].index(np.asarray(values[name], np.float64)), group)
        peak, trough, recovery, underwater = (
            np.asarray(measures[name], np.int64)
            for name in ("peak_step", "trough_step", "recovery_step", "underwater_steps")
        )
        regained = recovery >= 0
        last = self.times.size - 1
        self._tally("trough", trough - peak, group)
        self._tally("underwater", underwater, group)
        self._tally("recovered", recovery - peak, group, regained)
        self._tally("censored", last - peak, group, ~regained)
        self.n += group.size

    def _tally(
        self, name: str, bins: IntArray, group: IntArray, where: BoolArray | None = None
    ) -> None:
        """Add one for each entry of ``bins`` (E, P)."""
        fine, groups = self.fine[name], self.groups[name]
        coarse = group * groups.shape[2] + self._coarse(name, bins)
        chosen = slice(None) if where is None else where.reshape(-1)
        for counts, places in ((fine, bins), (groups, coarse)):
            rows = np.arange(len(counts))[:, np.newaxis] * counts[0].size
            flat = (places + rows).reshape(-1)[chosen]
            np.add.at(counts.reshape(-1), flat, np.ones(flat.size, np.int32))

    def pack(self) -> dict[str, NDArray[np.generic]]:
        """The counts as arrays for a file: the bins that are not empty; most are."""
        packed: dict[str, NDArray[np.generic]] = {
            "entities": np.array(self.entities),
            "times": self.times,
            "start_levels": self.start_levels,
            "paths": np.array([self.n]),
        }
        for name, flat in (("fine", self._flat), ("groups", self._flat_groups)):
            bins = np.flatnonzero(flat != 0)  # of flags: five times as fast
            packed[f"{name}_gaps"] = _smallest(np.diff(bins, prepend=0))
            packed[f"{name}_paths"] = _smallest(flat[bins])
        return packed

    @classmethod
    def unpack(cls, packed: Mapping[str, NDArray[np.generic]]) -> CellHistograms:
        """What :meth:`pack` made. Raises KeyError, IndexError or ValueError if it does not fit."""
        histograms = cls(
            tuple(str(name) for name in packed["entities"]),
            np.asarray(packed["times"], np.float64),
            np.asarray(packed["start_levels"], np.float64),
            int(packed["paths"][0]),
        )
        for name, flat in (("fine", histograms._flat), ("groups", histograms._flat_groups)):
            bins = np.cumsum(packed[f"{name}_gaps"], dtype=np.int64)
            flat[bins] = packed[f"{name}_paths"]
        return histograms


def _views(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Tally, dict[str, Tally]]:
    """One flat array of zeros, and its parts by name."""
    sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    flat = np.zeros(sum(sizes.values()), np.int32)
    parts = np.split(flat, np.cumsum(list(sizes.values()))[:-1])
    return flat, {
        name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def _smallest(values: NDArray[np.integer]) -> NDArray[np.generic]:
    """The values in the smallest unsigned type that holds them."""
    most = int(values.max(initial=0))
    kind = next(k for k in (np.uint8, np.uint16, np.uint32) if most <= np.iinfo(k).max)
    return values.astype(kind)
