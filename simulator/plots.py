"""The figures of a run: pure functions from a stored run to a matplotlib ``Figure``.

Nothing here shows, saves, or simulates. Every figure is drawn from the table that
:class:`simulator.plot_data.Picture` holds, so the numbers under a figure are the ones in it. One style for
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
from simulator.plot_data import BIN, DOTCOM, LEVELS, SAMPLES, Picture, band, origin
from simulator.wording import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simulator.run import Run

SIZE = (5.4, 4.3)
"""Inches; small, so that its lettering stays readable on a phone."""

BLUES = ("#dbe9f6", "#bad6eb", "#89bedc", "#539ecd", "#2b7bba")  # light to dark
MEDIAN = "#08306b"
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

    Parameters
    ----------
    kind
        One of ``plot_data.KINDS``.
    run
        Simulated or loaded.
    entity
        A group or ticker of the run.
    size
        Width and height in inches.

    Raises
    ------
    UsageError
        For an unknown kind or entity.
    """
    return draw(Picture(kind, run, entity), size)


def draw(picture: Picture, size: tuple[float, float] = SIZE) -> Figure:
    """As :func:`figure`, for a picture whose numbers are wanted too."""
    from matplotlib.figure import Figure

    with style():
        drawing = Figure(figsize=size)
        axes = frame(drawing, picture.headline, f"{picture.subtitle} {origin(picture.run)}")
        _DRAWERS[picture.kind](axes, picture)
    return drawing


def render(drawing: Figure, format: str = "svg", dpi: int = 150) -> bytes:
    """The bytes of a figure as "svg" or "png"; the same figure always gives the same bytes."""
    if format not in ("svg", "png"):
        raise UsageError(f"cannot write a figure as {format!r}; there are svg, png")
    metadata: dict[str, Any] = (
        {"Date": None, "Creator": "crashsim"} if format == "svg" else {"Software": "crashsim"}
    )
    buffer = io.BytesIO()
    with style(), warnings.catch_warnings():
        # A title may hold a character the bundled font lacks; it is then drawn as a box, which is no fault of the run.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawing.savefig(buffer, format=format, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's defaults plus STYLE, whatever the user's own settings; these come back afterwards."""
    import matplotlib

    settings: Any = dict(matplotlib.rcParamsDefault)
    with matplotlib.rc_context():
        matplotlib.rcParams.update(
            {key: settings[key] for key in settings if not key.startswith("backend")} | STYLE
        )
        yield


def frame(drawing: Figure, title: str, subtitle: str) -> Axes:
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
    left, right, bottom = 0.6, 0.78, 0.5
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


def _depth_axis(axes: Axes, of: Picture, deepest: float) -> None:
    deepest = min(float(np.ceil(deepest * 10)) / 10, 1.0)
    axes.set_xlim(0, deepest)
    ticks = np.arange(0, deepest + 1e-9, 0.1 if deepest <= 0.71 else 0.2)
    axes.set_xticks(ticks, [percent(-tick) for tick in ticks])
    axes.set_xlabel(f"Largest fall of {of.name} within {of.years}")


def _draw_histogram(axes: Axes, of: Picture) -> None:
    left, share = -of.table["from"].to_numpy(), of.table["share"].to_numpy()
    bars: dict[str, Any] = {"color": BLUES[2], "edgecolor": "white", "linewidth": 0.6}
    axes.bar(left, share, width=BIN, align="edge", **bars)
    top, deepest = 1.22 * float(share.max()), float(left[share > 0].max()) + BIN
    if of.dotcom is not None:
        depth = of.dotcom.depth
        deepest = max(deepest, depth + 0.2)
        to_left = depth > 0.6 * deepest
        axes.axvline(depth, color=VERMILION, linewidth=2)
        axes.annotate(
            f"dot-com {percent(-depth, 1)}\n{of.reaching(depth)} reach it",
            (depth, top),
            xytext=(-6 if to_left else 6, -2),
            textcoords="offset points",
            ha="right" if to_left else "left",
            va="top",
            color=DARK_VERMILION,
            weight="bold",
        )
    _depth_axis(axes, of, deepest)
    axes.set_ylim(0, top)
    axes.yaxis.set_major_formatter(lambda value, _: percent(value, 0 if top > 0.03 else 1))
    axes.grid(axis="y")


def _draw_exceedance(axes: Axes, of: Picture) -> None:
    seen = of.table[of.table["value"] > 0]
    depth, n = -seen["fall of at least"], of.run.paths
    floor = (5 if n >= 100 else 0.7) / n  # what is rarer than that, these paths cannot tell
    low = seen["low"].clip(lower=floor)
    axes.fill_between(depth, low, seen["high"], color=BLUES[1], linewidth=0)
    axes.plot(depth, seen["value"], color=BLUES[4], linewidth=2)
    axes.set_yscale("log")
    axes.set_ylim(floor, 1.6)
    steps = [step * 10**power for power in range(7) for step in (1, 2, 5)]
    steps = [step for step in steps if 1 / step >= floor and (step < 1_000 or step % 3 == 1)]
    axes.set_yticks([1 / n for n in steps], [f"{100 / n:g} %" for n in steps])
    axes.minorticks_off()
    axes.grid(axis="y")
    for n in steps:  # the same scale in other words, not a second one
        axes.annotate(f"1 in {n:,}", (1, 1 / n), **_AT_RIGHT_END)
    _depth_axis(axes, of, max([float(depth.max()), *(crash.depth + 0.12 for crash in of.crashes)]))
    _draw_crashes(axes, of, floor)


