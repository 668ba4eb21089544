"""Rows without a story: exact identities, the calm market, single firms in calm."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from math import sqrt
from typing import Any

import numpy as np
import tomli
from numpy.typing import NDArray

from simulator.arrays import FloatArray, Precision
from simulator.calibration import index_figures, targets
from simulator.engine import block_simulation
from simulator.engine.streams import BLOCK_PATHS
from simulator.runs import Run, simulate
from simulator.runs.samples import sample
from simulator.scenario import load_scenario
from simulator.statistics import Estimate, jackknife, jackknives
from simulator.validation.block_history import BlockHistory
from simulator.validation.target_table import Table, quantile_of, share_above

INDEPENDENT_WINDOWS = np.array(
    [86, 46, 46, 29, 21, 22, 28, 22, 36, 48, 27, 34, 20, 11, 49, 14, 53, 14, 34]
)
"""Largest fall of the S&P 500 (before 1957 the S&P 90) within 1928-32, 1933-37 ... 2018-22, percent, daily closes."""

ROLLING = {
    "1928-2026": (0.142, 0.199, 0.285, 0.435, 0.568, 0.862),
    "1950-2026": (0.142, 0.198, 0.271, 0.361, 0.568, 0.568),
}
"""Quantiles of the S&P 500's largest fall within five years, a window a day, daily closes."""
ROLLING_LEVELS = (0.05, 0.25, 0.50, 0.75, 0.95, 0.99)
ROLLING_CHANCES = {
    "1928-2026": {0.30: (0.457, 0.31, 0.61), 0.50: (0.141, 0.04, 0.26)},
    "1950-2026": {0.30: (0.415, 0.25, 0.58), 0.50: (0.064, 0.00, 0.15)},
}
"""Chance of a deeper fall, with the 90 % interval of a bootstrap by blocks of five years."""

OWN_FALLS = {
    "NVDA": 0.65, "AVGO": 0.40, "MSFT": 0.26, "GOOGL": 0.30, "META": 0.43,
    "ORCL": 0.38, "AMZN": 0.54, "AAPL": 0.51, "TSLA": 0.53,
}  # fmt: skip
"""Median largest fall of a firm within five years, weekly closes without 2000-03 to 2002-10."""
ALLOWANCE = 0.08
"""A firm's median calm fall may lie so far from its own history's: two to five windows are no more exact."""

_SP500 = "daily closes, Yahoo Finance ^GSPC; 19 windows that follow each other"
_SURPRISES = "model.md: only surprises move prices"
_WEEKLY = "weekly closes since 1928, 1950, 1990 (data/targets.toml)"


@lru_cache(maxsize=1)
def firm_falls() -> dict[str, Any]:
    """The tables of ``data/firm_falls.toml``, by ticker."""
    return tomli.loads(
        files("simulator.history").joinpath("data", "firm_falls.toml").read_text("utf-8")
    )


def exact_rows() -> Table:
    """What must hold to rounding, and the limit that has a closed form."""
    table = Table("identities")
    still = block_simulation.run_block(
        load_scenario("consensus"), 0, 0, block_simulation.Keep(levels=True), noise=False
    )
    assert still.levels is not None
    story = load_scenario("consensus")
    growth = story.valuation.required_return * story.dt * np.arange(story.steps + 1)
    apart = np.abs(np.log(still.levels[:, :, 0] / still.levels[:, :1, 0]) - growth)
    deepest = float(np.max(still.measures["max_drawdown"]))
    checks = [
        ("consensus without noise: deepest fall of any entity", deepest, 1e-12, _SURPRISES),
        (
            "consensus without noise: log level less required return",
            float(apart.max()), 1e-12, _SURPRISES,
        ),
    ]  # fmt: skip
    for precision, digits, of in (
        (np.float64, 1e-12, "64 bits"),
        (np.float32, 2e-5, "the 32 bits of a run"),
    ):
        worst = max(_attribution_gap(name, precision) for name in ("deepseek", "glut"))
        what = f"causes less the log fall, every path and entity of two scenarios, in {of}"
        checks.append((what, worst, digits, "model.md: causes are exact"))
    for what, value, most, source in checks:
        exact = Estimate(value, 0.0, value, value)
        table.band(what, exact, 0.0, most, source, unit="tiny", kind="exact")
    table.band(
        "AI off, one volatility: mean log drawdown over the closed form",
        _gbm_ratio(), 0.985, 1.015, "Magdon-Ismail and others 2004, with the correction for steps",
        kind="exact",
    )  # fmt: skip
    return table


def _attribution_gap(name: str, precision: Precision) -> float:
    """Largest difference between the sum of causes and the log fall, over one block."""
    scenario = load_scenario(name)
    keep = block_simulation.Keep(levels=True)
    block = block_simulation.run_block(scenario, scenario.seed, 0, keep, precision=precision)
    assert block.levels is not None

    def at(step: str) -> NDArray[np.floating]:
        assert block.levels is not None
        steps = np.asarray(block.measures[step], np.intp)[:, None]
        return np.take_along_axis(block.levels, steps, axis=1)[:, 0]

    fall = np.log(at("trough_step") / at("peak_step"))
    return float(np.max(np.abs(block.causes.sum(axis=1) - fall)))


