"""The summary and the report: what they must hold, what they must never hold, and that they agree."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_run import synthetic_run, titled

from simulator import findings, wording
from simulator.intervals import Estimate
from simulator.plot_data import KINDS
from simulator.plots import figure, render
from simulator.report import WIDTH, html_report, terminal_summary
from simulator.results import CAUSES
from simulator.run import Run
from simulator.store import load_run
from simulator.summary import WORST

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "{{ 7*7 }} {% raw %}",
    "</title><style>*{display:none}</style>",
    "Capex $60bn vs \\frac{1}{0}",
    "[/] [bold red]rich[/bold red]",
    "javascript:alert(1)",
)


class Page(HTMLParser):
    """Elements, attributes and visible text of a report."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag == "style"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        self._hidden = self._hidden and tag != "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    return html_report(run)


def ascii_cell(cell: str) -> str:
    return cell.replace("−", "-").replace(" %", "%")


def test_same_run_gives_the_same_bytes(run: Run, html: str) -> None:
    assert html_report(run) == html
    assert html_report(replace(run, seconds=99.0)) == html
    assert html_report(run, {kind: render(figure(kind, run)) for kind in KINDS}) == html
    assert len(html.encode()) < 1_000_000


def test_a_stored_run_gives_the_same_report_and_summary(
    run: Run, html: str, tmp_path: Path
) -> None:
    run.save(str(tmp_path / "stored"))
    loaded = load_run(tmp_path / "stored")
    assert html_report(loaded) == html
    assert terminal_summary(loaded) == terminal_summary(run)


def test_page_needs_no_network_and_runs_nothing(html: str) -> None:
    page = Page(html)
    allowed = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "h1",
        "h2",
        "p",
        "div",
    }
    allowed |= {"table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "img", "details"}
    allowed |= {"summary", "code", "ul", "li", "dl", "dt", "dd", "strong", "em", "br"}
    assert {tag for tag, _ in page.tags} <= allowed
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import|javascript:", html)
    policies = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policies[0].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert page.all("html") == [{"lang": "en"}]


def test_every_figure_has_words_and_its_numbers(html: str) -> None:
    page = Page(html)
    images = page.all("img")
    assert len(images) == len(KINDS)
    for image in images:
        assert len(image["alt"]) > 60
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/svg+xml;base64"
        svg = base64.b64decode(data, validate=True)
        assert svg.lstrip().startswith(b"<?xml")
        assert b"<script" not in svg
    assert html.count("</figure>\n<details>") == len(KINDS)
    assert len(page.all("caption")) >= len(KINDS)
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))


