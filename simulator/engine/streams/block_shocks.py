"""The shocks of blocks of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.arrays import FloatArray, Precision
from simulator.engine.streams.addresses import (
    BLOCK_PATHS,
    address,
    columns,
    generator,
    raw_words,
    start_shocks,
)
from simulator.engine.streams.box_muller import BoxMullerNormals
from simulator.engine.streams.jump_arrivals import FirmJumps, JumpArrivals
from simulator.model.shocks import TINY, ChainShocks, StartShocks, StepShocks


class BlockShocks:
    """Shocks of one block, or of a few that follow each other: grouping changes no number.

    Parameters
    ----------
    seed
        Run seed, any non-negative integer; 0 is a seed like any other.
    block
        Number of the first block; it holds paths ``block * BLOCK_PATHS`` onwards.
    tickers
        One noise stream per firm, addressed by its ticker, so that adding a
        firm moves no other firm's noise.
    chances
        Per firm, of a jump in a step.
    count
        Number of blocks.
    precision
        Of the paths; the draws are the same.
    """

    _NORMALS = ("market", "volatility", "sector")
    _UNIFORMS = ("regime", "hazard", "market_jump")

    def __init__(
        self,
        seed: int,
        block: int,
        tickers: tuple[str, ...],
        chances: FloatArray,
        count: int = 1,
        precision: Precision = np.float32,
    ) -> None:
        self._seed, self._tickers, self.precision = seed, tickers, precision
        self._blocks = range(block, block + count)
        self.paths = count * BLOCK_PATHS
        self._common = BoxMullerNormals(self._bits("step", self._NORMALS))
        self._firms = BoxMullerNormals(self._bits("firm", tickers))
        self._quarters = BoxMullerNormals(self._bits("chain", ("price", "demand")))
        self._uniforms = self._bits("step", self._UNIFORMS)
        self._buffer = np.empty((0, 0, 0), precision)
        (war,) = self._bits("chain", ("price_war",))
        self._war = [np.random.Generator(bits) for bits in war]
        gaps, sizes = (self._bits(kind, tickers) for kind in ("jump", "jump size"))
        self._jumps = JumpArrivals(
            [
                FirmJumps(firm, i, float(chance), gaps[firm][i], sizes[firm][i])
                for firm, chance in enumerate(chances)
                if chance > 0.0
                for i in range(count)
            ]
        )

    def _bits(self, kind: str, names: Sequence[str]) -> list[list[np.random.SFC64]]:
        """The streams of these names, one a block."""
        return [
            [np.random.SFC64(address(self._seed, f"{kind}:{name}", b)) for b in self._blocks]
            for name in names
        ]

    def _once(self, name: str) -> FloatArray:
        drawn = [generator(self._seed, name, b).random(BLOCK_PATHS) for b in self._blocks]
        return np.maximum(np.concatenate(drawn), TINY)

    def assumption(self, key: str) -> FloatArray:
        """Uniforms of one uncertain assumption, shape ``(path,)``."""
        return self._once(f"assumption:{key}")

    def start(self) -> StartShocks:
        """Draws made once per path."""
        return start_shocks(self._once, self._tickers)

    def steps(self, count: int) -> StepShocks:
        """The draws of the next ``count`` steps that firms share: buffers, valid until the next call."""
        normals = len(self._NORMALS)
        if self._buffer.shape[1] != count:  # fresh memory costs more than what is drawn
            shape = (normals + len(self._UNIFORMS), count, self.paths)
            self._buffer = np.empty(shape, self.precision)
        normal, uniform = self._buffer[:normals], self._buffer[normals:]
        for step in range(count):
            normal[:, step] = self._common.step()
        for row, blocks in enumerate(self._uniforms):
            for i, bits in enumerate(blocks):
                # A word of 64 bits serves two paths.
                drawn = raw_words(bits, count * BLOCK_PATHS // 2).view("<u4")
                uniform[row, :, columns(i)] = drawn.reshape(count, BLOCK_PATHS)
        uniform += 0.5
        uniform *= 2.0**-32
        names = (*self._NORMALS, *self._UNIFORMS)
        rows = dict(zip(names, self._buffer, strict=True))
        return StepShocks(**rows, jumps=self._jumps.steps(count))

    def firms(self) -> FloatArray:
        """The next step's normals of firms: a buffer, valid until the next call."""
        return self._firms.step().astype(self.precision, copy=False)

    def chain(self) -> ChainShocks:
        """Draw the technology chain's next step."""
        price, demand = self._quarters.step().astype(self.precision)
        war = np.concatenate([stream.random(BLOCK_PATHS) for stream in self._war])
        return ChainShocks(price, demand, np.maximum(war, TINY).astype(self.precision))
