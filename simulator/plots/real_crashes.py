"""Figures beside real crashes: falls laid on the dot-com crash, time to the low."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from simulator.arrays import FloatArray
from simulator.engine.results import ALIGNED_FALL, FAN_GRID
from simulator.errors import plain
from simulator.history.baselines import Baseline, baseline, own_baseline
from simulator.plots.plot import Margins
from simulator.plots.run_plot import (
    BANDS,
    QUANTILES,
    RunPlot,
    band,
    below,
    changes,
    thinned,
    with_interval,
)
from simulator.plots.style import (
    BLUES,
    DARK_VERMILION,
    HALO,
    INK,
    MEDIAN,
    VERMILION,
    daily_note,
    depth_axis,
    end_labels,
    note,
    percent_axis,
    shades,
)
from simulator.runs.run_words import DOTCOM, years
from simulator.statistics import Estimate, Z, grid_quantiles, quantile, quantile_from_counts
from simulator.statistics.formatting import format_years, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.runs import Run


class Overlay(RunPlot):
    """Deep falls laid on each other at their peaks, and the real dot-com paths."""

    kind = "overlay"
    question = "Do they fall like the dot-com crash?"
    margins = Margins(right=0.95)

    @classmethod
    def missing(cls, run: Run, entity: str) -> str:
        """Kept for groups, and not by runs of format 1."""
        if not run.results.aligned_steps.size:
            return "the run kept no falls aligned at their peaks; simulate it again with --force"
        row = run.entities.index(entity)
        if row >= run.results.aligned_counts.shape[0]:
            return "falls are aligned for groups only, not for single firms"
        if not run.results.aligned_counts[row, 0].any():
            return f"no path falls by {ALIGNED_FALL:.0%} or more soon enough"
        return ""

    @property
    def counts(self) -> Any:
        """Paths (times since the peak, bins of the log of level over peak)."""
        return self.run.results.aligned_counts[self.row]

    @property
    def aligned(self) -> int:
        """Number of paths laid on each other."""
        return int(self.counts[0].sum())

    @cached_property
    def indexes(self) -> tuple[str, ...]:
        """The real indexes drawn; first the one the entity is set beside."""
        first = self.crashes[0].index
        return (first, "nasdaq" if first == "sp500" else "sp500")

    @cached_property
    def table(self) -> pd.DataFrame:
        """Quantiles of the fall below the peak, the interval of the medians, the real falls."""
        results = self.run.results
        t = results.times[results.aligned_steps]
        quantiles = np.expm1(grid_quantiles(self.counts[np.newaxis], FAN_GRID, QUANTILES)[0])
        quantiles[t == 0] = 0.0  # known, whatever its bin
        bands = dict(zip(BANDS, quantiles.T, strict=True))
        medians = [quantile_from_counts(counts, FAN_GRID, 0.5) for counts in self.counts]
        interval = {
            "low": np.expm1([median.low for median in medians]),
            "high": np.expm1([median.high for median in medians]),
        }
        real = {index: _since_peak(index, t) for index in self.indexes}
        own = own_baseline()
        beside = {} if own is None else {own.name: _own_since_peak(own, self.indexes[0], t)}
        return pd.DataFrame({"t": t, **bands, **interval, **real, **beside})

    def _at_low(self) -> pd.Series[float]:
        """The row next to the low of the real crash."""
        low: pd.Series[float] = self.table.iloc[int(np.nanargmin(self.table[self.indexes[0]]))]
        return low

    @property
    def headline(self) -> str:
        """The middle simulated crash beside the real one, at the time of the real low."""
        row, index = self._at_low(), self.indexes[0]
        return (
            f"{self.name}: half of the deep falls are at {percent(row[band(0.5)])} or lower "
            f"{row['t']:.1f} years after the peak; the {_title(index)} of 2000-02 was at {percent(row[index])}"
        )

    @property
    def subtitle(self) -> str:
        """Which paths are laid on each other."""
        span = years(round(float(self.table["t"].iloc[-1]), 1))
        return (
            f"Distance below the peak, for the {self.aligned:,} of {self.run.paths:,} paths that fall by "
            f"{percent(ALIGNED_FALL)} or more from a peak early enough to be followed for {span}. "
            f"Each shade holds 10 of 100 of them."
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Some twenty times."""
        own = own_baseline()
        names = [f"{_title(index)} 2000-02" for index in self.indexes]
        names += [] if own is None else [plain(own.name, 30)]
        heads = ["years since the peak", *below(), *names]
        median = heads.index(below(0.5)[0])
        heads[median] += " (95 % interval)"
        rows = thinned(self.table)
        cells = changes(rows.drop(columns=["low", "high"]))
        for row, (_, of) in zip(cells, rows.iterrows(), strict=True):
            row[median] = with_interval(of[band(0.5)], of["low"], of["high"])
        return heads, [[cell if cell != "nan %" else "" for cell in row] for row in cells]

    def draw(self, axes: Axes) -> None:
        """Shades, and the real paths."""
        rows = self.table
        shades(axes, rows, "Years since the peak")
        own = own_baseline()
        beside = [] if own is None else [own.name]
        lowest = float(rows[[band(0.05), *self.indexes, *beside]].min().min())
        axes.set_ylim(1.08 * lowest, max(1.05 * float(rows[band(0.95)].max()), 0.02))
        percent_axis(axes.yaxis)
        ends = [(float(rows[band(0.5)].iloc[-1]), "median\nfuture", INK)]
        for index, dashes in zip(self.indexes, ("-", (0, (4, 2))), strict=True):
            known = rows[["t", index]].dropna()
            axes.plot(known["t"], known[index], color="white", linewidth=3.4)
            axes.plot(known["t"], known[index], color=VERMILION, linewidth=2, linestyle=dashes)
            ends.append((float(known[index].iloc[-1]), f"{_title(index)}\n2000-02", DARK_VERMILION))
        for name in beside:
            known = rows[["t", name]].dropna()
            axes.plot(known["t"], known[name], color=INK, linewidth=2, linestyle=(0, (1, 1)))
            ends.append((float(known[name].iloc[-1]), "your\nprices", INK))
        end_labels(axes, ends)


