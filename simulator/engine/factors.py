"""The common factors of log prices, and what each firm makes of them."""

from __future__ import annotations

import numpy as np

from simulator.arrays import FloatArray
from simulator.model import firms, market
from simulator.scenario import Scenario

FACTORS = (
    ("sentiment", "premium_loading"),
    ("ai_expectations", "premium_loading"),
    ("news", "news_loading"),
    ("rates", "equity_duration"),
    ("market", "beta"),
    ("market", "variance"),
    ("firm", "sector"),
    ("firm", "variance"),
    ("contagion", "contagion"),
    ("margin", "adoption_loading"),
    ("firm", "burn_rate"),
    ("growth", "known"),
)
"""Cause and loading of each common factor of log prices, in the order of ``History.factors``.

The last is 1 on every path: its weight is what is known in advance, and explains no change.
"""


def ai_weights(scenario: Scenario) -> FloatArray:
    """Start-value weight of each firm in the AI group, (firm,); they sum to 1."""
    universe = scenario.universe
    row = universe.groups.index(universe.bubble_group)
    values = universe.membership[row] * universe.column("market_value")
    return np.asarray(values / values.sum())


def factor_loadings(scenario: Scenario, table: firms.FirmTable) -> FloatArray:
    """Loading of each firm on each factor, (firm, J).

    Premium loadings are scaled to a value-weighted mean of 1 in the AI group.
    """
    premium = table.column("premium_loading")
    if premium.any():  # else nobody carries it, and it moves nothing
        premium = premium / np.sum(ai_weights(scenario) * premium)
    beta, sigma = table.column("beta"), table.column("volatility")
    columns = {
        ("sentiment", "premium_loading"): premium,
        ("ai_expectations", "premium_loading"): premium,
        ("rates", "equity_duration"): -table.column("equity_duration"),
        ("market", "variance"): -0.5 * beta**2,
        ("firm", "sector"): sigma * table.column("sector_share"),
        ("firm", "variance"): -0.5 * sigma**2,
        ("firm", "burn_rate"): -table.column("burn_rate"),
        ("growth", "known"): np.zeros_like(beta),
    }
    # The others are figures of the universe as they are.
    given = [columns[item] if item in columns else table.column(item[1]) for item in FACTORS]
    return np.stack(given, axis=1)


def known_parts(scenario: Scenario, table: firms.FirmTable) -> dict[str, FloatArray]:
    """Parts of log prices known in advance: cause -> (time, firm)."""
    s = scenario
    fixed = market.corrections(s.market, table, s.steps, s.dt)
    years = np.arange(s.steps + 1)[:, None] * s.dt
    growth = s.valuation.required_return * years + np.zeros_like(fixed.market)
    return {"growth": growth, "market": -fixed.market, "firm": -fixed.jumps}
