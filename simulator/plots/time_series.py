"""Figures over time: fan, underwater, recovery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simulator.arrays import IntArray
from simulator.engine.results import ALIGNED_FALL
from simulator.history.baselines import baseline
from simulator.plots.run_plot import (
    QUANTILES,
    SHADES,
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
    end_labels,
    note,
    percent_axis,
    round_ticks,
    shades,
)
from simulator.runs.run_words import DOTCOM, label
from simulator.statistics import Survival, kaplan_meier_from_counts
from simulator.statistics.formatting import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _bands(frame: pd.DataFrame, entity: str, sign: int) -> pd.DataFrame:
    """Quantiles of ``sign`` times the values in the frame: the 5 % quantile of a negative is minus its 95 %."""
    rows = frame[frame["entity"] == entity]
    quantiles = {
        band(level): sign * rows[level if sign > 0 else round(1.0 - level, 2)].to_numpy()
        for level in QUANTILES
    }
    return pd.DataFrame({"t": rows["t"].to_numpy(), **quantiles})


@dataclass(frozen=True)
class Future:
    """One simulated path with a name; ``path`` is its number."""

    letter: str
    name: str
    path: int
    depth: float
    peak: int
    trough: int


class Fan(RunPlot):
    """Levels over time, in bands of 10 %, with three named futures."""

    kind = "fan"
    question = "Where could it go? (fan chart)"

    @cached_property
    def table(self) -> pd.DataFrame:
        """Quantiles of the level, start = 1."""
        return _bands(self.run.wide_fan, self.entity, 1)

    @cached_property
    def futures(self) -> list[Future]:
        """Kept paths whose largest falls are nearest to a mild, a median and a bad one of all paths."""
        results = self.run.results
        measures = {
            name: results.measures[name][self.row, : results.sample_levels.shape[2]]
            for name in ("max_drawdown", "peak_step", "trough_step")
        }
        depth = np.asarray(measures["max_drawdown"], np.float64)
        named: list[Future] = []
        for name, q in (("mild", 0.25), ("median", 0.5), ("bad", 0.9)):
            distance = np.abs(depth - self.falls.quantile(q).value)
            distance[[future.path for future in named]] = np.inf
            path = int(distance.argmin())
            if np.isfinite(distance[path]):
                steps = (int(measures[step][path]) for step in ("peak_step", "trough_step"))
                named.append(Future("ABC"[len(named)], name, path, float(depth[path]), *steps))
        return named

    @property
    def headline(self) -> str:
        """Where 90 of 100 futures end."""
        last = self.table.iloc[-1]
        ends = f"{last[band(0.05)]:.2f} and {last[band(0.95)]:.2f} times its start"
        return f"{self.name} after {self.years}: between {ends} in 90 of 100 simulated futures"

    @property
    def subtitle(self) -> str:
        """What the shades hold, and the lines."""
        lines = ", ".join(
            f"{future.letter} {future.name} ({percent(-future.depth)})" for future in self.futures
        )
        return (
            f"Fan chart of the level, start = 1, log scale. {SHADES}. "
            f"Lines: single futures with their largest fall, {lines}."
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Some twenty times."""
        return ["years", *below()], [
            [f"{row[0]:.2f}", *(f"{level:.2f}" for level in row[1:])]
            for row in thinned(self.table).itertuples(index=False)
        ]

    def draw(self, axes: Axes) -> None:
        """Shades, single paths, words at the right end."""
        results, rows = self.run.results, self.table
        axes.set_yscale("log")
        shades(axes, rows)
        single = results.sample_levels[self.row] / results.start_levels[self.row]
        low, high = float(rows[band(0.05)].min()), float(rows[band(0.95)].max())
        for future in self.futures:
            line = single[:, future.path]
            axes.plot(results.times, line, color=INK, linewidth=0.7, alpha=0.8)
            low, high = min(low, float(line.min())), max(high, float(line.max()))
        low = max(low, 1e-3)
        axes.set_ylim(low * 0.93, high * 1.07)
        for future in self.futures:
            at = (results.times[future.trough], single[future.trough, future.path])
            axes.plot(*at, "o", color="white", markeredgecolor=INK, markersize=9.5, clip_on=False)
            axes.annotate(
                future.letter, at, ha="center", va="center_baseline", size=7.5, weight="bold"
            )
        near = (0.1, 0.15, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7)
        steps = [step for step in near if low <= step <= high]
        if high > 15 * low:
            steps = round_ticks(low, high)
        axes.set_yticks(steps, [f"{step:g}" for step in steps])
        axes.minorticks_off()
        _band_ends(axes, rows, ("5 in 100\nbelow", "half\nabove", "5 in 100\nabove"))


