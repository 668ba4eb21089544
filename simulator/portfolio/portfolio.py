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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import fsum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simulator.errors import Problem, ScenarioError, plain
from simulator.portfolio.funds import BOND_FIGURES, FUND_VOLATILITY, Fund, known_funds
from simulator.portfolio.holding_rows import Row, is_plain
from simulator.portfolio.holdings_csv import Sheet, read_sheet
from simulator.portfolio.instruments import CASH, issuer, share
from simulator.schema import suggestion
from simulator.universe import FIGURES, FirmRow, Universe

PORTFOLIO = "portfolio"
"""The entity of a run that is the portfolio as a whole."""
HOLDINGS = "portfolio.csv"
"""The holdings file in a run folder, byte for byte."""
OWN_VOLATILITY = 0.30
"""Own noise, per square root of a year, of a firm of which none is given: that of a large single
stock (the named firms of the shipped universes lie at .17 to .70). Judgement."""
MOST_NEW_FIRMS = 100
LEAST_VALUE = 0.01
"""Of a portfolio, USD: a cent."""
_BOND_BETA = 0.05
_ROUNDING = 0.005
"""Weights that miss their total by no more than this share were rounded."""
_UNIT = 1.0  # USD billion at t=0 of a portfolio of which only weights are known


@dataclass(frozen=True)
class Holding:
    """One holding: its share of the portfolio at t=0, and the entity of the run it moves with.

    ``entity`` is "" for cash. ``taken_for`` says in words what the holding is taken for, and how
    sure that is.
    """

    ticker: str
    weight: float
    entity: str
    taken_for: str


@dataclass(frozen=True)
class Portfolio:
    """Holdings whose weights add up to 1.

    ``value`` is in USD, None where the file gives weights. ``notices`` say what was done to the file.
    """

    holdings: tuple[Holding, ...]
    value: float | None
    notices: tuple[str, ...]
    raw: bytes = field(repr=False)


def read_portfolio(
    path: str | Path | Portfolio, universe: Universe, rates: Mapping[str, float] | None = None
) -> tuple[Portfolio, Universe]:
    """Read a holdings file; the portfolio, and the universe with the portfolio in it.

    Parameters
    ----------
    path
        A CSV file, of one's own or from a broker; or a portfolio, to be mapped to another universe.
    universe
        The firms and groups that holdings are mapped to.
    rates
        USD for one unit of a currency, {"EUR": 1.08}, where values are not in USD.

    Raises
    ------
    ScenarioError
        With every problem of the file: its line, and what to try.
    """
    sheet = read_sheet(path.raw if isinstance(path, Portfolio) else path, rates)
    problems = list(sheet.problems)
    if PORTFOLIO in universe.entities:
        message = f"the universe {universe.name} has a group called {PORTFOLIO} already"
        problems.append(sheet.source.problem(0, None, message, hint="rename that group"))
    mapped: list[_Mapped] = []
    for row in sheet.rows:
        try:
            mapped.append(_mapped(row, universe))
        except _Unmapped as fault:
            problems.append(sheet.problem(row, *fault.args))
    weights, notices, faults = _weights(sheet)
    problems += [] if sheet.problems else faults  # a sum of what could be read says nothing
    new = [item.firm for item in mapped if item.firm is not None]
    if len(new) > MOST_NEW_FIRMS:
        message = f"{len(new)} holdings are firms the universe does not know"
        expected = f"at most {MOST_NEW_FIRMS}: each is simulated"
        hint = "map small ones to a group with maps_to"
        problems.append(sheet.source.problem(0, None, message, expected, hint))
    if problems:
        raise ScenarioError(problems)
    holdings = tuple(
        Holding(row.ticker, weight, item.entity, item.taken_for)
        for row, weight, item in zip(sheet.rows, weights, mapped, strict=True)
    )
    value = fsum(row.amount for row in sheet.rows) if sheet.amounts == "value" else None
    notices += [*_guessed(sheet.rows, mapped), *_unused(sheet.rows, universe)]
    portfolio = Portfolio(holdings, value, (*sheet.notices, *notices), sheet.source.raw)
    return portfolio, _joined(universe, new, portfolio)


# ---------------------------------------------------------------- what a row is


