"""What history can set, set by history: ``python -m simulator.calibration [--full]``.

Four parts, each against figures of ``data/targets.toml``:

1. ``average_surprise`` and ``surprise_sd``: the law of run-ups is an average over booms whose business went well and
   badly; so the mean of what disappointment makes of it is 1 over the stories of the default scenario.
   The crashes that follow are printed beside Greenwood, Shleifer and You (2019): "now" without busts, "found" with.
2. ``news_response``: least squares of the log returns of 2025-01-27 on news loading x size of the news.
3. ``[market]``: sum of squared distances from the middle of each target, in half-widths of its interval; so a
   figure at the edge of its interval counts 1. ``--full`` looks for a better set by steps in one parameter at a time.
4. Capex and suppliers, 2000-03: the same distance over ``investment_speed_down`` within its sourced range.

It changes no file: it prints what is in force, what history would set, and how sure that is. Draws are common to
all candidates, so differences between them are surer than the errors printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import tomli

from simulator.arrays import FloatArray
from simulator.engine import block_simulation
from simulator.engine.consensus import fundamental_clock
from simulator.engine.simulation import Simulation
from simulator.engine.streams import BLOCK_PATHS
from simulator.model.concentration import net_run_up
from simulator.model.events import Calendar
from simulator.model.sentiment import run_up_hazard
from simulator.scenario import Scenario, load_scenario
from simulator.statistics import measure_drawdowns

CRASH = 0.40
CRASH_YEARS = 2.0
"""A crash as the study has it: a fall of 40 % or more within 24 months."""

MARKET_RANGES = {
    "stressed_drift": (-0.20, -0.05, 0.02),
    "calm_sd": (0.085, 0.12, 0.005),
    "stressed_sd": (0.20, 0.28, 0.01),
    "stress_entry_rate": (0.36, 0.72, 0.06),
    "stress_exit_rate": (1.2, 2.5, 0.2),
    "volatility_sd": (0.25, 0.45, 0.05),
    "volatility_half_life_years": (0.15, 0.45, 0.05),
    "leverage": (-0.9, -0.5, 0.1),
}
"""Lowest, highest and step of what ``--full`` may change: two-state fits of index returns since 1950."""

SPEEDS = (0.6, 0.75, 0.9, 1.1, 1.3)
"""``investment_speed_down`` within its sourced range."""


@lru_cache(maxsize=1)
def targets() -> Mapping[str, Any]:
    """The tables of ``data/targets.toml``."""
    return tomli.loads(
        files("simulator.history").joinpath("data", "targets.toml").read_text("utf-8")
    )


@dataclass(frozen=True)
class Row:
    """One line of the table. ``error`` is one standard error of ``found``, nan where there is none."""

    name: str
    now: float
    found: float
    error: float
    target: str


# --- 1 hazard ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Responses:
    """How surprises move the hazard in a scenario, ``(quarter, path)``.

    ``surprise`` is the smoothed log surprise of AI revenue in a boom that nothing ends, bounded as
    the hazard bounds it; ``slope`` (path,) the rise of the log hazard with it.
    """

    surprise: FloatArray
    slope: FloatArray

    def mean(self, average: float, spread: float) -> float:
        """Mean of the hazard over the law's, for these two numbers of the centre."""
        b = self.slope
        return float(np.mean(np.exp(-b * (self.surprise - average) - 0.5 * (b * spread) ** 2)))


def responses(scenario: Scenario, blocks: int) -> Responses:
    """Simulate the surprises of a scenario's stories."""
    endless = scenario.sentiment.model_copy(update={"hazard_scale": 0.0})
    quarters = _quarters(replace(scenario, sentiment=endless), blocks)
    run = next(quarters)
    surprise = [run.state.outlook.surprise.copy() for _ in quarters]
    slope = np.broadcast_to(run.scenario.sentiment.hazard_disappointment, run.shape[1:])
    return Responses(np.clip(surprise, -1.0, 1.0).astype(np.float64), np.asarray(slope))


def solve_centre(stories: Responses) -> tuple[float, float]:
    """``average_surprise`` and ``surprise_sd`` at which the mean response is 1.

    The first is the mean. The second would be the standard deviation if surprises were normal.
    """
    from scipy.optimize import brentq

    average = float(stories.surprise.mean())
    if stories.mean(average, 0.0) <= 1.0:
        return average, 0.0
    return average, float(brentq(lambda sd: stories.mean(average, sd) - 1.0, 0.0, 2.0))


