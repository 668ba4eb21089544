"""Which uncertain assumption moves which result: rank correlations over the paths of a run.

Each path drew its assumptions once, so the run itself shows how they and its falls go together;
nothing is simulated again. A rank correlation sees any monotone effect, and none that turns round.
With assumptions drawn together ([correlations]) it also holds what their companions do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simulator.errors import plain
from simulator.statistics import Estimate
from simulator.statistics.rank_correlation import rank_correlation, ranks

if TYPE_CHECKING:
    import pandas as pd

    from simulator.engine import Results
    from simulator.scenario import Scenario

GRADES = {"A": 1, "B": 2, "C": 3, "D": 4}
"""Strength of evidence as a weight: how much there is to doubt."""
MATTERS = 0.1
"""Size of a rank correlation below which an assumption is not named: it leaves 99 % of the spread to the rest."""
_THIN = {
    "A": "it is measured",
    "B": "several sources agree on it",
    "C": "its evidence is thin",
    "D": "it is judgement",
}


def sensitivities(scenario: Scenario, results: Results) -> pd.DataFrame:
    """Rank correlation of every uncertain assumption with the largest fall of every group.

    Columns: key, entity, rank_correlation, mc_error, low, high, strength (of the evidence), moves_most (the
    group this assumption moves most). A positive correlation: more of it, deeper falls. Uses the paths
    kept in the tables. Empty where nothing is uncertain.
    """
    import pandas as pd  # late: slow to import

    return pd.DataFrame(_correlations(scenario, results), columns=Correlation._fields)


class Correlation(NamedTuple):
    """A row of :func:`sensitivities`."""

    key: str
    entity: str
    rank_correlation: float
    mc_error: float
    low: float
    high: float
    strength: str
    moves_most: bool


def _correlations(scenario: Scenario, results: Results) -> list[Correlation]:
    grades = {row.key: row.strength for row in scenario.ledger()}
    groups = [entity for entity in results.entities if entity in scenario.universe.groups]
    falls = {
        entity: ranks(np.asarray(results.measures["max_drawdown"][row], np.float64))
        for row, entity in enumerate(results.entities)
        if entity in groups
    }
    rows = []
    for key, drawn in results.inputs.items():
        of_key = ranks(drawn)
        correlations = {entity: rank_correlation(of_key, fall) for entity, fall in falls.items()}
        most = max(groups, key=lambda entity: abs(correlations[entity].value))
        grade = grades.get(key, "D")
        for entity, r in correlations.items():
            numbers = (r.value, r.mc_error, r.low, r.high)
            rows.append(Correlation(key, entity, *numbers, grade, entity == most))
    return rows


def weakest_link(scenario: Scenario, results: Results, entity: str = "sp500") -> str:
    """One sentence: the uncertain assumption that moves the entity's fall most for how little is known of it.

    That is the largest product of the rank correlation's size and the grade (A 1 ... D 4), among those of at least
    ``MATTERS`` and more than three standard errors from 0: of twenty that move nothing, one would pass two.
    """
    rows = _correlations(scenario, results)
    title = plain(scenario.universe.title_of(entity)).split(" (")[0]
    name = f"the {title}" if entity in scenario.universe.groups else title
    if not rows:
        return "Every assumption of this run is a single number: the run cannot tell which of them matters."
    rows = [row for row in rows if row.entity == entity]
    effect = f"moves the largest fall of {name} with a rank correlation of {MATTERS:g} or more"
    if all(abs(end) < MATTERS for row in rows for end in (row.low, row.high)):
        return (
            f"No single uncertain assumption {effect}: chance, and what is fixed here, matter more than "
            "any one of them."
        )
    known = [
        row
        for row in rows
        if abs(row.rank_correlation) >= MATTERS and abs(row.rank_correlation) > 3 * row.mc_error
    ]
    if not known:
        return f"These paths cannot tell whether any uncertain assumption {effect}."
    worst = max(known, key=lambda row: abs(row.rank_correlation) * GRADES[row.strength])
    r = worst.rank_correlation
    way = "more of it, deeper falls" if r > 0 else "more of it, milder falls"
    return (
        f"The weakest link is {worst.key}: {_THIN[worst.strength]} ({worst.strength}), and it moves the largest "
        f"fall of {name} with a rank correlation of {r:+.2f} ({worst.low:+.2f} to {worst.high:+.2f}): {way}."
    )


def document(scenario: Scenario, results: Results) -> list[dict[str, Any]]:
    """The uncertain assumptions for JSON: key, strength, the group each moves most, correlations by group."""
    table = sensitivities(scenario, results)
    return [
        {
            "key": str(key),
            "strength": str(rows["strength"].iloc[0]),
            "moves_most": str(rows.loc[rows["moves_most"], "entity"].iloc[0]),
            "rank_correlation": {
                str(row["entity"]): Estimate(*map(float, row.iloc[2:6])).as_json()
                for _, row in rows.iterrows()
            },
        }
        for key, rows in table.groupby("key", sort=False)
    ]
