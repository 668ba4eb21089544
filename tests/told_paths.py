"""Paths told twice: by the engine, and by tests/reference.py on the same recorded shocks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from reference import Noise, Told, tell
from scenario_texts import MINIMAL, load

from simulator.arrays import FloatArray, IntArray, Precision
from simulator.engine import block_simulation
from simulator.engine.attribution import BOOKS
from simulator.engine.consensus import consensus_path
from simulator.engine.factors import FACTORS
from simulator.engine.results import CAUSES, BlockResult
from simulator.engine.simulation import Simulation
from simulator.engine.streams import Arrivals, BlockShocks, ChainShocks, StartShocks, StepShocks
from simulator.model.market import jump_chances
from simulator.scenario.scenario import Scenario

SEED = 12
STRESS = """
[technology]
capex_ceiling = 1.3
addressable_market = 4.0
investment_ceiling = 1.2
annual_price_decline = { dist = "uniform", low = 0.85, high = 0.97 }
elasticity = { p5 = 0.4, p50 = 0.7, p95 = 1.9 }
price_war_rate = 2.0
pass_through = 0.8
outside_funding = 0.5
utilisation_bound = 0.2
[technology.consensus]
elasticity = 1.1
autonomous_growth = 0.15
training_growth = 0.55
[concentration]
forward_pe = { dist = "lognormal", median = 40.0, sigma = 0.1 }
[[concentration.earlier_years]]
mag7_share_of_gains = 0.62
index_gain = 0.263
weight_at_start = 0.2
[sentiment]
hazard_scale = { dist = "lognormal", median = 3.0, sigma = 0.4 }
hazard_level = 0.08
hazard_slope = { dist = "uniform", low = 1.5, high = 2.5 }
average_surprise = -0.1
surprise_sd = 0.3
bust_years = 0.6
recession_probability = 0.5
recession_depth = 0.3
[valuation]
highest_outlook = 0.02
[market]
jump_rate = 3.0
[firms]
margin_ceiling = 1.02
cost_adjustment_years = { dist = "uniform", low = 0.5, high = 1.5 }
[[events]]
kind = "price_cut"
cut = { dist = "uniform", low = 0.9, high = 0.98 }
[[events]]
kind = "efficiency_gain"
at_years = 0.25
gain = 11.0
inference_share = 0.1
training_share = 0.6
[[events]]
kind = "demand_shift"
at_years = 0.3
shift = -0.2
[[events]]
kind = "competition"
firm = "GOOGL"
at_years = 0.1
share_lost_per_year = 0.1
[[events]]
kind = "competition"
firm = "GOOGL"
share_lost_per_year = 0.05
[[events]]
kind = "competition"
firm = "TSLA"
at_years = 0.2
years = 0.5
[[events]]
kind = "funding_squeeze"
at_years = 0.2
withdrawn = { dist = "triangular", low = 0.4, mode = 0.9, high = 1.0 }
[[events]]
kind = "rate_rise"
at_years = 0.4
rise = 0.015
[[correlations]]
between = ["technology.elasticity", "technology.annual_price_decline"]
rho = -0.6
[[correlations]]
between = ["technology.elasticity", "sentiment.hazard_scale"]
rho = -0.3
"""
"""All six kinds of event, correlations, and a hazard at which nearly every path goes bust."""

Shock = TypeVar("Shock", StartShocks, StepShocks, ChainShocks)


def stress_scenario(folder: Path, overrides: dict[str, Any] | None = None) -> Scenario:
    """The scenario in which everything happens."""
    return load(folder, MINIMAL + STRESS, overrides)


class Recorded:
    """The shocks of some paths of a block, as the engine reads them, kept for the reference."""

    def __init__(self, scenario: Scenario, seed: int, columns: IntArray) -> None:
        self._tickers = scenario.universe.tickers
        chances = jump_chances(scenario.universe, scenario.dt)
        self.precision: Precision = np.float64
        self._block = BlockShocks(seed, 0, self._tickers, chances, precision=self.precision)
        self._columns = columns
        self.paths = columns.size
        self._first: StartShocks | None = None
        self._steps: list[StepShocks] = []
        self._firms: list[FloatArray] = []
        self._quarters: list[ChainShocks] = []

    def _pick(self, shocks: Shock) -> Shock:
        drawn = {f.name: getattr(shocks, f.name) for f in fields(shocks)}
        jumps = drawn.pop("jumps", None)
        picked = {name: rows[..., self._columns] for name, rows in drawn.items()}
        if jumps is not None:
            event, path = np.nonzero(jumps.path[:, None] == self._columns)
            picked["jumps"] = Arrivals(
                jumps.step[event], jumps.firm[event], path, jumps.uniform[event]
            )
        return type(shocks)(**picked)

    def assumption(self, key: str) -> FloatArray:
        return self._block.assumption(key)[self._columns]

    def start(self) -> StartShocks:
        self._first = self._pick(self._block.start())
        return self._first

    def steps(self, count: int) -> StepShocks:
        assert count == 1, "told step by step"
        self._steps.append(self._pick(self._block.steps(1)))
        return self._steps[-1]

    def firms(self) -> FloatArray:
        self._firms.append(self._block.firms()[:, self._columns])
        return self._firms[-1]

    def chain(self) -> ChainShocks:
        self._quarters.append(self._pick(self._block.chain()))
        return self._quarters[-1]

    def _jumps(self, jumps: Arrivals, i: int) -> dict[str, float]:
        """What jumps on the i-th path, and the uniform of its size."""
        here = np.flatnonzero(jumps.path == i)
        return {self._tickers[jumps.firm[e]]: float(jumps.uniform[e]) for e in here}

    def noise(self, i: int) -> Noise:
        """The shocks of the i-th recorded path in plain numbers."""

        def common(shocks: Any) -> dict[str, float]:
            rows = {f.name: getattr(shocks, f.name) for f in fields(shocks)}
            names = [name for name in rows if name not in ("lab", "jumps")]
            return {name: float(np.atleast_2d(rows[name])[0, i]) for name in names}

        def each(names: Any, rows: Any) -> dict[str, Any]:
            return dict(zip(names, rows[:, i].tolist(), strict=True))

        assert self._first is not None
        return Noise(
            start=common(self._first),
            labs=each(self._tickers, self._first.lab),
            steps=[common(one) for one in self._steps],
            firms=[each(self._tickers, one) for one in self._firms],
            jumps=[self._jumps(one.jumps, i) for one in self._steps],
            quarters=[common(one) for one in self._quarters],
        )


@dataclass(frozen=True)
class Pair:
    """Some paths as the engine tells them, with what the reference needs to tell them again."""

    scenario: Scenario
    columns: IntArray
    levels: FloatArray  # (T+1, F, paths)
    causes: dict[str, FloatArray]  # cause -> (T+1, F, paths)
    block: BlockResult  # all paths of the block
    shocks: Recorded
    inputs: dict[str, FloatArray]

    def reference(self, i: int, scenario: Scenario | None = None) -> Told:
        """The i-th path told by the reference, perhaps with another scenario's numbers."""
        scenario = scenario or self.scenario
        drawn = {key: float(values[i]) for key, values in self.inputs.items()}
        return tell(scenario.at(drawn), scenario.medians().firms, self.shocks.noise(i))