def centre_rows(blocks: int) -> list[Row]:
    """The centre of the hazard's response, and the mean response of other stories."""
    default = load_scenario("deepseek")
    stories = responses(default, blocks)
    found = solve_centre(stories)
    given = default.sentiment.average_surprise, default.sentiment.surprise_sd
    names = ("jevons", "consensus", "deepseek", "glut")
    others = {name: responses(load_scenario(name), 1).mean(*given) for name in names}
    text = "mean response of " + ", ".join(f"{name} {mean:.2f}" for name, mean in others.items())
    paths = stories.slope.size
    error = float(stories.surprise.mean(axis=0).std() / np.sqrt(paths))
    law = run_up_hazard(default.medians().sentiment, net_run_up(default.concentration))
    return [
        Row("sentiment.average_surprise", given[0], found[0], error, text),
        Row(
            "sentiment.surprise_sd", given[1], found[1], float("nan"),
            f"mean response now {stories.mean(*given):.3f}; the law alone {float(np.asarray(law)):.3f} a year",
        ),
    ]  # fmt: skip


def crash_share(scenario: Scenario, blocks: int) -> float:
    """Share of paths on which the bubble group falls by ``CRASH`` within ``CRASH_YEARS``."""
    short = replace(scenario, horizon_years=CRASH_YEARS)
    result = block_simulation.run_block(short, short.seed, 0, count=blocks)
    row = short.universe.entities.index(short.universe.bubble_group)
    return float(np.mean(result.measures["max_drawdown"][row] >= CRASH))


def crash_probability(net_run_up: float) -> float:
    """P(crash within 24 months) after a two-year rise of so much more than the market's (share)."""
    table = targets()["run_ups"]
    return float(np.interp(net_run_up, table["rise"], table["crash"]))


def crash_rows(blocks: int) -> list[Row]:
    """Crashes within 24 months beside a study that did not set the law, by scenario with a run-up."""
    rows = []
    for name, before in targets()["run_ups"]["before"].items():
        scenario = load_scenario(name)
        share = crash_share(scenario, blocks)
        error = np.sqrt(share * (1.0 - share) / (blocks * BLOCK_PATHS))
        calm = load_scenario(name, {"sentiment.hazard_scale": 0.0})
        text = f"a study of run-ups {crash_probability(before['net']):.2f} after net {before['net']:+.0%}"
        rows.append(
            Row(f"{name} P(-40 % in 24 months)", crash_share(calm, blocks), share, error, text)
        )
    return rows


# --- 2 news --------------------------------------------------------------------------------------


def solve_news_response(scenario: Scenario) -> tuple[float, float]:
    """``news_response`` by least squares on the day's log returns, and its standard error."""
    returns = targets()["deepseek_day"]["returns"]
    s = scenario.medians()
    calendar = Calendar(s.events, s.technology.inference_share)
    size = float(calendar.beliefs(1, 1, s.dt, fundamental_clock(s)).news[0, 0])
    loading = dict(zip(s.universe.tickers, s.universe.column("news_loading"), strict=True))
    x = size * np.array([loading[ticker] for ticker in returns])
    y = -np.log1p(np.array(list(returns.values())))
    psi = float(x @ y / (x @ x))
    residual = y - psi * x
    return psi, float(np.sqrt(residual @ residual / (y.size - 1) / (x @ x)))


def news_row() -> Row:
    """``news_response``, now and as the day sets it."""
    scenario = load_scenario("deepseek")
    found, error = solve_news_response(scenario)
    now = float(np.asarray(scenario.medians().valuation.news_response))
    count = len(targets()["deepseek_day"]["returns"])
    return Row("valuation.news_response", now, found, error, f"{count} log returns of 2025-01-27")


# --- 3 market ------------------------------------------------------------------------------------


