"""The report of a sweep, and the commands on its folder."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cli_runs import CommandLine
from synthetic_sweep import ELASTICITY, PRICE, synthetic_sweep
from test_run_html import PAYLOADS, Page

from simulator.plots.sweep_plot import table_keys
from simulator.reports.sweep_html import html_report
from simulator.scenario.scenario import load_scenario
from simulator.scenario.sweep_design import Design
from simulator.sweeps.sweep import Sweep, load_sweep, sweep

GRID = Design.grid({PRICE: [0.8, 0.9, 0.96], ELASTICITY: [0.6, 1.0]})


@pytest.fixture(scope="module")
def grid() -> Sweep:
    return synthetic_sweep(GRID)


@pytest.fixture(scope="module")
def html(grid: Sweep) -> str:
    return html_report(grid)


@pytest.fixture(scope="module")
def folder(story: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real sweep of three cells."""
    parent = tmp_path_factory.mktemp("sweeps")
    sweep(load_scenario(story), {ELASTICITY: [0.6, 1.0, 1.4]}, paths=256, parent=parent)
    (found,) = parent.iterdir()
    return found


def test_the_page_asks_for_nothing_and_runs_nothing(html: str) -> None:
    page = Page(html)
    assert not page.all("script")
    assert not page.all("link")
    assert "default-src 'none'" in page.all("meta")[1]["content"]
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert re.match(
                    r"#[a-z]+$|data:(image/svg\+xml|text/csv;charset=utf-8);base64,", value
                )
    assert len(html) < 1_000_000
    assert "prefers-color-scheme: dark" in html


def test_every_figure_has_words_and_numbers(html: str) -> None:
    page = Page(html)
    images = page.all("img")
    assert len(images) == 4  # heat map and lines, of the fall and of the chance
    for image in images:
        assert len(image["alt"]) > 60
        assert int(image["width"]) > 300
    assert len(page.all("details")) == len(images)


def test_the_same_sweep_gives_the_same_page(grid: Sweep, html: str) -> None:
    assert html_report(grid) == html


def test_cells_stand_in_the_order_of_their_change(grid: Sweep, html: str) -> None:
    table = grid.table
    rows = table[(table["entity"] == "sp500") & (table["statistic"] == "worst_1_in_20")]
    order = rows[rows["kind"] == "cell"].sort_values("change", ascending=False)["cell"]
    part = html[html.index('id="cells"') : html.index('id="limits"')]
    first = part[: part.index("</table>")]
    assert re.findall(r'<th scope="row">(\w+)</th>', first) == ["base", *map(str, order)]
    worst = rows[rows["cell"] == order.iloc[0]].iloc[0]
    assert f"−{100 * worst['value']:.1f} %" in first


@pytest.mark.parametrize("title", PAYLOADS)
def test_a_hostile_title_is_text(grid: Sweep, title: str) -> None:
    renamed = replace(grid, scenario=replace(grid.scenario, title=title))
    renamed.__dict__["table"] = grid.table
    page = Page(html_report(renamed))
    assert not page.all("script")
    assert len(page.all("img")) == 4
    assert title in page.text


def test_failed_cells_are_told(tmp_path: Path) -> None:
    head = "cell,id,seed,block,path,step,quantity,message\n"
    (tmp_path / "failures.csv").write_text(
        f"{head}2,ab,7,0,3,9,firms.revenue,<b>not finite</b>\n", encoding="utf-8"
    )
    page = Page(html_report(synthetic_sweep(GRID, folder=tmp_path, failed={2})))
    assert "1 of 7 cells failed" in page.text
    assert "<b>not finite</b>" in page.text


@pytest.mark.parametrize(
    ("design", "says"),
    [
        (Design.one_at_a_time([ELASTICITY, PRICE]), "--design oat"),
        (Design.lhs(12), "--design lhs --cells 12"),
        (Design.zip({PRICE: [0.8, 0.9], ELASTICITY: [0.6, 1.0]}), "--design zip"),
        (GRID, f"--vary {PRICE}=0.8,0.9,0.96 --vary {ELASTICITY}=0.6,1"),
    ],
)
def test_every_design_has_a_report_and_the_command_that_repeats_it(
    design: Design, says: str
) -> None:
    assert says in Page(html_report(synthetic_sweep(design))).text


