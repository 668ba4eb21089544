"""The same work done elsewhere: what a plain script, a compiled kernel and a library need for it.

Two pieces of work. *Walks*: correlated geometric Brownian motions and the largest fall of each, what
any simulator does. *Market*: the market's part of this model (docs/model.md, section 5), from regimes,
clustering and jumps to prices, indices and the place of each largest fall; without technology, firms'
books, sentiment, causes and tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ASSETS = 12
STEPS = 260
VOLATILITY = 0.4 / np.sqrt(52.0)
CORRELATION = 0.5


def root() -> NDArray[np.float64]:
    """Lower Cholesky root of the walks' correlations, (asset, asset)."""
    return np.linalg.cholesky(
        np.full((ASSETS, ASSETS), CORRELATION) + (1.0 - CORRELATION) * np.eye(ASSETS)
    )


def script_walks(paths: int) -> NDArray[np.float64]:
    """Walks as one would write them in numpy at first: whole arrays over time; (asset, path)."""
    drawn = np.random.default_rng(1).standard_normal((STEPS, ASSETS, paths))
    moves = VOLATILITY * (root() @ drawn) - 0.5 * VOLATILITY**2
    levels = np.exp(np.concatenate([np.zeros((1, ASSETS, paths)), np.cumsum(moves, axis=0)]))
    return np.max(1.0 - levels / np.maximum.accumulate(levels, axis=0), axis=0)


def compiled_walks() -> Callable[[int], NDArray[np.float64]]:
    """The same in one loop over paths, compiled by numba (ImportError without it)."""
    from numba import njit

    @njit(fastmath=True)
    def kernel(rng: Any, paths: int, steps: int, mix: Any, volatility: float) -> Any:
        assets = mix.shape[0]
        worst = np.zeros((assets, paths))
        log, high, drawn = np.empty(assets), np.empty(assets), np.empty(assets)
        for path in range(paths):
            log[:] = 0.0
            high[:] = 0.0
            for _ in range(steps):
                for i in range(assets):
                    drawn[i] = rng.standard_normal()
                for i in range(assets):
                    move = 0.0
                    for j in range(i + 1):
                        move += mix[i, j] * drawn[j]
                    log[i] += volatility * move - 0.5 * volatility**2
                    high[i] = max(high[i], log[i])
                    worst[i, path] = max(worst[i, path], high[i] - log[i])
        return 1.0 - np.exp(-worst)

    rng = np.random.Generator(np.random.SFC64(1))
    return lambda paths: kernel(rng, paths, STEPS, root(), VOLATILITY)


def library_walks() -> Callable[[int], NDArray[np.float64]]:
    """The same by QuantLib's multi-path generator (ImportError without it)."""
    import QuantLib as ql

    today = ql.Date(1, 1, 2025)
    ql.Settings.instance().evaluationDate = today
    days = ql.Actual365Fixed()
    flat = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, days))
    spread = ql.BlackVolTermStructureHandle(
        ql.BlackConstantVol(today, ql.NullCalendar(), VOLATILITY * np.sqrt(52.0), days)
    )
    start = ql.QuoteHandle(ql.SimpleQuote(1.0))
    walks = [ql.BlackScholesMertonProcess(start, flat, flat, spread) for _ in range(ASSETS)]
    mix = root() @ root().T
    process = ql.StochasticProcessArray(walks, mix.tolist())
    grid = [i / 52.0 for i in range(STEPS + 1)]

    def walk(paths: int) -> NDArray[np.float64]:
        uniform = ql.UniformRandomSequenceGenerator(ASSETS * STEPS, ql.UniformRandomGenerator(1))
        normal = ql.GaussianRandomSequenceGenerator(uniform)
        generator = ql.GaussianMultiPathGenerator(process, grid, normal, False)  # noqa: FBT003
        worst = np.empty((ASSETS, paths))
        for path in range(paths):
            drawn = generator.next().value()
            levels = np.array([list(drawn[i]) for i in range(ASSETS)])
            worst[:, path] = np.max(1.0 - levels / np.maximum.accumulate(levels, axis=1), axis=1)
        return worst

    return walk


@dataclass(frozen=True)
class MarketFigures:
    """What the market's part needs of a scenario. F firms, G groups."""

    table: dict[str, Any]  # numbers by name
    beta: NDArray[np.float64]  # (F,)
    volatility: NDArray[np.float64]
    sector_share: NDArray[np.float64]
    jump_chance: NDArray[np.float64]  # a step
    jump_mean: NDArray[np.float64]
    jump_sd: NDArray[np.float64]
    value: NDArray[np.float64]
    membership: NDArray[np.float64]  # (G, F)

    @classmethod
    def of(cls, scenario: Any) -> MarketFigures:
        """The figures of a scenario."""
        universe, column = scenario.universe, scenario.universe.column
        table = scenario.market.model_dump()
        table |= {"dt": scenario.dt, "steps": scenario.steps}
        return cls(
            table,
            *(column(name) for name in ("beta", "volatility", "sector_share")),
            -np.expm1(-column("jump_rate") * scenario.dt),
            *(column(name) for name in ("jump_mean", "jump_sd", "market_value")),
            universe.membership,
        )


