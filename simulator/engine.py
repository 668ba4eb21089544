"""The order of the model and the only loop over time.

``run_block`` is pure: (scenario, seed, block) -> what survives of it. Each step goes
technology -> firms -> surprises -> sentiment -> market -> prices; the consensus runs
first, as one path without noise, and everything else is measured against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from simulator.arrays import BoolArray, FloatArray, IntArray
from simulator.attribution import Factors, History, attribute
from simulator.errors import RunError
from simulator.events import Calendar, Forcing
from simulator.metrics import measure_drawdowns, worst_return
from simulator.model import firms, market, sentiment, technology, valuation
from simulator.params import Quantity
from simulator.results import (
    CAUSES,
    FAN_GRID,
    MEASURES,
    SAMPLE_PATHS,
    UNDERWATER_GRID,
    BlockResult,
    Results,
)
from simulator.scenario import Scenario
from simulator.streams import BLOCK_PATHS, BlockShocks, NoShocks, Shocks, StepShocks

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


@dataclass(frozen=True)
class Keep:
    """What survives a block beside the measures."""

    levels: bool = False


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
        sentiment=s.sentiment.model_copy(update={"base_hazard": 0.0}),
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
        return type(value)(**parts)  # type: ignore[operator]
    return value[..., index]


@dataclass(frozen=True)
class Consensus:
    """What is priced in: one path without noise. T+1 times, F firms."""

    start: technology.Anchor
    growth: FloatArray  # (F,) per year: revenue growth at t=0
    log_revenue: FloatArray  # (T+1, F) over revenue at t=0
    log_margin: FloatArray  # (T+1, F)
    demand: FloatArray  # (T+1,) log tokens
    capex: FloatArray  # (T+1,) log AI capex
    compute: FloatArray  # (T+1,) log compute demand


def consensus_path(scenario: Scenario) -> Consensus:
    """Run what is priced in.

    Args:
        scenario: its ``consensus``, ``firms`` at their medians, universe and grid are used.
    """
    rules = scenario.firms.medians()
    params = _quiet_technology(scenario.consensus)
    start = technology.anchor(params)
    dt, steps, table = scenario.dt, scenario.steps, scenario.universe
    zero = np.zeros(1)
    never = np.ones(1)

    def drivers(
        state: technology.TechnologyState,
    ) -> firms.Drivers:
        return _drivers(state, params.capex_floor, zero, ())

    chain = technology.Chain(params, start, dt, 1)
    # One step ahead: the growth that sticky costs expect.
    ahead = chain.init()
    chain.step(ahead, 1, (zero, zero, never), Forcing(), zero)
    still = np.zeros(len(table.tickers))
    probe = firms.Accounts(rules, table, still, (), dt, 1)
    first = probe.init()
    probe.step(first, 1, drivers(ahead))
    growth = np.log(first.revenue[:, 0]) / dt

    state = chain.init()
    accounts = firms.Accounts(rules, table, growth, (), dt, 1)
    books = accounts.init()
    log_revenue = np.zeros((steps + 1, still.size))
    log_margin = np.zeros((steps + 1, still.size))
    log_margin[0] = np.log(books.margin[:, 0])
    demand, capex, compute = np.zeros((3, steps + 1))
    for k in range(1, steps + 1):
        chain.step(state, k, (zero, zero, never), Forcing(), zero)
        accounts.step(books, k, drivers(state))
        log_revenue[k] = np.log(books.revenue[:, 0])
        log_margin[k] = np.log(books.margin[:, 0])
        demand[k], capex[k], compute[k] = state.demand[0], state.capex[0], state.compute[0]
    return Consensus(start, growth, log_revenue, log_margin, demand, capex, compute)


def _drivers(
    chain: technology.TechnologyState,
    capex_floor: Quantity,
    macro: FloatArray,
    competition: tuple[Quantity, ...],
) -> firms.Drivers:
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
        shape = (len(s.universe.tickers), paths)
        self.times = np.arange(s.steps + 1) * dt
        self.calendar = Calendar(s.events, self.times, s.technology.inference_share)
        competitors = tuple(s.universe.tickers.index(t) for t in self.calendar.competitors)
        start = shocks.start()

        self._chain = technology.Chain(s.technology, consensus.start, dt, paths)
        self._accounts = firms.Accounts(s.firms, table, consensus.growth, competitors, dt, paths)
        self._appraisal = valuation.Appraisal(s.valuation, dt, shape)
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
        self.factor_values = np.zeros((len(FACTORS), paths))
        self.log_price = np.empty(shape)
        self._work = np.empty(shape)
        failure = table.column("failure_rate")
        self._labs = np.flatnonzero(failure)
        # A lab fails after an exponential time of shut funding.
        self._patience = -np.log(start.lab[self._labs]) / failure[self._labs, None]

    def step(self, k: int) -> None:
        """Advance all paths to step ``k``; ``log_price`` is then (firm, path), log USD billion."""
        s, state, shocks = self.scenario, self.state, self.shocks.step()
        forcing = self.calendar.step(k)
        chain, mood = state.technology, state.sentiment
        self._chain.step(
            chain, k, (shocks.price, shocks.demand, shocks.price_war), forcing, mood.sentiment
        )
        self._accounts.step(
            state.firms,
            k,
            _drivers(chain, s.technology.capex_floor, mood.macro, forcing.competition),
        )
        values = state.valuation
        self._appraisal.step(
            values,
            state.firms.revenue,
            state.firms.margin,
            self.consensus.log_revenue[k][:, None],
            self.consensus.log_margin[k][:, None],
        )
        np.add(values.revenue, values.margin, out=self.log_price)
        self.log_price += values.expectations
        fundamentals = np.einsum("f,fp->p", self._ai_weights, self.log_price)
        drought = mood.drought.copy() if self._labs.size else mood.drought
        bust = self._mood.step(mood, shocks.hazard, fundamentals, forcing.squeeze)
        self._weather.step(state.market, shocks, bust)
        for row, patience in zip(self._labs, self._patience, strict=True):
            fails = (drought < patience) & (mood.drought >= patience)
            state.market.own[row] -= s.sentiment.lab_failure_loss * fails
        self._price(k, forcing)

    def _price(self, k: int, forcing: Forcing) -> None:
        """ln P = ln P0 + rho t + u + m + n + loadings x factors + own noise + corrections."""
        s, chain, mood, weather = (
            self.scenario,
            self.state.technology,
            self.state.sentiment,
            self.state.market,
        )
        f = self.factor_values
        np.add(mood.sentiment, mood.boom, out=f[0])
        f[1] = s.valuation.news_response * (chain.price_war_news - forcing.news)
        f[2] = forcing.rates
        f[3] = weather.factor
        f[4] = weather.variance
        np.multiply(self._mood.contagion, mood.sentiment, out=f[5])
        f[6] = firms.adoption(s.firms, chain.demand - self.consensus.demand[k])
        f[7] = weather.sector
        f[8] = weather.firm_variance
        f[9] = mood.dilution
        # einsum, not @: the same bits whatever the number of BLAS threads.
        np.einsum("fj,jp->fp", self.factors.loadings, f, out=self._work)
        self.log_price += self._work
        self.log_price += weather.own
        self.log_price += self._known[k][:, None]


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


def run_block(
    scenario: Scenario,
    seed: int,
    block: int,
    keep: Keep = Keep(),
    *,
    noise: bool = True,
) -> BlockResult:
    """Simulate one block and measure it; pure, so any process may do it.

    Args:
        scenario: what to simulate.
        seed: run seed.
        block: number of the block, from 0.
        keep: what survives beside the measures.
        noise: False turns every shock off; the block is then a single path.

    Raises:
        RunError: a quantity became infinite or not a number; it says where.
    """
    simulation = _simulation(scenario, seed, block, noise=noise)
    recorder = _Recorder(simulation)
    with np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
        try:
            for k in range(1, scenario.steps + 1):
                simulation.step(k)
                recorder.record(k)
            return recorder.finish(block, keep)
        except FloatingPointError as error:
            raise _not_finite(simulation, seed, block, str(error)) from None


def _simulation(scenario: Scenario, seed: int, block: int, *, noise: bool) -> Simulation:
    universe = scenario.universe
    if not noise:
        calm = quiet(scenario)
        consensus = consensus_path(calm)
        return Simulation(calm, consensus, NoShocks(1, len(universe.tickers)), noise=False)
    jumping = universe.column("jump_rate") > 0.0
    shocks = BlockShocks(seed, block, universe.tickers, jumping)
    return Simulation(scenario, consensus_path(scenario), shocks)


class _Recorder:
    """Keeps a block's past and measures it. Levels are (time, entity, path), USD billion."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        s = simulation.scenario
        firm_count, paths = simulation.log_price.shape
        self._membership = s.universe.membership
        groups = self._membership.shape[0]
        length = s.steps + 1
        self.levels = np.empty((length, groups + firm_count, paths))
        self.own = {
            name: np.empty((length, firm_count, paths))
            for name in ("revenue", "margin", "expectations", "firm")
        }
        self.factors = np.empty((length, len(FACTORS), paths))
        self.levels[0, groups:] = simulation.values[:, None]
        self._sum_groups(0)
        for past in self.own.values():
            past[0] = 0.0
        self.factors[0] = 0.0

    def _sum_groups(self, k: int) -> None:
        groups = self._membership.shape[0]
        row = self.levels[k]
        np.einsum("gf,fp->gp", self._membership, row[groups:], out=row[:groups])

    def record(self, k: int) -> None:
        """Store step ``k``."""
        simulation = self._simulation
        values = simulation.state.valuation
        self.own["revenue"][k] = values.revenue
        self.own["margin"][k] = values.margin
        self.own["expectations"][k] = values.expectations
        self.own["firm"][k] = simulation.state.market.own
        self.factors[k] = simulation.factor_values
        np.exp(simulation.log_price, out=self.levels[k, self._membership.shape[0] :])
        self._sum_groups(k)

    def finish(self, block: int, keep: Keep) -> BlockResult:
        """Measure the block."""
        simulation, levels = self._simulation, self.levels
        s = simulation.scenario
        if not np.isfinite(levels).all():
            raise FloatingPointError("a price is not finite")
        table = measure_drawdowns(levels)
        causes = attribute(
            History(self.own, self.factors),
            simulation.factors,
            table.peak_step,
            table.trough_step,
            simulation.values,
            self._membership,
        )
        entity, path = np.indices(table.max_drawdown.shape)
        month = max(round(s.steps_per_year / 12), 1)
        week = max(round(s.steps_per_year / 52), 1)
        peaks = levels[table.peak_step, entity, path]
        troughs = levels[table.trough_step, entity, path]
        measures: dict[str, Any] = {
            "max_drawdown": table.max_drawdown,
            "peak_step": table.peak_step,
            "trough_step": table.trough_step,
            "recovery_step": table.recovery_step,
            "underwater_steps": table.underwater_steps,
            "worst_week": worst_return(levels, min(week, s.steps)),
            "worst_month": worst_return(levels, min(month, s.steps)),
            "terminal_return": levels[-1] / levels[0] - 1.0,
            "dollars_lost": peaks - troughs,
        }
        steps = fan_steps(s)
        at_fan = levels[steps]
        relative = np.log(at_fan / levels[0])
        # The running peak at fan times, from the peaks between them.
        bounds = np.maximum.accumulate(
            np.maximum.reduceat(levels, np.r_[0, steps[:-1] + 1], axis=0), axis=0
        )
        under = 1.0 - at_fan / bounds
        ordered = np.moveaxis(levels, 0, 1)
        return BlockResult(
            block=block,
            measures={name: measures[name] for name in MEASURES},
            causes=causes,
            inputs=simulation.inputs,
            fan_bins=np.moveaxis(FAN_GRID.index(relative).astype(np.int16), 0, 1),
            underwater_bins=np.moveaxis(UNDERWATER_GRID.index(under).astype(np.int16), 0, 1),
            sample_levels=ordered[:, :, :SAMPLE_PATHS].copy() if block == 0 else ordered[:, :, :0],
            levels=np.ascontiguousarray(ordered) if keep.levels else None,
        )


