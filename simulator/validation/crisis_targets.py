"""Rows of stories: the dot-com bust from the inputs of its peak, the DeepSeek day, the default AI scenario."""

from __future__ import annotations

from datetime import date
from math import inf
from typing import Any

import numpy as np

from simulator.arrays import FloatArray, IntArray
from simulator.calibration import targets
from simulator.engine.results import CAUSES
from simulator.history.baselines import baseline
from simulator.runs import Run, simulate
from simulator.runs.run_words import label
from simulator.runs.samples import sample
from simulator.scenario import load_scenario
from simulator.statistics import (
    Estimate,
    jackknife,
    max_drawdown,
    mean,
    measure_drawdowns,
    quantile,
)
from simulator.statistics.formatting import percent
from simulator.validation.block_history import BlockHistory
from simulator.validation.target_table import Table, measured, place_of

CRASH = 0.40
"""What counts as a crash of technology, as in the study the hazard is from."""
LONG_FALL = 13
"""Weeks from peak to trough below which a fall has no volatility of its own."""
INDICES = (("nasdaq", "NASDAQ"), ("sp500", "S&P 500"))
_WEEKLY = "weekly closes since 1999 (data/SOURCES.md)"
_MULTIPLES = ("expectations", "sentiment", "news")
_EARNINGS = ("revenue", "margin")


def dotcom_rows(run: Run, seen: list[BlockHistory]) -> Table:
    """The bust of 2000-02, from inputs of March 2000."""
    table = Table("dot-com, inputs of March 2000")
    real = baseline("dotcom")
    wide = {"nasdaq": (0.70, 0.85), "sp500": (0.40, 0.55)}
    for index, name in INDICES:
        fall = sample(run.results, index, "max_drawdown")
        depths = measured(run, index, "max_drawdown")
        happened: Any = real.measure(index, run.scenario.steps_per_year)
        table.band(f"{name}, median fall", fall.quantile(0.5), *wide[index], _WEEKLY, unit="fall")
        table.band(
            f"{name}, place of the real {percent(-happened['max_drawdown'], 1)} among falls",
            place_of(happened["max_drawdown"], depths),
            0.25, 0.75, f"{_WEEKLY}; p25 {percent(-fall.quantile(0.25).value, 1)}, p75 "
            f"{percent(-fall.quantile(0.75).value, 1)}", unit="share",
        )  # fmt: skip
        width = jackknife(lambda x: float(np.subtract(*np.quantile(x, (0.75, 0.25)))), depths)
        table.band(f"{name}, width p25 to p75", width, 0.0, 0.25, "design target", unit="share")
        spent = measured(run, index, "trough_step") - measured(run, index, "peak_step")
        months = 12 * spent / run.scenario.steps_per_year
        took = 12 * (happened["trough_step"] - happened["peak_step"]) / run.scenario.steps_per_year
        typical = sample(run.results, index, "time_to_trough").quantile(0.5)
        scaled = Estimate(
            *(12 * x for x in (typical.value, typical.mc_error, typical.low, typical.high))
        )
        table.band(f"{name}, median time to trough", scaled, 24, 36, _WEEKLY, unit="months")
        crashed = quantile(months[depths >= CRASH], 0.5)
        what = f"{name}, median time to trough of falls of {percent(CRASH)} or more"
        table.band(what, crashed, 24, 36, _WEEKLY, unit="months")
        table.outcome(f"{name}, time to trough", months, took, _WEEKLY, unit="months")
        regained = run.estimates_of(index).get("recovered_5y")
        if regained is not None:
            table.band(
                f"{name}, regained within 5 years of the peak", regained, 0.0, 0.95,
                f"not regained; on {happened['recovery_date']}", unit="share",
                target="not so: at most 95 %",
            )  # fmt: skip
        for measure, what in (("worst_week", "worst week"), ("worst_month", "worst four weeks")):
            losses = -measured(run, index, measure)
            table.outcome(f"{name}, {what}", losses, -happened[measure], _WEEKLY, unit="fall")
    _bust_rows(table, seen)
    _economy_rows(table, seen)
    _multiples_rows(table, run)
    return table


