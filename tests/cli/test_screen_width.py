"""Pages fit the screen, and what differs is named after what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import CommandLine

from simulator import load_scenario
from simulator.comparison.scenario_diff import differences


@pytest.mark.parametrize("columns", [60, 80])
def test_a_summary_fits_the_screen(
    crashsim: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = crashsim("show", folder)
    assert code == 0
    lines = [line for line in out.splitlines() if str(folder.parent) not in line]
    assert max(map(len, lines)) <= columns
    index, *_ = (line.split("S&P 500")[1].split() for line in lines if line.startswith(" S&P 500"))
    assert len(index) == {60: 4, 80: 6}[columns]


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_an_assumption_page_and_a_list_fit_the_screen(
    crashsim: CommandLine, results: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for typed in (("check", "deepseek"), ("list", results)):
        code, out, _ = crashsim(*typed)
        assert code == 0
        assert max(map(len, out.splitlines())) <= columns
        assert ("(too narrow for" in out) is (columns == 60)


def test_other_holdings_are_not_another_universe(tmp_path: Path) -> None:
    stories = []
    for name, worth in (("a", 50_000), ("b", 80_000)):
        file = tmp_path / f"{name}.csv"
        file.write_text(f"ticker,value\nNVDA,{worth}\nMSFT,50000\n", encoding="utf-8")
        stories.append(load_scenario("deepseek", portfolio=file))
    assert [found.key for found in differences(stories)] == ["portfolio"]
    without = differences([load_scenario("deepseek"), stories[0]])
    assert [(found.key, found.texts[0]) for found in without] == [("portfolio", "none")]
