"""What `crashsim run` prints without --full: 40 lines, both tails, each number that of the report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from summary_text import terminal_summary
from synthetic_run import synthetic_run

from simulator.reports import run_tables
from simulator.reports.run_text import summary_lines
from simulator.runs import simulate
from simulator.runs.run import Run
from simulator.runs.story import can_be_split, contributions, other_worlds
from simulator.scenario import load_scenario
from simulator.shipped import shipped_scenarios

MOST = 40
PATHS = 100
"""The fewest of which the story's part is known."""


def with_story(run: Run) -> Run:
    return (
        replace(run, contributions=contributions(run, other_worlds(run)))
        if can_be_split(run)
        else run
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("short"), paths=600)


@pytest.mark.parametrize("name", sorted(file.stem for file in shipped_scenarios().glob("*.toml")))
def test_a_shipped_scenario_fits_forty_lines(name: str) -> None:
    run = with_story(simulate(load_scenario(name), paths=PATHS))
    for width in (80, 100):
        lines = summary_lines(run, f"results/{name}-0123456789ab", width)
        assert len(lines) <= MOST
        assert max(len(line.text) for line in lines) <= 80


def test_a_portfolio_with_thresholds_fits_forty_lines(tmp_path: Path) -> None:
    file = tmp_path / "holdings.csv"
    file.write_text("ticker,value\nNVDA,60000\nMSFT,40000\nsp500,50000\n", encoding="utf-8")
    rules = {f"thresholds.t{n}": f"P(portfolio.max_drawdown >= 0.{n}) < 0.01" for n in range(1, 9)}
    run = with_story(simulate(load_scenario("glut", rules, file), paths=PATHS))
    text = terminal_summary(run, "results/glut-0123456789ab")
    assert len(text.splitlines()) <= MOST
    assert "THRESHOLDS: 0 of 8 hold; FAIL: t1" in text
    assert text.count("\n Portfolio") == 2, "in both tables"


def test_at_sixty_columns_every_line_fits_and_says_what_is_missing(run: Run) -> None:
    for full in (False, True):
        lines = [line.text for line in summary_lines(run, "results/x", 60, full=full)]
        assert max(map(len, lines)) <= 60
        assert "tables have more columns on a screen of 80" in lines


def test_both_tails_are_those_of_the_paths(run: Run) -> None:
    """Against numpy's quantiles of the paths."""
    for entity, row in zip(
        ("sp500", "nasdaq"), run_tables.overview(run, ("sp500", "nasdaq")), strict=True
    ):
        place = run.entities.index(entity)
        fall = -np.asarray(run.results.measures["max_drawdown"][place], float)
        end = np.asarray(run.results.measures["terminal_return"][place], float)
        reach = run.crashes(entity)[0].depth
        expected = [
            *np.quantile(fall, (0.5, 0.05)),
            np.mean(-fall >= reach),
            *np.quantile(end, (0.05, 0.5, 0.95)),
        ]
        for (value, error), right in zip(row.cells, expected, strict=True):
            shown = float(value.replace("−", "-").removesuffix(" %"))
            assert abs(shown - 100 * right) <= max(1.0, 1.5 * float(error.removeprefix("±") or 0))


def test_what_is_left_out_is_there_in_full(run: Run) -> None:
    short, full = (terminal_summary(run, full=full) for full in (False, True))
    for head in ("CAUSES OF", "REAL CRASH", "USD BELOW TODAY'S VALUE", "LARGEST FALL (MAX"):
        assert head not in short
        assert head in full
    assert "--full" in short
    assert "--full" not in full
