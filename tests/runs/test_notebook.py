"""A run and a sweep in a notebook: figures in the caller's axes, what they show of themselves, tables."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hostile import HOSTILE
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from openpyxl import load_workbook
from synthetic_run import synthetic_run
from synthetic_sweep import ELASTICITY, PRICE, synthetic_sweep

from simulator import load_scenario, plots, simulate
from simulator.errors import UsageError, plain
from simulator.plots import PLOTS, SWEEP_KINDS
from simulator.runs.excel import write_workbook
from simulator.runs.run import Run
from simulator.scenario.sweep_design import Design
from simulator.sweeps import Sweep

PANELS = ("firms", "drivers")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("run"), paths=600)


@pytest.fixture(scope="module")
def kept() -> Run:
    return simulate(load_scenario("calm"), paths=5, keep_levels=True)


VALUES = {PRICE: [0.8, 0.9], ELASTICITY: [0.6, 1.0]}


def sweep_for(kind: str) -> Sweep:
    return synthetic_sweep(
        Design.one_at_a_time(VALUES) if kind == "tornado" else Design.grid(VALUES)
    )


def titled(run: Run, title: str) -> Run:
    return replace(run, scenario=replace(run.scenario, title=title))


# ---------------------------------------------------------------- figures


@pytest.mark.parametrize("kind", [kind for kind in PLOTS if kind not in PANELS])
def test_a_figure_of_one_axes_is_drawn_into_those_given(run: Run, kind: str) -> None:
    source: Any = sweep_for(kind) if kind in SWEEP_KINDS else run
    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    before = left.get_position().bounds
    assert source.plot(kind, ax=left) is left
    assert left.has_data()
    assert left.get_title(loc="left").replace("\n", " ").replace("\u00a0", " ") != ""
    assert left.get_position().bounds == before
    assert not right.has_data()
    assert figure.axes == [left, right]
    assert figure.texts == []
    figure.canvas.draw()


@pytest.mark.parametrize("kind", ["heatmap", "lines"])
def test_the_title_stands_clear_of_the_name_of_an_axis_above(kind: str) -> None:
    figure = Figure(layout="constrained")
    axes: Any = figure.subplots()
    sweep_for(kind).plot(kind, ax=axes)
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    name = next(text for text in axes.texts if text.get_position()[1] == 8)
    title = next(t for t in axes.findobj(Text) if t.get_text() == axes.get_title(loc="left"))
    assert name.get_window_extent().y1 <= title.get_window_extent().y0 + 1


@pytest.mark.parametrize("kind", PANELS)
def test_a_figure_of_panels_gives_an_array_and_refuses_axes(run: Run, kind: str) -> None:
    made: Any = run.plot(kind)
    assert (
        made.shape
        == {"drivers": (2, 2), "firms": (-(-len(run.scenario.universe.tickers) // 4), 4)}[kind]
    )
    assert all(isinstance(axes, Axes) for axes in made.flat)
    with pytest.raises(UsageError, match="axes of its own and cannot be drawn into ax"):
        run.plot(kind, ax=Figure().subplots())


def test_what_is_drawn_is_the_same_in_given_axes_as_in_its_own(run: Run) -> None:
    own: Any = run.plot("fan", "mag7")
    given: Any = run.plot("fan", "mag7", ax=Figure().subplots())
    assert len(own.lines) == len(given.lines) > 3
    for one, other in zip(own.lines, given.lines, strict=True):
        assert np.array_equal(one.get_xydata(), other.get_xydata())
    assert own.get_ylim() == given.get_ylim()


def test_something_else_than_one_axes_is_refused_with_the_remedy(run: Run) -> None:
    grid: Any = Figure().subplots(2)
    with pytest.raises(UsageError, match=r"one matplotlib Axes, not ndarray.*choose one"):
        run.plot("fan", ax=grid)
    with pytest.raises(UsageError, match="no figure 'pie'; there are histogram, fan"):
        run.plot("pie")


def test_the_first_figure_is_drawn_where_none_is_named(run: Run) -> None:
    first: Any = run.plot()
    assert first.get_xlabel().startswith("Largest fall of S&P 500")
    assert sweep_for("tornado").plot().get_xlabel().startswith("Change")  # type: ignore[union-attr]


def test_a_figure_of_its_own_shows_itself(run: Run) -> None:
    axes: Any = run.plot("fan")
    assert axes.figure._repr_png_().startswith(b"\x89PNG")


def test_drawing_leaves_matplotlib_as_it_was(run: Run) -> None:
    settings = dict(mpl.rcParams)
    run.plot("fan")
    run.plot("fan", ax=Figure().subplots())
    run._repr_html_()
    assert dict(mpl.rcParams) == settings


BACKEND = """
import sys
from simulator.plots.style import load_matplotlib
load_matplotlib()
assert "matplotlib.pyplot" not in sys.modules
import matplotlib.pyplot as plt
print(plt.get_backend().lower(), plt.get_fignums())
"""


def test_pyplot_keeps_the_backend_that_a_notebook_names() -> None:
    """Its shell names it in MPLBACKEND, which is read by whoever loads matplotlib first."""
    done = subprocess.run(
        [sys.executable, "-c", BACKEND],
        env={**os.environ, "MPLBACKEND": "pdf"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["pdf", "[]"]


# ---------------------------------------------------------------- shown


class Shown(HTMLParser):
    """Text and tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self.images = "", set[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.images += [value or "" for name, value in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.text += data


TAGS = {"div", "p", "table", "thead", "tbody", "tr", "th", "td", "img"}


@pytest.mark.parametrize("source", ["run", "sweep"])
def test_it_shows_a_sentence_a_table_and_a_figure(run: Run, source: str) -> None:
    shown: Any = run if source == "run" else sweep_for("heatmap")
    page = Shown(shown._repr_html_())
    assert page.tags == TAGS
    (image,) = page.images
    assert base64.b64decode(image.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    sentence = run.verdict if source == "run" else "the 1-in-20 worst fall goes from"
    assert sentence in page.text
    assert "\n" not in repr(shown)
    assert len(repr(shown)) < 120


def test_the_table_shown_holds_the_estimates(run: Run) -> None:
    falls = run.estimates()["mag7"]
    rows = re.findall(r"<tr>(.*?)</tr>", run._repr_html_(), re.DOTALL)
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    row = next(row for row in cells if row and row[0] == run.label("mag7"))
    names = ("median", "worst_1_in_10", "worst_1_in_20", "worst_1_in_100")
    assert row[1:] == [f"{-100 * falls[name].value:.1f} %" for name in names]


def test_hostile_titles_are_shown_literally(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(title: str, tags: set[str]) -> None:
        page = titled(run, title)._repr_html_()
        shown = Shown(page)
        assert shown.tags == tags, title
        assert f"{plain(title, 200)}: 600 paths, seed 7." in shown.text
        assert "mathjax_ignore" in page[:60]

    check("<img src=x onerror=alert(1)> $x$", TAGS)
    monkeypatch.setattr(plots, "available", lambda _: ())  # the figure takes the time
    for title in HOSTILE:
        check(title, TAGS - {"img"})


def test_a_long_sweep_is_cut_and_says_so() -> None:
    values = {PRICE: [0.5 + 0.01 * k for k in range(7)], ELASTICITY: [0.6, 0.8, 1.0, 1.2]}
    page = Shown(synthetic_sweep(Design.grid(values))._repr_html_()).text
    assert "The first 20 of 28 rows" in page


# ---------------------------------------------------------------- tables


def test_levels_are_labelled_by_entity_time_and_path(kept: Run) -> None:
    bare = kept.results.levels
    assert bare is not None
    levels = kept.levels
    assert levels.dims == ("entity", "t", "path")
    row = kept.entities.index("NVDA")
    last = kept.scenario.horizon_years
    assert np.array_equal(levels.sel(entity="NVDA", t=last), bare[row, -1])
    assert levels.attrs["units"] == "USD billion"
    assert np.shares_memory(levels.to_numpy(), bare)


def test_the_tidy_table_of_levels_holds_every_one(kept: Run) -> None:
    table = kept.levels_frame("NVDA", "sp500")
    assert list(table.columns) == ["entity", "path", "t", "level"]
    for name in ("NVDA", "sp500"):
        mine = table[table["entity"] == name].sort_values(["t", "path"])
        assert np.array_equal(mine["level"], kept.levels.sel(entity=name).to_numpy().reshape(-1))
    assert len(kept.levels_frame()) == kept.levels.size
    with pytest.raises(UsageError, match="no entity 'NVDIA' in this run; it has sp500"):
        kept.levels_frame("NVDIA")


@pytest.mark.parametrize(
    ("module", "ask", "remedy"),
    [
        ("xarray", lambda run, _: run.levels, r"crashsim\[notebook\].*levels_frame"),
        ("openpyxl", lambda run, path: run.to_excel(path), r"crashsim\[excel\]"),
    ],
)
def test_a_missing_library_is_named_with_its_remedy(
    kept: Run, module: str, ask: Any, remedy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=remedy):
        ask(kept, tmp_path / "run.xlsx")


def test_the_workbook_holds_the_tables(run: Run, tmp_path: Path) -> None:
    run.to_excel(tmp_path / "run.xlsx")
    sheets = pd.read_excel(tmp_path / "run.xlsx", sheet_name=None)
    assert list(sheets) == ["run", "summary", "fan", "thresholds", "assumptions"]
    about = sheets["run"].set_index("what")["value"]
    assert about["verdict"] == run.verdict
    assert about["seed"] == run.seed
    summary = run.summary().replace([np.inf, -np.inf], np.nan)
    pd.testing.assert_frame_equal(sheets["summary"], summary, check_dtype=False)
    pd.testing.assert_frame_equal(sheets["fan"], run.fan, check_dtype=False)
    assert len(sheets["assumptions"]) == len(run.scenario.ledger())


def test_no_text_becomes_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", '=HYPERLINK("http://e.example")', "+1", "-1+1", "@SUM(1)", "\t=1", *HOSTILE]
    write_workbook(tmp_path / "t.xlsx", {"t": pd.DataFrame({"=2": texts, "n": 1.5}, dtype=object)})
    sheet = load_workbook(tmp_path / "t.xlsx")["t"]
    assert {cell.data_type for cell in sheet["A"]} == {"s"}
    assert [cell.value for cell in sheet["A"]] == ["=2", *(plain(text, 32_767) for text in texts)]
    assert {cell.data_type for cell in sheet["B"][1:]} == {"n"}


def test_a_workbook_of_another_name_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in .xlsx"):
        run.to_excel(tmp_path / "run.csv")
