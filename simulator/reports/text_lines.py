"""Lines of text for a terminal: folded, cut and set in columns by the cells they take on the screen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len, chop_cells, set_cell_size

from simulator.reports.run_tables import Cell
from simulator.statistics.formatting import MINUS

WIDTH = 80
"""Columns of the terminal summary."""
NAME = 20
"""Columns of the name of a row."""
Style = Literal["", "strong", "good", "bad"]


@dataclass(frozen=True)
class Line:
    """One line and its style."""

    text: str
    style: Style = ""
    table: tuple[int, int] | None = None
    """Of a row of a table: columns of its name, and of each cell."""

    def within(self, width: int) -> Line:
        """The line without the cells that do not fit."""
        if self.table is None or cell_len(self.text) <= width:
            return self
        name, cell = self.table
        return replace(self, text=set_cell_size(self.text, width - (width - name) % cell).rstrip())


def columns(name: str, cells: Iterable[str], width: int = NAME, style: Style = "") -> Line:
    """A name, and numbers in columns of ten."""
    text = fit(name, width) + "".join(cell.rjust(10) for cell in cells)
    return Line(text.rstrip(), style, table=(width, 10))


def fit(text: str, width: int) -> str:
    """Text in exactly ``width`` columns, counting wide characters as two and marks as none."""
    return set_cell_size(cut(text, width), width)


def cut(text: str, width: int) -> str:
    """Text of at most ``width`` columns; a full stop stands for what is missing."""
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}."


def folded(text: str, width: int, first: int = 0, rest: int = 0, style: Style = "") -> list[Line]:
    """Lines of at most ``width`` columns, indented; a word that fits no line is broken."""
    return [Line(line, style) for line in _fold(text, width, first, rest)]


def _fold(text: str, width: int, first: int, rest: int) -> Iterator[str]:
    line, indent = "", first
    for word in re.split(r"\s+(?!%)", text.strip()):  # no break before "%"
        for part in chop_cells(word, width - max(first, rest)):
            if line and indent + cell_len(line) + 1 + cell_len(part) > width:
                yield " " * indent + line
                line, indent = "", rest
            line = f"{line} {part}" if line else part
    yield " " * indent + line


def narrow(text: str) -> str:
    """Numbers as any terminal shows them, and narrow."""
    return text.replace(MINUS, "-").replace(" %", "%")


def number(cell: Cell) -> str:
    """A percentage with its error: "-27.9±0.3"; at most nine columns."""
    value, error = cell
    return narrow(value).removesuffix("%") + error.replace("±0.0", "±.0")
