"""A holdings file: a CSV table, checked cell by cell."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from simulator.errors import Problem, ScenarioError, plain
from simulator.schema import suggestion

COLUMNS = ("ticker", "weight", "value", "maps_to", "sector", "beta", "volatility")
MOST_BYTES = 256 * 1024
MOST_HOLDINGS = 500
MOST_PROBLEMS = 50
_LONGEST = 40  # characters of a ticker
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,11}", re.ASCII)
_RANGES = {"beta": (-1.0, 5.0), "volatility": (0.0, 3.0)}  # as in a universe file


@dataclass(frozen=True)
class Row:
    """One holding as the file has it; ``amount`` is a weight or a value in USD."""

    line: int
    ticker: str
    amount: float
    maps_to: str
    sector: str
    beta: float | None
    volatility: float | None

    @property
    def is_plain(self) -> bool:
        """Whether the ticker can name a firm of a universe."""
        return bool(_TICKER.fullmatch(self.ticker))


@dataclass(frozen=True)
class Lines:
    """The text of a file, which can point at a cell."""

    file: str
    raw: bytes = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)
    header: tuple[str, ...] = ()

    def problem(
        self, line: int, column: str, message: str, expected: str = "", hint: str = ""
    ) -> Problem:
        """A problem in a line, counted from 1, and column; line 0 is the file as a whole."""
        if not line:
            return Problem(self.file, 0, 0, column, message, expected, hint)
        text = self.lines[line - 1]
        place = self.header.index(column) if column in self.header else 0
        at = _offset(text, place)
        return Problem(self.file, line, at, column, message, expected, hint, text)


@dataclass(frozen=True)
class Sheet:
    """A holdings file: its sound rows, and what is wrong with the others.

    ``amounts`` is the column the amounts come from.
    """

    source: Lines
    amounts: Literal["weight", "value"]
    rows: tuple[Row, ...]
    notices: tuple[str, ...]
    problems: tuple[Problem, ...]


def read_sheet(path: str | Path) -> Sheet:
    """Read a holdings file. Raises ScenarioError if it has no usable header."""
    file = Path(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refuse(str(path), f"cannot be read: {reason}") from None
    if len(raw) > MOST_BYTES:
        raise _refuse(str(path), f"is larger than {MOST_BYTES // 1024} KiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refuse(str(path), "is not UTF-8 text", "save it as CSV UTF-8") from None
    return _Reader(Lines(str(path), raw, tuple(re.split(r"\r\n|\r|\n", text)))).sheet()


def _refuse(file: str, message: str, hint: str = "") -> ScenarioError:
    return ScenarioError([Problem(file, 0, 0, "", f"the holdings file {message}", "", hint)])


def _offset(text: str, place: int) -> int:
    """Column, from 1, of the cell number ``place`` of a line; 1 where quotes hide it."""
    mark = _delimiter(text)
    if '"' in text or mark not in text:
        return 1
    start = sum(len(cell) + 1 for cell in text.split(mark)[:place])
    rest = text[start:]
    return start + len(rest) - len(rest.lstrip()) + 1


def _delimiter(text: str) -> str:
    """Comma, semicolon or tab: whichever there is most of."""
    return max(",;\t", key=text.count)


class _Reader:
    """Goes through the lines of a file and gathers what is wrong."""

    def __init__(self, source: Lines) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def sheet(self) -> Sheet:
        """The file's content; raises ScenarioError for a header that cannot be used."""
        lines = self.source.lines
        first = next((n for n, text in enumerate(lines, 1) if text.strip()), 0)
        if not first:
            raise _refuse(self.source.file, "is empty", "its first line is ticker,weight")
        amounts, unread = self._head(first)
        rows = []
        for number, text in enumerate(lines[first:], first + 1):
            if text.strip(" \t,;"):
                row = self._row(number, text, amounts)
                rows += [] if row is None else [row]
        if not rows and not self.problems:
            self._fault(first, "", "there is no holding below the header")
        if len(rows) > MOST_HOLDINGS:
            self._fault(first, "", f"{len(rows)} holdings", f"at most {MOST_HOLDINGS}")
        notices = [f"columns that are not read: {', '.join(unread)}"] if unread else []
        faults = tuple(self.problems[:MOST_PROBLEMS])
        return Sheet(self.source, amounts, tuple(rows), tuple(notices), faults)

    def _fault(
        self, line: int, column: str, message: str, expected: str = "", hint: str = ""
    ) -> None:
        self.problems.append(self.source.problem(line, column, message, expected, hint))

    def _cells(self, line: int, text: str) -> list[str]:
        try:
            (cells,) = csv.reader([text], delimiter=self.delimiter, strict=True)
        except (csv.Error, ValueError):
            self._fault(line, "", "a quotation mark is opened and not closed, or the reverse")
            return []
        return [cell.strip() for cell in cells]

    def _head(self, line: int) -> tuple[Literal["weight", "value"], list[str]]:
        """The column of amounts, and the columns that are not read."""
        text = self.source.lines[line - 1]
        self.delimiter = _delimiter(text)
        header = tuple(cell.lower() for cell in self._cells(line, text))
        self.source = replace(self.source, header=header)
        unread = [name for name in header if name and name not in COLUMNS]
        for name in COLUMNS:
            if header.count(name) > 1:
                self._fault(line, name, f"the column {name} is there twice")
        near = {name: suggestion(name, COLUMNS) for name in unread}
        if "ticker" not in header:
            hint = next((hint for hint in near.values() if "ticker" in hint), "")
            self._fault(line, "", "no column is called ticker", ", ".join(COLUMNS), hint)
        given = [name for name in ("weight", "value") if name in header]
        if len(given) != 1:
            what = "both weight and value" if given else "neither weight nor value"
            hint = "" if given else next((h for h in near.values() if "we" in h or "va" in h), "")
            self._fault(line, "", f"there is {what}", "one of the two", hint)
        if self.problems:
            raise ScenarioError(self.problems)
        misspelt = [name for name, hint in near.items() if hint]
        for name in misspelt:
            self._fault(line, name, f"unknown column {plain(name, 40)}", hint=near[name])
        return ("value" if given == ["value"] else "weight"), [plain(name, 40) for name in unread]

    def _row(self, line: int, text: str, amounts: str) -> Row | None:
        cells, header = self._cells(line, text), self.source.header
        if not cells:
            return None
        if any(cells[len(header) :]):
            message = f"{len(cells)} cells, the header has {len(header)}"
            self._fault(line, "", message, hint="write 1234.5, not 1,234.5")
            return None
        given = dict(zip(header, cells, strict=False))
        before = len(self.problems)
        ticker = given.get("ticker", "").upper()
        if not re.match(r"[A-Z0-9^]", ticker) or len(ticker) > _LONGEST or plain(ticker) != ticker:
            expected = f"1 to {_LONGEST} printable characters, the first a letter or digit"
            self._fault(line, "ticker", f"`{plain(ticker, 40)}` is no ticker", expected)
        amount = self._number(line, amounts, given)
        if amount is None:
            if len(self.problems) == before:
                self._fault(line, amounts, f"{plain(ticker, 40)} has no {amounts}")
        elif amount < 0:
            hint = "leave it out; what a short can lose has no bound, and a fall from a peak no meaning"
            message = (
                f"{plain(ticker, 40)} is held short: short positions and debt are not modelled"
            )
            self._fault(line, amounts, message, "above 0", hint)
        elif amount == 0:
            message = f"{plain(ticker, 40)} has a {amounts} of 0"
            self._fault(line, amounts, message, "above 0", "leave the row out")
        own = {name: self._number(line, name, given) for name in _RANGES}
        for name, number in own.items():
            low, high = _RANGES[name]
            if number is not None and not low <= number <= high:
                self._fault(line, name, f"{name} = {number:g}", f"{low:g} to {high:g}")
        if len(self.problems) > before or amount is None:
            return None
        maps_to, sector = given.get("maps_to", ""), given.get("sector", "")
        return Row(line, ticker, amount, maps_to, sector, own["beta"], own["volatility"])

    def _number(self, line: int, column: str, given: dict[str, str]) -> float | None:
        cell = given.get(column, "")
        if not cell:
            return None
        if not _NUMBER.fullmatch(cell) or abs(float(cell)) > 1e15:
            message = f"{column} `{plain(cell, 40)}` is not a number"
            self._fault(line, column, message, "a plain number such as 0.25 or 1234.5")
            return None
        return float(cell)
