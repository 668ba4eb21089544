"""Figures of why it falls: waterfall of causes, assumptions against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from functools import cached_property
from math import fsum
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from simulator.arrays import FloatArray
from simulator.plots.plot import Margins
from simulator.plots.run_plot import RunPlot
from simulator.plots.style import BLUES, GREY, INK, MEDIAN, name_rows, note, percent_axis
from simulator.runs.run_words import exact, label
from simulator.runs.statistic_labels import CAUSE_NAMES
from simulator.statistics import Estimate, Z, expected_shortfall
from simulator.statistics.formatting import (
    MINUS,
    decimals,
    format_error,
    format_interval,
    format_log,
    is_known,
    percent,
    signed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.runs import Run


class Waterfall(RunPlot):
    """The causes of the worst twentieth, one after the other to the whole fall."""

    kind = "waterfall"
    question = "What causes the worst twentieth?"
    size = (5.4, 4.9)
    margins = Margins(left=1.35, right=0.3)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Mean log of every cause, with its error and interval, and where its bar begins and ends; the whole last."""
        causes = {name: exact(self.run, of) for name, of in self.run.drivers(self.entity).items()}
        names = sorted(causes, key=lambda name: causes[name].value)
        rows, at = [], 0.0
        for name in names:
            cause = causes[name]
            rows.append((CAUSE_NAMES[name][0], *astuple(cause), at, at + cause.value))
            at += cause.value
        whole = self.whole
        end = whole.value
        rows.append(("the whole fall", *astuple(whole), 0.0, end))
        return pd.DataFrame(
            rows, columns=["cause", "log", "mc_error", "low", "high", "begin", "end"]
        )

    @cached_property
    def whole(self) -> Estimate:
        """The mean log fall of the worst twentieth: the sum of the causes, with the error of a shortfall."""
        results = self.run.results
        total = fsum(cause.value for cause in self.run.drivers(self.entity).values())
        falls = -np.log1p(-np.minimum(self.depths, 1 - 1e-12))
        error = expected_shortfall(falls, 0.95).mc_error * np.sqrt(results.kept / results.n)
        half = Z * error
        return exact(self.run, Estimate(total, float(error), total - half, total + half))

    @property
    def headline(self) -> str:
        """The worst cause, and its share of all that pulls down: what pushes up is no part of a fall."""
        first, logs = self.table.iloc[0], self.table["log"].iloc[:-1]
        down = float(logs[logs < 0].sum())
        share = first["log"] / down if down else 0.0
        return (
            f"{self.name}: “{first['cause']}” makes {percent(share)} of what pulls down "
            "in the worst twentieth of futures"
        )

    @property
    def subtitle(self) -> str:
        """The unit, and that it adds up."""
        fall = percent(-np.expm1(self.whole.value))
        logs = self.table["log"].iloc[:-1]
        up = signed(100 * float(logs[logs > 0].sum()), 0)
        against = f" Of them {up} push up." if up != "0" else ""
        return (
            f"Mean log points from peak to trough (−100 points are −63 %); they add up to {format_log(self.whole)}, "
            f"a fall of {fall}.{against} Thin lines: 95 % intervals."
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """All rows; the last is the sum of the others."""
        heads = ["cause", "log points", "± one standard error", "95 % interval"]
        rows = []
        for row in self.table.itertuples(index=False):
            of = Estimate(row[1], row[2], row[3], row[4])
            places = decimals(100 * of.mc_error)
            low, high = (signed(100 * end, places) for end in row[3:5])
            ends = f"{low} to {high}" if of.mc_error > 0 and is_known(of) else ""
            rows.append([row[0], format_log(of), format_error(of), ends])
        return heads, rows

    def draw(self, axes: Axes) -> None:
        """Bars from where the last one ended."""
        rows = self.table
        last = len(rows) - 1
        for k, row in enumerate(rows.itertuples(index=False)):
            colour = MEDIAN if k == last else BLUES[3] if row[1] < 0 else "#b9b9b9"
            axes.barh(k, row[6] - row[5], left=row[5], height=0.7, color=colour)
            if np.isfinite(row[3]) and np.isfinite(row[4]):
                axes.plot([row[5] + row[3], row[5] + row[4]], [k, k], color=INK, linewidth=0.9)
        for k in range(last):
            axes.plot([rows["end"][k]] * 2, [k + 0.35, k + 0.65], color=GREY, linewidth=0.7)
        low = float(min(rows["end"].min(), rows["begin"].min(), -1e-3))
        high = float(max(rows["end"].max(), rows["begin"].max(), 0.0))
        axes.set_xlim(low - 0.17 * (high - low), high + 0.05 * (high - low))
        for k, row in enumerate(rows.itertuples(index=False)):
            text = format_log(Estimate(row[1], row[2], row[3], row[4]))
            end, begin = sorted((row[5], row[6]))
            spread = row[4] - row[1] if np.isfinite(row[4]) else 0.0
            if (end + begin) / 2 < (low + high) / 2:
                x, side = max(begin, row[6] + spread), "left"
            else:
                x, side = min(end, row[6] - spread), "right"
            weight = "bold" if k == last else "normal"
            note(axes, text, (x, k), (3 if side == "left" else -3, 0), ha=side, weight=weight)
        name_rows(axes, rows["cause"])
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}".replace("-", MINUS))
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel("Log points from peak to trough")
        axes.grid(axis="x")


