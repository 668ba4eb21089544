"""Surprises in growth against their closed form (docs/model.md, section 3.1)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.model.outlook import Outlook
from simulator.model.valuation import Valuation, ValuationProcess

QUARTER, STEPS = 0.25, 13


def multiple(growth: float, quarters: int, assets_in_place: float) -> float:
    """What growth that surprises by ``growth`` a year adds to a log price after some quarters."""
    process = ValuationProcess(Valuation(), QUARTER, STEPS, (1, 1))
    state, nothing = process.init(), np.zeros((1, 1))
    for k in range(1, quarters + 1):
        revenue = np.exp(np.full((1, 1), growth * k * QUARTER))
        share = np.full((1, 1), assets_in_place)
        process.step(state, revenue, np.ones((1, 1)), np.zeros(1), nothing, nothing, share)
    return float(state.expectations[0, 0])


@pytest.mark.parametrize("growth", [-0.4, 0.05, 0.6])
@pytest.mark.parametrize("quarters", [1, 6])
def test_growth_is_extrapolated_for_assets_in_place(growth: float, quarters: int) -> None:
    params = Valuation()
    smoothed = growth * (1.0 - math.exp(-quarters * QUARTER / params.growth_smoothing_years))
    bound = params.expectation_bound
    whole = bound * math.tanh(params.growth_horizon_years * smoothed / bound)
    assert multiple(growth, quarters, 1.0) == pytest.approx(whole, rel=1e-12)
    assert multiple(growth, quarters, 0.6) == pytest.approx(0.6 * whole, rel=1e-12)
    assert multiple(growth, quarters, 0.0) == 0.0


@pytest.mark.parametrize("premium", [0.1, 0.6, 1.5])
@pytest.mark.parametrize("growth", [-0.5, 0.3])
@pytest.mark.parametrize("pool", [-1.0, 0.4])
def test_assets_in_place_and_growth_options_are_each_priced_once(
    premium: float, growth: float, pool: float
) -> None:
    """Priced apart and added, the two parts of a value give the model's price, to first order in growth."""
    options = 1.0 - math.exp(-premium)
    apart = math.log((1.0 - options) * math.exp(growth) + options * math.exp(pool))
    process = Outlook(Valuation(growth_smoothing_years=0.02), premium, QUARTER, STEPS, 1)
    state = process.init()
    process.step(state, np.full(1, pool), np.zeros(1))
    repriced = float(state.repriced[0])
    in_place = math.exp(-(float(process.premium) + repriced))
    error = abs(repriced + in_place * growth - apart)
    # The next term of the series is the variance of a coin of that chance.
    assert error <= 0.5 * in_place * (1.0 - in_place) * growth**2 * math.exp(abs(growth)) + 1e-12
    twice = abs(repriced + growth - apart)
    assert error < 0.5 * twice
