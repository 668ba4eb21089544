"""What variance reduction would gain: python benchmarks/variance_reduction.py [SCENARIO] [BLOCKS].

2 means: half the time for the same error. Quantiles are measured by the share of paths beyond the
plain quantile, which has the same ratio. Two kinds of rows:

* from the variance of a headline between blocks of 1,024 paths, times the time of a block. A block is
  one unit (its own pairs, its own scrambling), so dependence inside it is accounted for. This is
  direct, and coarse: the range a ratio of 1 may show is printed.
* from correlations between paths, which are known to 1 %: of mirrored pairs, 1 / (1 + r); of
  paths in the same world under other noise, 1 / (1 - r), which no way of drawing worlds (all that
  is drawn at t=0: assumptions, starts) can surpass; of all controls with a headline, 1 / (1 - R^2).

docs/performance.md has the table.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import f as f_law
from scipy.stats import qmc

from simulator import load_scenario
from simulator.engine.consensus import consensus_path
from simulator.engine.simulation import Simulation
from simulator.engine.streams import (
    BLOCK_PATHS,
    TINY,
    Arrivals,
    BlockShocks,
    ChainShocks,
    StartShocks,
    StepShocks,
    StratifiedShocks,
    generator,
)
from simulator.model.market import jump_chances
from simulator.scenario.scenario import Scenario

ENTITIES = ("sp500", "mag7", "NVDA")
STARTS = ("regime", "volatility", "opening", "bust_length", "recession")
_NORMALS = {"market", "volatility", "sector", "price", "demand"}


def plain(scenario: Scenario, block: int) -> BlockShocks:
    """As a run draws."""
    universe = scenario.universe
    chances = jump_chances(universe, scenario.dt)
    return BlockShocks(scenario.seed, block, universe.tickers, chances)


class Antithetic:
    """Half a block, and its mirror image in every draw; firms jump at the same times in both."""

    def __init__(self, scenario: Scenario, block: int) -> None:
        self._half, self.paths = plain(scenario, block), BLOCK_PATHS
        self.precision = self._half.precision

    def _both(self, shocks):
        half = BLOCK_PATHS // 2
        parts: dict[str, Any] = {}
        for field in fields(shocks):
            drawn = getattr(shocks, field.name)
            if isinstance(drawn, Arrivals):
                parts[field.name] = self._twice(drawn, half)
                continue
            first = drawn[..., :half]
            mirror = -first if field.name in _NORMALS else 1.0 - first
            parts[field.name] = np.concatenate([first, mirror], axis=-1)
        return type(shocks)(**parts)

    @staticmethod
    def _twice(jumps: Arrivals, half: int) -> Arrivals:
        mine = jumps.path < half
        step, firm, path, uniform = (getattr(jumps, f.name)[mine] for f in fields(jumps))
        return Arrivals(
            np.tile(step, 2),
            np.tile(firm, 2),
            np.concatenate([path, path + half]),
            np.concatenate([uniform, 1.0 - uniform]),
        )

    def assumption(self, key: str):
        first = self._half.assumption(key)[: BLOCK_PATHS // 2]
        return np.append(first, 1.0 - first)

    def start(self) -> StartShocks:
        half = self._half.start()
        names = [field.name for field in fields(half)]
        parts = {name: getattr(half, name)[..., : BLOCK_PATHS // 2] for name in names}
        return StartShocks(
            **{name: np.concatenate([p, 1.0 - p], axis=-1) for name, p in parts.items()}
        )

    def steps(self, count: int) -> StepShocks:
        return self._both(self._half.steps(count))

    def firms(self) -> np.ndarray:
        first = self._half.firms()[:, : BLOCK_PATHS // 2]
        return np.concatenate([first, -first], axis=-1)

    def chain(self) -> ChainShocks:
        return self._both(self._half.chain())


class Worlds:
    """Other draws for what a path draws once; the noise as a run draws it."""

    def __init__(self, scenario: Scenario, block: int) -> None:
        self._noise, self.paths = plain(scenario, block), BLOCK_PATHS
        self.precision = self._noise.precision

    def steps(self, count: int) -> StepShocks:
        return self._noise.steps(count)

    def firms(self) -> np.ndarray:
        return self._noise.firms()

    def chain(self) -> ChainShocks:
        return self._noise.chain()


class Stratified(Worlds):
    """Assumptions and starts each in 1,024 strata (a Latin hypercube)."""

    def __init__(self, scenario: Scenario, block: int) -> None:
        super().__init__(scenario, block)
        tickers = scenario.universe.tickers
        self._worlds = StratifiedShocks(scenario.seed, block, 1, BLOCK_PATHS, tickers)

    def assumption(self, key: str):
        return self._worlds.assumption(key)

    def start(self) -> StartShocks:
        return self._worlds.start()


class Sobol(Worlds):
    """Assumptions and starts by scrambled Sobol points, a scrambling for each block."""

    more = 0

    def __init__(self, scenario: Scenario, block: int) -> None:
        super().__init__(scenario, block)
        self._keys = tuple(scenario.uncertain())
        dimension = len(self._keys) + len(STARTS) + self.more
        rng = generator(scenario.seed, "bench:sobol", block)
        points = qmc.Sobol(dimension, scramble=True, rng=rng).random(BLOCK_PATHS)
        self._points = np.clip(points.T, TINY, 1.0 - 2.0**-53)

    def assumption(self, key: str):
        return self._points[self.more + self._keys.index(key)]

    def start(self) -> StartShocks:
        places = range(self.more + len(self._keys), len(self._points))
        drawn = dict(zip(STARTS, (self._points[place] for place in places), strict=True))
        return StartShocks(**drawn, lab=self._noise.start().lab)


class SobolMarket(Sobol):
    """The same, and the market factor's normals at five ends of years by Sobol points as well."""

    more = 5

    def __init__(self, scenario: Scenario, block: int) -> None:
        super().__init__(scenario, block)
        self._block, self._seed = block, scenario.seed
        self._span = scenario.steps // self.more
        # The whole horizon first, then halves: an orthogonal change of the years' sums.
        wanted = np.ones((self.more, self.more))
        wanted[1:] = np.tri(self.more, self.more, -1)[1:] * 2 - 1
        basis, _ = np.linalg.qr(wanted.T)
        self._years = basis @ ndtri(self._points[: self.more])
        self._own = generator(scenario.seed, "bench:market", block)
        self._steps = 0

    def steps(self, count: int) -> StepShocks:
        shocks = self._noise.steps(count)
        for row in shocks.market:
            year, place = divmod(self._steps, self._span)
            if place == 0 and year < self.more:
                z = self._own.standard_normal((self._span, BLOCK_PATHS))
                self._market = z + (self._years[year] / np.sqrt(self._span) - z.mean(axis=0))
            if year < self.more:
                row[...] = self._market[place]
            self._steps += 1
        return shocks


