"""In how many futures of a run what authorities assume is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.history.official import OfficialScenario, official_scenarios
from simulator.runs.samples import sample
from simulator.statistics import Estimate

if TYPE_CHECKING:
    from simulator.engine import Results
    from simulator.scenario import Scenario

_NEAR = 5 * 366
"""Days between a run's start and an official scenario that is still about the same market."""


def reached(scenario: Scenario, results: Results) -> list[tuple[OfficialScenario, Estimate]]:
    """Each official scenario with a fall, and the chance that the run's equities fall as far within its horizon.

    Those about entities the run does not have, or about another time, are left out. How fast they
    fall is not compared.
    """
    return [
        (one, sample(results, one.entity, one.measure).at_least(one.fall))
        for one in official_scenarios()
        if one.fall is not None
        and one.measure is not None
        and one.entity in results.entities
        and abs((one.date - scenario.as_of).days) <= _NEAR
    ]
