"""The tables of a page as CSV, made from their HTML: a file holds what the page shows, cell by cell."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

_NUMBER = re.compile(r"[-\N{MINUS SIGN}]?\d[\d,]*(\.\d+)?( ?%)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table_csv(table: str) -> str:
    """A table (HTML) as CSV.

    Numbers have an ASCII minus, no plus and no separators. A standard error beside a value has a column of
    its own, with the head of the value's and a ±. Text that a spreadsheet could take for a formula
    has an apostrophe before it. With the byte order mark spreadsheets read it as UTF-8.
    """
    rows = _Rows(table).rows
    width = max(map(len, rows), default=0)
    rows = [row + [("", "")] * (width - len(row)) for row in rows]
    split = [any(row[column][1] for row in rows) for column in range(width)]
    lines = [
        [
            text
            for pair, both in zip(row, split, strict=True)
            for text in (pair if both else pair[:1])
        ]
        for row in rows
    ]
    if lines:
        heads = (
            ([head, f"{head} ±"] if both else [head])
            for (head, _), both in zip(rows[0], split, strict=True)
        )
        lines[0] = [name for names in heads for name in names]
    out = io.StringIO()
    lines = [list(map(_text if place == 0 else _cell, line)) for place, line in enumerate(lines)]
    csv.writer(out, lineterminator="\r\n").writerows(lines)
    return "\ufeff" + out.getvalue()


def file_name(title: str) -> str:
    """A name for the CSV file of a table."""
    return f"{re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')[:60] or 'table'}.csv"


def _cell(text: str) -> str:
    text = re.sub(r"^\+(?=\d)", "", text)
    if _NUMBER.fullmatch(text):
        return text.replace("\N{MINUS SIGN}", "-").replace(",", "").replace(" ", "")
    return _text(text)


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Rows(HTMLParser):
    """The rows of a table: of each cell its text and, beside it, its standard error."""

    def __init__(self, table: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, str]]] = []
        self._text, self._error, self._span, self._part = "", "", 1, ""
        self.feed(table)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self._text, self._error, self._part = "", "", "text"
            self._span = int(known.get("colspan") or 1)
        elif tag == "br":
            self.handle_data(" ")
        elif known.get("class") == "error":
            self._part = "error"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td"):
            error = " ".join(self._error.replace("±", "").split())
            self.rows[-1] += [(" ".join(self._text.split()), error), *[("", "")] * (self._span - 1)]
            self._part = ""
        elif tag == "span" and self._part == "error":
            self._part = "text"

    def handle_data(self, data: str) -> None:
        if self._part == "error":
            self._error += data
        elif self._part:
            self._text += data