class _Mapped(NamedTuple):
    """The entity a row moves with, the firm to be added for it, and both in words."""

    entity: str
    firm: FirmRow | None
    taken_for: str


class _Unmapped(Exception):
    """A row that cannot be mapped: column, message, what is expected, a hint."""

    def __init__(self, column: str, message: str, expected: str = "", hint: str = "") -> None:
        super().__init__(column, message, expected, hint)


def _mapped(row: Row, universe: Universe) -> _Mapped:
    """What a row is taken for: what the file says, else the universe, else the table of funds."""
    fund = known_funds().get(share(row.ticker))
    if row.ticker == CASH and not row.kind:
        row = replace(row, kind="cash")
    if row.kind == "cash" and not row.maps_to:
        if row.sector or row.beta is not None:
            raise _Unmapped("ticker", "CASH is cash: it is mapped to nothing", hint="rename it")
        return _Mapped("", None, "cash, which earns nothing; sure")
    if row.maps_to:
        if row.sector or row.beta is not None or row.volatility is not None:
            entity = plain(row.maps_to, 20)
            message = f"{row.ticker} is mapped to {entity}, whose path it takes as it is"
            hint = "either maps_to, or sector with beta and volatility"
            raise _Unmapped("maps_to", message, hint=hint)
        entity = _entity(row.maps_to, "maps_to", universe)
        words = f"moves with {entity}, {_title(entity, universe)}; as the file says"
        return _Mapped(entity, None, words)
    known = _known(row.ticker, universe)
    if known:
        is_firm = known in universe.tickers
        what = "the firm" if is_firm else "the group"
        other = "; another share class" if is_firm and share(row.ticker) != known else ""
        words = f"{what} of the universe, {_title(known, universe)}{other}; sure"
        return _Mapped(known, None, words)
    is_described = bool(row.sector) or row.beta is not None
    if fund is not None:
        target = _known(fund.maps_to or fund.like, universe)
        if fund.maps_to and target and not is_described and row.volatility is None:
            words = f"{fund.name}: moves with {target}, {_title(target, universe)}; fit: {fund.fit}"
            return _Mapped(target, None, words)
        if target or row.sector:
            return _new_fund(row, fund, target, universe)
    if not is_described and row.kind not in ("stock", "bond fund"):
        raise _unknown(row, universe)
    is_fund = row.kind in ("fund", "bond fund") or fund is not None
    sector = row.sector or ("sp500" if is_fund else "rest")
    like = _entity(sector, "sector", universe)
    if is_fund:
        return _new_fund(row, fund, like, universe)
    by_sector, by_kind = "judgement, give kind = fund if it is one", "a guess from its kind alone"
    words = f"a single firm like {like}; {by_sector if is_described else by_kind}"
    return _new_firm(row, like, OWN_VOLATILITY, words, universe)


def _new_fund(row: Row, fund: Fund | None, like: str, universe: Universe) -> _Mapped:
    """A fund of its own beta: like a group, with the noise of a fund and not of a firm."""
    if row.sector:
        like = _entity(row.sector, "sector", universe)
    beta, volatility, name, fit = row.beta, FUND_VOLATILITY, "a fund", "as the file says"
    if fund is not None:
        beta = fund.beta if beta is None else beta
        volatility = fund.volatility or volatility
        name, fit = fund.name, fund.fit
    is_bond = row.kind == "bond fund" or (fund is not None and fund.kind == "bond fund")
    figures = BOND_FIGURES if is_bond else {}
    if is_bond and beta is None:
        beta = _BOND_BETA
    words = f"{name}: a {'bond ' if is_bond else ''}fund like {like}; fit: {fit}"
    return _new_firm(replace(row, beta=beta), like, volatility, words, universe, figures)


def _unknown(row: Row, universe: Universe) -> _Unmapped:
    hints = (
        suggestion(row.ticker, universe.entities),
        "say what it is like: maps_to (a firm or group), sector, or beta; and kind: stock, fund or bond fund",
    )
    return _Unmapped(
        "ticker",
        f"{plain(row.ticker, 40)} is not in the universe {universe.name}, nor a fund that is known",
        f"{', '.join(universe.tickers)}; or {', '.join(universe.groups)}; or {CASH}",
        " or ".join(hint for hint in hints if hint),
    )


