"""The contents list of a report, and the CSV beside each of its tables."""

from __future__ import annotations

import base64
import csv
import io
import re
from html import escape, unescape
from pathlib import Path

import pandas as pd
import pytest
from hostile import HOSTILE
from synthetic_run import synthetic_run
from synthetic_sweep import ELASTICITY, PRICE, synthetic_sweep

from simulator.reports import sweep_html
from simulator.reports.run_html import html_report
from simulator.reports.table_csv import file_name, table_csv
from simulator.runs.run import Run
from simulator.scenario.sweep_design import Design


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module", params=["run", "sweep"])
def html(run: Run, request: pytest.FixtureRequest) -> str:
    if request.param == "run":
        return html_report(run)
    varied = {PRICE: [0.8, 0.9, 0.96], ELASTICITY: [0.6, 1.0]}
    return sweep_html.html_report(synthetic_sweep(Design.grid(varied)))


def files(html: str) -> list[tuple[str, str]]:
    """Name and text of every file a page offers."""
    links = re.findall(
        r'<a href="data:text/csv;charset=utf-8;base64,([^"]+)" download="([^"]+)"', html
    )
    return [
        (name, base64.b64decode(data, validate=True).decode("utf-8-sig")) for data, name in links
    ]


def test_the_contents_lead_to_every_section_in_order(html: str) -> None:
    (contents,) = re.findall(r'<nav class="contents".*?</nav>', html, re.DOTALL)
    links = re.findall(r'<a href="#([a-z]+)">(.*?)</a>', contents)
    sections = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', html)
    assert [anchor for anchor, _ in links] == [anchor for anchor, _ in sections]
    assert all(
        heading.startswith(title) for (_, title), (_, heading) in zip(links, sections, strict=True)
    )
    assert len({title for _, title in links}) == len(links) >= 5


def test_every_table_has_a_file_with_its_cells(html: str) -> None:
    tables = re.findall(r"<table.*?</table>", html, re.DOTALL)
    offered = files(html)
    assert len(offered) == len(tables) > 5
    for table, (_, text) in zip(tables, offered, strict=True):
        rows = list(csv.reader(io.StringIO(text)))
        assert len(rows) == table.count("<tr")
        assert len({len(row) for row in rows}) == 1
        heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table)
        known = [unescape(re.sub("<.*?>", " ", head)).strip() for head in heads]
        assert [name for name in rows[0] if not name.endswith(" ±")] == known


def test_a_file_holds_the_numbers_of_the_run(run: Run) -> None:
    (text,) = [text for name, text in files(html_report(run)) if name == "largest-falls.csv"]
    table = pd.read_csv(io.StringIO(text), index_col=0)
    median = run.estimates()["mag7"]["median"]
    row = table.loc["Magnificent Seven"]
    assert float(str(row["median"]).removesuffix("%")) == pytest.approx(
        -100 * median.value, abs=0.5
    )
    assert float(str(row["median ±"])) == pytest.approx(100 * median.mc_error, rel=0.5)


def test_numbers_are_plain_and_text_stays_as_it_is_shown() -> None:
    head = "<tr><th></th><th>fall<br>now</th><th>sold</th></tr>"
    row = (
        "<tr><th>A&amp;B</th><td>−1,234.5 % <span class='error'>± 0.3</span></td>"
        "<td>−1 (−2 to 0) %</td></tr><tr><td colspan='2'>all</td><td>+7 (1 to 9)</td></tr>"
    )
    assert table_csv(f"<table>{head}{row}</table>") == (
        "\ufeff,fall now,fall now ±,sold\r\nA&B,-1234.5%,0.3,−1 (−2 to 0) %\r\nall,,,7 (1 to 9)\r\n"
    )


def test_no_cell_is_a_formula_and_none_breaks_its_row() -> None:
    texts = [*HOSTILE, "=1+1", "-1+cmd|' /C calc'!A0", "+1", "@SUM(1)", 'a,"b"', "a;b"]
    body = "".join(f"<tr><th>{escape(text)}</th><td>1</td></tr>" for text in texts)
    written = table_csv(f"<table>{body}</table>").removeprefix("\ufeff")
    rows = list(csv.reader(io.StringIO(written, newline="")))
    assert [row[1] for row in rows] == ["1"] * len(texts)
    for (cell, _), text in zip(rows, texts, strict=True):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        shown = " ".join(text.split())
        assert cell in (shown, f"'{shown}", shown.removeprefix("+"))


def test_file_names_are_harmless() -> None:
    for text in HOSTILE:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,59}\.csv", file_name(text)), text


def test_the_page_is_the_same_twice(run: Run, tmp_path: Path) -> None:
    assert html_report(run) == html_report(synthetic_run(tmp_path))
