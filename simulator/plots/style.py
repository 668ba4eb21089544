"""How figures look: colours, lettering, the heading, and the space below it.

One style for all; no pyplot and no lasting change to matplotlib's settings.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simulator.errors import UsageError
from simulator.plots.plot import Margins, Panels
from simulator.plots.run_plot import LEVELS, band
from simulator.statistics.formatting import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

SIZE = (5.4, 4.3)
"""Inches; small, so that its lettering stays readable on a phone."""
MARGINS = Margins()

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
    return _PATH.sub(_coarse, buffer.getvalue()) if format == "svg" else buffer.getvalue()


# "<" is escaped in text, so no title can look like a path.
_PATH = re.compile(rb'<path [^<>]*?\bd="[^"<>]*"')
_DIGITS = re.compile(rb"(\d\.\d\d)\d+")


def _coarse(path: re.Match[bytes]) -> bytes:
    """A path to a hundredth of a point: half the bytes, and nobody can see it."""
    return _DIGITS.sub(rb"\1", path[0])


def load_matplotlib() -> Any:
    """The module matplotlib, imported without MPLBACKEND.

    Importing it fails where that names a backend that is not installed, as the shell of a notebook
    does. Figures here are drawn without a global backend.
    """
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:  # for those who use pyplot after us, as an import of theirs would have set it
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return matplotlib


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Matplotlib's defaults plus STYLE, whatever the user's own settings; these come back afterwards."""
    matplotlib = load_matplotlib()
    settings: Any = dict(matplotlib.rcParamsDefault)
    with matplotlib.rc_context():
        matplotlib.rcParams.update(
            {key: settings[key] for key in settings if not key.startswith("backend")} | STYLE
        )
        yield


_TOP = 0.1
"""Inches above the heading."""


def heading(drawing: Figure, title: str, subtitle: str) -> float:
    """Title and subtitle at the left edge, wrapped by hand; the height in inches that is left below."""
    width, height = (float(side) for side in drawing.get_size_inches())
    y = height - _TOP
    for lines, points, weight, colour in _wrapped(width, title, subtitle):
        drawing.text(
            0.12 / width,
            y / height,
            "\n".join(lines),
            va="top",
            size=points,
            weight=weight,
            color=colour,
        )
        y -= _deep(lines, points)
    return y


def title_above(axes: Axes, title: str, free: float = 0.0) -> None:
    """The heading of a figure as the title of axes on a page that is not ours; inches left free below it."""
    width = axes.bbox.width / axes.figure.dpi
    text = "\n".join(_lines(title, width, 9.5, "bold"))
    axes.set_title(text, loc="left", size=9.5, weight="bold", pad=6 + 72 * free)


def heading_height(width: float, title: str, subtitle: str) -> float:
    """Inches at the top of a figure of ``width`` inches that its heading takes.

    For pages that set title and subtitle as text of their own and hide that part of the figure.
    """
    return _TOP + sum(
        _deep(lines, points) for lines, points, *_ in _wrapped(width, title, subtitle)
    )


def _wrapped(width: float, title: str, subtitle: str) -> list[tuple[list[str], float, str, str]]:
    """The lines of a heading with their size in points, weight and colour."""
    parts = []
    for text, points, weight, colour in (
        (title, 11.5, "bold", INK),
        (subtitle, 9.0, "normal", GREY),
    ):
        parts.append((_lines(text, width - 0.25, points, weight), points, weight, colour))
    return parts


def _lines(text: str, width: float, points: float, weight: str) -> list[str]:
    """Text wrapped to a width in inches."""
    # DejaVu Sans needs about 0.56 em a character, bold 0.65.
    per_line = int(width * 72 / (points * (0.66 if weight == "bold" else 0.565)))
    whole = text.replace(" %", "\N{NO-BREAK SPACE}%")
    return textwrap.wrap(whole, max(per_line, 8), break_on_hyphens=False)


def _deep(lines: list[str], points: float) -> float:
    return len(lines) * points * 1.25 / 72 + 0.06


def frame(drawing: Figure, title: str, subtitle: str, margins: Margins = MARGINS) -> Axes:
    """The heading, and one pair of axes below it."""
    width, height = (float(side) for side in drawing.get_size_inches())
    y, bottom = heading(drawing, title, subtitle) - margins.top, 0.5
    axes = drawing.add_axes(
        (
            margins.left / width,
            bottom / height,
            max(width - margins.left - margins.right, 0.5) / width,
            max(y - 0.15 - bottom, 0.5) / height,
        )
    )
    axes.tick_params(length=3)
    return axes


