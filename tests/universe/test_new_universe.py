"""A universe of another date: the figures of the CSV, all others as they were, nothing silently old."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from cli_runs import CommandLine
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import ScenarioError, UsageError
from simulator.universe.figures_csv import read_figures
from simulator.universe.new_universe import NewUniverse, new_universe
from simulator.universe.universe import load_universe

DAY = date(2026, 6, 30)
BASE = load_universe("us-2025-01")
CAPS = """\
ticker,market_value,revenue,operating_margin,source,date
NVDA,4300,215.5,61%,invented,2026-06-29
msft,"3,700.50",,,invented,
sp500,60000,,,a total,
nasdaq,38000,,,another total,
"""


def made(folder: Path, caps: str, base: str = "us-2025-01") -> NewUniverse:
    path = folder / "caps.csv"
    path.write_text(caps, encoding="utf-8")
    return new_universe("mine", load_universe(base), path, DAY, folder / "universes")


def test_the_figures_of_the_file_are_in_the_new_universe_and_no_others_change(
    tmp_path: Path,
) -> None:
    new = made(tmp_path, CAPS)
    assert (new.universe.name, new.universe.as_of) == ("mine", DAY)
    changed = {
        (old.ticker, figure): getattr(firm, figure)
        for old, firm in zip(BASE.firms, new.universe.firms, strict=True)
        for figure in type(firm).model_fields
        if figure != "sources" and getattr(old, figure) != getattr(firm, figure)
    }
    rest = {ticker: changed.pop((ticker, "market_value")) for ticker in ("SPREST", "NQREST")}
    assert changed == {
        ("NVDA", "market_value"): 4300.0,
        ("NVDA", "revenue"): 215.5,
        ("NVDA", "operating_margin"): 0.61,
        ("MSFT", "market_value"): 3700.5,
    }
    # by hand: NASDAQ's rest fills its total, the S&P's rest then fills the other
    values = {firm.ticker: firm for firm in new.universe.firms}
    named = [firm for firm in values.values() if firm.kind != "aggregate"]
    nasdaq = sum(firm.market_value * firm.membership.get("nasdaq", 0.0) for firm in named)
    sp500 = sum(firm.market_value * firm.membership.get("sp500", 0.0) for firm in named)
    assert rest["NQREST"] == pytest.approx(38000 - nasdaq, rel=1e-9)
    assert rest["SPREST"] == pytest.approx(60000 - sp500 - 0.6 * rest["NQREST"], rel=1e-9)
    assert new.universe.source("NVDA", "revenue").date == "2026-06-29"
    assert new.universe.source("MSFT", "market_value").source == "invented"


def test_what_belongs_to_the_old_date_is_named(tmp_path: Path) -> None:
    new = made(tmp_path, CAPS)
    assert new.solved == ("SPREST", "NQREST")
    assert set(new.kept) == set(BASE.tickers) - {"NVDA", "MSFT", "SPREST", "NQREST"}
    assert "checks.sp500_total" in new.left_out
    assert "guidance.first_year_capex_growth" in new.left_out
    (prices,) = [
        old.tickers for old in new.older if (old.figure, old.date) == ("market_value", "2025-01-24")
    ]
    assert set(prices) == set(new.kept) - {"OPENAI"}  # its price is of October 2024
    text = new.universe.path.read_text("utf-8")
    assert "# of 2025-01-24: sp500_total" in text
    assert "# Custom AI chips and networking" in text, "comments stay"


@pytest.mark.parametrize("base", ["us-1996-12", "us-1998-12", "us-2000-03", "us-2025-01"])
def test_every_firm_of_every_shipped_universe_can_be_given(tmp_path: Path, base: str) -> None:
    old = load_universe(base)
    rows = "".join(f"{firm.ticker},{firm.market_value * 1.5:.6f},x\n" for firm in old.firms)
    new = made(tmp_path, f"ticker,market_value,source\n{rows}", base)
    assert new.kept == ()
    assert new.universe.column("market_value") == pytest.approx(
        1.5 * old.column("market_value"), rel=1e-6
    )


@pytest.mark.parametrize(
    ("caps", "words"),
    [
        ("ticker,market_value\nNVDX,1\n", "NVDX is not in the universe"),
        ("ticker,market_cap\nNVDA,1\n", "market_cap is not a figure"),
        ("ticker,market_value\nNVDA,-5\n", "outside"),
        ("ticker;market_value\nNVDA;4.300\n", "4.300` can be 4.300 or 4300"),
        ("ticker,market_value\nNVDA,1,000\n", "3 cells"),
        ("ticker,market_value\nNVDA,1\nnvda,2\n", "two rows"),
        ("ticker,market_value\nNVDA,lots\n", "not a number"),
        ("ticker,market_value\nNVDA,\n", "no figure"),
        ("ticker,market_value\nsp500,60000\n", "do not give"),
        ("ticker,market_value\nsp500,900\nnasdaq,800\n", "would have a market value of -"),
        ("ticker,market_value,revenue\nsp500,9,9\nnasdaq,9,\n", "is a group"),
        ("ticker,market_value,date\nNVDA,1,June\n", "not a date"),
        ("ticker,market_value,market_value\nNVDA,1,2\n", "two columns"),
        ('ticker,market_value\n"NVDA,1\n', "quotation mark"),
        ("ticker,market_value\n", "no firm"),
        ("", "empty"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    tmp_path: Path, caps: str, words: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        made(tmp_path, caps)
    assert words in str(caught.value)
    assert not list(tmp_path.glob("universes/*"))


def test_columns_go_by_their_usual_names(tmp_path: Path) -> None:
    caps = 'Ticker,Market Cap,Sales,Margin\nNVDA,"4,400.5",216,62%\nAAPL,"3,900",,\n'
    (tmp_path / "caps.csv").write_text(caps, encoding="utf-8")
    figures = read_figures(tmp_path / "caps.csv", BASE, DAY).figures
    nvda = {"market_value": 4400.5, "revenue": 216.0, "operating_margin": 0.62}
    assert figures == {"NVDA": nvda, "AAPL": {"market_value": 3900.0}}


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        made(tmp_path, "ticker,market_value\nNVDX,1\nMSFT,no\nAAPL,-1\n")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4]


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    made(tmp_path, CAPS)
    before = (tmp_path / "universes" / "mine.toml").read_bytes()
    with pytest.raises(UsageError, match="exists"):
        made(tmp_path, "ticker,market_value\nNVDA,1\n")
    assert (tmp_path / "universes" / "mine.toml").read_bytes() == before


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("caps") / "caps.csv"
    path.write_bytes(raw)
    try:
        read = read_figures(path, BASE, DAY)
    except ScenarioError:
        return
    assert read.figures


def test_check_and_report_say_what_is_dated_otherwise(
    tmp_path: Path, crashsim: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("caps.csv").write_text(CAPS, encoding="utf-8")
    code, out, err = crashsim(
        "universe", "new", "mine", "--csv", "caps.csv", "--as-of", "2026-06-30"
    )
    assert code == 0, err
    assert "Market value still of 2025-01-24: AVGO" in out
    assert max(map(len, out.splitlines())) <= 80
    crashsim("new", "today", "--from", "deepseek")
    text = (
        Path("today.toml")
        .read_text("utf-8")
        .replace('universe = "us-2025-01"', 'universe = "mine"')
    )
    lines = [line for line in text.splitlines() if not line.startswith("as_of")]
    Path("today.toml").write_text("\n".join(lines), encoding="utf-8")
    code, out, err = crashsim("check", "today.toml", "--json")
    assert code == 0, err
    old = json.loads(out)["priced_in_otherwise"]
    assert old["technology.consensus.autonomous_growth"] == "2025-01-24"
    assert old["concentration.mag7_share_of_gains"] == "2024-12"
    code, _, err = crashsim("run", "today.toml", "-n", "16", "--set", "scenario.horizon_years=0.5")
    assert code == 0, err
    (report,) = Path("results").glob("*/report.html")
    page = report.read_text("utf-8")
    assert "dated more than a quarter from 2026-06-30" in page
    assert "concentration.mag7_share_of_gains" in page


def test_shipped_scenarios_have_no_priced_in_value_of_another_time() -> None:
    from simulator.scenario import list_scenarios, load_scenario, priced_in_otherwise

    for name in ("deepseek", "calm", "consensus"):
        assert name in list_scenarios()
        assert not priced_in_otherwise(load_scenario(name))
