"""The same work done elsewhere: what a plain script, a compiled kernel and a library need for it.

Two pieces of work. *Walks*: correlated geometric Brownian motions and the largest fall of each, what
any simulator does. *Market*: the market's part of this model (docs/model.md, section 5), from regimes,
clustering and jumps to prices, indices and the place of each largest fall; without technology, firms'
books, sentiment, causes and tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

ASSETS = 12
STEPS = 260
VOLATILITY = 0.4 / np.sqrt(52.0)
CORRELATION = 0.5


def root() -> NDArray[np.float64]:
    """Lower Cholesky root of the walks' correlations, (asset, asset)."""
    mixed = np.full((ASSETS, ASSETS), CORRELATION) + (1.0 - CORRELATION) * np.eye(ASSETS)
    return np.asarray(np.linalg.cholesky(mixed), np.float64)


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


def jax_walks() -> Callable[[int], NDArray[np.float64]]:
    """The same in 32 bits, a step at a time over all paths, compiled by JAX (ImportError without it)."""
    import jax
    import jax.numpy as jnp

    mix = jnp.asarray(root(), jnp.float32)

    @partial(jax.jit, static_argnums=1)
    def kernel(key: Any, paths: int) -> Any:
        def step(state: Any, key: Any) -> Any:
            log, high, worst = state
            drawn = jax.random.normal(key, (ASSETS, paths))
            log += VOLATILITY * (mix @ drawn) - 0.5 * VOLATILITY**2
            high = jnp.maximum(high, log)
            return (log, high, jnp.maximum(worst, high - log)), None

        zero = jnp.zeros((ASSETS, paths))
        (_, _, worst), _ = jax.lax.scan(step, (zero, zero, zero), jax.random.split(key, STEPS))
        return 1.0 - jnp.exp(-worst)

    return lambda paths: np.asarray(kernel(jax_key(), paths), np.float64)


def jax_key() -> Any:
    """A key of the generator that is JAX's fastest on processors."""
    import jax

    return jax.random.key(1, impl="unsafe_rbg")


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
            column("beta"),
            column("volatility"),
            column("sector_share"),
            -np.expm1(-column("jump_rate") * scenario.dt),
            column("jump_mean"),
            column("jump_sd"),
            column("market_value"),
            universe.membership,
        )


@dataclass(frozen=True)
class MarketConstants:
    """The figures as the steps need them; columns of ``by_state`` are calm and stressed."""

    by_state: NDArray[np.float64]  # drift, sd, scale of firms' noise, correlation within the sector
    chances: NDArray[np.float64]  # of entering stress, of leaving it, of a jump of the market
    stress: float  # share of time
    spread: float  # of log volatility
    persist: float
    leverage: float
    jump_mean: float
    jump_sd: float

    @classmethod
    def of(cls, figures: MarketFigures) -> MarketConstants:
        """The constants of these figures."""
        t = figures.table
        dt = t["dt"]
        stress = t["stress_entry_rate"] / (t["stress_entry_rate"] + t["stress_exit_rate"])
        relaxed = np.sqrt(dt / (1.0 + stress * (t["firm_stress_multiplier"] ** 2 - 1.0)))
        by_state = np.array(
            [
                [t["calm_drift"] * dt, t["stressed_drift"] * dt],
                [t["calm_sd"] * np.sqrt(dt), t["stressed_sd"] * np.sqrt(dt)],
                [relaxed, relaxed * t["firm_stress_multiplier"]],
                [t["sector_correlation"], t["sector_correlation_stressed"]],
            ]
        )
        rates = np.array([t["stress_entry_rate"], t["stress_exit_rate"], t["jump_rate"]])
        persist = float(np.exp2(-dt / t["volatility_half_life_years"]))
        names = ("volatility_sd", "leverage", "jump_mean", "jump_sd")
        spread, leverage, jump_mean, jump_sd = (t[name] for name in names)
        chances = -np.expm1(-dt * rates)
        return cls(by_state, chances, stress, spread, persist, leverage, jump_mean, jump_sd)