_AT_RIGHT_END: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "xytext": (4, 0),
    "textcoords": "offset points",
    "va": "center",
    "size": 9.0,
}


def _draw_crashes(axes: Axes, of: Picture, floor: float) -> None:
    """Real crashes on the curve, labels below and left of it, where a falling curve leaves room.

    Labels go down from the shallowest, one line apart; crashes rarer than the axis shows sit on its edge.
    """
    bottom, top = np.log(axes.get_ylim())
    point = axes.figure.dpi / 72
    line = 13 * point / axes.bbox.height * (top - bottom)
    right = axes.get_xlim()[1]
    room = 84 * point / axes.bbox.width * right  # of the longest label
    next_low, next_edge = np.inf, bottom + line
    for crash in sorted(of.crashes, key=lambda crash: crash.depth):
        share = of.falls.at_least(crash.depth).value
        if share > floor:
            y = float(np.log(share))
            at = max(min(y - line, next_low), bottom + line / 2)
            next_low = at - line
            x, corner = max(crash.depth - 0.02, room), (1.0, 0.5)
        else:
            y, at = bottom, next_edge
            next_edge += line
            x, corner = min(crash.depth + room / 2, right), (0.6, 0.3)
        colour = VERMILION if crash.name == DOTCOM else GREY
        axes.annotate(
            f"{crash.title} {percent(-crash.depth)}{'' if crash.same_grid else '*'}",
            (crash.depth, np.exp(y)),
            xytext=(x, np.exp(at)),
            ha="right",
            va="center",
            size=9.0,
            weight="bold" if crash.name == DOTCOM else "normal",
            color=DARK_VERMILION if crash.name == DOTCOM else INK,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.8,
                "relpos": corner,
                "shrinkA": 1,
                "shrinkB": 3,
            },
        )
        dot: dict[str, Any] = {"markersize": 6, "color": colour, "clip_on": False, "zorder": 5}
        face = colour if crash.same_grid else "white"
        axes.plot(crash.depth, np.exp(y), marker="o", markerfacecolor=face, **dot)
    if not all(crash.same_grid for crash in of.crashes):
        note: dict[str, Any] = {"xycoords": "axes fraction", "size": 8.5, "color": GREY}
        axes.annotate("* on daily closes", (0.01, 0.02), **note)


def _draw_fan(axes: Axes, of: Picture) -> None:
    results, rows = of.run.results, of.table
    single = results.sample_levels[of.row, :, :SAMPLES] / results.start_levels[of.row]
    axes.set_yscale("log")
    _shades(axes, rows)
    axes.plot(results.times, single, color=INK, linewidth=0.5, alpha=0.65)
    low = max(float(min(rows[band(0.05)].min(), single.min())), 1e-3)
    high = float(max(rows[band(0.95)].max(), single.max()))
    axes.set_ylim(low * 0.93, high * 1.07)
    usual = (0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 100)
    steps = [step for step in usual if low <= step <= high]
    axes.set_yticks(steps, [f"{step:g}" for step in steps])
    axes.minorticks_off()
    _end_labels(axes, rows, ("5 in 100\nbelow", "half\nabove", "5 in 100\nabove"))


def _draw_underwater(axes: Axes, of: Picture) -> None:
    rows = of.table
    _shades(axes, rows)
    axes.set_ylim(min(1.08 * float(rows[band(0.95)].min()), -0.05), 0)
    axes.yaxis.set_major_formatter(lambda value, _: percent(value))
    _end_labels(axes, rows, ("5 in 100\nlower", "half\nlower", "5 in 100\nhigher"))


def _shades(axes: Axes, rows: pd.DataFrame) -> None:
    for i, (low, high) in enumerate(itertools.pairwise(LEVELS)):
        colour = BLUES[min(i, len(LEVELS) - 2 - i)]
        axes.fill_between(rows["t"], rows[band(low)], rows[band(high)], color=colour, linewidth=0)
    axes.plot(rows["t"], rows[band(0.5)], color=MEDIAN, linewidth=1.8)
    axes.set_xlim(0, float(rows["t"].iloc[-1]))
    axes.set_xlabel("Years from the start")
    axes.grid(axis="y")


def _end_labels(axes: Axes, rows: pd.DataFrame, texts: tuple[str, ...]) -> None:
    """Words at the right end of a fan, from low to high, moved apart where they would touch."""
    ends = sorted(float(rows[band(level)].iloc[-1]) for level in (0.05, 0.5, 0.95))
    point = axes.figure.dpi / 72
    lowest = axes.bbox.y0 + 9 * point
    for end, text in zip(ends, texts, strict=True):
        y = max(float(axes.transData.transform((0, end))[1]), lowest)
        lowest = y + 26 * point
        height = float(axes.transData.inverted().transform((0, y))[1])
        axes.annotate(text, (1, height), **_AT_RIGHT_END)


_DRAWERS: dict[str, Callable[[Axes, Picture], None]] = {
    "histogram": _draw_histogram,
    "fan": _draw_fan,
    "exceedance": _draw_exceedance,
    "underwater": _draw_underwater,
}
