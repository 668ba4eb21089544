"""The explore page in a real browser: what it says of a choice is what pandas says of it."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import Browser, Look, Page, opened

from simulator.cli import run_answer
from simulator.cli.app import invoke
from simulator.exploration import discover
from simulator.reports.explore_data import Control, controls
from simulator.reports.explore_page import explore_page
from simulator.reports.run_html import EXPLORE_PAGE
from simulator.runs.load import load_run
from simulator.runs.run import Run
from simulator.runs.runner import simulate
from simulator.runs.verdict import verdict
from simulator.scenario.scenario import load_scenario
from simulator.scenario.typed_values import parse_overrides
from simulator.schema.distributions import Normal
from simulator.statistics import probability
from simulator.statistics.formatting import format_error, format_share

pytestmark = pytest.mark.browser

HOLDINGS = Path(__file__).parents[2] / "docs" / "howto" / "holdings.csv"
SCRIPTS = Path(__file__).parents[2] / "simulator" / "reports" / "templates" / "explore"
HOSTILE = "</script><script>document.title = 'run'</script>\u2028<img src=//e.example/x>"
LOOKS = [Look(width, scheme) for width in (375, 1280) for scheme in ("light", "dark")]
WIDE = LOOKS[2]


@pytest.fixture(scope="module")
def once() -> Run:
    return simulate(load_scenario("deepseek", portfolio=HOLDINGS), paths=2_000)


@pytest.fixture(scope="module")
def run(once: Run) -> Run:
    """20,000 paths: each ten times."""
    results = once.results
    many = replace(
        results,
        n=20_000,
        causes=np.tile(results.causes, 10),
        measures={name: np.tile(values, 10) for name, values in results.measures.items()},
        inputs={key: np.tile(drawn, 10) for key, drawn in results.inputs.items()},
    )
    return replace(once, results=many)


@pytest.fixture(scope="module")
def ranges(run: Run) -> dict[str, Control]:
    return {control.key.rpartition(".")[2]: control for control in controls(run)}


@pytest.fixture(scope="module")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("explore") / EXPLORE_PAGE
    target.write_text(explore_page(run), encoding="utf-8")
    return target


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    with opened(browser, file, WIDE) as found:
        until_ready(found)
        yield found


def until_ready(page: Page) -> float:
    """Milliseconds from the start of the page until it could be used."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if ready := page.ask("document.documentElement.dataset.ready"):
            return float(ready)
        time.sleep(0.02)
    raise AssertionError("the page did not get ready")


def settled(page: Page) -> None:
    """Wait until what was done is drawn."""
    frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    page.ask(f"{frame}.then(() => new Promise(done => setTimeout(done, 20)))")


def text(page: Page, selector: str) -> str:
    found = str(page.ask(f"document.querySelector({json.dumps(selector)}).textContent"))
    return found.replace("\xa0", " ").strip()


def move(page: Page, place: int, low: int | None = None, high: int | None = None) -> None:
    """Move the ends of a range control, as a pointer or a key would."""
    for end, value in enumerate((low, high)):
        if value is not None:
            control = f"document.querySelectorAll('[data-control=\"{place}\"] input')[{end}]"
            page.ask(f"{control}.value = {value}; {control}.dispatchEvent(new Event('input'))")
    settled(page)


def pick(page: Page, of: str, value: str) -> None:
    select = f"document.getElementById('{of}')"
    page.ask(f"{select}.value = '{value}'; {select}.dispatchEvent(new Event('change'))")
    time.sleep(0.3)
    settled(page)


def press(page: Page, key: str, code: int, typed: str = "") -> None:
    for kind in ("keyDown" if typed else "rawKeyDown", "keyUp"):
        page.browser.call(
            "Input.dispatchKeyEvent",
            page.session,
            type=kind,
            key=key,
            code=key,
            text=typed,
            windowsVirtualKeyCode=code,
        )


def chosen(run: Run, limits: dict[Control, tuple[int, int]]) -> pd.Series[bool]:
    """The same choice by pandas, on the drawn values as 32-bit floats."""
    keep = pd.Series(data=True, index=run.inputs.index)
    for control, (low, high) in limits.items():
        drawn = run.inputs[control.key].astype(np.float32).astype(float)
        keep &= drawn.between(float(control.shown(low)), float(control.shown(high)))
    return keep


