"""What is priced in: one path without noise, and what it implies.

Market values contain it, so only departures from it move prices; everything the engine
simulates is measured against it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simulator.arrays import FloatArray, bounded
from simulator.engine.results import CHANNELS
from simulator.engine.streams import ZeroShocks
from simulator.model import concentration, firms, outlook, technology
from simulator.model.events import Forcing
from simulator.scenario import Scenario
from simulator.schema import Quantity


class QuietTable:
    """A universe without noise of its own: the same figures, but nothing random."""

    _NOISE = frozenset({"volatility", "jump_rate", "failure_rate"})

    def __init__(self, table: firms.FirmTable) -> None:
        self._table = table

    def column(self, figure: str) -> FloatArray:
        """A figure of every firm, 0 where it would be noise."""
        values = self._table.column(figure)
        return np.zeros_like(values) if figure in self._NOISE else values


def quiet(scenario: Scenario) -> Scenario:
    """The scenario with every noise, drift correction and regime change off, at its medians."""
    s = scenario.medians()
    return replace(
        s,
        technology=_quiet_technology(s.technology),
        sentiment=s.sentiment.model_copy(update={"hazard_scale": 0.0}),
        market=s.market.model_copy(
            update={
                "calm_drift": 0.0,
                "stressed_drift": 0.0,
                "calm_sd": 0.0,
                "stressed_sd": 0.0,
                "jump_rate": 0.0,
            }
        ),
    )


def _quiet_technology(params: technology.Technology) -> technology.Technology:
    return params.model_copy(
        update={"price_volatility": 0.0, "price_war_rate": 0.0, "demand_volatility": 0.0}
    )


@dataclass(frozen=True)
class Consensus:
    """What is priced in: one path without noise. J+1 updates of fundamentals, F firms."""

    start: technology.ConsensusStart
    growth: FloatArray  # (F,) per year: revenue growth at t=0
    log_revenue: FloatArray  # (J+1, F) over revenue at t=0
    log_margin: FloatArray  # (J+1, F)
    price: FloatArray  # (J+1,) log price of a unit
    demand: FloatArray  # (J+1,) log tokens
    compute: FloatArray  # (J+1,) log compute demand
    capex: FloatArray  # (J+1,) log AI capex
    rental: FloatArray  # (J+1,) log revenue of rented-out compute
    model_sales: FloatArray  # (J+1,) log revenue of models
    surplus: FloatArray  # (J+1,) what users gain by lower prices
    pool: FloatArray  # (J+1,) log profits of those who sell models
    ai_revenue: FloatArray  # (J+1,) log revenue of all channels of AI


def consensus_path(scenario: Scenario) -> Consensus:
    """Run what is priced in.

    Parameters
    ----------
    scenario
        Its ``consensus``, ``firms`` at their medians, universe and grid are used.
    """
    rules = scenario.firms.medians()
    params = _quiet_technology(scenario.consensus)
    start = technology.consensus_start(params)
    table, still = scenario.universe, np.zeros(len(scenario.universe.tickers))
    clock = fundamental_clock(scenario)
    dt, updates = clock * scenario.dt, scenario.steps // clock
    shocks, zero = ZeroShocks(1, still.size), np.zeros(1)
    chain = technology.TechnologyProcess(params, start, dt, 1)

    # One update ahead: the growth that sticky costs expect.
    state = chain.init()
    chain.step(state, 1, shocks.chain(), Forcing(), zero)
    probe = firms.IncomeProcess(rules, table, still, (), dt, 1)
    firm_state = probe.init()
    probe.step(firm_state, 1, drivers(state, params.capex_floor, zero, ()))
    growth = np.log(firm_state.revenue[:, 0]) / dt

    state = chain.init()
    income = firms.IncomeProcess(rules, table, growth, (), dt, 1)
    firm_state = income.init()
    log_revenue, log_margin = np.zeros((2, updates + 1, still.size))
    log_margin[0] = np.log(firm_state.margin[:, 0])
    names = ("price", "demand", "compute", "capex", "rental", "model_sales", "surplus")
    path = {name: np.zeros(updates + 1) for name in names}
    weights = channel_weights(scenario)
    pool, ai_revenue = np.zeros((2, updates + 1))
    for j in range(1, updates + 1):
        chain.step(state, j, shocks.chain(), Forcing(), zero)
        income.step(firm_state, j, drivers(state, params.capex_floor, zero, ()))
        log_revenue[j] = np.log(firm_state.revenue[:, 0])
        log_margin[j] = np.log(firm_state.margin[:, 0])
        for name, values in path.items():
            values[j] = getattr(state, name)[0]
        economy = ai_economy(state, params, rules, weights, j * dt)
        pool[j], ai_revenue[j] = (float(value[0]) for value in economy)
    return Consensus(
        start, growth, log_revenue, log_margin, **path, pool=pool, ai_revenue=ai_revenue
    )


def channel_weights(scenario: Scenario) -> FloatArray:
    """Shares of chips, computing rented out and models in all firms' revenue from AI, (channel,)."""
    universe = scenario.universe
    # What a portfolio holds beside the universe's firms must not change the economy they live in.
    inside = [ticker not in universe.outside for ticker in universe.tickers]
    revenue = universe.column("revenue") * inside
    sold = [universe.column(f"{name}_share") @ revenue for name in CHANNELS]
    return np.array(sold) / max(sum(sold), 1e-300)