def _title(entity: str, universe: Universe) -> str:
    return plain(universe.title_of(entity), 80)


def _known(name: str, universe: Universe) -> str:
    """A firm or group by its name in any case or any spelling of its share class, or ""."""
    for spelling in (name, name.upper(), name.lower()):
        if spelling in universe.entities:
            return spelling
    key = issuer(name.upper())
    return next((firm for firm in universe.tickers if issuer(firm) == key), "")


def _entity(name: str, column: str, universe: Universe) -> str:
    entity = _known(name, universe)
    if not entity:
        message = f"{plain(name, 40)} is neither a firm nor a group of the universe {universe.name}"
        known = f"{', '.join(universe.groups)}; or {', '.join(universe.tickers)}"
        raise _Unmapped(column, message, known, suggestion(name, universe.entities))
    return entity


def _new_firm(
    row: Row,
    like: str,
    noise: float,
    words: str,
    universe: Universe,
    figures: Mapping[str, float] | None = None,
) -> _Mapped:
    """A row of the universe like the value-weighted average of a group, with the file's beta and noise."""
    ticker = share(row.ticker)
    if not is_plain(ticker):
        message = f"{plain(row.ticker, 40)} cannot name a firm"
        expected = "1 to 12 capital letters, digits, dots or hyphens, the first a letter or digit"
        raise _Unmapped("ticker", message, expected, "rename it, or use maps_to")
    values = _shares(like, universe) * universe.column("market_value")
    weights = values / values.sum()
    average = {figure: float(np.sum(weights * universe.column(figure))) for figure in FIGURES}
    beta = average["beta"] if row.beta is None else row.beta
    volatility = noise if row.volatility is None else row.volatility
    firm = universe.firms[int(np.argmax(weights))].model_copy(
        update={
            **average,
            **(figures or {}),
            "ticker": ticker,
            "name": f"like {like}",
            "kind": "public",
            "beta": beta,
            "volatility": volatility,
            "pe_band": None,
            "membership": {},
            "sources": {},
        }
    )
    return _Mapped(ticker, firm, f"{words}; beta {beta:.2f}, own volatility {volatility:.2f}")


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
        return weights, [], _too_little(sheet, total)
    whole = 100.0 if abs(total / 100 - 1) <= _ROUNDING else 1.0
    off = abs(total / whole - 1)
    if off > _ROUNDING:
        message = f"the weights add up to {total:.6g}"
        hint = f"correct them, add a {CASH} row, or give amounts in a column called value"
        expected = "shares that add up to 1, or percents that add up to 100"
        return weights, [], [sheet.source.problem(0, None, message, expected, hint)]
    notices = []
    if whole == 100.0:
        notices.append("weights add up to 100: read as percents")
    if off > 1e-9:
        notices.append(f"weights add up to {total:.6g}: scaled to {whole:g}")
    return weights, notices, []


def _too_little(sheet: Sheet, total: float) -> list[Problem]:
    """Values that 32 bits could not follow down."""
    if total >= LEAST_VALUE:
        return []
    message = f"the values add up to {total:.6g} USD"
    expected = f"at least {LEAST_VALUE:g} USD"
    return [
        sheet.source.problem(0, None, message, expected, "give amounts in USD, not in millions")
    ]


def _guessed(rows: Iterable[Row], mapped: Iterable[_Mapped]) -> Iterable[str]:
    """Holdings of which the file says no more than that they are shares or bond funds."""
    names = [
        row.ticker
        for row, item in zip(rows, mapped, strict=True)
        if item.firm is not None
        and not row.sector
        and row.beta is None
        and share(row.ticker) not in known_funds()
    ]
    if names:
        yield plain(
            f"not in the universe, taken for the average of their kind: {', '.join(names)}; "
            "columns beta, sector or maps_to say more",
            400,
        )


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
    for holding in portfolio.holdings:
        if not holding.entity:
            cash += worth * holding.weight
            continue
        shares = _shares(holding.entity, wide)
        held += worth * holding.weight * shares / np.sum(shares * values)
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
        outside=frozenset(firm.ticker for firm in new),
    )