def measured(run: Run, entity: str, measure: str) -> pd.Series[float]:
    metrics = run.metrics
    rows = metrics[metrics["entity"] == entity].set_index("path")
    found: pd.Series[float] = rows[measure]
    return found


def cell(hits: int, n: int) -> str:
    of = probability(hits, n)
    return f"{format_share(of)} {format_error(of)}".strip()


def table(page: Page) -> list[list[str]]:
    rows = "[...document.querySelectorAll('#events tr')]"
    found: list[list[str]] = page.ask(f"{rows}.map(row => [...row.cells].map(c => c.innerText))")
    return [[part.replace("\xa0", " ").strip() for part in row] for row in found]


def bars(page: Page, which: str) -> list[float]:
    """Heights of the drawn bars, as they say of themselves."""
    labels = page.ask(
        "[...document.querySelectorAll('#histogram [aria-label]')].map(e => e.getAttribute('aria-label'))"
    )
    return [float(label.split(f"{which}: ")[1]) for label in labels if f"{which}: " in label]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_it_is_usable_in_every_look(browser: Browser, file: Path, axe: str, look: Look) -> None:
    with opened(browser, file, look) as page:
        assert until_ready(page) < 2_000
        assert page.overflow() == 0
        assert page.findings(axe) == []
        move(page, 1, high=30)
        browser.call("Runtime.evaluate", page.session, expression="0")  # events are in by now
        assert (page.requests, page.complaints) == ([], [])
        assert later_complaints(browser, page) == []
        if shots := os.environ.get("BROWSER_SHOTS"):
            page.screenshot(Path(shots) / f"explore-{look}.png")


def later_complaints(browser: Browser, page: Page) -> list[Any]:
    names = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    mine = (event for event in browser.events if event.get("sessionId") == page.session)
    return [event["params"] for event in mine if event["method"] in names]


def test_its_size_allows_a_mail(file: Path) -> None:
    assert file.stat().st_size < 4_000_000


@pytest.mark.parametrize(
    ("entity", "measure", "at"),
    [
        ("sp500", "max_drawdown", 0.3),
        ("portfolio", "loss_from_start", 0.2),
        ("mag7", "terminal_return", -0.3),
    ],
)
def test_a_moved_control_shows_what_pandas_says(
    page: Page, run: Run, ranges: dict[str, Control], entity: str, measure: str, at: float
) -> None:
    elasticity, decline = ranges["elasticity"], ranges["annual_price_decline"]
    pick(page, "entity", entity)
    pick(page, "measure", measure)
    move(page, 1, low=5, high=37)
    move(page, 0, low=40)
    keep = chosen(run, {elasticity: (5, 37), decline: (40, decline.count)})
    n, values = int(keep.sum()), measured(run, entity, measure)
    reached = (values <= at) if measure == "terminal_return" else (values >= at)
    assert 1_000 < n < 19_000
    assert text(page, "#left") == f"{n:,} of 20,000 futures"
    words = {"max_drawdown": "Falls 30", "loss_from_start": "Is 20", "terminal_return": "Ends 30"}
    row = next(row for row in table(page) if row[0].startswith(words[measure]))
    assert row[1:] == [cell(int(reached[keep].sum()), n), cell(int(reached.sum()), 20_000)]
    edges = np.array(histogram_edges(page, entity, measure))
    for which, part in (("chosen", values[keep]), ("all", values)):
        counts = np.histogram(np.clip(part, edges[0], np.nextafter(edges[-1], 0)), edges)[0]
        assert bars(page, which) == pytest.approx(list(counts / len(part)), rel=1e-9, abs=0)


def histogram_edges(page: Page, entity: str, measure: str) -> list[float]:
    edges = (
        f"JSON.parse(document.getElementById('data').textContent).results.{entity}.{measure}.edges"
    )
    found: list[float] = page.ask(edges)
    return found


def test_the_sentence_is_the_verdict_of_the_selection(
    page: Page, run: Run, ranges: dict[str, Control]
) -> None:
    assert text(page, "#verdict") == run.verdict
    move(page, 2, low=30)
    hazard = ranges["hazard_level"]
    keep = chosen(run, {hazard: (30, hazard.count)})
    crash = run.crashes("sp500")[0]
    hits = int((measured(run, "sp500", "max_drawdown")[keep] >= crash.depth).sum())
    fall: Any = {"name": "the S&P 500", "depth": crash.depth, "years": 5.0, "closes": "weekly"}
    assert text(page, "#verdict") == verdict(
        probability(hits, int(keep.sum())), int(keep.sum()), after="after 2000", **fall
    )
    assert run.verdict in text(page, "#of-all")