def _title(index: str) -> str:
    return {"sp500": "S&P 500", "nasdaq": "NASDAQ"}[index]


def _since_peak(index: str, t: FloatArray) -> FloatArray:
    """The dot-com crash of an index: weekly closes over the peak at times since it, NaN beyond them."""
    closes = baseline(DOTCOM).from_peak(index, 52).closes
    weeks = np.rint(t * 52).astype(int)
    falls = closes[np.minimum(weeks, closes.size - 1)] / closes[0] - 1
    return np.asarray(np.where(weeks < closes.size, falls, np.nan))


def _own_since_peak(own: Baseline, index: str, t: FloatArray) -> FloatArray:
    """A series of the user's over its peak at times since it, straight between its dates, NaN beyond."""
    dates, closes = own.levels(index)
    peak = int(np.searchsorted(dates, np.datetime64(own.fact(index).peak_date)))
    spent = (dates[peak:] - dates[peak]).astype(np.float64) / 365.25
    falls = np.interp(t, spent, closes[peak:] / closes[peak] - 1, right=np.nan)
    return np.asarray(falls, np.float64)


class Trough(RunPlot):
    """Time from peak to low by the depth of the fall, and real crashes."""

    kind = "trough"
    question = "How long until the trough?"
    margins = Margins(right=0.3)
    width: ClassVar[float] = 0.05
    """Of a class of depth."""
    fewest: ClassVar[int] = 20
    """Paths in a class, below which it is not drawn."""
    quantiles: ClassVar[tuple[float, ...]] = (0.05, 0.25, 0.5, 0.75, 0.95)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Paths and quantiles of the years from peak to trough, by class of depth."""
        results = self.run.results
        depth = self.depths
        spent = (self.steps("trough") - self.steps("peak")) * self.run.scenario.dt
        classes = np.clip((depth / self.width + 1e-9).astype(int), 0, round(1 / self.width) - 1)
        rows = []
        for number in range(round(1 / self.width)):
            inside = spent[classes == number]
            if inside.size >= self.fewest:
                median = quantile(inside, 0.5, (0.0, float(results.times[-1])))
                spread = np.quantile(inside, self.quantiles)
                edges = (-number * self.width, -(number + 1) * self.width)
                rows.append((*edges, inside.size, *spread, median.low, median.high))
        names = [f"q{round(100 * q)}" for q in self.quantiles]
        return pd.DataFrame(rows, columns=["from", "to", "paths", *names, "low", "high"])

    @cached_property
    def real(self) -> list[tuple[str, str, float, float, bool]]:
        """Name, title, fall, years from peak to low, and whether on the grid of the run."""
        rows = []
        for crash in self.crashes:
            fact = baseline(crash.name).fact(crash.index)
            spent = (fact.trough_date - fact.peak_date).days / 365.25
            rows.append((crash.name, crash.title, -crash.depth, spent, crash.same_grid))
        return rows

    @property
    def headline(self) -> str:
        """The median time to a trough as deep as in the dot-com crash, and the real one."""
        crash, rows = self.dotcom, self.table
        if crash is not None:
            like = rows[(rows["to"] <= -crash.depth) & (-crash.depth < rows["from"])]
            if len(like):
                spent = next(row[3] for row in self.real if row[0] == DOTCOM)
                return (
                    f"{self.name}: half of the falls as deep as the dot-com crash reach their trough within "
                    f"{like['q50'].iloc[0]:.1f} years; the real one took {spent:.1f}"
                )
        if rows.empty:
            return f"{self.name}: too few futures to know how long falls take"
        common = rows.iloc[int(rows["paths"].to_numpy().argmax())]
        return (
            f"{self.name}: falls of {percent(-common['from'])} to {percent(-common['to'])} take "
            f"a median of {common['q50']:.1f} years"
        )

    @property
    def subtitle(self) -> str:
        """What the bars hold."""
        return (
            f"Years from peak to trough by depth of the fall{self.few}. Dark bars hold the middle half of the "
            f"futures, light ones 90 of 100; lines: the median. Falls longer than {self.years} are cut off."
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Classes of depth, then the real crashes."""
        median = "median years (95 % interval)"
        heads = ["fall", "paths", "5 % sooner than", "25 %", median, "75 %", "95 %"]
        rows = [
            [
                f"{percent(row['from'])} to {percent(row['to'])}",
                f"{row['paths']:,.0f}",
                f"{row['q5']:.1f}",
                f"{row['q25']:.1f}",
                _years(row["q50"], row["low"], row["high"]),
                f"{row['q75']:.1f}",
                f"{row['q95']:.1f}",
            ]
            for _, row in self.table.iterrows()
        ]
        real = [
            [f"{title} {percent(fall, 1)}{'' if same else ' (daily)'}", "real", "", "", f"{spent:.2f}", "", ""]
            for _, title, fall, spent, same in self.real
        ]  # fmt: skip
        return heads, rows + real

    def draw(self, axes: Axes) -> None:
        """Bars of quantiles, and labelled points."""
        rows = self.table
        left = -rows["from"].to_numpy(np.float64)
        for low, high, colour in (("q5", "q95", BLUES[0]), ("q25", "q75", BLUES[2])):
            axes.bar(
                left, rows[high] - rows[low], self.width, rows[low], align="edge", color=colour
            )
        axes.hlines(rows["q50"], left, left + self.width, color=MEDIAN, linewidth=1.8)
        fall = [-row[2] for row in self.real]
        deepest = max([0.3, *(left + self.width), *(depth + 0.1 for depth in fall)])
        latest = max([1.0, *rows["q95"], *(1.12 * row[3] for row in self.real)])
        axes.set_ylim(0, latest)
        depth_axis(axes, f"Largest fall of {self.name} within {self.years}", deepest)
        axes.grid(axis="y")
        labels = []
        for name, title, depth, spent, same in sorted(self.real, key=lambda row: row[2]):
            dotcom = name == DOTCOM
            colour = VERMILION if dotcom else INK
            face = colour if same else "white"
            axes.plot(
                -depth, spent, "o", color=colour, markerfacecolor=face, markersize=6, zorder=5
            )
            labels.append((-depth, spent, f"{title}{'' if same else '*'}", dotcom))
        _point_labels(axes, labels)
        if not all(row[4] for row in self.real):
            daily_note(axes, at_left=False)


