"""The engine equals the model told again: every level and every cause, on the same shocks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from reference import Told
from told_paths import Pair, stress_scenario, tell_both

from simulator.engine.results import CAUSES, CHANNELS
from simulator.scenario.scenario import Scenario, list_scenarios, load_scenario
from simulator.schema.parameters import Params

TOLERANCE = 1e-12
ROOT = Path(__file__).parents[2]


def distance(pair: Pair, i: int, told: Told) -> float:
    """Largest relative difference between engine and reference; a cause counts in logs."""
    universe, column = pair.scenario.universe, pair.columns[i]
    worst = 0.0

    def compare(engine: ArrayLike, reference: ArrayLike, scale: float | None = None) -> None:
        nonlocal worst
        ours, theirs = np.asarray(engine, float), np.asarray(reference, float)
        size = np.abs(theirs) if scale is None else np.maximum(np.abs(theirs), scale)
        worst = max(worst, float(np.max(np.abs(ours - theirs) / size)))

    for row, ticker in enumerate(universe.tickers):
        compare(pair.levels[:, row, i], told.levels[ticker])
        for cause in CAUSES:
            # A log of 1e-12 is a price off by 1e-12 of itself.
            compare(pair.causes[cause][:, row, i], told.causes[ticker][cause], 1.0)
    assert pair.block.levels is not None
    for row, entity in enumerate(universe.entities):
        fall, measures = told.falls[entity], pair.block.measures
        compare(pair.block.levels[row, :, column], told.levels[entity])
        compare(measures["max_drawdown"][row, column], fall.depth, 1.0)
        compare(measures["dollars_lost"][row, column], fall.dollars, told.levels[entity][0])
        assert measures["peak_step"][row, column] == fall.peak
        assert measures["trough_step"][row, column] == fall.trough
        compare(pair.block.causes[row, :, column], [fall.causes[cause] for cause in CAUSES], 1.0)
        # Channels are kept in half the digits: a millionth apart is a rounding, not a difference.
        parts = [fall.channels[channel] for channel in CHANNELS]
        if not np.allclose(pair.block.channels[row, :, column], parts, rtol=1e-6, atol=1e-6):
            worst = math.inf
    return worst


def assert_equal(scenario: Scenario) -> set[str]:
    """Compare the picked paths; return what happened on them."""
    pair, visited = tell_both(scenario), set[str]()
    for i in range(pair.columns.size):
        told = pair.reference(i)
        assert distance(pair, i, told) <= TOLERANCE, f"path {pair.columns[i]}"
        visited |= told.visited
    return visited


def test_every_shipped_scenario_is_here() -> None:
    assert sorted(p.stem for p in (ROOT / "scenarios").glob("*.toml")) == list_scenarios()


@pytest.mark.parametrize("name", list_scenarios())
def test_shipped_scenarios(name: str) -> None:
    scenario = load_scenario(name)
    visited = assert_equal(scenario)
    assert {"boom", "calm", "stress"} <= visited
    assert ("bust" in visited) == (scenario.sentiment.hazard_scale != 0.0)


@pytest.mark.parametrize("steps_per_year", [12, 52, 252])
def test_every_grid(tmp_path: Path, steps_per_year: int) -> None:
    overrides = {"scenario.horizon_years": 1.5, "scenario.steps_per_year": steps_per_year}
    assert_equal(stress_scenario(tmp_path, overrides))
    assert_equal(load_scenario("deepseek", overrides))


@pytest.fixture(scope="module")
def stress(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return tell_both(stress_scenario(tmp_path_factory.mktemp("stress")))


def test_everything_happens_under_stress(stress: Pair) -> None:
    kinds = {event.kind for event in stress.scenario.events}
    assert kinds == {
        *("price_cut", "efficiency_gain", "demand_shift"),
        *("competition", "funding_squeeze", "rate_rise"),
    }
    visited = set[str]()
    for i in range(stress.columns.size):
        told = stress.reference(i)
        assert distance(stress, i, told) <= TOLERANCE
        visited |= told.visited
    assert visited == {
        *("boom", "bust", "aftermath", "recession", "lab failure", "hazard ceiling", "hazard cap"),
        *("calm", "stress", "market jump", "firm jump"),
        *("price war", "capex floor", "capex ceiling"),
    }


# Thresholds, which decide and do not measure, and a cap that these paths do not reach.
SILENT = {
    "sentiment.bust_years",
    "sentiment.recession_probability",
    "concentration.trough_pe",
}


def nudged(scenario: Scenario, table: str, field: str) -> Scenario:
    """The scenario with one number moved by a billionth."""
    params: Params = getattr(scenario, table)
    value = getattr(params, field)
    other: dict[str, Any] = {table: params.model_copy(update={field: value + 1e-9})}
    return replace(scenario, **other)


def numbers(scenario: Scenario) -> list[tuple[str, str]]:
    tables = ("technology", "concentration", "sentiment", "market", "firms", "valuation")
    return [
        (table, field)
        for table in tables
        for field in type(getattr(scenario, table)).specs()
        if isinstance(getattr(getattr(scenario, table), field), float)
    ]


def test_a_parameter_off_by_a_billionth_is_noticed(stress: Pair) -> None:
    missed = set()
    for table, field in numbers(stress.scenario):
        other = nudged(stress.scenario, table, field)
        apart = (
            distance_or_split(stress, i, stress.reference(i, other))
            for i in range(stress.columns.size)
        )
        if all(d <= TOLERANCE for d in apart):
            missed.add(f"{table}.{field}")
    assert missed == SILENT


def distance_or_split(pair: Pair, i: int, told: Told) -> float:
    """As ``distance``; a peak or trough elsewhere is as far as it gets."""
    try:
        return distance(pair, i, told)
    except AssertionError:
        return math.inf
