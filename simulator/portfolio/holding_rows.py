"""One row of a holdings file: its cells as numbers, its kind, its currency, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from simulator.csv_cells import (
    DELIMITERS,
    AmbiguousNumber,
    CsvRow,
    DecimalMark,
    currency_of,
    is_missing,
    number,
)
from simulator.errors import Problem, plain
from simulator.portfolio.holdings_columns import Columns
from simulator.portfolio.instruments import (
    CASH,
    REFUSED,
    Kind,
    is_cash,
    is_firm,
    is_option,
    kind_of,
    ticker_of,
)

Amounts = Literal["weight", "value"]
_LONGEST = 40  # characters of a ticker
_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,11}", re.ASCII)
_RANGES = {"beta": (-1.0, 5.0), "volatility": (0.0, 3.0)}  # as in a universe file


@dataclass(frozen=True)
class Row:
    """One holding as the file has it; ``amount`` is a weight or a value in USD."""

    line: int
    ticker: str
    amount: float
    maps_to: str = ""
    sector: str = ""
    beta: float | None = None
    volatility: float | None = None
    kind: Kind = ""

    @property
    def likeness(self) -> tuple[object, ...]:
        """What two lots of one share must have in common."""
        return self.sector, self.beta, self.volatility, self.kind


@dataclass(frozen=True)
class Source:
    """The text of a file, which can point at a cell."""

    file: str
    raw: bytes = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)

    def problem(
        self, line: int, place: int | None, message: str, expected: str = "", hint: str = ""
    ) -> Problem:
        """A problem in a line, counted from 1, and column, from 0; line 0 is the file as a whole."""
        if not line:
            return Problem(self.file, 0, 0, "", message, expected, hint)
        text = self.lines[line - 1]
        at = 1 if place is None else _offset(text, place)
        return Problem(self.file, line, at, "", message, expected, hint, text)


def is_plain(ticker: str) -> bool:
    """Whether a ticker can name a firm of a universe."""
    return bool(_TICKER.fullmatch(ticker))


def _offset(text: str, place: int) -> int:
    """Column, from 1, of the cell number ``place`` of a line; 1 where quotes hide it."""
    mark = max(DELIMITERS, key=text.count)
    if '"' in text or mark not in text:
        return 1
    start = sum(len(cell) + 1 for cell in text.split(mark)[:place])
    rest = text[start:]
    return start + len(rest) - len(rest.lstrip()) + 1


@dataclass
class RowReader:
    """Reads the rows below a header; gathers faults, and the currencies that were converted.

    ``mark`` is the decimal mark of numbers that can be read in two ways; ``rates`` are USD for one
    unit of a currency.
    """

    source: Source
    columns: Columns
    amounts: Amounts
    mark: DecimalMark
    rates: dict[str, float]
    problems: list[Problem]
    converted: set[str] = field(default_factory=set)

    def cell(self, row: CsvRow, role: str) -> str:
        """The text in one of the columns, "" where there is none or it says so."""
        place = self.columns.place.get(role)
        if place is None or place >= len(row.cells):
            return ""
        return "" if is_missing(row.cells[place]) else row.cells[place]

    def holding(self, row: CsvRow) -> Row | None:
        """The holding in a row; None if it has a fault."""
        if any(row.cells[len(self.columns.header) :]):
            message = f"{len(row.cells)} cells, the header has {len(self.columns.header)}"
            self.fault(row.line, "", message, hint='write 1234.5 or "1,234.5", not 1,234.5')
            return None
        before = len(self.problems)
        name = self.cell(row, "name")
        written = self.cell(row, "ticker") or self.cell(row, "isin")
        ticker = ticker_of(written.upper().strip("* "))
        kind = self._kind(row, ticker, name)
        if kind == "cash":
            ticker = CASH
        elif kind not in REFUSED:
            self._check_ticker(row.line, ticker)
        amount = self._amount(row, ticker or name, kind)
        own = {role: self._own(row, role) for role in _RANGES}
        if len(self.problems) > before or amount is None:
            return None
        maps_to, sector = self.cell(row, "maps_to"), self.cell(row, "sector")
        return Row(row.line, ticker, amount, maps_to, sector, own["beta"], own["volatility"], kind)

    def _kind(self, row: CsvRow, ticker: str, name: str) -> Kind:
        asset_class = self.cell(row, "kind")
        kind = kind_of(asset_class)
        if is_option(ticker, name):
            kind = "option"
        elif is_cash(ticker, name) or (kind == "cash" and not _TICKER.fullmatch(ticker)):
            kind = "cash"
        elif kind == "cash":
            kind = "cash" if ticker in self.rates or re.fullmatch(r"[A-Z]{5}", ticker) else ""
        elif not kind and is_firm(name):
            kind = "stock"
        if asset_class and not kind and self.columns.own:
            message = f"`{plain(asset_class, 40)}` is no kind of holding"
            self.fault(row.line, "kind", message, "stock, fund, bond fund or cash")
        if kind in REFUSED and not self.cell(row, "maps_to"):
            message = f"{plain(ticker or name, 40)} is {'an' if kind == 'option' else 'a'} {kind}: not modelled"
            hint = "delete the row, or say with maps_to whose path it takes"
            self.fault(row.line, "ticker", message, hint=hint)
        return kind

    def _check_ticker(self, line: int, ticker: str) -> None:
        if not re.match(r"[A-Z0-9^]", ticker) or len(ticker) > _LONGEST or plain(ticker) != ticker:
            expected = f"1 to {_LONGEST} printable characters, the first a letter or digit"
            self.fault(line, "ticker", f"`{plain(ticker, 40)}` is no ticker", expected)

    def _amount(self, row: CsvRow, ticker: str, kind: Kind) -> float | None:
        """A weight, or a value in USD; None with a fault."""
        before, shown = len(self.problems), plain(ticker, 40)
        amount = self._number(row, self.amounts)
        quantity = self._number(row, "quantity") if amount is None or amount >= 0 else None
        if self.amounts == "value" and amount is None and len(self.problems) == before:
            price = self._number(row, "price")
            amount = None if quantity is None or price is None else quantity * price
        if kind in REFUSED:
            return None
        if amount is None:
            if len(self.problems) == before:
                self.fault(row.line, self.amounts, f"{shown} has no {self.amounts}")
            return None
        is_short = self.cell(row, "side").lower() == "short" or (quantity or 0.0) < 0
        if amount < 0 or is_short:
            message = f"{shown} is held short: short positions and debt are not modelled"
            hint = "leave it out; what a short can lose has no bound, and a fall from a peak no meaning"
            self.fault(row.line, self.amounts, message, "above 0", hint)
        elif amount == 0 and kind != "cash":
            message = f"{shown} has a {self.amounts} of 0"
            self.fault(row.line, self.amounts, message, "above 0", "leave the row out")
        elif self.amounts == "value":
            return amount * self._rate(row, shown)
        return amount

    def _rate(self, row: CsvRow, ticker: str) -> float:
        """USD for one unit of a row's currency."""
        value = self.cell(row, "value")
        sign, column = currency_of(value), self.cell(row, "currency").upper()
        currency = self.columns.value_currency if value else ""
        currency = currency or column or sign
        if not currency and "currency" in self.columns.place:
            message = f"{ticker} has no currency, and the file has a column for it"
            self.fault(row.line, "currency", message, "USD, or a currency with a rate")
        currency = currency or "USD"
        foreign = {c for c in (currency, sign) if c and not ("$" in value and c == sign)}
        if len(foreign) > 1:
            message = f"{ticker}: `{plain(value, 40)}` beside the currency {plain(currency, 10)}"
            self.fault(row.line, "value", message, hint="one currency a row")
        elif currency not in self.rates:
            name = plain(currency, 10)
            message = f"{ticker} is in {name}, which has no rate"
            hint = (
                f"--rate {name}=... (USD for one {name}), or a line `# rate {name}=...` at the top"
            )
            role = "currency" if column else "value"
            self.fault(row.line, role, message, "USD, or a currency with a rate", hint)
        else:
            self.converted |= {currency}
        return self.rates.get(currency, 1.0)

    def _own(self, row: CsvRow, role: str) -> float | None:
        value = self._number(row, role)
        low, high = _RANGES[role]
        if value is not None and not low <= value <= high:
            self.fault(row.line, role, f"{role} = {value:g}", f"{low:g} to {high:g}")
        return value

    def _number(self, row: CsvRow, role: str) -> float | None:
        cell = self.cell(row, role)
        if not cell:
            return None
        is_share = role in ("weight", *_RANGES)  # neither thousands nor a currency make sense
        mark: DecimalMark = ("," if "," in cell else ".") if is_share else self.mark
        try:
            if is_share and currency_of(cell):
                raise ValueError(cell)
            value = number(cell, mark)
        except AmbiguousNumber as error:
            hint = "write it without thousands separators, or with decimals: 60000 or 60.00"
            self.fault(row.line, role, f"{role} {error}", "a number with one reading", hint)
        except ValueError:
            message = f"{role} `{plain(cell, 40)}` is not a number"
            self.fault(row.line, role, message, "a number such as 0.25 or 1234.5")
        else:
            return value / 100 if role == "weight" and "%" in cell else value
        return None

    def fault(
        self, line: int, column: str, message: str, expected: str = "", hint: str = ""
    ) -> None:
        """Note a fault in a line and one of the columns."""
        place = self.columns.place.get(column)
        self.problems.append(self.source.problem(line, place, message, expected, hint))
