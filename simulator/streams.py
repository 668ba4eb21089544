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

from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray

BLOCK_PATHS = 1024
"""Paths in a block: the unit of randomness. Changing it changes every result."""

JUMP_LEVELS = 1 << 16
"""Firm jumps compare a 16-bit word with their probability: a resolution of 1.5e-5 a step."""

_OPEN = 2.0**-54  # keeps a uniform off 0, where normal scores are infinite


@dataclass
class StepShocks:
    """The noise of one step; the arrays are buffers, valid until the next step.

    Normals: market, volatility, price, demand, sector ``(path,)``; firm ``(firm, path)``.
    Uniforms in (0, 1): regime, hazard, market_jump, price_war, jump_size ``(path,)``.
    ``firm_jump`` ``(firm, path)`` holds words below ``JUMP_LEVELS``.
    """

    market: FloatArray
    volatility: FloatArray
    price: FloatArray
    demand: FloatArray
    sector: FloatArray
    firm: FloatArray
    regime: FloatArray
    hazard: FloatArray
    market_jump: FloatArray
    price_war: FloatArray
    jump_size: FloatArray
    firm_jump: NDArray[np.uint16]


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


def generator(seed: int, name: str, block: int) -> np.random.Generator:
    """The stream called ``name`` of one block."""
    address = np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()), block))
    return np.random.Generator(np.random.SFC64(address))


class BlockShocks:
    """Shocks of one block.

    Args:
        seed: run seed, any non-negative integer; 0 is a seed like any other.
        block: block number; it holds paths ``block * BLOCK_PATHS`` onwards.
        tickers: one noise stream per firm, addressed by its ticker, so that adding a
            firm moves no other firm's noise.
        jumping: per firm, whether its jump words are needed at all.
    """

    paths = BLOCK_PATHS
    _NORMALS = ("market", "volatility", "price", "demand", "sector")
    _UNIFORMS = ("regime", "hazard", "market_jump", "price_war", "jump_size")

    def __init__(
        self, seed: int, block: int, tickers: tuple[str, ...], jumping: NDArray[np.bool_]
    ) -> None:
        self._seed, self._block, self._tickers = seed, block, tickers
        self._normals = [self._stream(f"step:{name}") for name in self._NORMALS]
        self._uniforms = [self._stream(f"step:{name}") for name in self._UNIFORMS]
        self._firms = [self._stream(f"firm:{ticker}") for ticker in tickers]
        self._jumps = [
            (row, np.random.SFC64(self._sequence(f"jump:{ticker}")))
            for row, ticker in enumerate(tickers)
            if jumping[row]
        ]
        firms = len(tickers)
        self._normal = np.empty((len(self._NORMALS), BLOCK_PATHS))
        self._uniform = np.empty((len(self._UNIFORMS), BLOCK_PATHS))
        self._firm = np.empty((firms, BLOCK_PATHS))
        # A firm that never jumps keeps the highest word, which is below no probability.
        self._jump = np.full((firms, BLOCK_PATHS), JUMP_LEVELS - 1, dtype=np.uint16)

    def _sequence(self, name: str) -> np.random.SeedSequence:
        return np.random.SeedSequence(self._seed, spawn_key=(crc32(name.encode()), self._block))

    def _stream(self, name: str) -> np.random.Generator:
        return generator(self._seed, name, self._block)

    def _once(self, name: str) -> FloatArray:
        return np.maximum(self._stream(name).random(BLOCK_PATHS), _OPEN)

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
        """Draw the next step into the block's buffers."""
        for stream, row in zip(self._normals, self._normal, strict=True):
            stream.standard_normal(out=row)
        for stream, row in zip(self._uniforms, self._uniform, strict=True):
            stream.random(out=row)
        np.maximum(self._uniform, _OPEN, out=self._uniform)
        for stream, row in zip(self._firms, self._firm, strict=True):
            stream.standard_normal(out=row)
        for firm, bits in self._jumps:
            # One 64-bit word serves four paths; little-endian on every machine.
            words = bits.random_raw(BLOCK_PATHS // 4).astype("<u8", copy=False)
            self._jump[firm] = words.view("<u2")
        return StepShocks(
            *self._normal, self._firm, *self._uniform, self._jump
        )


class NoShocks:
    """Noise off: every normal 0, every uniform in the middle, no jump. ``paths`` columns."""

    def __init__(self, paths: int, firms: int) -> None:
        self.paths = paths
        middle, zero = np.full(paths, 0.5), np.zeros(paths)
        self._start = StartShocks(
            middle, middle, middle, middle, middle, np.full((firms, paths), 0.5)
        )
        self._step = StepShocks(
            zero,
            zero,
            zero,
            zero,
            zero,
            np.zeros((firms, paths)),
            middle,
            middle,
            middle,
            middle,
            middle,
            np.full((firms, paths), JUMP_LEVELS - 1, dtype=np.uint16),
        )

    def assumption(self, key: str) -> FloatArray:
        """The median of every assumption."""
        return np.full(self.paths, 0.5)

    def start(self) -> StartShocks:
        """Middle of every draw."""
        return self._start

    def step(self) -> StepShocks:
        """A step without noise."""
        return self._step
