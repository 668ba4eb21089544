"""When firms jump: rare events, by the gaps between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simulator.engine.streams.addresses import BLOCK_PATHS
from simulator.model.shocks import TINY, Arrivals, joined

_BITS = BLOCK_PATHS.bit_length() - 1

_FAR = 2.0**40
"""A gap beyond any horizon."""


class FirmJumps:
    """When one firm jumps on the paths of one block, by the gaps between jumps.

    In the row of all cells (step, path) each holds a jump with the same chance, so gaps are
    geometric, and the many cells without one cost nothing.
    """

    def __init__(
        self, firm: int, block: int, chance: float, gaps: np.random.SFC64, sizes: np.random.SFC64
    ) -> None:
        self._firm, self._first, self._chance = firm, block * BLOCK_PATHS, chance
        self._gaps, self._sizes = np.random.Generator(gaps), np.random.Generator(sizes)
        self._log_none = math.log1p(-min(max(chance, 1e-30), 1.0 - 2.0**-53))  # no jump
        # The last cell returned, and events drawn beyond it.
        self._cells, self._uniforms = np.array([-1]), np.array([0.5])

    def until(self, step: int) -> Arrivals:
        """The jumps before a step that have not been returned yet."""
        cells, uniforms, end = self._cells, self._uniforms, step * BLOCK_PATHS
        while cells[-1] < end:
            mean = self._chance * (end - cells[-1])
            more = int(mean + 6.0 * math.sqrt(mean)) + 8
            gaps = np.ceil(np.log1p(-self._gaps.random(more)) / self._log_none)
            gaps = np.clip(gaps, 1.0, _FAR).astype(np.int64)
            cells = np.concatenate([cells, cells[-1] + np.cumsum(gaps)])
            uniforms = np.concatenate([uniforms, self._sizes.random(more)])
        rest = int(np.searchsorted(cells, end))
        self._cells, self._uniforms = cells[rest - 1 :], uniforms[rest - 1 :]
        steps, paths = cells[1:rest] >> _BITS, cells[1:rest] & (BLOCK_PATHS - 1)
        paths += self._first
        firms = np.full(steps.size, self._firm)
        return Arrivals(steps, firms, paths, np.maximum(uniforms[1:rest], TINY))


class JumpArrivals:
    """The jumps of all firms, step by step."""

    _AHEAD = 130  # steps drawn at once; it changes no number

    def __init__(self, each: Sequence[FirmJumps]) -> None:
        self._each, self._held = each, joined([])
        self._now = self._drawn = 0

    def steps(self, count: int) -> Arrivals:
        """The jumps of the next ``count`` steps."""
        begin, self._now = self._now, self._now + count
        while self._drawn < self._now:
            self._drawn += self._AHEAD
            new = joined([jumps.until(self._drawn) for jumps in self._each])
            # Short numbers are sorted by their digits.
            since = new.step - (self._drawn - self._AHEAD)
            order = np.argsort(since.astype(np.int16), kind="stable")
            self._held = joined([self._held, new[order]])
        due = np.searchsorted(self._held.step, self._now)
        due_now, self._held = self._held[:due], self._held[due:]
        return replace(due_now, step=due_now.step - begin)