def compiled_market(figures: MarketFigures) -> Callable[[int], NDArray[np.float64]]:
    """The market's part, path by path, compiled by numba; depth, peak, trough, (3, entity, path)."""
    from numba import njit

    t = figures.table
    dt = t["dt"]
    stress = t["stress_entry_rate"] / (t["stress_entry_rate"] + t["stress_exit_rate"])
    relaxed = np.sqrt(dt / (1.0 + stress * (t["firm_stress_multiplier"] ** 2 - 1.0)))
    persist = np.exp2(-dt / t["volatility_half_life_years"])
    by_state = np.array(
        [
            [t["calm_drift"] * dt, t["stressed_drift"] * dt],
            [t["calm_sd"] * np.sqrt(dt), t["stressed_sd"] * np.sqrt(dt)],
            [relaxed, relaxed * t["firm_stress_multiplier"]],
            [t["sector_correlation"], t["sector_correlation_stressed"]],
        ]
    )
    chances = -np.expm1(
        -dt * np.array([t["stress_entry_rate"], t["stress_exit_rate"], t["jump_rate"]])
    )
    scalars = np.array(
        [stress, t["volatility_sd"], persist, t["leverage"], t["jump_mean"], t["jump_sd"]]
    )
    f = figures

    @njit(fastmath=True)
    def kernel(
        rng: Any,
        paths: int,
        steps: int,
        by_state: Any,
        chances: Any,
        scalars: Any,
        beta: Any,
        volatility: Any,
        share: Any,
        chance: Any,
        mean: Any,
        sd: Any,
        value: Any,
        membership: Any,
    ) -> Any:
        firms, groups = beta.size, membership.shape[0]
        found = np.zeros((3, groups + firms, paths))
        own, level, high, lowest = (
            np.empty(firms),
            np.empty(groups + firms),
            np.empty(groups + firms),
            np.empty(groups + firms),
        )
        since = np.empty(groups + firms)
        stress, spread, persist, leverage, jump_mean, jump_sd = scalars
        norm = spread**2
        alone = np.empty((2, firms))
        for state in range(2):
            for i in range(firms):
                alone[state, i] = volatility[i] * np.sqrt(1.0 - share[i] ** 2 * by_state[3, state])
        turn = np.sqrt(1.0 - persist**2) * spread
        free = np.sqrt(1.0 - leverage**2)
        for path in range(paths):
            stressed = 1 if rng.random() < stress else 0
            log_volatility = spread * rng.standard_normal()
            factor = variance = sector = firm_variance = 0.0
            own[:] = 0.0
            since[:] = 0.0
            lowest[:] = 1.0
            high[groups:] = value
            for g in range(groups):
                high[g] = 0.0
                for i in range(firms):
                    high[g] += membership[g, i] * value[i]
            for k in range(1, steps + 1):
                if rng.random() < chances[stressed]:
                    stressed = 1 - stressed
                bounded = min(max(log_volatility, -2.5 * spread), 2.5 * spread)
                v = np.exp(bounded - norm)
                scale = v * by_state[1, stressed]
                z = rng.standard_normal()
                factor += by_state[0, stressed] + scale * z
                variance += scale * scale
                if rng.random() < chances[2]:
                    factor += jump_mean + jump_sd * rng.standard_normal()
                log_volatility *= persist
                log_volatility += turn * (leverage * z + free * rng.standard_normal())
                g_firm = v * by_state[2, stressed]
                correlation = by_state[3, stressed]
                firm_variance += g_firm * g_firm
                sector += np.sqrt(correlation) * g_firm * rng.standard_normal()
                for i in range(firms):
                    own[i] += alone[stressed, i] * g_firm * rng.standard_normal()
                    if chance[i] > 0.0 and rng.random() < chance[i]:
                        own[i] += mean[i] + sd[i] * rng.standard_normal()
                    log = beta[i] * factor - 0.5 * beta[i] ** 2 * variance + own[i]
                    log += volatility[i] * share[i] * sector
                    log -= 0.5 * volatility[i] ** 2 * firm_variance
                    level[groups + i] = value[i] * np.exp(log)
                for g in range(groups):
                    level[g] = 0.0
                    for i in range(firms):
                        level[g] += membership[g, i] * level[groups + i]
                for e in range(groups + firms):
                    if level[e] > high[e]:
                        high[e] = level[e]
                        since[e] = k
                    ratio = level[e] / high[e]
                    if ratio < lowest[e]:
                        lowest[e] = ratio
                        found[1, e, path] = since[e]
                        found[2, e, path] = k
            for e in range(groups + firms):
                found[0, e, path] = 1.0 - lowest[e]
        return found

    rng = np.random.Generator(np.random.SFC64(1))
    return lambda paths: kernel(
        rng,
        paths,
        t["steps"],
        by_state,
        chances,
        scalars,
        f.beta,
        f.volatility,
        f.sector_share,
        f.jump_chance,
        f.jump_mean,
        f.jump_sd,
        f.value,
        f.membership,
    )
