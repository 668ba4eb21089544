"""The figures of a run: pure functions from a stored run to a matplotlib ``Figure``.

Nothing here shows, saves, or simulates. Every figure is drawn from the table that
:func:`simulator.plot_data.table` returns, so the numbers under a figure are the ones in it. One style for
all; no pyplot and no lasting change to matplotlib's settings.
"""

from __future__ import annotations

import io
import itertools
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simulator.errors import UsageError
from simulator.plot_data import (
    BIN,
    LEVELS,
    SAMPLES,
    TABLES,
    Subject,
    check_kind,
    headline,
    origin,
    subject,
    subtitle,
)
from simulator.wording import often, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simulator.run import Run

SIZE = (6.4, 4.6)
"""Inches; lettering stays readable when a phone scales it down."""

BLUES = ("#dbe9f6", "#bad6eb", "#89bedc", "#539ecd", "#2b7bba")  # light to dark
INK, GREY, RULE = "#1b1b1b", "#555555", "#dddddd"
VERMILION = "#D55E00"  # Okabe-Ito; used for the dot-com crash and nothing else
DARK_VERMILION = "#A84300"  # the same hue, dark enough for text (contrast 6 to 1)

STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10.0,
    "text.color": INK,
    "text.parse_math": False,  # "$60bn vs $100bn" is text, not a formula
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": RULE,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "figure.facecolor": "white",
    "svg.fonttype": "none",  # small, and its text can be searched
    "svg.hashsalt": "crashsim",  # the same run gives the same bytes
}


def figure(kind: str, run: Run, entity: str = "sp500", size: tuple[float, float] = SIZE) -> Figure:
    """Draw one figure.

    Args:
        kind: one of KINDS.
        run: a Run, simulated or loaded.
        entity: a group or ticker of the run.
        size: width and height in inches.

    Raises
    ------
        UsageError: unknown kind or entity.
    """
    from matplotlib.figure import Figure

    check_kind(kind)
    of = subject(run, entity)
    with _style():
        drawing = Figure(figsize=size)
        axes = _frame(drawing, headline(kind, run, entity), f"{subtitle(kind, run)} {origin(run)}")
        _DRAWERS[kind](axes, of, TABLES[kind](of))
    return drawing


def render(drawing: Figure, format: str = "svg", dpi: int = 150) -> bytes:
    """The bytes of a figure as "svg" or "png"; the same figure always gives the same bytes."""
    if format not in ("svg", "png"):
        raise UsageError(f"cannot write a figure as {format!r}; there are svg, png")
    metadata: dict[str, Any] = (
        {"Date": None, "Creator": "crashsim"} if format == "svg" else {"Software": "crashsim"}
    )
    buffer = io.BytesIO()
    with _style(), warnings.catch_warnings():
        # A title may hold a character the bundled font lacks; it is then drawn as a box, which is no fault of the run.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawing.savefig(buffer, format=format, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """Matplotlib's defaults plus STYLE, whatever the user's own settings; these come back afterwards."""
    import matplotlib

    defaults = {
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if not key.startswith("backend")
    }
    with matplotlib.rc_context():
        dict.update(matplotlib.rcParams, defaults)  # validated already
        matplotlib.rcParams.update(STYLE)
        yield


def _frame(drawing: Figure, title: str, subtitle: str) -> Axes:
    """Title and subtitle at the left edge, wrapped by hand, and the axes below them."""
    width, height = (float(side) for side in drawing.get_size_inches())
    y = height - 0.1
    for text, points, weight, colour in (
        (title, 11.5, "bold", INK),
        (subtitle, 9.0, "normal", GREY),
    ):
        # DejaVu Sans needs about 0.56 em a character, bold 0.65.
        per_line = int((width - 0.25) * 72 / (points * (0.66 if weight == "bold" else 0.565)))
        lines = textwrap.wrap(text, per_line, break_on_hyphens=False)
        drawing.text(
            0.12 / width,
            y / height,
            "\n".join(lines),
            va="top",
            size=points,
            weight=weight,
            color=colour,
        )
        y -= len(lines) * points * 1.25 / 72 + 0.06
    left, right, bottom = 0.62, 0.85, 0.55
    axes = drawing.add_axes(
        (
            left / width,
            bottom / height,
            (width - left - right) / width,
            (y - 0.15 - bottom) / height,
        )
    )
    axes.tick_params(length=3)
    return axes


