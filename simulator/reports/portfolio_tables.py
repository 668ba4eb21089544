"""The tables of a portfolio as rows of text, for terminal and report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.errors import plain
from simulator.portfolio import PORTFOLIO
from simulator.reports.run_tables import Cell
from simulator.runs.portfolio_risk import BESIDE, contributions
from simulator.runs.run_words import exact, is_exact, label, years
from simulator.runs.summary import risk
from simulator.statistics import Estimate
from simulator.statistics.formatting import format_error, format_share, percent
from simulator.statistics.intervals import UNKNOWN, enough_paths

if TYPE_CHECKING:
    from simulator.runs import Run

RISK_HEADS = ("VaR 95 %", "ES 95 %", "VaR 99 %", "ES 99 %")
"""Value at risk and expected shortfall, the columns of :class:`RiskRow`."""


@dataclass(frozen=True)
class RiskRow:
    """Losses of the portfolio or the index after some time: a cell for each of RISK_HEADS."""

    name: str
    span: str
    cells: list[Cell]


@dataclass(frozen=True)
class HoldingRow:
    """A holding, what it is modelled as, its share of the expected shortfall, and its own loss."""

    ticker: str
    weight: str
    modelled_as: str
    share: Cell
    own_loss: str
    loses: bool  # the share is a loss, not a gain


@dataclass(frozen=True)
class PortfolioTable:
    """What a portfolio loses beside the index, and which holdings lose it."""

    what: str
    notices: list[str]
    rows: list[RiskRow]
    span: str  # to which the contributions of the holdings belong
    holdings: list[HoldingRow]


def portfolio(run: Run) -> PortfolioTable | None:
    """The tables of a run with a portfolio; None without one."""
    held = run.scenario.portfolio
    if held is None:
        return None
    horizon = run.scenario.horizon_years
    spans = [("1y", "after 1 year")] if horizon >= 1 else []
    spans += [("horizon", f"after {years(horizon)}")] if horizon != 1 else []
    rows = [
        RiskRow(label(run, entity), span, _risks(run, entity, when))
        for when, span in spans
        for entity in (PORTFOLIO, BESIDE)
    ]
    when, span = spans[0]
    table = contributions(run.scenario, run.results, 95, when)
    holdings = []
    for _, row in table.iterrows():
        share = exact(run, Estimate(row["loss"], row["mc_error"], row["low"], row["high"]))
        holdings.append(
            HoldingRow(
                plain(str(row["ticker"]), 40),
                percent(row["weight"], 1),
                plain(str(row["taken_for"]), 200),
                (format_share(share, sign=-1), format_error(share)),
                percent(-row["own_loss"]),
                bool(share.value > 0),
            )
        )
    worth = "" if held.value is None else f" worth ${held.value:,.0f}"
    count = len(held.holdings)
    what = f"{count} holding{'' if count == 1 else 's'}{worth}, bought and held"
    return PortfolioTable(what, [plain(text, 300) for text in held.notices], rows, span, holdings)


def _risks(run: Run, entity: str, when: str) -> list[Cell]:
    cells = []
    values = risk(run.results, entity)
    for level in (95, 99):
        known = is_exact(run) or enough_paths(run.paths, level / 100)
        for name in ("var", "es"):
            value = exact(run, values[f"{name}_{level}_{when}"]) if known else UNKNOWN
            cells.append((format_share(value, sign=-1), format_error(value)))
    return cells