def _gbm_ratio() -> Estimate:
    """Mean largest log fall of a price that is geometric Brownian motion, over what theory has."""
    years, sd, firm = 2.0, 0.2, "SPREST"
    universe = load_scenario("calm").universe
    row = universe.tickers.index(firm)
    own = universe.column("volatility")[row]
    total = sqrt((sd * universe.column("beta")[row]) ** 2 + own**2)
    constant = {
        "scenario.horizon_years": years,
        "market.calm_sd": sd,
        "market.stressed_sd": sd,
        "market.calm_drift": 0.0,
        "market.stressed_drift": 0.0,
        "market.volatility_sd": 0.0,
        "market.jump_rate": 0.0,
        "market.firm_stress_multiplier": 1.0,
        "valuation.required_return": total**2 / 2,
    }
    scenario = load_scenario("calm", constant)
    blocks = 8
    block = block_simulation.run_block(scenario, scenario.seed, 0, count=blocks)
    depth = np.asarray(block.measures["max_drawdown"], np.float64)
    fall = -np.log1p(-depth[scenario.universe.entities.index(firm)])
    assert fall.size == blocks * BLOCK_PATHS
    # A walk misses both ends of a fall by .5826 sigma sqrt(dt).
    theory = total * (sqrt(np.pi / 2 * years) - 2 * 0.5826 * sqrt(scenario.dt))
    return jackknife(lambda x: float(x.mean()) / theory, fall)


def calm_rows(run: Run, seen: list[BlockHistory]) -> Table:
    """The S&P 500 of calm against the record."""
    table, bands = Table("calm market, S&P 500"), targets()["market"]
    windows = INDEPENDENT_WINDOWS / 100
    fall = sample(run.results, "sp500", "max_drawdown")
    for name, what, q in (
        ("median_fall", "median five-year fall", 0.5),
        ("fall_1_in_4", "one in four falls", 0.75),
        ("fall_1_in_20", "one in twenty falls", 0.95),
    ):
        table.band(
            what, fall.quantile(q), bands[name]["low"], bands[name]["high"], _SP500,
            unit="fall", kind="fitted", history=quantile_of(windows, q),
        )  # fmt: skip
    for name, what, depth in (
        ("falls_over_20", "chance of over 20 %", 0.2),
        ("falls_of_2000", "chance of 47.6 % or more", 0.476),
        ("falls_over_50", "chance of over 50 %", 0.5),
    ):
        table.band(
            what, fall.at_least(depth), bands[name]["low"], bands[name]["high"], _SP500,
            unit="share", kind="fitted", history=share_above(windows, depth),
        )  # fmt: skip
    levels = np.concatenate([block.level("sp500") for block in seen], axis=1)
    figures = jackknives(index_figures, levels, groups=16)
    for name, what in (
        ("weekly_volatility", "volatility of weekly returns, a year"),
        ("excess_kurtosis", "excess kurtosis of weekly returns, pooled"),
        ("skew", "skew of weekly returns, pooled"),
        ("clustering_1_week", "autocorrelation of their size, lag 1"),
        ("clustering_4_weeks", "autocorrelation of their size, lag 4"),
        ("clustering_10_weeks", "autocorrelation of their size, lag 10"),
    ):
        band = bands[name]
        since = ", ".join(f"{band[f'since_{year}']:g}" for year in (1928, 1950, 1990))
        source = f"{_WEEKLY}: {since}"
        table.band(what, figures[name], band["low"], band["high"], source, kind="fitted")
    return table


def firm_rows(run: Run) -> Table:
    """Median calm falls of single firms against their own history."""
    table = Table("firms in calm, median five-year fall")
    known = firm_falls()
    for firm in run.scenario.universe.firms:
        if firm.kind != "public":
            continue
        median = sample(run.results, firm.ticker, "max_drawdown").quantile(0.5)
        if firm.ticker not in OWN_FALLS:
            table.unchecked(
                firm.name, f"{-100 * median.value:.0f} %".replace("-", "\N{MINUS SIGN}"),
                "own, 8 points either way", "too short a history",
            )  # fmt: skip
            continue
        own = OWN_FALLS[firm.ticker]
        windows = known[firm.ticker]["windows"] if firm.ticker in known else None
        history = None if windows is None else quantile_of(np.array(windows), 0.5)
        table.band(
            firm.name, median, own - ALLOWANCE, own + ALLOWANCE,
            "weekly closes without 2000-02; history on daily closes (data/firm_falls.toml)",
            unit="fall", kind="fitted", history=history,
            target=f"{100 * own:.0f} %, 8 points either way",
        )  # fmt: skip
    return table


def calm_run(paths: int) -> Run:
    """The run the rows are judged on."""
    return simulate(load_scenario("calm"), paths=paths)


def window_places(run: Run) -> FloatArray:
    """Where each independent window of history lies among calm futures, sorted; uniform if calm is right."""
    depth = np.sort(np.asarray(run.results.measures["max_drawdown"][run.entities.index("sp500")]))
    places = np.searchsorted(depth, INDEPENDENT_WINDOWS / 100, side="right") / depth.size
    return np.sort(places)