def tell_both(scenario: Scenario, seed: int = SEED) -> Pair:
    """Run a block, pick paths worth a look, and run these again step by step."""
    block = block_simulation.run_block(
        scenario, seed, 0, block_simulation.Keep(levels=True), precision=np.float64
    )
    columns = telling_paths(scenario, block)
    shocks = Recorded(scenario, seed, columns)
    simulation = Simulation(scenario, consensus_path(scenario), shocks)
    values = simulation.values[:, None]
    none: FloatArray = np.zeros(simulation.shape)
    levels: list[FloatArray] = [values + none]
    causes = {cause: [none] for cause in CAUSES}
    books = {name: [none] * 2 for name in BOOKS}  # of the last two quarters
    for k in range(1, scenario.steps + 1):
        log_price, own = np.empty((2, *simulation.shape))
        factors = np.empty((len(FACTORS), columns.size))
        simulation.advance(k, k, factors[np.newaxis])
        simulation.advance_firms(k, log_price, own)
        levels.append(values * np.exp(log_price))
        part = k % simulation.clock / simulation.clock
        for name, ends in books.items():
            if part == 0.0:
                ends[:] = ends[1], getattr(simulation.state.valuation, name).copy()
            causes[name].append(ends[0] + (ends[1] - ends[0]) * part)
        for cause, value in _causes(simulation, k, factors).items():
            if cause in books:
                causes[cause][-1] = causes[cause][-1] + value
            else:
                causes[cause].append(value)
    stacked: dict[str, FloatArray] = {cause: np.stack(values) for cause, values in causes.items()}
    return Pair(*(scenario, columns, np.stack(levels), stacked, block, shocks, simulation.inputs))


def telling_paths(scenario: Scenario, block: BlockResult) -> IntArray:
    """The first path, the best for the first firm, the worst for a lab, and where sentiment did harm."""
    universe = scenario.universe
    labs = [firm.ticker for firm in universe.firms if firm.kind == "private"]
    entity = scenario.universe.entities.index
    sentiment = block.causes[entity(scenario.universe.bubble_group), CAUSES.index("sentiment")]
    order = np.argsort(sentiment)
    boom = np.argmax(block.measures["terminal_return"][entity(universe.tickers[0])])
    lab = np.argmin(block.causes[entity((*labs, universe.tickers[-1])[0]), CAUSES.index("firm")])
    early = np.argmin(np.where(sentiment < -0.2, block.measures["trough_step"][0], 30_000))
    return np.unique([0, order[0], order[order.size // 2], boom, lab, early]).astype(np.int64)


def _causes(simulation: Simulation, k: int, common: FloatArray) -> dict[str, FloatArray]:
    """Causes of all firms at a step but for the books', from the engine's own states."""
    state, factors = simulation.state, simulation.factors
    causes: dict[str, FloatArray] = {cause: np.zeros(simulation.shape) for cause in CAUSES}
    for j, cause in enumerate(factors.names):
        causes[cause] += factors.loadings[:, j, None] * common[j]
    for cause, known in factors.known.items():
        causes[cause] += known[k][:, None]
    causes["firm"] += state.market.own
    return causes