def _bust_rows(table: Table, seen: list[BlockHistory]) -> None:
    """Volatility, correlation and the rest, over the weeks from each path's own peak to its trough."""
    closes = {}
    for index, name in INDICES:
        before, bust = (_volatility(x) for x in _real_weeks(index))
        quiet, tense = _phase_volatility(
            np.concatenate([block.level(index) for block in seen], axis=1)
        )
        table.outcome(f"{name}, volatility before the peak", quiet, before, _WEEKLY)
        table.outcome(f"{name}, volatility from peak to trough", tense, bust, _WEEKLY)
        closes[index] = _real_weeks("nasdaq", of=index)[1]
    nasdaq, sp500 = (_returns(closes[index]) for index, _ in INDICES)
    simulated = np.concatenate([_bust_correlation(block) for block in seen])
    table.outcome(
        "NASDAQ with S&P 500, correlation in the bust", simulated,
        float(np.corrcoef(nasdaq, sp500)[0, 1]), _WEEKLY,
    )  # fmt: skip
    table.outcome(
        "fall of the rest over technology's", np.concatenate([_rest_ratio(block) for block in seen]),
        0.37, "SPY and XLK 2000-02: the rest about -31 %, technology -82 %",
    )  # fmt: skip


def _real_weeks(peak_of: str, of: str | None = None) -> tuple[FloatArray, FloatArray]:
    """Closes of a year up to the peak of one index, and from there to its trough, of it or another."""
    history = baseline("dotcom")
    dates, closes = history.levels(peak_of)
    fall = measure_drawdowns(closes)
    peak, trough = int(fall.peak_step), int(fall.trough_step)
    if of is not None:
        dates_of, closes_of = history.levels(of)
        peak, trough = np.searchsorted(dates_of, dates[[peak, trough]]).tolist()
        closes = closes_of
    return closes[max(peak - 52, 0) : peak + 1], closes[peak : trough + 1]


def _returns(levels: FloatArray) -> FloatArray:
    return np.asarray(np.diff(np.log(levels), axis=0))


def _volatility(levels: FloatArray) -> float:
    return float(_returns(levels).std() * np.sqrt(52.0))


