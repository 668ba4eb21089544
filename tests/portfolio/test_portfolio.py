"""A portfolio: reading holdings, what they are taken for, and the numbers of the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pytest
from cli_runs import CommandLine

from simulator.engine import block_simulation
from simulator.errors import ScenarioError, StoreError
from simulator.portfolio.portfolio import OWN_VOLATILITY, PORTFOLIO, Portfolio, read_portfolio
from simulator.runs.load import load_run
from simulator.runs.portfolio_risk import contributions, portfolio_risk
from simulator.runs.run import Run
from simulator.runs.runner import simulate
from simulator.runs.summary import RISKS, risk
from simulator.scenario.scenario import Scenario, load_scenario
from simulator.statistics.drawdown import max_drawdown
from simulator.statistics.intervals import expected_shortfall
from simulator.statistics.shortfall_shares import shortfall_shares
from simulator.universe.universe import Universe, load_universe

HOLDINGS = """\
ticker,weight,maps_to,sector,beta
NVDA,0.25,,,
VOO,0.40,sp500,,
CRWD,0.10,,,1.3
JPM,0.15,,SPREST,1.1
CASH,0.10,,,
"""

Read: TypeAlias = Callable[[str | bytes], tuple[Portfolio, Universe]]
"""Reads the text of a holdings file."""


@pytest.fixture(scope="module")
def universe() -> Universe:
    return load_universe("us-2025-01")


@pytest.fixture
def read(tmp_path: Path, universe: Universe) -> Read:
    def read(text: str | bytes) -> tuple[Portfolio, Universe]:
        path = tmp_path / "holdings.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_portfolio(path, universe)

    return read


@pytest.fixture(scope="module")
def scenario(story: Path, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    path = tmp_path_factory.mktemp("holdings") / "holdings.csv"
    path.write_text(HOLDINGS, encoding="utf-8")
    return load_scenario(story, {"scenario.horizon_years": 1}, path)


@pytest.fixture(scope="module")
def run(scenario: Scenario) -> Run:
    return simulate(scenario, paths=600, keep_levels=True)


# ---------------------------------------------------------------- the file


def test_holdings_are_what_the_file_says(read: Read) -> None:
    portfolio, wide = read(HOLDINGS)
    assert [one.entity for one in portfolio.holdings] == ["NVDA", "sp500", "CRWD", "JPM", ""]
    assert [one.weight for one in portfolio.holdings] == pytest.approx([0.25, 0.4, 0.1, 0.15, 0.1])
    assert (portfolio.value, portfolio.notices) == (None, ())
    assert wide.groups[-1] == PORTFOLIO
    assert wide.tickers[-2:] == ("CRWD", "JPM")
    start = wide.membership @ wide.column("market_value") + wide.group_cash
    assert start[-1] == pytest.approx(1.0)
    assert wide.group_cash.tolist() == [0.0] * 6 + [pytest.approx(0.1)]


def test_a_new_firm_is_like_its_sector_but_for_beta_and_noise(
    read: Read, universe: Universe
) -> None:
    _, wide = read(HOLDINGS)
    place = wide.tickers.index("JPM")
    twin = wide.tickers.index("SPREST")
    for figure in ("equity_duration", "core_share", "contagion", "macro_loading", "normal_margin"):
        assert wide.column(figure)[place] == pytest.approx(wide.column(figure)[twin])
    assert wide.column("beta")[place] == 1.1
    assert wide.column("volatility")[place] == OWN_VOLATILITY
    rest = universe.membership[universe.groups.index("rest")] * universe.column("market_value")
    mean = float(rest @ universe.column("equity_duration") / rest.sum())
    assert wide.column("equity_duration")[wide.tickers.index("CRWD")] == pytest.approx(mean)
    assert not wide.membership[:-1, place].any(), "in no index"
    assert np.array_equal(wide.membership[:-1, :-2], universe.membership)


@pytest.mark.parametrize(
    ("text", "value", "weights"),
    [
        ("ticker,value\nNVDA,750000\nAAPL,250000\n", 1e6, [0.75, 0.25]),
        ("Ticker ; Weight\nnvda ; 75\naapl ; 25\n", None, [0.75, 0.25]),
        ("\ufeffticker\tweight\r\nNVDA\t.75\r\n\r\nAAPL\t.25\r\n", None, [0.75, 0.25]),
        ('ticker,weight\n"NVDA","0.75"\n"AAPL",0.25,\n', None, [0.75, 0.25]),
    ],
)
def test_ways_to_write_it(read: Read, text: str, value: float | None, weights: list[float]) -> None:
    portfolio, _ = read(text)
    assert [one.ticker for one in portfolio.holdings] == ["NVDA", "AAPL"]
    assert portfolio.value == value
    assert [one.weight for one in portfolio.holdings] == pytest.approx(weights)


def test_what_was_done_to_the_file_is_said(read: Read) -> None:
    text = "ticker,weight,price,beta\nNVDA,33.3,1,1.5\nAAPL,33.3,2,\nMSFT,33.3,3,\n"
    portfolio, _ = read(text)
    assert sum(one.weight for one in portfolio.holdings) == pytest.approx(1.0)
    assert portfolio.notices == (
        "columns that are not read: price",
        "weights add up to 100: read as percents",
        "weights add up to 99.9: scaled to 100",
        "NVDA is in the universe: its own figures hold, not the file's",
    )


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 0, "empty"),
        ("ticker,weight\n", 1, "no holding"),
        ("ticker\nNVDA\n", 1, "neither weight nor value"),
        ("tickr,weight\nNVDA,1\n", 1, "did you mean `ticker`"),
        ("ticker,weight,betta\nNVDA,1,2\n", 1, "did you mean `beta`"),
        ("ticker,weight,weight\nNVDA,1,1\n", 1, "appears twice"),
        ("ticker,weight\nCRWD,1\n", 2, "maps_to (a firm or group), sector, or beta"),
        ("ticker,weight\nGOGL,1\n", 2, "did you mean `GOOGL`"),
        ("ticker,weight,maps_to\nVOO,1,sp50\n", 2, "did you mean `sp500`"),
        ("ticker,weight,sector\nIBM,1,software\n", 2, "neither a firm nor a group"),
        ("ticker,weight,maps_to,beta\nVOO,1,sp500,2\n", 2, "either maps_to"),
        ("ticker,weight,beta\nCASH,1,1\n", 2, "CASH is cash"),
        ("ticker,weight,beta\nIBM,1,50\n", 2, "-1 to 5"),
        ("ticker,weight,beta\nIBM,1,nan\n", 2, "not a number"),
        ("ticker,weight,beta\nIBM INC,1,1\n", 2, "cannot name a firm"),
        ("ticker,weight\nNVDA,2\nAAPL,-1\n", 3, "held short"),
        ("ticker,weight\nNVDA,1\nAAPL,0\n", 3, "leave the row out"),
        ("ticker,weight\nNVDA,1\nAAPL,\n", 3, "AAPL has no weight"),
        ("ticker,weight\nNVDA,\n", 2, "NVDA has no weight"),
        (
            "ticker,weight,beta,kind\nIBM,0.5,1,stock\nIBM,0.5,2,stock\n",
            3,
            "not like it is in line 2",
        ),
        ("ticker,weight\nNVDA,0.5\nAAPL,0.2\n", 0, "add up to 0.7"),
        ("ticker,value\nNVDA,1,234.50\n", 2, "1234.5"),
        ("ticker,value\nNVDA,1e-300\n", 0, "the values add up to 1e-300 USD"),
        ("ticker,value\nCASH,0.009\n", 0, "at least 0.01 USD"),
        ("ticker,weight\nNVDA,$5\n", 2, "not a number"),
        ("ticker,weight\nNVDA,1e999\n", 2, "not a number"),
        ('ticker,weight\n"NVDA,1\n', 2, "quotation mark"),
        ("ticker,weight\n=cmd|x,1\n", 2, "no ticker"),
        ("ticker,weight\n\u202eNVDA,1\n", 2, "no ticker"),
        (b"ticker,weight\n\x81,1\n", 0, "UTF-8"),
        (b"x" * 300_000, 0, "larger than"),
    ],
)
def test_a_file_that_cannot_be_used(read: Read, text: str | bytes, line: int, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    assert caught.value.exit_code == 3
    assert says in str(caught.value)
    assert line in [problem.line for problem in caught.value.problems]
    assert all(one.isprintable() for one in str(caught.value).splitlines())


def test_every_problem_at_once_and_where(read: Read) -> None:
    with pytest.raises(ScenarioError) as caught:
        read("ticker,weight,maps_to\nXYZ,1,\nNVDA,x,\nVOO,1,sp5\n")
    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert places == [(2, 1), (3, 6), (4, 7)]


def test_a_file_that_is_not_there(universe: Universe, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path, "nul\0l"):
        with pytest.raises(ScenarioError, match="cannot be read"):
            read_portfolio(path, universe)


# ---------------------------------------------------------------- the run


def test_the_index_is_the_same_with_and_without(run: Run, story: Path) -> None:
    alone = simulate(load_scenario(story, {"scenario.horizon_years": 1}), paths=600)
    for row, entity in enumerate(alone.entities):
        wide = run.entities.index(entity)
        for name, values in alone.results.measures.items():
            np.testing.assert_allclose(
                run.results.measures[name][wide], values[row], rtol=1e-6, atol=1e-7
            )
        np.testing.assert_allclose(run.results.causes[wide], alone.results.causes[row], atol=1e-6)


def test_a_portfolio_is_the_sum_of_what_was_bought(run: Run) -> None:
    assert run.scenario.portfolio is not None
    levels, place = run.levels, run.entities.index
    worth = np.zeros(levels.shape[1:])
    for one in run.scenario.portfolio.holdings:
        path = levels[place(one.entity)] if one.entity else np.ones_like(worth)
        worth += one.weight * path / path[0]
    np.testing.assert_allclose(levels[place(PORTFOLIO)], worth, rtol=1e-6)
    measures = run.results.measures
    depth = [max_drawdown(path) for path in worth.T]
    np.testing.assert_allclose(measures["max_drawdown"][place(PORTFOLIO)], depth, atol=1e-6)
    after = worth[-1] / worth[0] - 1  # the horizon is a year
    np.testing.assert_allclose(measures["return_1y"][place(PORTFOLIO)], after, atol=1e-6)
    np.testing.assert_allclose(measures["terminal_return"][place(PORTFOLIO)], after, atol=1e-6)


def test_causes_add_up_beside_cash(run: Run) -> None:
    row = run.entities.index(PORTFOLIO)
    fall = np.log1p(-np.asarray(run.results.measures["max_drawdown"][row], np.float64))
    np.testing.assert_allclose(run.results.causes[row].sum(axis=0), fall, atol=2e-5)


def test_causes_beside_cash_are_exact_in_64_bits(run: Run) -> None:
    row = run.entities.index(PORTFOLIO)
    block = block_simulation.run_block(run.scenario, 1, 0, precision=np.float64)
    fall = np.log1p(-np.asarray(block.measures["max_drawdown"][row], np.float64))
    np.testing.assert_allclose(block.causes[row].sum(axis=0), fall, atol=1e-12)


def test_a_portfolio_of_the_index_is_the_index_and_cash_dilutes_it(
    story: Path, tmp_path: Path
) -> None:
    path = tmp_path / "fund.csv"
    path.write_text("ticker,value\nSP500,60\nCASH,40\n", encoding="utf-8")
    run = simulate(load_scenario(story, portfolio=path), paths=200)
    mine, index = run.entities.index(PORTFOLIO), run.entities.index("sp500")
    returns = run.results.measures["terminal_return"]
    np.testing.assert_allclose(returns[mine], 0.6 * returns[index], atol=1e-6)
    path.write_text("ticker,value\nSP500,60\n", encoding="utf-8")
    run = simulate(load_scenario(story, portfolio=path), paths=200)
    falls = run.results.measures["max_drawdown"]
    np.testing.assert_allclose(falls[mine], falls[index], atol=1e-6)
    path.write_text("ticker,value\nCASH,5\n", encoding="utf-8")
    run = simulate(load_scenario(story, portfolio=path), paths=200)
    assert not run.results.measures["max_drawdown"][mine].any()
    assert not run.results.causes[mine].any()


def test_first_year_and_horizon_differ_where_the_run_is_longer(story: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("ticker,weight\nNVDA,1\n", encoding="utf-8")
    scenario = load_scenario(story, {"scenario.horizon_years": 1.5}, path)
    run = simulate(scenario, paths=64, keep_levels=True)
    for row in range(len(run.entities)):
        path_ = run.levels[row]
        year = run.results.measures["return_1y"][row]
        np.testing.assert_allclose(year, path_[52] / path_[0] - 1, atol=1e-6)
        end = run.results.measures["terminal_return"][row]
        np.testing.assert_allclose(end, path_[78] / path_[0] - 1, atol=1e-6)


def test_the_digest_knows_the_holdings(scenario: Scenario, story: Path, tmp_path: Path) -> None:
    year = {"scenario.horizon_years": 1}
    digests = {load_scenario(story, year).digest, scenario.digest}
    for text in (HOLDINGS.replace("0.25", "0.24"), HOLDINGS.replace("1.3", "1.4")):
        path = tmp_path / "other.csv"
        path.write_text(text.replace("CASH,0.10", "CASH,0.11") if "0.24" in text else text)
        digests.add(load_scenario(story, year, path).digest)
    assert len(digests) == 4
    path.write_text(HOLDINGS + "\n", encoding="utf-8")
    assert load_scenario(story, year, path).digest == scenario.digest


def test_a_stored_run_keeps_its_holdings(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    run.save(folder)
    loaded = load_run(folder)
    assert loaded.scenario.portfolio == run.scenario.portfolio
    assert loaded.digest == run.digest
    assert loaded.document() == run.document()
    assert (folder / "portfolio.csv").read_text("utf-8") == HOLDINGS
    table = pd.read_csv(folder / "portfolio-risk.csv")
    assert len(table) == 2 * len(RISKS)
    pd.testing.assert_frame_equal(table, portfolio_risk(run.scenario, run.results))
    parts = pd.read_csv(folder / "portfolio-contributions.csv")
    assert parts.groupby("to")["loss"].sum()["es_95_1y"] == pytest.approx(
        risk(run.results, PORTFOLIO)["es_95_1y"].value, abs=1e-7
    )
    (folder / "portfolio.csv").write_text(HOLDINGS.replace("1.3", "1.4"), encoding="utf-8")
    with pytest.raises(StoreError, match=r"portfolio\.csv has changed"):
        load_run(folder)


# ---------------------------------------------------------------- losses


def test_value_at_risk_and_shortfall_by_hand(run: Run) -> None:
    for entity in (PORTFOLIO, "sp500"):
        row = run.entities.index(entity)
        found = risk(run.results, entity)
        assert tuple(found) == RISKS
        for when, measure in (("1y", "return_1y"), ("horizon", "terminal_return")):
            losses = -np.asarray(run.results.measures[measure][row], np.float64)
            for level in (95, 99):
                var, es = found[f"var_{level}_{when}"], found[f"es_{level}_{when}"]
                assert var.value == pytest.approx(np.quantile(losses, level / 100))
                assert es.value == pytest.approx(expected_shortfall(losses, level / 100).value)
                assert var.low <= var.value <= var.high
                assert es.low <= es.value <= es.high
                assert es.value >= var.value


def test_counts_say_the_same_as_paths(scenario: Scenario) -> None:
    whole = simulate(scenario, paths=3_000)
    part = simulate(scenario, paths=3_000, keep_paths=100)
    for name, one in risk(whole.results, PORTFOLIO).items():
        other = risk(part.results, PORTFOLIO)[name]
        assert other.value == pytest.approx(one.value, abs=0.003)
        assert other.mc_error == pytest.approx(one.mc_error, rel=0.15)


def test_contributions_add_up_to_the_shortfall(run: Run) -> None:
    for level in (95, 99):
        for when in ("1y", "horizon"):
            table = contributions(run.scenario, run.results, level, when)
            assert list(table["loss"]) == sorted(table["loss"], reverse=True)
            whole = risk(run.results, PORTFOLIO)[f"es_{level}_{when}"].value
            assert table["loss"].sum() == pytest.approx(whole, abs=1e-6)
            assert table.set_index("ticker").loc["CASH", "loss"] == 0.0
    alone = replace(run.scenario, portfolio=None)
    assert contributions(alone, run.results).empty


def test_errors_of_contributions_are_right() -> None:
    """Their size, over samples drawn again; a share of a tail has no formula to compare with."""
    random = np.random.default_rng(5)
    values, errors = [], []
    for _ in range(300):
        common = random.standard_t(5, 2_000)
        parts = np.stack([common + random.standard_normal(2_000), 0.5 * common, np.zeros(2_000)])
        found = shortfall_shares(parts, 0.95)
        values.append([one.value for one in found])
        errors.append([one.mc_error for one in found])
    spread, told = np.std(values, axis=0), np.mean(errors, axis=0)
    assert spread[:2] == pytest.approx(told[:2], rel=0.15)
    assert spread[2] == told[2] == 0.0


def test_one_path_has_no_error(scenario: Scenario) -> None:
    one = simulate(scenario, shocks="zero")
    assert contributions(one.scenario, one.results)["mc_error"].map(np.isinf).all()
    assert json.loads(json.dumps(one.document(), allow_nan=False))["portfolio"]["value_usd"] is None


# ---------------------------------------------------------------- the command


def test_the_command_says_what_the_holdings_lose(
    crashsim: CommandLine, story: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("ticker,value,price\nNVDA,75000,1\nXYZ,25000,2\n", encoding="utf-8")
    options = ("--portfolio", path, "-o", tmp_path / "out", "--workers", 1)
    code, out, err = crashsim("run", story, *options)
    assert code == 3
    assert "mine.csv:3:1" in err
    path.write_text("ticker,value,price,maps_to\nNVDA,75000,1,\nXYZ,25000,2,sp500\n")
    code, out, err = crashsim("run", story, *options, "--full")
    assert code == 0
    assert "PORTFOLIO, 2 holdings worth $100,000, bought and held" in out
    assert "ES 95% after 0.5 years, by holding: NVDA -" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, err = crashsim("run", story, *options, "--json")
    document = json.loads(out)["portfolio"]
    assert document["value_usd"] == 100_000
    assert document["holdings"][1]["entity"] == "sp500"
    assert set(document["risk"]) == {PORTFOLIO, "sp500"}


def test_a_threshold_may_be_on_the_portfolio(
    crashsim: CommandLine, story: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("ticker,weight\nNVDA,1\n", encoding="utf-8")
    rule = "P(portfolio.max_drawdown >= 0.01) < 0.5"
    options = ("--threshold", rule, "-o", tmp_path / "out", "--workers", 1)
    code, out, err = crashsim("run", story, *options)
    assert code == 3
    assert "--portfolio holdings.csv" in err
    code, out, err = crashsim("run", story, *options, "--portfolio", path)
    assert code == 99
    assert f"FAIL threshold 1: {rule}, it is " in " ".join(out.split())
    code, out, err = crashsim("show", next((tmp_path / "out").iterdir()))
    assert code == 0
    assert f"FAIL threshold 1: {rule}, it is " in " ".join(out.split())
