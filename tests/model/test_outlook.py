"""AI expectations against their closed forms (docs/model.md, section 3.3)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.model.firms import FirmRules
from simulator.model.outlook import Outlook, OutlookState, channel_revenue, profit_pool
from simulator.model.valuation import Valuation

PREMIUM = 0.6
STEPS = 13  # weeks in a quarter


def outlook(*, years: float, premium: float = PREMIUM) -> Outlook:
    learning = Valuation(growth_smoothing_years=years, lowest_outlook=-2.5, highest_outlook=0.9)
    return Outlook(learning, premium, 0.25, STEPS, 1)


def after(quarters: int, pool: float, process: Outlook, revenue: float = 0.0) -> OutlookState:
    state = process.init()
    for _ in range(quarters):
        for _ in range(STEPS):
            process.learn(state)
        process.step(state, np.full(1, pool), np.full(1, revenue))
    return state


def test_nothing_moves_while_what_was_priced_in_happens() -> None:
    state = after(20, 0.0, outlook(years=0.75))
    assert [float(value[0]) for value in vars(state).values()] == [0.0] * 5


@pytest.mark.parametrize("pool", [-1.0, -0.2, 0.5])
def test_the_expectation_is_an_exponential_average_of_the_pool(pool: float) -> None:
    state = after(6, pool, outlook(years=0.75))
    expected = pool * (1.0 - math.exp(-6 * 0.25 / 0.75))
    assert float(state.expected[0]) == pytest.approx(expected, rel=1e-12)
    share = 1.0 - math.exp(-PREMIUM)
    repriced = math.log(1.0 - share + share * math.exp(expected))
    assert float(state.repriced[0]) == pytest.approx(repriced, rel=1e-12)


@pytest.mark.parametrize(("pool", "bound"), [(-50.0, -2.5), (50.0, 0.9)])
def test_the_expectation_stays_within_its_bounds(pool: float, bound: float) -> None:
    state = after(200, pool, outlook(years=0.25))
    assert float(state.expected[0]) == pytest.approx(bound, rel=1e-9)


def test_profits_that_vanish_take_no_more_than_the_premium() -> None:
    learning = Valuation(growth_smoothing_years=0.25, lowest_outlook=-5.0, highest_outlook=0.9)
    state = after(200, -50.0, Outlook(learning, PREMIUM, 0.25, STEPS, 1))
    lost = -float(state.repriced[0])
    assert PREMIUM * 0.95 < lost < PREMIUM


def test_a_quarters_news_is_known_after_the_next_one_in_equal_steps() -> None:
    process = outlook(years=0.75)
    state = after(1, -1.0, process)
    for step in range(1, STEPS + 1):
        process.learn(state)
        share = step / STEPS
        assert float(state.known[0]) == pytest.approx(share * float(state.repriced[0]), rel=1e-12)


def test_a_bust_can_take_what_was_neither_lost_nor_earned() -> None:
    process = outlook(years=0.75)
    calm = process.init()
    assert float(process.premium_left(calm, np.zeros(1))[0]) == pytest.approx(PREMIUM, rel=1e-12)
    # Value over the rest of value: e^premium - 1, of which a share exp(-earned) is still a hope.
    left = process.premium_left(calm, np.full(1, 0.3))
    assert float(left[0]) == pytest.approx(math.log1p(math.expm1(PREMIUM) * math.exp(-0.3)))
    worse = after(4, -1.0, process)
    expected = float(worse.expected[0])
    left = process.premium_left(worse, np.full(1, -0.3))  # losses in the books are no hope lost
    assert float(left[0]) == pytest.approx(math.log1p(math.expm1(PREMIUM) * math.exp(expected)))
    better = after(4, 0.5, process)
    assert float(process.premium_left(better, np.zeros(1))[0]) == pytest.approx(PREMIUM)


def test_profits_are_sales_times_a_bounded_margin() -> None:
    rules = FirmRules(serving_cost_share=0.4, margin_floor=0.1, margin_ceiling=1.2)
    start = float(profit_pool(rules, np.zeros(1), np.zeros(1))[0])
    assert math.exp(start) == pytest.approx(0.6)
    # Prices fall by a factor 1.25 more than costs: the cost share rises from .4 to .5.
    squeezed = profit_pool(rules, np.full(1, math.log(2.0)), np.full(1, -math.log(1.25)))
    assert math.exp(float(squeezed[0])) == pytest.approx(2.0 * 0.5)
    gone = profit_pool(rules, np.zeros(1), np.full(1, -50.0))
    assert math.exp(float(gone[0])) == pytest.approx(0.1 * 0.6)
    rich = profit_pool(rules, np.zeros(1), np.full(1, 50.0))
    assert math.exp(float(rich[0])) == pytest.approx(1.2 * 0.6)


def test_channels_add_up_in_dollars() -> None:
    weights = np.array([0.5, 0.3, 0.2])
    logs = (np.log([2.0, 1.0]), np.log([1.0, 1.0]), np.log([0.5, 3.0]))
    total = channel_revenue(weights, logs)
    np.testing.assert_allclose(np.exp(total), [1.4, 1.4], rtol=1e-12)
