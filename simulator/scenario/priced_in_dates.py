"""Which of the values that are priced in belong to another time than the universe's prices."""

from __future__ import annotations

from datetime import date

from simulator.scenario.scenario import Scenario
from simulator.universe.universe import QUARTER, days_apart

DEFAULTS_AS_OF = date(2025, 1, 24)
"""The day of the capex guidance and prices that the default consensus reproduces."""
_OF_A_DAY = (
    "annual_price_decline",
    "autonomous_growth",
    "training_growth",
    "addressable_market",
    "inference_share",
)
"""Values of the consensus that reproduce a day's guidance and prices; the others are laws."""


def priced_in_otherwise(scenario: Scenario) -> dict[str, str]:
    """Date by key of priced-in values that are dated more than a quarter from the as-of date.

    The consensus where the file leaves it at the default, and the sources of the latest year's gains
    and premium (``concentration``). Values without a date are left out.
    """
    day = scenario.universe.as_of
    given = scenario.file.data.get("technology", {}).get("consensus", {})
    dates = {
        f"technology.consensus.{key}": DEFAULTS_AS_OF.isoformat()
        for key in _OF_A_DAY
        if key not in given
    }
    dates |= {
        row.key: row.date
        for row in scenario.ledger()
        if row.key.startswith("concentration.") and ".earlier_years." not in row.key
    }
    return {key: when for key, when in dates.items() if days_apart(when, day) > QUARTER}
