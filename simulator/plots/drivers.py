"""Figures of what drives the scenario: price and use of AI, and the elasticity of demand."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from simulator.engine.results import DRIVER_GRID, DRIVERS
from simulator.plots.plot import Margins, Panels
from simulator.plots.run_plot import (
    BANDS,
    QUANTILES,
    SHADES,
    RunPlot,
    band,
    below,
    thinned,
    with_interval,
)
from simulator.plots.style import (
    AT_RIGHT_END,
    DARK_VERMILION,
    HALO,
    INK,
    VERMILION,
    above,
    note,
    percent_axis,
    round_ticks,
    shades,
)
from simulator.statistics import grid_quantiles, probability, quantile
from simulator.statistics.formatting import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.runs import Run


class Drivers(RunPlot):
    """What drives the scenario: price and use of tokens, computing, capital spending."""

    kind = "drivers"
    question = "What happens to prices and spending?"
    size = (5.4, 5.4)
    panels = Panels(2, 2, (0.62, 0.55), (0.55, 0.2, 0.45))

    @property
    def titles(self) -> dict[str, str]:
        """Names of the drivers: of AI, or of what an earlier boom built."""
        names = (
            ("Price of a token", "Tokens used", "Compute needed", "AI capital spending")
            if is_ai(self.run)
            else ("Price of a unit", "Units used", "Capacity needed", "Capital spending")
        )
        return dict(zip(DRIVERS, names, strict=True))

    @classmethod
    def missing(cls, run: Run, entity: str) -> str:  # noqa: ARG003
        """Runs of format 1 kept none."""
        if run.results.driver_steps.size:
            return ""
        return "the run kept no drivers; simulate it again with --force"

    @cached_property
    def table(self) -> pd.DataFrame:
        """Quantiles of each driver over its start, and what is priced in."""
        results = self.run.results
        values = np.exp(grid_quantiles(results.driver_counts, DRIVER_GRID, QUANTILES))
        values[:, results.driver_steps == 0] = 1.0  # known, whatever its bin
        t = results.times[results.driver_steps]
        parts = [
            pd.DataFrame(
                {"driver": name, "t": t, **dict(zip(BANDS, bands.T, strict=True)),
                 "priced in": np.exp(priced_in)}
            )
            for name, bands, priced_in in zip(DRIVERS, values, results.driver_consensus, strict=True)
        ]  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    def of(self, driver: str) -> pd.DataFrame:
        """The rows of one driver."""
        return self.table[self.table["driver"] == driver].drop(columns="driver")

    @property
    def headline(self) -> str:
        """The price of a token in the middle future, beside what is priced in."""
        last = self.of("price").iloc[-1]
        return (
            f"After {self.years} half of the futures pay {_times(last[band(0.5)])} of today's price for a "
            f"{'token' if is_ai(self.run) else 'unit'}, or less; {_times(last['priced in'])} is priced in"
        )

    @property
    def subtitle(self) -> str:
        """What the lines are."""
        return f"Multiples of the start, log scales. {SHADES}. Dashed: priced in by the market at the start."

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Every year of every driver, and the end."""
        rows = []
        for name in DRIVERS:
            for row in thinned(self.of(name), 6).itertuples(index=False):
                rows.append([self.titles[name], f"{row[0]:.2f}", *map(_number, row[1:])])
        return ["driver", "years", *below(), "priced in"], rows

    def draw(self, axes: list[Axes]) -> None:
        """Four panels."""
        for panel, name in zip(axes, DRIVERS, strict=True):
            rows = self.of(name)
            panel.set_yscale("log")
            shades(panel, rows, "")
            panel.plot(rows["t"], rows["priced in"], color="white", linewidth=2.6)
            panel.plot(
                rows["t"], rows["priced in"], color=INK, linewidth=1.3, linestyle=(0, (4, 2))
            )
            shown = rows.drop(columns="t")
            low, high = float(shown.min().min()), float(shown.max().max())
            low, high = min(low / 1.15, 0.8), max(high * 1.15, 1.25)
            panel.set_ylim(low, high)
            ticks = round_ticks(low, high)
            panel.set_yticks(ticks, [_short(tick) for tick in ticks])
            panel.minorticks_off()
            above(panel, self.titles[name], 4, 9.5)
        for panel in axes[2:]:
            panel.set_xlabel("Years from the start", size=9.0)


def is_ai(run: Run) -> bool:
    """Whether the boom is that of AI, and not of an earlier universe."""
    return "ai_basket" in run.scenario.universe.groups


def _times(multiple: float) -> str:
    """A multiple in words: "1/250", "3 times"."""
    return f"1/{_number(1 / multiple)}" if multiple < 0.5 else f"{100 * multiple:.0f} %"


def _short(multiple: float) -> str:
    """A round multiple for an axis: "1/10k", "0.5", "2", "1M"."""
    if multiple < 0.1:
        return f"1/{_short(1 / multiple)}"
    units = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, ""))
    scale, unit = next((pair for pair in units if multiple >= 0.999 * pair[0]), (1.0, ""))
    return f"{multiple / scale:g}{unit}" if multiple < 1e15 else f"{multiple:.0e}"


