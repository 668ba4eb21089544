"""The order of the model: technology -> firms -> surprises -> sentiment -> market -> prices.

The modules of ``simulator.model`` meet here, through arrays, and nowhere else.

Matrix products here are a few firms by a few factors by many paths. Such a product adds
each element's few terms in one order, however many threads BLAS uses, so results keep
their bits (tests/test_engine.py holds it to that).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from simulator.arrays import (
    LARGEST_LOG,
    FloatArray,
    IntArray,
    cast_constants,
    in_precision,
    product,
)
from simulator.engine.attribution import Factors, mean_ratio
from simulator.engine.consensus import (
    Consensus,
    QuietTable,
    ai_economy,
    channel_weights,
    drivers,
    fundamental_clock,
)
from simulator.engine.factors import FACTORS, ai_weights, factor_loadings, known_parts
from simulator.engine.results import CHANNELS
from simulator.engine.streams import Shocks
from simulator.model import concentration, firms, market, outlook, sentiment, technology, valuation
from simulator.model.events import Calendar
from simulator.scenario import Scenario
from simulator.schema import Params

_SENTIMENT, _OUTLOOK, _NEWS, _RATES, _MARKET = 0, 1, 2, 3, 4
_CONTAGION, _ADOPTION, _BURN, _KNOWN = 8, 9, 10, 11

LEAST_CLONED = 64
"""Axes over paths are recognised by their length when paths are cloned: no other axis is so long."""

_PROCESSES = ("_technology", "_income", "_valuation", "_outlook", "_sentiment", "_market")


@dataclass
class State:
    """The state of every process; the last axis of every array is the path."""

    technology: technology.TechnologyState
    firms: firms.FirmState
    valuation: valuation.ValuationState
    outlook: outlook.OutlookState
    sentiment: sentiment.SentimentState
    market: market.MarketState

    def take(self, index: IntArray) -> Self:
        """Clone paths: column j of the copy is column ``index[j]``."""
        return self._each(lambda array: array[..., index])

    def join(self, other: Self) -> Self:
        """These paths, then those of another."""
        return self._each(lambda *both: np.concatenate(both, axis=-1), other)

    def _each(self, change: Callable[..., Any], *others: Self) -> Self:
        """Apply ``change`` to every array, together with the same array of ``others``."""
        parts = []
        for name, part in vars(self).items():
            same = [vars(getattr(other, name)).values() for other in others]
            parts.append(type(part)(*map(change, vars(part).values(), *same)))
        return type(self)(*parts)


_SIZES = {"paths", "shape", "_shape"}
"""Attributes that hold the number of paths, alone or as the last of a shape."""


def _select(value: Any, index: IntArray, paths: int, copies: dict[int, Any]) -> Any:
    """A copy of a process in which every array over paths has the columns ``index`` only.

    ``copies`` (by identity) keeps shared arrays shared.
    """
    if id(value) in copies:
        return copies[id(value)]
    selected = value
    if isinstance(value, np.ndarray):
        if value.ndim and value.shape[-1] == paths:
            selected = value[..., index]
    elif isinstance(value, tuple | list):
        selected = type(value)(_select(item, index, paths, copies) for item in value)
    elif type(value).__module__.startswith("simulator.") and hasattr(value, "__dict__"):
        selected = copy.copy(value)
        parts = vars(value).items()
        vars(selected).update({name: _select(item, index, paths, copies) for name, item in parts})
        for name in vars(selected).keys() & _SIZES:
            size = getattr(value, name)
            setattr(selected, name, index.size if size == paths else (*size[:-1], index.size))
    copies[id(value)] = selected
    return selected


class Simulation:
    """The paths of one block.

    Parameters
    ----------
    scenario
        Uncertain assumptions still as distributions.
    consensus
        What is priced in.
    shocks
        Where the noise comes from.
    noise
        False leaves out every correction for noise as well.
    """

    def __init__(
        self, scenario: Scenario, consensus: Consensus, shocks: Shocks, *, noise: bool = True
    ) -> None:
        self.consensus, self.shocks = consensus, shocks
        self.inputs = draw_assumptions(scenario, shocks)
        drawn = {key: in_precision(value, shocks.precision) for key, value in self.inputs.items()}
        s = self.scenario = scenario.at(drawn)
        table: firms.FirmTable = s.universe if noise else QuietTable(s.universe)
        dt, paths, precision = s.dt, shocks.paths, shocks.precision
        shape = self.shape = (len(s.universe.tickers), paths)
        self.clock = fundamental_clock(s)
        slow = self._slow = self.clock * dt
        self.calendar = Calendar(s.events, s.technology.inference_share, precision)
        competitors = tuple(s.universe.tickers.index(t) for t in self.calendar.competitors)
        start = shocks.start()

        self._technology = technology.TechnologyProcess(
            s.technology, consensus.start, slow, paths, precision
        )
        self._income = firms.IncomeProcess(
            s.firms, table, consensus.growth, competitors, slow, paths, precision
        )
        self._valuation = valuation.ValuationProcess(
            s.valuation, slow, self.clock, shape, precision
        )
        premium = concentration.premium(s.concentration)
        self._outlook = outlook.Outlook(s.valuation, premium, slow, self.clock, paths, precision)
        self._channels = channel_weights(s)
        hazard = sentiment.run_up_hazard(s.sentiment, concentration.net_run_up(s.concentration))
        self._sentiment = sentiment.SentimentProcess(
            s.sentiment, premium, hazard, start, dt, paths, precision
        )
        self._market = market.MarketProcess(s.market, table, dt, shape, precision)
        self.state = State(
            self._technology.init(),
            self._income.init(),
            self._valuation.init(),
            self._outlook.init(),
            self._sentiment.init(),
            self._market.init(start),
        )
        self._ai_weights = ai_weights(s)
        self.sold = np.stack([table.column(f"{name}_share") for name in CHANNELS])
        causes = tuple(cause for cause, _ in FACTORS)
        self.factors = Factors(causes, self._loadings(table), known_parts(s, table))
        self._known = sum(self.factors.known.values(), start=np.zeros(()))
        self._weights = self.factors.loadings.copy()
        self._premium_loading = self._weights[:, _OUTLOOK]
        self._earned = np.zeros(shape, precision)  # u + m, whether markets know it or not
        failure = table.column("failure_rate")
        self._labs = np.flatnonzero(failure)
        # A lab fails after an exponential time of shut funding.
        self._patience = -np.log(start.lab[self._labs]) / failure[self._labs, None]
        # What is priced in, at every end of a quarter: a column for each firm.
        self._priced_in = tuple(
            in_precision(logs[:, :, None], precision)
            for logs in (consensus.log_revenue, consensus.log_margin)
        )
        cast_constants(self, precision)
        self.values = table.column("market_value")  # in 64 bits, as given: no path works with it

    def share_market(self, leader: Simulation) -> None:
        """Take the market of another simulation on the same draws, which advances first; no boom may end in either."""
        self._market = market.FollowingMarket(leader._market)

    def _loadings(self, table: firms.FirmTable) -> FloatArray:
        """Loadings of factors that move in this scenario; 0 for the others."""
        loadings = factor_loadings(self.scenario, table)
        if not self.calendar.rates_move:
            loadings[:, _RATES] = 0.0
        return loadings

    def prices(self, first: int, last: int) -> Iterator[FloatArray]:
        """Advance from step ``first`` to ``last``, one at a time.

        Yields the logs of prices over those at t=0, (firm, path): a buffer, valid until the next step.
        """
        log_price, own = np.empty((2, *self.shape), self.shocks.precision)
        factors = np.empty((1, len(FACTORS), self.shape[1]), self.shocks.precision)
        for k in range(first, last + 1):
            self.advance(k, k, factors)
            self.advance_firms(k, log_price, own)
            yield log_price

    def advance(self, first: int, last: int, factors: FloatArray) -> None:
        """Advance what firms share from step ``first`` to ``last``; firms must follow, step by step.

        Steps in one go cost less and bring the same. Fundamentals move in the first of them only.

        Parameters
        ----------
        first, last
            Numbers of steps, with no beginning of a quarter after the first.
        factors
            (step, J, path), gets the common factors of ``FACTORS``; firms read them.
        """
        s, state, count = self.scenario, self.state, last - first + 1
        if first % self.clock == 0:
            self._valuation.learn(state.valuation)
            self._valuation.adopt(state.valuation)
            self._outlook.learn(state.outlook)
            self._update_fundamentals(first)
        drawn = self.shocks.steps(count)
        beliefs = self.calendar.beliefs(first, last, s.dt, self.clock)
        f = factors.swapaxes(0, 1)
        drought = np.empty(drawn.hazard.shape, self.shocks.precision)
        before = state.sentiment.drought
        for k, adopted, repriced in zip(
            range(first, last + 1), f[_ADOPTION], f[_OUTLOOK], strict=True
        ):
            if k % self.clock:  # else it was the first thing to do
                self._valuation.adopt(state.valuation)
                self._outlook.learn(state.outlook)
            adopted[...], repriced[...] = state.valuation.known_adoption, state.outlook.known
        paths = sentiment.SentimentPaths(f[_SENTIMENT], f[_CONTAGION], drought, f[_BURN])
        bust = self._sentiment.run(
            state.sentiment, first, drawn.hazard, beliefs.squeeze, f[_OUTLOOK], paths
        )
        np.subtract(state.technology.price_war_news, beliefs.news, out=f[_NEWS])
        f[_NEWS] *= s.valuation.news_response
        f[_RATES] = beliefs.rates
        sums = factors[:, _MARKET : _MARKET + 4]
        self._scale = self._market.run(state.market, drawn, bust, sums)
        f[_KNOWN] = 1.0
        self._first, self._factors = first, factors
        self._schedule_jumps(
            count, self._market.jumps(drawn.jumps), *self._failures(before, drought)
        )

    def _failures(self, before: FloatArray, drought: FloatArray) -> Iterator[market.Jumps]:
        """Labs whose patience ends while drought goes from ``before`` to its last row, (step, path)."""
        for lab, patience in zip(self._labs, self._patience, strict=True):
            path = np.flatnonzero((before < patience) & (drought[-1] >= patience))
            if not path.size:
                continue
            step = np.sum(drought[:, path] < patience[path], axis=0)
            loss = np.full(path.size, -self.scenario.sentiment.lab_failure_loss)
            yield market.Jumps(step, np.full(path.size, lab), path, loss)

    def _schedule_jumps(self, count: int, *kinds: market.Jumps) -> None:
        """Sort jumps of each kind by their step: where those of each step begin, their places and sizes."""
        self._jumps = []
        for jumps in kinds:
            order = np.argsort(jumps.step, kind="stable")
            begins = np.searchsorted(jumps.step[order], np.arange(count + 1))
            place = jumps.firm * self.shape[1] + jumps.path
            size = jumps.size.astype(self.shocks.precision)
            self._jumps.append((begins.tolist(), place[order], size[order]))

    def advance_firms(self, k: int, log_price: FloatArray, own: FloatArray) -> None:
        """Advance firms to step ``k``, the next of those last given to :meth:`advance`.

        Prices: ln P / P0 = rho t + u + m + n + loadings x factors + own + corrections, bounded.
        """
        noise, values, now = self.state.market, self.state.valuation, k - self._first
        if k % self.clock:
            self._valuation.learn(values)
        self._market.move(noise.own, self._scale[:, now], self.shocks.firms(), own)
        for begins, places, sizes in self._jumps:
            chosen = slice(begins[now], begins[now + 1])
            # A firm on a path has at most one jump of a kind in a step.
            own.reshape(-1)[places[chosen]] += sizes[chosen]
        noise.own = own
        self._weights[:, _KNOWN] = self._known[k]
        product(self._weights, self._factors[now], out=log_price)
        log_price += values.known
        log_price += own
        np.clip(log_price, -LARGEST_LOG, LARGEST_LOG, out=log_price)

    def take(self, index: IntArray, state: State) -> Self:
        """Clones: column j has the assumptions of column ``index[j]``.

        Parameters
        ----------
        index
            (new path,) columns, repeated or not.
        state
            Of the new paths; it is changed by stepping.

        Raises
        ------
        ValueError
            For so few paths that an axis of firms could be taken for theirs.
        """
        firm_count, paths = self.shape
        if paths <= max(firm_count, LEAST_CLONED):
            raise ValueError(f"clones need more than {max(firm_count, LEAST_CLONED)} paths")
        copies: dict[int, Any] = {}
        clone = copy.copy(self)
        clone.shape, clone.state = (firm_count, index.size), state
        clone.inputs = {key: drawn[index] for key, drawn in self.inputs.items()}
        tables = {
            name: _select(table, index, paths, copies)
            for name, table in vars(self.scenario).items()
            if isinstance(table, Params)
        }
        clone.scenario = replace(self.scenario, **tables)
        for name in (*_PROCESSES, "calendar", "_patience", "_earned"):
            setattr(clone, name, _select(getattr(self, name), index, paths, copies))
        clone._weights = self._weights.copy()
        clone._update_hazard()
        return clone

    def _update_fundamentals(self, k: int) -> None:
        """Technology, firms and surprises, once a quarter; prices learn of them in the next."""
        s, state, j = self.scenario, self.state, k // self.clock
        forcing = self.calendar.forcing((k - self.clock) * s.dt, k * s.dt)
        chain, values = state.technology, state.valuation
        fallen = state.sentiment.sentiment + state.outlook.known
        self._technology.step(chain, j, self.shocks.chain(), forcing, fallen)
        moves = drivers(chain, s.technology.capex_floor, state.sentiment.macro, forcing.competition)
        self._income.step(state.firms, j, moves)
        pool, revenue = ai_economy(chain, s.technology, s.firms, self._channels, j * self._slow)
        priced_in = self.consensus.pool[j], self.consensus.ai_revenue[j]
        self._outlook.step(state.outlook, pool - float(priced_in[0]), revenue - float(priced_in[1]))
        self._valuation.step(
            values,
            state.firms.revenue,
            state.firms.margin,
            firms.adoption(s.firms, chain.surplus - float(self.consensus.surplus[j])),
            self._priced_in[0][j],
            self._priced_in[1][j],
            self._assets_in_place(),
        )
        self._update_hazard()

    def _assets_in_place(self) -> FloatArray:
        """Share of each firm's value that is not a price of AI profits to come, (firm, path)."""
        premium = self._outlook.premium + self.state.outlook.repriced
        share = np.ones(self.shape, self.shocks.precision)
        carriers = np.flatnonzero(self._premium_loading)
        share[carriers] = np.exp(-self._premium_loading[carriers, None] * premium)
        return share

    def _update_hazard(self) -> None:
        """The chance that the boom ends, and what a bust can take, from how AI earns (docs/model.md, section 4)."""
        state = self.state
        np.add(state.valuation.revenue, state.valuation.margin, out=self._earned)
        left = self._outlook.premium_left(state.outlook, self._ai_weights @ self._earned)
        self._sentiment.expect(state.outlook.surprise, left)

    def revenue_by_channel(self, j: int) -> Iterator[tuple[IntArray, FloatArray]]:
        """Parts of the revenue surprise at the end of quarter ``j``, channel by channel.

        Who sells there (firm,), and their parts (firm, path) in logs; the core's is what is left.
        They are exact (LMDI, as in simulator.engine.attribution).
        """
        chain, path = self.state.technology, self.consensus
        logs = (chain.capex, chain.rental, chain.model_sales)
        priced_in = (path.capex[j], path.rental[j], path.model_sales[j])
        for sold, x, y in zip(self.sold, logs, priced_in, strict=True):
            firm = np.flatnonzero(sold)
            surprise = self.state.valuation.revenue[firm]
            mean = mean_ratio(surprise, np.expm1(surprise))
            mean *= np.exp(self._priced_in[0][j, firm]) / sold[firm, None]
            yield firm, (np.exp(x) - math.exp(y)) / mean


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
    return {key: uncertain[key].draw(uniforms[key]) for key in uncertain}
