"""Which column of a broker's export is which: headers by their usual names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.csv_cells import CsvRow, currency_of

COLUMNS = ("ticker", "weight", "value", "maps_to", "sector", "beta", "volatility", "kind")
"""The columns of a file written for this program; the others are brokers' words."""

_USUAL: dict[str, str] = {
    "ticker": "ticker|symbol|ticker symbol|instrument|symbol/isin|symbol / isin|stock|security|asset",
    "isin": "isin|isin code|isin-code",
    "name": "description|name|investment name|security name|product|produkt|bezeichnung|company",
    "value": "value|current value|market value|marketvalue|position value|positionvalue|mkt val"
    "|mkt value|total value|net value|netvalue|equity|balance|marktwert|kurswert|gesamtwert|wert",
    "weight": "weight|percent of account|% of account|% of acct|% of portfolio|portfolio %"
    "|percent of portfolio|percentofnav|% of nav|weighting|allocation|percentage|gewicht|gewichtung",
    "quantity": "quantity|qty|shares|units|amount|anzahl|stück|stueck|menge",
    "price": "price|last price|share price|close price|closing|closing price|markprice|mark price"
    "|current price|market price|last|kurs|schlußkurs|schlusskurs",
    "currency": "currency|currencyprimary|currency code|ccy|währung|waehrung",
    "kind": "kind|asset type|asset class|assetclass|asset category|security type|instrument type",
    "side": "side|long/short",
    "level": "levelofdetail|datadiscriminator",
    "maps_to": "maps_to",
    "sector": "sector",
    "beta": "beta",
    "volatility": "volatility",
}
_ROLES = {role: names.split("|") for role, names in _USUAL.items()}
_PARTS = re.compile(r"(?P<before>[^(]*?)\s*\((?P<inside>[^)]*)\)")


@dataclass(frozen=True)
class Columns:
    """Where the columns of a file stand: ``place`` of each role, from 0.

    ``value_currency`` is the currency in the header of the values, as in "Value in EUR".
    """

    header: tuple[str, ...]
    place: dict[str, int]
    value_currency: str
    repeated: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether tickers and some amount have a column."""
        named = "ticker" in self.place or "isin" in self.place
        counted = {"quantity", "price"} <= self.place.keys()
        return named and (counted or bool({"value", "weight"} & self.place.keys()))

    @property
    def unread(self) -> tuple[str, ...]:
        """Headers that are not read."""
        used = set(self.place.values())
        return tuple(name for n, name in enumerate(self.header) if name and n not in used)

    @property
    def own(self) -> bool:
        """Whether the columns have this program's own names, and no broker's."""
        return all(self.header[n] == role for role, n in self.place.items())


def columns_of(cells: Sequence[str]) -> Columns:
    """The columns of a header row; of two for one role, the one with the more usual name."""
    header = tuple(cell.lower() for cell in cells)
    ranks: dict[str, list[tuple[bool, int, int]]] = {}
    for n, cell in enumerate(cells):
        names = list(_names(cell))
        for role, usual in _ROLES.items():
            rank = min((usual.index(name) for name in names if name in usual), default=None)
            if rank is not None:
                ranks.setdefault(role, []).append((not _header_currency(cell), rank, n))
                break
    place = {role: min(ranked)[2] for role, ranked in ranks.items()}
    currency = _header_currency(cells[place["value"]]) if "value" in place else ""
    repeated = tuple(
        sorted({name for name in header if name in COLUMNS and header.count(name) > 1})
    )
    return Columns(header, place, currency, repeated)


def find_header(rows: Sequence[CsvRow]) -> int | None:
    """The place of the first row that can be a header; None if there is none."""
    usable = (n for n, row in enumerate(rows) if columns_of(row.cells).is_usable)
    return next(usable, None)


def _names(cell: str) -> Iterator[str]:
    """A header as it is, and its parts: "Mkt Val (Market Value)", "Value in EUR"."""
    text = cell.lower().rstrip(":")
    yield text
    yield re.sub(r"\s*[$#€£%]$", "", text)
    yield re.sub(r"\s+in [a-z]{3}$", "", text)
    parts = _PARTS.fullmatch(text)
    if parts:
        yield parts["before"]
        yield parts["inside"]


def _header_currency(cell: str) -> str:
    match = re.search(r"(?:\bin |\()([A-Z]{3}|US\$|[$€£¥])\)?$", cell)
    return currency_of(match[1]) if match else ""
