"""Technology: price -> demand -> compute -> capacity -> capex (docs/model.md, section 1).

Generic on purpose: LLM tokens on GPUs now, bandwidth on fibre in 2000. Lower case
letters are logs of an index, 0 at t=0, in quality-adjusted units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from simulator.arrays import FloatArray, Precision, bounded, cast_constants
from simulator.model.events import Forcing
from simulator.model.shocks import ChainShocks
from simulator.schema import Params, Quantity, quantity


# fmt: off
class Technology(Params):
    """The causal chain's assumptions; the same keys say what is priced in."""

    annual_price_decline: Quantity = quantity(0.90, "share per year", 0.0, 0.999,
        "fall of the price of a unit of constant quality; 0.90 is 10x cheaper a year",
        "B", "a16z LLMflation, 2024-11-12: 10x a year at fixed quality; Altman, Three Observations, 2025-02: 10x "
        "every 12 months")
    decline_half_life_years: float = quantity(15.0, "years", 0.1, 1000.0,
        "half-life with which the log decline fades",
        "D", "judgement: fastest trends are newest and may not persist (Epoch AI, 2025-03-12)")
    price_volatility: float = quantity(0.20, "log per sqrt year", 0.0, 2.0, "noise of the unit price",
        "D", "judgement: dot-com transit prices fell 16-50 % a year around -37 % (DrPeering survey)")
    price_war_rate: float = quantity(0.5, "per year", 0.0, 12.0, "how often a price war breaks out",
        "D", "judgement: list-price cuts of a vendor about twice in three years, 2023-25")
    price_war_size: float = quantity(0.20, "log", 0.0, 3.0, "mean fall of the average price in a price war",
        "D", "judgement")
    price_war_half_life_years: float = quantity(0.5, "years", 0.02, 10.0,
        "half-life of the market's alarm over a price war",
        "D", "judgement: as other events")
    elasticity: Quantity = quantity(1.0, "1", 0.0, 4.0, "price elasticity of token demand today; the knife edge",
        "C", "between the NBER working paper's -1.11 (The Emerging Market for Intelligence, 2025: short run, "
        "OpenRouter, open models) and .9 at saturation")
    saturation_elasticity: Quantity = quantity(0.9, "1", 0.0, 4.0,
        "elasticity toward which demand drifts as uses saturate",
        "C", "bandwidth in 2002 implied .89-1.0 (DrPeering prices, Coffman-Odlyzko traffic); range .6-1.1")
    saturation_half_life_years: float = quantity(15.0, "years", 0.1, 1000.0, "half-life of that drift",
        "D", "judgement: bandwidth went from about 1.5 to .9 in three to five years")
    autonomous_growth: Quantity = quantity(0.114, "log per year", -1.0, 3.0, "growth of demand at unchanged prices",
        "C", "derived: priced-in capex meets the guidance of +28 % for 2025; only its sum with (elasticity - "
        "pass-through) x decline is identified; range 0-.8")
    autonomous_half_life_years: float = quantity(20.0, "years", 0.1, 1000.0,
        "half-life with which autonomous growth fades",
        "D", "judgement: priced-in growth must last for forward P/Es to come down to their band")
    monetisation_growth: Quantity = quantity(0.62, "log per year", -3.0, 3.0,
        "growth of what sellers of models are paid beyond use at list prices: free use that comes to be paid for",
        "C", "OpenAI's plans as presented to investors (press): 3.7 bn USD in 2024, 11.6 to 12.7 in 2025, about 100 in "
        "2028-29: .73 a year, less .11 for spending at list prices")
    adjustment_half_life_years: Quantity = quantity(0.5, "years", 0.02, 10.0,
        "time for half of the demand response to arrive",
        "D", "judgement: integration frictions (NBER working paper digest, 2025), range .25-1.5")
    demand_volatility: float = quantity(0.15, "log per sqrt year", 0.0, 2.0, "noise of token demand",
        "D", "judgement")
    addressable_market: Quantity = quantity(100.0, "times today's spend", 2.0, 1e6,
        "ceiling of spend on model output",
        "D", "judgement: about $10bn model spend in 2024 against $1tn of software")
    compute_cost_decline: Quantity = quantity(0.30, "log per year", 0.0, 2.0,
        "yearly fall of the cost of a unit of compute",
        "B", "Epoch AI: hardware FLOP per dollar 1.3-1.4x a year; Microsoft, 2025-01: over 2x a generation")
    pass_through: Quantity = quantity(1.0, "1", 0.0, 1.5,
        "fall of compute per unit relative to the margin-neutral one; below 1 margins vanish",
        "D", "judgement: margin-neutral, costs fall as fast as prices")
    inference_share: Quantity = quantity(0.5, "share", 0.01, 0.99, "share of inference in AI compute today",
        "C", "Epoch AI on OpenAI 2024: training and research about .7 of compute; Microsoft calls its own all "
        "inference")
    training_growth: Quantity = quantity(0.63, "log per year", -2.0, 3.0, "growth of compute used in training",
        "C", "derived: brings Nvidia's forward P/E into its band within five years; cost of frontier runs grew 2.4x "
        "a year (Epoch AI)")
    training_half_life_years: float = quantity(20.0, "years", 0.1, 1000.0,
        "half-life with which training growth fades",
        "D", "judgement: as autonomous growth")
    expectation_years: Quantity = quantity(1.0, "years", 0.05, 10.0,
        "time over which planners learn the growth of compute demand",
        "D", "judgement: one budget cycle")
    lead_time_years: Quantity = quantity(0.75, "years", 0.0, 5.0,
        "how far ahead capacity is ordered: the accelerator",
        "D", "judgement: order to operation of a data centre, six months to two years")
    capacity_gap_years: Quantity = quantity(1.0, "years", 0.1, 10.0,
        "time in which planners want a capacity gap closed",
        "D", "judgement")
    investment_speed_up: Quantity = quantity(0.6, "per year", 0.05, 10.0,
        "speed with which investment rises to what is wanted",
        "D", "judgement: guidance for 2025 was beaten by about 30 %; range .4-.8")
    investment_speed_down: Quantity = quantity(0.9, "per year", 0.05, 10.0, "speed with which investment falls",
        "D", "judgement: telecom capex took two to three years down; range .6-1.3")
    investment_ceiling: float = quantity(2.5, "times the starting rate", 1.0, 10.0,
        "highest investment rate, as a multiple of the one at the start",
        "D", "judgement: big-four capex about tripled in two years, 2024-26")
    capex_floor: Quantity = quantity(0.45, "share", 0.01, 1.0, "lowest AI capex as a share of its running peak",
        "C", "US telecom capex about -55 % 2000-03 (general knowledge, unchecked); range .35-.65")
    capex_ceiling: Quantity = quantity(8.0, "times today's", 1.0, 1000.0,
        "highest AI capex: power, fabs and budgets have limits",
        "D", "judgement: about $2tn a year against $250bn in 2024; big-five capex 660-775 bn in 2026, about 1,000 "
        "talked of for 2027")
    economic_life_years: Quantity = quantity(4.5, "years", 1.0, 30.0, "life of AI capacity",
        "C", "accounting lives 5-6 years, sceptics 2-3 (disputed); range 3-6")
    rental_sensitivity: Quantity = quantity(0.5, "1", 0.0, 3.0,
        "response of the rental price to utilisation, in logs",
        "C", "H100 rental fell about 49 % a year 2023-25, then +38 % in five months 2026 (SemiAnalysis): cyclical")
    utilisation_bound: float = quantity(0.7, "log", 0.0, 3.0, "largest log departure of utilisation from normal",
        "D", "judgement")
    outside_funding: Quantity = quantity(0.3, "share", 0.0, 1.0,
        "share of AI capex, training and lab spending paid by capital markets",
        "D", "judgement: range .2-.5; telecom's was most of it")
