"""Addressed random numbers: the only place that draws.

Every stream has an address, (seed, name, block), and nothing else decides its numbers:
not the number of workers, the order of the blocks, the horizon, nor which other streams
exist. A block always draws all its ``BLOCK_PATHS`` columns, so the first N paths stay
when N grows. Scenarios share their noise (common random numbers) because names, not
scenarios, address the streams.

Generator: SFC64 under ``SeedSequence(seed, spawn_key=(crc32(name), block))``; normals of steps
by Box and Muller's method in 32 bits. Measured in docs/performance.md; part of the result format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray, IntArray, Precision

BLOCK_PATHS = 1024
"""Paths in a block: the unit of randomness. Changing it changes every result."""

_BITS = BLOCK_PATHS.bit_length() - 1

TINY = 2.0**-54
"""Keeps a uniform off 0, where normal scores are infinite."""

SingleArray: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Arrivals:
    """Rare events, in the order of their steps: ``step`` from 0, ``firm``, ``path``, each ``(event,)``.

    ``uniform`` in (0, 1) is the event's own draw.
    """

    step: IntArray
    firm: IntArray
    path: IntArray
    uniform: FloatArray

    def __getitem__(self, chosen: slice | IntArray) -> Arrivals:
        """Some of the events."""
        return Arrivals(
            self.step[chosen], self.firm[chosen], self.path[chosen], self.uniform[chosen]
        )


def joined(parts: Sequence[Arrivals]) -> Arrivals:
    """Events of several kinds, one kind after the other."""
    if not parts:
        none = np.empty(0, np.int64)
        return Arrivals(none, none, none, np.empty(0))
    columns = {f.name: [getattr(one, f.name) for one in parts] for f in fields(Arrivals)}
    return Arrivals(**{name: np.concatenate(column) for name, column in columns.items()})


@dataclass(frozen=True)
class StepShocks:
    """The noise of some steps that firms share, ``(step, path)``, and the jumps of firms.

    Normals: market, volatility, sector. Uniforms in [0, 1]: regime, hazard, market_jump.
    """

    market: FloatArray
    volatility: FloatArray
    sector: FloatArray
    regime: FloatArray
    hazard: FloatArray
    market_jump: FloatArray
    jumps: Arrivals


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
    precision: Precision
    """Of the paths: draws of steps come in it, and the model works in it."""

    def assumption(self, key: str) -> FloatArray:
        """Uniforms in (0, 1), shape ``(path,)``, for one uncertain assumption."""

    def start(self) -> StartShocks:
        """Draws made once per path."""

    def steps(self, count: int) -> StepShocks:
        """The draws of the next ``count`` steps."""

    def firms(self) -> FloatArray:
        """The next step's normals of firms, ``(firm, path)``: a buffer, valid until the next call."""

    def chain(self) -> ChainShocks:
        """The next draws of the technology chain, which has a slower clock."""


def generator(seed: int, name: str, block: int) -> np.random.Generator:
    """The stream called ``name`` of one block."""
    return np.random.Generator(np.random.SFC64(_address(seed, name, block)))


def _start(once: Callable[[str], FloatArray], tickers: tuple[str, ...]) -> StartShocks:
    """The draws of a path's start, each from the stream of its name."""
    return StartShocks(
        regime=once("start:regime"),
        volatility=once("start:volatility"),
        opening=once("start:opening"),
        bust_length=once("start:bust_length"),
        recession=once("start:recession"),
        lab=np.stack([once(f"lab:{ticker}") for ticker in tickers]),
    )


def _address(seed: int, name: str, block: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()), block))