def _depth_axis(axes: Axes, of: Subject, deepest: float) -> None:
    axes.set_xlim(0, deepest)
    ticks = np.arange(0, deepest + 1e-9, 0.1 if deepest <= 0.71 else 0.2)
    axes.set_xticks(ticks, [percent(-tick) for tick in ticks])
    axes.set_xlabel(f"Largest fall of {of.name} within {of.years}")


def _draw_histogram(axes: Axes, of: Subject, rows: pd.DataFrame) -> None:
    left = -rows["from"].to_numpy()
    axes.bar(
        left,
        rows["share"],
        width=BIN,
        align="edge",
        color=BLUES[2],
        edgecolor="white",
        linewidth=0.6,
    )
    top = float(rows["share"].max()) * 1.22
    deepest = _round_up(
        max(
            [
                float(left[rows["paths"] > 0].max()) + BIN,
                *(m.depth + 0.2 for m in of.marks if m.is_dotcom),
            ]
        )
    )
    if of.dotcom is not None:
        depth = of.dotcom.depth
        axes.axvline(depth, color=VERMILION, linewidth=2)
        text = f"dot-com {percent(-depth, 1)}\n{often(of.reaching(depth), of.n)} reach it"
        beyond_middle = depth > 0.6 * deepest
        axes.annotate(
            text,
            (depth, top),
            xytext=(-6 if beyond_middle else 6, -2),
            textcoords="offset points",
            ha="right" if beyond_middle else "left",
            va="top",
            color=DARK_VERMILION,
            weight="bold",
        )
    _depth_axis(axes, of, deepest)
    axes.set_ylim(0, top)
    axes.yaxis.set_major_formatter(lambda value, _: percent(value, 0 if top > 0.03 else 1))
    axes.grid(axis="y")


def _draw_exceedance(axes: Axes, of: Subject, rows: pd.DataFrame) -> None:
    depth, share = -rows["fall of at least"].to_numpy(), rows["share"].to_numpy()
    some = share > 0
    floor = 5 / of.n  # rarer than that, the paths say too little
    axes.fill_between(
        depth[some],
        rows["low"][some].clip(lower=floor),
        rows["high"][some],
        color=BLUES[1],
        linewidth=0,
    )
    axes.plot(depth[some], share[some], color=BLUES[4], linewidth=2)
    axes.set_yscale("log")
    axes.set_ylim(floor, 1.6)
    steps = [
        n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000, 100_000) if 1 / n >= floor
    ]
    axes.set_yticks(
        [1 / n for n in steps],
        [percent(1 / n, 0 if n <= 100 else 1 if n <= 1000 else 2) for n in steps],
    )
    axes.minorticks_off()
    axes.grid(axis="y")
    for n in steps:  # the same scale in other words, not a second one
        axes.annotate(
            f"1 in {n:,}", (1, 1 / n), xycoords=("axes fraction", "data"), xytext=(4, 0), **_OFFSET
        )
    deepest = _round_up(max([float(depth[some].max()), *(mark.depth + 0.12 for mark in of.marks)]))
    _depth_axis(axes, of, min(deepest, 1.0))
    _draw_marks(axes, of, floor)


_OFFSET: dict[str, Any] = {"textcoords": "offset points", "va": "center", "size": 9.0}


