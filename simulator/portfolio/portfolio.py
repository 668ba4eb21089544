"""A portfolio: the rows of a holdings file, as one more group of the universe.

    ticker,weight,maps_to,sector,beta
    NVDA,0.25,,,
    VOO,0.40,sp500,,
    CRWD,0.10,,,1.3
    JPM,0.15,,SPREST,1.1
    CASH,0.10,,,

A holding is a firm of the universe, a group of it (a fund that tracks an index), cash, or a new
firm: one like the average of a sector, with noise and, where given, a beta of its own. All are
bought at t=0 and held: nothing is traded, cash earns nothing. So the portfolio is a sum of shares
of firms, as an index is, and everything that is measured on an index is measured on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import fsum
from pathlib import Path

import numpy as np

from simulator.errors import Problem, ScenarioError, plain
from simulator.portfolio.holdings_csv import Row, Sheet, read_sheet
from simulator.schema import suggestion
from simulator.universe import FIGURES, FirmRow, Universe

PORTFOLIO = "portfolio"
"""The entity of a run that is the portfolio as a whole."""
HOLDINGS = "portfolio.csv"
"""The holdings file in a run folder, byte for byte."""
CASH = "CASH"
SECTOR = "rest"
"""What a firm is like of which only a beta is given."""
OWN_VOLATILITY = 0.30
"""Own noise, per square root of a year, of a firm of which none is given: that of a large single
stock (the named firms of the shipped universes lie at .17 to .70). Judgement."""
MOST_NEW_FIRMS = 100
_ROUNDING = 0.005
"""Weights that miss their total by no more than this share were rounded."""
_UNIT = 1.0  # USD billion at t=0 of a portfolio of which only weights are known


@dataclass(frozen=True)
class Holding:
    """One holding: its share of the portfolio at t=0, and the entity of the run it moves with.

    ``entity`` is "" for cash. ``told`` says in words what the holding is taken for.
    """

    ticker: str
    weight: float
    entity: str
    told: str


@dataclass(frozen=True)
class Portfolio:
    """Holdings whose weights add up to 1.

    ``value`` is in USD, None where the file gives weights. ``notices`` say what was done to the file.
    """

    holdings: tuple[Holding, ...]
    value: float | None
    notices: tuple[str, ...]
    raw: bytes = field(repr=False)


def read_portfolio(path: str | Path, universe: Universe) -> tuple[Portfolio, Universe]:
    """Read a holdings file; the portfolio, and the universe with the portfolio in it.

    Raises
    ------
    ScenarioError
        With every problem of the file: its line, and what to try.
    """
    sheet = read_sheet(path)
    problems = [*sheet.problems, *_repeated(sheet)]
    if PORTFOLIO in universe.entities:
        message = f"the universe {universe.name} has a group called {PORTFOLIO} already"
        problems.append(sheet.source.problem(0, "", message, hint="rename that group"))
    found: list[tuple[str, FirmRow | None, str]] = []
    for row in sheet.rows:
        try:
            found.append(_taken_for(row, universe))
        except _Unmapped as unmapped:
            problems.append(
                sheet.source.problem(
                    row.line, unmapped.column, unmapped.message, unmapped.expected, unmapped.hint
                )
            )
    weights, notices, faults = _weights(sheet)
    problems += [] if sheet.problems else faults  # a sum of what could be read says nothing
    new = [firm for _, firm, _ in found if firm is not None]
    if len(new) > MOST_NEW_FIRMS:
        message = f"{len(new)} holdings are firms the universe does not know"
        expected = f"at most {MOST_NEW_FIRMS}: each is simulated"
        hint = "map small ones to a group with maps_to"
        problems.append(sheet.source.problem(0, "", message, expected, hint))
    if problems:
        raise ScenarioError(problems)
    holdings = tuple(
        Holding(row.ticker, weight, entity, told)
        for row, weight, (entity, _, told) in zip(sheet.rows, weights, found, strict=True)
    )
    value = fsum(row.amount for row in sheet.rows) if sheet.amounts == "value" else None
    notices = [*sheet.notices, *notices, *_unused(sheet.rows, universe)]
    portfolio = Portfolio(holdings, value, tuple(notices), sheet.source.raw)
    return portfolio, _joined(universe, new, portfolio)


# ---------------------------------------------------------------- what a row is


class _Unmapped(Exception):
    def __init__(self, column: str, message: str, expected: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.column, self.message, self.expected, self.hint = column, message, expected, hint


def _taken_for(row: Row, universe: Universe) -> tuple[str, FirmRow | None, str]:
    """The entity a row moves with, the firm to be added for it, and both in words."""
    like = row.sector or (SECTOR if row.beta is not None else "")
    if row.ticker == CASH:
        if row.maps_to or like:
            raise _Unmapped("ticker", "CASH is cash: it is mapped to nothing", hint="rename it")
        return "", None, "cash, which earns nothing"
    if row.maps_to:
        if like or row.volatility is not None:
            message = (
                f"{row.ticker} is mapped to {plain(row.maps_to, 20)}, whose path it takes as it is"
            )
            hint = "either maps_to, or sector with beta and volatility"
            raise _Unmapped("maps_to", message, hint=hint)
        entity = _entity(row.maps_to, "maps_to", universe)
        return entity, None, f"moves with {entity}, {plain(universe.title_of(entity), 80)}"
    known = _known(row.ticker, universe)
    if known:
        what = "the firm" if known in universe.tickers else "the group"
        return known, None, f"{what} of the universe, {plain(universe.title_of(known), 80)}"
    if not like:
        raise _Unmapped(
            "ticker",
            f"{plain(row.ticker, 40)} is not in the universe {universe.name}",
            f"{', '.join(universe.tickers)}; or {', '.join(universe.groups)}; or {CASH}",
            " or ".join(
                hint
                for hint in (
                    suggestion(row.ticker, universe.entities),
                    "say what it is like: maps_to (a firm or group), sector, or beta",
                )
                if hint
            ),
        )
    return _new_firm(row, _entity(like, "sector", universe), universe)


def _known(name: str, universe: Universe) -> str:
    """A firm or group by its name in any case, or ""."""
    return next((e for e in (name, name.upper(), name.lower()) if e in universe.entities), "")


def _entity(name: str, column: str, universe: Universe) -> str:
    found = _known(name, universe)
    if not found:
        message = f"{plain(name, 40)} is neither a firm nor a group of the universe {universe.name}"
        known = f"{', '.join(universe.groups)}; or {', '.join(universe.tickers)}"
        raise _Unmapped(column, message, known, suggestion(name, universe.entities))
    return found


def _new_firm(row: Row, sector: str, universe: Universe) -> tuple[str, FirmRow | None, str]:
    """A firm like the value-weighted average of a sector, with a beta and noise of its own."""
    if not row.is_plain:
        message = f"{plain(row.ticker, 40)} cannot name a firm"
        expected = "1 to 12 capital letters, digits, dots or hyphens, the first a letter or digit"
        raise _Unmapped("ticker", message, expected, "rename it, or use maps_to")
    values = _shares(sector, universe) * universe.column("market_value")
    weights = values / values.sum()
    average = {figure: float(np.sum(weights * universe.column(figure))) for figure in FIGURES}
    beta = average["beta"] if row.beta is None else row.beta
    volatility = OWN_VOLATILITY if row.volatility is None else row.volatility
    told = f"a firm like {sector}, with beta {beta:.2f} and volatility {volatility:.2f} of its own"
    firm = universe.firms[int(np.argmax(weights))].model_copy(
        update={
            **average,
            "ticker": row.ticker,
            "name": f"like {sector}",
            "kind": "public",
            "beta": beta,
            "volatility": volatility,
            "pe_band": None,
            "membership": {},
            "sources": {},
        }
    )
    return row.ticker, firm, told


def _shares(entity: str, universe: Universe) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Share of each firm's value that an entity holds, (F,)."""
    if entity in universe.groups:
        return np.asarray(universe.membership[universe.groups.index(entity)])
    return np.asarray(np.array(universe.tickers) == entity, np.float64)