def _number(value: float) -> str:
    """Two or three digits, thousands with commas."""
    if value >= 100:
        power = 10 ** (int(np.log10(value)) - 1)
        return f"{round(value / power) * power:,.0f}"
    return f"{value:.2g}"


class Elasticity(RunPlot):
    """The largest fall against what the elasticity of demand turned out to be."""

    kind = "elasticity"
    question = "How much depends on the elasticity of demand?"
    margins = Margins(right=0.85)
    key: ClassVar[str] = "technology.elasticity"

    @classmethod
    def missing(cls, run: Run, entity: str) -> str:  # noqa: ARG003
        """It takes an elasticity that differs from path to path."""
        drawn = run.results.inputs.get(cls.key)
        if drawn is None:
            return f"{cls.key} is one number in this scenario, not a distribution"
        return "" if drawn.size >= 200 and np.ptp(drawn) > 0 else "that takes 200 paths or more"

    @cached_property
    def table(self) -> pd.DataFrame:
        """Classes of equally many paths: elasticity, quantiles of the fall, the chance of dot-com's."""
        results = self.run.results
        drawn = results.inputs[self.key]
        order = np.argsort(drawn, kind="stable")
        rows = []
        for part in np.array_split(order, 20 if order.size >= 4_000 else 10):
            falls, where = self.depths[part], drawn[part]
            middle = quantile(falls, 0.5, (0.0, 1.0))
            spread = -np.quantile(falls, [1 - level for level in QUANTILES])
            row = (float(where.min()), float(where.max()), float(where.mean()), part.size)
            reach: tuple[float, ...] = (np.nan, np.nan, np.nan)
            if self.dotcom is not None:
                chance = probability(int(np.count_nonzero(falls >= self.dotcom.depth)), part.size)
                reach = (chance.value, chance.low, chance.high)
            rows.append((*row, *spread, -middle.high, -middle.low, *reach))
        return pd.DataFrame(
            rows,
            columns=["from", "to", "t", "paths", *BANDS, "low", "high", "reach", "reach low", "reach high"],
        )  # fmt: skip

    @property
    def headline(self) -> str:
        """The chance at both ends, or the middle fall."""
        first, last = self.table.iloc[0], self.table.iloc[-1]
        names = ("reach low", "reach high") if self.dotcom is not None else ("low", "high")
        (low, high), (low_after, high_after) = (
            [row[name] for name in names] for row in (first, last)
        )
        if low <= high_after and low_after <= high:
            return f"{self.name}: least and most elastic demand do too little to its falls to tell them apart"
        if self.dotcom is not None:
            return (
                f"{self.name}: at least as deep as dot-com in {percent(first['reach'])} of futures with the least "
                f"elastic demand, in {percent(last['reach'])} with the most"
            )
        typical, after = (percent(row[band(0.5)]) for row in (first, last))
        return f"{self.name}: median change {typical} with the least elastic demand, {after} with the most"

    @property
    def subtitle(self) -> str:
        """What elasticity is, and the classes."""
        each = round(float(self.table["paths"].mean()))
        return (
            f"Largest fall by the price elasticity of demand that each future drew{self.few}; classes of about "
            f"{each:,} paths. Below 1, lower prices mean less spending. Each shade holds 10 of 100."
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """All classes."""
        heads = ["elasticity from", "to", "paths", "5 % deeper than", "median (95 % interval)",
                 "5 % less deep than", "as deep as dot-com (95 % interval)"]  # fmt: skip
        return heads, [
            [
                f"{row['from']:.2f}",
                f"{row['to']:.2f}",
                f"{row['paths']:,.0f}",
                percent(row[band(0.05)], 1),
                with_interval(row[band(0.5)], row["low"], row["high"]),
                percent(row[band(0.95)], 1),
                with_interval(row["reach"], row["reach low"], row["reach high"]),
            ]
            for _, row in self.table.iterrows()
        ]

    def draw(self, axes: Axes) -> None:
        """Bands over elasticity, what is priced in, and where spending turns."""
        rows = self.table
        shades(axes, rows, "Elasticity of demand (what the future drew)")
        axes.set_xlim(float(rows["t"].iloc[0]), float(rows["t"].iloc[-1]))
        low = min(1.05 * float(rows[band(0.05)].min()), -0.1)
        axes.set_ylim(max(low, -1.0), 0)
        percent_axis(axes.yaxis)
        if self.dotcom is not None and -self.dotcom.depth > max(low, -1.0):
            axes.axhline(-self.dotcom.depth, color=VERMILION, linewidth=2)
            text = f"dot-com\n{percent(-self.dotcom.depth, 1)}"
            look = {"color": DARK_VERMILION, "weight": "bold", **AT_RIGHT_END}
            axes.annotate(text, (1, -self.dotcom.depth), **look)
        priced_in = self.run.scenario.consensus.elasticity
        left, right = axes.get_xlim()
        if isinstance(priced_in, int | float) and left < priced_in < right:
            axes.axvline(float(priced_in), color=INK, linewidth=1, linestyle=(0, (4, 2)))
            at, on = (float(priced_in), 0.02), ("data", "axes fraction")
            note(axes, f"priced in\n{priced_in:g}", at, (4, 0), on, va="bottom", bbox=HALO)
