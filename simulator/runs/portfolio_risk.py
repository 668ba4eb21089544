"""What a portfolio loses, beside the index, and which holdings lose it."""

from __future__ import annotations

from dataclasses import asdict, astuple
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.portfolio import PORTFOLIO, Holding
from simulator.runs.summary import risk
from simulator.scenario.thresholds import TimeGrid
from simulator.statistics import Estimate
from simulator.statistics.shortfall_shares import shortfall_shares

if TYPE_CHECKING:
    import pandas as pd

    from simulator.engine import Results
    from simulator.scenario import Scenario

BESIDE = "sp500"
"""The index a portfolio is set beside."""
MEASURES = {"1y": "return_1y", "horizon": "terminal_return"}


def portfolio_risk(scenario: Scenario, results: Results) -> pd.DataFrame:
    """Value at risk and expected shortfall of the portfolio and of the S&P 500.

    Columns: entity, statistic (``summary.RISKS``), value, mc_error, low, high; shares of the starting
    value, losses positive. Empty without a portfolio.
    """
    import pandas as pd  # late: slow to import

    entities = (PORTFOLIO, BESIDE) if scenario.portfolio is not None else ()
    rows = [
        (entity, name, *astuple(estimate))
        for entity in entities
        for name, estimate in risk(results, entity).items()
    ]
    columns = ["entity", "statistic", "value", "mc_error", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def contributions(
    scenario: Scenario, results: Results, level: int = 95, when: str = "1y"
) -> pd.DataFrame:
    """What each holding loses on the paths that make the portfolio's expected shortfall.

    A portfolio that is bought and held loses the sum of what its holdings lose, so the means over
    the same paths add up to the expected shortfall exactly (Euler's allocation; Tasche 1999).

    Parameters
    ----------
    scenario, results
        Of a run with a portfolio.
    level
        95 or 99: the worst 5 or 1 % of paths.
    when
        "1y" or "horizon".

    Returns
    -------
    pandas.DataFrame
        The worst first: ticker, weight, taken_for, loss (share of the portfolio's starting value), its
        mc_error, low, high, and own_loss (share of the holding's own value). With more paths than have a
        row in the tables, those rows are the sample. Empty without a portfolio.
    """
    import pandas as pd  # late: slow to import

    columns = ["ticker", "weight", "taken_for", "loss", "mc_error", "low", "high", "own_loss"]
    table = [
        (
            holding.ticker,
            holding.weight,
            holding.taken_for,
            *astuple(estimate),
            estimate.value / holding.weight,
        )
        for holding, estimate in losers(scenario, results, level, when)
    ]
    return pd.DataFrame(table, columns=columns)


def losers(
    scenario: Scenario, results: Results, level: int = 95, when: str = "1y"
) -> list[tuple[Holding, Estimate]]:
    """The holdings and what each of them loses, the worst first; see :func:`contributions`."""
    portfolio = scenario.portfolio
    if portfolio is None or TimeGrid.of(results.times).missing(MEASURES[when]):
        return []
    returns = np.asarray(results.measures[MEASURES[when]], np.float64)
    rows = {entity: row for row, entity in enumerate(results.entities)}
    losses = np.zeros((len(portfolio.holdings), results.kept))
    for place, holding in enumerate(portfolio.holdings):
        if holding.entity:
            losses[place] = -holding.weight * returns[rows[holding.entity]]
    shares = shortfall_shares(losses, level / 100)
    return sorted(
        zip(portfolio.holdings, shares, strict=True), key=lambda pair: pair[1].value, reverse=True
    )


def all_contributions(scenario: Scenario, results: Results) -> pd.DataFrame:
    """:func:`contributions` to every expected shortfall, one below the other: column ``to`` says to which."""
    import pandas as pd  # late: slow to import

    parts = []
    for level, when in product((95, 99), MEASURES):
        part = contributions(scenario, results, level, when)
        part.insert(0, "to", f"es_{level}_{when}")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def document(scenario: Scenario, results: Results) -> dict[str, Any]:
    """The portfolio for JSON: holdings, losses beside the index, and who brings them."""
    portfolio = scenario.portfolio
    if portfolio is None:
        return {}
    return {
        "value_usd": portfolio.value,
        "holdings": [asdict(holding) for holding in portfolio.holdings],
        "notices": list(portfolio.notices),
        "risk": {
            entity: {name: estimate.as_json() for name, estimate in risk(results, entity).items()}
            for entity in (PORTFOLIO, BESIDE)
        },
        "contributions": {
            f"es_{level}_{when}": {
                holding.ticker: estimate.as_json()
                for holding, estimate in losers(scenario, results, level, when)
            }
            for level, when in product((95, 99), MEASURES)
        },
    }
