"""Figures of firms on another date: a small CSV, checked cell by cell.

    ticker,market_value,revenue,operating_margin,source,date
    NVDA,4300,216.0,0.60,"closing price x shares in the quarterly report",2026-06-30
    sp500,62000,,,"index value in the factsheet",2026-06-30

A row named after a group gives the value of the whole group; the aggregate rows in it are solved for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from simulator.csv_cells import (
    DELIMITERS,
    CsvError,
    CsvRow,
    DecimalMark,
    decimal_marks,
    decode,
    is_missing,
    number,
    rows,
)
from simulator.errors import Problem, ScenarioError, plain
from simulator.schema import Source, suggestion
from simulator.schema.toml_document import LONGEST_SOURCE
from simulator.universe.universe import Universe
from simulator.universe.universe_schema import FIGURES, FirmRow

MOST_BYTES = 256 * 1024
_WORDS = ("ticker", "source", "date")
_USUAL = {
    "market value": "market_value",
    "market cap": "market_value",
    "marketcap": "market_value",
    "sales": "revenue",
    "operating margin": "operating_margin",
    "margin": "operating_margin",
    "symbol": "ticker",
}
"""Usual names of columns."""
_LONGEST_TICKER = 40
_SINGULAR = 1e-9


@dataclass(frozen=True)
class NewFigures:
    """Figures by ticker, and the source of each ticker's row.

    ``solved`` are the aggregate rows whose market value follows from totals of groups.
    """

    figures: dict[str, dict[str, float]]
    sources: dict[str, Source]
    solved: tuple[str, ...]


def read_figures(path: str | Path, universe: Universe, as_of: date) -> NewFigures:
    """Read the figures of a universe's firms on another date.

    Parameters
    ----------
    path
        A CSV with a column ``ticker``, columns named as figures of a universe file, and, if there
        are any, ``source`` and ``date`` of the row.
    universe
        Whose firms and groups the rows name.
    as_of
        The date of rows that give none.

    Raises
    ------
    ScenarioError
        With every problem of the file: its line, and what to try.
    """
    reader = _Reader(str(path), universe, as_of)
    reader.read()
    solved = reader.solve() if not reader.problems else ()
    if reader.problems:
        raise ScenarioError(reader.problems)
    return NewFigures(reader.figures, reader.sources, solved)


class _Reader:
    """Goes through the rows of a file and gathers what is wrong."""

    def __init__(self, file: str, universe: Universe, as_of: date) -> None:
        self.file, self.universe, self.as_of = file, universe, as_of
        self.problems: list[Problem] = []
        self.figures: dict[str, dict[str, float]] = {}
        self.totals: dict[str, float] = {}
        self.sources: dict[str, Source] = {}
        self.lines: dict[str, int] = {}
        self.mark: DecimalMark = ""

    def _fault(
        self, line: int, column: str, message: str, expected: str = "", hint: str = ""
    ) -> None:
        self.problems.append(Problem(self.file, line, 0, column, message, expected, hint))

    def read(self) -> None:
        table = self._table()
        if not table:
            return
        header = [_USUAL.get(cell.lower(), cell.lower()) for cell in table[0].cells]
        known = (*_WORDS, *FIGURES)
        for name in {name: None for name in header if name not in known}:
            message = f"{plain(name, 40) or 'a column without a name'} is not a figure"
            hint = suggestion(name, known)
            self._fault(table[0].line, name, message, ", ".join(known), hint)
        self.problems += [
            Problem(self.file, table[0].line, 0, name, f"two columns are called {name}")
            for name in known
            if header.count(name) > 1
        ]
        if "ticker" not in header or not set(header) & set(FIGURES):
            expected = "a header such as ticker,market_value"
            self._fault(table[0].line, "", "no column for ticker, or none for a figure", expected)
        if self.problems:
            return
        for row in table[1:]:
            if len(row.cells) > len(header) and any(row.cells[len(header) :]):
                message = f"{len(row.cells)} cells, the header has {len(header)}"
                self._fault(row.line, "", message, hint="write 1234.5, not 1,234.5")
            else:
                self._row(row.line, dict(zip(header, row.cells, strict=False)))
        if not self.lines and not self.problems:
            self._fault(table[0].line, "", "there is no firm below the header")

    def _table(self) -> list[CsvRow]:
        try:
            with Path(self.file).open("rb") as stream:
                raw = stream.read(MOST_BYTES + 1)
            if len(raw) > MOST_BYTES:
                raise ValueError(f"is larger than {MOST_BYTES // 1024} KiB")
            text = decode(raw)
            first = next((line for line in text.splitlines() if line.strip()), "")
            delimiter = max(DELIMITERS, key=first.count)
            table = list(rows(text, delimiter))
        except CsvError as error:
            self._fault(error.line, "", str(error))
            return []
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._fault(0, "", f"the file of figures cannot be read: {reason}")
            return []
        if not table:
            self._fault(0, "", "the file of figures is empty", "ticker,market_value")
            return []
        marks = decimal_marks(cell for row in table[1:] for cell in row.cells)
        # Between commas a point is the decimal mark; between semicolons only other cells can say.
        self.mark = marks.pop() if len(marks) == 1 else "." if delimiter == "," else ""
        return table

    def _row(self, line: int, cells: dict[str, str]) -> None:
        ticker = cells.get("ticker", "")
        names = {name.lower(): name for name in self.universe.entities}
        name = names.get(ticker.lower())
        if name is None:
            shown = plain(ticker, _LONGEST_TICKER) or "a row without a ticker"
            message = f"{shown} is not in the universe {self.universe.name}"
            hint = suggestion(ticker, self.universe.entities) or (
                "add the firm to the new file by hand, with all its figures"
            )
            self._fault(line, "ticker", message, ", ".join(self.universe.entities), hint)
            return
        if name in self.lines:
            message = f"{name} has two rows, the first in line {self.lines[name]}"
            self._fault(line, "ticker", message)
            return
        self.lines[name] = line
        before = len(self.problems)
        values = {
            figure: value
            for figure in FIGURES
            if (value := self._figure(line, figure, cells.get(figure, ""))) is not None
        }
        if name in self.universe.groups:
            if set(values) - {"market_value"}:
                message = f"{name} is a group: only its market value can be given"
                self._fault(line, min(set(values) - {"market_value"}), message)
            if "market_value" in values:
                self.totals[name] = values["market_value"]
        else:
            self.figures[name] = values
        if not values and len(self.problems) == before:
            self._fault(line, "", f"the row of {name} gives no figure", "", "leave the row out")
        self._source(line, name, cells)

    def _figure(self, line: int, figure: str, cell: str) -> float | None:
        if is_missing(cell):
            return None
        spec = FirmRow.specs()[figure]
        try:
            value = number(cell, self.mark) / (100 if "%" in cell else 1)
        except ValueError as error:
            self._fault(line, figure, plain(str(error)), "a plain number such as 0.25 or 1234.5")
            return None
        if not spec.low <= value <= spec.high:
            message = f"{figure} = {value:g} is outside {spec.low:g} to {spec.high:g}"
            self._fault(line, figure, message, f"{spec.doc}, {spec.unit}")
        return value

    def _source(self, line: int, name: str, cells: dict[str, str]) -> None:
        when, source = cells.get("date", ""), cells.get("source", "")
        try:
            day = self.as_of if is_missing(when) else date.fromisoformat(when)
        except ValueError:
            self._fault(line, "date", f"`{plain(when, 40)}` is not a date", "such as 2026-06-30")
            return
        if len(source) > LONGEST_SOURCE:
            self._fault(line, "source", f"{len(source)} characters", f"at most {LONGEST_SOURCE}")
            return
        self.sources[name] = Source(
            source=f"not stated in {Path(self.file).name}"
            if is_missing(source)
            else plain(source, LONGEST_SOURCE),
            date=day.isoformat(),
            strength="D" if is_missing(source) else "C",
        )

    def solve(self) -> tuple[str, ...]:
        """Market values of aggregate rows from the totals of groups; the rows that are solved for."""
        if not self.totals:
            return ()
        universe = self.universe
        shares = universe.membership[[universe.groups.index(group) for group in self.totals]]
        free = [
            n
            for n, firm in enumerate(universe.firms)
            if firm.kind == "aggregate"
            and "market_value" not in self.figures.get(firm.ticker, {})
            and shares[:, n].any()
        ]
        values = universe.column("market_value")
        for n, ticker in enumerate(universe.tickers):
            values[n] = self.figures.get(ticker, {}).get("market_value", values[n])
        values[free] = 0.0
        left = np.array(list(self.totals.values())) - shares @ values
        matrix = shares[:, free]
        names = tuple(universe.tickers[n] for n in free)
        line = self.lines[next(iter(self.totals))]
        if len(free) != len(self.totals) or abs(np.linalg.det(matrix)) < _SINGULAR:
            message = (
                f"totals of {', '.join(self.totals)} do not give the aggregate rows"
                f" {', '.join(names) or '(all have values)'}"
            )
            hint = "one total for each aggregate row without a market value of its own"
            self._fault(line, "market_value", message, hint=hint)
            return ()
        for name, value in zip(names, np.linalg.solve(matrix, left), strict=True):
            if value < FirmRow.specs()["market_value"].low:
                message = f"{name} would have a market value of {value:,.4g}"
                hint = "the firms' values are more than the group's: are all in USD billion?"
                self._fault(line, "market_value", message, hint=hint)
                continue
            self.figures.setdefault(name, {})["market_value"] = float(f"{value:.10g}")
            self._solved_source(name)
        return names

    def _solved_source(self, name: str) -> None:
        of = [self.sources[group] for group in self.totals]
        text = "derived: " + "; ".join(
            f"{group} {total:,.6g} ({source.source})"
            for (group, total), source in zip(self.totals.items(), of, strict=True)
        )
        self.sources[name] = Source(
            source=plain(f"{text}, less the other rows", LONGEST_SOURCE),
            date=min(source.date for source in of),
            strength="C",
        )
