"""The heat map of a sweep: two assumptions at once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simulator.arrays import FloatArray
from simulator.plots.plot import Margins
from simulator.plots.style import GREY, INK, SIZE
from simulator.plots.sweep_plot import ABOVE, SweepPlot, above, format_value, last_name, no_cell_has
from simulator.runs.statistic_labels import FALL, unit_of
from simulator.scenario.sweep_design import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

    from simulator.sweeps import Sweep

MOST_NUMBERS = 13
"""Columns of a heat map that holds its numbers."""


class Heatmap(SweepPlot):
    """Two keys across and up, a colour and a number a cell."""

    kind = "heatmap"
    question = "How do two assumptions act together?"

    @classmethod
    def missing(cls, sweep: Sweep, entity: str) -> str:
        """It takes a grid of two keys or more."""
        if sweep.design.kind != "grid" or len(sweep.keys) < 2:
            return "a heat map needs a grid of two keys"
        return no_cell_has(sweep, entity)

    @property
    def size(self) -> tuple[float, float]:
        """Higher with more rows, wider with more columns."""
        columns, rows = (self.table[key].nunique() for key in self.axes)
        across, up = (0.5, 0.34) if columns <= MOST_NUMBERS else (0.2, 0.2)
        if self.axes[0] in self.texts:
            columns = len(self.table[self.axes[0]].cat.categories)
            across = max(across, self._text_inches(self.axes[0]))
        return max(SIZE[0], 1.6 + across * min(columns, 40)), max(2.9, 2.1 + up * min(rows, 40))

    def _text_inches(self, key: str) -> float:
        """Room for the longest label of a key that holds texts, else none."""
        labels = self.table[key].cat.categories if key in self.texts else ()
        return max((0.09 * len(format_value(label)) + 0.2 for label in labels), default=0.0)

    @property
    def axes(self) -> tuple[str, str]:
        """The keys across and up."""
        across, up = self.by_values(2)
        return across, up

    @property
    def holds_numbers(self) -> bool:
        """Whether the cells are large enough to hold their numbers; else a scale stands beside them."""
        columns, rows = (self.table[key].nunique() for key in self.axes)
        return columns <= MOST_NUMBERS and rows <= 2 * MOST_NUMBERS

    @property
    def margins(self) -> Margins:
        """Wider at the right for a scale of colours."""
        left = max(0.85, self._text_inches(self.axes[1]))
        return Margins(left=left, right=0.3 if self.holds_numbers else 0.95, top=ABOVE)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The cells of the two keys, the other keys held."""
        return self.sliced(list(self.axes))

    def _pivoted(self, table: pd.DataFrame, column: str) -> pd.DataFrame:
        """A column of cells by the key up and the key across; every text has its row or column."""
        across, up = self.axes
        return table.pivot_table(
            index=up, columns=across, values=column, observed=False, dropna=False
        )

    @property
    def headline(self) -> str:
        """From the mildest to the worst cell."""
        order = self.table.sort_values("value", kind="stable")
        first, last = order.iloc[0], order.iloc[-1]
        if not self.apart(first, last):
            return f"{self.name}: no two cells differ in the {self.what} beyond their errors"
        named = ", ".join(f"{last_name(key)} {format_value(first[key])}" for key in self.axes)
        bare = ", ".join(format_value(last[key]) for key in self.axes)
        ends = f"{self.value(first)} ({named}) to {self.value(last)} ({bare})"
        return f"{self.name}: the {self.what} goes from {ends}"

    @property
    def subtitle(self) -> str:
        """What the numbers are, and how well they are known."""
        across, up = (last_name(key) for key in self.axes)
        error = abs(unit_of(self.statistic).scale) * float(self.table["mc_error"].max())
        return (
            f"{self.axis_name}, by {across} (across) and {up} (up). Standard error of each number: "
            f"at most {error:.2g}.{self.without_note()}{self.held_note(list(self.axes))}"
        )

    def _colours(self, shown: FloatArray) -> Normalize:
        """The ends of the colours: those of the values, but at least as far apart as ten standard errors."""
        from matplotlib.colors import Normalize  # late: slow to import

        error = abs(unit_of(self.statistic).scale) * float(self.table["mc_error"].max())
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        wider = max(0.0, 10 * error - (high - low)) / 2 if np.isfinite(error) else 0.0
        return Normalize(low - wider, high + wider)

    def draw(self, axes: Axes) -> None:
        """Equal cells, whatever the distance of the values."""
        across, up = self.axes
        there = self._pivoted(self.sliced([across, up], self.every_cell), "cell")
        grid = self._pivoted(self.table, "value").reindex_like(there)
        shown = grid.to_numpy(np.float64) * unit_of(self.statistic).scale
        mesh = axes.pcolormesh(
            np.arange(grid.shape[1] + 1),
            np.arange(grid.shape[0] + 1),
            np.ma.masked_invalid(shown),
            norm=self._colours(shown),
            cmap="cividis" if unit_of(self.statistic) is FALL else "cividis_r",
            edgecolors="white",
            linewidth=0.8,
        )
        _value_ticks(axes, list(grid.columns), list(grid.index))
        axes.set_xlabel(self.unit(across))
        above(axes, self.unit(up), at_left=True)
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        if self.holds_numbers:
            _numbers(axes, shown, mesh, there.notna().to_numpy())
        else:
            bar = axes.figure.colorbar(mesh, cax=_beside(axes))
            bar.ax.tick_params(length=2, labelsize=8.5)
            bar.outline.set_visible(False)


def _value_ticks(axes: Axes, across: list[Value], up: list[Value]) -> None:
    """Values in the middle of the cells; fewer where they would touch, but every text."""
    for values, set_ticks, most in ((across, axes.set_xticks, 10), (up, axes.set_yticks, 20)):
        most = len(values) if isinstance(values[0], str) else most  # noqa: PLW2901
        every = -(-len(values) // most)
        places = range(0, len(values), every)
        set_ticks(
            [place + 0.5 for place in places], [format_value(values[place]) for place in places]
        )


def _numbers(axes: Axes, shown: Any, mesh: Any, there: Any) -> None:
    """The number of each cell, in the ink that its colour bears.

    A cell without one failed, or its universe, which is ``there``, has no such entity.
    """
    finite = shown[np.isfinite(shown)]
    places = 0 if np.ptp(finite) >= 5 or not finite.size else 1
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            light = _luminance(mesh.cmap(mesh.norm(value)))
            text = f"{value:,.{places}f}".replace("-", "\N{MINUS SIGN}")
            ink = INK if (light + 0.05) ** 2 > 1.05 * 0.06 else "white"  # the larger contrast
        else:
            text, ink = "none" if there[row, column] else "failed", GREY
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", size=8.5, color=ink)


def _luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance, as contrast is reckoned with (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _beside(axes: Axes) -> Axes:
    """Axes for a colour scale at the right."""
    width = axes.bbox.width / axes.figure.dpi
    return axes.inset_axes((1 + 0.15 / width, 0, 0.16 / width, 1))
