"""The figures of runs and sweeps: pure functions from a stored run or sweep to a matplotlib ``Figure``.

Imports: ``sweeps``, ``runs`` and below. Nothing here shows, saves, or simulates.
Read first: ``plot`` (the class of every figure), then ``style``, then any figure, such as ``time_series``.
A new figure is a class like those, listed below in ``PLOTS``; ``reports.run_html`` says where the report shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.errors import UsageError, plain
from simulator.plots import causes, drawdowns, drivers, real_crashes, story, time_series
from simulator.plots.heatmap import Heatmap
from simulator.plots.plot import STATISTIC, Plot
from simulator.plots.response_lines import Lines
from simulator.plots.style import (
    BLUES,
    DARK_VERMILION,
    GREY,
    INK,
    MEDIAN,
    SIZE,
    VERMILION,
    frame,
    heading_height,
    panels,
    render,
    style,
    title_above,
)
from simulator.plots.sweep_plot import SweepPlot
from simulator.plots.tornado import Tornado
from simulator.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simulator.sweeps import Sweep

PLOTS: dict[str, type[Plot]] = {
    plot.kind: plot
    for plot in (
        Heatmap,
        Tornado,
        Lines,
        drawdowns.Histogram,
        time_series.Fan,
        drawdowns.Exceedance,
        time_series.Underwater,
        causes.Waterfall,
        real_crashes.Overlay,
        real_crashes.Trough,
        time_series.Recovery,
        drawdowns.Firms,
        drivers.Elasticity,
        drivers.Drivers,
        causes.Uncertainty,
        story.Story,
    )
}
SWEEP_KINDS = tuple(kind for kind, plot in PLOTS.items() if issubclass(plot, SweepPlot))
KINDS = tuple(kind for kind in PLOTS if kind not in SWEEP_KINDS)
"""Of figures of a run."""


def picture(
    kind: str,
    source: Run | Sweep,
    entity: str = "sp500",
    statistic: str = STATISTIC,
    keys: tuple[str, ...] = (),
) -> Plot:
    """The numbers and words of one figure, before it is drawn.

    Parameters
    ----------
    kind
        One of ``KINDS`` or ``SWEEP_KINDS``.
    source
        A run, simulated or loaded, or a sweep.
    entity
        A group or ticker; figures of the whole run ignore it.
    statistic, keys
        Of a sweep: the statistic to draw, and the keys to draw it against.

    Raises
    ------
    UsageError
        For an unknown kind, entity, statistic or key, or a figure that the source cannot give; it says why.
    """
    known = kinds(source)
    if kind not in known:
        of = " of a sweep" if known is SWEEP_KINDS else ""
        raise UsageError(f"no figure {plain(kind)!r}{of}; there are {', '.join(known)}")
    return PLOTS[kind](source, entity, statistic, keys)


def kinds(source: Run | Sweep) -> tuple[str, ...]:
    """The kinds of figures of a run or of a sweep."""
    return KINDS if isinstance(source, Run) else SWEEP_KINDS


def available(source: Run | Sweep, entity: str = "sp500") -> tuple[str, ...]:
    """The kinds of figures that a run or sweep can give of an entity."""
    return tuple(kind for kind in kinds(source) if not PLOTS[kind].missing(source, entity))


def figure(
    kind: str,
    source: Run | Sweep,
    entity: str = "sp500",
    size: tuple[float, float] | None = None,
) -> Figure:
    """Draw one figure; ``size`` in inches, default the figure's own. Parameters and errors as :func:`picture`."""
    return draw(picture(kind, source, entity), size)


def draw(of: Plot, size: tuple[float, float] | None = None) -> Figure:
    """As :func:`figure`, for a picture whose numbers are used too."""
    with style():
        from simulator.plots.shown_figure import ShownFigure

        drawing = ShownFigure(figsize=size or of.size)
        if of.panels is None:
            of.draw(frame(drawing, of.headline, of.caption, of.margins))
        else:
            of.draw(panels(drawing, of.headline, of.caption, of.panels))
    return drawing


def draw_on(of: Plot, axes: Axes) -> Axes:
    """Draw into axes of the caller, with the headline as their title; the same axes.

    Raises
    ------
    UsageError
        For a figure of several axes, or something that is not one pair of axes.
    """
    with style():
        from matplotlib.axes import Axes as OneAxes

        if of.panels is not None:
            raise UsageError(
                f"the figure {of.kind!r} has {of.panels.rows} by {of.panels.columns} axes of its own and cannot "
                "be drawn into ax; leave ax out"
            )
        if not isinstance(axes, OneAxes):
            raise UsageError(
                f"ax takes one matplotlib Axes, not {type(axes).__name__}; of an array of them, such as "
                "plt.subplots(2) gives, choose one"
            )
        title_above(axes, of.headline, of.margins.top)
        of.draw(axes)
    return axes