def _draw_marks(axes: Axes, of: Subject, floor: float) -> None:
    """Real crashes on the curve, labels below and left of it, where a falling curve leaves room.

    Labels go down from the shallowest, one line apart; crashes rarer than the axis shows sit on its edge.
    """
    bottom, top = np.log(axes.get_ylim())
    points = axes.get_position().height * axes.figure.get_size_inches()[1] * 72
    line = 13 / points * (top - bottom)
    next_low, next_edge = np.inf, bottom + line
    for mark in sorted(of.marks, key=lambda mark: mark.depth):
        share = of.reaching(mark.depth).value
        if share > floor:
            y = float(np.log(share))
            at = next_low = max(min(y - line, next_low), bottom + line / 2)
            next_low -= line
            x, side = max(mark.depth - 0.02, 0.17), "right"
        else:
            y, at = bottom, next_edge
            next_edge += line
            x, side = min(mark.depth - 0.03, axes.get_xlim()[1] - 0.18), "left"
        colour = VERMILION if mark.is_dotcom else GREY
        axes.annotate(
            f"{mark.name} {percent(-mark.depth)}{'' if mark.weekly else '*'}",
            (mark.depth, np.exp(y)),
            xytext=(x, np.exp(at)),
            ha=side,
            va="center",
            size=9.0,
            weight="bold" if mark.is_dotcom else "normal",
            color=DARK_VERMILION if mark.is_dotcom else INK,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.8,
                "relpos": (1, 0.5) if side == "right" else (0.2, 0.3),
                "shrinkA": 1,
                "shrinkB": 3,
            },
        )
        fill = colour if mark.weekly else "white"
        axes.plot(mark.depth, np.exp(y), "o", ms=6, color=colour, mfc=fill, clip_on=False, zorder=5)
    if not all(mark.weekly for mark in of.marks):
        axes.annotate(
            "* on daily closes", (0.01, 0.02), xycoords="axes fraction", size=8.5, color=GREY
        )


def _shades(axes: Axes, rows: pd.DataFrame) -> None:
    names = [f"{round(level * 100)} %" for level in LEVELS]
    for i, (low, high) in enumerate(itertools.pairwise(names)):
        axes.fill_between(
            rows["t"], rows[low], rows[high], color=BLUES[min(i, len(names) - 2 - i)], linewidth=0
        )
    axes.plot(rows["t"], rows["50 %"], color="#08306b", linewidth=1.8)
    axes.set_xlim(0, float(rows["t"].iloc[-1]))
    axes.set_xlabel("Years from the start")


def _end_labels(axes: Axes, labels: list[tuple[float, str]]) -> None:
    """Labels at the right end of a fan, from low to high, moved apart where they would touch."""
    inverse = axes.transData.inverted()
    pixel = axes.transData.transform
    point = axes.figure.dpi / 72
    gap, lowest = 26 * point, axes.bbox.y0 + 9 * point
    for value, text in labels:
        y = max(float(pixel((0, value))[1]), lowest)
        lowest = y + gap
        height = float(inverse.transform((0, y))[1])
        axes.annotate(
            text, (1, height), xycoords=("axes fraction", "data"), xytext=(4, 0), **_OFFSET
        )


def _draw_fan(axes: Axes, of: Subject, rows: pd.DataFrame) -> None:
    axes.set_yscale("log")
    _shades(axes, rows)
    levels = of.run.results.sample_levels[of.row][:, :SAMPLES] / of.run.results.start_levels[of.row]
    axes.plot(of.run.results.times, levels, color=INK, linewidth=0.5, alpha=0.65)
    low, high = (
        float(min(rows["5 %"].min(), levels.min())),
        float(max(rows["95 %"].max(), levels.max())),
    )
    low = max(low, 1e-3)
    axes.set_ylim(low * 0.93, high * 1.07)
    steps = [
        s
        for s in (0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 100)
        if low <= s <= high
    ]
    axes.set_yticks(steps, [f"{step:g}" for step in steps])
    axes.minorticks_off()
    axes.grid(axis="y")
    last = rows.iloc[-1]
    _end_labels(
        axes,
        [
            (last["5 %"], "5 in 100\nbelow"),
            (last["50 %"], "half\nabove"),
            (last["95 %"], "5 in 100\nabove"),
        ],
    )


def _draw_underwater(axes: Axes, _: Subject, rows: pd.DataFrame) -> None:
    _shades(axes, rows)
    axes.set_ylim(min(float(rows.drop(columns="t").min(axis=None)) * 1.08, -0.05), 0)
    axes.yaxis.set_major_formatter(lambda value, _: percent(value))
    axes.grid(axis="y")
    last = rows.iloc[-1]
    deep, shallow = sorted((last["5 %"], last["95 %"]))
    _end_labels(
        axes,
        [(deep, "5 in 100\nlower"), (last["50 %"], "half\nlower"), (shallow, "5 in 100\nhigher")],
    )


_DRAWERS: dict[str, Callable[[Axes, Subject, pd.DataFrame], None]] = {
    "histogram": _draw_histogram,
    "fan": _draw_fan,
    "exceedance": _draw_exceedance,
    "underwater": _draw_underwater,
}


def _round_up(share: float) -> float:
    return min(float(np.ceil(share * 10) / 10), 1.0)
