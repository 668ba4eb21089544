"""A holdings file: a table of one's own or a broker's export, read row by row.

Every row is a holding, a fault, or skipped with a notice that names its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from simulator.csv_cells import (
    DELIMITERS,
    CsvError,
    CsvRow,
    DecimalMark,
    decimal_marks,
    decode,
    number,
    rows,
)
from simulator.errors import Problem, ScenarioError, plain
from simulator.portfolio.broker_sections import POSITIONS, activity_statement
from simulator.portfolio.holding_rows import Amounts, Row, RowReader, Source, is_plain
from simulator.portfolio.holdings_columns import COLUMNS, Columns, columns_of, find_header
from simulator.portfolio.instruments import issuer
from simulator.schema import suggestion

MOST_BYTES = 256 * 1024
MOST_HOLDINGS = 500
MOST_PROBLEMS = 50
_TOTAL = re.compile(
    r"((grand|account|portfolio|positions?|sub) ?-?)?(total|subtotal|summe|gesamt|gesamtsumme)s?:?"
    r"( (account |portfolio |market )?(value|portfolio|account|positions?))?",
    re.IGNORECASE,
)
_PENDING = re.compile(r"pending.*", re.IGNORECASE)
_RATE = re.compile(r"#\s*rate\s+([A-Z]{3})\s*=\s*(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Sheet:
    """A holdings file: its sound rows, and what is wrong with the others.

    ``amounts`` says what the amounts are. ``columns`` gives the place of each column.
    """

    source: Source
    columns: Columns
    amounts: Amounts
    rows: tuple[Row, ...]
    notices: tuple[str, ...]
    problems: tuple[Problem, ...]

    def problem(
        self, row: Row, column: str, message: str, expected: str = "", hint: str = ""
    ) -> Problem:
        """A problem of a row in one of its columns."""
        place = self.columns.place.get(column)
        return self.source.problem(row.line, place, message, expected, hint)


def read_sheet(path: str | Path | bytes, rates: Mapping[str, float] | None = None) -> Sheet:
    """Read a holdings file.

    Parameters
    ----------
    path
        A CSV file in UTF-8, UTF-16 or Windows-1252, delimited by comma, semicolon or tab; or its bytes.
    rates
        USD for one unit of a currency: {"EUR": 1.08}. A line ``# rate EUR=1.08`` does the same.

    Raises
    ------
    ScenarioError
        If the file has no usable header.
    """
    file = "the holdings" if isinstance(path, bytes) else str(path)
    try:
        raw = path if isinstance(path, bytes) else _bytes(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refuse(file, f"cannot be read: {reason}") from None
    if len(raw) > MOST_BYTES:
        raise _refuse(file, f"is larger than {MOST_BYTES // 1024} KiB")
    try:
        text = decode(raw)
    except ValueError as error:
        raise _refuse(file, str(error)) from None
    if rates:  # at the end, so that lines keep their numbers; the last line of a currency holds
        text += "".join(f"\n# rate {name}={rate!r}" for name, rate in rates.items())
        raw = text.encode()
    return _Reader(Source(file, raw, tuple(re.split(r"\r\n|\r|\n", text))), text).sheet()


def _bytes(path: str | Path) -> bytes:
    with Path(path).open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def _refuse(file: str, message: str, hint: str = "") -> ScenarioError:
    return ScenarioError([Problem(file, 0, 0, "", f"the holdings file {message}", "", hint)])


class _Reader:
    """Goes through the rows of a file and gathers holdings, faults and skipped rows."""

    def __init__(self, source: Source, text: str) -> None:
        self.source, self.text = source, text
        self.problems: list[Problem] = []
        self.skipped: dict[str, list[int]] = {}
        self.rates = {"USD": 1.0}

    def sheet(self) -> Sheet:
        """The file's content; raises ScenarioError for a header that cannot be used."""
        head, body, delimiter = self._table()
        columns = self._checked(head)
        weighed = "weight" in columns.place and "value" not in columns.place
        reader = RowReader(
            self.source,
            columns,
            "weight" if weighed else "value",
            _decimal_mark(columns, body, delimiter),
            self.rates,
            self.problems,
        )
        holdings = self._holdings(reader, body)
        if not holdings and not self.problems:
            self._fault(head.line, None, "there is no holding below the header")
        if len(holdings) > MOST_HOLDINGS:
            self._fault(head.line, None, f"{len(holdings)} holdings", f"at most {MOST_HOLDINGS}")
        merged, added = self._merged(reader, holdings)
        notices = (*self._notices(reader), *added)
        faults = tuple(self.problems[:MOST_PROBLEMS])
        return Sheet(self.source, columns, reader.amounts, tuple(merged), notices, faults)

    # ------------------------------------------------------------ the header

    def _table(self) -> tuple[CsvRow, list[CsvRow], str]:
        """The header, the rows below it, and the delimiter with which there is one."""
        if not self.text.strip():
            raise _refuse(self.source.file, "is empty", "its first line is ticker,weight")
        first = None
        for delimiter in sorted(DELIMITERS, key=self.text.count, reverse=True):
            table, broken = self._rows(delimiter)
            first = first or next(iter(table), None)
            table, sections = activity_statement(table)
            place = find_header(table)
            if place is None:
                continue
            for row in table[:place]:
                self._skip("title lines", row.line)
            for section, line in sections.items():
                self._skip(f"the section {plain(section, 40)}, which begins in", line)
            if broken:
                self._fault(broken.line, None, str(broken))
            return table[place], table[place + 1 :], delimiter
        self._no_header(first)
        raise ScenarioError(self.problems)

    def _rows(self, delimiter: str) -> tuple[list[CsvRow], CsvError | None]:
        """The rows up to the first whose quotation marks do not match; notes of rates are read."""
        table: list[CsvRow] = []
        try:
            for row in rows(self.text, delimiter):
                note = _RATE.match(row.cells[0])
                if note:
                    self._note_rate(row.line, note[1].upper(), note[2])
                else:
                    table.append(row)
        except CsvError as error:
            return table, error
        return table, None

    def _note_rate(self, line: int, currency: str, rate: str) -> None:
        try:
            value = number(rate, ".")
        except ValueError:
            value = 0.0
        if value > 0:
            self.rates[currency] = value
        elif not any(problem.line == line for problem in self.problems):
            self._fault(line, None, f"`{plain(rate, 40)}` is no rate", "a number above 0")

    def _no_header(self, row: CsvRow | None) -> None:
        """Say what the first row lacks to be a header."""
        if row is None:
            self._fault(1, None, str(CsvError(1)))
            return
        columns = columns_of(row.cells)
        near = [suggestion(name, COLUMNS) for name in columns.unread]
        if not {"ticker", "isin"} & columns.place.keys():
            hint = next((hint for hint in near if "ticker" in hint), "")
            message = "no column is called ticker or symbol"
            self._fault(row.line, None, message, ", ".join(COLUMNS), hint)
        if not {"weight", "value"} & columns.place.keys():
            hint = next((hint for hint in near if "weight" in hint or "value" in hint), "")
            message = "there is neither weight nor value, nor quantity and price"
            self._fault(row.line, None, message, ", ".join(COLUMNS), hint)

    def _checked(self, head: CsvRow) -> Columns:
        """The columns of the header; raises ScenarioError for one that appears twice."""
        columns = columns_of(head.cells)
        for name in columns.repeated:
            self._fault(head.line, columns.place[name], f"the column {name} appears twice")
        if columns.repeated:
            raise ScenarioError(self.problems)
        for name in columns.unread if columns.own else ():
            hint = suggestion(name, COLUMNS)
            if hint:
                message = f"unknown column {plain(name, 40)}"
                self._fault(head.line, columns.header.index(name), message, hint=hint)
        return columns

    # ------------------------------------------------------------ rows

    def _holdings(self, reader: RowReader, body: list[CsvRow]) -> list[Row]:
        """The holdings; every other row is skipped or a fault."""
        summaries = any(reader.cell(row, "level").lower() == "summary" for row in body)
        holdings = []
        for n, row in enumerate(body):
            again = columns_of(row.cells)
            if again.is_usable and again.header != reader.columns.header:
                for rest in body[n:]:
                    self._skip("another table, which is not read", rest.line)
                break
            reason = "repeated headers" if again.is_usable else _why_skipped(reader, row)
            level = reader.cell(row, "level").lower()
            if summaries and level and level != "summary":
                reason = "single lots, which the summary rows hold"
            holding = None if reason else reader.holding(row)
            if holding and holding.kind == "cash" and holding.amount == 0:
                reason = "cash of 0"
            elif holding:
                holdings.append(holding)
            if reason:
                self._skip(reason, row.line)
        return holdings

    # ------------------------------------------------------------ the whole

    def _merged(self, reader: RowReader, holdings: list[Row]) -> tuple[list[Row], list[str]]:
        """Lots and classes of one issuer as one row, if they are alike, and which were added up."""
        merged: dict[tuple[str, str], Row] = {}
        lots: dict[tuple[str, str], list[str]] = {}
        for row in holdings:
            key = (issuer(row.ticker), row.maps_to)
            lots.setdefault(key, []).append(f"{plain(row.ticker, 40)} in line {row.line}")
            first = merged.setdefault(key, row)
            if first is row:
                continue
            if first.kind and row.kind and first.likeness != row.likeness:
                message = f"{plain(row.ticker, 40)} is not like it is in line {first.line}"
                hint = "give both the same sector, beta, volatility and kind"
                reader.fault(row.line, "ticker", message, hint=hint)
            merged[key] = replace(
                first, amount=first.amount + row.amount, kind=first.kind or row.kind
            )
        added = [plain(", ".join(names), 400) for names in lots.values() if len(names) > 1]
        return list(merged.values()), [f"added up as one holding: {names}" for names in added]

    def _notices(self, reader: RowReader) -> list[str]:
        columns = reader.columns
        notices = []
        ignored = ("weight",) if reader.amounts == "value" else ("price", "currency")
        if not columns.own:
            used = [(n, role) for role, n in columns.place.items() if role not in ignored]
            names = ", ".join(f"{columns.header[n]} as {role}" for n, role in used)
            notices.append(plain(f"columns read: {names}", 400))
        unread = [columns.header[columns.place[role]] for role in ignored if role in columns.place]
        if columns.unread or unread:
            names = ", ".join(plain(name, 40) for name in (*columns.unread, *unread))
            notices.append(f"columns that are not read: {names}")
        for reason, lines in self.skipped.items():
            notices.append(f"skipped, {reason}: line {_ranges(lines)}")
        foreign = sorted(reader.converted - {"USD"})
        notices += [f"values in {name} at {self.rates[name]:g} USD" for name in foreign]
        named = "currency" in columns.place or columns.value_currency or foreign
        if reader.amounts == "value" and reader.mark == "," and not named:
            notices.append("no currency is named: values are read as USD")
        return notices

    def _skip(self, reason: str, line: int) -> None:
        self.skipped.setdefault(reason, []).append(line)

    def _fault(
        self, line: int, place: int | None, message: str, expected: str = "", hint: str = ""
    ) -> None:
        self.problems.append(self.source.problem(line, place, message, expected, hint))


