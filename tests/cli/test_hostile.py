"""Hostile titles and names: shown as what they are, everywhere, and without any effect."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pytest
from cli_runs import TINY, CommandLine
from hostile import HOSTILE, dressed
from summary_text import terminal_summary
from synthetic_run import synthetic_run, titled

from simulator.errors import ScenarioError, plain
from simulator.plots import figure, render
from simulator.portfolio.portfolio import read_portfolio
from simulator.reports.run_html import figures, html_report
from simulator.runs.run import Run
from simulator.runs.storage import csv_bytes
from simulator.scenario.scenario import load_scenario
from simulator.universe.universe import load_universe

Read = TypeVar("Read")
LEGAL = "=cmd|x <script>alert(1)</script> $\\frac{1}{0}$ [bold]&amp; '\"><img src=x>"
"""A title that a scenario file may have."""
_SVG = "{http://www.w3.org/2000/svg}"
_DRAWN = {
    "svg",
    "metadata",
    "defs",
    "style",
    "g",
    "path",
    "rect",
    "use",
    "clipPath",
    "title",
    "desc",
}
_DRAWN |= {"text", "tspan", "image", "line", "polyline", "polygon", "circle", "marker"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Page(HTMLParser):
    """Tags with the names of their attributes, and visible text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[str]]] = []
        self._words: list[str] = []
        self._skip = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skip = tag == "style"
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag: str) -> None:
        self._skip = self._skip and tag != "style"

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self._words.append(data)

    @property
    def text(self) -> str:
        return squeezed(" ".join(self._words))


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("hostile"))


def unless_refused(load: Callable[[], Read]) -> Read | None:
    """What ``load`` gives, or None if it refuses; the refusal must be fit to print."""
    try:
        return load()
    except ScenarioError as error:
        text = str(error)
    assert text.replace("\n", "").isprintable()
    assert re.search(r"\.(toml|csv)", text)
    return None


def chunks() -> list[list[str]]:
    return [list(HOSTILE[start : start + 20]) for start in range(0, len(HOSTILE), 20)]


def test_there_are_a_hundred_and_each_is_one_of_a_kind() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 100


def test_a_page_shows_them_and_is_built_as_without_them(run: Run) -> None:
    drawn = figures(run)
    calm = Page(html_report(dressed(run, ["calm"])[0], drawn))
    for texts in chunks():
        clothed, used = dressed(run, texts)
        assert set(used) == set(texts)
        page = Page(html_report(clothed, drawn))
        assert page.tags == calm.tags
        for text in texts:
            shown = squeezed(plain(text).split(" (")[0])
            assert shown[:150].rstrip() in page.text, text
        assert page.text.isprintable()


@pytest.mark.parametrize("kind", ["firms", "histogram"])
def test_a_figure_draws_them_and_holds_nothing_else(run: Run, kind: str) -> None:
    for texts in chunks():
        whole = ET.fromstring(render(figure(kind, dressed(run, texts)[0])))
        for part in whole.iter():
            if not part.tag.startswith(_SVG):
                continue  # metadata of the file format
            assert part.tag.removeprefix(_SVG) in _DRAWN
            for name, value in part.attrib.items():
                assert not name.lower().startswith("on")
                if name.endswith("href"):
                    assert value.startswith(("#", "data:image/"))


def test_a_title_is_drawn_as_it_is_not_as_a_formula(run: Run) -> None:
    """The same letters without dollars take the same room less the dollars': no formula was set."""
    cost = render(figure("histogram", titled(run, "$60bn vs $100bn")))
    assert b"$60bn" in cost
    assert b"$100bn" in cost
    assert b"$100bn" not in render(figure("histogram", titled(run, "Capex")))


def test_the_terminal_shows_them(run: Run) -> None:
    for texts in chunks():
        summary = terminal_summary(dressed(run, texts)[0], full=True)
        assert summary.replace("\n", "").isprintable()
    for text in HOSTILE:
        shown = squeezed(plain(text, 200))[:30].rstrip(".")
        assert squeezed(terminal_summary(titled(run, text), full=True)).startswith(shown)


