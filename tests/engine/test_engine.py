"""The loop: nothing happens without surprise, fair prices on average, directions, failures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenario_texts import MINIMAL, load
from told_paths import STRESS, stress_scenario

from simulator.arrays import FloatArray
from simulator.engine import block_simulation, simulation
from simulator.engine.consensus import consensus_path, fundamental_clock, priced_in
from simulator.engine.factors import FACTORS, factor_loadings
from simulator.engine.simulation import Simulation, State
from simulator.engine.streams import BLOCK_PATHS, BlockShocks, StepShocks
from simulator.errors import RunError
from simulator.model import concentration, market
from simulator.model.market import jump_chances
from simulator.scenario.scenario import Scenario, load_scenario

YEAR = {"scenario.horizon_years": 1.0}
CALM = {
    **dict.fromkeys(("technology.price_volatility", "technology.demand_volatility"), 0.0),
    "technology.price_war_rate": 0.0,
    "technology.outside_funding": 0.0,
    "sentiment.hazard_scale": 0.0,
}
"""Technology noise, news, funding loop and bust off: what is left is the market."""


@pytest.fixture
def plain(tmp_path: Path) -> Scenario:
    """Defaults everywhere: what happens is what is priced in."""
    return load(tmp_path, MINIMAL)


# Identity


@pytest.mark.parametrize("steps_per_year", [12, 52, 252])
def test_without_surprise_and_noise_nothing_falls(steps_per_year: int) -> None:
    scenario = load_scenario("consensus", {"scenario.steps_per_year": steps_per_year})
    block = block_simulation.run_block(scenario, 0, 0, noise=False)
    assert block.measures["max_drawdown"].max() <= 1e-12
    due = scenario.valuation.required_return * scenario.steps * scenario.dt
    grown = np.log1p(block.measures["terminal_return"])
    np.testing.assert_allclose(grown, due, rtol=0, atol=1e-12)


def test_a_surprise_without_noise_is_seen(tmp_path: Path) -> None:
    scenario = load(tmp_path, MINIMAL, {"technology.elasticity": 0.5})
    block = block_simulation.run_block(scenario, 0, 0, noise=False)
    assert block.measures["max_drawdown"][scenario.universe.entities.index("NVDA")] > 0.05


@pytest.mark.parametrize("steps_per_year", [12, 52, 252])
def test_consensus_growth_is_continuous_at_the_start(plain: Scenario, steps_per_year: int) -> None:
    """A state that starts in the wrong place shows as a kick in the first updates."""
    scenario = replace(plain, steps_per_year=steps_per_year)
    path = consensus_path(scenario)
    update = fundamental_clock(scenario) * scenario.dt
    for logs in (path.log_revenue, path.log_margin):
        growth = np.diff(logs, axis=0) / update  # per year
        change = np.abs(np.diff(growth, axis=0))
        # Capacity a step behind its spending, for one, would be a kick of .5.
        assert np.all(change[:2] <= 2.0 * change[2:9].max(axis=0) + 1e-3)
    np.testing.assert_allclose(path.log_revenue[1], path.growth * update, rtol=0, atol=1e-14)


def test_what_is_priced_in_needs_no_long_horizon() -> None:
    """A scenario of a few weeks is priced like one of years, not as 0 / 0."""
    short = load_scenario("consensus", {"scenario.horizon_years": 0.1})
    growth = priced_in(load_scenario("consensus")).first_year_capex_growth
    assert priced_in(short).first_year_capex_growth == pytest.approx(growth, abs=1e-12)
    assert np.isfinite(list(priced_in(short).horizon_pe.values())).all()


# Fair prices


def scores(scenario: Scenario, blocks: int = 6) -> np.ndarray:
    """z of each firm's mean price after the horizon against its consensus."""
    returns: Any = block_simulation.run_block(scenario, 3, 0, count=blocks).measures[
        "terminal_return"
    ]
    shares = returns + 1.0
    firms = shares[len(scenario.universe.groups) :]
    fair = np.exp(scenario.valuation.required_return * scenario.steps * scenario.dt)
    error = firms.std(axis=1, ddof=1) / np.sqrt(firms.shape[1])
    return np.asarray((firms.mean(axis=1) - fair) / error)


