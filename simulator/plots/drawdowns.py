"""Figures of how deep it falls: histogram, exceedance, firm by firm."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from simulator.arrays import FloatArray, IntArray
from simulator.plots.plot import Panels
from simulator.plots.run_plot import RunPlot, with_interval
from simulator.plots.style import (
    AT_RIGHT_END,
    BLUES,
    DARK_VERMILION,
    GREY,
    HALO,
    INK,
    MEDIAN,
    VERMILION,
    above,
    daily_note,
    depth_axis,
    note,
)
from simulator.runs.run_words import DOTCOM, closes, label
from simulator.runs.samples import sample
from simulator.statistics.formatting import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.runs import Run

BIN = 0.02
"""Width of a histogram bin: fixed, so that two runs can be laid side by side; two rows of histogram.csv."""


def _shares(
    run: Run, row: int, width: float, measure: str = "max_drawdown"
) -> tuple[IntArray, FloatArray]:
    """Paths by largest fall, or another depth, in bins of ``width``, and the edges of the bins, negative."""
    counts = run.results.counts[measure][row]
    paths = counts[:-1].reshape(-1, round(width * 10_000)).sum(axis=1)
    paths[-1] += counts[-1]  # a loss of 100 %
    return paths, np.asarray(-width * np.arange(len(paths) + 1))


class Histogram(RunPlot):
    """Share of paths by largest fall, and the dot-com crash."""

    kind = "histogram"
    question = "How deep is the largest fall? (maximum drawdown)"

    @cached_property
    def table(self) -> pd.DataFrame:
        """From, to, paths and their share."""
        paths, edges = _shares(self.run, self.row, BIN)
        share = paths / self.run.paths
        table = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "paths": paths, "share": share})
        if self.losses is not None:
            below, _ = _shares(self.run, self.row, BIN, "loss_from_start")
            table["share below today"] = below / self.run.paths
        return table

    @property
    def headline(self) -> str:
        """How many paths fall as far as in the dot-com crash."""
        if self.dotcom is not None:
            share = self.reaching(self.dotcom.depth)
            return f"{self.name}: {share} simulated futures fall at least as far as in the dot-com crash"
        typical = percent(self.falls.quantile(0.5).value)
        return f"{self.name}: half of the simulated futures fall by {typical} or more"

    @property
    def subtitle(self) -> str:
        """What the bars count."""
        return (
            f"Largest fall from a peak within {self.years} on {closes(self.run)} closes; "
            "share of paths per 2 points."
            f"{' Line: lowest level against today.' if self.losses is not None else ''}"
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Every bin between the first and the last that is not empty."""
        filled = np.flatnonzero(self.table["paths"])
        rows = self.table.iloc[filled[0] : filled[-1] + 1]
        return ["fall from", *self.table.columns[1:]], [
            [percent(row[0]), percent(row[1]), f"{row[2]:,}", *(percent(x, 2) for x in row[3:])]
            for row in rows.itertuples(index=False)
        ]

    def draw(self, axes: Axes) -> None:
        """Bars, and a line for the dot-com crash."""
        left, share = -self.table["from"].to_numpy(), self.table["share"].to_numpy()
        bars: dict[str, Any] = {"color": BLUES[2], "edgecolor": "white", "linewidth": 0.6}
        axes.bar(left, share, width=BIN, align="edge", **bars)
        top, deepest = 1.22 * float(share.max()), float(left[share > 0].max()) + BIN
        if self.losses is not None:  # those that never are below today stand outside, in words
            below = self.table["share below today"].to_numpy(copy=True)
            below[0] = 0.0
            axes.stairs(below, [*left, 1.0], color=GREY, linewidth=1.2)
            never = percent(1 - self.losses.at_least(1e-4).value)
            words = f"line: lowest against today;\n{never} are never below it"
            # Beside the bars: they stand at the right where falls are deep.
            x, end = (0.01, "left") if self.falls.quantile(0.5).value > 0.6 else (0.99, "right")
            look = {"ha": end, "size": 8.5, "color": GREY, "bbox": HALO}
            note(axes, words, (x, 0.62), (0, 0), "axes fraction", **look)
        if self.dotcom is not None:
            depth = self.dotcom.depth
            deepest = max(deepest, depth + 0.2)
            to_left = depth > 0.6 * deepest
            axes.axvline(depth, color=VERMILION, linewidth=2)
            text = f"dot-com {percent(-depth, 1)}\n{self.reaching(depth)} reach it"
            side = {"ha": "right" if to_left else "left", "va": "top", "size": 10.0}
            offset = (-6 if to_left else 6, -2)
            note(axes, text, (depth, top), offset, color=DARK_VERMILION, weight="bold", **side)
        depth_axis(axes, f"Largest fall of {self.name} within {self.years}", deepest)
        axes.set_ylim(0, top)
        axes.yaxis.set_major_formatter(lambda value, _: percent(value, 0 if top > 0.03 else 1))
        axes.grid(axis="y")


