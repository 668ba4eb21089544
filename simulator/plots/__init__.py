"""The figures of runs and sweeps: pure functions from a stored run or sweep to a matplotlib ``Figure``.

Imports: ``sweeps``, ``runs`` and below. Nothing here shows, saves, or simulates.
Read first: ``plot`` (the class of every figure), then ``style``, then any figure, such as ``time_series``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from simulator.errors import UsageError, plain
from simulator.plots import causes, drawdowns, drivers, real_crashes, story, time_series
from simulator.plots.heatmap import Heatmap
from simulator.plots.plot import Plot
from simulator.plots.response_lines import Lines
from simulator.plots.run_plot import RunPlot
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
    render,
    style,
)
from simulator.plots.sweep_plot import STATISTIC, SweepPlot
from simulator.plots.tornado import Tornado
from simulator.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simulator.sweeps import Sweep

RUN_PLOTS: dict[str, type[RunPlot]] = {
    plot.kind: plot
    for plot in (
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
SWEEP_PLOTS: dict[str, type[SweepPlot]] = {plot.kind: plot for plot in (Heatmap, Tornado, Lines)}
KINDS = tuple(RUN_PLOTS)
"""Of figures of a run."""


@overload
def picture(kind: str, source: Run, entity: str = ...) -> RunPlot: ...
@overload
def picture(
    kind: str, source: Sweep, entity: str = ..., statistic: str = ..., keys: tuple[str, ...] = ...
) -> SweepPlot: ...
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
        A key of ``RUN_PLOTS`` or ``SWEEP_PLOTS``.
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
    of_run = isinstance(source, Run)
    known = RUN_PLOTS if of_run else SWEEP_PLOTS
    if kind not in known:
        of = "" if of_run else " of a sweep"
        raise UsageError(f"no figure {plain(kind)!r}{of}; there are {', '.join(known)}")
    if isinstance(source, Run):
        return RUN_PLOTS[kind](source, entity)
    return SWEEP_PLOTS[kind](source, entity, statistic, keys)


def available(source: Run | Sweep, entity: str = "sp500") -> tuple[str, ...]:
    """The kinds of figures that a run or sweep can give of an entity."""
    if isinstance(source, Run):
        return tuple(kind for kind, plot in RUN_PLOTS.items() if not plot.missing(source, entity))
    return tuple(kind for kind, plot in SWEEP_PLOTS.items() if not plot.missing(source))


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
        from matplotlib.figure import Figure

        drawing = Figure(figsize=size or of.size)
        of.draw(drawing)
    return drawing
