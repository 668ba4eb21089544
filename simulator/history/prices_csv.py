"""Closing prices from the CSV files that data vendors and spreadsheets write."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray
from simulator.csv_cells import (
    DELIMITERS,
    AmbiguousNumber,
    CsvError,
    CsvRow,
    DecimalMark,
    decimal_marks,
    decode,
    is_missing,
    number,
    rows,
)
from simulator.errors import BaselineError, plain, plural

DateArray = NDArray[np.datetime64]

LARGEST_FILE = 20_000_000
"""Bytes of a CSV; a larger one is not read to its end."""
MOST_ROWS = 100_000
"""Rows of a CSV: four centuries of trading days."""
_MOST_FAULTS = 20
_MOST_TITLES = 20  # lines above the header

_DATES = ("date", "datum", "observation_date", "day", "time", "timestamp", "datetime", "tag")
_CLOSES = (
    "close", "close/last", "schlusskurs", "schlußkurs", "schluss", "price", "kurs", "last", "value",
)  # fmt: skip
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_TIME = r"(?:[T ]\d{1,2}:\d{2}.*)?"
_US = rf"(?P<m>\d{{1,2}})[/-](?P<d>\d{{1,2}})[/-](?P<y>\d{{4}}){_TIME}"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?P<y>\d{{4}})[-/](?P<m>\d{{1,2}})[-/](?P<d>\d{{1,2}}){_TIME}",
        _US,
        _US.replace("<m>", "<x>").replace("<d>", "<m>").replace("<x>", "<d>"),
        rf"(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}){_TIME}",
        r"(?P<m>[a-z]{3})[a-z]* (?P<d>\d{1,2}), (?P<y>\d{4})",
        r"(?P<d>\d{1,2})[- ](?P<m>[a-z]{3})[a-z]*[- ](?P<y>\d{4})",
        r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)",
        r"(?P<y>\d{4})[ -]?Q(?P<q>[1-4])",
        r"Q(?P<q>[1-4])[ -](?P<y>\d{4})",
    )
)
"""Ways to write a date, each with the groups y, m and d, or y and q for the end of a quarter."""
_MONTH_DAY, _DAY_MONTH = 1, 2


class Closes(NamedTuple):
    """Closing levels of an index, oldest first, both of shape (n,)."""

    dates: DateArray
    closes: FloatArray


class PriceFile(NamedTuple):
    """The closes of a file, and what was done to read them."""

    series: Closes
    notices: tuple[str, ...]


def read_closes(raw: bytes, file: str, column: str | None = None) -> PriceFile:
    """Read the closes of a table with a column of dates and one or more of prices.

    Parameters
    ----------
    raw
        The file: comma, semicolon or tab between cells, oldest or newest row first. Rows without
        a price (".", "n/a", blank) are days without a close.
    file
        Its name, for errors.
    column
        The header of the prices; by default the close, or the only column beside the dates.

    Raises
    ------
    BaselineError
        With every fault of the file: line, what was expected and what to try.
    """
    if len(raw) > LARGEST_FILE:
        raise BaselineError(
            f"is over {LARGEST_FILE // 10**6} MB: expected daily closes or fewer; cut it", file
        )
    try:
        text = decode(raw)
    except ValueError as error:
        raise BaselineError(str(error), file) from None
    if not text.strip():
        raise BaselineError("is empty: expected the header date,close and one row a close", file)
    for delimiter in sorted(DELIMITERS, key=text[:2000].count, reverse=True):
        try:
            table = list(rows(text, delimiter))
        except CsvError as error:
            raise BaselineError(str(error), file, error.line) from None
        if any(_has_date(row) for row in table[:_MOST_TITLES]):
            break
    else:
        line = table[0].line if table else 1
        shown = plain(text[:80].splitlines()[0], 80)
        expected = f"expected date,close; name the columns so in line {line}"
        raise BaselineError(f"the header is `{shown}`: {expected}", file, line)
    if len(table) > MOST_ROWS:
        expected = f"expected at most {MOST_ROWS}; cut it, or keep weekly closes"
        raise BaselineError(f"has {len(table)} rows: {expected}", file)
    return _Prices(file, delimiter).read(table, column)


def _has_date(row: CsvRow) -> bool:
    return any(cell.lower() in _DATES for cell in row.cells)


class _Prices:
    """Gathers the closes of a table and what is wrong with it."""

    def __init__(self, file: str, delimiter: str) -> None:
        self.file, self.delimiter = file, delimiter
        self.faults: list[tuple[int, str]] = []

    def read(self, table: list[CsvRow], column: str | None) -> PriceFile:
        header, body, skipped = _below_header(table)
        day, price = self._columns(header, column)
        dated = []
        for row in body:
            if [cell for cell in row.cells if cell] == [row.cells[0]] and " " in row.cells[0]:
                skipped.append(row)  # a footer
            elif len(row.cells) <= max(day, price) or any(row.cells[len(header.cells) :]):
                shown = plain(self.delimiter.join(row.cells), 80)
                message = f"`{shown}` has {len(row.cells)} fields, the header {len(header.cells)}"
                self._fault(row.line, f'{message}: write 1234.5 or "1,234.5", not 1,234.5')
            else:
                dated.append(row)
        kept = [row for row in dated if not is_missing(row.cells[price])]
        days = self._days(kept, day)
        mark = _decimal_mark([row.cells[price] for row in kept], self.delimiter)
        closes = [self._close(row, price, mark) for row in kept]
        newest_first = self._check_order(kept, days)
        if len(kept) < 2 and not self.faults:
            self._fault(
                table[-1].line, f"has {plural(len(kept), 'close')}: a drawdown needs at least two"
            )
        if self.faults:
            (line, message), *others = sorted(self.faults)[:_MOST_FAULTS]
            raise BaselineError(message, self.file, line, tuple(others))
        series = Closes(np.array(days, dtype="datetime64[D]"), np.array(closes))
        if newest_first:
            series = Closes(series.dates[::-1].copy(), series.closes[::-1].copy())
        for array in series:
            array.flags.writeable = False  # shared by all who ask for this baseline
        missing = len(dated) - len(kept)
        left_out = f"left out for want of a price: {plural(missing, 'row')}"
        notices = [left_out] if missing else []
        for row in skipped:
            notices.append(f"line {row.line} is skipped: {plain(row.cells[0], 40)}")
        if len(header.cells) > 2 or column:
            notices.append(f"prices are the column {plain(header.cells[price], 40)}")
        return PriceFile(series, tuple(notices))

    def _fault(self, line: int, message: str) -> None:
        self.faults.append((line, message))

    def _columns(self, header: CsvRow, column: str | None) -> tuple[int, int]:
        """The places of dates and prices."""
        names = [cell.lower() for cell in header.cells]
        shown = ", ".join(plain(cell, 30) for cell in header.cells[:12])
        day = next(names.index(name) for name in _DATES if name in names)
        known = _CLOSES if column is None else (column.lower(),)
        price = next((names.index(name) for name in known if name in names), None)
        if price is None and column is None and len([name for name in names if name]) == 2:
            price = next(n for n, name in enumerate(names) if name and n != day)
        if price is None and column is None:  # the Federal Reserve's tables of stress tests
            price = next((n for n, name in enumerate(names) if "stock market index" in name), None)
        if price is None or price == day:
            what = "no column is called close"
            if column is not None:
                what = f"no prices are called {plain(column, 40)}"
            message = f"{what}: choose one of {shown} with --column"
            raise BaselineError(message, self.file, header.line)
        return day, price

    def _days(self, kept: list[CsvRow], place: int) -> list[date]:
        """The date of each row, all written the same way; a fault and the year 1 where it is not."""
        cells = [row.cells[place] for row in kept]
        first = [_read(_FORMS[0], cell) for cell in cells]
        usual = [day for day in first if day is not None]
        if len(usual) == len(cells):
            return usual
        readings = [first, *([_read(form, cell) for cell in cells] for form in _FORMS[1:])]
        counts = [sum(day is not None for day in days) for days in readings]
        best = counts.index(max(counts))
        us, other = readings[_MONTH_DAY], readings[_DAY_MONTH]
        if best == _MONTH_DAY and counts[best] == counts[_DAY_MONTH] and us != other:
            row, cell, a, b = next(
                both for both in zip(kept, cells, us, other, strict=True) if both[2] != both[3]
            )
            message = f"`{plain(cell, 40)}` can be {a} or {b}: write dates as year-month-day"
            self._fault(row.line, message)
        days = []
        for row, cell, day in zip(kept, cells, readings[best], strict=True):
            if day is None:
                message = f"`{plain(cell, 40)}` is not a date written as the others are: expected such as 2000-03-10"
                self._fault(row.line, message)
            days.append(day or date.min)
        return days

    def _close(self, row: CsvRow, place: int, mark: DecimalMark) -> float:
        cell = row.cells[place]
        try:
            value = number(cell, mark)
        except AmbiguousNumber as error:
            self._fault(row.line, f"{error}: write the closes without thousands separators")
            return 0.0
        except ValueError:
            value = 0.0
        if not value > 0 or "%" in cell:
            self._fault(
                row.line,
                f"`{plain(cell, 40)}` is not a close: expected a number above 0, such as 5048.62; "
                "leave out days without one",
            )
        return value

    def _check_order(self, kept: list[CsvRow], days: Sequence[date]) -> bool:
        """Whether the newest row comes first; dates that do neither rise nor fall are faults."""
        known = [(row.line, day) for row, day in zip(kept, days, strict=True) if day != date.min]
        falls = sum(b < a for (_, a), (_, b) in pairwise(known))
        newest_first = falls > len(known) / 2
        for (_, before), (line, day) in pairwise(known):
            if day == before:
                self._fault(line, f"{day} is there twice: expected each date once")
            elif (day < before) != newest_first:
                self._fault(
                    line, f"{day} comes after {before}: expected dates in order; sort the rows"
                )
        return newest_first


def _below_header(table: list[CsvRow]) -> tuple[CsvRow, list[CsvRow], list[CsvRow]]:
    """The header, the rows below it, and the titles above; yfinance's three headers are one."""
    at = next(n for n, row in enumerate(table) if _has_date(row))
    first = [row.cells[0].lower() for row in table[max(at - 2, 0) : at + 1]]
    if first == ["price", "ticker", "date"]:
        header = CsvRow(table[at].line, ("Date", *table[at - 2].cells[1:]))
        return header, table[at + 1 :], table[: at - 2]
    return table[at], table[at + 1 :], table[:at]


def _decimal_mark(cells: list[str], delimiter: str) -> DecimalMark:
    marks = decimal_marks(cells)
    if not marks and delimiter == ",":
        return "."  # a comma that separates cells is seldom a decimal mark too
    return marks.pop() if len(marks) == 1 else ""


def _read(form: re.Pattern[str], cell: str) -> date | None:
    match = form.fullmatch(cell)
    if match is None:
        return None
    parts = match.groupdict()
    try:
        if "q" in parts:
            month = 3 * int(parts["q"])
            return date(int(parts["y"]), month, monthrange(int(parts["y"]), month)[1])
        name = parts["m"].lower()
        month = int(name) if name.isdigit() else _MONTHS.index(name) + 1
        return date(int(parts["y"]), month, int(parts["d"]))
    except ValueError:
        return None
