"""Rare crashes: clones of the model, agreement with brute force, and the command."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import CommandLine
from told_paths import Recorded, stress_scenario

from simulator import load_scenario, simulate
from simulator.engine.consensus import consensus_path
from simulator.engine.simulation import Simulation
from simulator.engine.streams import BLOCK_PATHS, BlockShocks, FreshShocks, StratifiedShocks
from simulator.errors import UsageError
from simulator.model.market import jump_chances
from simulator.rare_events.rare_event import Rare, add_tail, parse_event, rare, read_tail, tail
from simulator.runs.load import load_run
from simulator.runs.run import Run
from simulator.scenario.scenario import Scenario

SHORT = {"scenario.horizon_years": 0.5}
SEED = 3
CHANCES = np.array([0.0, 0.1, 0.0, 0.2])

# --- clones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("branch", [17, 26])
def test_a_clone_under_the_same_noise_is_the_same_path(tmp_path: Path, branch: int) -> None:
    """Everything that makes a path is in its state and its world, in and between quarters."""
    scenario = stress_scenario(tmp_path, {"scenario.horizon_years": 1.0})
    consensus, tickers = consensus_path(scenario), scenario.universe.tickers
    chances = jump_chances(scenario.universe, scenario.dt)

    def begin() -> Simulation:
        return Simulation(
            scenario, consensus, BlockShocks(SEED, 0, tickers, chances, precision=np.float64)
        )

    def advance(simulation: Simulation, first: int, last: int) -> np.ndarray:
        *_, log_price = simulation.prices(first, last)
        return np.asarray(log_price)

    worlds, whole = begin(), begin()
    advance(whole, 1, branch)
    index = np.array([5, 900, 5, 33, 702])
    clones = worlds.take(index, whole.state.take(index))
    strangers = worlds.take(index + 1, whole.state.take(index))
    for cloned in (clones, strangers):
        noise = Recorded(scenario, SEED, index)
        for _ in range(branch):
            noise.steps(1)
            noise.firms()
        for _ in range(branch // clones.clock):
            noise.chain()
        cloned.shocks = noise
    rest = branch + 1, scenario.steps
    told = advance(whole, *rest)[:, index]
    np.testing.assert_allclose(advance(clones, *rest), told, rtol=0, atol=1e-12)
    assert np.abs(advance(strangers, *rest) - told).max() > 1e-3, "other assumptions, other prices"
    assert not np.array_equal(worlds.state.market.factor, whole.state.market.factor)


def test_too_few_paths_to_tell_from_firms(tmp_path: Path) -> None:
    scenario = stress_scenario(tmp_path, SHORT)
    drawn = StratifiedShocks(1, 0, 1, 10, scenario.universe.tickers)
    few = Simulation(scenario, consensus_path(scenario), drawn)
    with pytest.raises(ValueError, match="more than 64 paths"):
        few.take(np.arange(3), few.state.take(np.arange(3)))


# --- draws ----------------------------------------------------------------------------------


def test_worlds_cover_every_stratum_once() -> None:
    shocks = StratifiedShocks(1, 2, groups=3, size=50, tickers=("A", "B"))
    drawn = [shocks.assumption("x"), shocks.assumption("y"), *shocks.start().lab]
    for uniforms in drawn:
        strata = np.floor(uniforms.reshape(3, 50) * 50)
        np.testing.assert_array_equal(np.sort(strata, axis=1), np.tile(np.arange(50), (3, 1)))
        assert (strata[0] != strata[1]).any()
    assert abs(np.corrcoef(drawn[0], drawn[1])[0, 1]) < 0.4
    np.testing.assert_array_equal(shocks.assumption("x"), drawn[0])
    other = StratifiedShocks(1, 3, groups=3, size=50, tickers=("A", "B"))
    assert (other.assumption("x") != drawn[0]).all()
    with pytest.raises(NotImplementedError):
        shocks.steps(1)


def test_fresh_noise_is_what_the_model_expects() -> None:
    shocks = FreshShocks(1, "here", 0, CHANCES)
    shocks.paths = 40_000
    step, firm, chain = shocks.steps(1), shocks.firms(), shocks.chain()
    for normal in (step.market, step.volatility, step.sector, *firm, chain.price):
        assert abs(normal.mean()) < 0.03
        assert normal.std() == pytest.approx(1.0, abs=0.03)
    for uniform in (step.regime, step.hazard, step.market_jump, chain.price_war):
        assert uniform.mean() == pytest.approx(0.5, abs=0.01)
        assert 0.0 <= uniform.min() < uniform.max() < 1.0
    jumps = step.jumps
    assert set(jumps.firm) == {1, 3}
    assert np.count_nonzero(jumps.firm == 1) == pytest.approx(4_000, abs=300)
    assert np.unique(jumps.path[jumps.firm == 1]).size == np.count_nonzero(jumps.firm == 1)
    assert jumps.uniform.mean() == pytest.approx(0.5, abs=0.02)
    again = FreshShocks(1, "here", 0, CHANCES)
    again.paths = 40_000
    np.testing.assert_array_equal(again.steps(1).market, step.market)
    np.testing.assert_array_equal(again.firms(), firm)
    other = FreshShocks(1, "here", 1, CHANCES)
    other.paths = 40_000
    assert (other.steps(1).market != step.market).all()


# --- against brute force --------------------------------------------------------------------


@lru_cache
def half_year() -> Scenario:
    """The default story, short: regimes, jumps, busts and uncertain assumptions, and cheap paths."""
    return load_scenario("deepseek", overrides=SHORT)


@lru_cache
def brute_force() -> Run:
    return simulate(half_year(), paths=128 * BLOCK_PATHS, keep_paths=1, seed=SEED)


@lru_cache
def far(entity: str) -> pd.DataFrame:
    depths = {"sp500": [0.44, 0.50, 0.56, 0.60, 0.64], "NVDA": [0.80, 0.86, 0.92, 0.95]}[entity]
    return tail(half_year(), entity, np.array(depths), groups=24, seed=SEED)


@pytest.mark.parametrize("entity", ["sp500", "NVDA"])
def test_against_brute_force(entity: str) -> None:
    """Down to some 1e-4; `make rare` repeats it over five years with a hundred times the paths."""
    run = brute_force()
    row, n = run.entities.index(entity), run.paths
    fall = run.results.counts["max_drawdown"][row]
    seen = 0
    for depth, p, error in far(entity)[["depth", "probability", "mc_error"]].to_numpy():
        hits = int(fall[round(depth * 10_000) :].sum())
        if hits < 20:
            continue
        seen += 1
        spread = np.hypot(error, np.sqrt(hits) / n)
        assert abs(p - hits / n) < 4 * spread, (entity, depth, p, hits / n)
        assert spread < 0.3 * p
    assert seen >= 2
    rare_enough = far(entity)["probability"].to_numpy()
    assert (rare_enough < 2e-3).any()
    assert (np.diff(rare_enough) < 0).all()


def test_a_run_and_its_tail_are_the_same_number() -> None:
    """Depths are measured as a run measures them: where nothing is rare they agree."""
    run = brute_force()
    found = tail(half_year(), "sp500", np.array([0.05, 0.10]), groups=8, seed=SEED)
    for depth, p, error in found[["depth", "probability", "mc_error"]].to_numpy():
        hits = run.results.counts["max_drawdown"][0][round(depth * 10_000) :].sum()
        assert abs(p - hits / run.paths) < 4 * error + 4e-3


# --- the estimate ---------------------------------------------------------------------------


@lru_cache
def one_in_a_hundred_thousand() -> Rare:
    return rare(half_year(), "sp500.max_drawdown >= 0.72", seed=SEED)


def test_fifty_times_fewer_path_steps_than_plain_monte_carlo() -> None:
    found = one_in_a_hundred_thousand()
    assert found.stopped == "precise"
    assert found.relative_error <= 0.10
    assert 1e-6 < found.estimate.value < 1e-4
    p, error = found.estimate.value, found.relative_error
    assert found.plain_path_steps == pytest.approx((1 - p) / p / error**2 * 26)
    assert found.plain_path_steps > 50 * found.path_steps
    assert 0.0 < found.estimate.low < p < found.estimate.high < 1.0


@pytest.mark.slow
def test_the_same_whatever_the_workers_and_the_paths() -> None:
    event = "sp500.max_drawdown >= 0.44"
    found = rare(half_year(), event, rel_error=0.3, seed=SEED)
    again = rare(half_year().with_(paths=7), event, rel_error=0.3, seed=SEED, workers=2)
    assert again.estimate == found.estimate
    assert (again.groups, again.path_steps) == (found.groups, found.path_steps)
    other = rare(half_year(), event, rel_error=0.3, seed=SEED + 1)
    assert other.estimate != found.estimate


def test_time_is_up() -> None:
    told: list[Rare] = []
    found = rare(
        half_year(),
        "sp500.max_drawdown > 0.3",
        rel_error=0.01,
        max_seconds=0.1,
        progress=told.append,
    )
    assert found.stopped == "time"
    assert found.estimate.value > 0.0
    assert found.relative_error > 0.01
    assert told == [found]


def test_never_seen_is_not_impossible() -> None:
    found = rare(half_year(), "sp500.max_drawdown >= 1.0", max_seconds=1.0, seed=SEED)
    assert found.stopped == "never"
    assert found.estimate.value == 0.0
    assert 0.0 < found.estimate.high < 0.01
    assert found.relative_error == found.plain_path_steps == np.inf


def test_what_is_not_rare() -> None:
    found = rare(half_year(), "NVDA.max_drawdown >= 0.05", seed=SEED)
    assert found.stopped == "precise"
    assert found.estimate.low < found.estimate.value <= found.estimate.high <= 1.0
    assert found.estimate.value > 0.9
    assert found.estimate.mc_error > 0.0


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("sp500.max_drawdown", "cannot be read; write it as sp500.max_drawdown >= 0.70"),
        ("", "cannot be read"),
        ("sp501.max_drawdown >= 0.5", "unknown entity `sp501`"),
        ("sp500.max_drawdwn >= 0.5", "did you mean"),
        ("sp500.terminal_return >= 0.5", "is not a fall"),
        ("sp500.max_drawdown <= 0.5", "is not a fall"),
        ("sp500.max_drawdown >= 1.5", "max_drawdown with 1.5"),
        ("sp500.max_drawdown >= -0.5", "a fall is a positive share: 0.5"),
    ],
)
def test_events_that_cannot_be_read(event: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_event(event, half_year())
    assert said in str(error.value)


def test_options_out_of_range() -> None:
    for wrong in ({"rel_error": 0.0}, {"rel_error": 1.0}, {"max_seconds": 0.0}):
        with pytest.raises(UsageError):
            rare(half_year(), "sp500.max_drawdown >= 0.2", **wrong)  # type: ignore[arg-type]
    for depths in ([0.5, 0.4], [0.0, 0.5], [0.5, 1.5], []):
        with pytest.raises(UsageError):
            tail(half_year(), "sp500", np.array(depths))
    with pytest.raises(UsageError, match="no entity"):
        tail(half_year(), "nobody")


# --- the tail in a run folder, the command --------------------------------------------------


def test_a_tail_is_kept_beside_a_run(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / folder.name
    shutil.copytree(folder, own)
    assert read_tail(own) is None
    assert load_run(own).tail is None
    index = pd.DataFrame(
        [("sp500", 0.3, 1e-3, 1e-4, 8e-4, 1.2e-3)],
        columns=["entity", "depth", "probability", "mc_error", "low", "high"],
    )
    firm = index.assign(entity="NVDA", probability=0.1)
    for one in (index, firm, index.assign(probability=2e-3)):
        add_tail(own, one)
    held = read_tail(own)
    assert held is not None
    assert dict(zip(held["entity"], held["probability"], strict=True)) == {
        "NVDA": 0.1,
        "sp500": 2e-3,
    }
    loaded = load_run(own)
    assert loaded.paths == 64, "the folder still verifies"
    assert loaded.tail is not None
    pd.testing.assert_frame_equal(loaded.tail, held)


def test_how_far_the_tail_goes_by_itself(tmp_path: Path) -> None:
    scenario = stress_scenario(tmp_path, {"scenario.horizon_years": 0.25})
    found = tail(scenario, "sp500", groups=4)
    assert found["depth"].iloc[0] == 0.02
    assert 1e-7 < found["probability"].iloc[-1] < 1e-4
    assert list(found.columns) == ["entity", "depth", "probability", "mc_error", "low", "high"]


def test_command(crashsim: CommandLine, story: Path) -> None:
    event = "sp500.max_drawdown >= 0.30"
    arguments = ("rare", story, "--event", event, "--workers", 1, "--rel-error", 0.3)
    code, out, err = crashsim(*arguments, "--json")
    assert code == 0
    found = json.loads(out)
    numbers = [found[name] for name in ("probability", "mc_error", "low", "high", "path_steps")]
    assert all(type(number) in (int, float) for number in numbers)
    assert found["low"] < found["probability"] < found["high"]
    assert found["schema_version"] == 1
    assert (found["entity"], found["depth"], found["stopped"]) == ("sp500", 0.3, "precise")
    assert err.splitlines()[-1] == f"next: {found['next']}"
    code, text, _ = crashsim(*arguments)
    assert code == 0
    assert "S&P 500 falls by 30 % or more within 0.5 years" in text
    assert f"{found['probability']:.3g}" in text


def test_command_refuses(crashsim: CommandLine, story: Path, folder: Path) -> None:
    assert crashsim("rare", story)[0] == 2
    assert crashsim("rare", story, "--event", "sp500.max_drawdown >= 0.3", "--tail")[0] == 2
    assert crashsim("rare", story, "--event", "sp500 falls")[0] == 2
    assert crashsim("rare", folder, "--event", "sp500.max_drawdown >= 0.3", "--seed", 1)[0] == 2


def test_command_warns_when_time_is_up(crashsim: CommandLine, story: Path) -> None:
    arguments = ("--rel-error", 0.01, "--max-seconds", 0.1, "--workers", 1)
    code, out, err = crashsim("rare", story, "--event", "sp500.max_drawdown >= 0.3", *arguments)
    assert code == 4
    assert "probability" in out
    assert "not 1 % as --rel-error asks: the time was up" in err