# fmt: on


@dataclass
class TechnologyState:
    """Everything that moves in the chain; arrays ``(path,)``, logs unless noted."""

    price: FloatArray
    autonomous: FloatArray  # demand at unchanged prices
    response: FloatArray  # integral of -elasticity d price
    demand: FloatArray
    compute_per_unit: FloatArray
    training: FloatArray
    compute: FloatArray
    expected_growth: FloatArray  # per year
    capacity: FloatArray
    investment: FloatArray  # share of capacity per year
    capex: FloatArray
    capex_peak: FloatArray
    depreciation: FloatArray  # level, 1 at the start
    rental: FloatArray
    model_sales: FloatArray
    surplus: FloatArray  # what lower prices save users a year, in units of their spending at t=0
    unit_margin: FloatArray  # price less cost of a unit
    price_war_news: FloatArray


@dataclass(frozen=True)
class ConsensusStart:
    """The consensus at t=0, from which every path starts (so there is no fake transient)."""

    demand_growth: float  # per year
    compute_growth: float  # per year
    investment: float  # share of capacity per year


def consensus_start(consensus: Technology) -> ConsensusStart:
    """Growth rates of the consensus path at t=0.

    Parameters
    ----------
    consensus
        What is priced in; numbers only.
    """
    c = consensus
    decline = -math.log1p(-float(c.annual_price_decline))
    adjust = math.log(2.0) / float(c.adjustment_half_life_years)

    def lag(*half_lives: float) -> float:
        # Demand responds with a lag, so where growth fades today's growth is still that of
        # a while ago: e^{-ft} through a lag of rate a grows by a / (a - f).
        fade = sum(math.log(2.0) / half_life for half_life in half_lives)
        return adjust / max(adjust - fade, 0.1 * adjust)

    response = c.saturation_elasticity * lag(c.decline_half_life_years)
    response += (c.elasticity - c.saturation_elasticity) * lag(
        c.decline_half_life_years, c.saturation_half_life_years
    )
    growth = c.autonomous_growth * lag(c.autonomous_half_life_years) + response * decline
    # Spend q + p saturates; at t=0 that damps its growth by this factor.
    demand = decline + (growth - decline) / (1.0 + 1.0 / c.addressable_market)
    cheaper = float(c.compute_cost_decline)
    neutral = max(1.0 - cheaper / decline, 0.0) if decline > 0.0 else 0.0
    inference = demand - c.pass_through * neutral * decline
    compute = c.inference_share * inference + (1.0 - c.inference_share) * c.training_growth
    investment = compute + 1.0 / c.economic_life_years
    return ConsensusStart(float(demand), float(compute), float(max(investment, 1e-3)))


