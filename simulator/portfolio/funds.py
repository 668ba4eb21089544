"""Broad index funds known by ticker: what they track, what they are taken for, and how well that fits."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

FUND_VOLATILITY = 0.05
"""Own noise, per square root of a year, of a fund of which none is given: that of the row for the rest
of the S&P 500 in the shipped universe of 2025-01. Judgement."""
BOND_FIGURES = {
    "equity_duration": 6.0,  # years: fact sheets of aggregate bond funds
    "core_growth": 0.0,
    "contagion": 0.0,
    "adoption_loading": 0.0,
    "macro_loading": 0.0,
    "premium_loading": 0.0,
    "news_loading": 0.0,
    "sector_share": 0.0,
    "jump_rate": 0.0,
}
"""Figures of a bond fund: it moves with interest rates and little else."""


@dataclass(frozen=True)
class Fund:
    """A row of ``funds.csv``; ``maps_to`` is a group whose path it takes, else it is ``like`` one."""

    ticker: str
    isin: str
    name: str
    tracks: str
    maps_to: str
    like: str
    beta: float | None
    volatility: float | None
    kind: str
    fit: str
    source: str


@lru_cache(maxsize=1)
def known_funds() -> dict[str, Fund]:
    """The funds by ticker."""
    text = (files("simulator.portfolio") / "funds.csv").read_text(encoding="utf-8")
    funds: dict[str, Fund] = {}
    for row in csv.DictReader(text.splitlines()):
        numbers = {name: float(row.pop(name) or "nan") for name in ("beta", "volatility")}
        given = {name: None if value != value else value for name, value in numbers.items()}
        fund = Fund(**row, **given)  # type: ignore[arg-type]
        funds[fund.ticker] = fund
    return funds