def market_figures(scenario: Scenario, blocks: int) -> dict[str, FloatArray]:
    """Figures of ``[market]`` for the S&P 500, one for each block of paths: name -> (block,)."""
    row = scenario.universe.entities.index("sp500")
    rows: list[dict[str, float]] = []
    for block in range(blocks):
        result = block_simulation.run_block(
            scenario, scenario.seed, block, block_simulation.Keep(levels=True)
        )
        assert result.levels is not None
        rows.append(index_figures(result.levels[row]))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def index_figures(levels: FloatArray) -> dict[str, float]:
    """The figures of ``[market]`` from weekly levels ``(T+1, window)`` of five-year windows."""
    returns = np.diff(np.log(levels), axis=0)
    score = (returns - returns.mean()) / returns.std()
    size = np.abs(returns)
    size = size - size.mean(axis=0)
    total = np.sum(size**2, axis=0)

    def clustering(lag: int) -> float:
        return float(np.mean(np.sum(size[lag:] * size[:-lag], axis=0) / total))

    depth = measure_drawdowns(levels).max_drawdown
    return {
        "weekly_volatility": float(returns.std() * np.sqrt(52.0)),
        "excess_kurtosis": float(np.mean(score**4) - 3.0),
        "skew": float(np.mean(score**3)),
        "clustering_1_week": clustering(1),
        "clustering_4_weeks": clustering(4),
        "clustering_10_weeks": clustering(10),
        "median_fall": float(np.quantile(depth, 0.5)),
        "fall_1_in_4": float(np.quantile(depth, 0.75)),
        "fall_1_in_20": float(np.quantile(depth, 0.95)),
        "falls_over_20": float(np.mean(depth > 0.2)),
        "falls_of_2000": float(np.mean(depth >= 0.476)),
        "falls_over_50": float(np.mean(depth > 0.5)),
    }


def distance(figures: Mapping[str, float], table: Mapping[str, Any]) -> float:
    """Sum of squared distances from the middles of the intervals, in half-widths."""
    total = 0.0
    for name, target in table.items():
        low, high = target["low"], target["high"]
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        total += float((figures[name] - middle) / half) ** 2
    return total


def market_distance(scenario: Scenario, blocks: int) -> float:
    """Distance of a scenario's S&P 500 from history."""
    figures = market_figures(scenario, blocks)
    return distance({name: float(v.mean()) for name, v in figures.items()}, targets()["market"])


def with_market(scenario: Scenario, **changes: float) -> Scenario:
    """The scenario with other market parameters."""
    return replace(scenario, market=scenario.market.model_copy(update=changes))


def search_market(scenario: Scenario, blocks: int, rounds: int = 2) -> tuple[Scenario, float]:
    """Descend one parameter at a time inside ``MARKET_RANGES``; the best set and its distance."""
    best = market_distance(scenario, blocks)
    for _ in range(rounds):
        before = best
        for name, (low, high, step) in MARKET_RANGES.items():
            for move in (-step, step):
                value = round(float(getattr(scenario.market, name)) + move, 6)
                if not low <= value <= high:
                    continue
                trial = with_market(scenario, **{name: value})
                score = market_distance(trial, blocks)
                if score < best:
                    scenario, best = trial, score
                    break
        if best == before:
            break
    return scenario, best


# --- 4 networks ----------------------------------------------------------------------------------


def network_figures(scenario: Scenario, blocks: int) -> dict[str, float]:
    """The figures of ``[networks]``: medians over paths of what happens to capex, suppliers, traffic."""
    universe = scenario.universe
    capex, demand, revenue = list[FloatArray](), list[FloatArray](), list[FloatArray]()
    for run in _quarters(scenario, blocks):
        capex.append(run.state.technology.capex.astype(np.float64))
        demand.append(run.state.technology.demand.copy())
        revenue.append(run.state.firms.revenue.astype(np.float64))
    spent, sold = np.exp(capex), np.array(revenue)
    year = round(1.0 / (run.clock * scenario.dt))

    def fall(levels: FloatArray) -> FloatArray:
        peak = np.maximum.accumulate(levels, axis=0)
        return np.asarray(np.median(np.max(1.0 - levels / peak, axis=0), axis=-1))

    suppliers = fall(sold)
    # March 2000 and the three quarters after it are the year 2000; two years on is 2002.
    later = spent[2 * year : 3 * year].mean(axis=0) / spent[:year].mean(axis=0)
    return {
        "capex_fall": float(fall(spent)),
        "capex_after_two_years": float(np.median(later)),
        "cisco_revenue_fall": float(suppliers[universe.tickers.index("CSCO")]),
        "equipment_revenue_fall": float(suppliers[universe.tickers.index("NETEQ")]),
        "traffic_growth": float(np.exp(np.median(demand[3 * year]) / 3.0)),
    }