# ---------------------------------------------------------------- weights


def _weights(sheet: Sheet) -> tuple[list[float], list[str], list[Problem]]:
    """Shares of the whole that add up to 1, what was done to get them, and what is wrong."""
    amounts = [row.amount for row in sheet.rows]
    total = fsum(amounts)
    if total <= 0:
        return amounts, [], []  # there is no sound row, and a problem says so
    weights = [amount / total for amount in amounts]
    if sheet.amounts == "value":
        return weights, [], []
    whole = 100.0 if abs(total / 100 - 1) <= _ROUNDING else 1.0
    off = abs(total / whole - 1)
    if off > _ROUNDING:
        message = f"the weights add up to {total:.6g}"
        hint = f"correct them, add a {CASH} row, or give amounts in a column called value"
        expected = "shares that add up to 1, or percents that add up to 100"
        return weights, [], [sheet.source.problem(0, "", message, expected, hint)]
    notices = []
    if whole == 100.0:
        notices.append("weights add up to 100: read as percents")
    if off > 1e-9:
        notices.append(f"weights add up to {total:.6g}: scaled to {whole:g}")
    return weights, notices, []


def _repeated(sheet: Sheet) -> Iterable[Problem]:
    first: dict[str, int] = {}
    for row in sheet.rows:
        if row.ticker in first:
            message = f"{plain(row.ticker, 40)} is there twice, first in line {first[row.ticker]}"
            yield sheet.source.problem(row.line, "ticker", message, hint="add the two rows up")
        first.setdefault(row.ticker, row.line)


def _unused(rows: Iterable[Row], universe: Universe) -> Iterable[str]:
    """Firms of the universe of which the file says something else."""
    for row in rows:
        known = "" if row.maps_to else _known(row.ticker, universe)
        if known and (row.beta is not None or row.volatility is not None or row.sector):
            yield f"{known} is in the universe: its own figures hold, not the file's"


def _joined(universe: Universe, new: list[FirmRow], portfolio: Portfolio) -> Universe:
    """The universe with the new firms, and the portfolio as its last group."""
    wide = replace(universe, firms=(*universe.firms, *new))
    values = wide.column("market_value")
    worth = _UNIT if portfolio.value is None else portfolio.value / 1e9
    held, cash = np.zeros(values.size), 0.0
    for one in portfolio.holdings:
        if not one.entity:
            cash += worth * one.weight
            continue
        shares = _shares(one.entity, wide)
        held += worth * one.weight * shares / np.sum(shares * values)
    firms = tuple(
        firm.model_copy(update={"membership": {**firm.membership, PORTFOLIO: float(share)}})
        if share
        else firm
        for firm, share in zip(wide.firms, held, strict=True)
    )
    return replace(
        wide,
        firms=firms,
        groups=(*universe.groups, PORTFOLIO),
        group_titles={**universe.group_titles, PORTFOLIO: "Portfolio"},
        cash={PORTFOLIO: cash} if cash else {},
    )