def _band_ends(axes: Axes, rows: pd.DataFrame, texts: Iterable[str]) -> None:
    ends = sorted(float(rows[band(level)].iloc[-1]) for level in (0.05, 0.5, 0.95))
    end_labels(axes, [(end, text, INK) for end, text in zip(ends, texts, strict=True)])


class Underwater(RunPlot):
    """Distance below the highest level so far."""

    kind = "underwater"
    question = "How far below its high? (drawdown)"

    @cached_property
    def table(self) -> pd.DataFrame:
        """Quantiles of the fall below the highest level so far, negative."""
        return _bands(self.run.wide_underwater, self.entity, -1)

    @property
    def headline(self) -> str:
        """Where the middle future ends."""
        low = percent(-self.table.iloc[-1][band(0.5)])
        return (
            f"{self.name} after {self.years}: {low} or more below its high in half of the futures"
        )

    @property
    def subtitle(self) -> str:
        """What the shades hold."""
        return f"Drawdown: distance below the highest level so far. {SHADES}."

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Some twenty times."""
        return ["years", *below()], changes(thinned(self.table))

    def draw(self, axes: Axes) -> None:
        """Shades, words at the right end."""
        rows = self.table
        shades(axes, rows)
        axes.set_ylim(min(1.08 * float(rows[band(0.05)].min()), -0.05), 0)
        percent_axis(axes.yaxis)
        _band_ends(axes, rows, ("5 in 100\nlower", "half\nlower", "5 in 100\nhigher"))


class Recovery(RunPlot):
    """Share of largest falls that have recovered, by time since the peak."""

    kind = "recovery"
    question = "How long until the old high is back?"

    @cached_property
    def _curves(self) -> dict[str, Survival]:
        """All largest falls, and the deep ones among the paths in the tables."""
        results, row = self.run.results, self.row
        curves = {"all": (results.recovered_counts[row], results.censored_counts[row])}
        peak, back = self.steps("peak"), self.steps("recovery")
        deep, last = self.depths >= ALIGNED_FALL, results.times.size - 1

        def count(steps: Any, which: Any) -> IntArray:
            return np.bincount(steps[which], minlength=results.times.size)

        if np.count_nonzero(deep) >= 10:
            back_in, left = deep & (back >= 0), deep & (back < 0)
            curves["deep"] = (count(back - peak, back_in), count(last - peak, left))
        return {name: kaplan_meier_from_counts(*pair) for name, pair in curves.items()}

    @cached_property
    def table(self) -> pd.DataFrame:
        """Share recovered by time since the peak, with its interval: of all largest falls, and of deep ones."""
        columns: dict[str, Any] = {"t": self.run.results.times}
        for name, curve in self._curves.items():
            columns[name] = 1 - curve.survival
            columns[f"{name} low"], columns[f"{name} high"] = 1 - curve.high, 1 - curve.low
        return pd.DataFrame(columns)

    @cached_property
    def real(self) -> list[tuple[str, str, float]]:
        """Name, title and years from peak to recovery of the real crashes, soonest first."""
        recoveries = []
        for crash in self.crashes:
            fact = baseline(crash.name).fact(crash.index)
            if fact.recovery_date:
                spent = (fact.recovery_date - fact.peak_date).days / 365.25
                recoveries.append((crash.name, crash.title, spent))
        return sorted(recoveries, key=lambda row: row[2])

    @property
    def headline(self) -> str:
        """The share recovered at the horizon."""
        last = self.table.iloc[-1]
        text = f"{self.name}: {percent(last['all'])} of the largest falls recover within {self.years} of the peak"
        if "deep" in self.table:
            text += f", {percent(last['deep'])} of those of {percent(ALIGNED_FALL)} or more"
        return text

    @property
    def subtitle(self) -> str:
        """How paths that end before they recover are counted."""
        return (
            "Share of largest falls back at the old high, by time since the peak; light: 95 % interval. Paths that "
            f"end before they recover are censored there (Kaplan-Meier). Years: how long the {self._index} took in "
            "real crashes."
        )

    @property
    def _index(self) -> str:
        return label(self.run, self.crashes[0].index).split(" Composite")[0]

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Some twenty times, then the real crashes."""
        names = {"all": "recovered", "deep": f"falls of {percent(ALIGNED_FALL)} or more"}
        curves = [name for name in names if name in self.table]
        rows = [
            [f"{row['t']:.2f}"]
            + [with_interval(row[name], row[f"{name} low"], row[f"{name} high"]) for name in curves]
            for _, row in thinned(self.table).iterrows()
        ]
        real = [
            [f"{spent:.2f}", f"{self._index} {title}", *[""] * (len(curves) - 1)]
            for _, title, spent in self.real
        ]
        heads = [f"{names[name]} (95 % interval)" for name in curves]
        return ["years since the peak", *heads], rows + real

    def draw(self, axes: Axes) -> None:
        """Two curves, and ticks for the real crashes along the top."""
        rows, end = thinned(self.table, 130), max(float(self.table["t"].iloc[-1]), 1e-9)
        ends = []
        for name, line, shade in (("all", BLUES[4], BLUES[0]), ("deep", MEDIAN, BLUES[1])):
            if name in rows:
                axes.fill_between(
                    rows["t"], rows[f"{name} low"], rows[f"{name} high"], color=shade, linewidth=0
                )
                axes.plot(rows["t"], rows[name], color=line, linewidth=2)
                text = "all" if name == "all" else f"{percent(-ALIGNED_FALL)}\nor deeper"
                ends.append((float(rows[name].iloc[-1]), text, INK))
        top = min(1.0, 1.15 * max(float(rows["all high"].max()), 0.1))
        axes.set_xlim(0, end)
        lines = max(3, self._below(end) + len(self._late(end)))
        words = (lines + 0.4) * 12 * axes.figure.dpi / 72 / axes.bbox.height
        axes.set_ylim(0, top / max(1 - words, 0.3))
        ticks = [tick for tick in axes.get_yticks() if 0 <= tick <= 1.001]
        axes.set_yticks(ticks, [percent(tick) for tick in ticks])
        axes.set_xlabel("Years since the peak")
        axes.grid(axis="y")
        end_labels(axes, ends)
        self._draw_crashes(axes, end)

    def _late(self, end: float) -> list[tuple[str, bool]]:
        """Lines of words for recoveries after the horizon, and whether they are the dot-com crash's."""
        late = [(name, f"{title} {spent:.1f} y") for name, title, spent in self.real if spent > end]
        return [(f"later: {text}", name == DOTCOM) for name, text in late]

    def _below(self, end: float) -> int:
        """Lines that recoveries in the second half need at the top, before the late ones."""
        soon = [spent for _, _, spent in self.real if spent <= end]
        return max([1 + k % 3 for k, spent in enumerate(soon) if spent > 0.45 * end], default=0)

    def _draw_crashes(self, axes: Axes, end: float) -> None:
        """Real recoveries, one line of words each; those after the horizon in a row of their own."""
        point = axes.figure.dpi / 72
        line = 12 * point / axes.bbox.height
        soon = [row for row in self.real if row[2] <= end]
        for place, (name, title, spent) in enumerate(soon):
            height = 1 - (0.6 + place % 3) * line
            colour = VERMILION if name == DOTCOM else INK
            axes.plot([spent, spent], [0, height - 0.4 * line], color=colour, linewidth=0.8,
                      linestyle=(0, (1, 2)), transform=axes.get_xaxis_transform())  # fmt: skip
            left = spent / end > 0.75
            note(
                axes, f"{title} {spent:.1f} y", (spent, height), (2 if left else -2, 0),
                ("data", "axes fraction"), size=8.5, ha="right" if left else "left",
                color=DARK_VERMILION if name == DOTCOM else INK,
            )  # fmt: skip
        for place, (text, strong) in enumerate(self._late(end)):
            height = 1 - (0.6 + self._below(end) + place) * line
            note(
                axes, text, (0.99, height), (0, 0), "axes fraction", size=8.5, ha="right", bbox=HALO,
                color=DARK_VERMILION if strong else INK, weight="bold" if strong else "normal",
            )  # fmt: skip