def with_speed_down(scenario: Scenario, speed: float) -> Scenario:
    """The scenario with another speed at which investment falls."""
    changed = scenario.technology.model_copy(update={"investment_speed_down": speed})
    return replace(scenario, technology=changed)


def _quarters(scenario: Scenario, blocks: int) -> Iterator[Simulation]:
    """The first blocks of a scenario, at the start and the end of each quarter."""
    run = block_simulation.start_block(scenario, scenario.seed, 0, blocks)
    yield run
    for k, _ in enumerate(run.prices(1, scenario.steps), start=1):
        if k % run.clock == 0:
            yield run


# --- the table -----------------------------------------------------------------------------------


def _format(row: Row) -> str:
    error = "" if np.isnan(row.error) else f"±{row.error:.3f}"
    return f"{row.name:<34}{row.now:>8.3f}{row.found:>9.3f} {error:<8} {row.target}"


def _print_market(write: Callable[[str], Any], blocks: int, *, full: bool) -> None:
    calm, table = load_scenario("calm"), targets()["market"]
    figures = market_figures(calm, blocks)
    head = f"S&P 500 of calm, {blocks * BLOCK_PATHS:,} paths"
    write(f"\n{head:<42}{'model':>9} {'error':<8} target; since 1928, 1950, 1990\n")
    for name, values in figures.items():
        target, mean = table[name], float(values.mean())
        error = float(values.std(ddof=1) / np.sqrt(values.size))
        verdict = "" if target["low"] <= mean <= target["high"] else "   OUTSIDE"
        samples = ", ".join(f"{target[key]:g}" for key in target if key.startswith("since_"))
        write(
            f"{name:<42}{mean:>9.3f} ±{error:<7.3f} {target['low']:g} to {target['high']:g}; {samples}{verdict}\n"
        )
    now = distance({name: float(v.mean()) for name, v in figures.items()}, table)
    write(f"distance of the defaults {now:.2f} over {len(table)} figures\n")
    if full:
        found, best = search_market(calm, blocks)
        changes = {
            name: (float(getattr(calm.market, name)), float(getattr(found.market, name)))
            for name in MARKET_RANGES
            if getattr(calm.market, name) != getattr(found.market, name)
        }
        changed = "; ".join(f"{name} {a:g} -> {b:g}" for name, (a, b) in changes.items()) or "none"
        write(f"best nearby {best:.2f}: {changed}\n")


def _print_networks(write: Callable[[str], Any], blocks: int) -> None:
    dotcom, table = load_scenario("dotcom"), targets()["networks"]
    head = "2000-03, medians of dotcom"
    write(f"\n{head:<42}{'model':>9} {'':<8} history; interval\n")
    for name, value in network_figures(dotcom, blocks).items():
        target = table[name]
        verdict = "" if target["low"] <= value <= target["high"] else "   OUTSIDE"
        write(
            f"{name:<42}{value:>9.3f} {'':<8} {target['value']:g}; {target['low']:g} to {target['high']:g}{verdict}\n"
        )
    scores = {
        speed: distance(network_figures(with_speed_down(dotcom, speed), blocks), table)
        for speed in SPEEDS
    }
    now = dotcom.technology.investment_speed_down
    text = ", ".join(f"{speed:g}: {score:.2f}" for speed, score in scores.items())
    write(f"distance by investment_speed_down, now {now:g}: {text}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the calibration."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator.calibration", description="What history can set."
    )
    more = "more paths, and a search over [market]"
    parser.add_argument("--full", action="store_true", help=more)
    full = parser.parse_args(arguments).full
    blocks = 16 if full else 4
    write = sys.stdout.write
    write(f"{'parameter':<34}{'now':>8}{'found':>9} {'error':<8} target\n")
    for row in [*centre_rows(blocks), *crash_rows(blocks), news_row()]:
        write(_format(row) + "\n")
    _print_market(write, blocks, full=full)
    _print_networks(write, min(blocks, 4))


if __name__ == "__main__":
    main()
