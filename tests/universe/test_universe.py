"""Universe files: what ships is sound and sourced, and what is wrong is refused at its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_runs import CommandLine

from simulator.errors import ScenarioError
from simulator.schema.sources import UNSOURCED
from simulator.shipped import shipped_scenarios
from simulator.universe.universe import (
    Universe,
    find_universe,
    load_universe,
    universe_names,
)
from simulator.universe.universe_schema import FIGURES

SMALL = """
format_version = 1
name = "small"
title = "two firms"
as_of = 2025-01-24
bubble_group = "sp500"
[groups]
sp500 = { title = "S&P 500" }
nasdaq = { title = "NASDAQ" }
rest = { title = "Rest" }
own_group = { title = "Mine" }
[checks]
sp500_total = { low = 100, high = 200, source = "sum" }
[sources]
beta = { source = "all", date = 2025-01-01, strength = "C" }
[[firms]]
ticker = "ONE"
name = "One"
kind = "public"
market_value = 100
revenue = 10.0
operating_margin = 0.2
fixed_cost_share = 0.4
core_share = 0.5
chips_share = 0.5
core_growth = 0.05
beta = 1.5
volatility = 0.3
equity_duration = 10
membership = { sp500 = 0.5, nasdaq = 1.0, own_group = 1 }
[firms.sources]
beta = { source = "own", strength = "A" }
[[firms]]
ticker = "TWO"
name = "Two"
kind = "aggregate"
market_value = 80.0
revenue = 20.0
operating_margin = -0.1
normal_margin = 0.1
fixed_cost_share = 0.4
core_share = 1.0
core_growth = 0.05
beta = 0.9
volatility = 0.2
equity_duration = 10.0
membership = { sp500 = 1.0, rest = 1.0 }
""".strip()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "universes" / "small.toml"
    path.parent.mkdir()
    path.write_text(SMALL, encoding="utf-8")
    return path


def shipped() -> list[str]:
    return sorted(path.stem for path in (shipped_scenarios() / "universes").glob("*.toml"))


@pytest.mark.parametrize("name", shipped())
def test_every_figure_of_a_shipped_universe_has_a_source(name: str) -> None:
    universe = load_universe(name)
    figures = (*FIGURES, "membership")
    bare = [
        (firm.ticker, figure)
        for firm in universe.firms
        for figure in figures
        if universe.source(firm.ticker, figure) is UNSOURCED
    ]
    assert not bare
    assert universe.checks


def test_us_2025_01_has_the_firms_of_the_story() -> None:
    universe = load_universe("us-2025-01")
    assert {"NVDA", "AAPL", "MSFT", "AMZN", "GOOGL", "META", "TSLA"} <= set(universe.tickers)
    assert {"AVGO", "ORCL", "SMCI", "NBIS", "OPENAI"} <= set(universe.tickers)
    assert universe.groups[:2] == ("sp500", "mag7")
    value = universe.membership @ universe.column("market_value")
    share = value[universe.groups.index("mag7")] / value[universe.groups.index("sp500")]
    assert 0.32 < share < 0.36
    assert universe.source("NVDA", "chips_share").strength == "A"


def test_columns_and_groups(small: Path) -> None:
    universe = load_universe(small)
    assert universe.entities == ("sp500", "nasdaq", "rest", "own_group", "ONE", "TWO")
    np.testing.assert_array_equal(universe.column("market_value"), [100.0, 80.0])
    np.testing.assert_array_equal(universe.column("normal_margin"), [0.2, 0.1])
    np.testing.assert_array_equal(
        universe.membership, [[0.5, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    )
    assert universe.checks[0].value == pytest.approx(130.0)
    assert universe.source("ONE", "beta").source == "own"
    assert universe.source("TWO", "beta").source == "all"
    assert universe.source("TWO", "beta").date == "2025-01-01"
    assert universe.source("ONE", "volatility") is UNSOURCED
    assert universe.title_of("sp500") == "S&P 500"
    assert universe.title_of("ONE") == "One"
    with pytest.raises(KeyError, match="beta"):
        universe.column("betta")


FAULTS = [
    ("market_value = 100\n", 'market_value = "100"\n', "number"),
    ("market_value = 100\n", "market_value = -1\n", "outside"),
    ("beta = 1.5", "betta = 1.5", "unknown key"),
    ("chips_share = 0.5", "chips_share = 0.4", "add up to 0.9"),
    ('ticker = "TWO"', 'ticker = "ONE"', "twice"),
    ('ticker = "TWO"', 'ticker = "../x"', "1 to 12 capital letters"),
    ('kind = "aggregate"', 'kind = "agregate"', "not known"),
    ("membership = { sp500 = 1.0, rest = 1.0 }", "membership = { sp500 = 1.0, rset = 1 }", "rset"),
    ("membership = { sp500 = 1.0, rest = 1.0 }", "membership = { rest = 1.5 }", "1.5"),
    ("normal_margin = 0.1\n", "\n", "no profit"),
    ('own_group = { title = "Mine" }', 'OWN = { title = "Mine" }', "cannot name a group"),
    ("sp500_total = { low = 100", "sp500_total = { low = 150", "contradict"),
    ("sp500_total =", "sp500_totl =", "unknown check"),
    ('beta = { source = "own"', 'bta = { source = "own"', "not a figure"),
    ('strength = "A" }', 'strength = "E" }', "not known"),
    ('rest = { title = "Rest" }', "", "no group `rest`"),
    ("format_version = 1", "format_version = 2", "format_version"),
    ("nasdaq = 1.0, own_group = 1 }", "nasdaq = 1e-300, own_group = 1 }", "0, or 1e-09 to 1"),
]


# Faults told not at the line that was changed but at the one that makes no sense without it.
ELSEWHERE = {
    "chips_share = 0.5": "core_share = 0.5",
    "normal_margin = 0.1\n": "operating_margin = -0.1",
    'rest = { title = "Rest" }': "membership = { sp500 = 1.0, rest",
}


@pytest.mark.parametrize(("good", "bad", "says"), FAULTS)
def test_a_fault_is_told_with_its_line(small: Path, good: str, bad: str, says: str) -> None:
    assert SMALL.count(good) == 1
    text = SMALL.replace(good, bad)
    small.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_universe(small)
    told = [problem for problem in caught.value.problems if says in str(problem)]
    assert told, str(caught.value)
    line = SMALL[: SMALL.index(ELSEWHERE.get(good, good))].count("\n") + 1
    assert line in {problem.line for problem in told}


def test_names_are_looked_up_beside_the_scenario_first(small: Path) -> None:
    folder = small.parent.parent
    assert find_universe("small", folder) == small
    assert find_universe("small") is None
    own = small.parent / "us-2025-01.toml"
    own.write_text(SMALL.replace('"small"', '"us-2025-01"'), encoding="utf-8")
    assert load_universe("us-2025-01", folder).tickers == ("ONE", "TWO")
    assert "NVDA" in load_universe("us-2025-01").tickers
    assert universe_names(folder) == sorted({"small", *shipped()})


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "CON", "con.toml", "a/b", "", ".", "x" * 65]
)
def test_only_a_name_becomes_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a name"):
        find_universe(name, tmp_path)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ScenarioError, match="us-2025-01"):
        load_universe("us-2025-02")


def test_figures_for_the_digest_hold_every_number(small: Path) -> None:
    before: Universe = load_universe(small)
    for figure in ("beta = 1.5", "volatility = 0.3", "sp500 = 0.5"):
        key, _, value = figure.partition(" = ")
        small.write_text(
            SMALL.replace(figure, f"{key} = {float(value) * 0.99}", 1), encoding="utf-8"
        )
        assert load_universe(small).figures() != before.figures()
    small.write_text("# a comment\n" + SMALL, encoding="utf-8")
    assert load_universe(small).figures() == before.figures()


@pytest.mark.parametrize(
    ("when", "is_old"),
    [
        ("2025-01-01", False),
        ("2024", False),  # it ends three weeks before
        ("2024-10-24", False),  # 92 days
        ("2024-10-23", True),
        ("2024-09", True),
        ("2025-05-01", True),
        ("2004", True),
        ("early 2025", False),
    ],
)
def test_figures_dated_more_than_a_quarter_away_are_named(
    tmp_path: Path, when: str, is_old: bool
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace("date = 2025-01-01", f'date = "{when}"'), encoding="utf-8")
    old = load_universe(path).dated_otherwise()
    assert [(one.figure, one.date, one.tickers) for one in old] == (
        [("beta", when, ("TWO",))] if is_old else []
    )


def test_a_universe_copied_with_a_new_date_names_its_old_prices(
    tmp_path: Path, crashsim: CommandLine
) -> None:
    text = (shipped_scenarios() / "universes" / "us-2025-01.toml").read_text("utf-8")
    folder = tmp_path / "universes"
    folder.mkdir()
    copied = text.replace("as_of = 2025-01-24", "as_of = 2026-06-30").replace(
        'name = "us-2025-01"', 'name = "copied"'
    )
    (folder / "copied.toml").write_text(copied, encoding="utf-8")
    story = (shipped_scenarios() / "deepseek.toml").read_text("utf-8")
    path = tmp_path / "story.toml"
    path.write_text(
        story.replace('"us-2025-01"', '"copied"').replace("as_of = 2025-01-24", ""),
        encoding="utf-8",
    )
    code, out, _ = crashsim("check", path)
    assert code == 0
    assert "DATED MORE THAN A QUARTER FROM 2026-06-30" in out
    assert "2025-01-24: market_value" in out


def test_loadings_on_a_premium_that_its_own_group_has_none_of_are_refused(small: Path) -> None:
    text = SMALL.replace('bubble_group = "sp500"', 'bubble_group = "own_group"')
    small.write_text(text + "\npremium_loading = 0.5\n", encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_universe(small)
    (problem,) = caught.value.problems
    assert problem.key == "firms.0.premium_loading"
    assert "others load on the premium of the bubble group `own_group`" in problem.message
