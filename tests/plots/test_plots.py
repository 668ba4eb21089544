"""Figures: the same bytes for the same run, numbers equal to the run's, hostile titles drawn as they are."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from synthetic_run import synthetic_run, titled

from simulator.engine.results import DRIVERS
from simulator.errors import UsageError
from simulator.history.baselines import beside, load_baseline_csv
from simulator.plots import KINDS, PLOTS, available, draw, figure, picture, render
from simulator.plots.causes import explained
from simulator.plots.drawdowns import BIN, Histogram
from simulator.plots.run_plot import LEVELS, band
from simulator.plots.style import heading_height
from simulator.runs.run import Run
from simulator.runs.storage import histogram
from simulator.statistics.formatting import decimals, format_interval, often, percent
from simulator.statistics.intervals import probability

HOSTILE = (
    "Capex $60bn vs $100bn",
    r"cost $\badmacro$ \n_^{",
    "<script>alert(1)</script> & \"quotes\" 'n' ]]>",
    "[/] [bold red]rich[/bold red]",
    "\u6df1\u5ea6 \U0001f4c9 \u00e9",
)


WHOLE = ("firms", "drivers")
"""Figures of the whole run, whatever the entity."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("plots"), paths=600)


def texts(svg: bytes) -> str:
    root = ElementTree.fromstring(svg)
    return "\n".join(node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("kind", KINDS)
def test_same_run_gives_the_same_bytes(run: Run, kind: str) -> None:
    for form in ("svg", "png"):
        assert render(figure(kind, run), form, 60) == render(figure(kind, run), form, 60)
    if kind not in WHOLE:
        assert render(figure(kind, run)) != render(figure(kind, run, "nasdaq"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entity", ["sp500", "nasdaq", "OPENAI"])
def test_figures_are_small_and_stay_on_the_page(run: Run, kind: str, entity: str) -> None:
    if kind not in available(run, entity):
        assert kind in ("overlay", "story")  # kept for groups
        assert entity == "OPENAI"
        return
    drawing = figure(kind, run, entity)
    assert len(render(drawing)) < 150_000
    width, height = drawing.get_size_inches() * drawing.dpi
    drawing.draw_without_rendering()
    for text in [*drawing.texts, *(text for axes in drawing.axes for text in axes.texts)]:
        if not text.axes or not text.axes.get_visible():
            continue
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
    table = picture("histogram", run, "mag7").table
    assert table["paths"].sum() == run.paths
    stored = histogram(run.results).query("entity == 'mag7'")["paths"].to_numpy()
    pairs = stored[:-1].reshape(-1, round(BIN * 100)).sum(axis=1)
    pairs[-1] += stored[-1]
    assert table["paths"].tolist() == pairs.tolist()


def test_exceedance_is_the_share_of_deeper_paths(run: Run) -> None:
    table = picture("exceedance", run, "NVDA").table
    depth = run.results.measures["max_drawdown"][run.entities.index("NVDA")]
    expected = [(depth >= -level).mean() for level in table["fall of at least"]]
    assert table["value"].to_numpy() == pytest.approx(expected, abs=1e-12)
    assert (np.diff(table["value"]) <= 0).all()
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


def test_exceedance_goes_on_where_splitting_has_been(run: Run) -> None:
    rows = [("sp500", 0.5, 0.2), ("sp500", 0.9, 1e-4), ("sp500", 0.95, 1e-6), ("NVDA", 0.99, 1e-5)]
    columns = {"entity": str, "depth": float, "probability": float}
    far = pd.DataFrame(rows, columns=list(columns)).astype(columns)
    far = far.assign(low=far["probability"] / 2, high=far["probability"] * 2, mc_error=0.0)
    with_tail = picture("exceedance", replace(run, tail=far))
    assert with_tail.shown()[1][-2:] == [
        ["90.0 % (splitting)", "0.01 % (0.005 to 0.02)"],
        ["95.0 % (splitting)", "0.0001 % (5e-05 to 0.0002)"],
    ], "what the paths can tell themselves is theirs"
    axes = draw(with_tail).axes[0]
    assert axes.get_ylim()[0] == pytest.approx(5e-7)
    assert "by splitting" in with_tail.subtitle
    without = picture("exceedance", run)
    assert "splitting" not in without.subtitle + str(without.shown())


def test_fan_bands_hold_a_tenth_of_the_paths_each(run: Run) -> None:
    table = picture("fan", run, "sp500").table
    row = run.entities.index("sp500")
    ends = np.sort(1 + run.results.measures["terminal_return"][row])
    below = np.searchsorted(ends, [table[band(level)].iloc[-1] for level in LEVELS]) / ends.size
    assert below == pytest.approx(LEVELS, abs=0.01)
    assert table.iloc[0].drop("t").tolist() == [1.0] * (len(LEVELS) + 1)


def test_underwater_falls_are_negative(run: Run) -> None:
    table = picture("underwater", run).table.drop(columns="t")
    assert (table.to_numpy() <= 0).all()
    assert table.to_numpy().min() > -1


def test_headline_says_how_many_paths_reach_the_dotcom_fall(run: Run) -> None:
    of = Histogram(run)
    assert of.dotcom is not None
    chance = run.estimates()["sp500"]["reach_dotcom"]
    assert often(chance, run.paths) in of.headline
    svg = texts(render(figure("histogram", run)))
    assert percent(-of.dotcom.depth, 1) in svg


def test_vermilion_is_for_the_dotcom_crash_alone(run: Run) -> None:
    marked = {kind for kind in KINDS if b"#d55e00" in render(figure(kind, run)).lower()}
    beside = {"histogram", "exceedance", "overlay", "trough", "elasticity"}
    assert marked == beside  # recovery: after the horizon, so in words (dark vermilion) only


def test_every_figure_has_words_of_its_own(run: Run) -> None:
    pictures = [picture(kind, run) for kind in KINDS]
    for told in ("question", "headline", "subtitle"):
        texts = [getattr(one, told) for one in pictures]
        assert len(set(texts)) == len(KINDS)
        assert all(len(text) > 15 for text in texts)
    assert all("?" in one.question for one in pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_under_a_figure_are_those_it_is_drawn_from(run: Run, kind: str) -> None:
    of = picture(kind, run)
    columns, rows = of.shown()
    assert rows
    assert all(len(row) == len(columns) for row in rows)
    table = of.table.select_dtypes("number").to_numpy(float).ravel()
    known = np.abs(np.concatenate([table, 100 * table]))
    if kind in ("trough", "recovery"):  # with rows for the real crashes, whose names hold years
        facts = [value for row in of.real for value in row]  # type: ignore[attr-defined]
        numbers = np.array([abs(value) for value in facts if isinstance(value, float)])
        names = re.findall(r"\d+", " ".join(value for value in facts if isinstance(value, str)))
        known = np.concatenate([known, numbers, 100 * numbers, [500.0], np.array(names, float)])
    if kind == "uncertainty":
        known = np.concatenate([known, 100 - known, [100.0, 500.0]])
    known = known[np.isfinite(known)]
    for text in {cell for row in rows for cell in row[kind in ("firms", "story") :]}:
        for number in re.findall(r"\d+(?:\.\d+)?", text.replace(",", "")):
            half = 0.501 * 10.0 ** -len(number.partition(".")[2])
            if kind == "drivers":  # two digits
                half = max(half, 0.051 * float(number))
            assert np.abs(known - float(number)).min() <= half, (text, number)


def test_the_drawing_shows_the_table(run: Run) -> None:
    """Lines and bars have the numbers of the tables: a changed table is a changed drawing."""
    bars = draw(picture("histogram", run)).axes[0].patches
    heights = [bar.get_height() for bar in bars if isinstance(bar, Rectangle)]
    assert heights == picture("histogram", run).table["share"].tolist()
    for kind in ("fan", "underwater", "overlay"):
        of = picture(kind, run)
        lines = [line.get_ydata() for line in draw(of).axes[0].lines]
        middle = of.table[band(0.5)].to_numpy()
        assert any(np.array_equal(line, middle) for line in lines), kind
    falls = picture("waterfall", run)
    widths = [bar.get_width() for bar in draw(falls).axes[0].patches]  # type: ignore[attr-defined]
    assert widths == pytest.approx(falls.table["log"].tolist())


def test_the_waterfall_adds_up_exactly(run: Run) -> None:
    for entity in ("sp500", "ai_basket", "NVDA"):
        rows = picture("waterfall", run, entity).table
        causes, whole = rows.iloc[:-1], rows.iloc[-1]
        assert causes["log"].sum() == pytest.approx(whole["log"], abs=1e-12)
        assert causes["end"].iloc[-1] == pytest.approx(whole["end"], abs=1e-12)
        assert (causes["begin"].iloc[1:].to_numpy() == causes["end"].iloc[:-1].to_numpy()).all()
        depth = run.results.measures["max_drawdown"][run.entities.index(entity)]
        worst = np.sort(np.asarray(depth, float))[-len(depth) // 20 :]
        assert whole["log"] == pytest.approx(np.log1p(-worst).mean(), rel=0.02)
        assert 0 < whole["mc_error"] < abs(whole["log"])


def test_the_overlay_shows_prices_of_ones_own_by_their_dates(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("date,close\n2024-01-01,80\n2024-01-31,100\n2024-07-31,50\n2025-01-31,75\n")
    with beside(load_baseline_csv(path)):
        of = picture("overlay", run)
        rows = of.table
        assert "mine" in of.shown()[0]
        render(figure("overlay", run), "svg")
    assert np.interp(182 / 365.25, rows["t"], rows["mine"]) == pytest.approx(-0.5, abs=0.05)
    assert rows["mine"].iloc[0] == 0.0
    assert rows.loc[rows["t"] > 1.01, "mine"].isna().all()


def test_the_overlay_holds_deep_falls_that_can_be_followed(run: Run) -> None:
    of = picture("overlay", run)
    found, row = run.results, run.entities.index("sp500")
    deep = found.measures["max_drawdown"][row] >= 0.30
    early = found.measures["peak_step"][row] + 156 <= 260
    assert of.aligned == np.count_nonzero(deep & early) > 20  # type: ignore[attr-defined]
    assert (found.aligned_counts[row].sum(axis=1) == of.aligned).all()  # type: ignore[attr-defined]
    table = of.table
    assert table.iloc[0].drop("t").abs().max() < 0.011
    assert table["sp500"].min() == pytest.approx(-0.476, abs=0.02)
    assert table["nasdaq"].min() == pytest.approx(-0.774, abs=0.03)
    assert (table["low"] <= table[band(0.5)] + 0.01).all()
    assert (table[band(0.5)] <= table["high"] + 0.01).all()


def test_recovery_is_kaplan_meier_and_beside_history(run: Run) -> None:
    of = picture("recovery", run)
    last = of.table.iloc[-1]
    assert last["all"] == pytest.approx(run.estimates()["sp500"]["recovered_5y"].value)
    assert last["deep"] < last["all"]
    real = {name: spent for name, _, spent in of.real}  # type: ignore[attr-defined]
    assert real["dotcom"] == pytest.approx(7.2, abs=0.1)


def test_falls_take_longer_the_deeper_they_are(run: Run) -> None:
    of = picture("trough", run)
    middle = of.table["q50"].to_numpy()
    assert middle[-1] > middle[len(middle) // 2] > middle[0]
    assert of.table["paths"].sum() <= run.paths
    real = {row[0]: row for row in of.real}  # type: ignore[attr-defined]
    assert real["dotcom"][3] == pytest.approx(2.55, abs=0.02)


def test_drivers_are_where_they_were_put(run: Run) -> None:
    table = picture("drivers", run).table
    last = table[table["t"] == table["t"].max()].set_index("driver")
    for name, priced_in in zip(DRIVERS, run.results.driver_consensus[:, -1], strict=True):
        assert last.loc[name, "priced in"] == pytest.approx(np.exp(priced_in))
        assert np.log(last.loc[name, band(0.5)]) == pytest.approx(priced_in, rel=0.1)
        low, high = sorted((0.5 * priced_in, 1.5 * priced_in))
        assert low - 0.02 <= np.log(last.loc[name, band(0.05)]) <= high
    assert "1/" in picture("drivers", run).headline


def test_the_share_of_assumptions_is_found_and_not_invented() -> None:
    random = np.random.default_rng(5)
    drawn = [random.uniform(size=4_000) for _ in range(12)]
    noise = random.standard_normal((3, 4_000))
    signal = 4.0 * (drawn[0] - 0.5) ** 2 + drawn[1]  # variance 0.089 + 0.083
    values = np.stack([noise[0], signal + 0.5 * noise[1], signal])
    none, some, every = explained(drawn, values)
    assert none.low < 0.0 < none.high
    truth = float(np.var(signal) / np.var(values[1]))
    assert some.low - 0.01 < truth < some.high + 0.01
    assert every.value > 0.99


def test_the_knife_edge_is_absent_where_nothing_is_uncertain(run: Run) -> None:
    known = replace(run, results=replace(run.results, inputs={}))
    assert set(KINDS) - set(available(known)) == {"elasticity", "uncertainty"}
    with pytest.raises(UsageError, match=r"technology\.elasticity is one number"):
        figure("elasticity", known)


def test_the_command_knows_every_figure() -> None:
    from simulator.cli.stored_runs import KINDS as TYPED
    from simulator.cli.stored_runs import SWEEP_KINDS as TYPED_OF_SWEEPS

    assert TYPED == KINDS
    assert set(TYPED_OF_SWEEPS) | set(KINDS) == set(PLOTS)


@pytest.mark.parametrize("kind", KINDS)
def test_any_size(run: Run, kind: str) -> None:
    drawing = figure(kind, run, size=(9.0, 5.0))
    assert drawing.get_size_inches().tolist() == [9.0, 5.0]
    assert b'width="648pt" height="360pt"' in render(drawing)


def test_the_height_of_the_heading_holds_its_words_and_nothing_else(run: Run) -> None:
    of = picture("fan", run)
    drawing = draw(of)
    height = float(drawing.get_size_inches()[1])
    cut = heading_height(of.size[0], of.headline, of.caption)
    drawing.canvas.draw()
    bottoms = [text.get_window_extent().y0 / drawing.dpi for text in drawing.texts]
    assert len(bottoms) == 2, "title and subtitle"
    tops = [axes.get_tightbbox().y1 / drawing.dpi for axes in drawing.axes]  # type: ignore[union-attr]
    assert max(tops) < height - cut < min(bottoms)


@pytest.mark.parametrize("paths", [1, 2, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_few_paths(tmp_path: Path, kind: str, paths: int) -> None:
    few = synthetic_run(tmp_path, paths=paths)
    if kind in available(few):
        assert texts(render(figure(kind, few)))
    else:
        assert kind in ("elasticity", "uncertainty", "overlay", "story")


@pytest.mark.parametrize("kind", KINDS)
def test_no_noise(tmp_path: Path, kind: str) -> None:
    flat = synthetic_run(tmp_path, paths=3, volatility=0.0)
    if kind in available(flat):
        assert texts(render(figure(kind, flat)))


def test_more_paths_than_the_tables_hold(tmp_path: Path, run: Run) -> None:
    counted = synthetic_run(tmp_path, paths=600, keep_paths=50)
    near, exact = (picture("exceedance", one).table["value"] for one in (counted, run))
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
