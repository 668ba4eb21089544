"""Pages in a real browser: nothing is fetched, nothing runs, everyone can read them.

A new page needs a line in PAGES. ``make browser-test`` runs this; BROWSER_SHOTS=folder keeps pictures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from browser import Browser, Look, Page, opened
from hostile import HOSTILE, dressed
from synthetic_run import synthetic_run
from synthetic_sweep import ELASTICITY, PRICE, synthetic_sweep

from simulator.reports import sweep_html
from simulator.reports.run_html import html_report
from simulator.runs.runner import simulate
from simulator.scenario.scenario import load_scenario
from simulator.scenario.sweep_design import Design

pytestmark = pytest.mark.browser

Maker: TypeAlias = Callable[[Path], str]
"""Makes the HTML of a page; gets a folder of its own."""


def report(folder: Path) -> str:
    """The report of a small run."""
    return html_report(synthetic_run(folder))


def hostile_report(part: int, folder: Path) -> str:
    """A report with hostile text in every place that takes text; ``part`` of four has its share."""
    texts = HOSTILE[part::4]
    run, used = dressed(synthetic_run(folder), texts)
    assert set(used) == set(texts)
    return html_report(run)


def portfolio_report(_folder: Path) -> str:
    """A report with the table of holdings."""
    holdings = Path(__file__).parents[2] / "docs" / "howto" / "holdings.csv"
    return html_report(simulate(load_scenario("calm", portfolio=holdings), paths=200))


def sweep_page(design: Design, _folder: Path) -> str:
    """The report of a sweep."""
    return sweep_html.html_report(synthetic_sweep(design))


VARIED = {PRICE: [0.8, 0.9, 0.96], ELASTICITY: [0.6, 1.0]}
PAGES: dict[str, Maker] = {
    "report": report,
    "portfolio report": portfolio_report,
    "sweep report": partial(sweep_page, Design.grid(VARIED)),
    "one-at-a-time report": partial(sweep_page, Design.one_at_a_time(VARIED)),
    **{f"hostile report {part}": partial(hostile_report, part) for part in range(4)},
}
LOOKS = [Look(width, scheme) for width in (375, 1280) for scheme in ("light", "dark")]


@pytest.fixture(scope="session", params=PAGES)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    target = folder / f"{request.param}.html"
    target.write_text(PAGES[request.param](folder), encoding="utf-8")
    return target


@pytest.fixture(scope="session", params=LOOKS, ids=str)
def page(file: Path, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    look: Look = request.param
    with opened(browser, file, look) as found:
        yield found
        if shots := os.environ.get("BROWSER_SHOTS"):
            Path(shots).mkdir(parents=True, exist_ok=True)
            found.screenshot(Path(shots) / f"{file.stem}-{look}.png")


def test_nothing_is_fetched(page: Page) -> None:
    assert page.requests == []


def test_nothing_runs(page: Page) -> None:
    assert page.scripts == []
    assert page.ask("document.scripts.length") == 0
    handlers = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
    assert page.ask(f"{handlers}.filter(name => name.startsWith('on'))") == []


def test_the_console_is_silent(page: Page) -> None:
    assert page.complaints == []


def test_it_fits_the_window(page: Page) -> None:
    assert page.overflow() == 0


def test_axe_finds_nothing_serious(page: Page, axe: str) -> None:
    assert page.findings(axe) == []


def test_every_picture_is_drawn(page: Page) -> None:
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.ask(broken) == 0


def test_the_contents_scroll_to_their_section(page: Page) -> None:
    page.ask("[...document.querySelectorAll('.contents a')].at(-1).click()")
    height = "document.querySelector('#reproduce').getBoundingClientRect().top"
    assert -1 < page.ask(height) < 900  # scrolled by whole pixels


def test_a_csv_is_downloaded_from_the_page_alone(
    page: Page, browser: Browser, tmp_path: Path
) -> None:
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    name = page.ask("document.querySelector('a[download]').download")
    page.ask("document.querySelector('a[download]').click()")
    until = time.monotonic() + 10
    while not (tmp_path / name).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert "," in (tmp_path / name).read_text("utf-8-sig")
    assert page.requests == []


BAD = """<!doctype html><html><head><title>bad</title></head><body>
<script>console.error("planted"); document.title = "run"</script>
<img src="https://127.0.0.1:1/planted.png">
<p style="color: #ccc; background: #fff">pale</p>
<div style="width: 3000px">wide</div></body></html>"""


def test_planted_faults_are_found(
    browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each check above fails on a page that deserves it."""
    (tmp_path / "bad.html").write_text(BAD, encoding="utf-8")
    with opened(browser, tmp_path / "bad.html", Look(375, "light")) as page:
        assert page.requests == ["https://127.0.0.1:1/planted.png"]
        assert page.scripts
        assert page.ask("document.scripts.length") == 1
        assert any("planted" in complaint for complaint in page.complaints)
        assert page.overflow() > 2_000
        assert page.ask("[...document.images].filter(i => !i.naturalWidth).length") == 1
        found = " ".join(page.findings(request.getfixturevalue("axe")))
        assert "color-contrast" in found
        assert "image-alt" in found
