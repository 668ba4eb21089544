"""Addressed random numbers: the only place that draws.

Every stream has an address, (seed, name, block), and nothing else decides its numbers:
not the number of workers, the order of the blocks, the horizon, nor which other streams
exist. A block always draws all its ``BLOCK_PATHS`` columns, so the first N paths stay
when N grows. Scenarios share their noise (common random numbers) because names, not
scenarios, address the streams.

Generator: SFC64 under ``SeedSequence(seed, spawn_key=(crc32(name), block))``; normals by
numpy's ziggurat. Measured in docs/performance.md; part of the result format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray

BLOCK_PATHS = 1024
"""Paths in a block: the unit of randomness. Changing it changes every result."""

JUMP_LEVELS = 1 << 16
"""Firm jumps compare a 16-bit word with their probability: a resolution of 1.5e-5 a step."""

TINY = 2.0**-54
"""Keeps a uniform off 0, where normal scores are infinite."""


@dataclass(frozen=True)
class StepShocks:
    """The noise of one step; the arrays are buffers, valid until the next step.

    Normals: market, volatility, sector ``(path,)``; firm ``(firm, path)``. Uniforms in
    [0, 1): regime, hazard, market_jump, jump_size ``(path,)``. ``firm_jump`` holds 16-bit
    words, one row for each firm that can jump.
    """

    market: FloatArray
    volatility: FloatArray
    sector: FloatArray
    regime: FloatArray
    hazard: FloatArray
    market_jump: FloatArray
    jump_size: FloatArray
    firm: FloatArray
    firm_jump: NDArray[np.uint16]


@dataclass(frozen=True)
class ChainShocks:
    """The noise of one step of the technology chain, ``(path,)``.

    Normals: price, demand; uniform in (0, 1): price_war.
    """

    price: FloatArray
    demand: FloatArray
    price_war: FloatArray


@dataclass(frozen=True)
class StartShocks:
    """The noise drawn once per path, uniforms in (0, 1) of shape ``(path,)``.

    ``lab`` is ``(firm, path)``: when a private lab fails once funding is shut.
    """

    regime: FloatArray
    volatility: FloatArray
    opening: FloatArray
    bust_length: FloatArray
    recession: FloatArray
    lab: FloatArray


class Shocks(Protocol):
    """Where the engine's noise comes from."""

    paths: int

    def assumption(self, key: str) -> FloatArray:
        """Uniforms in (0, 1), shape ``(path,)``, for one uncertain assumption."""

    def start(self) -> StartShocks:
        """Draws made once per path."""

    def step(self) -> StepShocks:
        """The next step's draws."""

    def chain(self) -> ChainShocks:
        """The next draws of the technology chain, which has a slower clock."""


def generator(seed: int, name: str, block: int) -> np.random.Generator:
    """The stream called ``name`` of one block."""
    return np.random.Generator(np.random.SFC64(_address(seed, name, block)))


def _address(seed: int, name: str, block: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()), block))


