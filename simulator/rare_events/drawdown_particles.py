"""Paths of the model as particles that fall: what splitting needs to know of a crash.

The score is the largest fall so far of one entity, from any peak or from the start: the same number as in a
run's tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self

import numpy as np

from simulator.arrays import FloatArray, IntArray
from simulator.engine import consensus_path
from simulator.engine.simulation import Simulation, State
from simulator.engine.streams import FreshShocks, StratifiedShocks, generator
from simulator.errors import RunError
from simulator.model.market import jump_chances
from simulator.scenario import Scenario
from simulator.statistics import Split, split

PARTICLES = 500
"""Paths in a group."""
TOGETHER = 4
"""Groups simulated together, at most."""
_CLOCK = 65
"""Splitting looks at paths so often in a scenario's time: a month of five years. More often costs
more than it gains, at a quarter a third is lost (docs/performance.md)."""
_FIRMS_TOGETHER = 80


@dataclass(frozen=True)
class EntityLevel:
    """How to read an entity's level off the firms' log prices: (f,) rows and values at t=0, and cash."""

    rows: IntArray
    values: FloatArray
    cash: float
    from_start: bool
    """Whether falls are from the start rather than from the highest level so far."""

    def level(self, log_price: FloatArray) -> FloatArray:
        """Level (path,), USD billion."""
        return np.asarray(self.values @ np.exp(log_price[self.rows]) + self.cash)


@dataclass
class DrawdownParticles:
    """Paths at some step of the scenario.

    Column j is in the world ``world[j]`` of ``worlds``; ``high`` (path,) is its highest level so far, or that of
    the start, and ``score`` (path,) its largest fall so far, a positive share.
    """

    worlds: Simulation
    entity_level: EntityLevel
    stride: int
    world: IntArray
    state: State
    high: FloatArray
    score: FloatArray
    _simulation: Simulation | None = field(default=None, init=False)

    @classmethod
    def start(cls, worlds: Simulation, entity_level: EntityLevel, stride: int) -> Self:
        """All paths of a simulation at t=0."""
        index = np.arange(worlds.shape[1])
        high = entity_level.level(np.zeros(worlds.shape))
        state, score = worlds.state.take(index), np.zeros(index.size)
        return cls(worlds, entity_level, stride, index, state, high, score)

    def step(self, k: int, noise: FreshShocks) -> None:
        """Advance by ``stride`` steps of the scenario, or to its end."""
        if self._simulation is None:
            self._simulation = self.worlds.take(self.world, self.state)
        simulation = self._simulation
        simulation.shocks, noise.paths = noise, self.world.size
        last = min(k * self.stride, simulation.scenario.steps)
        for log_price in simulation.prices((k - 1) * self.stride + 1, last):
            level = self.entity_level.level(log_price)
            if not self.entity_level.from_start:
                self.high = np.maximum(self.high, level)
            self.score = np.maximum(self.score, 1.0 - level / self.high)

    def take(self, index: IntArray) -> Self:
        """Copies of some paths."""
        return replace(
            self,
            world=self.world[index],
            state=self.state.take(index),
            high=self.high[index],
            score=self.score[index],
        )

    def join(self, other: Self) -> Self:
        """These paths and others."""
        return replace(
            self,
            world=np.concatenate([self.world, other.world]),
            state=self.state.join(other.state),
            high=np.concatenate([self.high, other.high]),
            score=np.concatenate([self.score, other.score]),
        )


@dataclass(frozen=True)
class Batch:
    """Groups that were simulated together. G groups, L depths."""

    probability: FloatArray  # (G, L)
    path_steps: int
    rounds: int


def split_batch(
    scenario: Scenario,
    entity: str,
    depths: FloatArray,
    least: float,
    number: int,
    *,
    from_start: bool = False,
) -> Batch:
    """Split one batch of groups; pure, so that batches may be computed anywhere.

    Parameters
    ----------
    scenario
        Its seed and the number of the batch address all draws.
    entity
        A group or a firm.
    depths
        (L,) rising positive shares.
    least
        Groups are given up below this probability.
    number
        Of the batch.
    from_start
        Falls are from the level at t=0, not from a peak.
    """
    universe, seed = scenario.universe, scenario.seed
    groups = groups_together(scenario)
    drawn = StratifiedShocks(seed, number, groups, PARTICLES, universe.tickers)
    stride = max(round(scenario.steps / _CLOCK), 1)
    noise: Callable[[int], FreshShocks] = partial(
        FreshShocks, seed, f"rare:{number}", chances=jump_chances(universe, scenario.dt)
    )
    with np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
        try:
            worlds = Simulation(scenario, consensus_path(scenario), drawn)
            result: Split = split(
                DrawdownParticles.start(
                    worlds, _entity_level(scenario, entity, from_start=from_start), stride
                ),
                noise,
                steps=-(-scenario.steps // stride),
                targets=depths,
                groups=groups,
                rng=generator(seed, "rare:parents", number),
                least=least,
            )
        except FloatingPointError as error:
            raise RunError(
                f"batch {number} left the finite numbers: {error}; seed {seed}"
            ) from None
    return Batch(result.probability, result.steps * stride, result.rounds)


def groups_together(scenario: Scenario) -> int:
    """Groups in a batch: fewer where there are many firms, so that memory is bounded."""
    return max(1, min(TOGETHER, _FIRMS_TOGETHER // len(scenario.universe.tickers)))


def _entity_level(scenario: Scenario, entity: str, *, from_start: bool) -> EntityLevel:
    universe = scenario.universe
    row = universe.entities.index(entity)
    groups, values = len(universe.groups), universe.column("market_value")
    if row >= groups:
        return EntityLevel(np.array([row - groups]), values[[row - groups]], 0.0, from_start)
    held = universe.membership[row] * values
    rows = np.flatnonzero(held)
    return EntityLevel(rows, held[rows], float(universe.group_cash[row]), from_start)