def test_spreadsheets_get_text_as_text_and_numbers_as_numbers() -> None:
    numbers = [-0.5 * place for place in range(len(HOSTILE))]
    printable = [text.encode("utf-8", "replace").decode() for text in HOSTILE]
    table = pd.DataFrame({"=name": printable, "-change": numbers})
    rows = list(csv.reader(io.StringIO(csv_bytes(table).decode(), newline="")))
    assert len(rows) == len(HOSTILE) + 1
    assert rows[0] == ["'=name", "'-change"]
    for (name, number), text, value in zip(rows[1:], printable, numbers, strict=True):
        assert float(number) == value
        assert not name.startswith(_FORMULA)
        assert name.removeprefix("'" if text.startswith(_FORMULA) else "") == text.replace(
            "\r", " "
        ).replace("\n", " ")


def test_a_scenario_file_holds_them_or_is_refused(tmp_path: Path) -> None:
    accepted = 0
    for text in HOSTILE:
        path = tmp_path / "tiny.toml"
        body = json.dumps(text).replace("\\ud800", "\\uD800")
        path.write_text(TINY.replace('"Half a year for $1"', body), encoding="utf-8")
        found = unless_refused(partial(load_scenario, path))
        if found is not None:
            assert found.title == text
            accepted += 1
    assert 60 < accepted < len(HOSTILE)


def test_a_rule_or_its_name_is_read_or_refused(story: Path, tmp_path: Path) -> None:
    for text in HOSTILE:
        with pytest.raises(ScenarioError) as caught:
            load_scenario(story, {"thresholds.mine": text})
        assert str(caught.value).replace("\n", "").isprintable()
        path = tmp_path / "tiny.toml"
        named = TINY.replace("no_ruin =", f"{json.dumps(text)} =")
        path.write_text(named, encoding="utf-8")
        found = unless_refused(partial(load_scenario, path))
        assert found is None or found.thresholds[0].name == text


def test_a_holding_is_shown_or_refused(tmp_path: Path) -> None:
    universe, accepted = load_universe("us-2025-01"), 0
    for text in HOSTILE:
        path = tmp_path / "holdings.csv"
        cell = text.replace('"', '""')
        path.write_bytes(f'ticker,weight,maps_to\n"{cell}",1,sp500\n'.encode("utf-8", "replace"))
        found = unless_refused(partial(read_portfolio, path, universe))
        if found is not None:
            accepted += 1
            (holding,) = found[0].holdings
            printed = " ".join(text.encode("utf-8", "replace").decode().split())
            assert holding.ticker == printed.upper()
            assert holding.ticker.isprintable()
            assert not holding.ticker.startswith(_FORMULA)
    assert 5 < accepted < 60


def test_a_run_from_the_command_line(crashsim: CommandLine, tmp_path: Path) -> None:
    """The whole way: a legal hostile title and holding, through every file of the run folder."""
    path, holdings = tmp_path / "tiny.toml", tmp_path / "mine.csv"
    path.write_text(TINY.replace('"Half a year for $1"', json.dumps(LEGAL)), encoding="utf-8")
    holdings.write_text('ticker,weight,maps_to\n"X<B>&""[RED]$\\A",1,sp500\n', encoding="utf-8")
    options = ("--portfolio", holdings, "-o", tmp_path / "out", "--workers", 1)
    code, out, _ = crashsim("run", path, *options, "--full")
    assert code == 0
    assert out.splitlines()[0] == LEGAL
    assert 'X<B>&"[RED]$\\A -' in out
    code, out, _ = crashsim("run", path, *options, "--json")
    assert json.loads(out)["title"] == LEGAL
    (folder,) = (tmp_path / "out").iterdir()
    assert json.loads((folder / "summary.json").read_text("utf-8"))["title"] == LEGAL
    page = Page((folder / "report.html").read_text("utf-8"))
    assert LEGAL in page.text
    assert 'X<B>&"[RED]$\\A' in page.text
    assert "script" not in {tag for tag, _ in page.tags}
    tables = sorted(folder.glob("*.csv"))
    assert len(tables) >= 5
    for table in tables:
        for row in csv.reader(io.StringIO(table.read_text("utf-8"), newline="")):
            for cell in row:
                if cell.startswith(_FORMULA):
                    float(cell)  # a number, or an error