class BlockShocks:
    """Shocks of one block, or of a few that follow each other: grouping changes no number.

    Args:
        seed: run seed, any non-negative integer; 0 is a seed like any other.
        block: number of the first block; it holds paths ``block * BLOCK_PATHS`` onwards.
        tickers: one noise stream per firm, addressed by its ticker, so that adding a
            firm moves no other firm's noise.
        jumping: per firm, whether its jump words are needed at all.
        count: number of blocks.
    """

    _NORMALS = ("market", "volatility", "sector")
    _UNIFORMS = ("regime", "hazard", "market_jump", "jump_size")

    def __init__(
        self,
        seed: int,
        block: int,
        tickers: tuple[str, ...],
        jumping: NDArray[np.bool_],
        count: int = 1,
    ) -> None:
        self._seed, self._tickers = seed, tickers
        self._blocks = range(block, block + count)
        self.paths = count * BLOCK_PATHS
        jumpers = [f"jump:{t}" for t, jumps in zip(tickers, jumping, strict=True) if jumps]
        normal = np.empty((len(self._NORMALS), self.paths))
        uniform = np.empty((len(self._UNIFORMS), self.paths))
        firm = np.empty((len(tickers), self.paths))
        # One 64-bit word serves a path for four steps.
        self._words = np.empty((len(jumpers), self.paths), dtype="<u8")
        self._firm_jump = np.empty((len(jumpers), self.paths), dtype=np.uint16)
        rows = dict(zip((*self._NORMALS, *self._UNIFORMS), (*normal, *uniform), strict=True))
        self._step = StepShocks(**rows, firm=firm, firm_jump=self._firm_jump)
        self._draw_step = [
            *self._fill("standard_normal", [f"step:{n}" for n in self._NORMALS], normal),
            *self._fill("standard_normal", [f"firm:{t}" for t in tickers], firm),
            *self._fill("random", [f"step:{n}" for n in self._UNIFORMS], uniform),
        ]
        self._draw_words = self._streams(jumpers, self._words)
        price, demand, war = chain = np.empty((3, self.paths))
        self._chain = ChainShocks(price, demand, war)
        self._draw_chain = [
            *self._fill("standard_normal", ["chain:price", "chain:demand"], chain[:2]),
            *self._fill("random", ["chain:price_war"], chain[2:]),
        ]
        self._steps = 0

    def _streams(self, names: list[str], rows: Any) -> list[tuple[np.random.Generator, Any]]:
        """Each stream of each block, with the part of its row that it fills."""
        return [
            (generator(self._seed, name, block), row[i * BLOCK_PATHS : (i + 1) * BLOCK_PATHS])
            for name, row in zip(names, rows, strict=True)
            for i, block in enumerate(self._blocks)
        ]

    def _fill(self, method: str, names: list[str], rows: FloatArray) -> list[Callable[[], Any]]:
        """Calls that each draw one stream's next numbers into its place."""
        return [
            partial(getattr(stream, method), out=row) for stream, row in self._streams(names, rows)
        ]

    def _once(self, name: str) -> FloatArray:
        drawn = [generator(self._seed, name, b).random(BLOCK_PATHS) for b in self._blocks]
        return np.maximum(np.concatenate(drawn), TINY)

    def assumption(self, key: str) -> FloatArray:
        """Uniforms of one uncertain assumption, shape ``(path,)``."""
        return self._once(f"assumption:{key}")

    def start(self) -> StartShocks:
        """Draws made once per path."""
        return StartShocks(
            regime=self._once("start:regime"),
            volatility=self._once("start:volatility"),
            opening=self._once("start:opening"),
            bust_length=self._once("start:bust_length"),
            recession=self._once("start:recession"),
            lab=np.stack([self._once(f"lab:{ticker}") for ticker in self._tickers]),
        )

    def step(self) -> StepShocks:
        """Draw the next step into the buffers."""
        for draw in self._draw_step:
            draw()
        quarter = self._steps % 4
        if quarter == 0:
            for stream, row in self._draw_words:
                row[...] = stream.bit_generator.random_raw(BLOCK_PATHS)
        self._steps += 1
        self._firm_jump[...] = self._words.view("<u2")[:, quarter::4]
        return self._step

    def chain(self) -> ChainShocks:
        """Draw the technology chain's next step."""
        for draw in self._draw_chain:
            draw()
        np.maximum(self._chain.price_war, TINY, out=self._chain.price_war)
        return self._chain


class NoShocks:
    """Noise off: every normal 0, every uniform in the middle, no jump.

    Args:
        paths: columns.
        firms: number of firms.
    """

    def __init__(self, paths: int, firms: int) -> None:
        self.paths = paths
        middle, zero = np.full(paths, 0.5), np.zeros(paths)
        self._middle = middle
        self._start = StartShocks(
            middle, middle, middle, middle, middle, np.full((firms, paths), 0.5)
        )
        self._step = StepShocks(
            *(zero, zero, zero),
            *(middle, middle, middle, middle),
            np.zeros((firms, paths)),
            np.empty((0, paths), np.uint16),
        )
        self._chain = ChainShocks(zero, zero, middle)

    def assumption(self, key: str) -> FloatArray:  # noqa: ARG002 - as the protocol has it
        """The median of every assumption."""
        return self._middle

    def start(self) -> StartShocks:
        """Middle of every draw."""
        return self._start

    def step(self) -> StepShocks:
        """A step without noise."""
        return self._step

    def chain(self) -> ChainShocks:
        """A step of the chain without noise."""
        return self._chain