class TechnologyProcess:
    """The technology chain on a time grid, with what is constant worked out once.

    Parameters
    ----------
    params
        Assumptions, numbers or ``(path,)`` arrays.
    start
        Of the consensus path.
    dt
        Step in years.
    paths
        Number of columns.
    precision
        Of all states.
    """

    def __init__(
        self,
        params: Technology,
        start: ConsensusStart,
        dt: float,
        paths: int,
        precision: Precision = np.float64,
    ) -> None:
        self.params, self.start, self.dt, self.paths = params, start, dt, paths
        self.precision = precision
        p = params
        self._decline = -np.log1p(-np.asarray(p.annual_price_decline))
        self._market = 1.0 / np.asarray(p.addressable_market)
        self._spend_offset = np.log1p(self._market)
        self._adjust = -np.expm1(-np.log(2.0) * dt / np.asarray(p.adjustment_half_life_years))
        self._lag = start.demand_growth * dt * (1.0 - self._adjust) / self._adjust
        self._learn = -np.expm1(-dt / np.asarray(p.expectation_years))
        self._up = -np.expm1(-np.asarray(p.investment_speed_up) * dt)
        self._down = -np.expm1(-np.asarray(p.investment_speed_down) * dt)
        self._scrap = 1.0 / np.asarray(p.economic_life_years)
        self._floor = np.log(np.asarray(p.capex_floor))
        self._top = np.log(np.asarray(p.capex_ceiling))
        self._ceiling = p.investment_ceiling * start.investment
        self._war_probability = -np.expm1(-p.price_war_rate * dt)
        self._war_mean = self._war_probability * p.price_war_size
        self._news_fade = float(np.exp2(-dt / p.price_war_half_life_years))
        self._capex_growth = start.compute_growth - p.compute_cost_decline
        cast_constants(self, precision)

    def init(self) -> TechnologyState:
        """The state at t=0: every index at 1, planners at the consensus."""
        logs = np.zeros((len(fields(TechnologyState)), self.paths), self.precision)
        state = TechnologyState(*logs)
        state.expected_growth += self.start.compute_growth
        state.investment += self.start.investment
        state.depreciation += 1.0
        return state

    def step(
        self,
        state: TechnologyState,
        k: int,
        noise: ChainShocks,
        forcing: Forcing,
        sentiment: FloatArray,
    ) -> None:
        """Advance the chain from step ``k - 1`` to ``k``, in place.

        Parameters
        ----------
        state
            The chain, changed in place.
        k
            Number of the step's end, from 1.
        noise
            The chain's draws.
        forcing
            Increments of the events in this step.
        sentiment
            Log sentiment at the step's start; it moves outside funding.
        """
        p, s, begin = self.params, state, (k - 1) * self.dt
        fall = self._move_price(s, begin, noise, forcing)
        self._move_demand(s, begin, fall, noise, forcing)
        # Outside money: a fall of sentiment or a squeeze takes a share of growth away.
        closed = 1.0 - np.exp(np.minimum(sentiment, 0.0)) * (1.0 - forcing.squeeze)
        funded = 1.0 - p.outside_funding * closed
        cheaper = p.compute_cost_decline * (k * self.dt)
        change = self._move_compute(s, begin, funded, forcing)
        self._invest(s, change, funded, cheaper)
        self._sell(s, cheaper)

    def _move_price(
        self, s: TechnologyState, begin: float, noise: ChainShocks, forcing: Forcing
    ) -> FloatArray:
        """Price and compute of a unit; return the change of the log price.

        dp = -lambda dt + sigma dW + nu j dt - dJ - events; de = phi dp, and phi = 1 - h / lambda leaves margins
        as they are.
        """
        p, dt, war = self.params, self.dt, noise.price_war
        decline = self._decline * 2.0 ** (-begin / p.decline_half_life_years)
        trend = (self._war_mean - decline * dt) + p.price_volatility * math.sqrt(dt) * noise.price
        s.price_war_news *= self._news_fade
        s.price_war_news += self._war_mean
        hit = np.flatnonzero(war < self._war_probability)
        if hit.size:
            # Given a hit, the uniform is uniform below its threshold: an exponential size for free.
            size = -p.price_war_size * np.log(war[hit] / self._war_probability)
            trend[hit] -= size
            s.price_war_news[hit] -= size
        fall: FloatArray = trend + forcing.price
        s.price += fall
        neutral = np.maximum(1.0 - p.compute_cost_decline / np.maximum(decline, 1e-12), 0.0)
        s.compute_per_unit += p.pass_through * neutral * trend + forcing.compute
        return fall

    def _move_demand(
        self,
        s: TechnologyState,
        begin: float,
        fall: FloatArray,
        noise: ChainShocks,
        forcing: Forcing,
    ) -> None:
        """Demand follows q* = a - eps p, whose spend q* + p saturates at the addressable market."""
        p, dt = self.params, self.dt
        s.autonomous += (
            p.autonomous_growth * (dt * 2.0 ** (-begin / p.autonomous_half_life_years))
            + forcing.demand
        )
        weight = 2.0 ** (-begin / p.saturation_half_life_years)
        elasticity = p.saturation_elasticity + (p.elasticity - p.saturation_elasticity) * weight
        s.response -= elasticity * fall
        spend = bounded(s.autonomous + s.response + s.price)
        target = self._spend_offset - np.log(np.exp(-spend) + self._market) - s.price
        s.demand += self._adjust * (target + self._lag - s.demand)
        s.demand += p.demand_volatility * math.sqrt(dt) * noise.demand

    def _move_compute(
        self, s: TechnologyState, begin: float, funded: FloatArray, forcing: Forcing
    ) -> FloatArray:
        """Compute demand, of inference and training; return its change in logs."""
        p = self.params
        growth = p.training_growth * (self.dt * 2.0 ** (-begin / p.training_half_life_years))
        s.training += growth * funded + forcing.training
        omega = p.inference_share
        inference = omega * np.exp(bounded(s.demand + s.compute_per_unit))
        compute = np.log(inference + (1.0 - omega) * np.exp(bounded(s.training)))
        change: FloatArray = compute - s.compute
        s.compute = compute
        return change

    def _invest(
        self, s: TechnologyState, change: FloatArray, funded: FloatArray, cheaper: Quantity
    ) -> None:
        """Capacity, and the capex that planners order: the accelerator (docs/model.md, section 1.3)."""
        p, dt = self.params, self.dt
        # What was spent in the last step is in place now.
        s.capacity += (s.investment - self._scrap) * dt
        s.depreciation += (
            (self._capex_growth + self._scrap) * np.exp(s.capex) - self._scrap * s.depreciation
        ) * dt

        # Planners extrapolate; investment follows with unequal speeds.
        s.expected_growth += self._learn * (change / dt - s.expected_growth)
        gap = (
            s.compute
            + p.lead_time_years * (s.expected_growth - self.start.compute_growth)
            - s.capacity
        )
        target = s.expected_growth + self._scrap + gap / p.capacity_gap_years
        target = np.clip(target, 0.0, self._ceiling) * funded
        distance = target - s.investment
        wish = s.investment + np.where(distance > 0.0, self._up, self._down) * distance

        # Capex at money value, between floor and ceiling.
        capex = s.capacity - cheaper + np.log(np.maximum(wish, 1e-9) / self.start.investment)
        capex = np.minimum(np.maximum(capex, s.capex_peak + self._floor), self._top)
        np.maximum(s.capex_peak, capex, out=s.capex_peak)
        s.capex = capex
        s.investment = self.start.investment * np.exp(bounded(capex - s.capacity + cheaper))

    def _sell(self, s: TechnologyState, cheaper: Quantity) -> None:
        """What sellers earn: rental of compute, sale of model output."""
        p = self.params
        slack = s.compute - s.capacity
        # Demand beyond full use is not served, and not billed.
        served = np.minimum(slack, p.utilisation_bound)
        pressure = np.maximum(served, -p.utilisation_bound)
        s.rental = bounded(s.capacity + served - cheaper + p.rental_sensitivity * pressure)
        s.model_sales = bounded(s.price + s.demand)
        s.surplus = -s.price * _mean(np.exp(s.model_sales), np.exp(bounded(s.autonomous)))
        s.unit_margin = s.price - s.compute_per_unit + cheaper


def _mean(a: FloatArray, b: FloatArray) -> FloatArray:
    """Logarithmic mean: of spending as the price goes from one to the other at constant elasticity."""
    ratio = np.log(a / b)
    even = ratio == 0.0
    return np.divide(a - b, ratio, out=a.copy(), where=~even)