@pytest.fixture
def calm(tmp_path: Path) -> Scenario:
    return load(tmp_path, MINIMAL, CALM | YEAR)


def test_prices_are_fair_in_calm(calm: Scenario) -> None:
    assert np.abs(scores(calm)).max() <= 5.0


def test_fair_prices_need_half_the_variance(
    calm: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    loadings = factor_loadings

    def without(scenario: Scenario, table: market.FirmTable) -> FloatArray:
        kept = [loading != "variance" for _, loading in FACTORS]
        return loadings(scenario, table) * kept

    monkeypatch.setattr(simulation, "factor_loadings", without)
    assert np.abs(scores(calm)).max() > 5.0


def test_fair_prices_need_the_root_of_dt(calm: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unscaled(BlockShocks):
        def steps(self, count: int) -> StepShocks:
            drawn = super().steps(count)
            return replace(drawn, market=drawn.market * np.sqrt(52.0))

        def firms(self) -> FloatArray:
            return np.asarray(super().firms() * np.sqrt(52.0))

    monkeypatch.setattr(block_simulation, "BlockShocks", Unscaled)
    assert np.abs(scores(calm)).max() > 5.0


def test_fair_prices_need_the_compensators(calm: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    worked_out = market.corrections

    def lost(
        params: market.Market, table: market.FirmTable, steps: int, dt: float
    ) -> market.Corrections:
        fixed = worked_out(params, table, steps, dt)
        return replace(fixed, market=0.0 * fixed.market)

    monkeypatch.setattr(market, "corrections", lost)
    assert np.abs(scores(calm)).max() > 5.0


def test_fair_prices_need_the_firms_own_jump_correction(
    calm: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_out = market.corrections

    def lost(
        params: market.Market, table: market.FirmTable, steps: int, dt: float
    ) -> market.Corrections:
        fixed = worked_out(params, table, steps, dt)
        return replace(fixed, jumps=0.0 * fixed.jumps)

    monkeypatch.setattr(market, "corrections", lost)
    jumping = calm.universe.column("jump_rate") > 0.4
    z = np.abs(scores(calm))
    assert z[jumping].min() > 5.0
    assert z[calm.universe.column("jump_rate") == 0.0].max() <= 5.0


def test_volatility_has_mean_square_one(calm: Scenario) -> None:
    """So that calm_sd and stressed_sd, and a firm's volatility, mean what they say."""
    process = market.MarketProcess(calm.market, calm.universe, calm.dt, (14, 4))
    z, sd = np.linspace(-8, 8, 20_001), calm.market.volatility_sd
    squares = np.exp(2 * (np.clip(sd * z, -2.5 * sd, 2.5 * sd) - process._norm))
    assert np.average(squares, weights=np.exp(-(z**2) / 2)) == pytest.approx(1.0, abs=1e-6)


# Premium


def test_premium_is_what_earnings_do_not_explain() -> None:
    year = {"mag7_share_of_gains": 0.5, "index_gain": 0.2, "weight_at_start": 0.25}
    one = concentration.Concentration.model_validate(
        {**year, "earnings_growth": 0.2, "forward_pe": 32.0}
    )
    assert concentration.premium(one) == pytest.approx(np.log(1.4 / 1.2), abs=1e-15)
    earlier = {**year, "index_gain": 0.1, "earnings_growth": 0.3}
    two = one.model_copy(
        update={"earlier_years": (concentration.GainYear.model_validate(earlier),)}
    )
    assert concentration.premium(two) == pytest.approx(
        np.log(1.4 / 1.2) + np.log(1.2 / 1.3), abs=1e-15
    )
    capped = one.model_copy(update={"forward_pe": 17.0})
    assert concentration.premium(capped) == pytest.approx(np.log(17.0 / 16.0), abs=1e-15)
    floored = one.model_copy(update={"earnings_growth": 0.9})
    assert concentration.premium(floored) == 0.0


# Directions, in paired runs

SHARE = "concentration.mag7_share_of_gains"
PRICE = "technology.annual_price_decline"


@pytest.mark.parametrize(
    ("key", "milder", "harder", "years", "entities"),
    [
        ("technology.elasticity", 1.0, 0.7, 3.0, ("sp500", "ai_basket", "NVDA")),
        # Users of AI gain from lower prices, so this one is about its sellers; and about two
        # years, because on a falling path training outgrows inference in the end.
        (PRICE, 0.8, 0.9, 2.0, ("ai_basket", "picks_and_shovels", "NVDA")),
        (SHARE, 0.6, 0.75, 3.0, ("sp500", "ai_basket", "NVDA")),
        ("sentiment.hazard_scale", 1.0, 3.0, 3.0, ("sp500", "ai_basket", "NVDA")),
    ],
)
def test_deeper(
    tmp_path: Path, key: str, milder: float, harder: float, years: float, entities: tuple[str, ...]
) -> None:
    story: dict[str, Any] = {"scenario.horizon_years": years}
    if key == PRICE:
        story |= {"technology.elasticity": 0.7, "technology.saturation_elasticity": 0.7}
    depths = [
        block_simulation.run_block(load(tmp_path, MINIMAL, story | {key: x}), 5, 0).measures[
            "max_drawdown"
        ]
        for x in (milder, harder)
    ]
    for entity in entities:
        row = load(tmp_path, MINIMAL).universe.entities.index(entity)
        deeper = depths[1][row] - depths[0][row]
        error = deeper.std(ddof=1) / np.sqrt(deeper.size)
        assert deeper.mean() > 5.0 * error > 0.0, entity


@pytest.mark.parametrize("elasticity", [0.7, 1.0, 1.3])
@pytest.mark.parametrize("decline", [0.5, 0.95])
def test_knife_edge(tmp_path: Path, elasticity: float, decline: float) -> None:
    """Computing for inference grows at g + (eps - phi) lambda: docs/model.md, section 1.4."""
    halves = ("decline", "autonomous", "saturation")
    steady = {f"technology.consensus.{name}_half_life_years": 1000.0 for name in halves}
    story = {
        **steady,
        "technology.consensus.addressable_market": 1e6,
        "technology.consensus.autonomous_growth": 0.1,
        "technology.elasticity": elasticity,
        "technology.saturation_elasticity": elasticity,
        PRICE: decline,
    }
    scenario = load(tmp_path, MINIMAL, story)
    path = block_simulation.replay(scenario, 0, 0, noise=False)
    inference = path["technology.demand"] + path["technology.compute_per_unit"]
    fade = -np.log(1.0 - decline)
    neutral = 1.0 - scenario.technology.compute_cost_decline / fade
    # Last year, when the lag of demand has died out; half-lives of 1,000 years leave .003 of a rate.
    edge = 0.1 + (elasticity - neutral) * fade
    assert inference[-1] - inference[-53] == pytest.approx(edge, abs=0.02)


# Corners that must stay finite


def test_rivals_and_recession_cannot_take_more_than_there_is(tmp_path: Path) -> None:
    rival = '[[events]]\nkind = "competition"\nfirm = "TSLA"\nshare_lost_per_year = 0.9\n'
    slump = "[sentiment]\nhazard_scale = 50.0\nrecession_probability = 1.0\nrecession_depth = 1.0\n"
    scenario = load(tmp_path, "\n".join([MINIMAL, slump, rival, rival]))
    block = block_simulation.run_block(scenario, 1, 0)
    depth = block.measures["max_drawdown"][scenario.universe.entities.index("TSLA")]
    assert np.isfinite(block.causes).all()
    assert np.median(depth) > 0.9


# Failures


def test_a_run_that_leaves_the_finite_numbers_says_where(
    plain: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = market.MarketProcess.run, iter(range(10**6))

    def poisoned(self: market.MarketProcess, state: market.MarketState, *args: Any) -> FloatArray:
        found = run(self, state, *args)
        if next(calls) == 2:
            state.log_volatility[7] = np.nan
        return found

    monkeypatch.setattr(market.MarketProcess, "run", poisoned)
    with pytest.raises(RunError, match="is not finite") as caught:
        block_simulation.run_block(plain, 4, 3)
    for word in ("market.log_volatility", f"path {3 * BLOCK_PATHS + 7} ", "block 3", "seed 4"):
        assert word in str(caught.value)


# States


def arrays(state: State) -> Iterator[tuple[str, np.ndarray]]:
    for room in fields(state):
        for item in fields(getattr(state, room.name)):
            yield f"{room.name}.{item.name}", getattr(getattr(state, room.name), item.name)


def after_30_steps(scenario: Scenario) -> Simulation:
    chances = jump_chances(scenario.universe, scenario.dt)
    shocks = BlockShocks(1, 0, scenario.universe.tickers, chances)
    block = Simulation(scenario, consensus_path(scenario), shocks)
    for _ in block.prices(1, 30):
        pass
    return block


def test_all_that_paths_are_has_32_bits(tmp_path: Path) -> None:
    block = after_30_steps(stress_scenario(tmp_path, YEAR))
    wide = [name for name, value in arrays(block.state) if value.dtype == np.float64]
    for name, room in vars(block).items():
        if type(room).__module__.startswith("simulator.model"):
            wide += [
                f"{name}.{part}"
                for part, value in vars(room).items()
                if isinstance(value, np.ndarray) and value.dtype == np.float64
            ]
    assert not wide


@pytest.mark.parametrize(("precision", "digits"), [(np.float32, 1e-4), (np.float64, 1e-11)])
def test_a_firm_may_lose_everything_and_more(tmp_path: Path, precision: Any, digits: float) -> None:
    """Beyond e^-60 a price stands still; causes still add up."""
    wild = {"market.calm_sd": 2.0, "market.stressed_sd": 2.0, "scenario.horizon_years": 20.0}
    scenario = stress_scenario(tmp_path, wild | {"scenario.steps_per_year": 12})
    block = block_simulation.run_block(
        scenario, 1, 0, block_simulation.Keep(levels=True), precision=precision
    )
    assert block.levels is not None
    start = block.levels[:, :1]
    assert (block.levels / start).min() == pytest.approx(np.exp(-60.0), rel=digits)
    steps = {
        end: np.asarray(block.measures[f"{end}_step"], int)[:, None] for end in ("peak", "trough")
    }
    top, low = (np.take_along_axis(block.levels, at, axis=1)[:, 0] for at in steps.values())
    fall = np.log(low.astype(float)) - np.log(top.astype(float))
    np.testing.assert_allclose(block.causes.sum(axis=1), fall, rtol=digits, atol=digits)


def test_take_clones_paths(tmp_path: Path) -> None:
    block = after_30_steps(stress_scenario(tmp_path, YEAR))
    index = np.array([5, 5, 0, 1023])
    before = {name: value.copy() for name, value in arrays(block.state)}
    taken = block.state.take(index)
    for name, value in arrays(taken):
        np.testing.assert_array_equal(value, before[name][..., index])
        assert value.dtype == before[name].dtype
        value[...] = 0
    for name, value in arrays(block.state):
        np.testing.assert_array_equal(value, before[name], err_msg=name)


# Bits

HASH = """
import hashlib, sys
from pathlib import Path
from simulator.engine import block_simulation
from simulator.scenario import load_scenario
block = block_simulation.run_block(load_scenario(Path(sys.argv[1])), 2, 1, count=2)
print(hashlib.sha256(block.causes.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_bits_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    text = MINIMAL.replace("horizon_years = 5.0", "horizon_years = 0.5") + STRESS
    load(tmp_path, text)

    def told(threads: int) -> str:
        count = dict.fromkeys(
            ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), str(threads)
        )
        return subprocess.run(
            [sys.executable, "-c", HASH, str(tmp_path / "story.toml")],
            env={**os.environ, **count},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    assert len({told(1), told(2), told(5)}) == 1
