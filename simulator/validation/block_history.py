"""A block of paths watched as it goes, and which part of a result's spread is whose.

A run keeps summaries of its paths. Here are all levels of a block and the economy behind them, and
the same assumptions under other noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import FloatArray
from simulator.engine import consensus_path
from simulator.engine.simulation import Simulation
from simulator.engine.streams import BlockShocks
from simulator.model.market import jump_chances
from simulator.scenario import Scenario
from simulator.statistics import Estimate, jackknife


class BranchedShocks(BlockShocks):
    """The assumptions of one seed under the noise of another.

    Args:
        seed: of the assumptions.
        noise_seed: of everything else.
        block, tickers, chances: as for :class:`BlockShocks`.
    """

    def __init__(
        self,
        seed: int,
        noise_seed: int,
        block: int,
        tickers: tuple[str, ...],
        chances: FloatArray,
    ) -> None:
        super().__init__(noise_seed, block, tickers, chances)
        self._world = BlockShocks(seed, block, (), np.zeros(0))

    def assumption(self, key: str) -> FloatArray:
        """Uniforms of one uncertain assumption, shape ``(path,)``."""
        return self._world.assumption(key)


@dataclass(frozen=True)
class BlockHistory:
    """A block. E entities, F firms, T steps, J updates of fundamentals, P paths.

    The economy is in logs over t=0, at updates; ``revenue`` is over its value at t=0.
    """

    scenario: Scenario
    levels: FloatArray  # (T+1, E, P) USD billion
    capex: FloatArray  # (J+1, P)
    demand: FloatArray  # (J+1, P)
    revenue: FloatArray  # (J+1, F, P)

    def level(self, entity: str) -> FloatArray:
        """Levels of one entity, (T+1, P) USD billion."""
        return self.levels[:, self.scenario.universe.entities.index(entity)]

    def sales(self, group: str) -> FloatArray:
        """Revenue of a group's firms together, (J+1, P) USD billion a year."""
        universe = self.scenario.universe
        share = universe.membership[universe.groups.index(group)] * universe.column("revenue")
        return np.asarray(np.einsum("f,jfp->jp", share, self.revenue))


def simulate_block_history(
    scenario: Scenario, block: int = 0, noise_seed: int | None = None
) -> BlockHistory:
    """Simulate one block of a scenario, at its seed.

    Parameters
    ----------
    scenario
        Paths are those of its runs.
    block
        Number of the block, from 0.
    noise_seed
        Seed of all but the assumptions; default the scenario's own.
    """
    universe = scenario.universe
    seed = scenario.seed if noise_seed is None else noise_seed
    chances = jump_chances(universe, scenario.dt)
    shocks = BranchedShocks(scenario.seed, seed, block, universe.tickers, chances)
    run = Simulation(scenario, consensus_path(scenario), shocks)
    firms, paths = run.shape
    groups = len(universe.groups)
    levels = np.empty((scenario.steps + 1, groups + firms, paths))
    values = run.values[:, None]
    levels[0, groups:] = values
    chain = run.state.technology
    capex, demand = [chain.capex.copy()], [chain.demand.copy()]
    revenue = [run.state.firms.revenue.copy()]
    for k, log_price in enumerate(run.prices(1, scenario.steps), start=1):
        np.multiply(np.exp(log_price), values, out=levels[k, groups:])
        if k % run.clock == 0:
            chain = run.state.technology
            capex.append(chain.capex.copy())
            demand.append(chain.demand.copy())
            revenue.append(run.state.firms.revenue.copy())
    levels[:, :groups] = universe.membership @ levels[:, groups:]
    return BlockHistory(scenario, levels, np.stack(capex), np.stack(demand), np.stack(revenue))


def assumption_share(first: FloatArray, second: FloatArray) -> Estimate:
    """Share of a result's variance that assumptions make; noise makes the rest.

    ``first`` and ``second`` (path,) are the result under the same assumptions and independent
    noise: their covariance is Var(E[result | assumptions]), as in a one-way analysis of variance.
    """

    def share(a: FloatArray, b: FloatArray) -> float:
        both = np.concatenate([a, b])
        spread = float(np.mean((both - both.mean()) ** 2))
        together = float(np.mean((a - both.mean()) * (b - both.mean())))
        return together / spread if spread > 0.0 else 0.0

    return jackknife(share, first, second)