def panels(drawing: Figure, title: str, subtitle: str, shape: Panels) -> list[Axes]:
    """The heading, and rows and columns of axes."""
    width, height = (float(side) for side in drawing.get_size_inches())
    y = heading(drawing, title, subtitle) - 0.28
    rows, columns, gaps, (left, right, bottom) = shape
    wide = max((width - left - right - (columns - 1) * gaps[0]) / columns, 0.2)
    high = max((y - bottom - (rows - 1) * gaps[1]) / rows, 0.2)
    made = []
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        x0, y0 = left + column * (wide + gaps[0]), y - (row + 1) * high - row * gaps[1]
        axes = drawing.add_axes((x0 / width, y0 / height, wide / width, high / height))
        axes.tick_params(length=2, labelsize=8.5)
        made.append(axes)
    return made


HALO: dict[str, Any] = {"facecolor": "white", "alpha": 0.65, "edgecolor": "none", "pad": 0.3}
"""Behind words that lie on lines."""
AT_RIGHT_END: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "xytext": (4, 0),
    "textcoords": "offset points",
    "va": "center",
    "size": 9.0,
}


def percent_axis(axis: Axis) -> None:
    """Shares along an axis, in percent."""
    axis.set_major_formatter(lambda value, _: percent(value))


def name_rows(axes: Axes, names: Iterable[str]) -> None:
    """Names beside rows of bars, the first at the top."""
    names = list(names)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def depth_axis(axes: Axes, text: str, deepest: float) -> None:
    """Falls along x, from none at the left to ``deepest`` at the right."""
    deepest = min(float(np.ceil(deepest * 10)) / 10, 1.0)
    axes.set_xlim(0, deepest)
    ticks = np.arange(0, deepest + 1e-9, 0.1 if deepest <= 0.71 else 0.2)
    axes.set_xticks(ticks, [percent(-tick) for tick in ticks])
    axes.set_xlabel(text)


def shades(axes: Axes, rows: pd.DataFrame, text: str = "Years from the start") -> None:
    """The 10 % bands of a fan over its column t, and its median."""
    for i, (low, high) in enumerate(itertools.pairwise(LEVELS)):
        colour = BLUES[min(i, len(LEVELS) - 2 - i)]
        axes.fill_between(rows["t"], rows[band(low)], rows[band(high)], color=colour, linewidth=0)
    axes.plot(rows["t"], rows[band(0.5)], color=MEDIAN, linewidth=1.8)
    axes.set_xlim(0, max(float(rows["t"].iloc[-1]), 1e-9))
    if text:
        axes.set_xlabel(text)
    axes.grid(axis="y")


def end_labels(axes: Axes, ends: Iterable[tuple[float, str, str]]) -> None:
    """Words at the right end of lines, moved apart where they would touch: height, text, colour."""
    point = axes.figure.dpi / 72
    lowest = axes.bbox.y0 + 9 * point
    for end, text, colour in sorted(ends, key=lambda label: label[0]):
        half = (6.5 if "\n" not in text else 13) * point
        y = max(float(axes.transData.transform((0, end))[1]), lowest)
        lowest = y + 2 * half
        height = float(axes.transData.inverted().transform((0, y))[1])
        axes.annotate(text, (1, height), color=colour, **AT_RIGHT_END)


def note(
    axes: Axes,
    text: str,
    at: tuple[Any, Any],
    offset: tuple[float, float],
    on: Any = "data",
    **look: Any,
) -> None:
    """Words ``offset`` points from a place in the coordinates ``on``; 9 points large unless ``look`` says otherwise."""
    look = {"size": 9.0, "va": "center", **look}
    axes.annotate(text, at, xycoords=on, xytext=offset, textcoords="offset points", **look)


def above(axes: Axes, text: str, offset: float, size: float) -> None:
    """The title of a panel."""
    note(axes, text, (0, 1), (0, offset), "axes fraction", size=size, weight="bold", va="baseline")


def daily_note(axes: Axes, *, at_left: bool) -> None:
    """What the star at a real crash means."""
    x, side = (0.01, "left") if at_left else (0.99, "right")
    look = {"size": 8.5, "color": GREY, "ha": side, "va": "baseline"}
    note(axes, "* on daily closes", (x, 0.02), (0, 0), "axes fraction", **look)


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers within a range of a log axis: 1, 2 and 5 times powers of ten, or fewer."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps, every in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3), ((1,), 5)):
        ticks = [s * 10.0**p for p in powers if p % every == 0 for s in steps]
        ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) <= most:
            break
    return ticks
