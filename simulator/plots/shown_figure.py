"""A figure that a notebook shows.

Imported only to draw: it loads matplotlib.
"""

from __future__ import annotations

from matplotlib.figure import Figure  # noqa: TID253 - see above

from simulator.plots.style import render


class ShownFigure(Figure):
    """A figure outside of pyplot, which Jupyter otherwise shows as a line of text."""

    def _repr_png_(self) -> bytes:
        return render(self, "png", 100)