class Exceedance(RunPlot):
    """Exceedance probability of the largest fall, on a log scale."""

    kind = "exceedance"
    question = "How rare are the deepest falls? (exceedance)"

    @cached_property
    def table(self) -> pd.DataFrame:
        """Share of paths with a fall of at least each half point, with its interval."""
        depths = np.linspace(0.0, 1.0, 201)
        shares = [self.falls.at_least(float(depth)) for depth in depths]
        table = pd.DataFrame(shares)[["value", "low", "high"]]
        table.insert(0, "fall of at least", -depths)
        if self.losses is not None:
            table["below today"] = [self.losses.at_least(float(depth)).value for depth in depths]
        return table

    @cached_property
    def tail(self) -> pd.DataFrame:
        """Falls too rare for these paths, estimated by splitting, where the run has them."""
        tail = self.run.tail
        if tail is None:
            return pd.DataFrame({"depth": [], "probability": [], "low": [], "high": []})
        few = 20 / self.run.paths
        return tail[(tail["entity"] == self.entity) & tail["probability"].between(1e-12, few)]

    @property
    def headline(self) -> str:
        """The fall of one future in twenty."""
        bad = percent(self.falls.quantile(0.95).value)
        return f"{self.name}: 1 in 20 simulated futures falls by {bad} or more"

    @property
    def subtitle(self) -> str:
        """What is counted."""
        return (
            f"Probability that the largest fall within {self.years} on {closes(self.run)} closes is this "
            "deep or deeper; light: 95 % interval. Return periods (1 in N) count spans of "
            f"{self.years}, not single years."
            f"{' Dashed: to be so far below today at some time.' if self.losses is not None else ''}"
            f"{' Dots with bars: rarer falls, by splitting.' if len(self.tail) else ''}"
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Every fifth row, down to the deepest fall; then the rarer ones of splitting."""
        rows = self.table.iloc[::5]
        rows = rows.iloc[: int((rows["value"] > 0).sum()) + 1]
        beside = ["so far below today"] if self.losses is not None else []
        heads = ["fall of at least", "share of paths (95 % interval)", *beside]
        cells = [
            [percent(-fall, 1), with_interval(*share), *(percent(x, 2) for x in rest)]
            for fall, *share, rest in ((*row[:4], row[4:]) for row in rows.itertuples(index=False))
        ]
        for depth, *of in self.tail[["depth", "probability", "low", "high"]].to_numpy():
            share, low, high = (f"{100 * x:.2g}" for x in of)
            cells.append([f"{percent(depth, 1)} (splitting)", f"{share} % ({low} to {high})"])
        return heads, cells

    def draw(self, axes: Axes) -> None:
        """The curve with its interval, rarer falls if known, and real crashes on it."""
        n = self.run.paths
        floor = (5 if n >= 100 else 0.7) / n  # what is rarer than that, these paths do not know
        seen = self.table[self.table["value"] > (floor if len(self.tail) else 0.0)]
        depth = -seen["fall of at least"]
        if len(self.tail):
            floor = min(floor, 0.5 * float(self.tail["probability"].min()))
        low = seen["low"].clip(lower=floor)
        axes.fill_between(depth, low, seen["high"], color=BLUES[1], linewidth=0)
        axes.plot(depth, seen["value"], color=BLUES[4], linewidth=2)
        if self.losses is not None:
            below = self.table[self.table["below today"] > floor].iloc[1:]  # all are 0 % below
            axes.plot(-below["fall of at least"], below["below today"], color=GREY, linestyle="--")
        far = self.tail
        axes.errorbar(
            far["depth"], far["probability"],
            yerr=[far["probability"] - far["low"].clip(lower=floor), far["high"] - far["probability"]],
            fmt="o", markersize=3, color=BLUES[4], elinewidth=1,
        )  # fmt: skip
        axes.set_yscale("log")
        axes.set_ylim(floor, 1.6)
        steps = [step * 10**power for power in range(13) for step in (1, 2, 5)]
        steps = [step for step in steps if 1 / step >= floor and (step < 1_000 or step % 3 == 1)]
        shares = [f"{100 / n:g} %" if n <= 10_000 else "" for n in steps]
        axes.set_yticks([1 / n for n in steps], shares)
        axes.minorticks_off()
        axes.grid(axis="y")
        for n in steps:  # the same scale in other words, not a second one
            often = f"1 in {n:,}" if n < 10_000 else f"1 in {n // 1000:,}k"
            axes.annotate(often, (1, 1 / n), **AT_RIGHT_END)
        deepest = max(
            [float(depth.max()), *far["depth"], *(crash.depth + 0.12 for crash in self.crashes)]
        )
        depth_axis(axes, f"Largest fall of {self.name} within {self.years}", deepest)
        self._draw_crashes(axes, floor)

    def _draw_crashes(self, axes: Axes, floor: float) -> None:
        """Real crashes on the curve, labels below and left of it, where a falling curve leaves space.

        Labels go down from the shallowest, one line apart; crashes rarer than the axis shows sit on its edge.
        """
        bottom, top = np.log(axes.get_ylim())
        point = axes.figure.dpi / 72
        line = 13 * point / axes.bbox.height * (top - bottom)
        right = axes.get_xlim()[1]
        width = 84 * point / axes.bbox.width * right  # of the longest label
        next_low, next_edge = np.inf, bottom + line
        for crash in sorted(self.crashes, key=lambda crash: crash.depth):
            share = self.falls.at_least(crash.depth).value
            if share > floor:
                y = float(np.log(share))
                at = max(min(y - line, next_low), bottom + line / 2)
                next_low = at - line
                x, corner = max(crash.depth - 0.02, width), (1.0, 0.5)
            else:
                y, at = bottom, next_edge
                next_edge += line
                x, corner = min(crash.depth + width / 2, right), (0.6, 0.3)
            colour = VERMILION if crash.name == DOTCOM else GREY
            axes.annotate(
                f"{crash.title} {percent(-crash.depth)}{'' if crash.same_grid else '*'}",
                (crash.depth, np.exp(y)),
                xytext=(x, np.exp(at)),
                ha="right",
                va="center",
                size=9.0,
                weight="bold" if crash.name == DOTCOM else "normal",
                color=DARK_VERMILION if crash.name == DOTCOM else INK,
                arrowprops={
                    "arrowstyle": "-",
                    "color": colour,
                    "linewidth": 0.8,
                    "relpos": corner,
                    "shrinkA": 1,
                    "shrinkB": 3,
                },
            )
            dot: dict[str, Any] = {"markersize": 6, "color": colour, "clip_on": False, "zorder": 5}
            face = colour if crash.same_grid else "white"
            axes.plot(crash.depth, np.exp(y), marker="o", markerfacecolor=face, **dot)
        if not all(crash.same_grid for crash in self.crashes):
            daily_note(axes, at_left=True)


class Firms(RunPlot):
    """The falls of every firm, one small histogram each."""

    kind = "firms"
    question = "Which firms fall deepest?"
    size = (5.4, 5.8)
    width: ClassVar[float] = 0.1
    columns: ClassVar[int] = 4

    @property
    def panels(self) -> Panels:
        """A panel a firm."""
        return Panels(
            -(-len(self.table) // self.columns), self.columns, (0.14, 0.32), (0.15, 0.15, 0.42)
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a firm: its median fall, and the share of paths in each tenth of depth."""
        rows = []
        for ticker in self.run.scenario.universe.tickers:
            paths, edges = _shares(self.run, self.run.entities.index(ticker), self.width)
            typical = sample(self.run.results, ticker, "max_drawdown").quantile(0.5).value
            heads = [f"{percent(a)} to {percent(b)}" for a, b in itertools.pairwise(edges)]
            shares = dict(zip(heads, paths / self.run.paths, strict=True))
            name = label(self.run, ticker)
            rows.append({"firm": ticker, "name": name, "median fall": -typical, **shares})
        return pd.DataFrame(rows).sort_values("median fall", kind="stable", ignore_index=True)

    @property
    def headline(self) -> str:
        """The firms at both ends."""
        first, last = self.table.iloc[0], self.table.iloc[-1]
        return (
            f"{first['name']} falls by {percent(-first['median fall'])} or more in half of the futures, "
            f"{last['name']} by {percent(-last['median fall'])}"
        )

    @property
    def subtitle(self) -> str:
        """What each panel shows."""
        return (
            f"Largest fall of each firm within {self.years}: share of paths per 10 points of depth, shallow falls at "
            "the left. Dark line and number: the median."
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """All rows."""
        heads = ["firm", "median fall", *self.table.columns[3:]]
        return heads, [
            [f"{row[1]} ({row[0]})", percent(row[2], 1), *(percent(share) for share in row[3:])]
            for row in self.table.itertuples(index=False)
        ]

    def draw(self, axes: list[Axes]) -> None:
        """Small panels, deepest first."""
        shares = self.table.iloc[:, 3:].to_numpy()
        edges = self.width * np.arange(shares.shape[1] + 1)
        top = 1.05 * float(shares.max())
        for panel, firm, heights in zip(
            axes, self.table.itertuples(index=False), shares, strict=False
        ):
            panel.stairs(heights, edges, fill=True, color=BLUES[2])
            panel.axvline(-firm[2], color=MEDIAN, linewidth=1.6)
            panel.set_xlim(0, 1)
            panel.set_ylim(0, top)
            panel.set_yticks([])
            panel.spines["left"].set_visible(False)
            panel.set_xticks([0, 0.5, 1], ["", "", ""])
            above(panel, f"{firm[0]} {percent(firm[2])}", 3, 8.5)
        for panel in axes[len(self.table) :]:
            panel.set_visible(False)
        for panel in axes[max(len(self.table) - self.columns, 0) : len(self.table)]:
            panel.set_xticks([0, 0.5, 1], ["0", "", percent(-1.0)])
            panel.get_xticklabels()[0].set_horizontalalignment("left")
            panel.get_xticklabels()[-1].set_horizontalalignment("right")
