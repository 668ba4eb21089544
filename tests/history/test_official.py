"""Official scenarios: their figures, what is compared with a run, and how it is said."""

import json
import re
from dataclasses import replace
from datetime import date
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from summary_text import terminal_summary
from synthetic_run import synthetic_run

from simulator.cli.app import invoke
from simulator.history.official import official_scenarios
from simulator.reports.official_tables import beside
from simulator.reports.run_html import html_report
from simulator.runs.run import Run

ROOT = Path(__file__).resolve().parents[2]
FALLS = {
    "fed-2026": 0.58,
    "nbim-2026": 0.53,
    "obr-2025": 0.35,
    "capital-economics-market": 0.30,
    "capital-economics-tech": 0.60,
    "moodys-2026": 0.40,
    "oxford-economics-2025": 0.25,
    "gopinath-2025": None,
    "imf-2026": None,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("official"), paths=500)


def test_the_falls_are_those_of_the_sources() -> None:
    assert {one.name: one.fall for one in official_scenarios()} == FALLS


def test_every_row_has_a_source_of_its_own() -> None:
    text = (ROOT / "simulator/history/data/SOURCES.md").read_text(encoding="utf-8")
    section = text.split("## Official scenarios")[1].split("\n## ")[0]
    for one in official_scenarios():
        assert one.source
        assert one.scope
        assert (
            one.who.split(" (")[0].split(",")[0].replace("International Monetary Fund", "IMF")
            in section
        )
        if one.fall is not None:
            assert f"-{100 * one.fall:.0f} %" in section
        assert (one.fall is None) == (one.entity is None) == (one.measure is None)
        assert (
            "press" in one.source or "reported by" in one.source or "copy" in one.source
        ) == one.press


def test_a_run_counts_the_paths_that_fall_as_far(run: Run) -> None:
    found = run.document()["official"]
    compared = {name: fall for name, fall in FALLS.items() if fall is not None}
    assert set(found) == set(compared)
    for one in official_scenarios():
        if one.fall is None:
            continue
        paths = run.metrics.query("entity == @one.entity")[one.measure].to_numpy()
        of = found[one.name]["reached"]
        assert of["value"] == np.mean(paths >= one.fall)
        assert of["low"] <= of["value"] <= of["high"]


def test_terminal_and_report_say_how_many_futures_reach_each(run: Run) -> None:
    page = " ".join(unescape(re.sub(r"<[^>]+>", " ", html_report(run))).split())
    text = terminal_summary(run, full=True)
    assert max(map(len, text.splitlines())) <= 80
    official = run.document()["official"]
    rows = beside(run)
    assert len(rows) == len(official)
    for row, of in zip(rows, official.values(), strict=True):
        shown = float(row.chance.split(" %")[0])
        assert shown == pytest.approx(100 * of["reached"]["value"], abs=0.51)
        assert f"{row.entity} {row.counts_from} {row.chance}" in page
        assert f"{row.entity} {row.chance.replace(' %', '%')}" in " ".join(text.split())
        assert row.fall == f"−{100 * of['fall']:.0f} %*"
    assert page.count("read through the press") == text.count("read through the press") == 1


def test_a_run_of_another_time_is_not_compared(run: Run) -> None:
    old = replace(run, scenario=replace(run.scenario, as_of=date(2000, 3, 10)))
    assert old.document()["official"] == {}
    assert "AUTHORITIES" not in terminal_summary(old)
    assert "Official scenarios" not in html_report(old)


def test_the_command_lists_them_with_their_marks(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["baseline", "official"]) == 0
    out = capsys.readouterr().out
    for one in official_scenarios():
        assert one.short in out
    assert re.search(r"Fed +2026-02 +-58 %\* +today", out)
    assert re.search(r"IMF +2026-01 +- +-", out)
    assert out.count("not compared with runs") == 2
    assert "* read through the press" in out


def test_the_command_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["baseline", "official", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["official"]
    assert {row["name"]: row["fall"] for row in rows} == FALLS
    assert all(row["read_through_press"] for row in rows)


def test_options_of_crashes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["baseline", "official", "--steps-per-year", "12"]) == 2
    assert "leave --steps-per-year out" in capsys.readouterr().err