def _not_finite(simulation: Simulation, seed: int, block: int, text: str) -> RunError:
    """Say where a run left the finite numbers: block, path and quantity."""
    for name, value in _quantities(simulation.state):
        bad = ~np.isfinite(value)
        if bad.any():
            path = int(np.argwhere(bad)[0][-1])
            where = f"{name} on path {block * BLOCK_PATHS + path} (block {block})"
            return RunError(f"{where} is not finite: {text}; seed {seed}")
    return RunError(f"block {block} left the finite numbers: {text}; seed {seed}")


def _quantities(state: State) -> Iterator[tuple[str, FloatArray]]:
    for room in fields(state):
        part = getattr(state, room.name)
        for item in fields(part):
            yield f"{room.name}.{item.name}", getattr(part, item.name)


def fan_steps(scenario: Scenario) -> IntArray:
    """Steps at which the fan is kept: about monthly, first and last included, (K,)."""
    every = max(round(scenario.steps_per_year / 12), 1)
    steps = np.arange(0, scenario.steps + 1, every)
    return steps if steps[-1] == scenario.steps else np.append(steps, scenario.steps)


def new_results(scenario: Scenario, paths: int, keep: Keep, keep_paths: int) -> Results:
    """Room for a run of ``paths`` paths."""
    universe = scenario.universe
    values = universe.column("market_value")
    return Results.empty(
        entities=universe.entities,
        times=np.arange(scenario.steps + 1) * scenario.dt,
        fan_steps=fan_steps(scenario),
        start_levels=np.concatenate([(universe.membership * values).sum(axis=1), values]),
        inputs=tuple(scenario.uncertain()),
        paths=paths,
        keep_paths=keep_paths,
        keep_levels=keep.levels,
    )