def _decimal_mark(columns: Columns, body: list[CsvRow], delimiter: str) -> DecimalMark:
    """The decimal mark for numbers that can be read in two ways; "" if nothing in the file says."""
    roles = ("value", "price", "quantity", "weight", "beta", "volatility")
    places = [columns.place[role] for role in roles if role in columns.place]
    marks = decimal_marks(row.cells[n] for row in body for n in places if n < len(row.cells))
    if not marks and delimiter == ",":
        return "."  # a comma that separates cells is seldom a decimal mark too
    return marks.pop() if len(marks) == 1 else ""


def _why_skipped(reader: RowReader, row: CsvRow) -> str:
    """Why a row is no holding, or ""."""
    filled = [cell for cell in row.cells if cell]
    ticker = reader.cell(row, "ticker") or reader.cell(row, "isin")
    first = ticker or filled[0]
    is_subtotal = row.cells[0] == POSITIONS and row.cells[1:2] != ("Data",)
    if is_subtotal or _TOTAL.fullmatch(first):
        return "totals"
    if _PENDING.fullmatch(first):
        return "pending amounts"
    amounts = [reader.cell(row, role) for role in ("value", "weight", "quantity", "price")]
    has_amount = any(re.search(r"\d", cell) for cell in amounts)
    if not has_amount and not is_plain(ticker.upper()) and len(filled[0].split()) > 1:
        return f"not a holding, {plain(filled[0], 40)}"
    return ""


def _ranges(lines: list[int]) -> str:
    """Line numbers, runs of them as first-last."""
    runs: list[list[int]] = []
    for line in sorted(lines):
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
