"""Lines and points of a sweep: a statistic along an assumption."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from simulator.history import crashes, index_of
from simulator.plots.plot import Margins
from simulator.plots.run_plot import evenly
from simulator.plots.style import (
    BLUES,
    DARK_VERMILION,
    GREY,
    INK,
    MEDIAN,
    SIZE,
    VERMILION,
    end_labels,
)
from simulator.plots.sweep_plot import (
    ABOVE,
    SweepPlot,
    above,
    format_value,
    last_name,
    no_cell_has,
    tick_text,
)
from simulator.runs.statistic_labels import FALL, POINTS, unit_of
from simulator.statistics.formatting import signed
from simulator.statistics.rank_correlation import rank_correlation, ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.sweeps import Sweep

MOST_LINES = 6
"""Lines of one figure."""
SAMPLED = ("lhs", "sobol")


class Lines(SweepPlot):
    """One key along x, another as colour; for sampled designs, every cell as a point."""

    kind = "lines"
    question = "How does it change along an assumption?"

    @classmethod
    def missing(cls, sweep: Sweep, entity: str) -> str:
        """It takes any design but one-at-a-time."""
        if sweep.design.kind == "oat":
            return "its cells vary one at a time: draw a tornado"
        return no_cell_has(sweep, entity)

    @property
    def size(self) -> tuple[float, float]:
        """That of a run's figures."""
        return SIZE[0] + 0.3, SIZE[1] + 0.2

    @property
    def margins(self) -> Margins:
        """Where lines have colours, the name of their key stands above."""
        narrow = np.ptp(self.scaled(self.table["value"])) < 0.5  # its ticks have more digits
        top = 0.0 if self.colour is None else ABOVE
        return Margins(left=0.95 if narrow else 0.75, right=1.0, top=top)

    @property
    def sampled(self) -> bool:
        """Whether all keys vary at once, so that cells are points and no lines."""
        return self.sweep.design.kind in SAMPLED

    @property
    def key(self) -> str:
        """The key along x."""
        if self.against:
            return self.against[0]
        if self.sampled:
            ranks = self.correlations
            return str(ranks["rank correlation"].abs().idxmax())
        return self.by_values(1)[0]

    @property
    def colour(self) -> str | None:
        """The key shown by colour, in a grid of more than one."""
        grid = self.sweep.design.kind == "grid" and len(self.keys) > 1
        return self.by_values(2)[1] if grid else None

    @property
    def _drawn_keys(self) -> list[str]:
        return [self.key] if self.colour is None else [self.key, self.colour]

    @cached_property
    def correlations(self) -> pd.DataFrame:
        """Rank correlation of each key with the statistic over the cells; the index is the key."""
        ranks = self.cells[[*self.keys, "value"]].rank()
        correlations = ranks[list(self.keys)].corrwith(ranks["value"]).fillna(0.0)
        return pd.DataFrame({"rank correlation": correlations})

    @property
    def _is_clear(self) -> bool:
        """Whether the rank correlation of ``key`` is more than three standard errors from 0, as the largest of many."""
        cells = self.cells[[self.key, "value"]].dropna()
        if len(cells) < 4:
            return False
        of = rank_correlation(*(ranks(cells[name].to_numpy(np.float64)) for name in cells))
        return bool(abs(of.value) > 3 * of.mc_error)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The cells that are drawn, along x."""
        if self.sweep.design.kind != "grid":
            return self.cells.sort_values(self.key, kind="stable")
        return self.sliced(self._drawn_keys)

    @property
    def headline(self) -> str:
        """From the first to the last value of the key, or what goes with it."""
        name = last_name(self.key)
        if self.sampled:
            shown = signed(float(self.correlations["rank correlation"][self.key]), 2)
            if not self._is_clear:
                return (
                    f"{self.name}: {len(self.cells)} cells cannot tell what moves the {self.what}"
                )
            return f"{self.name}: {name} has the strongest rank correlation with the {self.what}: {shown}"
        _, rows = self.series[len(self.series) // 2]
        if self.key in self.texts:  # which have no ends
            rows = rows.sort_values("value", kind="stable")
        first, last = rows.iloc[0], rows.iloc[-1]
        if not self.apart(first, last) and self.key in self.texts:
            return f"{self.name}: the {self.what} does not differ between {name}s beyond its error"
        if not self.apart(first, last):
            return f"{self.name}: the {self.what} at both ends of {name} does not differ beyond its error"
        ends = (
            f"from {self.value(first)} at {name} = {format_value(first[self.key])} to {self.value(last)} "
            f"at {format_value(last[self.key])}"
        )
        where = ""
        if self.colour is not None:
            where = f", with {last_name(self.colour)} = {format_value(first[self.colour])}"
        return f"{self.name}: the {self.what} goes {ends}{where}"

    @property
    def subtitle(self) -> str:
        """What the lines, bands or points are."""
        if self.sampled:
            many = len(self.keys) - 1
            others = f" {many} other assumptions vary too." if many else ""
            fall = unit_of(self.statistic) is FALL
            sign = " A positive correlation: deeper with higher values." if fall else ""
            return f"{self.axis_name}. Every cell a point with its 95 % interval.{others}{sign}"
        apart = self.key in self.texts
        line, bands = ("point", "Whiskers") if apart else ("line", "Bands")
        by = "" if self.colour is None else f", a {line} for each {last_name(self.colour)}"
        shared = f" Cells share their noise, so differences are known better than the {bands.lower()} suggest."
        along = " and ".join(key for key in self.keys if key != self.key)
        note = f" Along with it: {along}." if along else ""
        if self.sweep.design.kind == "grid":
            note = self.held_note(self._drawn_keys)
        return f"{self.axis_name}{by}. {bands}: 95 % intervals.{shared}{self.without_note()}{note}"

    @property
    def series(self) -> list[tuple[str, pd.DataFrame]]:
        """A label and the cells of each line, thinned to MOST_LINES."""
        if self.colour is None:
            return [("", self.table)]
        levels = self.table[self.colour].dropna().sort_values().unique()
        groups = [
            (format_value(value), self.table[self.table[self.colour] == value]) for value in levels
        ]
        return [groups[place] for place in evenly(len(groups), MOST_LINES)]

    def draw(self, axes: Axes) -> None:
        """Lines with bands, or points with whiskers; the base dashed."""
        ends = self._points(axes) if self.sampled else self._lines(axes)
        values = self.table[self.key]
        if self.key in self.texts:
            names = list(values.cat.categories)
            axes.set_xticks(range(len(names)), [format_value(name) for name in names])
            axes.set_xlim(-0.5, len(names) - 0.5)
        elif self.sampled or values.min() == values.max():
            axes.margins(x=0.04)
            axes.autoscale(axis="x")
        else:
            axes.set_xlim(float(values.min()), float(values.max()))
        self._base_and_crash(axes, ends)
        axes.set_xlabel(self.unit(self.key))
        percents = " %" if unit_of(self.statistic) in (FALL, POINTS) else ""
        axes.yaxis.set_major_formatter(lambda value, _: f"{tick_text(value)}{percents}")
        axes.grid(axis="y")
        end_labels(axes, ends)
        if self.colour is not None:
            above(axes, last_name(self.colour), at_left=False)

    def _lines(self, axes: Axes) -> list[tuple[float, str, str]]:
        ends = []
        shades = [BLUES[2], BLUES[3], BLUES[4], "#1b5f9e", "#124a82", MEDIAN]
        series = self.series
        for place, (label, rows) in enumerate(series):
            colour = MEDIAN if len(series) == 1 else shades[place * 5 // max(len(series) - 1, 1)]
            y = self.scaled(rows["value"])
            low, high = self.scaled(rows["low"]), self.scaled(rows["high"])
            if self.key in self.texts:  # nothing lies between two texts
                x = rows[self.key].cat.codes.to_numpy() + 0.08 * (place - (len(series) - 1) / 2)
                axes.vlines(x, low, high, color=colour, linewidth=1)
                axes.plot(x, y, color=colour, linestyle="none", marker="o", markersize=5)
            else:
                x = rows[self.key].to_numpy()
                axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
                axes.plot(x, y, color=colour, linewidth=2, marker="o", markersize=4, clip_on=False)
            if label:
                ends.append((float(y[-1]), label, INK))
        return ends

    def _points(self, axes: Axes) -> list[tuple[float, str, str]]:
        x, y = self.table[self.key].to_numpy(), self.scaled(self.table["value"])
        low, high = self.scaled(self.table["low"]), self.scaled(self.table["high"])
        axes.vlines(x, low, high, color=BLUES[2], linewidth=1)
        axes.plot(x, y, linestyle="none", marker="o", markersize=4, color=MEDIAN)
        return []

    def _base_and_crash(self, axes: Axes, ends: list[tuple[float, str, str]]) -> None:
        """The base as a dashed line, and the dot-com crash where it is near."""
        if self.base is not None:
            height = float(self.base["value"]) * unit_of(self.statistic).scale
            axes.axhline(height, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
            ends.append((height, "base", GREY))
        if unit_of(self.statistic) is not FALL:
            return
        steps = self.sweep.scenario.steps_per_year
        for crash in crashes(index_of(self.entity), steps):
            low, high = sorted(axes.get_ylim())
            depth, margin = -100 * crash.depth, 0.35 * (high - low)
            near = low - margin < depth < high + margin
            if crash.name == "dotcom" and crash.same_grid and near:
                axes.axhline(depth, color=VERMILION, linewidth=1.6)
                ends.append((depth, "dot-com", DARK_VERMILION))

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """The cells; of a sampled design, the rank correlation of every key."""
        if not self.sampled:
            return super().shown()
        order = self.correlations["rank correlation"].abs().sort_values(ascending=False).index
        rows = [
            [str(key), signed(float(self.correlations["rank correlation"][key]), 2)]
            for key in order
        ]
        return ["assumption", f"rank correlation with the {self.what}"], rows
