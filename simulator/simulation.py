"""The order of the model: technology -> firms -> surprises -> sentiment -> market -> prices.

The rooms of ``simulator.model`` meet here, through arrays, and nowhere else.

Matrix products here are a few firms by a few factors by many paths. Such a product adds
each element's few terms in one order, however many threads BLAS uses, so results keep
their bits (tests/test_engine.py holds it to that).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Self

import numpy as np

from simulator.arrays import FloatArray, IntArray
from simulator.attribution import Factors
from simulator.consensus import Consensus, QuietTable, drivers, fundamental_clock
from simulator.events import Beliefs, Calendar
from simulator.model import firms, market, sentiment, technology, valuation
from simulator.scenario import Scenario
from simulator.streams import Shocks

FACTORS = (
    ("sentiment", "premium_loading"),
    ("news", "news_loading"),
    ("rates", "equity_duration"),
    ("market", "beta"),
    ("market", "variance"),
    ("contagion", "contagion"),
    ("margin", "adoption_loading"),
    ("firm", "sector"),
    ("firm", "variance"),
    ("firm", "burn_rate"),
)
"""Cause and loading of each common factor of log prices, in the order of ``History.factors``."""


@dataclass
class State:
    """Everything that changes, in one bag; the last axis of every array is the path."""

    technology: technology.TechnologyState
    firms: firms.FirmState
    valuation: valuation.ValuationState
    sentiment: sentiment.SentimentState
    market: market.MarketState

    def take(self, index: IntArray) -> Self:
        """Clone paths: column j of the copy is column ``index[j]``."""
        return _take(self, index)  # type: ignore[no-any-return]


def _take(value: Any, index: IntArray) -> Any:
    if is_dataclass(value):
        parts = {f.name: _take(getattr(value, f.name), index) for f in fields(value)}
        return type(value)(**parts)  # type: ignore[misc]
    return value[..., index]


class Simulation:
    """The paths of one block.

    Args:
        scenario: uncertain assumptions still as distributions.
        consensus: what is priced in.
        shocks: where the noise comes from.
        noise: False leaves out every correction for noise as well.
    """

    def __init__(
        self, scenario: Scenario, consensus: Consensus, shocks: Shocks, *, noise: bool = True
    ) -> None:
        self.consensus, self.shocks = consensus, shocks
        self.inputs = draw_assumptions(scenario, shocks)
        s = self.scenario = scenario.at(self.inputs)
        table: firms.FirmTable = s.universe if noise else QuietTable(s.universe)
        dt, paths = s.dt, shocks.paths
        shape = self.shape = (len(s.universe.tickers), paths)
        self.clock = fundamental_clock(s)
        slow = self.clock * dt
        self.calendar = Calendar(s.events, s.technology.inference_share)
        competitors = tuple(s.universe.tickers.index(t) for t in self.calendar.competitors)
        start = shocks.start()

        self._chain = technology.Chain(s.technology, consensus.start, slow, paths)
        self._accounts = firms.Accounts(s.firms, table, consensus.growth, competitors, slow, paths)
        self._appraisal = valuation.Appraisal(s.valuation, slow, shape)
        self._mood = sentiment.Mood(
            s.sentiment,
            sentiment.premium(s.concentration),
            start.opening,
            start.bust_length,
            start.recession,
            dt,
            paths,
        )
        self._weather = market.Weather(s.market, table, dt, shape)
        self.state = State(
            self._chain.init(),
            self._accounts.init(),
            self._appraisal.init(),
            self._mood.init(),
            self._weather.init(start.regime, start.volatility),
        )
        self.values = table.column("market_value")
        self._ai_weights = ai_weights(s)
        self.factors = Factors(
            tuple(cause for cause, _ in FACTORS),
            factor_loadings(s, table),
            known_parts(s, table),
        )
        self._known = np.log(self.values) + sum(self.factors.known.values())
        # What is known in advance is one more factor, 1 on every path.
        self._terms = np.ones((len(FACTORS) + 1, paths))
        self._weights = np.column_stack([self.factors.loadings, self._known[0]])
        self._surprise = np.zeros(shape)  # u + m + n
        self._dividend = np.zeros(paths)
        failure = table.column("failure_rate")
        self._labs = np.flatnonzero(failure)
        # A lab fails after an exponential time of shut funding.
        self._patience = -np.log(start.lab[self._labs]) / failure[self._labs, None]

    def step(self, k: int, log_price: FloatArray, own: FloatArray, factors: FloatArray) -> None:
        """Advance all paths to step ``k``.

        Args:
            k: number of the step, from 1.
            log_price: (firm, path), gets log USD billion.
            own: (firm, path), gets the state of firms' own noise.
            factors: (J, path), gets the common factors of ``FACTORS``.
        """
        s, state, shocks = self.scenario, self.state, self.shocks.step()
        if k % self.clock == 0:
            self._update_fundamentals(k)
        beliefs = self.calendar.beliefs(k * s.dt, (k - k % self.clock) * s.dt)
        mood = state.sentiment
        drought = mood.drought.copy() if self._labs.size else mood.drought
        bust = self._mood.step(mood, shocks.hazard, beliefs.squeeze)
        self._weather.step(state.market, shocks, bust)
        for row, patience in zip(self._labs, self._patience, strict=True):
            fails = (drought < patience) & (mood.drought >= patience)
            state.market.own[row] -= s.sentiment.lab_failure_loss * fails
        own[...] = state.market.own
        self._price(k, beliefs, log_price, factors)

    def _update_fundamentals(self, k: int) -> None:
        """Technology, firms and surprises, once a quarter."""
        s, state, j = self.scenario, self.state, k // self.clock
        forcing = self.calendar.forcing((k - self.clock) * s.dt, k * s.dt)
        mood, chain, values = state.sentiment, state.technology, state.valuation
        self._chain.step(chain, j, self.shocks.chain(), forcing, mood.sentiment)
        moves = drivers(chain, s.technology.capex_floor, mood.macro, forcing.competition)
        self._accounts.step(state.firms, j, moves)
        self._appraisal.step(
            values,
            state.firms.revenue,
            state.firms.margin,
            self.consensus.log_revenue[j][:, None],
            self.consensus.log_margin[j][:, None],
        )
        np.add(values.revenue, values.margin, out=self._surprise)
        self._surprise += values.expectations
        self._mood.expect(self._ai_weights @ self._surprise)
        self._dividend = firms.adoption(s.firms, chain.demand - self.consensus.demand[j])

    def _price(self, k: int, beliefs: Beliefs, log_price: FloatArray, factors: FloatArray) -> None:
        """Prices: ln P = ln P0 + rho t + u + m + n + loadings x factors + own + corrections."""
        s, chain, mood, weather = (
            self.scenario,
            self.state.technology,
            self.state.sentiment,
            self.state.market,
        )
        f = self._terms
        np.add(mood.sentiment, mood.boom, out=f[0])
        f[1] = s.valuation.news_response * (chain.price_war_news - beliefs.news)
        f[2] = beliefs.rates
        f[3] = weather.factor
        f[4] = weather.variance
        np.multiply(self._mood.contagion, mood.sentiment, out=f[5])
        f[6] = self._dividend
        f[7] = weather.sector
        f[8] = weather.firm_variance
        f[9] = mood.dilution
        self._weights[:, -1] = self._known[k]
        np.matmul(self._weights, f, out=log_price)
        log_price += self._surprise
        log_price += weather.own
        factors[...] = f[:-1]


def ai_weights(scenario: Scenario) -> FloatArray:
    """Start-value weight of each firm in the AI group, (firm,); they sum to 1."""
    universe = scenario.universe
    row = universe.groups.index(universe.bubble_group)
    values = universe.membership[row] * universe.column("market_value")
    return np.asarray(values / values.sum())


def factor_loadings(scenario: Scenario, table: firms.FirmTable) -> FloatArray:
    """Loading of each firm on each factor, (firm, J).

    Premium loadings are scaled to a value-weighted mean of 1 in the AI group.
    """
    premium = table.column("premium_loading")
    premium = premium / np.sum(ai_weights(scenario) * premium)
    beta, sigma = table.column("beta"), table.column("volatility")
    columns = {
        "premium_loading": premium,
        "equity_duration": -table.column("equity_duration"),
        "sector": sigma * table.column("sector_share"),
        "burn_rate": -table.column("burn_rate"),
    }
    halves = iter((-0.5 * beta**2, -0.5 * sigma**2))
    return np.stack(
        [
            next(halves)
            if name == "variance"
            else columns[name]
            if name in columns
            else table.column(name)
            for _, name in FACTORS
        ],
        axis=1,
    )


def known_parts(scenario: Scenario, table: firms.FirmTable) -> dict[str, FloatArray]:
    """Parts of log prices known in advance: cause -> (time, firm)."""
    s = scenario
    fixed = market.corrections(s.market, table, s.steps, s.dt)
    years = np.arange(s.steps + 1)[:, None] * s.dt
    growth = s.valuation.required_return * years + np.zeros_like(fixed.market)
    return {"growth": growth, "market": -fixed.market, "firm": -fixed.jumps}


def draw_assumptions(scenario: Scenario, shocks: Shocks) -> dict[str, FloatArray]:
    """Draw every uncertain assumption once per path: key -> (path,).

    Correlated ones share a Gaussian copula; the others keep a stream of their own.
    """
    uncertain = scenario.uncertain()
    uniforms = {key: shocks.assumption(key) for key in uncertain}
    keys, root = scenario.copula()
    if keys:
        from scipy.special import ndtr, ndtri

        scores = [ndtri(uniforms[key]) for key in keys]
        for row, key in enumerate(keys):
            mixed = sum(root[row, j] * scores[j] for j in range(row + 1))
            uniforms[key] = np.clip(ndtr(mixed), 2.0**-54, 1.0 - 2.0**-53)
    return {key: uncertain[key].ppf(uniforms[key]) for key in uncertain}
