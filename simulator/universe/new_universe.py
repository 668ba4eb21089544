"""A universe of another date: a copy of a universe file with market values, revenue and margins replaced."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from simulator.csv_cells import DELIMITERS, CsvError, decode, number, rows
from simulator.errors import UsageError, plain
from simulator.schema import suggestion

FIGURES = {
    "market_value": "market_value|market value|market cap|marketcap|value",
    "revenue": "revenue|sales",
    "operating_margin": "operating_margin|operating margin|margin",
}
"""Figures that a CSV can bring, and the names of their columns."""
MOST_BYTES = 256 * 1024


@dataclass(frozen=True)
class NewFigures:
    """New figures of one firm; ``source`` says who published them."""

    figures: dict[str, float]
    source: str


def read_figures(path: str | Path, tickers: Collection[str]) -> dict[str, NewFigures]:
    """Figures by ticker from a CSV: ticker, market_value (USD billion), and perhaps revenue, margin, source.

    Raises
    ------
    UsageError
        With every fault of the file, by line.
    """
    file = plain(str(path))
    try:
        with Path(path).open("rb") as stream:
            text = decode(stream.read(MOST_BYTES))
        table = list(rows(text, max(DELIMITERS, key=text[:2000].count)))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except CsvError as error:
        raise UsageError(f"{file}:{error.line}: {error}") from None
    except ValueError as error:
        raise UsageError(f"{file} {error}") from None
    header = [cell.lower() for cell in table[0].cells] if table else []
    place = {
        figure: header.index(name)
        for figure, names in FIGURES.items()
        for name in names.split("|")
        if name in header
    }
    if "ticker" not in header or "market_value" not in place or len(table) < 2:
        raise UsageError(f"{file}: expected a header ticker,market_value[,revenue,margin,source]")
    found: dict[str, NewFigures] = {}
    faults = []
    for line, cells in table[1:]:
        given = dict(zip(header, cells, strict=False))
        ticker = given["ticker"].upper()
        if ticker not in tickers or ticker in found:
            hint = suggestion(ticker, tickers)
            what = "is there twice" if ticker in found else f"is not in the universe; {hint}"
            faults.append(f"{file}:{line}: {plain(ticker, 40)} {what}".rstrip("; "))
            continue
        figures = {}
        for figure, at in place.items():
            cell = cells[at] if at < len(cells) else ""
            try:
                if cell:
                    figures[figure] = number(cell, ".") / (100 if "%" in cell else 1)
            except ValueError as error:
                faults.append(f"{file}:{line}: {figure}: {plain(str(error), 80)}")
        found[ticker] = NewFigures(figures, given.get("source", "") or f"{Path(path).name}")
    if faults:
        raise UsageError("\n".join(faults[:20]))
    return found


def renewed(text: str, name: str, as_of: date, figures: dict[str, NewFigures]) -> str:
    """The text of a universe file with a new name, date and figures; comments are kept.

    The table ``[checks]`` is left out: it holds what the rows of the old date add up to.
    """
    head, *firms = re.split(r"(?m)^(?=\[\[firms\]\]\s*$)", text)
    head = _set(head, "name", _quoted(name))
    head = _set(head, "as_of", as_of.isoformat())
    head = re.sub(r"(?ms)^\[checks\].*?(?=^\[|^# |\Z)", "", head)
    return head + "".join(_firm(block, as_of, figures) for block in firms)


def _firm(block: str, as_of: date, figures: dict[str, NewFigures]) -> str:
    ticker = re.search(r'(?m)^ticker\s*=\s*"([^"]*)"', block)
    new = figures.get(ticker[1]) if ticker else None
    if new is None:
        return block
    row, mark, sources = block.partition("[firms.sources]\n")
    tail = re.search(r"(?s)\n(?:\s*(?:#[^\n]*)?\n)*\s*\Z", sources or row)
    rest = tail[0] if tail else "\n"
    body = (sources or row)[: -len(rest)] if tail else (sources or row).rstrip("\n")
    if mark:
        sources = body
    else:
        row, sources = body + "\n", ""
    for figure, value in new.figures.items():
        row = _set(row, figure, f"{value:.6g}" if value != int(value) else f"{value:.1f}")
        entry = f'{{ source = {_quoted(new.source)}, date = "{as_of}", strength = "C" }}'
        if re.search(rf"(?m)^{figure}\s*=", sources):
            sources = _set(sources, figure, entry)
        else:
            sources = f"{figure} = {entry}\n{sources}".rstrip("\n")
    return f"{row}[firms.sources]\n{sources}{rest}"


def _set(text: str, key: str, value: str) -> str:
    """A table with the value of its key replaced, up to the end of the line."""
    return re.sub(rf"(?m)^{key}\s*=.*$", lambda _: f"{key} = {value}", text, count=1)


def _quoted(text: str) -> str:
    return '"' + plain(text, 200).replace("\\", "\\\\").replace('"', '\\"') + '"'
