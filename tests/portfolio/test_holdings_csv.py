"""Holdings files of brokers and spreadsheets; values are added up by hand from the files."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.csv_cells import AmbiguousNumber, number
from simulator.errors import ScenarioError, plain
from simulator.portfolio.funds import FUND_VOLATILITY, known_funds
from simulator.portfolio.instruments import issuer, share
from simulator.portfolio.portfolio import OWN_VOLATILITY, Portfolio, read_portfolio
from simulator.reports.portfolio_tables import portfolio as portfolio_table
from simulator.runs.runner import simulate
from simulator.scenario.scenario import load_scenario
from simulator.statistics.formatting import percent
from simulator.universe.universe import Universe, load_universe

DATA = Path(__file__).parent / "data"
FILES = sorted(DATA.glob("*.csv"))
RATES = {"EUR": 1.10}

Read = Callable[..., Portfolio]


@pytest.fixture(scope="module")
def universe() -> Universe:
    return load_universe("us-2025-01")


@pytest.fixture
def read(tmp_path: Path, universe: Universe) -> Read:
    def read(text: str | bytes, **rates: float) -> Portfolio:
        path = tmp_path / "mine.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_portfolio(path, universe, rates)[0]

    return read


def values(portfolio: Portfolio) -> dict[str, float]:
    assert portfolio.value is not None
    return {one.ticker: round(one.weight * portfolio.value, 2) for one in portfolio.holdings}


# ---------------------------------------------------------------- brokers


@pytest.mark.parametrize(
    ("name", "expected", "says"),
    [
        (
            "fidelity",
            {"CASH": 1500.0, "NVDA": 3500.0, "BRKB": 4500.0, "FXAIX": 6300.0},
            ["pending amounts: line 5", "line 10", "line 12", "NVDA in line 3, NVDA in line 7"],
        ),
        (
            "schwab",
            {"AAPL": 2200.0, "BRK/B": 900.0, "SCHX": 4900.0, "CASH": 2000.0},
            ["title lines: line 1", "totals: line 8"],
        ),
        (
            "vanguard",
            {"VTSAX": 7000.0, "VBTLX": 1900.0, "CASH": 1100.0},
            ["another table, which is not read: line 8-9"],
        ),
        (
            "ibkr_activity",
            {"NVDA": 7000.0, "CSPX": 2640.0, "CASH": 1050.0},
            ["single lots, which the summary rows hold: line 8-9", "the section Net Asset Value"],
        ),
        ("ibkr_flex", {"MSFT": 4400.0, "BRK B": 1800.0}, ["the summary rows hold: line 3"]),
        (
            "degiro",
            {"CASH": 550.0, "IWDA": 2211.0, "NVDA": 1430.0},
            ["values in EUR at 1.1 USD"],
        ),
        ("trade_republic", {"NVDA": 715.0, "IWDA": 1212.0}, ["values are read as USD"]),
        ("robinhood", {"TSLA": 1000.0, "GOOG": 1990.0}, ["GOOG in line 3, GOOGL in line 4"]),
    ],
)
def test_an_export_of_a_broker(
    universe: Universe, name: str, expected: dict[str, float], says: list[str]
) -> None:
    portfolio, _ = read_portfolio(DATA / f"{name}.csv", universe, RATES)
    assert values(portfolio) == pytest.approx(expected)
    assert all(any(text in notice for notice in portfolio.notices) for text in says)


def test_options_and_shorts_are_refused_row_by_row(read: Read) -> None:
    text = (DATA / "schwab.csv").read_text("utf-8").splitlines(keepends=True)
    put = (
        '"AAPL 06/20/2025 250.00 C","CALL APPLE INC $250","-1","$4.15","","","($415.00)"' + "," * 11
    )
    short = '"TSLA","TESLA INC","-3","$400","","","($1,200.00)"' + "," * 11
    with pytest.raises(ScenarioError) as caught:
        read("".join([*text[:4], put, "\n", short, "\n", *text[4:]]))
    problems = [(one.line, one.message) for one in caught.value.problems]
    assert [line for line, _ in problems] == [5, 6]
    assert "is an option" in problems[0][1]
    assert "held short" in problems[1][1]


def test_a_file_in_another_currency_needs_a_rate_and_keeps_it(
    read: Read, universe: Universe, tmp_path: Path
) -> None:
    text = "ticker,currency,value\nNVDA,USD,1000\nAAPL,JPY,150000\n"
    with pytest.raises(ScenarioError, match="AAPL is in JPY, which has no rate"):
        read(text)
    portfolio = read(text, JPY=0.0066)
    assert values(portfolio) == pytest.approx({"NVDA": 1000.0, "AAPL": 990.0})
    again = tmp_path / "portfolio.csv"
    again.write_bytes(portfolio.raw)
    assert values(read_portfolio(again, universe)[0]) == values(portfolio)
    assert values(read("ticker,value\nNVDA,€100\n", EUR=1.1)) == pytest.approx({"NVDA": 110.0})
    with pytest.raises(ScenarioError, match="is no rate"):
        read("# rate EUR=x\n" + text)


def test_usd_in_every_row_is_usd(read: Read) -> None:
    text = "ticker,currency,value\nNVDA,USD,10\nAAPL,{},5\n"
    assert values(read(text.format("USD"))) == {"NVDA": 10, "AAPL": 5}
    with pytest.raises(ScenarioError, match="AAPL has no currency"):
        read(text.format(""))  # not a silent guess: the other rows may be in euros


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("$1,234.56", 1234.56),
        ("25.00%", 25.0),
        ("(415.00)", -415.0),
        ("($1,415.00)", -1415.0),
        ("-$550.00", -550.0),
        ("1.234,56 €", 1234.56),
        ("EUR 12,5", 12.5),
        ("1'234.50", 1234.5),
        ("1\u00a0234,5", 1234.5),
        ("1 234", 1234.0),
        ("1'234", 1234.0),
        ("1,234,567", 1234567.0),
        ("0.125", 0.125),
        ("\u221212", -12.0),
    ],
)
def test_a_number_with_one_reading(cell: str, value: float) -> None:
    assert number(cell) == value


@pytest.mark.parametrize("cell", ["60.000", "1,234", "$999.999"])
def test_a_number_with_two_readings(cell: str) -> None:
    with pytest.raises(AmbiguousNumber):
        number(cell)


@pytest.mark.parametrize(
    "cell", ["nan", "inf", "1_0", "1,2345.6", "12,34,567", "1.2.3", "-", "1e999"]
)
def test_no_number(cell: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        number(cell)


def test_thousands_that_may_be_decimals_are_refused_with_both_readings(read: Read) -> None:
    with pytest.raises(ScenarioError) as caught:
        read("ticker;value\nNVDA;60.000\nMSFT;40.000\nAAPL;900\n")
    messages = [one.message for one in caught.value.problems]
    assert messages == [
        "value `60.000` can be 60.000 or 60000",
        "value `40.000` can be 40.000 or 40000",
    ]
    known = read("ticker;value\nNVDA;60.000\nMSFT;40.000,50\nAAPL;900\n")
    assert values(known) == {"NVDA": 60000.0, "MSFT": 40000.5, "AAPL": 900.0}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(read: Read, encoding: str) -> None:
    text = "Symbol\tName\tMarket Value\r\nNVDA\tNvidia Zürich\t1,000.50\r\n"
    assert values(read(text.encode(encoding))) == {"NVDA": 1000.5}


def test_quoted_line_breaks_missing_cells_and_cash(read: Read) -> None:
    text = 'ticker,description,value,beta\nNVDA,"NVIDIA\nCUSIP, 0",10000,n/a\nUSD,,500,--\nSPAXX**,,1,\n'
    assert values(read(text)) == {"NVDA": 10000.0, "CASH": 501.0}


@pytest.mark.parametrize(
    "header",
    [
        "Stock,Value $",
        "Instrument,Market Value (USD)",
        "Ticker symbol,Position Value",
        "Symbol / ISIN,Value in USD",
        "Security,Balance",
    ],
)
def test_usual_names_of_columns(read: Read, header: str) -> None:
    assert values(read(f"{header}\nNVDA US,10\nVOO.US,5\n")) == {"NVDA US": 10, "VOO.US": 5}


def test_quantity_times_price(read: Read) -> None:
    assert values(read("symbol,shares,price\nNVDA,10,140.5\n")) == {"NVDA": 1405.0}


# ---------------------------------------------------------------- what a holding is


@pytest.mark.parametrize("ticker", ["BRK.B", "BRK-B", "BRK/B", "BRK B", "BRKB", "NYSE:BRK.B"])
def test_spellings_of_a_share(ticker: str) -> None:
    assert share(ticker) == "BRK.B"


def test_classes_have_one_issuer(read: Read) -> None:
    assert issuer("GOOG") == issuer("GOOGL") == "GOOGL"
    assert [one.entity for one in read("ticker,value\nGOOG,5\n").holdings] == ["GOOGL"]
    two = read("ticker,value,beta\nBRK.B,9200,0.9\nBRK-B,9200,0.9\n")
    assert values(two) == {"BRK.B": 18400.0}


def test_a_fund_has_the_noise_of_a_fund(tmp_path: Path, universe: Universe) -> None:
    path = tmp_path / "mine.csv"
    rows = "VTI,1,1,\nXYZ,1,1,fund\nIBM,1,1,stock\nBND,1,,\n"
    path.write_text(f"ticker,value,beta,kind\n{rows}", encoding="utf-8")
    portfolio, wide = read_portfolio(path, universe)
    noise = dict(zip(wide.tickers, wide.column("volatility"), strict=True))
    assert noise["VTI"] == noise["XYZ"] == FUND_VOLATILITY
    assert noise["IBM"] == OWN_VOLATILITY
    duration = dict(zip(wide.tickers, wide.column("equity_duration"), strict=True))
    assert duration["BND"] == 6.0
    taken = {one.ticker: one.taken_for for one in portfolio.holdings}
    assert "a fund like sp500" in taken["XYZ"]
    assert "a single firm like rest" in taken["IBM"]
    assert "a bond fund" in taken["BND"]


@pytest.mark.slow
def test_a_market_fund_by_beta_falls_like_the_market(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    falls = {}
    for row in ("VTI,100000,,1.0", "VTI,100000,sp500,"):
        path.write_text(f"ticker,value,maps_to,beta\n{row}\n", encoding="utf-8")
        run = simulate(load_scenario("deepseek", portfolio=path), paths=1000)
        depth = run.results.measures["max_drawdown"][run.entities.index("portfolio")]
        falls[row] = float(sorted(depth)[500])
    by_beta, mapped = falls.values()
    assert abs(by_beta - mapped) < 0.05


def test_every_known_fund_has_a_target_and_a_source(universe: Universe) -> None:
    for fund in known_funds().values():
        assert (fund.maps_to or fund.like) in universe.groups
        assert fund.source
        assert fund.fit
        assert bool(fund.maps_to) != bool(fund.like)


# ---------------------------------------------------------------- anything else

EDITS = st.lists(
    st.tuples(
        st.sampled_from(["cut", "double", "swap", "insert", "replace"]),
        st.integers(0, 10_000),
        st.sampled_from(
            [
                '"',
                ",",
                ";",
                "\n",
                "\t",
                "$",
                "-",
                "(",
                "%",
                "0",
                ".",
                "\0",
                "é",
                "USD",
                "Total",
                "nan",
                "1e9",
                "€",
            ]
        ),
    ),
    min_size=1,
    max_size=6,
)


def mutated(text: str, edits: list[tuple[str, int, str]]) -> str:
    for how, number_, piece in edits:
        at = number_ % (len(text) + 1)
        if how == "cut":
            text = text[:at] + text[at + 1 + number_ % 7 :]
        elif how == "double":
            lines = text.splitlines(keepends=True) or [""]
            row = number_ % len(lines)
            text = "".join([*lines[: row + 1], *lines[row:]])
        elif how == "swap":
            lines = text.splitlines(keepends=True) or [""]
            row = number_ % len(lines)
            text = "".join([*lines[row:], *lines[:row]])
        else:
            text = text[:at] + piece + text[at + (how == "replace") :]
    return text


LONG = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
SHORT_STORY = """\
format_version = 1