def test_too_few_futures_get_no_probability_but_a_reason(page: Page) -> None:
    move(page, 1, high=12)
    move(page, 2, low=35)
    left = int(text(page, "#left").split(" of ")[0].replace(",", ""))
    assert 0 < left < 200
    assert {row[1] for row in table(page)} == {"too few"}
    assert f"With {left} futures a chance of 30 % is known to ±" in text(page, "#few")
    assert "Too few futures to say" in text(page, "#verdict")
    page.ask("document.getElementById('reset').click()")
    settled(page)
    assert text(page, "#left") == "20,000 of 20,000 futures"
    assert page.ask("document.getElementById('few').hidden")


def brush(page: Page) -> list[float]:
    """Left and right end of the brush as shares of the scatter's width; empty if there is none."""
    path = page.ask(
        "(document.querySelector('#scatter .brush_brush_bg path') || {getAttribute: () => ''}).getAttribute('d')"
    )
    width = page.ask("document.querySelector('#scatter .background').getBBox().width")
    if not path or "h0" in path:
        return []
    start, across = path.removeprefix("M").split(",")[0], path.split("h")[1].split("v")[0]
    place = page.ask(
        "document.querySelector('#scatter .brush_brush_bg path').transform.baseVal.consolidate()?.matrix.e ?? 0"
    )
    left = float(start) + float(place)
    return [left / width, (left + float(across)) / width]


