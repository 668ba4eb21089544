"""Every allowed scenario runs to finite numbers, or is refused with the key: assumptions at corners of their ranges."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from simulator.arrays import FloatArray
from simulator.engine.block_simulation import run_block
from simulator.engine.factors import FACTORS, factor_loadings
from simulator.errors import ScenarioError
from simulator.scenario import Scenario, load_scenario
from simulator.scenario.assumptions import CONSENSUS, declared
from simulator.universe import FIGURES, FirmRow

SHORT = {"scenario.horizon_years": 1, "scenario.steps_per_year": 12}
SHARES = ("core_share", "chips_share", "rental_share", "models_share")


def arrays(value: Any) -> Iterator[FloatArray]:
    """Every array of floats in a result."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            yield value
    elif is_dataclass(value):
        yield from arrays([getattr(value, field.name) for field in fields(value)])
    elif isinstance(value, dict):
        yield from arrays(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from arrays(item)


def runs_to_finite_numbers(scenario: Scenario) -> None:
    seen = list(arrays(run_block(scenario, 1, 0)))
    assert len(seen) > 5
    assert all(np.isfinite(values).all() for values in seen)


def at_corners(name: str, seed: int, more: dict[str, Any]) -> bool:
    """Run a shipped scenario with many or all assumptions at a bound; False if it is refused by key."""
    dice = np.random.default_rng(seed)
    share = dice.choice([0.1, 0.3, 1.0])
    base = load_scenario(name)
    overrides = {
        key: float(dice.choice([spec.low, spec.high]))
        for key, _, spec in declared({**base.tables(), CONSENSUS: base.consensus})
        if dice.random() < share
    }
    try:
        scenario = load_scenario(name, {**overrides, **more})
    except ScenarioError as error:
        refused = error.problems
    else:
        runs_to_finite_numbers(scenario)
        return True
    assert all(problem.key for problem in refused)
    return False


def universe_at_corners(seed: int) -> Scenario:
    """A scenario whose firms have figures at a bound and sell through one channel."""
    dice = np.random.default_rng(seed)
    share = dice.choice([0.03, 0.3, 1.0])
    base = load_scenario("deepseek", SHORT)
    firms = []
    for firm in base.universe.firms:
        figures = {"normal_margin": firm.normal_margin or 0.1}
        for name in (name for name in FIGURES if name not in SHARES):
            if dice.random() < share:
                spec = FirmRow.spec(name)
                figures[name] = float(dice.choice([spec.low, spec.high]))
        if dice.random() < share:
            channel = dice.integers(4)
            figures |= {name: float(index == channel) for index, name in enumerate(SHARES)}
        firms.append(firm.model_copy(update=figures))
    firms[0] = firms[0].model_copy(update={"premium_loading": 1.0})  # none in the group: refused
    return replace(base, universe=replace(base.universe, firms=tuple(firms)))


LONG = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
CORNERS, UNIVERSES = (400, 500) if LONG else (16, 20)


# Seeds that left the finite numbers before logs were bounded: 3 sales, 15 prices, 71 what users gain.
@pytest.mark.parametrize("seed", [3, 15, 71])
def test_assumptions_at_corners_of_their_ranges_run_or_are_refused_by_key(seed: int) -> None:
    at_corners("deepseek", seed, SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deepseek", "glut", "jevons", "dotcom"])
def test_many_corners_run_or_are_refused_by_key(name: str) -> None:
    horizons = [(0.25, 52), (1, 12), (5, 52), (50, 4)]
    ran = 0
    for seed in range(CORNERS):
        years, steps = horizons[seed % len(horizons)]
        grid = {"scenario.horizon_years": years, "scenario.steps_per_year": steps}
        ran += at_corners(name, 1_000 + seed, grid)
    assert ran >= 0.75 * CORNERS


# Seeds whose firms went so far beyond the price bound that 32 bits held no fall between two of their logs.
@pytest.mark.parametrize("seed", [44, 319, 680])
def test_a_universe_at_corners_runs(seed: int) -> None:
    runs_to_finite_numbers(universe_at_corners(seed))


@pytest.mark.slow
def test_many_universes_at_corners_run() -> None:
    for seed in range(2, 2 + UNIVERSES):
        runs_to_finite_numbers(universe_at_corners(seed))


def test_demand_slower_than_the_price_decline_runs() -> None:
    half_lives = {
        f"{CONSENSUS}.adjustment_half_life_years": 10.0,
        f"{CONSENSUS}.decline_half_life_years": 5.0,
    }
    runs_to_finite_numbers(load_scenario("deepseek", {**half_lives, "scenario.horizon_years": 5}))


def test_a_universe_without_a_seller_of_ai_runs() -> None:
    base = load_scenario("deepseek", SHORT)
    only_core = dict(zip(SHARES, (1.0, 0.0, 0.0, 0.0), strict=True))
    firms = tuple(firm.model_copy(update=only_core) for firm in base.universe.firms)
    runs_to_finite_numbers(replace(base, universe=replace(base.universe, firms=firms)))


def test_a_universe_in_which_nobody_loads_on_the_premium_runs_without_it() -> None:
    base = load_scenario("deepseek", SHORT)
    firms = tuple(f.model_copy(update={"premium_loading": 0.0}) for f in base.universe.firms)
    without = replace(base, universe=replace(base.universe, firms=firms))
    runs_to_finite_numbers(without)
    loadings = factor_loadings(without, without.universe)
    columns = [j for j, (_, carrier) in enumerate(FACTORS) if carrier == "premium_loading"]
    assert len(columns) == 2
    assert not loadings[:, columns].any()
