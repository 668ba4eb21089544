"""Cells of CSV files that people export: their text, rows and numbers.

Brokers, spreadsheets and data vendors differ in encoding, delimiter and decimal mark. What can be
read in one way only is read; what can be read in two is an :class:`AmbiguousNumber`, not a guess.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

DELIMITERS = ",;\t"
MISSING = frozenset(
    {"", "-", "--", "---", "n/a", "na", "#n/a", "none", "null", ".", "\u2013", "\u2014"}
)
CURRENCY_SIGNS = {"US$": "USD", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
DecimalMark = Literal[".", ",", ""]

_CURRENCY = re.compile(r"US\$|[$€£¥]|\b[A-Z]{3}\b", re.ASCII)
_GROUPED = re.compile(
    r"[1-9]\d{0,2}(?P<group>[,.'\u2019 ])\d{3}((?P=group)\d{3})*(?P<rest>[.,]\d*)?", re.ASCII
)
_PLAIN = re.compile(r"(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}", re.ASCII)


class AmbiguousNumber(ValueError):
    """A number that is thousands in one country and a fraction in another, such as 60.000."""

    def __init__(self, cell: str) -> None:
        digits = re.sub(r"[^\d.,]", "", cell)
        self.fraction, self.thousands = digits.replace(",", "."), re.sub(r"[.,]", "", digits)
        super().__init__(f"`{cell}` can be {self.fraction} or {self.thousands}")


class CsvRow(NamedTuple):
    """The stripped cells of one row, and the line its text begins at, counted from 1."""

    line: int
    cells: tuple[str, ...]


class CsvError(ValueError):
    """A row whose quotation marks do not match."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__("a quotation mark is opened and not closed, or the reverse")


def decode(raw: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 with a byte order mark, or Windows-1252.

    Raises
    ------
    ValueError
        For bytes that are no text in any of them.
    """
    utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ValueError("is not text: expected UTF-8, UTF-16 or Windows-1252; save it as CSV UTF-8")


def rows(text: str, delimiter: str) -> Iterator[CsvRow]:
    """The rows of a table that are not blank; a quoted cell may hold line breaks.

    Raises
    ------
    CsvError
        For a quotation mark without its partner.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            stripped = tuple(" ".join(cell.split()) for cell in cells)
            if any(stripped):
                yield CsvRow(start, stripped)
            start = reader.line_num + 1
    except csv.Error:
        raise CsvError(start) from None


def decimal_marks(cells: Iterable[str]) -> set[DecimalMark]:
    """The decimal marks of those numbers that can be read in one way only."""
    marks: set[DecimalMark] = set()
    for cell in cells:
        digits = _bare(cell)[0]
        grouped = _GROUPED.fullmatch(digits)
        if _AMBIGUOUS.fullmatch(digits):
            continue
        if grouped and grouped["group"] in ".,":
            marks.add("," if grouped["group"] == "." else ".")
        elif (grouped and grouped["rest"]) or _PLAIN.fullmatch(digits):
            marks |= {"."} if "." in digits else {","} if "," in digits else set()
    return marks


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.lower() in MISSING


def currency_of(cell: str) -> str:
    """The currency written in a cell as a sign or code, such as EUR in `€ 5` or `5 EUR`; "" if none."""
    found = _CURRENCY.search(cell)
    return CURRENCY_SIGNS.get(found[0], found[0]) if found else ""


def number(cell: str, mark: DecimalMark = "") -> float:
    """The number in a cell such as `$1,234.56`, `(415.00)`, `1.234,56 €` or `+25.00%` (25).

    Parameters
    ----------
    cell
        The text. Parentheses or a minus at either end make it negative.
    mark
        The decimal mark for a cell such as 60.000 that can be read in two ways.

    Raises
    ------
    AmbiguousNumber
        For such a cell without a mark.
    ValueError
        For a cell that is not a finite number.
    """
    digits, sign = _bare(cell)
    grouped = _GROUPED.fullmatch(digits)
    if _AMBIGUOUS.fullmatch(digits):
        if not mark:
            raise AmbiguousNumber(cell)
        digits = digits.replace(",", ".") if mark in digits else re.sub(r"[.,]", "", digits)
    elif grouped and grouped["group"] != (grouped["rest"] or "")[:1]:
        whole = digits[: -len(grouped["rest"])] if grouped["rest"] else digits
        digits = re.sub(r"\D", "", whole) + (grouped["rest"] or "").replace(",", ".")
    elif _PLAIN.fullmatch(digits):
        digits = digits.replace(",", ".")
    else:
        raise ValueError(f"`{cell}` is not a number")
    value = sign * float(digits)
    if abs(value) > 1e15:
        raise ValueError(f"`{cell}` is not a number below 1e15")
    return value


def _bare(cell: str) -> tuple[str, float]:
    """A cell without currency, percent and sign, and its sign."""
    if _PLAIN.fullmatch(cell):  # as most are
        return cell, 1.0
    text = _CURRENCY.sub("", cell.replace("\u2212", "-").replace("\u00a0", " "), count=1)
    text = text.replace("%", "", 1).strip()
    negative = text.startswith("(") and text.endswith(")")
    if negative:
        text = text[1:-1].strip()
    if text[:1] in {"+", "-"}:
        negative, text = negative or text[0] == "-", text[1:].strip()
    elif text.endswith("-"):
        negative, text = True, text[:-1].strip()
    text = _CURRENCY.sub("", text, count=1).strip()
    return text, -1.0 if negative else 1.0
