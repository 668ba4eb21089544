"""The engine in the limit where it has exact answers: AI off, one volatility, no jumps.

A firm's price is then geometric Brownian motion. Each check is met by the engine and missed by the
classic bug planted beside it.
"""

from functools import lru_cache

import numpy as np
import pytest
from closed_forms import OVERSHOOT, spitzer, tail, z_score

from simulator.engine import block_simulation
from simulator.engine.streams import BLOCK_PATHS
from simulator.scenario.scenario import load_scenario
from simulator.statistics.drawdown import max_drawdown

SD = 0.2  # of the market factor
BLOCKS = 8
PATHS = BLOCKS * BLOCK_PATHS


@lru_cache
def log_levels(
    ticker: str, years: float, log_drift: float, steps_per_year: int = 52
) -> tuple[np.ndarray, float]:
    """Logs of level over start (T+1, path) with this drift of the log, and their volatility a year."""
    constant = {
        "market.calm_sd": SD,
        "market.stressed_sd": SD,
        "market.calm_drift": 0.0,
        "market.stressed_drift": 0.0,
        "market.volatility_sd": 0.0,
        "market.jump_rate": 0.0,
        "market.firm_stress_multiplier": 1.0,
        "scenario.horizon_years": years,
        "scenario.steps_per_year": steps_per_year,
    }
    universe = load_scenario("calm").universe
    row = universe.tickers.index(ticker)
    assert universe.column("jump_rate")[row] == 0.0
    variance = (SD * universe.column("beta")[row]) ** 2 + universe.column("volatility")[row] ** 2
    constant["valuation.required_return"] = log_drift + variance / 2
    scenario = load_scenario("calm", overrides=constant)
    block = block_simulation.run_block(
        scenario, 3, 0, block_simulation.Keep(levels=True), count=BLOCKS
    )
    assert block.levels is not None
    levels = block.levels[scenario.universe.entities.index(ticker)]
    return np.log(levels / levels[0]), float(np.sqrt(variance))


def depth(logs: np.ndarray) -> np.ndarray:
    return -np.log1p(-max_drawdown(np.exp(logs), axis=0))


@pytest.mark.parametrize("ticker", ["SPREST", "OPENAI"])
def test_lognormal_moments(ticker: str) -> None:
    logs, sd = log_levels(ticker, 2.0, 0.0)
    assert abs(z_score(logs[-1], 0.0)) <= 5
    assert abs(z_score(logs[-1] ** 2, 2.0 * sd**2)) <= 5
    assert abs(z_score(np.exp(logs[-1]), np.exp(sd**2))) <= 5
    assert abs(z_score(logs[-1] + sd**2, 0.0)) > 5, "-sigma^2/2 lost"
    assert abs(z_score(logs[-1] ** 2 / 52, 2.0 * sd**2)) > 5, "sqrt(dt) lost"


@pytest.mark.parametrize("ticker", ["SPREST", "OPENAI"])
def test_expected_maximum_drawdown(ticker: str) -> None:
    years = 2.0
    logs, sd = log_levels(ticker, years, 0.0)
    missed = 2 * OVERSHOOT * sd / np.sqrt(52)  # both ends of a fall lie between steps
    expected = np.sqrt(np.pi / 2) * sd * np.sqrt(years) - missed
    assert abs(z_score(depth(logs), expected)) <= 5
    assert abs(z_score(depth(logs / np.sqrt(52)), expected)) > 5, "sqrt(dt) lost"
    drift = np.arange(len(logs))[:, None] / 52 * sd**2 / 2
    assert abs(z_score(depth(logs + drift), expected)) > 5, "-sigma^2/2 lost"


@pytest.mark.parametrize("h", [0.75, 1.0, 1.5, 2.0])
def test_tail_of_maximum_drawdown(h: float) -> None:
    years = 2.0
    logs, sd = log_levels("SPREST", years, 0.0)
    scaled = depth(logs) / (sd * np.sqrt(years))
    p = tail(h + 2 * OVERSHOOT / np.sqrt(52 * years))
    error = np.sqrt(p * (1 - p) / PATHS)
    assert abs(np.mean(scaled > h) - p) <= 5 * error
    assert abs(np.mean(scaled / np.sqrt(52) > h) - p) > 5 * error, "sqrt(dt) lost"


@pytest.mark.parametrize("log_drift", [-0.1, 0.0, 0.1])
def test_spitzers_identity(log_drift: float) -> None:
    n = 6  # short: the start is then often the maximum
    logs, sd = log_levels("OPENAI", n / 12, log_drift, 12)
    expected = spitzer(log_drift / 12, sd / np.sqrt(12), n)

    def fall(past: np.ndarray) -> np.ndarray:
        return np.asarray(past.max(axis=0) - past[-1])

    assert len(logs) == n + 1
    assert abs(z_score(fall(logs), expected)) <= 5
    assert abs(z_score(fall(logs[1:]), expected)) > 5, "start missing from the running maximum"
    assert abs(z_score(fall(logs / np.sqrt(12)), expected)) > 5, "sqrt(dt) lost"
