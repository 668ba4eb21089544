"""The shocks of paths that are cloned (rare events): assumptions drawn once, and new noise at every step."""

from __future__ import annotations

import numpy as np

from simulator.arrays import FloatArray, Precision
from simulator.engine.streams.addresses import generator, start_shocks
from simulator.model.shocks import TINY, Arrivals, ChainShocks, StartShocks, StepShocks


class StratifiedShocks:
    """Assumptions and starts of many paths, in strata; no noise of steps (rare events).

    Within each group every uniform falls once into each of as many equal strata as there are
    paths, in an order of its own: each path alone has the usual distribution, and the group
    covers every assumption evenly. Groups are independent.

    Parameters
    ----------
    seed
        Run seed.
    number
        Of the batch of groups; each has worlds of its own.
    groups, size
        Groups, and paths in each.
    tickers
        Names of the firms' streams.
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
        return start_shocks(self._once, self._tickers)

    def steps(self, count: int) -> StepShocks:
        """Not available: worlds have no noise of steps."""
        raise NotImplementedError("worlds are drawn once; FreshShocks has the noise of steps")

    def firms(self) -> FloatArray:
        """Not available: worlds have no noise of steps."""
        raise NotImplementedError("worlds are drawn once; FreshShocks has the noise of steps")

    def chain(self) -> ChainShocks:
        """Not available: worlds have no noise of steps."""
        raise NotImplementedError("worlds are drawn once; FreshShocks has the noise of steps")


class FreshShocks:
    """Noise of steps for any number of paths, which may change on the way (rare events).

    One stream serves all: its numbers depend on how many were drawn before.

    Parameters
    ----------
    seed
        Run seed.
    name
        Of the stream, with its number the address.
    number
        Distinguishes streams of that name.
    chances
        Per firm, of a jump in a step.
    """

    def __init__(self, seed: int, name: str, number: int, chances: FloatArray) -> None:
        self._stream = generator(seed, name, number)
        self._chances = chances
        self.paths = 0
        self.precision: Precision = np.float64

    def assumption(self, key: str) -> FloatArray:
        """Not available: clones keep the assumptions of their parent."""
        raise NotImplementedError(f"{key} is drawn with the world")

    def start(self) -> StartShocks:
        """Not available: clones keep the start of their parent."""
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