class _Normals:
    """Normals of several streams, by Box and Muller: the words of two steps make a point in the plane.

    The first 1,024 of a pair's 2,048 half words are its radius, the rest its angle; the earlier step
    gets the cosine. 32 bits reach to 6.8 standard deviations, and cost a third of a ziggurat.

    Args:
        streams: for each row its generators, one a block.
    """

    _AHEAD = 8  # steps drawn at once, even; it changes no number

    def __init__(self, streams: Sequence[Sequence[np.random.SFC64]]) -> None:
        self._streams = streams
        shape = (len(streams), len(streams[0]) * BLOCK_PATHS if streams else 0)
        self._radius, self._angle = np.empty((2, self._AHEAD // 2, *shape), np.float32)
        self._pair = np.empty((2, *shape), np.float32)
        self._drawn = 0

    def step(self) -> SingleArray:
        """Draw the next step, ``(row, path)``: a buffer, valid until the next call."""
        ahead, half = divmod(self._drawn % self._AHEAD, 2)
        if not half:
            if not ahead:
                self._draw()
            self._turn(self._radius[ahead], self._angle[ahead])
        self._drawn += 1
        return np.asarray(self._pair[half])

    def _draw(self) -> None:
        for row, blocks in enumerate(self._streams):
            for i, bits in enumerate(blocks):
                words = _words(bits, self._AHEAD * BLOCK_PATHS // 2)
                halves = words.view("<u4").reshape(-1, 2, BLOCK_PATHS)
                self._radius[:, row, _columns(i)] = halves[:, 0]
                self._angle[:, row, _columns(i)] = halves.view("<i4")[:, 1]  # between -pi and pi

    def _turn(self, radius: SingleArray, angle: SingleArray) -> None:
        """Whole numbers of 32 bits become a radius and an angle, these a pair; in place."""
        single = np.float32
        radius += single(0.5)
        radius *= single(2.0**-32)
        np.log(radius, out=radius)
        radius *= single(-2.0)
        np.sqrt(radius, out=radius)
        angle *= single(2.0**-31 * np.pi)
        for half, turn in zip(self._pair, (np.cos, np.sin), strict=True):
            np.multiply(turn(angle, out=half), radius, out=half)


class _Jumps:
    """When one firm jumps on the paths of one block, by the gaps between jumps.

    In the row of all cells (step, path) each holds a jump with the same chance, so gaps are
    geometric, and the many cells without one cost nothing.
    """

    def __init__(
        self, firm: int, block: int, chance: float, gaps: np.random.SFC64, sizes: np.random.SFC64
    ) -> None:
        self._firm, self._first, self._chance = firm, block * BLOCK_PATHS, chance
        self._gaps, self._sizes = np.random.Generator(gaps), np.random.Generator(sizes)
        # The last cell asked for, and what is drawn beyond it.
        self._cells, self._uniforms = np.array([-1]), np.array([0.5])

    def until(self, step: int) -> Arrivals:
        """The jumps before a step that were not asked for."""
        cells, uniforms, end = self._cells, self._uniforms, step * BLOCK_PATHS
        while cells[-1] < end:
            mean = self._chance * (end - cells[-1])
            more = int(mean + 6.0 * math.sqrt(mean)) + 8
            gaps = self._gaps.geometric(self._chance, more)
            cells = np.concatenate([cells, cells[-1] + np.cumsum(gaps)])
            uniforms = np.concatenate([uniforms, self._sizes.random(more)])
        rest = int(np.searchsorted(cells, end))
        self._cells, self._uniforms = cells[rest - 1 :], uniforms[rest - 1 :]
        steps, paths = cells[1:rest] >> _BITS, cells[1:rest] & (BLOCK_PATHS - 1)
        paths += self._first
        firms = np.full(steps.size, self._firm)
        return Arrivals(steps, firms, paths, np.maximum(uniforms[1:rest], TINY))


class _AllJumps:
    """The jumps of all firms, step by step."""

    _AHEAD = 130  # steps drawn at once; it changes no number

    def __init__(self, each: Sequence[_Jumps]) -> None:
        self._each, self._held = each, joined([])
        self._now = self._drawn = 0

    def steps(self, count: int) -> Arrivals:
        """The jumps of the next ``count`` steps."""
        begin, self._now = self._now, self._now + count
        while self._drawn < self._now:
            self._drawn += self._AHEAD
            new = joined([one.until(self._drawn) for one in self._each])
            # Short numbers are sorted by their digits.
            order = np.argsort((new.step - begin).astype(np.int16), kind="stable")
            self._held = joined([self._held, new[order]])
        due = np.searchsorted(self._held.step, self._now)
        found, self._held = self._held[:due], self._held[due:]
        return replace(found, step=found.step - begin)


def _words(bits: np.random.SFC64, count: int) -> NDArray[np.uint64]:
    """The next words of a stream, low bytes first."""
    return np.asarray(bits.random_raw(count)).astype("<u8", copy=False)


def _columns(block: int) -> slice:
    return slice(block * BLOCK_PATHS, (block + 1) * BLOCK_PATHS)


class BlockShocks:
    """Shocks of one block, or of a few that follow each other: grouping changes no number.

    Args:
        seed: run seed, any non-negative integer; 0 is a seed like any other.
        block: number of the first block; it holds paths ``block * BLOCK_PATHS`` onwards.
        tickers: one noise stream per firm, addressed by its ticker, so that adding a
            firm moves no other firm's noise.
        chances: per firm, of a jump in a step.
        count: number of blocks.
        precision: of the paths; the draws are the same.
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
        self._common = _Normals(self._bits("step", self._NORMALS))
        self._firms = _Normals(self._bits("firm", tickers))
        self._quarters = _Normals(self._bits("chain", ("price", "demand")))
        self._uniforms = self._bits("step", self._UNIFORMS)
        self._room = np.empty((0, 0, 0), precision)
        (war,) = self._bits("chain", ("price_war",))
        self._war = [np.random.Generator(bits) for bits in war]
        gaps, sizes = (self._bits(kind, tickers) for kind in ("jump", "jump size"))
        self._jumps = _AllJumps(
            [
                _Jumps(firm, i, float(chance), gaps[firm][i], sizes[firm][i])
                for firm, chance in enumerate(chances)
                if chance > 0.0
                for i in range(count)
            ]
        )

    def _bits(self, kind: str, names: Sequence[str]) -> list[list[np.random.SFC64]]:
        """The streams of these names, one a block."""
        return [
            [np.random.SFC64(_address(self._seed, f"{kind}:{name}", b)) for b in self._blocks]
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
        return _start(self._once, self._tickers)

    def steps(self, count: int) -> StepShocks:
        """The draws of the next ``count`` steps that firms share: buffers, valid until the next call."""
        normals = len(self._NORMALS)
        if self._room.shape[1] != count:  # fresh memory costs more than what is drawn
            shape = (normals + len(self._UNIFORMS), count, self.paths)
            self._room = np.empty(shape, self.precision)
        normal, uniform = self._room[:normals], self._room[normals:]
        for step in range(count):
            normal[:, step] = self._common.step()
        for row, blocks in enumerate(self._uniforms):
            for i, bits in enumerate(blocks):
                # A word of 64 bits serves two paths.
                drawn = _words(bits, count * BLOCK_PATHS // 2).view("<u4")
                uniform[row, :, _columns(i)] = drawn.reshape(count, BLOCK_PATHS)
        uniform += 0.5
        uniform *= 2.0**-32
        names = (*self._NORMALS, *self._UNIFORMS)
        rows = dict(zip(names, self._room, strict=True))
        return StepShocks(**rows, jumps=self._jumps.steps(count))

    def firms(self) -> FloatArray:
        """The next step's normals of firms: a buffer, valid until the next call."""
        return self._firms.step().astype(self.precision, copy=False)

    def chain(self) -> ChainShocks:
        """Draw the technology chain's next step."""
        price, demand = self._quarters.step().astype(self.precision)
        war = np.concatenate([stream.random(BLOCK_PATHS) for stream in self._war])
        return ChainShocks(price, demand, np.maximum(war, TINY).astype(self.precision))


class WorldShocks:
    """Assumptions and starts of many paths, in strata; no noise of steps (rare events).

    Within each group every uniform falls once into each of as many equal strata as there are
    paths, in an order of its own: each path alone is as random as ever, and the group covers
    every assumption evenly. Groups are independent.

    Args:
        seed: run seed.
        number: of the batch of groups; each has worlds of its own.
        groups, size: groups, and paths in each.
        tickers: names of the firms' streams.
    """

    def __init__(
        self, seed: int, number: int, groups: int, size: int, tickers: tuple[str, ...]
    ) -> None:
        self._seed, self._number, self._tickers = seed, number, tickers
        self._shape = (groups, size)
        self.paths = groups * size
        self.precision: Precision = np.float64

    def _once(self, name: str) -> FloatArray:
        stream = generator(self._seed, f"world:{name}", self._number)
        stratum = np.broadcast_to(np.arange(self._shape[1]), self._shape)
        drawn = stream.permuted(stratum, axis=1) + stream.random(self._shape)
        return np.clip(drawn / self._shape[1], TINY, 1.0 - 2.0**-53).reshape(-1)

    def assumption(self, key: str) -> FloatArray:
        """Uniforms of one uncertain assumption, shape ``(path,)``."""
        return self._once(f"assumption:{key}")

    def start(self) -> StartShocks:
        """Draws made once per path."""
        return _start(self._once, self._tickers)

    def steps(self, count: int) -> StepShocks:
        """Not here: the world has no noise."""
        raise NotImplementedError("worlds are drawn once; FreshShocks has the noise of steps")

    def firms(self) -> FloatArray:
        """Not here: the world has no noise."""
        raise NotImplementedError("worlds are drawn once; FreshShocks has the noise of steps")

    def chain(self) -> ChainShocks:
        """Not here: the world has no noise."""
        raise NotImplementedError("worlds are drawn once; FreshShocks has the noise of steps")


class FreshShocks:
    """Noise of steps for any number of paths, which may change on the way (rare events).

    One stream serves all: its numbers depend on how many paths asked before.

    Args:
        seed: run seed.
        name: of the stream, with its number the address.
        number: distinguishes streams of that name.
        chances: per firm, of a jump in a step.
    """

    def __init__(self, seed: int, name: str, number: int, chances: FloatArray) -> None:
        self._stream = generator(seed, name, number)
        self._chances = chances
        self.paths = 0
        self.precision: Precision = np.float64

    def assumption(self, key: str) -> FloatArray:
        """Not here: clones keep the world of their parent."""
        raise NotImplementedError(f"{key} is drawn with the world")

    def start(self) -> StartShocks:
        """Not here: clones keep the start of their parent."""
        raise NotImplementedError("starts are drawn with the world")

    def steps(self, count: int) -> StepShocks:
        """The draws of the next ``count`` steps for ``paths`` paths."""
        shape = (count, self.paths)
        market, volatility, sector = self._stream.standard_normal((3, *shape))
        regime, hazard, market_jump = self._stream.random((3, *shape))
        jumpers = np.flatnonzero(self._chances)
        drawn = self._stream.random((count, jumpers.size, self.paths))
        step, jumper, path = np.nonzero(drawn < self._chances[jumpers, None])
        uniform = np.maximum(self._stream.random(step.size), TINY)
        jumps = Arrivals(step, jumpers[jumper], path, uniform)
        return StepShocks(market, volatility, sector, regime, hazard, market_jump, jumps)

    def firms(self) -> FloatArray:
        """The next step's normals of firms for ``paths`` paths."""
        return self._stream.standard_normal((self._chances.size, self.paths))

    def chain(self) -> ChainShocks:
        """The next draws of the technology chain for ``paths`` paths."""
        price, demand = self._stream.standard_normal((2, self.paths))
        return ChainShocks(price, demand, np.maximum(self._stream.random(self.paths), TINY))


class NoShocks:
    """Noise off: every normal 0, every uniform in the middle, no jump.

    Args:
        paths: columns.
        firms: number of firms.
    """

    def __init__(self, paths: int, firms: int) -> None:
        self.paths = paths
        self.precision: Precision = np.float64
        middle, zero = np.full(paths, 0.5), np.zeros(paths)
        self._middle = middle
        self._start = StartShocks(
            middle, middle, middle, middle, middle, np.full((firms, paths), 0.5)
        )
        self._firms = np.zeros((firms, paths))
        self._chain = ChainShocks(zero, zero, middle)

    def assumption(self, key: str) -> FloatArray:  # noqa: ARG002 - as the protocol has it
        """The median of every assumption."""
        return self._middle

    def start(self) -> StartShocks:
        """Middle of every draw."""
        return self._start

    def steps(self, count: int) -> StepShocks:
        """Steps without noise."""
        zero, middle = np.zeros((count, self.paths)), np.full((count, self.paths), 0.5)
        return StepShocks(zero, zero, zero, middle, middle, middle, joined([]))

    def firms(self) -> FloatArray:
        """No noise of firms."""
        return self._firms

    def chain(self) -> ChainShocks:
        """A step of the chain without noise."""
        return self._chain