def replay(
    scenario: Scenario, seed: int, path: int, *, noise: bool = True
) -> dict[str, FloatArray]:
    """Every quantity of one path, by name: ``(T+1,)`` arrays, time 0 included.

    Names are ``technology.price``, ``market.factor`` and so on for the economy,
    ``firms.revenue.NVDA`` for a firm, ``level.sp500`` for prices in USD billion.
    """
    block, column = divmod(path, BLOCK_PATHS)
    simulation = _simulation(scenario, seed, block, noise=noise)
    recorder = _Recorder(simulation)
    tickers = scenario.universe.tickers
    rows: list[dict[str, float]] = []

    def look() -> None:
        row: dict[str, float] = {}
        for name, value in _quantities(simulation.state):
            if value.ndim == 1:
                row[name] = float(value[column])
            else:
                row |= {
                    f"{name}.{t}": float(v)
                    for t, v in zip(tickers, value[:, column], strict=True)
                }
        rows.append(row)

    look()
    for k in range(1, scenario.steps + 1):
        simulation.step(k)
        recorder.record(k)
        look()
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for j, (cause, loading) in enumerate(FACTORS):
        found[f"factor.{cause}.{loading}"] = recorder.factors[:, j, column].copy()
    for entity, name in enumerate(scenario.universe.entities):
        found[f"level.{name}"] = recorder.levels[:, entity, column].copy()
    return found


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
    s, universe = scenario.medians(), scenario.universe
    path = consensus_path(s)
    year = min(s.steps_per_year, s.steps)
    profit = (
        universe.column("revenue") * np.exp(path.log_revenue + path.log_margin) * (1.0 - TAX_RATE)
    )
    values = universe.column("market_value")
    horizon = values * np.exp(s.valuation.required_return * (s.steps - year) * s.dt)
    group = universe.groups.index(universe.bubble_group)
    sp500 = universe.groups.index("sp500")
    weights = universe.membership * values
    named = "mag7" if "mag7" in universe.groups else universe.groups[group]
    tickers = universe.tickers
    return PricedIn(
        first_year_capex_growth=float(np.expm1(path.capex[year] / (year * s.dt))),
        compute_growth=float(path.start.compute_growth),
        premium=float(sentiment.premium(s.concentration)),
        group_weight=float(
            weights[universe.groups.index(named)].sum() / weights[sp500].sum()
        ),
        weight_from_gains=float(sentiment.weight_today(s.concentration)),
        forward_pe=dict(zip(tickers, (values / profit[year]).tolist(), strict=True)),
        horizon_pe=dict(zip(tickers, (horizon / profit[-1]).tolist(), strict=True)),
    )
