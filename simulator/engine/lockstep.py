"""Several scenarios on the same draws, of which only the falls of groups are measured.

Each draw serves all scenarios (``SharedShocks``), which therefore advance together; and without a past, causes
and pictures a scenario costs little beside its equations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulator.arrays import FloatArray
from simulator.engine.block_simulation import block_shocks, consensus_of, not_finite, strides
from simulator.engine.factors import FACTORS
from simulator.engine.recorder import Holdings
from simulator.engine.simulation import Simulation
from simulator.engine.streams import SharedShocks
from simulator.scenario import Scenario
from simulator.statistics import FallMeter


def group_falls(
    scenarios: Sequence[Scenario], groups: Sequence[int], seed: int, block: int, *, count: int = 1
) -> list[tuple[FloatArray, FloatArray]]:
    """Deepest fall and loss from the start of groups, (group, path), in each scenario; pure.

    To the last bit those of ``run_block``.

    Parameters
    ----------
    scenarios
        With the same universe, time grid, market and consensus.
    groups
        Rows of the universe's groups: those that are measured.
    seed
        Run seed.
    block, count
        Number of the first block, from 0, and of blocks.

    Raises
    ------
    NotFinite
        If a quantity became infinite or not a number; it says where.
    """
    shocks = SharedShocks(block_shocks(scenarios[0], seed, block, count), len(scenarios))
    consensus = consensus_of(scenarios[0])
    firms = np.ones((len(scenarios[0].universe.tickers), shocks.paths), shocks.precision)
    simulations = [Simulation(s, consensus, shocks) for s in scenarios]
    endless = [each for each in simulations if not np.any(each.scenario.sentiment.hazard_scale)]
    for follower in endless[1:]:  # without busts the market knows nothing of the rest
        follower.share_market(endless[0])
    meters = [_GroupMeter(simulation, groups, firms) for simulation in simulations]
    step, meter = 0, meters[0]
    with np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
        try:
            for first, last in strides(scenarios[0]):
                step = first
                for meter in meters:
                    meter.advance(first, last)
                for step in range(first, last + 1):
                    for meter in meters:
                        meter.measure(step)
            falls = []
            for meter in meters:
                falls.append(meter.falls())
        except (FloatingPointError, ValueError) as error:
            raise not_finite(meter.simulation, seed, block, step, str(error)) from None
    return falls


class _GroupMeter(FallMeter):
    """Measures the groups of one simulation step by step.

    Parameters
    ----------
    simulation
        At t=0.
    groups
        Rows of those measured.
    firms
        Levels of firms at t=0, all 1; a buffer that simulations share.
    """

    def __init__(self, simulation: Simulation, groups: Sequence[int], firms: FloatArray) -> None:
        self.simulation, self._firms = simulation, firms
        self._holdings = Holdings(simulation, groups)
        paths = simulation.shape[1]
        self._own = np.zeros_like(firms)
        self._groups = np.empty((self._holdings.values.size, paths), firms.dtype)
        self._factors = np.empty((0, len(FACTORS), paths), firms.dtype)
        self._holdings.add_up(firms, out=self._groups)
        super().__init__(self._groups)

    def advance(self, first: int, last: int) -> None:
        """Advance what firms share from step ``first`` to ``last``."""
        count = last - first + 1
        if len(self._factors) != count:
            self._factors = np.empty((count, *self._factors.shape[1:]), self._factors.dtype)
        self.simulation.advance(first, last, self._factors)

    def measure(self, step: int) -> None:
        """Advance firms to ``step``, the next of those, and measure the groups."""
        self.simulation.advance_firms(step, self._firms, self._own)
        np.exp(self._firms, out=self._firms)
        self._holdings.add_up(self._firms, out=self._groups)
        self.update(step, self._groups)