def _crashed(levels: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Paths that crash, not in a few weeks; their peaks and troughs."""
    falls = measure_drawdowns(levels)
    peak, trough = (np.asarray(x, np.int64) for x in (falls.peak_step, falls.trough_step))
    long = trough - peak >= LONG_FALL
    paths = np.flatnonzero((falls.max_drawdown >= CRASH) & long).astype(np.int64)
    return paths, peak[paths], trough[paths]


def _phase_volatility(levels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Volatility of the year (or what there is of it) before the peak of a crash, and of the crash."""
    paths, peaks, troughs = _crashed(levels)
    phases = [
        (levels[max(peak - 52, 0) : peak + 1, path], levels[peak : trough + 1, path])
        for path, peak, trough in zip(paths, peaks, troughs, strict=True)
    ]
    quiet = [_volatility(before) for before, _ in phases if before.size > LONG_FALL]
    return np.array(quiet), np.array([_volatility(bust) for _, bust in phases])


def _bust_correlation(block: BlockHistory) -> FloatArray:
    nasdaq, sp500 = _returns(block.level("nasdaq")), _returns(block.level("sp500"))
    spans = zip(*_crashed(block.level("nasdaq")), strict=True)
    return np.array(
        [np.corrcoef(nasdaq[p:t, path], sp500[p:t, path])[0, 1] for path, p, t in spans]
    )


def _rest_ratio(block: BlockHistory) -> FloatArray:
    """Simple fall of the rest over technology's, between technology's peak and trough."""
    tech, rest = block.level(block.scenario.universe.bubble_group), block.level("rest")
    paths, peak, trough = _crashed(tech)
    ratios = [1 - x[trough, paths] / x[peak, paths] for x in (rest, tech)]
    return np.asarray(ratios[0] / ratios[1])


def _economy_rows(table: Table, seen: list[BlockHistory]) -> None:
    """Capex, suppliers and traffic, medians over paths."""
    history = targets()["networks"]
    capex = max_drawdown(np.exp(np.concatenate([block.capex for block in seen], axis=1)), axis=0)
    sales = np.concatenate([block.sales("picks_and_shovels") for block in seen], axis=1)
    year = seen[0].capex.shape[0] // round(seen[0].scenario.horizon_years)
    grown = np.concatenate([block.demand[3 * year] for block in seen]) / 3
    typical = [
        jackknife(lambda x: float(np.median(x)), x)
        for x in (capex, max_drawdown(sales, axis=0), np.exp(grown))
    ]
    source = history["capex_fall"]["source"]
    table.band("capex, median fall", typical[0], 0.40, 0.65, source, unit="fall")
    source = history["equipment_revenue_fall"]["source"]
    table.band("suppliers' revenue, median fall", typical[1], 0.30, 0.75, source, unit="fall")
    source = history["traffic_growth"]["source"]
    table.band("traffic, growth a year, three years", typical[2], 1.85, 2.0, source, unit="times")


def _multiples_rows(table: Table, run: Run) -> None:
    """How much of technology's fall was paid for by multiples, how much by earnings."""
    entity = run.scenario.universe.bubble_group
    row = run.entities.index(entity)
    deep = np.asarray(run.results.measures["max_drawdown"][row]) >= CRASH
    causes = run.results.causes[row][:, deep]

    def share(x: FloatArray) -> float:
        paid = {name: float(x[CAUSES.index(name)].mean()) for name in CAUSES}
        multiples = sum(paid[name] for name in _MULTIPLES)
        return multiples / (multiples + sum(paid[name] for name in _EARNINGS))

    table.band(
        "technology, multiples' share of the fall", jackknife(share, causes), 0.45, 0.90,
        "forward P/E 48-60 to 20 in a fall of 82 %: .51 to .64; whole S&P 500 25.2 to 14.1: .86",
        unit="share", target="45 to 90 %: expectations, sentiment, news against revenue, margin",
    )  # fmt: skip


def early_rows(runs: dict[str, Run]) -> Table:
    """The same doubts dated back, to see how often the tool would have cried wolf."""
    table = Table("dot-com doubts dated back")
    for run in runs.values():
        steps = round(2 * run.scenario.steps_per_year)
        assert run.scenario.steps == steps, "two years"
        start = run.scenario.as_of
        chance = sample(run.results, "nasdaq", "max_drawdown").at_least(CRASH)
        value, low, high = (f"{100 * x:.0f}" for x in (chance.value, chance.low, chance.high))
        table.shown(
            f"{start}: NASDAQ falls 40 % within 24 months",
            f"{value} % ({low} to {high}); it fell {_fell_after(start)}",
            "closes of the NASDAQ Composite", chance,
        )  # fmt: skip
    return table


def _fell_after(start: date) -> str:
    """The NASDAQ's largest fall in the two years after a day, in words."""
    dates, closes = baseline("dotcom").levels("nasdaq")
    begin = np.datetime64(start)
    if begin < dates[0] - np.timedelta64(10, "D"):
        # Before the shipped closes: 2014.25 on 1998-07-20, 1419.12 on 1998-10-08.
        return f"{percent(1 - 1419.12 / 2014.25)} (daily closes)"
    after = closes[(dates >= begin) & (dates <= begin + np.timedelta64(731, "D"))]
    return f"{percent(float(max_drawdown(after)))} (weekly closes)"


def day_rows(run: Run) -> Table:
    """Medians of the first step against 2025-01-27; ``run`` keeps levels."""
    assert run.results.levels is not None
    table = Table("DeepSeek day, first step")
    for entity, low, high, real in (
        ("NVDA", -0.22, -0.12, "-17.0 %"),
        ("sp500", -0.025, -0.008, "-1.5 %"),
        ("rest", -0.008, inf, "+.1 % (equal-weight S&P 500)"),
    ):
        levels = run.results.levels[run.entities.index(entity)]
        step = jackknife(lambda x: float(np.median(x)), levels[1] / levels[0] - 1)
        name = label(run, entity)
        table.band(
            f"{name}, median", step, low, high, f"closes of 2025-01-27: {real}",
            unit="share", kind="fitted",
        )  # fmt: skip
    return table


def default_rows(run: Run, two_years: Run, seen: list[BlockHistory]) -> Table:
    """The default AI scenario: how often it crashes, that returns cannot be foreseen, who falls most."""
    table = Table("default AI scenario")
    crash = sample(two_years.results, "ai_basket", "max_drawdown").at_least(CRASH)
    table.band(
        "AI basket falls 40 % within 24 months", crash, 0.20, 0.42,
        "law of run-ups at +88 to +104 %, falls without any run-up included: .31", unit="share",
    )  # fmt: skip
    lagged = np.concatenate([_autocorrelation(block.level("ai_basket")) for block in seen])
    table.band(
        "AI basket, autocorrelation of weekly returns", mean(lagged), -inf, 0.1, "design target"
    )
    _order_rows(table, run)
    return table


def _autocorrelation(levels: FloatArray) -> FloatArray:
    """Of log returns at lag 1, each path by itself."""
    returns = _returns(levels)
    returns = returns - returns.mean(axis=0)
    return np.asarray((returns[1:] * returns[:-1]).sum(axis=0) / (returns**2).sum(axis=0))


def _order_rows(table: Table, run: Run) -> None:
    """Differences of falls on the same paths."""
    source = "judgement: sensitive firms fall more"
    for deeper in ("NVDA", "SMCI"):
        gap = mean(measured(run, deeper, "max_drawdown") - measured(run, "AAPL", "max_drawdown"))
        table.band(f"{deeper} falls more than AAPL by", gap, 0.0, inf, source, unit="share")
    firms = run.scenario.universe.firms
    public = [firm.ticker for firm in firms if firm.kind == "public"]
    typical = {t: float(np.median(measured(run, t, "max_drawdown"))) for t in (*public, "sp500")}
    next_least = min(typical, key=lambda t: typical[t])
    gap = mean(measured(run, next_least, "max_drawdown") - measured(run, "rest", "max_drawdown"))
    table.band(f"the rest falls least: {next_least} more by", gap, 0.0, inf, source, unit="share")
    most = max(public, key=lambda t: typical[t])
    for lab in (firm.ticker for firm in firms if firm.kind == "private"):
        gap = mean(measured(run, lab, "max_drawdown") - measured(run, most, "max_drawdown"))
        table.estimate(f"{lab} falls more than {most} by", gap, source)
        ends = {ticker: measured(run, ticker, "terminal_return") for ticker in (lab, *public)}
        widest = max(public, key=lambda t: _log_spread(ends[t]))
        wider = jackknife(lambda a, b: _log_spread(a) - _log_spread(b), ends[lab], ends[widest])
        what = f"{lab} swings most: log spread after {run.scenario.horizon_years:g} years above {widest}'s by"
        table.band(what, wider, 0.0, inf, source, unit="number")


def _log_spread(returns: FloatArray) -> float:
    """Distance of the 5 and 95 % quantiles of the log of value at the end over the start."""
    return float(np.subtract(*np.log1p(np.quantile(returns, (0.95, 0.05)))))


def day_run(paths: int) -> Run:
    """The first week of deepseek, with levels."""
    short = {"scenario.horizon_years": 1 / 52}
    return simulate(load_scenario("deepseek", short), paths=paths, keep_levels=True)