def test_a_sweep_without_a_base_has_a_report() -> None:
    page = Page(html_report(synthetic_sweep(Design.one_at_a_time(), failed={0})))
    assert "The base failed" in page.text


# ---------------------------------------------------------------- commands


def test_plot_draws_a_sweep(crashsim: CommandLine, folder: Path, tmp_path: Path) -> None:
    code, out, err = crashsim("plot", folder, "lines", "-o", tmp_path / "x.png")
    assert code == 0, err
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert "next: crashsim report" in err
    code, out, _ = crashsim("plot", folder, "--statistic", "mean", "-e", "NVDA", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["kind"] == "lines"
    assert Path(document["file"]).name == "lines-NVDA-mean.svg"
    assert "mean fall" in document["says"]
    load_sweep(folder)  # figures beside the cells do not make the folder damaged


def test_what_a_sweep_cannot_give_is_refused(crashsim: CommandLine, folder: Path) -> None:
    for arguments, message in (
        (("plot", folder, "tornado"), "needs a one-at-a-time design"),
        (("plot", folder, "fan"), "no figure 'fan' of a sweep"),
        (("plot", folder, "lines", "--statistic", "mode"), "no statistic 'mode'"),
        (("plot", folder, "lines", "--key", "x.y"), "x.y does not vary"),
        (("compare", folder, "--sort", "meen"), "no statistic 'meen'"),
        (("compare", folder, "--why"), "--why explains two runs"),
    ):
        code, out, err = crashsim(*arguments)
        assert (code, out) == (2, ""), arguments
        assert message in err


def test_report_makes_the_page_again(crashsim: CommandLine, folder: Path, tmp_path: Path) -> None:
    code, out, err = crashsim("report", folder, "-o", tmp_path / "page.html")
    assert (code, out.strip()) == (0, str(tmp_path / "page.html"))
    assert "next: crashsim compare" in err
    assert "<h1>Half a year for $1" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_compare_lists_the_cells_by_their_change(
    crashsim: CommandLine, folder: Path, tmp_path: Path
) -> None:
    code, out, err = crashsim("compare", folder, "--sort", "mean")
    assert code == 0, err
    table = load_sweep(folder).table
    rows = table[(table["entity"] == "sp500") & (table["statistic"] == "mean")]
    order = rows[rows["kind"] == "cell"].sort_values("change", ascending=False)["cell"]
    assert re.findall(r"^(base|\d+) ", out, re.MULTILINE) == ["base", *map(str, order)]
    assert "next: crashsim plot" in err
    for name in ("x.csv", "x.json", "x.md"):
        assert crashsim("compare", folder, "--sort", "mean", "-o", tmp_path / name)[0] == 0
    with (tmp_path / "x.csv").open(encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [float(row["change"]) for row in written] == [
        row["change"] for row in json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    ]
    assert (tmp_path / "x.md").read_text(encoding="utf-8").startswith("| cell | technology.elast")


def test_a_changed_table_is_found_out(crashsim: CommandLine, story: Path, tmp_path: Path) -> None:
    sweep(load_scenario(story), {ELASTICITY: [0.6]}, paths=128, parent=tmp_path)
    (found,) = tmp_path.iterdir()
    damaged = found / "sweep.csv"
    damaged.write_bytes(damaged.read_bytes().replace(b"sp500,median,0", b"sp500,median,1"))
    for command in ("plot", "report", "compare"):
        code, out, err = crashsim(command, found)
        assert (code, out) == (4, "")
        assert "sweep.csv" in err


def test_a_stored_sweep_keeps_the_order_of_its_keys(story: Path, tmp_path: Path) -> None:
    """Cells are numbered by it: the last key is the fastest."""
    values = {ELASTICITY: [0.6, 1.0], "sentiment.hazard_scale": [1.5]}
    sweep(load_scenario(story), values, paths=128, parent=tmp_path)
    (folder,) = tmp_path.iterdir()
    found = load_sweep(folder)
    assert found.keys == table_keys(found.table) == tuple(values)