def compiled_market(figures: MarketFigures) -> Callable[[int], NDArray[np.float64]]:
    """The market's part, path by path, compiled by numba; depth, peak, trough, (3, entity, path)."""
    from numba import njit

    c, f = MarketConstants.of(figures), figures
    scalars = np.array([c.stress, c.spread, c.persist, c.leverage, c.jump_mean, c.jump_sd])

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
        f.table["steps"],
        c.by_state,
        c.chances,
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


def jax_market(figures: MarketFigures) -> Callable[[int], NDArray[np.float64]]:
    """The market's part in 32 bits, a step at a time over all paths, compiled by JAX; as above."""
    import jax
    import jax.numpy as jnp

    c = MarketConstants.of(figures)
    columns = (
        figures.beta, figures.volatility, figures.sector_share, figures.jump_chance,
        figures.jump_mean, figures.jump_sd, figures.value,
    )  # fmt: skip
    beta, volatility, share, chance, mean, sd, value = (
        jnp.asarray(column[:, None], jnp.float32) for column in columns
    )
    membership = jnp.asarray(figures.membership, jnp.float32)
    by_state, chances = jnp.asarray(c.by_state, jnp.float32), jnp.asarray(c.chances, jnp.float32)
    turn = c.spread * (1.0 - c.persist**2) ** 0.5
    steps, firms = figures.table["steps"], figures.beta.size
    start = jnp.concatenate([membership @ value, value])

    @partial(jax.jit, static_argnums=1)
    def kernel(key: Any, paths: int) -> Any:
        def step(state: Any, item: Any) -> Any:
            stressed, log_volatility, factor, variance, sector, firm_variance, own, *places = state
            high, since, lowest, peak, trough = places
            key, k = item
            normals, uniforms = jax.random.split(key)
            z = jax.random.normal(normals, (4 + 2 * firms, paths))
            u = jax.random.uniform(uniforms, (2 + firms, paths))
            stressed = jnp.where(u[0] < chances[stressed], 1 - stressed, stressed)
            bounded = jnp.clip(log_volatility, -2.5 * c.spread, 2.5 * c.spread)
            v = jnp.exp(bounded - c.spread**2)
            drift, scale, relaxed, correlation = (row[stressed] for row in by_state)
            scale *= v
            factor += drift + scale * z[0]
            variance += scale * scale
            factor += jnp.where(u[1] < chances[2], c.jump_mean + c.jump_sd * z[1], 0.0)
            free = (1.0 - c.leverage**2) ** 0.5
            log_volatility = c.persist * log_volatility + turn * (c.leverage * z[0] + free * z[2])
            noise = v * relaxed
            firm_variance += noise * noise
            sector += jnp.sqrt(correlation) * noise * z[3]
            alone = volatility * jnp.sqrt(1.0 - share**2 * correlation)
            own += alone * noise * z[4 : 4 + firms]
            own += jnp.where(u[2:] < chance, mean + sd * z[4 + firms :], 0.0)
            log = beta * factor - 0.5 * beta**2 * variance + own
            log += volatility * share * sector - 0.5 * volatility**2 * firm_variance
            prices = value * jnp.exp(log)
            level = jnp.concatenate([membership @ prices, prices])
            since = jnp.where(level > high, k, since)
            high = jnp.maximum(high, level)
            lower = level / high < lowest
            lowest = jnp.where(lower, level / high, lowest)
            peak, trough = jnp.where(lower, since, peak), jnp.where(lower, k, trough)
            places = high, since, lowest, peak, trough
            return (
                stressed, log_volatility, factor, variance, sector, firm_variance, own, *places,
            ), None  # fmt: skip

        first, second, rest = jax.random.split(key, 3)
        path = jnp.zeros(paths)
        of_entity = jnp.zeros((start.shape[0], paths))
        state = (
            (jax.random.uniform(first, (paths,)) < c.stress).astype(jnp.int32),
            c.spread * jax.random.normal(second, (paths,)),
            path, path, path, path, jnp.zeros((firms, paths)),
            of_entity + start, of_entity, of_entity + 1.0, of_entity, of_entity,
        )  # fmt: skip
        items = jax.random.split(rest, steps), jnp.arange(1.0, steps + 1.0)
        state, _ = jax.lax.scan(step, state, items)
        *_, lowest, peak, trough = state
        return jnp.stack([1.0 - lowest, peak, trough])

    return lambda paths: np.asarray(kernel(jax_key(), paths), np.float64)