def test_hostile_text_is_shown_and_does_nothing(run: Run, html: str) -> None:
    universe = run.scenario.universe
    names = [PAYLOADS[i % len(PAYLOADS)] for i in range(len(universe.firms))]
    firms = tuple(
        firm.model_copy(update={"name": name})
        for firm, name in zip(universe.firms, names, strict=True)
    )
    for title in PAYLOADS:
        assert title in terminal_summary(titled(run, title))
    scenario = replace(run.scenario, title=PAYLOADS[0], universe=replace(universe, firms=firms))
    page = Page(html_report(replace(run, scenario=scenario)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in Page(html).tags]
    for ticker, name in zip(universe.tickers, names, strict=True):
        assert f"{name.split(' (')[0]} ({ticker})" in page.text
    assert f"{PAYLOADS[0]} - crashsim" in page.text


def test_control_and_direction_characters_go_nowhere(run: Run) -> None:
    hidden = "\x1b\x9b\u202e\u200b\x00\u2028"
    odd = titled(run, f"before{hidden}after")
    for text in (terminal_summary(odd, f"results/{hidden}"), html_report(odd)):
        assert not set(hidden) & set(text)
        assert "before" in text
        assert "after" in text


@pytest.mark.parametrize("title", ["A walk", "x" * 200, "word " * 40])
def test_summary_fits_eighty_plain_columns(run: Run, title: str) -> None:
    text = terminal_summary(titled(run, title), "results/walk-0123456789ab")
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert text.replace("±", "").replace("\n", "").isascii()
    assert text.replace("\n", "").isprintable()
    order = [
        "simulated futures",
        "THRESHOLDS",
        "LARGEST FALL",
        "CHANCE",
        "DOLLARS LOST",
        "TWENTIETH",
    ]
    places = [text.index(word) for word in [*order, "0 non-finite paths", "results/walk"]]
    assert places == sorted(places)


def test_summary_and_page_show_the_same_numbers_as_the_estimates(run: Run, html: str) -> None:
    lines = terminal_summary(run).splitlines()
    text = Page(html).text
    for entity, row in zip(run.entities, findings.falls(run), strict=True):
        assert row.entity == entity
        cells = [*row.cells, row.mean]
        line = next(one for one in lines if one.startswith(f"  {row.short}"[:20]))
        assert line.split()[-len(cells) - 1 : -1] == [ascii_cell(cell) for cell in cells]
        assert " ".join(cells) in text
        for cell, name in zip(cells, [*WORST, "mean"], strict=True):
            estimate = run.estimates()[entity][name]
            shown = -float(ascii_cell(cell).rstrip("%")) / 100
            assert shown == pytest.approx(
                estimate.value, abs=max(0.5 * estimate.mc_error, 0.0005) + 1e-9
            )


def test_falls_are_negative_and_worse_is_lower(run: Run) -> None:
    for row in findings.falls(run):
        values = [float(ascii_cell(cell).rstrip("%")) for cell in row.cells]
        assert values[0] < 0
        assert values == sorted(values, reverse=True)


def test_the_dotcom_crash_stands_beside_both_indexes(run: Run, html: str) -> None:
    text = terminal_summary(run)
    for weekly, daily in (("-47.6%", "-49.1%"), ("-77.4%", "-77.9%")):
        line = next(one for one in text.splitlines() if "dot-com crash" in one and weekly in one)
        assert daily in line
    assert "−49.1 % on daily closes" in Page(html).text
    assert "2000-03-10" in html


def test_causes_are_all_told_and_add_up(run: Run, html: str) -> None:
    for entity in findings.leaders(run):
        rows = findings.drivers(run, entity)
        assert sorted(row.cause for row in rows) == sorted(CAUSES)
        told = sum(float(row.points.replace("−", "-")) for row in rows)
        whole = 100 * sum(cause.value for cause in run.drivers(entity).values())
        assert told == pytest.approx(whole, abs=0.5 * len(CAUSES))
    assert (
        f"together the log fall from peak to trough {findings.driver_table(run).totals[0]}"
        in Page(html).text
    )


def test_thresholds_are_shown_only_where_there_are_any(run: Run, html: str) -> None:
    assert [(row.name, row.passed) for row in findings.thresholds(run)] == [
        ("rare", False),
        ("typical", True),
        ("slow", True),
    ]
    assert "FAIL  rare: P(sp500.max_drawdown >= 0.30) < 0.05" in terminal_summary(run)
    assert 'id="thresholds"' in html
    without = replace(run, scenario=replace(run.scenario, thresholds=()))
    assert "THRESHOLDS" not in terminal_summary(without)
    assert 'id="thresholds"' not in html_report(without)


def test_ledger_is_complete_and_weak_evidence_is_called_weak(run: Run, html: str) -> None:
    rows = {row.key: row for row in findings.ledger(run)}
    known = {one.key: one for one in run.scenario.ledger() if one.value is not None}
    assert rows.keys() == known.keys()
    for key, one in known.items():
        assert f"<code>{key}</code>" in html
        assert ("weak" in rows[key].evidence) == (one.strength in "CD")
    elasticity = rows["technology.elasticity"]
    assert elasticity.value == "triangular: low 0.6, mode 1, high 1.6"
    assert elasticity.is_uncertain
    assert "judgement" in elasticity.evidence


def test_how_to_reproduce(tmp_path: Path, html: str, run: Run) -> None:
    page = Page(html).text
    assert f"crashsim run scenario.toml --seed 7 --paths {run.paths}" in page
    assert run.scenario.digest in page
    assert str(tmp_path.parent) not in html
    assert "Not financial advice" in page


def test_one_path(tmp_path: Path) -> None:
    one = synthetic_run(tmp_path, paths=1)
    assert "In the one simulated future" in terminal_summary(one)
    assert "±?" in html_report(one)


def test_numbers_cut_to_their_error() -> None:
    assert wording.format_dollars(Estimate(12_437.0, 310.0, 0, 0)) == "$12.4 trillion"
    assert wording.format_dollars(Estimate(437.4, 21.0, 0, 0)) == "$440 billion"
    assert wording.format_error(Estimate(0.3, 0.0031, 0, 0)) == "±0.3"
    assert wording.format_error(Estimate(0.3, 0.0096, 0, 0)) == "±1"
    assert wording.format_log(Estimate(-0.3142, 0.02, 0, 0)) == "−31"
    assert wording.format_share(Estimate(0.27912, 0.002, 0, 0), sign=-1) == "−27.9 %"
