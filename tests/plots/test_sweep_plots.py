"""The figures of sweeps: what they hold is the table, and what they say is what they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib.text
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from synthetic_sweep import ELASTICITY, ERROR, HAZARD, PRICE, depth, synthetic_sweep

from simulator import load_scenario
from simulator.errors import UsageError
from simulator.plots import SWEEP_KINDS, available, draw, picture
from simulator.plots.heatmap import Heatmap
from simulator.plots.response_lines import Lines
from simulator.plots.style import VERMILION, render, style
from simulator.scenario.sweep_design import Design
from simulator.sweeps.sweep import Sweep

UNIVERSE, KIND = "scenario.universe", "events.0.kind"
LONG_KINDS = ["rate_rise", "efficiency_gain", "funding_squeeze"]
DESIGNS = {
    "one key": Design.grid({ELASTICITY: "0.6:1.4:5"}),
    "one value": Design.grid({ELASTICITY: [1.0]}),
    "two keys": Design.grid({PRICE: "0.5:0.98:9", ELASTICITY: [0.6, 0.8, 1.0, 1.2, 1.6]}),
    "three keys": Design.grid(
        {PRICE: "0.5:0.98:4", ELASTICITY: "0.4:2:3", HAZARD: [0.1, 0.2, 0.4]}
    ),
    "many values": Design.grid({PRICE: "0.5:0.98:25", ELASTICITY: "0.4:2:30"}),
    "together": Design.zip({PRICE: "0.5:0.98:5", ELASTICITY: "0.4:2:5"}),
    "hypercube": Design.lhs(12),
    "one at a time": Design.one_at_a_time(),
    "one text": Design.grid({"events.3.firm": ["NVDA", "GOOGL", "META"]}),
    "text and number": Design.grid({KIND: LONG_KINDS, ELASTICITY: [0.6, 1.0]}),
    "texts one at a time": Design.one_at_a_time({KIND: LONG_KINDS, ELASTICITY: [0.6, 1.4]}),
}
GIVES = {
    "one key": ("lines",),
    "one value": ("lines",),
    "two keys": ("heatmap", "lines"),
    "three keys": ("heatmap", "lines"),
    "many values": ("heatmap", "lines"),
    "together": ("lines",),
    "hypercube": ("lines",),
    "one at a time": ("tornado",),
    "one text": ("lines",),
    "text and number": ("heatmap", "lines"),
    "texts one at a time": ("tornado",),
}
EVERY = [(name, kind) for name, kinds in GIVES.items() for kind in kinds]


@pytest.fixture(scope="module")
def sweeps() -> dict[str, Sweep]:
    return {name: synthetic_sweep(design) for name, design in DESIGNS.items()}


def drawn(kind: str, sweep: Sweep, **asked: Any) -> Figure:
    return draw(picture(kind, sweep, **asked))


def words(drawing: Figure) -> list[str]:
    found: list[Any] = drawing.findobj(matplotlib.text.Text)
    return [text.get_text() for text in found]


@pytest.mark.parametrize("name", list(DESIGNS))
def test_each_design_gives_the_figures_it_can(sweeps: dict[str, Sweep], name: str) -> None:
    assert available(sweeps[name]) == GIVES[name]
    for kind in set(SWEEP_KINDS) - set(GIVES[name]):
        with pytest.raises(UsageError, match=f"no figure '{kind}' of sp500 here: "):
            picture(kind, sweeps[name])


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_a_figure_gives_the_same_bytes_twice(
    sweeps: dict[str, Sweep], name: str, kind: str
) -> None:
    first, second = (render(drawn(kind, sweeps[name])) for _ in range(2))
    assert first == second
    assert first.startswith(b"<?xml")
    assert render(drawn(kind, sweeps[name]), "png", dpi=50).startswith(b"\x89PNG")


@pytest.mark.parametrize("statistic", ["worst_1_in_20", "reach_dotcom"])
@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_no_word_is_cut_off_or_covers_another(
    sweeps: dict[str, Sweep], name: str, kind: str, statistic: str
) -> None:
    drawing = drawn(kind, sweeps[name], statistic=statistic, entity="NVDA")
    boxes = word_boxes(drawing)
    width, height = drawing.bbox.width, drawing.bbox.height
    for text, (x0, y0, x1, y1) in boxes:
        assert x0 >= -1, text
        assert y0 >= -1, text
        assert x1 <= width + 1, text
        assert y1 <= height + 1, text
    assert overlaps(boxes) == []


def word_boxes(drawing: Figure) -> list[tuple[str, tuple[float, float, float, float]]]:
    with style():
        FigureCanvasAgg(drawing).draw()  # type: ignore[no-untyped-call]
    unseen = set()  # labels of ticks beyond the ends of an axis are there, and not drawn
    for axes in drawing.findobj(matplotlib.axes.Axes):  # those within axes too
        assert isinstance(axes, matplotlib.axes.Axes)
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
            unseen |= {label for tick in ticks for label in (tick.label1, tick.label2)}
    boxes = []
    for text in drawing.findobj(matplotlib.text.Text):
        assert isinstance(text, matplotlib.text.Text)
        if text.get_text().strip() and text.get_visible() and text not in unseen:
            box = text.get_window_extent()
            boxes.append((text.get_text(), (box.x0, box.y0, box.x1, box.y1)))
    return boxes


def overlaps(boxes: list[tuple[str, tuple[float, float, float, float]]]) -> list[tuple[str, str]]:
    """Pairs of words that share more than a thin edge."""
    found = []
    for i, (one, a) in enumerate(boxes):
        for other, b in boxes[i + 1 :]:
            across = min(a[2], b[2]) - max(a[0], b[0])
            down = min(a[3], b[3]) - max(a[1], b[1])
            if across > 2 and down > 4:
                found.append((one, other))
    return found


def test_the_check_of_overlaps_can_fail(sweeps: dict[str, Sweep]) -> None:
    drawing = drawn("lines", sweeps["one key"])
    drawing.text(0.05, 0.97, "in the way of the headline", va="top")
    assert overlaps(word_boxes(drawing)) != []


# ---------------------------------------------------------------- heat map


def test_the_heat_map_holds_the_numbers_of_the_table(sweeps: dict[str, Sweep]) -> None:
    of = Heatmap(sweeps["two keys"])
    assert of.by_values(2) == [PRICE, ELASTICITY]
    assert len(of.table) == 45
    shown = words(draw(of))
    mildest, worst = (depth({PRICE: p, ELASTICITY: e}) for p, e in ((0.5, 1.6), (0.98, 0.6)))
    for value in (mildest, worst):
        assert f"−{100 * value:.0f}" in shown
    assert f"−{100 * mildest:.1f} %" in of.headline
    assert f"−{100 * worst:.1f} %" in of.headline
    assert "elasticity 1.6" in of.headline


def test_a_failed_cell_is_said_to_have_failed() -> None:
    sweep = synthetic_sweep(DESIGNS["two keys"], failed={7})
    assert "failed" in words(drawn("heatmap", sweep))
    assert "failed" not in words(drawn("heatmap", synthetic_sweep(DESIGNS["two keys"])))


def test_a_third_key_is_held_near_the_base_and_said(sweeps: dict[str, Sweep]) -> None:
    of = picture("heatmap", sweeps["three keys"])
    assert len(of.table) == 12
    assert set(of.table[ELASTICITY]) == {0.4, 1.2, 2.0}
    assert f"Held: {HAZARD} = 0.2." in of.subtitle
    turned = Heatmap(sweeps["three keys"], against=(HAZARD, ELASTICITY))
    assert turned.by_values(2) == [HAZARD, ELASTICITY]
    assert "Held: technology.annual_price_decline" in turned.subtitle


# ---------------------------------------------------------------- tornado


def test_the_tornado_is_in_the_order_of_effects(sweeps: dict[str, Sweep]) -> None:
    of = picture("tornado", sweeps["one at a time"])
    keys = list(dict.fromkeys(of.table["key"]))
    assert keys[:3] == [ELASTICITY, PRICE, HAZARD]
    largest = [of.table[of.table["key"] == key]["change"].abs().max() for key in keys]
    assert largest == sorted(largest, reverse=True)
    assert "elasticity moves the 1-in-20 worst fall most" in of.headline
    assert "Left is deeper." in of.subtitle


def test_bars_and_whiskers_are_the_paired_changes(sweeps: dict[str, Sweep]) -> None:
    of = picture("tornado", sweeps["one at a time"])
    axes: Any = draw(of).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths, -100 * of.table["change"], atol=1e-9)
    ends = [line.get_xdata() for line in axes.lines if len(set(np.ravel(line.get_ydata()))) == 1]
    found = np.array([end for end in ends if len(end) == 2 and end[0] != end[1]], dtype=float)
    expected = -100 * of.table[["change_high", "change_low"]].to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9)
    low, high = of.table[of.table["key"] == ELASTICITY]["at"]
    assert low < high


def test_a_tornado_with_nothing_sure_says_so() -> None:
    flat = synthetic_sweep(DESIGNS["one at a time"], formula=lambda _: 0.5)
    assert "no single assumption moves" in picture("tornado", flat).headline


def test_a_tornado_misses_a_failed_cell_and_needs_a_base() -> None:
    whole = synthetic_sweep(DESIGNS["one at a time"])
    sweep = synthetic_sweep(DESIGNS["one at a time"], failed={1})
    count = len(picture("tornado", whole).table)
    assert len(picture("tornado", sweep).table) == count - 1
    draw(picture("tornado", sweep))
    with pytest.raises(UsageError, match="its base failed"):
        picture("tornado", synthetic_sweep(DESIGNS["one at a time"], failed={0}))


def noise(cell: dict[str, float]) -> float:
    """Falls that differ by a tenth of their error."""
    return 0.5 + 0.1 * ERROR * (sum(cell.values()) % 1)


def test_a_heat_map_of_noise_names_no_difference_and_keeps_to_the_middle_of_its_colours() -> None:
    of = picture("heatmap", synthetic_sweep(DESIGNS["two keys"], formula=noise))
    assert "no two cells differ" in of.headline
    mesh: Any = draw(of).axes[0].collections[0]
    low, high = mesh.get_clim()
    values = mesh.get_array()
    assert (values.max() - values.min()) / (high - low) < 0.1
    assert high - low == pytest.approx(10 * 100 * of.table["mc_error"].max(), rel=1e-6)


def test_a_heat_map_of_differences_uses_all_its_colours(sweeps: dict[str, Sweep]) -> None:
    mesh: Any = drawn("heatmap", sweeps["two keys"]).axes[0].collections[0]
    assert mesh.get_clim() == (mesh.get_array().min(), mesh.get_array().max())


def test_lines_between_ends_that_do_not_differ_say_so() -> None:
    of = picture("lines", synthetic_sweep(DESIGNS["one key"], formula=noise))
    assert "does not differ beyond its error" in of.headline


# ---------------------------------------------------------------- lines


def test_lines_and_bands_are_the_numbers_of_the_table(sweeps: dict[str, Sweep]) -> None:
    of = picture("lines", sweeps["one key"])
    axes: Any = draw(of).axes[0]
    line = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(line.get_xdata(), [0.6, 0.8, 1.0, 1.2, 1.4])
    np.testing.assert_allclose(
        line.get_ydata(), [-100 * depth({ELASTICITY: e}) for e in (0.6, 0.8, 1.0, 1.2, 1.4)]
    )
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(-100 * (depth({ELASTICITY: 1.4}) - 2 * ERROR))
    assert heights.min() == pytest.approx(-100 * (depth({ELASTICITY: 0.6}) + 2 * ERROR))
    assert "from −54.0 % at elasticity = 0.6 to −46.0 % at 1.4" in of.headline


def test_lines_are_labelled_and_thinned(sweeps: dict[str, Sweep]) -> None:
    shown = words(drawn("lines", sweeps["two keys"]))
    assert {"0.6", "0.8", "1", "1.2", "1.6", "base"} <= set(shown)
    many = drawn("lines", sweeps["many values"])
    assert sum(line.get_marker() == "o" for line in many.axes[0].lines) == 6


def test_the_dotcom_crash_is_drawn_where_it_is_near_and_only_for_falls(
    sweeps: dict[str, Sweep],
) -> None:
    def has_crash(drawing: Figure) -> bool:
        return any(line.get_color() == VERMILION for line in drawing.axes[0].lines)

    assert has_crash(drawn("lines", sweeps["two keys"]))
    assert not has_crash(drawn("lines", sweeps["two keys"], statistic="reach_dotcom"))
    assert not has_crash(drawn("lines", synthetic_sweep(DESIGNS["one key"], formula=lambda _: 0.1)))


def test_points_of_a_sampled_design_tell_rank_correlations(sweeps: dict[str, Sweep]) -> None:
    of = Lines(sweeps["hypercube"])
    columns, rows = of.shown()
    assert columns[0] == "assumption"
    assert {rows[0][0], rows[1][0]} & {ELASTICITY, PRICE}
    assert len(rows) == len(of.keys)
    assert "22 other assumptions vary too" in of.subtitle
    by_hand = of.cells[[ELASTICITY, "value"]].corr(method="spearman").iloc[0, 1]
    told = {row[0]: row[1] for row in rows}
    assert float(told[ELASTICITY].replace("−", "-")) == pytest.approx(by_hand, abs=0.006)


# ---------------------------------------------------------------- words


def test_what_a_sweep_does_not_have_is_refused(sweeps: dict[str, Sweep]) -> None:
    sweep = sweeps["two keys"]
    for asked, message in (
        ({"kind": "pie"}, "no figure 'pie' of a sweep; there are heatmap, tornado, lines"),
        ({"entity": "NVDIA"}, "no entity 'NVDIA' in this sweep; it has sp500, NVDA"),
        ({"statistic": "mode"}, "no statistic 'mode'"),
        ({"keys": ("market.x",)}, "market.x does not vary"),
    ):
        with pytest.raises(UsageError, match=message):
            picture(**{"kind": "lines", "source": sweep, **asked})  # type: ignore[arg-type]


@pytest.mark.parametrize("title", ["$\\frac{1}{0}$ <b>", "[/] =cmd|x", "a" * 200])
def test_a_hostile_title_is_shown_as_it_is(sweeps: dict[str, Sweep], title: str) -> None:
    sweep = sweeps["one key"]
    renamed = replace(sweep, scenario=replace(sweep.scenario, title=title))
    renamed.__dict__["table"] = sweep.table
    drawing = drawn("lines", renamed)
    shown = " ".join(" ".join(words(drawing)).split())
    assert title[:40] in shown.replace(" ", "") or title[:40] in shown
    render(drawing)


def test_the_table_under_a_figure_holds_its_cells(sweeps: dict[str, Sweep]) -> None:
    of = picture("heatmap", sweeps["two keys"])
    columns, rows = of.shown()
    assert columns == [
        "cell",
        PRICE,
        ELASTICITY,
        "1-in-20 worst fall",
        "change from the base (95 % interval)",
    ]
    assert len(rows) == 45
    first = of.table.iloc[0]
    assert rows[0][0] == str(first["cell"])
    assert rows[0][3] == f"−{100 * first['value']:.1f} %"


def test_cells_one_at_a_time_belong_to_the_columns_of_the_table() -> None:
    """A design read back from JSON may have its keys in another order than the cells."""
    sweep = synthetic_sweep(Design.one_at_a_time({PRICE: [0.5, 0.98], ELASTICITY: [0.6, 1.4]}))
    shuffled = replace(sweep, design=replace(sweep.design, axes=sweep.design.axes[::-1]))
    shuffled.__dict__["table"] = sweep.table
    for one in (sweep, shuffled):
        rows = picture("tornado", one).table
        assert dict(zip(rows["cell"], rows["key"], strict=True)) == {
            1: PRICE,
            2: PRICE,
            3: ELASTICITY,
            4: ELASTICITY,
        }
        np.testing.assert_allclose(
            rows["at"], [rows.loc[i, rows.loc[i, "key"]] for i in rows.index]
        )


def test_a_sweep_of_one_value_is_drawn_with_its_value_in_sight() -> None:
    axes = drawn("lines", synthetic_sweep(Design.grid({ELASTICITY: [1.0]}))).axes[0]
    low, high = axes.get_xlim()
    assert low < 1.0 < high


def by_text(cell: dict[str, float]) -> float:
    """Deeper with longer texts and lower elasticity: efficiency_gain as funding_squeeze, 15 letters."""
    return (
        0.3
        + 0.02 * cell.get(KIND, 9)
        + 0.01 * cell.get(UNIVERSE, 0)
        - 0.1 * cell.get(ELASTICITY, 1.0)
    )


def test_texts_stand_in_the_order_of_the_design_and_are_not_joined() -> None:
    one = synthetic_sweep(DESIGNS["text and number"], formula=by_text)
    axes = drawn("lines", one).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == LONG_KINDS
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert {line.get_linestyle() for line in points} == {"None"}
    heights = [line.get_ydata() for line in points]  # elasticity 0.6, then 1.0
    assert np.allclose(np.array(heights), [[-42, -54, -54], [-38, -50, -50]])


def test_a_heat_map_of_texts_holds_their_numbers() -> None:
    drawing = drawn("heatmap", synthetic_sweep(DESIGNS["text and number"], formula=by_text))
    axes = drawing.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == LONG_KINDS
    numbers = [text for text in words(drawing) if text.startswith("\N{MINUS SIGN}")]
    assert [number[1:] for number in numbers] == ["42", "54", "54", "38", "50", "50"]


def test_a_tornado_takes_the_texts_with_the_lowest_and_the_highest_change() -> None:
    of = picture("tornado", synthetic_sweep(DESIGNS["texts one at a time"], formula=by_text))
    rows = of.table[of.table["key"] == KIND]
    assert list(rows["at"]) == ["rate_rise", "efficiency_gain"]
    assert np.allclose(rows["change"], [0.0, 0.12])
    assert "efficiency_gain" in of.headline
    assert "Texts: where it falls and rises most" in of.subtitle


def test_an_entity_that_some_universes_lack_is_not_said_to_have_failed() -> None:
    design = Design.grid({UNIVERSE: ["us-2025-01", "us-2000-03"], ELASTICITY: [0.6, 1.0]})
    sweep = synthetic_sweep(design, scenario=load_scenario("glut"), formula=by_text, failed=[1])
    table = sweep.table
    gone = (table["entity"] == "NVDA") & (table[UNIVERSE] == "us-2000-03")
    sweep.__dict__["table"] = table[~gone]
    shown = words(drawn("heatmap", sweep, entity="NVDA"))
    assert shown.count("none") == 2
    assert shown.count("failed") == 1
    assert any("Some universes have no NVIDIA" in text.replace("\n", " ") for text in shown)
    assert "failed" in words(drawn("heatmap", sweep))
    assert "none" not in words(drawn("heatmap", sweep))


def test_an_entity_of_the_base_alone_has_no_figure() -> None:
    sweep = synthetic_sweep(Design.grid({UNIVERSE: ["us-2000-03"]}), scenario=load_scenario("glut"))
    table = sweep.table
    sweep.__dict__["table"] = table[(table["entity"] != "NVDA") | (table["kind"] == "base")]
    assert available(sweep, "NVDA") == ()
    with pytest.raises(UsageError, match="only its base"):
        picture("lines", sweep, "NVDA")
