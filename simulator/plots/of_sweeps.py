"""The door to the figures of a sweep, drawn from its table in the style of a run's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.errors import UsageError, plain
from simulator.plots.style import style
from simulator.plots.sweep_plot import STATISTIC, SweepPlot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simulator.sweeps import Sweep

from simulator.plots.heatmap import Heatmap
from simulator.plots.response_lines import Lines
from simulator.plots.tornado import Tornado

PICTURES: dict[str, type[SweepPlot]] = {one.kind: one for one in (Heatmap, Tornado, Lines)}
KINDS = tuple(PICTURES)


def picture(
    kind: str,
    sweep: Sweep,
    entity: str = "sp500",
    statistic: str = STATISTIC,
    keys: tuple[str, ...] = (),
) -> SweepPlot:
    """The numbers and words of one figure of a sweep, before it is drawn.

    Raises
    ------
    UsageError
        For an unknown kind, entity, statistic or key, or a figure this sweep cannot give; it says why.
    """
    if kind not in PICTURES:
        raise UsageError(f"no figure {plain(kind)!r} of a sweep; there are {', '.join(KINDS)}")
    return PICTURES[kind](sweep, entity, statistic, keys)


def available(sweep: Sweep) -> tuple[str, ...]:
    """The kinds of figures a sweep can give."""
    return tuple(kind for kind, one in PICTURES.items() if not one.missing(sweep))


def draw(of: SweepPlot, size: tuple[float, float] | None = None) -> Figure:
    """A figure of a sweep; ``size`` is in inches, default the figure's own."""
    from matplotlib.figure import Figure

    with style():
        drawing = Figure(figsize=size or of.size)
        of.draw(drawing)
    return drawing