[scenario]
name = "held"
title = "A year"
universe = "us-2025-01"
horizon_years = 1.0
steps_per_year = 12
paths = 8
seed = 7
"""


@settings(max_examples=2_000 if LONG else 500, deadline=None)
@given(st.sampled_from(FILES), EDITS)
def test_a_mutated_file_is_read_in_full_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    file: Path,
    edits: list[tuple[str, int, str]],
) -> None:
    text = mutated(file.read_text("utf-8-sig"), edits)
    path = tmp_path_factory.getbasetemp() / "mutated.csv"
    path.write_bytes(text.encode())
    wide = load_universe("us-2025-01")
    try:
        portfolio, _ = read_portfolio(path, wide, RATES)
    except ScenarioError:
        return
    assert sum(one.weight for one in portfolio.holdings) == pytest.approx(1.0)
    # Each ticker that stands at the start of a row or behind its mark is used or named as skipped.
    lines = [line for line in text.splitlines() if line.strip(' ,;\t"')]
    assert len(lines) <= 1 + len(RATES) + _accounted(portfolio, text)


def _accounted(portfolio: Portfolio, text: str) -> int:
    """Lines of the file that holdings or notices account for, at most."""
    skipped = 0
    for notice in portfolio.notices:
        if notice.startswith("skipped"):
            for part in notice.rsplit("line ", 1)[1].split(", "):
                first, _, last = part.partition("-")
                skipped += int(last or first) - int(first) + 1
    added = sum(n.count(" in line ") - 1 for n in portfolio.notices if n.startswith("added up"))
    sections = (
        text.count("Statement,") + text.count("Net Asset Value,") + text.count("Cash Report,")
    )
    quoted = sum(
        len(row) and max(cell.count("\n") for cell in row) for row in csv.reader(io.StringIO(text))
    )
    return len(portfolio.holdings) + added + skipped + sections + quoted


@settings(max_examples=1_000 if LONG else 30, deadline=None)
@given(st.sampled_from(FILES), EDITS)
def test_every_value_of_a_mutated_file_that_is_used_stands_in_the_table_of_holdings(
    tmp_path_factory: pytest.TempPathFactory,
    file: Path,
    edits: list[tuple[str, int, str]],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path, story = folder / "mutated.csv", folder / "held.toml"
    path.write_bytes(mutated(file.read_text("utf-8-sig"), edits).encode())
    story.write_text(SHORT_STORY, encoding="utf-8")
    try:
        scenario = load_scenario(story, portfolio=path, rates=RATES)
    except ScenarioError:
        return
    held = scenario.portfolio
    assert held is not None
    shown = portfolio_table(simulate(scenario))
    assert shown is not None
    assert Counter((row.ticker, row.weight) for row in shown.holdings) == Counter(
        (plain(one.ticker, 40), percent(one.weight, 1)) for one in held.holdings
    )
    assert all(row.modelled_as for row in shown.holdings)
    if held.value is not None:
        assert f"worth ${held.value:,.0f}" in shown.what