class Uncertainty(RunPlot):
    """How much of the spread of falls the uncertain assumptions explain."""

    kind = "uncertainty"
    question = "Assumptions or chance?"
    size = (5.4, 3.6)
    margins = Margins(left=1.45, right=0.3)
    fewest: ClassVar[int] = 500
    most: ClassVar[int] = 20_000
    """Paths the regression uses at most."""

    @classmethod
    def missing(cls, run: Run, entity: str) -> str:  # noqa: ARG003
        """It takes assumptions that differ from path to path."""
        if not any(np.ptp(drawn) > 0 for drawn in run.results.inputs.values() if drawn.size):
            return "no assumption of this scenario is uncertain"
        return "" if run.results.kept >= cls.fewest else f"that takes {cls.fewest} paths or more"

    @property
    def _groups(self) -> list[str]:
        return [name for name in self.run.entities if name in self.run.scenario.universe.groups]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The least share of the variance of falls that assumptions make, with its interval, by group."""
        results = self.run.results
        drawn = [values[: self.most] for values in results.inputs.values() if np.ptp(values) > 0]
        groups = [self.run.entities.index(name) for name in self._groups]
        falls = np.asarray(results.measures["max_drawdown"][groups, : self.most], np.float64)
        shares = explained(drawn, falls)
        return pd.DataFrame(
            [
                (name, label(self.run, name), *astuple(share))
                for name, share in zip(self._groups, shares, strict=True)
            ],
            columns=["entity", "name", "assumptions", "mc_error", "low", "high"],
        )

    @property
    def estimate(self) -> Estimate:
        """The entity's share."""
        rows = self.table[self.table["entity"] == self.entity]
        row = rows.iloc[0] if len(rows) else self.table.iloc[0]
        return Estimate(row["assumptions"], row["mc_error"], row["low"], row["high"])

    @property
    def headline(self) -> str:
        """The share, as the bound it is."""
        name = self.name if self.entity in self._groups else self.table["name"].iloc[0]
        of = self.estimate
        least = "" if _is_noise(of) else "at least "
        return f"{name}: uncertain assumptions explain {least}{_shown_share(of)} of the spread of falls"

    @property
    def subtitle(self) -> str:
        """How it is estimated, and in which direction it errs."""
        uncertain = len(self.run.results.inputs)
        return (
            f"Share of the variance of the largest fall that a regression on {uncertain} uncertain assumptions and "
            f"their squares explains{self.few}, adjusted for their number: a lower bound. The rest is chance, and "
            "what the regression cannot fit. Lines: 95 % intervals."
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """All groups."""
        return ["", "assumptions, at least (95 % interval)", "chance, at most"], [
            [row[1], _shown_share(Estimate(*row[2:6])), percent(1 - max(row[2], 0.0), 1)]
            for row in self.table.itertuples(index=False)
        ]

    def draw(self, axes: Axes) -> None:
        """One bar a group."""
        rows, place = self.table, np.arange(len(self.table))
        shares = rows["assumptions"].clip(lower=0.0)
        axes.barh(place, shares, height=0.62, color=BLUES[4])
        axes.barh(place, 1 - shares, left=shares, height=0.62, color="#d9d9d9")
        for k, row in enumerate(rows.itertuples(index=False)):
            axes.plot([max(row[4], 0.0), row[5]], [k, k], color=INK, linewidth=1.2)
            share = percent(row[2], decimals(100 * row[3])) if row[4] > 0 else "0 (noise)"
            note(axes, f"{share} assumptions", (max(row[5], 0.0), k), (4, 0))
            note(axes, "chance", (1, k), (-4, 0), ha="right", color=GREY)
        name_rows(axes, rows["name"])
        axes.set_xlim(0, 1)
        percent_axis(axes.xaxis)
        axes.set_xlabel("Share of the variance of the largest fall")


def _is_noise(share: Estimate) -> bool:
    """Whether a share of variance, which cannot be below 0, has an interval that reaches it."""
    return share.low <= 0


def _shown_share(share: Estimate) -> str:
    """A share of variance with its interval; where that reaches 0 it is said to be noise."""
    value, low, high = (max(part, 0.0) for part in (share.value, share.low, share.high))
    text = format_interval(Estimate(value, share.mc_error, low, high))
    return f"{text}, noise" if _is_noise(share) else text


def explained(drawn: Sequence[FloatArray], values: FloatArray, groups: int = 32) -> list[Estimate]:
    """Share of the variance of each row of ``values`` (rows, n) that a regression on ``drawn`` explains.

    Regressors are the ranks of each assumption (n,) and their squares. The share is adjusted for
    their number, so that chance alone gives 0 on average, and below 0 half of the time; what no
    such curve can follow is left out, so it is a lower bound. Errors by leaving out a group of paths.
    """
    n = values.shape[1]
    ranks = [np.argsort(np.argsort(inputs)) / (n - 1) * 2 - 1 for inputs in drawn]
    columns = np.stack([np.ones(n), *ranks, *(rank**2 for rank in ranks)])
    deviations = values - values.mean(axis=1, keepdims=True)
    parts = [
        (of @ of.T, of @ to.T, (to * to).sum(axis=1), to.sum(axis=1), of.shape[1])
        for of, to in ((columns[:, g::groups], deviations[:, g::groups]) for g in range(groups))
    ]
    whole = [sum(terms) for terms in zip(*parts, strict=True)]
    shares = _share(*whole)
    without = np.stack([
        _share(*(total - term for total, term in zip(whole, part, strict=True))) for part in parts
    ])  # fmt: skip
    errors = np.sqrt((groups - 1) / groups * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return [
        Estimate(share, error, share - Z * error, share + Z * error)
        for share, error in zip(shares.tolist(), errors.tolist(), strict=True)
    ]


def _share(square: Any, product: Any, power: Any, total: Any, n: Any) -> FloatArray:
    """Adjusted R squared of each column from the sums of a regression's products."""
    features = len(square)
    ridge = 1e-9 * n * np.eye(features)  # two assumptions may be one
    fitted = (np.linalg.solve(square + ridge, product) * product).sum(axis=0)
    spread = np.maximum(power - total**2 / n, 1e-300)
    left = (power - fitted) / max(n - features, 1) / (spread / (n - 1))
    return np.asarray(1.0 - left)