def resize(page: Page, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.browser.call("Emulation.setDeviceMetricsOverride", page.session, **size)
    time.sleep(0.3)
    settled(page)


def test_the_scatter_and_its_range_control_choose_for_each_other(page: Page) -> None:
    pick(page, "axis", "technology.elasticity")
    assert brush(page) == []
    move(page, 1, low=9, high=27)
    count = page.ask("Number(document.querySelector('[data-control=\"1\"] input').max)")
    assert brush(page) == pytest.approx([9 / count, 27 / count], abs=1e-6)
    resize(page, 1_000)
    assert brush(page) == pytest.approx([9 / count, 27 / count], abs=1e-6)
    page.ask("document.getElementById('scatter').scrollIntoView({block: 'center'})")
    box = page.ask(
        "JSON.stringify(document.querySelector('#scatter .background').getBoundingClientRect())"
    )
    plot = json.loads(box)
    height = plot["y"] + plot["height"] / 2
    for kind, share in (
        ("mousePressed", 0.9),
        ("mouseMoved", 0.8),
        ("mouseMoved", 0.5),
        ("mouseReleased", 0.5),
    ):
        page.browser.call(
            "Input.dispatchMouseEvent",
            page.session,
            type=kind,
            x=plot["x"] + share * plot["width"],
            y=height,
            button="left",
            buttons=1,
            clickCount=1,
        )
    settled(page)
    ends = page.ask(
        "[...document.querySelectorAll('[data-control=\"1\"] input')].map(e => +e.value)"
    )
    assert ends == pytest.approx([0.5 * count, 0.9 * count], abs=1)
    assert brush(page) == pytest.approx([ends[0] / count, ends[1] / count], abs=1e-6)


def test_the_keyboard_alone_does_it_all(page: Page) -> None:
    def tab_to(what: str) -> None:
        for _ in range(40):
            press(page, "Tab", 9)
            if page.ask("document.activeElement.ariaLabel || document.activeElement.id") == what:
                return
        raise AssertionError(f"Tab does not lead to {what}")

    tab_to("measure")
    press(page, "ArrowDown", 40)
    time.sleep(0.3)
    assert table(page)[0][0] == "Is 10 % or more below today at some time"
    tab_to("Price elasticity of demand: lowest")
    press(page, "ArrowRight", 39)
    press(page, "ArrowRight", 39)
    settled(page)
    assert page.ask("document.activeElement.value") == "2"
    low = text(page, '[data-control="1"] output').split(" to ")[0]
    assert page.ask("document.activeElement.getAttribute('aria-valuetext')") == low
    assert text(page, "#left") != "20,000 of 20,000 futures"
    tab_to("axis")
    press(page, "ArrowDown", 40)
    tab_to("copy")
    press(page, "Enter", 13, "\r")
    settled(page)
    assert text(page, "#copied")
    page.ask("document.body.focus(); scrollTo(0, 0); document.getElementById('measure').focus()")
    tab_to("reset")
    press(page, "Enter", 13, "\r")
    settled(page)
    assert text(page, "#left") == "20,000 of 20,000 futures"


def test_the_digits_and_sentences_are_those_of_the_tables(page: Page) -> None:
    pairs = [
        (h, n) for n in (1, 7, 40, 200, 333, 4_096, 20_000) for h in range(0, n + 1, n // 37 + 1)
    ]
    pairs += [(h, 20_000) for h in (1, 2, 3, 9, 10, 11, 19_990, 19_999, 20_000)]
    forms = page.ask(
        "JSON.stringify(JSON.parse(document.getElementById('data').textContent).sentences)"
    )
    source = (SCRIPTS / "numbers.js").read_text(encoding="utf-8")
    answers = page.ask(
        f"(() => {{ {source}; const forms = {forms}; return {json.dumps(pairs)}.map(([h, n]) => "
        "{ const of = probability(h, n); "
        "return [`${share(of)} ${errorText(of)}`.trim(), verdict(h, n, 'FALL', forms), of.low, of.high]; }); })()"
    )
    for (hits, n), (shown, sentence, low, high) in zip(pairs, answers, strict=True):
        of = probability(hits, n)
        assert (low, high) == pytest.approx((of.low, of.high), rel=1e-9, abs=1e-12)
        assert shown == cell(hits, n)
        if n > 1:
            fall: Any = {
                "name": "F",
                "depth": 0.5,
                "years": 5.0,
                "after": "then",
                "closes": "daily",
            }
            end = "F fall at least 50.0 % from its peak within 5 years, as it did then on daily closes."
            assert sentence == verdict(of, n, **fall).replace(end, "FALL")


def test_the_command_simulates_the_choice(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A normal distribution is cut exactly, three quantiles stand for another; what was set stays set."""
    small = simulate(load_scenario("deepseek", {"technology.elasticity": 1.1}), paths=400)
    small.save(tmp_path)
    (tmp_path / EXPLORE_PAGE).write_text(explore_page(small), encoding="utf-8")
    places = {control.key: place for place, control in enumerate(controls(small))}
    slope, decline = (
        controls(small)[places[key]]
        for key in ("sentiment.hazard_slope", "technology.annual_price_decline")
    )
    third = slope.count // 3
    with opened(browser, tmp_path / EXPLORE_PAGE, WIDE) as page:
        until_ready(page)
        move(page, places["sentiment.hazard_slope"], low=third, high=2 * third)
        move(page, places["technology.annual_price_decline"], low=10)
        words = shlex.split(text(page, "#command"))
    assert words[:2] == ["crashsim", "run"]
    assert "technology.elasticity=1.1" in words, "the run's own override is kept"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_answer, "report", lambda *_: True)  # its figures take seconds
    words[words.index("--paths") + 1] = "300"
    assert invoke([*words[1:], "--quiet", "--no-counterfactual"]) == 0
    (folder,) = (tmp_path / "results").iterdir()
    again = load_run(folder)
    cut = again.scenario.uncertain()["sentiment.hazard_slope"]
    assert cut == Normal(mean=1.54, sd=0.35, low=slope.at(third), high=slope.at(2 * third))
    declines = small.inputs["technology.annual_price_decline"]
    inside = declines[declines >= decline.at(10)]
    drawn = again.inputs["technology.annual_price_decline"]
    assert drawn.min() >= decline.at(10)
    assert drawn.median() == pytest.approx(inside.median(), abs=0.01)


def test_every_range_is_a_table_that_a_scenario_takes(page: Page, run: Run) -> None:
    """Also a range at an end of the draws, with hardly a future in it."""
    ranges = [(c, (0, 1) if place % 2 else (20, 23)) for place, c in enumerate(controls(run))]
    for place, (_, (low, high)) in enumerate(ranges):
        move(page, place, low=low, high=high)
    typed = [word for word in shlex.split(text(page, "#command")) if "=" in word]
    again = load_scenario("deepseek", parse_overrides(typed, print)).uncertain()
    for control, (low, high) in ranges:
        ends = again[control.key].support()
        assert ends[0] <= max(control.at(low), control.support[0])
        assert ends[1] == pytest.approx(control.at(high))
    for place, (control, _) in enumerate(ranges):
        move(page, place, low=0 if place % 2 else control.count - 2, high=control.count)
    typed = [word for word in shlex.split(text(page, "#command")) if "=" in word]
    assert len(typed) == 4
    load_scenario("deepseek", parse_overrides(typed, print))


def test_the_address_keeps_the_choice(page: Page, ranges: dict[str, Control]) -> None:
    elasticity = ranges["elasticity"]
    pick(page, "entity", "mag7")
    move(page, 1, low=9, high=27)
    time.sleep(0.5)
    kept = str(page.ask("location.hash"))
    shown = (text(page, "#left"), text(page, "#verdict"))
    ends = f"{elasticity.shown(9)}..{elasticity.shown(27)}"
    assert kept == f"#entity=mag7&technology.elasticity={ends}"
    page.ask("document.getElementById('reset').click()")
    time.sleep(0.5)
    page.ask(f"location.hash = {json.dumps(kept)}")
    time.sleep(0.5)
    assert (text(page, "#left"), text(page, "#verdict")) == shown
    page.ask("location.hash = '#entity=<script>&technology.elasticity=x..1e999&nothing=1..2'")
    time.sleep(0.5)
    assert text(page, "#left") == "20,000 of 20,000 futures"
    assert page.ask("document.getElementById('entity').value") == "sp500"


def test_a_corner_that_brings_an_event_is_a_link_that_chooses_it(
    browser: Browser, once: Run, tmp_path: Path
) -> None:
    """Its futures are counted by pandas, at the steps of the controls nearest to the limits."""
    corners = discover(once, "sp500.loss_from_start >= 0.30")
    assert corners.boxes
    keys = [limit.key for box in corners.boxes for limit in box.limits]
    ranges = {control.key: control for control in controls(once, keys)}
    file = tmp_path / EXPLORE_PAGE
    file.write_text(explore_page(once, events=["sp500.loss_from_start >= 0.30"]), encoding="utf-8")
    with opened(browser, file, WIDE) as page:
        until_ready(page)
        for place, box in enumerate(corners.boxes):
            page.ask(f"document.querySelectorAll('.corners a')[{place}].click()")
            time.sleep(0.5)
            keep = pd.Series(data=True, index=once.inputs.index)
            for limit in box.limits:
                control = ranges[limit.key]
                steps = np.array([control.at(i) for i in range(control.count + 1)])
                end = steps[np.abs(steps - limit.value).argmin()]
                drawn = once.inputs[limit.key].astype(np.float32).astype(float)
                keep &= (drawn >= end) if limit.side == "above" else (drawn <= end)
            assert text(page, "#left") == f"{keep.sum():,} of 2,000 futures"
            assert page.ask("document.getElementById('measure').value") == "loss_from_start"
            assert page.ask("document.getElementById('axis').value") == box.limits[0].key
        assert (page.requests, page.complaints) == ([], [])


def test_hostile_text_is_shown_as_it_is(browser: Browser, run: Run, tmp_path: Path) -> None:
    universe = run.scenario.universe
    titles = dict.fromkeys(universe.groups, HOSTILE)
    scenario = replace(run.scenario, title=HOSTILE, universe=replace(universe, group_titles=titles))
    file = tmp_path / "hostile.html"
    file.write_text(explore_page(replace(run, scenario=scenario)), encoding="utf-8")
    with opened(browser, file, WIDE) as page:
        until_ready(page)
        shown = HOSTILE.replace("\u2028", "?")
        assert text(page, "h1") == shown
        assert text(page, "#entity option") == shown
        assert shown in text(page, "#verdict")
        assert shown in str(page.ask("document.title"))
        assert page.ask("document.scripts.length") == 3  # data, library, the page's own
        assert (page.requests, page.complaints) == ([], [])


def test_the_policy_lets_no_other_script_run(browser: Browser, file: Path, tmp_path: Path) -> None:
    planted = "<script>document.title = 'run'</script><p onclick='1'>x</p></main>"
    bad = tmp_path / "bad.html"
    bad.write_text(
        file.read_text(encoding="utf-8").replace("</main>", planted, 1), encoding="utf-8"
    )
    with opened(browser, bad, WIDE) as page:
        until_ready(page)
        assert page.ask("document.title") != "run"
        assert any("Content Security Policy" in complaint for complaint in page.complaints)
