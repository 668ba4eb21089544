"""The order of the model and the only loop over time.

``run_block`` is pure: (scenario, seed, block) -> what survives of it. Each step goes
technology -> firms -> surprises -> sentiment -> market -> prices; the consensus runs
first, as one path without noise, and everything else is measured against it.

Matrix products here are a few firms by a few factors by many paths. Such a product adds
each element's few terms in one order, however many threads BLAS uses, so results keep
their bits (tests/test_engine.py holds it to that).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Self

import numpy as np

from simulator.arrays import FloatArray, IntArray
from simulator.attribution import FUNDAMENTAL, OWN, Factors, History, attribute
from simulator.errors import RunError
from simulator.events import Beliefs, Calendar, Forcing
from simulator.metrics import DrawdownMeter
from simulator.model import firms, market, sentiment, technology, valuation
from simulator.params import Quantity
from simulator.results import (
    FAN_GRID,
    MEASURES,
    SAMPLE_PATHS,
    UNDERWATER_GRID,
    BlockResult,
    Results,
)
from simulator.scenario import Scenario
from simulator.streams import BLOCK_PATHS, BlockShocks, NoShocks, Shocks

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
        return type(value)(**parts)  # type: ignore[misc]
    return value[..., index]


@dataclass(frozen=True)
class Consensus:
    """What is priced in: one path without noise. J+1 updates of fundamentals, F firms."""

    start: technology.Anchor
    growth: FloatArray  # (F,) per year: revenue growth at t=0
    log_revenue: FloatArray  # (J+1, F) over revenue at t=0
    log_margin: FloatArray  # (J+1, F)
    demand: FloatArray  # (J+1,) log tokens
    capex: FloatArray  # (J+1,) log AI capex
    compute: FloatArray  # (J+1,) log compute demand


def consensus_path(scenario: Scenario) -> Consensus:
    """Run what is priced in.

    Args:
        scenario: its ``consensus``, ``firms`` at their medians, universe and grid are used.
    """
    rules = scenario.firms.medians()
    params = _quiet_technology(scenario.consensus)
    start = technology.anchor(params)
    table, still = scenario.universe, np.zeros(len(scenario.universe.tickers))
    clock = fundamental_clock(scenario)
    dt, updates = clock * scenario.dt, scenario.steps // clock
    shocks, zero = NoShocks(1, still.size), np.zeros(1)
    chain = technology.Chain(params, start, dt, 1)

    # One update ahead: the growth that sticky costs expect.
    state = chain.init()
    chain.step(state, 1, shocks.chain(), Forcing(), zero)
    probe = firms.Accounts(rules, table, still, (), dt, 1)
    books = probe.init()
    probe.step(books, 1, _drivers(state, params.capex_floor, zero, ()))
    growth = np.log(books.revenue[:, 0]) / dt

    state = chain.init()
    accounts = firms.Accounts(rules, table, growth, (), dt, 1)
    books = accounts.init()
    log_revenue, log_margin = np.zeros((2, updates + 1, still.size))
    log_margin[0] = np.log(books.margin[:, 0])
    demand, capex, compute = np.zeros((3, updates + 1))
    for j in range(1, updates + 1):
        chain.step(state, j, shocks.chain(), Forcing(), zero)
        accounts.step(books, j, _drivers(state, params.capex_floor, zero, ()))
        log_revenue[j] = np.log(books.revenue[:, 0])
        log_margin[j] = np.log(books.margin[:, 0])
        demand[j], capex[j], compute[j] = state.demand[0], state.capex[0], state.compute[0]
    return Consensus(start, growth, log_revenue, log_margin, demand, capex, compute)


def fundamental_clock(scenario: Scenario) -> int:
    """Steps between updates of fundamentals: a quarter, or a step where steps are longer.

    Firms report by the quarter and plan capex by the year; prices, news and sentiment
    move at every step.
    """
    return max(round(scenario.steps_per_year / 4), 1)


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
        drivers = _drivers(chain, s.technology.capex_floor, mood.macro, forcing.competition)
        self._accounts.step(state.firms, j, drivers)
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


def run_block(
    scenario: Scenario,
    seed: int,
    block: int,
    keep: Keep = Keep(),
    *,
    count: int = 1,
    noise: bool = True,
) -> BlockResult:
    """Simulate one block, or ``count`` that follow each other, and measure; pure.

    Blocks simulated together cost less and are the same to the last bit.

    Parameters
    ----------
    scenario
        What to simulate.
    seed
        Run seed.
    block
        Number of the block, from 0.
    keep
        What survives beside the measures.
    count
        Number of blocks.
    noise
        False turns every shock off; the block is then a single path.

    Raises
    ------
    RunError
        If a quantity became infinite or not a number; it says where.
    """
    simulation = _simulation(scenario, seed, block, count, noise=noise)
    recorder = _Recorder(simulation, keep, SAMPLE_PATHS if block == 0 else 0)
    with np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
        try:
            for k in range(1, scenario.steps + 1):
                recorder.record(k)
            return recorder.finish(block, count, keep)
        except FloatingPointError as error:
            raise _not_finite(simulation, seed, block, str(error)) from None


def run_blocks(
    scenario: Scenario,
    seed: int,
    keep: Keep,
    noise: bool,  # noqa: FBT001 - executors pass items by place
    blocks: range,
) -> BlockResult:
    """:func:`run_block` for consecutive blocks, in the order in which executors bind arguments."""
    return run_block(scenario, seed, blocks.start, keep, count=len(blocks), noise=noise)


def _simulation(
    scenario: Scenario, seed: int, block: int, count: int, *, noise: bool
) -> Simulation:
    universe = scenario.universe
    if not noise:
        calm = quiet(scenario)
        return Simulation(
            calm, consensus_path(calm), NoShocks(1, len(universe.tickers)), noise=False
        )
    jumping = universe.column("jump_rate") > 0.0
    shocks = BlockShocks(seed, block, universe.tickers, jumping, count)
    return Simulation(scenario, _consensus(scenario), shocks)


_per_thread = threading.local()


def _consensus(scenario: Scenario) -> Consensus:
    """The consensus path, worked out once for all blocks of a scenario."""
    held = getattr(_per_thread, "consensus", None)
    if held is None or held[0] is not scenario:
        held = _per_thread.consensus = (scenario, consensus_path(scenario))
    path: Consensus = held[1]
    return path


class _Workspace:
    """A block's past, (time, ..., path); reused, because fresh memory costs more than the model."""

    def __init__(
        self, length: int, updates: int, groups: int, firm_count: int, fan: int, paths: int
    ) -> None:
        entities = groups + firm_count
        self.own = {
            name: np.empty((updates if name in FUNDAMENTAL else length, firm_count, paths))
            for name in OWN
        }
        self.factors = np.empty((length, len(FACTORS), paths))
        self.fan_bins = np.empty((entities, fan, paths), np.int16)
        self.underwater_bins = np.empty((entities, fan, paths), np.int16)
        self.work = np.empty((entities, paths))


