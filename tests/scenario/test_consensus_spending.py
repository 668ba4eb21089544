"""Who prices in another elasticity or price decline keeps the spending that is priced in."""

from __future__ import annotations

import math

import pytest

from simulator.engine.consensus import consensus_path
from simulator.errors import ScenarioError
from simulator.model.technology import Technology
from simulator.scenario.scenario import load_scenario

DEFAULT = Technology()


def growth(**consensus: float) -> float:
    keys = {f"technology.consensus.{key}": value for key, value in consensus.items()}
    return float(load_scenario("consensus", keys).technology.autonomous_growth)


@pytest.mark.parametrize(
    ("elasticity", "decline"), [(0.8, 0.9), (1.3, 0.9), (1.2, 0.5), (0.6, 0.8)]
)
def test_growth_at_unchanged_prices_makes_up_for_what_prices_bring(
    elasticity: float, decline: float
) -> None:
    by_prices = (elasticity - 1.0) * -math.log(1.0 - decline)
    was = float(DEFAULT.autonomous_growth) + (float(DEFAULT.elasticity) - 1.0) * -math.log(
        1.0 - float(DEFAULT.annual_price_decline)
    )
    assert growth(elasticity=elasticity, annual_price_decline=decline) == pytest.approx(
        was - by_prices, rel=1e-12
    )


@pytest.mark.parametrize("elasticity", [0.7, 1.3])
def test_the_first_years_spending_grows_as_priced_in_whatever_the_elasticity(
    elasticity: float,
) -> None:
    """To the lag of demand; without g solved for, the year would differ by .7 in logs."""
    keys = {"technology.consensus.elasticity": elasticity}
    paths = (
        consensus_path(load_scenario("consensus")),
        consensus_path(load_scenario("consensus", keys)),
    )
    base, moved = ((path.price + path.demand)[4] for path in paths)
    assert moved == pytest.approx(base, abs=0.01)


def test_growth_that_is_given_is_kept() -> None:
    assert growth(elasticity=0.8, autonomous_growth=0.3) == 0.3


def test_growth_beyond_its_range_names_the_key_that_asks_for_it() -> None:
    with pytest.raises(ScenarioError) as caught:
        growth(elasticity=2.5)
    (problem,) = caught.value.problems
    assert problem.key == "technology.consensus.elasticity"
    assert "-3.34" in str(caught.value)
    assert "autonomous_growth" in str(caught.value)
