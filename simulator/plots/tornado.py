"""The tornado of a sweep: which assumption matters most, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simulator.errors import plain
from simulator.plots.plot import Margins
from simulator.plots.style import BLUES, GREY, INK, SIZE, note
from simulator.plots.sweep_plot import (
    SweepPlot,
    brief,
    change,
    last_name,
    no_cell_has,
    one_at_a_time,
    tick_text,
)
from simulator.runs.statistic_labels import FALL, format_change, unit_of
from simulator.scenario.sweep_design import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.sweeps import Sweep

MOST_BARS = 20
"""Assumptions that are drawn."""
LOW, HIGH = BLUES[1], BLUES[4]
"""Low and high values of an assumption."""


class Tornado(SweepPlot):
    """Each assumption by itself at its low and its high value, the largest effect on top."""

    kind = "tornado"
    question = "Which assumption matters most?"
    margins = Margins(left=2.25, right=0.25)

    @classmethod
    def missing(cls, sweep: Sweep, entity: str) -> str:
        """It takes assumptions varied one at a time, and a base to compare with."""
        if sweep.design.kind != "oat":
            return "a tornado needs a one-at-a-time design"
        base = sweep.table[sweep.table["kind"] == "base"]
        if base.empty:
            return "its base failed"
        if not (base["entity"] == entity).any() and entity in sweep.titles:
            return f"its base has no {entity}"
        return no_cell_has(sweep, entity)

    @property
    def size(self) -> tuple[float, float]:
        """Higher with more assumptions."""
        bars = self.table["key"].nunique()
        return SIZE[0] + 0.4, 1.95 + 0.37 * bars

    @cached_property
    def effects(self) -> pd.DataFrame:
        """The cells of every key's lowest and highest value, by the larger effect.

        Columns: those of the sweep's table, and key, at, side (0 low, 1 high), rank.
        """
        rows, parts = self.cells, []
        for key, values, first in one_at_a_time(self.sweep):
            for side, place in enumerate(self._ends(key, values, first)):
                part = rows[rows["cell"] == first + place]  # empty if the cell failed
                parts.append(part.assign(key=key, at=values[place], side=side))
        effects = pd.concat(parts)
        largest = effects["change"].abs().groupby(effects["key"]).max()
        ranked = largest.sort_values(ascending=False, kind="stable").index
        effects["rank"] = effects["key"].map({key: place for place, key in enumerate(ranked)})
        return effects.sort_values(["rank", "side"], kind="stable")

    def _ends(self, key: str, values: Sequence[Value], first: int) -> tuple[int, int]:
        """Places of the lowest and the highest value; of texts, of the lowest and the highest change."""
        if key not in self.texts:
            levels = np.array(values, np.float64)
        else:
            changes = self.cells.set_index("cell")["change"].reindex(
                range(first, first + len(values))
            )
            levels = changes.fillna(0.0).to_numpy(np.float64)
        return int(levels.argmin()), int(levels.argmax())

    @cached_property
    def table(self) -> pd.DataFrame:
        """The effects that are drawn."""
        return self.effects[self.effects["rank"] < MOST_BARS]

    @property
    def headline(self) -> str:
        """The assumption that moves most, if any moves beyond its error."""
        sure = self.table[(self.table["change_low"] > 0) | (self.table["change_high"] < 0)]
        if sure.empty:
            return f"{self.name}: no single assumption moves the {self.what} beyond its error"
        top = sure.iloc[int(sure["change"].abs().to_numpy().argmax())]
        by = format_change(change(top), self.statistic).value
        unit = unit_of(self.statistic).name
        return (
            f"{self.name}: {last_name(top['key'])} moves the {self.what} most, by {by} {unit} "
            f"at {brief(top['at'])}"
        )

    @property
    def subtitle(self) -> str:
        """What the bars and whiskers are."""
        unit = unit_of(self.statistic)
        base = "" if self.base is None else f", {self.value(self.base)},"
        deeper = " Left is deeper." if unit is FALL else ""
        rest = self.effects["key"].nunique() - self.table["key"].nunique()
        texts = (
            " Texts: where it falls and rises most."
            if set(self.table["key"]) & set(self.texts)
            else ""
        )
        more = f" {rest} with smaller effects are left out." if rest else ""
        return (
            f"Change from the base{base} with one assumption at its low (upper bar) and high "
            f"(lower bar) value, all others as they are; {unit.name}. Whiskers: paired 95 % intervals."
            f"{deeper}{texts}{more}"
        )

    def draw(self, axes: Axes) -> None:
        """Two bars for each assumption, the low value above."""
        count = self.table["key"].nunique()
        for place, key in enumerate(self.table["key"].unique()):
            rows = self.table[self.table["key"] == key]
            for _, row in rows.iterrows():
                side = int(row["side"])
                self._bar(axes, row, place + (-0.19, 0.19)[side], (LOW, HIGH)[side])
            _two_lines(axes, place, str(key), " and ".join(map(brief, rows["at"])))
        axes.set_ylim(count - 0.5, -0.5)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.margins(x=0.05)
        axes.grid(axis="x")
        axes.xaxis.set_major_formatter(lambda value, _: tick_text(value))
        axes.set_xlabel(f"Change, {unit_of(self.statistic).name}")

    def _bar(self, axes: Axes, row: pd.Series[Any], y: float, colour: str) -> None:
        scale = unit_of(self.statistic).scale
        axes.barh(y, row["change"] * scale, height=0.34, color=colour, linewidth=0)
        ends = sorted((row["change_low"] * scale, row["change_high"] * scale))
        if np.isfinite(ends).all():
            axes.plot(ends, [y, y], color=INK, linewidth=1, solid_capstyle="butt")


def _two_lines(axes: Axes, y: float, key: str, below: str) -> None:
    """A key's name at the left of its bars, its table and values below."""
    parent = key.rpartition(".")[0]
    for text, colour, size, above in (
        (plain(last_name(key), 30), INK, 8.5, 5.0),
        (f"{plain(parent, 24)}: {below}" if parent else below, GREY, 7.5, -5.0),
    ):
        on = ("axes fraction", "data")
        note(axes, text, (0, y), (-8, above), on, ha="right", size=size, color=colour)
