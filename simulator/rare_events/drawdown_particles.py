"""Paths of the model as particles that fall: what splitting needs to know of a crash.

The score is the largest fall so far of one entity, from any peak or from the start: the same number as in a
run's tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


class DrawdownParticles:
    """Paths at some step, with their high and largest fall so far."""

    def __init__(
        self,
        worlds: Simulation,
        watch: EntityLevel,
        stride: int,
        *,
        world: IntArray,
        state: State,
        high: FloatArray,
        score: FloatArray,
    ) -> None:
        self._worlds, self._entity_level, self._stride = worlds, watch, stride
        self._world, self._state, self._high, self._score = world, state, high, score
        self._simulation: Simulation | None = None

    @classmethod
    def start(cls, worlds: Simulation, watch: EntityLevel, stride: int) -> Self:
        """All paths of a simulation at t=0."""
        index = np.arange(worlds.shape[1])
        high = watch.level(np.zeros(worlds.shape))
        state, score = worlds.state.take(index), np.zeros(index.size)
        return cls(worlds, watch, stride, world=index, state=state, high=high, score=score)

    @property
    def score(self) -> FloatArray:
        """Largest fall so far, a positive share ``(path,)``."""
        return self._score

    def step(self, k: int, noise: FreshShocks) -> None:
        """Advance by ``stride`` steps of the scenario, or to its end."""
        if self._simulation is None:
            self._simulation = self._worlds.take(self._world, self._state)
        simulation = self._simulation
        simulation.shocks, noise.paths = noise, self._world.size
        last = min(k * self._stride, simulation.scenario.steps)
        for log_price in simulation.prices((k - 1) * self._stride + 1, last):
            level = self._entity_level.level(log_price)
            if not self._entity_level.from_start:
                self._high = np.maximum(self._high, level)
            self._score = np.maximum(self._score, 1.0 - level / self._high)

    def take(self, index: IntArray) -> Self:
        """Copies of some paths."""
        return self._with(
            self._world[index], self._state.take(index), self._high[index], self._score[index]
        )

    def join(self, other: Self) -> Self:
        """These paths and others."""
        return self._with(
            np.concatenate([self._world, other._world]),
            self._state.join(other._state),
            np.concatenate([self._high, other._high]),
            np.concatenate([self._score, other._score]),
        )

    def _with(self, world: IntArray, state: State, high: FloatArray, score: FloatArray) -> Self:
        return type(self)(
            self._worlds,
            self._entity_level,
            self._stride,
            world=world,
            state=state,
            high=high,
            score=score,
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

    Args:
        scenario: its seed and the number of the batch address all draws.
        entity: a group or a firm.
        depths: (L,) rising positive shares.
        least: groups are given up below this probability.
        number: of the batch.
        from_start: falls are from the level at t=0, not from a peak.
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
