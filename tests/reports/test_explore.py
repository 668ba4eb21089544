"""The explore page without a browser: what is in it, what it refuses, and the report beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from simulator.cli.app import invoke
from simulator.errors import UsageError
from simulator.exploration import discover
from simulator.reports import explore_corners, explore_data, explore_page, run_html
from simulator.reports.explore_data import NAMED, controls, edges, events, fixed
from simulator.reports.run_html import html_report
from simulator.reports.scenario_discovery_text import share_text
from simulator.runs.run import Run
from simulator.runs.runner import simulate
from simulator.runs.verdict import verdict
from simulator.scenario.scenario import load_scenario
from simulator.scenario.typed_values import parse_overrides
from simulator.schema.distributions import Uniform
from simulator.statistics import probability

ELASTICITY = "technology.elasticity"


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate(load_scenario("deepseek"), paths=500)


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return explore_page.explore_page(run)


def data(page: str) -> dict[str, Any]:
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL
    )
    found: dict[str, Any] = json.loads(text)
    return found


def floats(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_the_columns_are_the_paths_as_32_bit_floats(run: Run, page: str) -> None:
    content = data(page)
    for control in content["controls"]:
        drawn = run.inputs[control["key"]].to_numpy(np.float32)
        assert np.array_equal(floats(control["values"]), drawn)
    metrics = run.metrics
    for entity, measures in content["results"].items():
        of_entity = metrics[metrics["entity"] == entity]
        for measure, result in measures.items():
            expected = of_entity[measure].to_numpy(np.float32)
            assert np.array_equal(floats(result["values"]), expected)


def test_the_positions_of_a_control_are_decimals_around_every_draw(run: Run) -> None:
    for control in controls(run):
        assert control.at(0) <= control.values.min() < control.at(1)
        assert control.at(control.count - 1) < control.values.max() <= control.at(control.count)
        assert 40 <= control.count <= 125
        for position in range(control.count + 1):
            assert control.at(position) == float(control.shown(position))


@given(
    ends=st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2).map(sorted),
    between=st.lists(st.floats(0, 1), max_size=5),
)
def test_a_control_spans_whatever_was_drawn(ends: list[float], between: list[float]) -> None:
    low, high = ends
    assume(high - low > 1e-4 * max(abs(low), abs(high), 1e-3))
    drawn = np.array([low, *(low + share * (high - low) for share in between), high], np.float32)
    words = dict.fromkeys(("name", "what", "unit", "moves"), "")
    control = explore_data._control("key", drawn, Uniform(low=-1e7, high=1e7), **words)
    assert control.at(0) <= drawn.min()
    assert control.at(control.count) >= drawn.max()
    assert control.count <= 130
    shown = [control.shown(position) for position in range(control.count + 1)]
    assert len(set(shown)) == len(shown)


def test_the_named_come_first_then_the_strongest_rank_correlations(run: Run) -> None:
    keys = [control.key for control in controls(run)]
    named = ["technology.annual_price_decline", ELASTICITY, "sentiment.hazard_level"]
    assert keys[:3] == named
    metrics = run.metrics
    strength = {
        key: max(
            abs(spearmanr(drawn, metrics[metrics["entity"] == group]["max_drawdown"]).statistic)
            for group in run.scenario.universe.groups
        )
        for key, drawn in run.inputs.items()
        if key not in named
    }
    assert keys[3:] == sorted(strength, key=lambda key: -strength[str(key)])[:5]


def test_a_named_assumption_that_is_fixed_is_shown_with_what_makes_it_vary(run: Run) -> None:
    changes = {ELASTICITY: 1.1, "sentiment.hazard_level": 0.04}
    few = simulate(load_scenario("deepseek", changes), paths=8)
    rows = fixed(few)
    assert [(row.key, row.value) for row in rows] == [
        (ELASTICITY, "1.1"),
        ("concentration.mag7_share_of_gains", "0.531"),
    ]
    for row in rows:
        (typed,) = re.findall(r"^--set '(.*)'$", row.remedy)
        again = load_scenario("deepseek", parse_overrides([typed], print))
        assert row.key in again.uncertain()
        assert NAMED[row.key] in unescape(explore_page.explore_page(few))
    assert fixed(run) == []


def test_the_histogram_has_every_future(run: Run) -> None:
    for measure in explore_data.MEASURES:
        values = run.metrics[measure].to_numpy()
        bins = edges(values, measure)
        assert bins[0] <= values.min()
        beyond = float((values > bins[-1]).mean())
        assert beyond <= (0.01 if measure == "terminal_return" else 0.0)
        assert 4 <= len(bins) - 1 <= 50


def test_the_events_are_those_of_the_report(run: Run) -> None:
    """The dot-com crash and the official scenarios, with the depths that the report compares with."""
    document = run.document()
    dotcom = document["baselines"]["dotcom"]["sp500"]["max_drawdown"]
    assert dotcom in [event["at"] for event in events(run, "sp500", "max_drawdown")]
    for row in document["official"].values():
        levels = [event["at"] for event in events(run, row["entity"], row["measure"])]
        assert row["fall"] in levels
    ends = events(run, "sp500", "terminal_return")
    assert [event["at"] for event in ends if event.get("below")] == [0.0, -0.3, -0.5]
    assert [event["at"] for event in ends if not event.get("below")] == [1.0]


def test_the_sentence_of_all_futures_is_the_verdict_of_the_run(run: Run) -> None:
    words = explore_data.falls(run)
    assert run.verdict.endswith(words["sp500"]["words"])
    assert words["mag7"]["words"].startswith("the Magnificent Seven fall at least 77")
    assert "as the NASDAQ Composite did after 2000" in words["mag7"]["words"]


def test_a_policy_with_a_hash_for_each_script_and_nothing_else(page: str) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in unescape(policy).split(";"))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [hashlib.sha256(script.encode()).digest() for script in scripts]
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [
        f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes
    ]
    assert len(scripts) == 2
    assert page.count("<script") == 3, "the third holds data, which does not run"


def test_hostile_text_ends_no_script(run: Run) -> None:
    hostile = "</script><script>alert(1)</script>\u2028<!--"
    titles = dict.fromkeys(run.scenario.universe.groups, hostile)
    universe = replace(run.scenario.universe, group_titles=titles)
    clothed = replace(run, scenario=replace(run.scenario, title=hostile, universe=universe))
    page = explore_page.explore_page(clothed)
    assert page.count("<script") == 3
    assert "\u2028" not in page
    assert "<!--" not in page
    assert data(page)["names"]["sp500"] == hostile.replace("\u2028", "?")


def test_more_paths_than_a_page_holds_are_cut_and_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore_data, "MOST_PATHS", 300)
    page = explore_page.explore_page(run)
    content = data(page)
    assert "This page holds the first 300 of 500 paths." in page
    assert content["paths"] == 300
    assert len(floats(content["controls"][0]["values"])) == 300


def test_the_same_run_gives_the_same_bytes(run: Run, page: str) -> None:
    assert explore_page.explore_page(run) == page


def test_a_run_without_a_choice_is_refused_with_a_remedy() -> None:
    with pytest.raises(UsageError, match=r"--set 'technology.elasticity=\{ dist = \"uniform\""):
        explore_page.explore_page(simulate(load_scenario("calm"), paths=8))
    exact = simulate(load_scenario("deepseek"), paths=1, shocks="zero")
    with pytest.raises(UsageError, match="one path without noise"):
        explore_page.explore_page(exact)


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(explore_page, "find_spec", lambda _name: None)
    monkeypatch.chdir(tmp_path)
    assert invoke(["explore", "deepseek"]) == 2
    assert "pip install 'crashsim[explore]'" in capsys.readouterr().err
    assert not (tmp_path / "results").exists(), "nothing was simulated in vain"


def test_the_report_links_to_the_page_only_where_it_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_html, "pictures", lambda *_: {})  # they take seconds
    folder, report = tmp_path / "run", tmp_path / "run" / "report.html"
    before = html_report(run)
    run.save(folder, extras={"report.html": before.encode()})
    assert "explore.html" not in before
    assert "crashsim explore ." in before
    assert invoke(["explore", "run"]) == 0
    assert capsys.readouterr().out.strip() == "run/explore.html"
    after = report.read_text()
    assert 'href="explore.html"' in after
    assert "<script" not in after
    assert invoke(["report", "run"]) == 0
    assert report.read_text() == after
    assert invoke(["show", "run"]) == 0, "the folder is still sealed"
    assert invoke(["report", "run", "-o", "elsewhere.html"]) == 0
    assert (tmp_path / "elsewhere.html").read_text() == before


def test_a_page_elsewhere_has_a_command_that_finds_the_scenario(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run.save(tmp_path / "run")
    assert invoke(["explore", "run", "-o", "page.html"]) == 0
    words = data((tmp_path / "page.html").read_text())["command"]["words"]
    assert words[:3] == ["crashsim", "run", "run/scenario.toml"]
    assert not (tmp_path / "run" / "explore.html").exists()


def test_the_corners_of_an_event_are_on_the_page(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run.save(tmp_path / "run")
    event = "sp500.loss_from_start >= 0.30"
    assert invoke(["explore", "run", "--event", event]) == 0
    page = unescape((tmp_path / "run" / "explore.html").read_text())
    assert f"<h3>{event}: " in page
    corners = discover(run, event)
    assert len(re.findall(r'<li><a href="#', page)) == len(corners.boxes)
    assert invoke(["explore", "run", "--event", "sp500.nothing >= 0.30"]) == 2


def test_usual_events_have_their_corners_or_the_reason_why_not(
    run: Run, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = unescape(page)
    depth = run.crashes("sp500")[0].depth
    for event in ("sp500.loss_from_start >= 0.30", f"sp500.max_drawdown >= {depth:.6f}"):
        for box in discover(run, event).boxes:
            assert f"{share_text(box.density)} of its futures do" in text
    few = simulate(load_scenario("deepseek"), paths=20)
    assert "at least 40 must" in explore_page.explore_page(few)
    monkeypatch.setattr(explore_corners, "find_spec", lambda _name: None)
    without = unescape(explore_page.explore_page(run))
    assert without.count("pip install 'crashsim[discover]'") == 2


def test_a_key_of_a_corner_has_a_control_however_little_it_moves(run: Run) -> None:
    shown = {control.key for control in controls(run)}
    hidden = [key for key in run.results.inputs if key not in shown]
    more = controls(run, hidden)
    assert {control.key for control in more} >= set(hidden)
    assert [control.key for control in more][:3] == [control.key for control in controls(run)][:3]


def test_a_scenario_is_simulated_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = Path(__file__).parents[2] / "scenarios"
    text = (shipped / "deepseek.toml").read_text().replace("paths = 10000", "paths = 64")
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(text)
    shutil.copytree(shipped / "universes", "universes")
    assert invoke(["explore", "mine.toml"]) == 0
    first = capsys.readouterr().out
    (paths,) = tmp_path.glob("results/*/paths.npz")
    before = paths.stat().st_mtime_ns
    assert invoke(["explore", "mine.toml"]) == 0
    assert capsys.readouterr().out == first
    assert paths.stat().st_mtime_ns == before


def test_the_verdict_has_one_set_of_forms(page: str) -> None:
    forms = data(page)["sentences"]
    fall: Any = {"name": "F", "depth": 0.5, "years": 5.0, "after": "then", "closes": "daily"}
    words = "F fall at least 50.0 % from its peak within 5 years, as it did then on daily closes."
    bound = forms["fewer"].format(one_in="1 in 54")
    expected = forms["none"].format(n="200", bound=bound, fall=words)
    assert verdict(probability(0, 200), 200, **fall) == expected