def _workspace(*shape: int) -> _Workspace:
    """The thread's workspace; a new one when the shape changes."""
    held = getattr(_per_thread, "workspace", None)
    if held is None or held[0] != shape:
        _per_thread.workspace = None  # let go of the old one first
        held = _per_thread.workspace = (shape, _Workspace(*shape))
    workspace: _Workspace = held[1]
    return workspace


class _Recorder:
    """Keeps a block's past and measures it as it goes. Levels are (entity, path), USD billion."""

    def __init__(self, simulation: Simulation, keep: Keep, samples: int) -> None:
        self._simulation, self._samples = simulation, samples
        s = simulation.scenario
        firm_count, paths = simulation.shape
        self._membership = s.universe.membership
        self._groups = self._membership.shape[0]
        entities = self._groups + firm_count
        self._fan = {int(step): row for row, step in enumerate(fan_steps(s))}
        updates = s.steps // simulation.clock + 1
        self.past = _workspace(
            s.steps + 1, updates, self._groups, firm_count, len(self._fan), paths
        )
        for own in self.past.own.values():
            own[0] = 0.0
        self.past.factors[0] = 0.0
        # Weeks and months follow each other: every step and every fourth on a weekly grid.
        self._week, self._month = (
            min(max(round(s.steps_per_year / n), 1), s.steps) for n in (52, 12)
        )
        self._logs = np.empty((entities, paths))
        self._worst = np.full((2, entities, paths), np.inf)
        self._level = np.empty((entities, paths))
        self._level[self._groups :] = simulation.values[:, None]
        self._sum_groups()
        self._start = self._level.copy()
        self._log_start = np.log(self._start)
        self._logs[...] = self._log_start
        self._week_ago, self._month_ago = self._log_start.copy(), self._log_start.copy()
        self.meter = DrawdownMeter(self._start, s.steps)
        kept = paths if keep.levels else samples
        self.levels = np.empty((entities, s.steps + 1, kept))
        self.levels[:, 0] = self._start[:, :kept]
        self._record_fan(0)

    def _sum_groups(self) -> None:
        firms, groups = self._level[self._groups :], self._level[: self._groups]
        np.matmul(self._membership, firms, out=groups)

    def record(self, k: int) -> None:
        """Advance the simulation to step ``k`` and take it in."""
        simulation, past, logs, level = self._simulation, self.past, self._logs, self._level
        simulation.step(k, logs[self._groups :], past.own["firm"][k], past.factors[k])
        if k % simulation.clock == 0:
            values, j = simulation.state.valuation, k // simulation.clock
            past.own["revenue"][j] = values.revenue
            past.own["margin"][j] = values.margin
            past.own["expectations"][j] = values.expectations
        np.exp(logs[self._groups :], out=level[self._groups :])
        self._sum_groups()
        np.log(level[: self._groups], out=logs[: self._groups])
        self.meter.update(k, level)
        kept = self.levels.shape[2]
        if kept:
            self.levels[:, k] = level[:, :kept]
        if k in self._fan:
            self._record_fan(k)
        self._compare(k)

    def _compare(self, k: int) -> None:
        """Compare with the last week's end and the last month's, where a new one ends."""
        logs = self._logs
        if k % self._month == 0:
            change = self._month_ago
            np.subtract(logs, change, out=change)
            np.minimum(self._worst[1], change, out=self._worst[1])
            change[...] = logs
        if k % self._week == 0:
            change = self._week_ago
            np.subtract(logs, change, out=change)
            np.minimum(self._worst[0], change, out=self._worst[0])
            # The spent array takes the next logs: no copy.
            self._week_ago, self._logs = logs, change

    def _record_fan(self, k: int) -> None:
        past, row = self.past, self._fan[k]
        np.subtract(self._logs, self._log_start, out=past.work)
        FAN_GRID.index_into(past.work, past.fan_bins[:, row])
        np.subtract(1.0, self.meter.ratio, out=past.work)
        UNDERWATER_GRID.index_into(past.work, past.underwater_bins[:, row])

    def finish(self, block: int, count: int, keep: Keep) -> BlockResult:
        """Measure the block."""
        simulation, past = self._simulation, self.past
        try:
            table = self.meter.table()
        except ValueError as error:
            raise FloatingPointError(str(error)) from None
        causes, lost = attribute(
            History(past.own, past.factors, simulation.clock),
            simulation.factors,
            table.peak_step,
            table.trough_step,
            simulation.values,
            self._membership,
        )
        measures: dict[str, Any] = {
            "max_drawdown": table.max_drawdown,
            "peak_step": table.peak_step,
            "trough_step": table.trough_step,
            "recovery_step": table.recovery_step,
            "underwater_steps": table.underwater_steps,
            "worst_week": np.expm1(self._worst[0]),
            "worst_month": np.expm1(self._worst[1]),
            "terminal_return": self._level / self._start - 1.0,
            "dollars_lost": lost,
        }
        return BlockResult(
            block=block,
            count=count,
            measures={name: measures[name] for name in MEASURES},
            causes=causes,
            inputs=simulation.inputs,
            fan_bins=past.fan_bins.copy(),
            underwater_bins=past.underwater_bins.copy(),
            sample_levels=self.levels[:, :, : self._samples],
            levels=self.levels if keep.levels else None,
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
    """Steps at which the fan is kept: six or seven a year, first and last included, (K,)."""
    every = max(round(scenario.steps_per_year / 6.5), 1)
    steps = np.arange(0, scenario.steps + 1, every)
    return steps if steps[-1] == scenario.steps else np.append(steps, scenario.steps)


def new_results(scenario: Scenario, paths: int, keep: Keep, keep_paths: int) -> Results:
    """Room for a run of ``paths`` paths."""
    universe = scenario.universe
    values = universe.column("market_value")
    return Results.empty(
        entities=universe.entities,
        times=scenario.dt * np.arange(scenario.steps + 1, dtype=np.float64),
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
    simulation = _simulation(scenario, seed, block, 1, noise=noise)
    recorder = _Recorder(simulation, Keep(levels=True), 0)
    tickers = scenario.universe.tickers
    rows: list[dict[str, float]] = []

    def look() -> None:
        row: dict[str, float] = {}
        for name, value in _quantities(simulation.state):
            if value.ndim == 1:
                row[name] = float(value[column])
            else:
                row |= {
                    f"{name}.{t}": float(v) for t, v in zip(tickers, value[:, column], strict=True)
                }
        rows.append(row)

    look()
    for k in range(1, scenario.steps + 1):
        recorder.record(k)
        look()
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for j, (cause, loading) in enumerate(FACTORS):
        found[f"factor.{cause}.{loading}"] = recorder.past.factors[:, j, column].copy()
    for entity, name in enumerate(scenario.universe.entities):
        found[f"level.{name}"] = recorder.levels[entity, :, column].copy()
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
        premium=float(sentiment.premium(s.concentration)),
        group_weight=float(index[inside].sum() / index.sum()),
        weight_from_gains=float(sentiment.weight_today(s.concentration)),
        forward_pe=dict(zip(tickers, (values / profit[year]).tolist(), strict=True)),
        horizon_pe=dict(zip(tickers, (horizon / profit[-1]).tolist(), strict=True)),
    )