class Twin(Worlds):
    """The worlds of a plain block under other noise."""

    def __init__(self, scenario: Scenario, block: int) -> None:
        super().__init__(scenario, block + 100_000)
        self._worlds = plain(scenario, block)

    def assumption(self, key: str):
        return self._worlds.assumption(key)

    def start(self) -> StartShocks:
        return self._worlds.start()


METHODS: Mapping[str, Callable[[Scenario, int], object]] = {
    "plain": plain,
    "antithetic": Antithetic,
    "stratified assumptions": Stratified,
    "Sobol assumptions": Sobol,
    "Sobol assumptions and market": SobolMarket,
}


class Recording:
    """Plain shocks that remember sums of what they drew: controls with known means."""

    def __init__(self, scenario: Scenario, block: int) -> None:
        self._inner, self.paths = plain(scenario, block), BLOCK_PATHS
        self.precision = self._inner.precision
        self.controls: list[np.ndarray] = []
        self._span, self._steps = max(scenario.steps // 5, 1), 0
        self._sums = np.zeros((6, 4, BLOCK_PATHS))
        self._jump = -np.expm1(-scenario.market.jump_rate * scenario.dt)

    def assumption(self, key: str):
        drawn = self._inner.assumption(key)
        score = ndtri(drawn)
        self.controls += [score, score**2 - 1.0]
        return drawn

    def start(self) -> StartShocks:
        drawn = self._inner.start()
        self.controls += [ndtri(getattr(drawn, name)) for name in STARTS]
        return drawn

    def steps(self, count: int) -> StepShocks:
        shocks = self._inner.steps(count)
        for i in range(count):
            year = self._sums[min(self._steps // self._span, 5)]
            year[0] += shocks.market[i]
            year[1] += shocks.volatility[i]
            year[2] += shocks.sector[i]
            year[3] += (shocks.market_jump[i] < self._jump) - self._jump
            self._steps += 1
        return shocks

    def firms(self) -> np.ndarray:
        return self._inner.firms()

    def chain(self) -> ChainShocks:
        return self._inner.chain()

    def matrix(self) -> np.ndarray:
        """Controls (control, path), each with mean 0."""
        rows = [row for year in self._sums[:5] for row in year]
        market = self._sums[:5, 0] / np.sqrt(self._span)
        whole = market.sum(axis=0) / np.sqrt(5)
        return np.stack([*self.controls, *rows, *(market**2 - 1.0), whole**2 - 1.0])


def block_of(scenario: Scenario, shocks) -> tuple[np.ndarray, np.ndarray]:
    """Largest fall and return to the end, each (entity, path)."""
    simulation = Simulation(scenario, consensus_path(scenario), shocks)
    universe = scenario.universe
    rows = [universe.entities.index(name) for name in ENTITIES]
    units = (
        np.vstack([universe.membership, np.eye(len(universe.tickers))])[rows] * simulation.values
    )
    start = np.repeat(units.sum(axis=1)[:, None], BLOCK_PATHS, axis=1)
    high, lowest, level = start.copy(), np.ones_like(start), start
    for log_price in simulation.prices(1, scenario.steps):
        level = units @ np.exp(log_price)
        np.maximum(high, level, out=high)
        np.minimum(lowest, level / high, out=lowest)
    return 1.0 - lowest, level / start - 1.0


def headlines(fall: np.ndarray, gain: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """What is averaged over paths, (entity, headline, path); ``marks`` (2, entity): median, 95 %."""
    median, worst = marks[:, :, None]
    return np.stack(
        [
            fall >= 0.49,
            fall > median,
            fall > worst,
            np.maximum(fall - worst, 0.0),
            fall,
            gain,
        ],
        axis=1,
    ).astype(float)


NAMES = ("P(fall >= 49 %)", "median fall", "worst 1 in 20", "shortfall", "mean fall", "mean return")


def measure(scenario: Scenario, blocks: int, tell: Callable[[str], None]) -> None:
    """Print the table."""
    first = [block_of(scenario, plain(scenario, 10_000 + b))[0] for b in range(max(blocks // 4, 4))]
    marks = np.quantile(np.concatenate(first, axis=1), [0.5, 0.95], axis=1)
    means: dict[str, list[np.ndarray]] = {name: [] for name in METHODS}
    seconds = dict.fromkeys(METHODS, 0.0)
    mirrored, twins = [], []
    for b in range(blocks):
        paths = {}
        for name, method in METHODS.items():  # in turn, so that a busy machine is fair
            began = time.perf_counter()
            found = block_of(scenario, method(scenario, b))
            seconds[name] += time.perf_counter() - began
            paths[name] = headlines(*found, marks)
            means[name].append(paths[name].mean(axis=2))
        half = BLOCK_PATHS // 2
        both = paths["antithetic"]
        mirrored.append(np.stack([both[..., :half], both[..., half:]]))
        again = headlines(*block_of(scenario, Twin(scenario, b)), marks)
        twins.append(np.stack([paths["plain"], again]))
    low, high = np.asarray(f_law.ppf([0.025, 0.975], blocks - 1, blocks - 1))
    tell(f"{scenario.name}: {blocks} blocks; a block ratio of 1 shows as {low:.2f} to {high:.2f}")
    tell("| | " + " | ".join(f"{e} {n}" for e in ENTITIES for n in NAMES) + " | time |")
    spread = {name: np.var(np.stack(values), axis=0, ddof=1) for name, values in means.items()}
    for name in METHODS:
        cost = seconds[name] / seconds["plain"]
        with np.errstate(divide="ignore", invalid="ignore"):  # in few blocks nothing may be rare
            ratio = spread["plain"] / spread[name] / cost
        tell(f"| blocks: {name} | {_cells(ratio)} | {cost:.2f} |")
        apart = np.stack(means[name]).mean(axis=0) - np.stack(means["plain"]).mean(axis=0)
        error = np.sqrt((spread["plain"] + spread[name]) / blocks)
        away = np.abs(apart / np.where(error > 0.0, error, np.inf)).max()
        if away > 4.5:
            tell(f"  {name} does not agree with plain: {away:.1f} standard errors")
    tell(f"| pairs: antithetic | {_cells(1 / (1 + _correlation(mirrored)))} | |")
    tell(f"| bound: any draw of worlds | {_cells(1 / (1 - _correlation(twins)))} | |")
    tell(f"| control variates | {_controls(scenario, max(blocks // 2, 8), marks)} | |")


def _cells(ratio: np.ndarray) -> str:
    return " | ".join(f"{value:.2f}" for value in ratio.ravel())


def _correlation(pairs: list[np.ndarray]) -> np.ndarray:
    """Of the two members of pairs (2, ..., path), whose laws are the same."""
    one, other = np.concatenate(pairs, axis=-1)
    centre = (one.mean(axis=-1) + other.mean(axis=-1))[..., None] / 2
    spread = (((one - centre) ** 2) + (other - centre) ** 2).mean(axis=-1) / 2
    return ((one - centre) * (other - centre)).mean(axis=-1) / spread


def _controls(scenario: Scenario, blocks: int, marks: np.ndarray) -> str:
    """1 / (1 - R^2) of each headline on all controls, R^2 adjusted for their number."""
    rows, controls = [], []
    for b in range(blocks):
        shocks = Recording(scenario, b)
        rows.append(headlines(*block_of(scenario, shocks), marks).reshape(-1, BLOCK_PATHS))
        controls.append(shocks.matrix())
    y, x = np.concatenate(rows, axis=1).T, np.concatenate(controls, axis=1).T
    x = np.column_stack([np.ones(len(x)), x])
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    left = ((y - fitted) ** 2).sum(axis=0) / (len(y) - x.shape[1])
    return _cells(y.var(axis=0, ddof=1) / left)


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "deepseek"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    measure(load_scenario(name), count, partial(print, flush=True))
