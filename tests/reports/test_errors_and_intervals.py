"""One meaning everywhere: ± is one Monte Carlo standard error, brackets hold a 95 % interval."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from summary_text import terminal_summary
from synthetic_run import synthetic_run

from simulator import Run, load_scenario, simulate
from simulator.plots import picture
from simulator.reports import portfolio_tables, run_tables
from simulator.reports.run_html import html_report
from simulator.statistics.formatting import format_interval

HOLDINGS = "ticker,weight\nNVDA,0.6\nMSFT,0.3\nCASH,0.1\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("errors"), paths=600)


def held(folder: Path, paths: int) -> Run:
    file = folder / "holdings.csv"
    file.write_text(HOLDINGS, encoding="utf-8")
    return simulate(load_scenario("deepseek", portfolio=file), paths=paths, workers=1)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_an_error_is_one_standard_error_of_the_mean(run: Run) -> None:
    """Against numpy: not a half-width, which would be twice as wide."""
    for row, entity in zip(run_tables.falls(run), run.entities, strict=True):
        depth = run.results.measures["max_drawdown"][run.entities.index(entity)]
        standard_error = 100 * float(np.std(depth, ddof=1)) / np.sqrt(run.paths)
        shown = float(row.cells[-1][1].removeprefix("±"))
        assert shown == pytest.approx(standard_error, rel=0.34)  # one digit


def test_an_error_of_a_quantile_is_one_standard_error(run: Run) -> None:
    """Against a bootstrap."""
    depth = np.asarray(run.results.measures["max_drawdown"][0], float)
    draw = np.random.default_rng(2)
    medians = np.median(draw.choice(depth, (2_000, depth.size)), axis=1)
    shown = float(run_tables.falls(run)[0].cells[0][1].removeprefix("±"))
    assert shown == pytest.approx(100 * medians.std(), rel=0.45)


def test_every_place_that_shows_an_error_says_what_it_is(run: Run) -> None:
    for text in (terminal_summary(run, full=True), text_of(html_report(run))):
        assert text.index("Monte Carlo standard error") < re.search(r"±\d", text).start()  # type: ignore[union-attr]
        assert not re.search(r"MC error|Monte Carlo error", text)


@pytest.mark.parametrize("years", [1, 2, 5])
def test_a_number_printed_twice_has_one_interval(run: Run, years: int) -> None:
    _, rows = picture("recovery", run).shown()
    beside = {float(row[0]): row[1] for row in rows if "S&P" not in row[1]}
    of = run.estimates()["sp500"][f"recovered_{years}y"]
    if float(years) in beside:
        assert beside[float(years)] == format_interval(of)
    else:
        assert years != 5
    chance = format_interval(run.estimates()["sp500"]["reach_dotcom"])
    ends = chance.split("(")[1].rstrip(")")
    assert f"({ends} %)" in run.verdict
    assert chance in text_of(html_report(run))
    assert chance.replace(" %", "%") in terminal_summary(run, full=True)


def test_the_headline_of_a_figure_and_its_table_have_one_interval(run: Run) -> None:
    of = picture("uncertainty", run)
    assert of.shown()[1][0][1] in of.headline


def test_quantiles_beyond_the_paths_are_unknown_and_said_to_be(tmp_path: Path) -> None:
    few = held(tmp_path, 20)
    row = run_tables.falls(few)[0]
    assert [cell[0] == "?" for cell in row.cells] == [False, False, False, False, True, False]
    dollars = [cell[0] == "?" for cell in run_tables.losses(few, ["sp500"])[0].cells]
    assert dollars == [False, False, True], (
        "no more than today's value can go, but 1 in 100 is unknown"
    )
    table = portfolio_tables.portfolio(few)
    assert table is not None
    assert [cell[0] == "?" for cell in table.rows[0].cells] == [False, False, True, True]
    assert terminal_summary(few, full=True).count("?: too few paths") == 4
    page = text_of(html_report(few))
    assert page.count("“?”: too few paths to know") == 2
    enough = held(tmp_path, 500)
    assert "too few paths" not in terminal_summary(enough, full=True) + text_of(html_report(enough))


def test_a_run_without_noise_has_no_errors_and_no_intervals() -> None:
    exact = simulate(load_scenario("deepseek"), paths=1, shocks="zero")
    text = terminal_summary(exact, full=True)
    assert "±" not in text
    assert "?" not in text
    assert "interval" not in text
    assert "1 path x" in text
    depth = float(exact.results.measures["max_drawdown"][exact.entities.index("NVDA"), 0])
    line = next(line for line in text.splitlines() if line.startswith(" NVDA"))
    assert line.split()[2:] == [f"-{100 * depth:.1f}"] * 6
