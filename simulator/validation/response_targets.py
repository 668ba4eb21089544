"""Rows of change: what one assumption does, and how much of the spread is assumptions at all."""

from __future__ import annotations

from math import inf

import numpy as np

from simulator.arrays import FloatArray
from simulator.runs import simulate
from simulator.runs.run_words import label
from simulator.runs.samples import sample
from simulator.scenario import Scenario, load_scenario
from simulator.statistics import Estimate, mean, measure_drawdowns
from simulator.statistics.formatting import format_interval
from simulator.validation.block_history import assumption_share, simulate_block_history
from simulator.validation.target_table import Table, measured

ELASTICITIES = (0.8, 1.0, 1.2, 1.6)

DIRECTIONS: tuple[tuple[str, dict[str, float], dict[str, float]], ...] = (
    (
        "prices fall 95 %, not 85 % a year, elasticity .6",
        {"technology.annual_price_decline": 0.85, "technology.elasticity": 0.6},
        {"technology.annual_price_decline": 0.95, "technology.elasticity": 0.6},
    ),
    (
        "elasticity .8, not 1.2",
        {"technology.elasticity": 1.2},
        {"technology.elasticity": 0.8},
    ),
    (
        "Magnificent Seven's share of gains .6, not .4",
        {"concentration.mag7_share_of_gains": 0.4},
        {"concentration.mag7_share_of_gains": 0.6},
    ),
    (
        "hazard three times as high",
        {"sentiment.hazard_scale": 0.5},
        {"sentiment.hazard_scale": 1.5},
    ),
)
"""What should make falls deeper: in words, before, after. .6 is below the knife edge (.84 to .90)."""


def direction_rows(paths: int) -> Table:
    """Mean change of the fall on the same draws."""
    table = Table("directions, paired runs")
    for what, before, after in DIRECTIONS:
        runs = [
            simulate(load_scenario("deepseek", given), paths=paths) for given in (before, after)
        ]
        for entity in ("picks_and_shovels", "ai_basket", "sp500"):
            for measure, words in (
                ("max_drawdown", "deeper"),
                ("loss_from_start", "further below today"),
            ):
                milder, worse = (measured(run, entity, measure) for run in runs)
                row = f"{what}: {label(runs[0], entity)} {words} by"
                more = mean(worse - milder)
                table.band(row, more, 0.0, inf, "design target; the same draws", unit="share")
    return table


def elasticity_rows(paths: int) -> Table:
    """The number that nobody has measured, at four values side by side."""
    table = Table("elasticity of demand side by side")
    for value in ELASTICITIES:
        run = simulate(load_scenario("deepseek", {"technology.elasticity": value}), paths=paths)
        cells = []
        for entity in ("sp500", "ai_basket", "NVDA"):
            typical = sample(run.results, entity, "max_drawdown").quantile(0.5)
            cells.append(f"{label(run, entity)} {format_interval(typical, sign=-1)}")
        table.shown(f"elasticity {value:g}, median falls", "; ".join(cells), "docs/claims.md")
    return table


def share_rows(names: tuple[str, ...], blocks: int) -> Table:
    """Assumptions' share of the variance of each headline; noise makes the rest."""
    table = Table("assumptions' share of the variance")
    for name in names:
        scenario = load_scenario(name)
        for entity in ("sp500", "nasdaq", scenario.universe.bubble_group, "picks_and_shovels"):
            title = scenario.universe.title_of(entity).split(" (")[0]
            for what, share in _shares(scenario, entity, blocks).items():
                table.estimate(f"{name}: {title}, {what}", share, "two replicates of noise")
    return table


def _shares(scenario: Scenario, entity: str, blocks: int) -> dict[str, Estimate]:
    pairs: dict[str, list[tuple[FloatArray, FloatArray]]] = {}
    for block in range(blocks):
        seeds = (scenario.seed, scenario.seed + 1)
        levels = [simulate_block_history(scenario, block, seed).level(entity) for seed in seeds]
        depth = [measure_drawdowns(x).max_drawdown for x in levels]
        over = [np.asarray(x >= 0.4, np.float64) for x in depth]
        value = [np.log(x[-1] / x[0]) for x in levels]
        for what, (a, b) in (
            ("largest fall", depth),
            ("whether it falls 40 %", over),
            ("log value at the end", value),
        ):
            pairs.setdefault(what, []).append((a, b))
    joined = {
        what: [np.concatenate(side) for side in zip(*blocks_of, strict=True)]
        for what, blocks_of in pairs.items()
    }
    if not 0.05 < joined["whether it falls 40 %"][0].mean() < 0.95:
        del joined["whether it falls 40 %"]  # nearly certain: no variance to share out
    return {what: assumption_share(*sides) for what, sides in joined.items()}