def ai_economy(
    chain: technology.TechnologyState,
    params: technology.Technology,
    rules: firms.FirmRules,
    weights: FloatArray,
    years: float,
) -> tuple[FloatArray, FloatArray]:
    """Log profits of those who sell models, and log revenue of all channels of AI, ``(path,)``."""
    sales = bounded(chain.model_sales + params.monetisation_growth * years)
    pool = outlook.profit_pool(rules, sales, chain.unit_margin)
    return pool, outlook.channel_revenue(weights, (chain.capex, chain.rental, sales))


def fundamental_clock(scenario: Scenario) -> int:
    """Steps between updates of fundamentals: a quarter, or a step where steps are longer.

    Firms report by the quarter and plan capex by the year; prices, news and sentiment
    move at every step.
    """
    return max(round(scenario.steps_per_year / 4), 1)


def drivers(
    chain: technology.TechnologyState,
    capex_floor: Quantity,
    macro: FloatArray,
    competition: tuple[Quantity, ...],
) -> firms.Drivers:
    """What moves firms, from the state of the chain; ``macro`` logs ``(path,)``."""
    return firms.Drivers(
        capex=chain.capex,
        rental=chain.rental,
        model_sales=chain.model_sales,
        unit_margin=chain.unit_margin,
        depreciation=chain.depreciation,
        macro=macro,
        glut=firms.glut(chain.capex, chain.capex_peak, capex_floor),
        competition=competition,
    )


@dataclass(frozen=True)
class PricedIn:
    """What market values contain, beside what sources say.

    ``forward_pe`` and ``horizon_pe`` are by ticker: implied price over the next year's
    after-tax operating profit, today and at the horizon.
    """

    first_year_capex_growth: float
    compute_growth: float
    premium: float
    group_weight: float
    weight_from_gains: float
    forward_pe: dict[str, float]
    horizon_pe: dict[str, float]


TAX_RATE = 0.17
"""Effective tax on operating profit of large US firms, about .15-.19 (company reports, 2024)."""


def priced_in(scenario: Scenario) -> PricedIn:
    """Work out what the consensus path implies."""
    universe = scenario.universe
    # At least a year, of which there is a first-year growth and a next year's profit.
    s = replace(scenario.medians(), horizon_years=max(scenario.horizon_years, 1.0))
    path = consensus_path(s)
    clock = fundamental_clock(s)
    year = min(round(s.steps_per_year / clock), path.capex.size - 1)
    profit = (
        universe.column("revenue") * np.exp(path.log_revenue + path.log_margin) * (1.0 - TAX_RATE)
    )
    values = universe.column("market_value")
    horizon = values * np.exp(
        s.valuation.required_return * (path.capex.size - 1 - year) * clock * s.dt
    )
    named = "mag7" if "mag7" in universe.groups else universe.bubble_group
    inside = universe.membership[universe.groups.index(named)] > 0.0
    index = universe.membership[universe.groups.index("sp500")] * values
    tickers = universe.tickers
    return PricedIn(
        first_year_capex_growth=float(np.expm1(path.capex[year] / (year * clock * s.dt))),
        compute_growth=float(path.start.compute_growth),
        premium=float(concentration.premium(s.concentration)),
        group_weight=float(index[inside].sum() / index.sum()),
        weight_from_gains=float(concentration.weight_today(s.concentration)),
        forward_pe=dict(zip(tickers, (values / profit[year]).tolist(), strict=True)),
        horizon_pe=dict(zip(tickers, (horizon / profit[-1]).tolist(), strict=True)),
    )
