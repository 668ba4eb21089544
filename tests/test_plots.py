"""Figures: the same bytes for the same run, numbers equal to the run's, hostile titles drawn as they are."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text
from synthetic_run import synthetic_run, titled

from simulator.errors import UsageError
from simulator.intervals import probability
from simulator.plot_data import BIN, KINDS, LEVELS, Picture, band
from simulator.plots import figure, render
from simulator.run import Run
from simulator.store import histogram
from simulator.wording import decimals, format_interval, often, percent

HOSTILE = (
    "Capex $60bn vs $100bn",
    r"cost $\badmacro$ \n_^{",
    "<script>alert(1)</script> & \"quotes\" 'n' ]]>",
    "[/] [bold red]rich[/bold red]",
    "\u6df1\u5ea6 \U0001f4c9 \u00e9",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("plots"))


def texts(svg: bytes) -> str:
    root = ElementTree.fromstring(svg)
    return "\n".join(node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("kind", KINDS)
def test_same_run_gives_the_same_bytes(run: Run, kind: str) -> None:
    for form in ("svg", "png"):
        assert render(figure(kind, run), form, 60) == render(figure(kind, run), form, 60)
    assert render(figure(kind, run)) != render(figure(kind, run, "nasdaq"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entity", ["sp500", "nasdaq", "OPENAI"])
def test_figures_are_small_and_stay_on_the_page(run: Run, kind: str, entity: str) -> None:
    drawing = figure(kind, run, entity)
    assert len(render(drawing)) < 150_000
    width, height = drawing.get_size_inches() * drawing.dpi
    for text in [*drawing.texts, *drawing.axes[0].texts]:
        box = text.get_window_extent()
        assert box.x0 >= -1, text.get_text()
        assert box.x1 <= width + 1, text.get_text()
        assert box.y0 >= -1, text.get_text()
        assert box.y1 <= height + 1, text.get_text()
        assert text.get_rotation() == 0


@pytest.mark.parametrize("entity", ["sp500", "nasdaq", "OPENAI"])
def test_labels_of_crashes_do_not_touch(run: Run, entity: str) -> None:
    drawing = figure("exceedance", run, entity)
    drawing.draw_without_rendering()  # annotations take their place
    boxes = [
        Text.get_window_extent(text).padded(-1)  # without the line that leads to the point
        for text in drawing.axes[0].texts
        if "−" in text.get_text()
    ]
    assert len(boxes) >= 5
    for i, box in enumerate(boxes):
        assert box.count_overlaps(boxes[i + 1 :]) == 0


@pytest.mark.parametrize("title", HOSTILE)
def test_hostile_titles_are_drawn_literally(run: Run, title: str) -> None:
    drawing = figure("histogram", titled(run, title))
    svg = render(drawing)
    assert b"<script" not in svg
    shown = re.sub(r"\s+", " ", " ".join(texts(svg).split("\n")))
    assert title in shown
    assert render(drawing, "png", 50).startswith(b"\x89PNG")


def test_control_characters_do_not_reach_a_figure(run: Run) -> None:
    svg = render(figure("fan", titled(run, "a\x1b[31mred\x00\u202eleft")))
    assert not set("\x1b\x00\u202e") & set(svg.decode())
    assert "red" in texts(svg)


def test_settings_of_matplotlib_come_back_and_do_not_matter(run: Run) -> None:
    plain = render(figure("exceedance", run))
    with mpl.rc_context({"font.size": 30.0, "axes.facecolor": "red", "text.parse_math": True}):
        assert render(figure("exceedance", run)) == plain
        assert mpl.rcParams["font.size"] == 30.0
    assert "matplotlib.pyplot" not in sys.modules or mpl.get_backend().lower() == "agg"


def test_histogram_counts_every_path_and_agrees_with_the_stored_one(run: Run) -> None:
    table = Picture("histogram", run, "mag7").table
    assert table["paths"].sum() == run.paths
    stored = histogram(run).query("entity == 'mag7'")["paths"].to_numpy()
    pairs = stored[:-1].reshape(-1, round(BIN * 100)).sum(axis=1)
    pairs[-1] += stored[-1]
    assert table["paths"].tolist() == pairs.tolist()


def test_exceedance_is_the_share_of_deeper_paths(run: Run) -> None:
    table = Picture("exceedance", run, "NVDA").table
    depth = run.results.measures["max_drawdown"][run.entities.index("NVDA")]
    expected = [(depth >= -level).mean() for level in table["fall of at least"]]
    assert table["value"].to_numpy() == pytest.approx(expected, abs=1e-12)
    assert (np.diff(table["value"]) <= 0).all()
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


def test_fan_bands_hold_a_tenth_of_the_paths_each(run: Run) -> None:
    table = Picture("fan", run, "sp500").table
    row = run.entities.index("sp500")
    ends = np.sort(1 + run.results.measures["terminal_return"][row])
    below = np.searchsorted(ends, [table[band(level)].iloc[-1] for level in LEVELS]) / ends.size
    assert below == pytest.approx(LEVELS, abs=0.01)
    assert table.iloc[0].drop("t").tolist() == [1.0] * (len(LEVELS) + 1)


def test_underwater_falls_are_negative(run: Run) -> None:
    table = Picture("underwater", run).table.drop(columns="t")
    assert (table.to_numpy() <= 0).all()
    assert table.to_numpy().min() > -1


def test_headline_says_how_many_paths_reach_the_dotcom_fall(run: Run) -> None:
    picture = Picture("histogram", run)
    assert picture.dotcom is not None
    chance = run.estimates()["sp500"]["reach_dotcom"]
    assert often(chance, run.paths) in picture.headline
    svg = texts(render(figure("histogram", run)))
    assert percent(-picture.dotcom.depth, 1) in svg


def test_vermilion_is_for_the_dotcom_crash_alone(run: Run) -> None:
    marked = {kind: b"#d55e00" in render(figure(kind, run)).lower() for kind in KINDS}
    assert marked == {"histogram": True, "exceedance": True, "fan": False, "underwater": False}


@pytest.mark.parametrize("paths", [1, 2, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_few_paths(tmp_path: Path, kind: str, paths: int) -> None:
    few = synthetic_run(tmp_path, paths=paths)
    assert texts(render(figure(kind, few)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_noise(tmp_path: Path, kind: str) -> None:
    flat = synthetic_run(tmp_path, paths=3, volatility=0.0)
    assert texts(render(figure(kind, flat)))


def test_more_paths_than_the_tables_hold(tmp_path: Path, run: Run) -> None:
    counted = synthetic_run(tmp_path, keep_paths=50)
    near, exact = (Picture("exceedance", one).table["value"] for one in (counted, run))
    assert near.to_numpy() == pytest.approx(exact.to_numpy(), abs=0.02)


def test_unknown_names_are_refused(run: Run) -> None:
    with pytest.raises(UsageError, match="no figure 'pie'; there are histogram, fan"):
        figure("pie", run)
    with pytest.raises(UsageError, match=r"no entity 'GME'.*it has sp500"):
        figure("fan", run, "GME")
    with pytest.raises(UsageError, match="svg, png"):
        render(figure("fan", run), "exe")


@pytest.mark.parametrize(
    ("hits", "n", "words"),
    [
        (0, 500, "none of 500"),
        (500, 500, "all 500"),
        (1, 500, "1 of 500"),
        (5_000, 10_000, "5 in 10"),
    ],
)
def test_natural_frequencies(hits: int, n: int, words: str) -> None:
    assert often(probability(hits, n), n) == words


def test_digits_are_cut_to_the_error() -> None:
    assert [decimals(error, 3) for error in (0.0, 0.004, 0.02, 0.3, 2.0, float("inf"))] == [
        3,
        3,
        2,
        1,
        0,
        0,
    ]
    assert format_interval(probability(134, 1_000)) == "13 % (11 to 16)"
    assert format_interval(probability(13_400, 100_000)) == "13.4 % (13.2 to 13.6)"
    assert percent(-0.279) == "−28 %"
    assert percent(-0.0001) == "0 %"
