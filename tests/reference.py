"""The model told again for one path, in plain scalars, from docs/model.md alone.

It shares no code with the model, the engine, the attribution or the measures: it reads
the numbers of a scenario and a universe, and the shocks of one path. Slow and plain on
purpose. Section numbers are those of docs/model.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from reference_economy import (
    Books,
    Numbers,
    Outlook,
    Surprise,
    Technology,
    ai_economy,
    ai_sales,
    anchor,
    arrivals,
    beliefs,
    between,
    consensus_path,
    figures,
    funding_withdrawn,
    quarter_of,
    rivals_take,
)
from reference_market import Mood, Weather, net_run_up, premium

CAUSES = (
    *("revenue", "margin", "expectations", "ai_expectations", "sentiment", "news"),
    *("rates", "market", "contagion", "firm", "growth"),
)
CHANNELS = ("chips", "rental", "models")


@dataclass(frozen=True)
class Noise:
    """Every shock of one path: ``start`` once, ``steps`` and ``months`` in order (section 8)."""

    start: dict[str, float]
    labs: dict[str, float]
    steps: list[dict[str, float]]
    firms: list[dict[str, float]]
    jumps: list[dict[str, float]]
    quarters: list[dict[str, float]]


@dataclass(frozen=True)
class Fall:
    """The deepest fall of an entity."""

    depth: float
    peak: int
    trough: int
    causes: dict[str, float]
    channels: dict[str, float]
    dollars: float


@dataclass
class Told:
    """One path: levels and, for firms, causes and channels at every step, time 0 included."""

    levels: dict[str, list[float]]
    causes: dict[str, dict[str, list[float]]]
    channels: dict[str, dict[str, list[float]]]
    falls: dict[str, Fall] = field(default_factory=dict)
    visited: set[str] = field(default_factory=set)  # what happened on the path


def tell(scenario: Numbers, rules_priced_in: Numbers, noise: Noise) -> Told:
    """Tell one path.

    Args:
        scenario: every assumption a float.
        rules_priced_in: the table ``firms`` at its medians.
        noise: the path's shocks.
    """
    clock, quarter = quarter_of(scenario)
    firms = [figures(firm) for firm in scenario.universe.firms]
    start = anchor(scenario.consensus)
    priced_in, growth = consensus_path(scenario, rules_priced_in, firms, start)
    tech = Technology(scenario.technology, start, quarter)
    books = [Books(firm, scenario.firms, g, quarter) for firm, g in zip(firms, growth, strict=True)]
    surprises = [Surprise(scenario.valuation, quarter) for _ in firms]
    group = scenario.universe.bubble_group
    held = [firm["membership"].get(group, 0.0) * firm["market_value"] for firm in firms]
    weights = [value / sum(held) for value in held]
    mean_loading = sum(w * f["premium_loading"] for w, f in zip(weights, firms, strict=True))
    paid = premium(scenario.concentration)
    outlook = Outlook(scenario.valuation, paid, quarter)
    run_up = net_run_up(scenario.concentration)
    mood = Mood(scenario.sentiment, paid, run_up, noise.start, scenario.dt)
    weather = Weather(scenario.market, firms, noise.start, scenario.dt)

    told = Told(
        {firm["ticker"]: [firm["market_value"]] for firm in firms},
        {firm["ticker"]: {cause: [0.0] for cause in CAUSES} for firm in firms},
        {firm["ticker"]: {channel: [0.0] for channel in CHANNELS} for firm in firms},
    )
    nothing = dict.fromkeys(("u", "m", "n", "adoption", *CHANNELS), 0.0)
    before_last = last = [nothing] * len(firms)  # what the last two quarters brought
    repriced = [0.0, 0.0]  # by AI expectations, the same
    failed = set[str]()
    for k in range(1, scenario.steps + 1):
        if k % clock == 0:
            j = k // clock
            arriving = arrivals(scenario, k - clock, k)
            squeeze = funding_withdrawn(scenario, k)
            # Known in full by now: the quarter before the last has ended three months ago.
            tech.quarter(j, noise.quarters[j - 1], arriving, squeeze, mood.s + repriced[1])
            consensus = priced_in[j]
            rules = scenario.firms
            pool, revenue = ai_economy(tech, rules, ai_sales(firms), j * quarter)
            outlook.quarter(pool - consensus["pool"], revenue - consensus["ai"])
            for row, (firm, account) in enumerate(zip(firms, books, strict=True)):
                account.quarter(j, tech, mood.recession, rivals_take(scenario, firm["ticker"], k))
                log_revenue, log_margin = consensus["books"][row]
                surprises[row].quarter(
                    math.log(account.revenue) - log_revenue,
                    math.log(account.margin) - log_margin,
                    math.exp(-firm["premium_loading"] / mean_loading * (paid + outlook.repriced)),
                )
            repriced = [repriced[1], outlook.repriced]
            earned = sum(w * (x.u + x.m) for w, x in zip(weights, surprises, strict=True))
            mood.expect(outlook.surprise, outlook.premium_left(earned))
            gain = rules.adoption_dividend * (tech.surplus - consensus["surplus"])
            adoption = rules.adoption_bound * math.tanh(gain / rules.adoption_bound)
            sold = {"chips": tech.capex, "rental": tech.rental, "models": tech.sales}
            before_last, last = (
                last,
                [
                    {"u": x.u, "m": x.m, "n": x.n, "adoption": adoption}
                    | by_channel(firm, sold, consensus["sold"], x.u, math.exp(books[0]))
                    for firm, x, books in zip(firms, surprises, consensus["books"], strict=True)
                ],
            )
        news, rates = beliefs(scenario, k, clock)
        before = mood.drought
        marked = between(repriced[0], repriced[1], k, clock)
        mood.step(noise.steps[k - 1]["hazard"], funding_withdrawn(scenario, k), marked)
        weather.step(noise.steps[k - 1], noise.firms[k - 1], noise.jumps[k - 1], mood.in_bust)
        for firm in firms:
            if firm["failure_rate"] > 0.0:
                patience = -math.log(noise.labs[firm["ticker"]]) / firm["failure_rate"]
                if before < patience <= mood.drought:
                    weather.own[firm["ticker"]] -= scenario.sentiment.lab_failure_loss
                    failed.add(firm["ticker"])

        for row, firm in enumerate(firms):
            name = firm["ticker"]
            known = {
                what: between(before_last[row][what], last[row][what], k, clock) for what in nothing
            }
            causes = {
                "revenue": known["u"],
                "margin": known["m"] + firm["adoption_loading"] * known["adoption"],
                "expectations": known["n"],
                "ai_expectations": firm["premium_loading"] / mean_loading * marked,
                "sentiment": firm["premium_loading"] / mean_loading * (mood.s + mood.compensation),
                "news": firm["news_loading"]
                * scenario.valuation.news_response
                * (tech.alarm - news),
                "rates": -firm["equity_duration"] * rates,
                "market": weather.market(firm),
                "contagion": firm["contagion"] * mood.spread,
                "firm": weather.alone(firm) - firm["burn_rate"] * mood.dilution,
                "growth": scenario.valuation.required_return * (k * scenario.dt),
            }
            whole = math.fsum(causes.values())
            causes["firm"] += min(max(whole, -60.0), 60.0) - whole
            for cause, value in causes.items():
                told.causes[name][cause].append(value)
            for channel in CHANNELS:
                told.channels[name][channel].append(known[channel])
            told.levels[name].append(firm["market_value"] * math.exp(math.fsum(causes.values())))

    _add_indices(told, scenario.universe.groups, firms)
    told.visited = mood.visited | weather.visited | tech.visited
    if failed:
        told.visited.add("lab failure")
    return told


# 6 and 7. Indices, falls and their causes


def _add_indices(told: Told, groups: tuple[str, ...], firms: list[dict[str, Any]]) -> None:
    tickers = [firm["ticker"] for firm in firms]
    for ticker in tickers:
        peak, trough = _deepest(told.levels[ticker])
        told.falls[ticker] = _fall(
            told.levels[ticker],
            peak,
            trough,
            _moved(told.causes[ticker], peak, trough),
            _moved(told.channels[ticker], peak, trough),
        )
    length = len(told.levels[tickers[0]])
    for group in groups:
        counted = {
            firm["ticker"]: firm["membership"][group]
            for firm in firms
            if firm["membership"].get(group, 0.0) > 0.0
        }
        level = [
            math.fsum(share * told.levels[name][k] for name, share in counted.items())
            for k in range(length)
        ]
        told.levels[group] = level
        peak, trough = _deepest(level)
        causes, channels = dict.fromkeys(CAUSES, 0.0), dict.fromkeys(CHANNELS, 0.0)
        whole = level[peak] * _relative_mean(math.log(level[trough] / level[peak]))
        for name, share in counted.items():
            moved = _moved(told.causes[name], peak, trough)
            weight = share * told.levels[name][peak] * _relative_mean(math.fsum(moved.values()))
            for cause, change in moved.items():
                causes[cause] += weight / whole * change
            for channel, change in _moved(told.channels[name], peak, trough).items():
                channels[channel] += weight / whole * change
        told.falls[group] = _fall(level, peak, trough, causes, channels)


def by_channel(
    firm: dict[str, Any],
    logs: dict[str, float],
    priced_in: dict[str, float],
    surprise: float,
    revenue: float,
) -> dict[str, float]:
    """6: parts of a revenue surprise, by the logarithmic means of what is sold and what was priced in."""
    whole = revenue * _relative_mean(surprise)
    found = {}
    for channel, log in logs.items():
        expected = firm[f"{channel}_share"] * math.exp(priced_in[channel])
        ratio = log - priced_in[channel]
        found[channel] = expected * _relative_mean(ratio) / whole * ratio
    return found


def _moved(paths: dict[str, list[float]], peak: int, trough: int) -> dict[str, float]:
    return {name: path[trough] - path[peak] for name, path in paths.items()}


def _fall(
    level: list[float],
    peak: int,
    trough: int,
    causes: dict[str, float],
    channels: dict[str, float],
) -> Fall:
    depth = 1.0 - level[trough] / level[peak]
    return Fall(depth, peak, trough, causes, channels, level[peak] - level[trough])


def _relative_mean(change: float) -> float:
    """Logarithmic mean of 1 and exp(change)."""
    return math.expm1(change) / change if change else 1.0


def _deepest(level: list[float]) -> tuple[int, int]:
    """Peak and trough of the deepest drawdown; 0 and 0 if it never falls."""
    high_at = peak = trough = 0
    depth = 0.0
    for k, value in enumerate(level):
        if value > level[high_at]:
            high_at = k
        if 1.0 - value / level[high_at] > depth:
            depth, peak, trough = 1.0 - value / level[high_at], high_at, k
    return peak, trough
