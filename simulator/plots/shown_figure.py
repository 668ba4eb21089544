"""A figure that a notebook shows.

Imported only to draw: it loads matplotlib.
"""

from __future__ import annotations

from simulator.plots.style import load_matplotlib, render

load_matplotlib()
from matplotlib.figure import Figure  # noqa: E402, TID253 - see above


class ShownFigure(Figure):
    """A figure outside of pyplot, which Jupyter otherwise shows as a line of text."""

    def _repr_png_(self) -> bytes:
        return render(self, "png", 100)
