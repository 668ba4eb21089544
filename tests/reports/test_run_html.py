"""The summary and the report: what they must hold, what they must never hold, and that they agree."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_run import synthetic_run, titled

from simulator import load_scenario, simulate
from simulator.engine.results import CAUSES
from simulator.reports import html_page, portfolio_tables, run_html_tables, run_tables
from simulator.reports.run_html import figures, html_report, pictures
from simulator.runs import sensitivity
from simulator.runs.load import load_run
from simulator.runs.run import Run
from simulator.runs.statistic_catalogue import WORST
from simulator.statistics import formatting
from simulator.statistics.intervals import Estimate

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


def pictures_of(html: str) -> list[str]:
    """Names of the figures of a page, in order."""
    return re.findall(r'<section class="picture" id="figure-([^"]*)"', html)


def ascii_cell(cell: str) -> str:
    return cell.replace("−", "-").replace(" %", "%")


def test_same_run_gives_the_same_bytes(run: Run, html: str) -> None:
    assert html_report(run) == html
    assert html_report(replace(run, seconds=99.0)) == html
    assert html_report(run, figures(run)) == html
    assert len(html.encode()) < 1_000_000


def test_a_stored_run_gives_the_same_report_and_summary(
    run: Run, html: str, tmp_path: Path
) -> None:
    run.save(str(tmp_path / "stored"))
    loaded = load_run(tmp_path / "stored")
    assert html_report(loaded) == html


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
    allowed |= {"section", "h3", "span", "nav", "a"}
    links = [link["href"] for link in page.all("a")]
    assert all(
        re.match(r"#[a-z]+$|data:text/csv;charset=utf-8;base64,[\w+/=]+$", to) for to in links
    )
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
    names = pictures_of(html)
    assert len(images) == len(names) == 15  # 400 paths are too few for the uncertainty
    for image in images:
        assert len(image["alt"]) > 60
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/svg+xml;base64"
        svg = base64.b64decode(data, validate=True)
        assert svg.lstrip().startswith(b"<?xml")
        assert b"<script" not in svg
    assert html.count("</figure>\n<details>") == len(names)
    assert len(page.all("caption")) >= len(names)
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))


def test_hostile_text_is_shown_and_does_nothing(run: Run, html: str) -> None:
    universe = run.scenario.universe
    names = [PAYLOADS[i % len(PAYLOADS)] for i in range(len(universe.firms))]
    firms = tuple(
        firm.model_copy(update={"name": name})
        for firm, name in zip(universe.firms, names, strict=True)
    )
    scenario = replace(run.scenario, title=PAYLOADS[0], universe=replace(universe, firms=firms))
    page = Page(html_report(replace(run, scenario=scenario)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in Page(html).tags]
    for ticker, name in zip(universe.tickers, names, strict=True):
        assert f"{name.split(' (')[0]} ({ticker})" in page.text
    assert f"{PAYLOADS[0]} - crashsim" in page.text


def test_control_and_direction_characters_go_nowhere(run: Run) -> None:
    hidden = "\x1b\x9b\u202e\u200b\x00\u2028"
    odd = titled(run, f"before{hidden}after")
    text = html_report(odd)
    assert not set(hidden) & set(text)
    assert "before" in text
    assert "after" in text


def test_page_shows_the_numbers_of_the_estimates(run: Run, html: str) -> None:
    text = Page(html).text
    for entity, row in zip(run.entities, run_tables.falls(run), strict=True):
        assert row.entity == entity
        assert " ".join(f"{cell} {error}" for cell, error in row.cells) in text
        for (cell, _), name in zip(row.cells, [*WORST, "mean"], strict=True):
            estimate = run.estimates()[entity][name]
            shown = -float(ascii_cell(cell).rstrip("%")) / 100
            assert shown == pytest.approx(
                estimate.value, abs=max(0.5 * estimate.mc_error, 0.0005) + 1e-9
            )


def test_falls_are_negative_and_worse_is_lower(run: Run) -> None:
    for row in run_tables.falls(run):
        values = [float(ascii_cell(cell).rstrip("%")) for cell, _ in row.cells[:-1]]
        assert values[0] < 0
        assert values == sorted(values, reverse=True)


def test_the_dotcom_crash_stands_beside_both_indexes(html: str) -> None:
    assert "−49.1 % on daily closes" in Page(html).text
    assert "2000-03-10" in html


def test_causes_are_all_told_and_add_up(run: Run, html: str) -> None:
    for entity in run_tables.leaders(run):
        rows = run_tables.drivers(run, entity)
        idle = {name for name, one in run.drivers(entity).items() if one.value == one.mc_error == 0}
        parts = {name for name in run.drivers(entity) if name.startswith("revenue_")}
        assert {row.cause for row in rows} | idle == (set(CAUSES) - {"revenue"}) | parts
        assert not {row.cause for row in rows} & idle
        told = sum(float(row.points.replace("−", "-")) for row in rows)
        whole = 100 * sum(cause.value for cause in run.drivers(entity).values())
        assert told == pytest.approx(whole, abs=0.5 * len(CAUSES))
    value, error = run_tables.driver_table(run).totals[0]
    assert f"together the log fall from peak to trough {value} {error}" in Page(html).text


def test_thresholds_are_shown_only_where_there_are_any(run: Run, html: str) -> None:
    assert [(row.name, row.passed) for row in run_tables.thresholds(run)] == [
        ("rare", False),
        ("typical", True),
        ("slow", True),
    ]
    assert 'id="thresholds"' in html
    without = replace(run, scenario=replace(run.scenario, thresholds=()))
    assert 'id="thresholds"' not in html_report(without)


def test_ledger_is_complete_and_weak_evidence_is_called_weak(run: Run, html: str) -> None:
    rows = {row.key: row for row in run_tables.ledger(run)}
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
    page = Page(html_report(one)).text
    assert "“?”: too few paths" in page
    assert "how well 1 path knows the model’s" in page
    assert not re.search(r"\bnan\b", page)


def test_numbers_cut_to_their_error() -> None:
    assert formatting.format_dollars(Estimate(12_437.0, 310.0, 0, 0)) == "$12.4 trillion"
    assert formatting.format_dollars(Estimate(437.4, 21.0, 0, 0)) == "$440 billion"
    assert formatting.format_error(Estimate(0.3, 0.0031, 0, 0)) == "±0.3"
    assert formatting.format_error(Estimate(0.3, 0.0096, 0, 0)) == "±1"
    assert formatting.format_log(Estimate(-0.3142, 0.02, 0, 0)) == "−31"
    assert formatting.format_share(Estimate(0.27912, 0.002, 0, 0), sign=-1) == "−27.9 %"


def test_order_of_the_page(html: str) -> None:
    order = ["verdict", 'id="thresholds"', 'id="falls"', "figure-fan", "figure-histogram"]
    order += ["figure-exceedance", "figure-underwater", "figure-waterfall", "figure-overlay"]
    order += ["figure-drivers", 'id="assumptions"', 'id="limits"', 'id="reproduce"']
    places = [html.index(word, html.index("<main>")) for word in order]
    assert places == sorted(places)


def test_page_says_what_its_figures_say(run: Run, html: str) -> None:
    text = Page(html).text
    for of in pictures(run).values():
        assert of.question in text
        assert of.headline in text
        assert of.subtitle in text
    assert re.sub(r"\s+", " ", run.verdict) in text


def test_verdict_agrees_with_the_table_of_chances(run: Run, html: str) -> None:
    chance = run.estimates()["sp500"]["reach_dotcom"]
    words = re.search(r"bout ([\d,]+) in ([\d,]+) simulated", run.verdict)
    assert words is not None
    hits, of = (int(word.replace(",", "")) for word in words.groups())
    assert chance.low <= hits / of <= chance.high
    assert formatting.format_interval(chance) in Page(html).text


def test_named_futures_are_real_paths(run: Run, html: str) -> None:
    rows = run_html_tables.futures(run)
    assert [row.letter for row in rows] == ["A", "B", "C"]
    depth = run.results.measures["max_drawdown"][0]
    for row in rows:
        assert row.fall == formatting.percent(-float(depth[row.path]), 1)
        assert row.fall in Page(html).text
    falls = [float(depth[row.path]) for row in rows]
    assert falls == sorted(falls)


def test_rank_correlations_are_told_strongest_first(run: Run, html: str) -> None:
    rows = run_html_tables.sensitivity_rows(run)
    table = sensitivity.sensitivities(run.scenario, run.results)
    assert {row.key for row in rows} == set(table["key"])
    sizes = [abs(float(row.index.split(" ")[0].replace("−", "-"))) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert sensitivity.weakest_link(run.scenario, run.results) in Page(html).text


def test_amounts_have_their_error() -> None:
    assert formatting.dollar_parts(Estimate(12_437.0, 310.0, 0, 0)) == ("$12.4", "±0.3", "trillion")
    assert formatting.dollar_parts(Estimate(437.4, 21.0, 0, 0)) == ("$440", "±20", "billion")
    assert formatting.dollar_parts(Estimate(437.4, 0.0, 437.4, 437.4)) == ("$437", "", "billion")
    assert formatting.dollar_parts(Estimate(437.4, float("inf"), 0, float("inf"))) == ("?", "", "")


def test_a_portfolio_has_its_section(tmp_path: Path, html: str) -> None:
    assert 'id="portfolio"' not in html
    holdings = tmp_path / "holdings.csv"
    holdings.write_text("ticker,weight\nNVDA,0.6\nMSFT,0.3\nCASH,0.1\n", encoding="utf-8")
    held = simulate(load_scenario("deepseek", portfolio=holdings), paths=200)
    page = html_report(held)
    assert 'id="portfolio"' in page
    table = portfolio_tables.portfolio(held)
    assert table is not None
    shares = sum(float(ascii_cell(row.share[0]).rstrip("%")) for row in table.holdings)
    whole = float(ascii_cell(table.rows[0].cells[1][0]).rstrip("%"))
    assert shares == pytest.approx(whole, abs=2.0)
    for row in table.holdings:
        assert row.ticker in Page(page).text


def test_every_caption_can_be_read_without_scrolling() -> None:
    """On a narrow screen its text stays in view while the table scrolls."""
    templates = Path(html_page.__file__).parent / "templates"
    for file in templates.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert text.count("<caption>") == text.count("<caption><span>"), file.name
