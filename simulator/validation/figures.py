"""Figures of the hindcast, from the runs it was judged on."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simulator.history.baselines import baseline
from simulator.plots import figure
from simulator.plots.run_plot import origin
from simulator.plots.style import (
    BLUES,
    DARK_VERMILION,
    GREY,
    INK,
    MEDIAN,
    SIZE,
    VERMILION,
    frame,
    note,
    percent_axis,
    style,
)  # fmt: skip
from simulator.runs.samples import sample
from simulator.statistics.formatting import percent
from simulator.validation.calm_targets import (
    ROLLING,
    ROLLING_CHANCES,
    ROLLING_LEVELS,
    window_places,
)
from simulator.validation.target_table import place_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simulator.runs import Run
    from simulator.validation.hindcast import Hindcast


def figures(hindcast: Hindcast) -> dict[str, Figure]:
    """Every figure the runs of a hindcast allow, by name."""
    runs = hindcast.runs
    drawn = {"calm-falls": calm_falls(runs["calm"])}
    if "dotcom" in runs:
        dotcom = runs["dotcom"]
        drawn |= {f"dotcom-{index}": real_fan(dotcom, index) for index in ("nasdaq", "sp500")}
        drawn["places"] = places(runs["calm"], dotcom)
    return drawn


def real_fan(run: Run, index: str) -> Figure:
    """The fan of an index of the dot-com scenario, and the weekly closes that came."""
    drawing = figure("fan", run, index)
    axes = drawing.axes[0]
    levels = baseline("dotcom").from_peak(index, run.scenario.steps_per_year).closes
    levels = levels[: run.scenario.steps + 1] / levels[0]
    years = np.arange(levels.size) * run.scenario.dt
    axes.plot(years, levels, color="white", linewidth=3.2)
    axes.plot(years, levels, color=VERMILION, linewidth=1.8)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.93 * float(levels.min())), high)
    at = int(levels.argmin())
    strong = {"color": DARK_VERMILION, "weight": "bold", "ha": "center", "va": "baseline"}
    note(axes, "what happened", (years[at], levels[at]), (0, -12), **strong)
    return drawing


def calm_falls(run: Run) -> Figure:
    """How deep five calm years are, beside all five-year windows of the S&P 500's history."""
    fall = sample(run.results, "sp500", "max_drawdown")
    depths = np.linspace(0.0, 0.9, 181)
    chance = pd.DataFrame([astuple(fall.at_least(float(depth))) for depth in depths])
    chance.columns = pd.Index(["value", "mc_error", "low", "high"])
    title = "S&P 500: how deep five calm years are, beside history"
    text = (
        "How often the largest fall within five years is at least this deep. Dots: quantiles of all windows of "
        "daily closes; bars: 90 % intervals of a bootstrap by five years, because these windows overlap."
    )
    drawing, axes = _page(title, f"{text} {origin(run)}")
    axes.fill_between(depths, chance["low"], chance["high"], color=BLUES[2], linewidth=0)
    axes.plot(depths, chance["value"], color=MEDIAN, linewidth=1.8, label="calm")
    for (name, quantiles), colour, shift in zip(
        ROLLING.items(), (INK, GREY), (-0.004, 0.004), strict=True
    ):
        share = 1 - np.array(ROLLING_LEVELS)
        axes.plot(quantiles, share, "o", color=colour, markersize=4.5, label=f"history {name}")
        for depth, (_, low, high) in ROLLING_CHANCES[name].items():
            axes.plot([depth + shift] * 2, [low, high], color=colour, linewidth=1.4)
    axes.set_xlim(0, 0.9)
    axes.set_ylim(0, 1)
    _percent_axes(axes)
    axes.set_xlabel("Largest fall within five years")
    axes.legend(frameon=False, fontsize=9.0)
    return drawing


def places(calm: Run, dotcom: Run) -> Figure:
    """Where what happened lies among simulated futures (probability integral transform)."""
    seen = window_places(calm)
    n = seen.size
    expected = (np.arange(n) + 0.5) / n
    title = "What happened, ranked among simulated futures"
    text = (
        f"Dots: largest falls of the S&P 500 in {n} five-year windows since 1928, ranked among calm futures; on the "
        "diagonal if calm is right, within the shade in 95 of 100 histories, dot by dot. Lines: the falls after March "
        "2000 among futures of dotcom."
    )
    drawing, axes = _page(title, f"{text} {origin(dotcom)}")
    from scipy.special import betaincinv

    rank = np.arange(1, n + 1)
    low, high = (np.asarray(betaincinv(rank, n - rank + 1, q), np.float64) for q in (0.025, 0.975))
    axes.fill_between(expected, low, high, color=BLUES[0], linewidth=0)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    axes.plot(expected, seen, "o", color=MEDIAN, markersize=4.5)
    for index, colour in (("nasdaq", VERMILION), ("sp500", INK)):
        real: Any = baseline("dotcom").measure(index, dotcom.scenario.steps_per_year)
        depth = np.asarray(dotcom.results.measures["max_drawdown"][dotcom.entities.index(index)])
        place = place_of(real["max_drawdown"], depth).value
        axes.axhline(place, color=colour, linewidth=1.2)
        name = {"nasdaq": "NASDAQ", "sp500": "S&P 500"}[index]
        text = f"{name} {percent(-real['max_drawdown'])}"
        note(axes, text, (0.01, place), (0, 3), color=colour, weight="bold", va="baseline")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    _percent_axes(axes)
    axes.set_xlabel("Rank of the window among the windows")
    axes.set_ylabel("Share of futures with a smaller fall")
    return drawing


def _page(title: str, text: str) -> tuple[Figure, Axes]:
    with style():
        from matplotlib.figure import Figure

        drawing = Figure(figsize=SIZE)
        return drawing, frame(drawing, title, text)


def _percent_axes(axes: Axes) -> None:
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    axes.grid(axis="y")
