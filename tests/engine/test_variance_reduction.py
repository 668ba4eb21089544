"""The benchmark of variance reduction draws what it says, and sees a gain where there is one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest

from simulator import load_scenario
from simulator.scenario.scenario import Scenario

BENCH: dict[str, Any] = run_path(
    str(Path(__file__).parents[2] / "benchmarks" / "variance_reduction.py")
)
STEPS = 20


@lru_cache
def scenario() -> Scenario:
    return load_scenario("deepseek", overrides={"scenario.horizon_years": STEPS / 52})


@pytest.mark.parametrize("name", list(BENCH["METHODS"]))
def test_every_method_draws_the_same_law(name: str) -> None:
    """Means and spreads of what is drawn once and of a year's normals, over some blocks."""
    normals, uniforms = [], []
    for block in range(8):
        shocks = BENCH["METHODS"][name](scenario(), block)
        uniforms.append([shocks.assumption(key) for key in scenario().uncertain()])
        start = shocks.start()
        uniforms[-1] += [start.regime, start.bust_length]
        normals.append(shocks.steps(STEPS).market.copy())
    once = np.concatenate(uniforms, axis=1)
    assert 0.0 < once.min() < once.max() < 1.0
    np.testing.assert_allclose(once.mean(axis=1), 0.5, atol=0.02)
    np.testing.assert_allclose(once.var(axis=1), 1 / 12, atol=0.006)
    market = np.concatenate(normals, axis=1)
    np.testing.assert_allclose(market.mean(axis=1), 0.0, atol=0.05)
    np.testing.assert_allclose(market.var(axis=1), 1.0, atol=0.08)
    between = np.corrcoef(market) - np.eye(STEPS)
    assert np.abs(between).max() < 0.06, "steps are independent"


def test_mirrored_pairs_are_mirrored() -> None:
    shocks = BENCH["Antithetic"](scenario(), 0)
    step, firm, half = shocks.steps(2), shocks.firms(), shocks.paths // 2
    np.testing.assert_array_equal(firm[:, :half], -firm[:, half:])
    np.testing.assert_allclose(step.hazard[:, :half], 1.0 - step.hazard[:, half:], atol=1e-7)
    jumps = shocks.steps(20).jumps
    second = jumps.path >= half
    np.testing.assert_array_equal(jumps.path[~second], jumps.path[second] - half)
    np.testing.assert_allclose(jumps.uniform[~second], 1.0 - jumps.uniform[second])
    drawn = shocks.assumption("technology.elasticity")
    np.testing.assert_allclose(drawn[:half], 1.0 - drawn[half:])


def test_correlations_are_seen() -> None:
    rng = np.random.default_rng(1)
    z = rng.standard_normal((2, 50_000))
    pairs = [np.stack([z[0], 0.6 * z[0] + 0.8 * z[1]])[:, None, None, :]]
    assert BENCH["_correlation"](pairs).item() == pytest.approx(0.6, abs=0.02)
    mirrored = [np.stack([z[0], -z[0]])[:, None, None, :]]
    assert BENCH["_correlation"](mirrored).item() == pytest.approx(-1.0, abs=0.01)


def test_a_twin_has_the_world_and_not_the_noise() -> None:
    plain, twin = (BENCH[name](scenario(), 3) for name in ("plain", "Twin"))
    key = next(iter(scenario().uncertain()))
    np.testing.assert_array_equal(plain.assumption(key), twin.assumption(key))
    np.testing.assert_array_equal(plain.start().lab, twin.start().lab)
    assert abs(np.corrcoef(plain.steps(1).market, twin.steps(1).market)[0, 1]) < 0.15


def test_the_table() -> None:
    lines: list[str] = []
    BENCH["measure"](scenario(), 4, lines.append)
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 1 + len(BENCH["METHODS"]) + 3
    columns = len(BENCH["ENTITIES"]) * len(BENCH["NAMES"])
    assert all(line.count("|") == columns + 3 for line in rows)
    assert "blocks: plain | 1.00" in lines[2]
