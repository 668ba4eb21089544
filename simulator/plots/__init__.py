"""The door to the figures of a run: pure functions from a stored run to a matplotlib ``Figure``.

Nothing here shows, saves, or simulates. Every figure is drawn from the table of its
:class:`simulator.plots.run_plot.RunPlot`, so the numbers under a figure are the ones in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.errors import UsageError, plain
from simulator.plots import causes as plots_causes
from simulator.plots import drawdowns as plots_falls
from simulator.plots import drivers as plots_drivers
from simulator.plots import real_crashes as plots_crashes
from simulator.plots import time_series as plots_paths
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
    render,
    style,
    without_heading,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simulator.runs.run import Run

PICTURES: dict[str, type[RunPlot]] = {
    one.kind: one
    for one in (
        plots_falls.Histogram,
        plots_paths.Fan,
        plots_falls.Exceedance,
        plots_paths.Underwater,
        plots_causes.Waterfall,
        plots_crashes.Overlay,
        plots_crashes.Trough,
        plots_paths.Recovery,
        plots_falls.Firms,
        plots_drivers.Elasticity,
        plots_drivers.Drivers,
        plots_causes.Uncertainty,
    )
}
KINDS = tuple(PICTURES)


def picture(kind: str, run: Run, entity: str = "sp500") -> RunPlot:
    """The numbers and words of one figure, before it is drawn.

    Raises
    ------
    UsageError
        For an unknown kind or entity, or a figure that this run cannot give; it says why.
    """
    if kind not in PICTURES:
        raise UsageError(f"no figure {plain(kind)!r}; there are {', '.join(KINDS)}")
    return PICTURES[kind](run, entity)


def available(run: Run, entity: str = "sp500") -> tuple[str, ...]:
    """The kinds of figures that a run can give of an entity."""
    return tuple(kind for kind, one in PICTURES.items() if not one.missing(run, entity))


def figure(
    kind: str, run: Run, entity: str = "sp500", size: tuple[float, float] | None = None
) -> Figure:
    """Draw one figure.

    Parameters
    ----------
    kind
        One of ``KINDS``.
    run
        Simulated or loaded.
    entity
        A group or ticker of the run; figures of the whole run take no notice of it.
    size
        Width and height in inches; default the figure's own.

    Raises
    ------
    UsageError
        As :func:`picture`.
    """
    return draw(picture(kind, run, entity), size)


def draw(of: RunPlot, size: tuple[float, float] | None = None) -> Figure:
    """As :func:`figure`, for a picture whose numbers are wanted too."""
    from matplotlib.figure import Figure

    with style():
        drawing = Figure(figsize=size or of.size)
        of.draw(drawing)
    return drawing
