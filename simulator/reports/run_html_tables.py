"""Rows of text for the parts of a report that the terminal does not show, or shows otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import plain
from simulator.plots.run_plot import label, years
from simulator.plots.time_series import Fan
from simulator.portfolio import PORTFOLIO
from simulator.reports.run_tables import STRENGTHS, WEAK
from simulator.runs.portfolio_risk import BESIDE, contributions
from simulator.runs.sensitivity import sensitivities
from simulator.runs.statistic_labels import CAUSE_NAMES
from simulator.runs.summary import risk
from simulator.statistics import Estimate
from simulator.statistics.formatting import format_error, format_log, format_share, percent

if TYPE_CHECKING:
    from simulator.runs import Run


@dataclass(frozen=True)
class NamedFuture:
    """One simulated path of the fan, told in words."""

    letter: str
    name: str
    path: int
    fall: str
    when: str
    cause: str
    end: str


def futures(run: Run, entity: str = "sp500") -> list[NamedFuture]:
    """The named paths of the fan: how far they fall, when, mostly why, and where they end."""
    found, row = run.results, run.entities.index(entity)
    rows = []
    for one in Fan(run, entity).futures:
        peak, low = found.times[one.peak], found.times[one.trough]
        causes = found.causes[row, :, one.path]
        worst = int(np.argmin(causes))
        name = CAUSE_NAMES[found.cause_names[worst]][0]
        points = format_log(Estimate(float(causes[worst]), 0.001, 0.0, 0.0), 0)
        whole = format_log(Estimate(float(causes.sum()), 0.001, 0.0, 0.0), 0)
        end = found.measures["terminal_return"][row, one.path]
        rows.append(
            NamedFuture(
                one.letter,
                one.name,
                one.path,
                percent(-one.depth, 1),
                f"from year {peak:.1f} to {low:.1f}",
                f"{name} ({points} of {whole} log points)",
                f"{1 + float(end):.2f} times the start",
            )
        )
    return rows


@dataclass(frozen=True)
class Moves:
    """How one uncertain assumption goes together with falls, by rank correlation."""

    key: str
    evidence: str
    is_weak: bool
    index: str  # with the S&P 500's fall
    most: str  # the group it moves most, and its correlation


def moves(run: Run, entity: str = "sp500") -> list[Moves]:
    """Uncertain assumptions by how strongly they go together with the fall of an entity, strongest first."""
    table = sensitivities(run.scenario, run.results)
    found = []
    for key, rows in table.groupby("key", sort=False):
        own = rows[rows["entity"] == entity].iloc[0]
        most = rows[rows["moves_most"]].iloc[0]
        grade = str(own["strength"])
        told = f"{label(run, str(most['entity']))} {_signed(most['rank_correlation'])}"
        interval = f"({_signed(own['low'])} to {_signed(own['high'])})"
        row = Moves(
            str(key),
            STRENGTHS.get(grade, plain(grade)),
            grade in WEAK,
            f"{_signed(own['rank_correlation'])} {interval}",
            told,
        )
        found.append((abs(float(own["rank_correlation"])), row))
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class PortfolioTable:
    """What a portfolio loses beside the index, and which holdings lose it."""

    what: str
    notices: list[str]
    risks: list[tuple[str, list[str]]]  # name and time; losses with their errors
    when: str
    holdings: list[
        tuple[str, str, str, str, str]
    ]  # ticker, weight, taken for, share of loss, own loss


def portfolio(run: Run) -> PortfolioTable | None:
    """The section of a run with a portfolio; None without one."""
    held = run.scenario.portfolio
    if held is None:
        return None
    horizon = run.scenario.horizon_years
    spans = [("1y", "after 1 year")] if horizon >= 1 else []
    spans += [("horizon", f"after {years(horizon)}")] if horizon != 1 else []
    names = ("var_95", "es_95", "var_99", "es_99")
    rows = []
    for when, span in spans:
        for entity in (PORTFOLIO, BESIDE):
            found = risk(run.results, entity)
            if found:
                cells = [_loss(found[f"{name}_{when}"]) for name in names]
                rows.append((f"{label(run, entity)} {span}", cells))
    when, span = spans[0]
    table = contributions(run.scenario, run.results, 95, when)
    holdings = [
        (
            plain(str(row["ticker"]), 40),
            percent(row["weight"], 1),
            plain(str(row["told"]), 200),
            _loss(Estimate(row["loss"], row["mc_error"], row["low"], row["high"])),
            percent(-row["own_loss"]),
        )
        for _, row in table.iterrows()
    ]
    worth = "" if held.value is None else f" worth ${held.value:,.0f}"
    what = f"{len(held.holdings)} holding{'' if len(held.holdings) == 1 else 's'}{worth}, bought and held."
    return PortfolioTable(what, [plain(text, 300) for text in held.notices], rows, span, holdings)


def _loss(found: Estimate) -> str:
    return f"{format_share(found, sign=-1)} {format_error(found)}"