def _years(value: float, low: float, high: float) -> str:
    span = Estimate(value, (high - low) / (2 * Z), low, high)
    return format_years(span).replace(" years", "")


def _point_labels(axes: Axes, labels: list[tuple[float, float, str, bool]]) -> None:
    """Words beside points, above or below them where two would touch."""
    point = axes.figure.dpi / 72
    taken: list[tuple[float, float, float]] = []  # left, right, middle height, all in dots
    for x, y, text, strong in sorted(labels, key=lambda row: not row[3]):
        across, up = axes.transData.transform((x, y))
        long = 5.6 * len(text) * point
        offsets = [(7, 0), (-7, 0), (7, 11), (7, -11), (-7, 11), (-7, -11), (7, 22), (7, -22)]
        for right, above in offsets:
            begin = across + right * point if right > 0 else across + right * point - long
            clear = all(
                begin > other[1] or begin + long < other[0] or abs(up + above * point - other[2]) > 11 * point
                for other in taken
            )  # fmt: skip
            if clear and axes.bbox.x0 < begin and begin + long < axes.bbox.x1 + 20 * point:
                break
        taken.append((begin, begin + long, up + above * point))
        side = "left" if right > 0 else "right"
        weight, colour = ("bold", DARK_VERMILION) if strong else ("normal", INK)
        look = {"ha": side, "weight": weight, "color": colour, "bbox": HALO, "zorder": 6}
        note(axes, text, (x, y), (right, above), **look)
