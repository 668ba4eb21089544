"""The catalogue of statistics: what is measured on a path, and which number of all paths is shown.

Runs, comparisons and sweeps estimate the same statistics, each from what it has: paths, pairs of
paths, or counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from simulator.scenario.thresholds import TimeGrid

WORST = {
    "median": 0.5,
    "worst_1_in_4": 0.75,
    "worst_1_in_10": 0.9,
    "worst_1_in_20": 0.95,
    "worst_1_in_100": 0.99,
}
"""Statistics of a fall and how far towards the bad end they lie."""

RECOVERY_YEARS = (1, 2, 5, 10)

BELOW = (10, 20, 30, 40, 50)
"""Percent below the level at t = 0 at some time: the statistics ``below_10`` ..."""

SUPPORT = {
    "max_drawdown": (0.0, 1.0),
    "loss_from_start": (0.0, 1.0),
    "worst_week": (-1.0, float("inf")),
    "worst_month": (-1.0, float("inf")),
    "return_1y": (-1.0, float("inf")),
    "terminal_return": (-1.0, float("inf")),
    "dollars_lost": (0.0, float("inf")),
}
"""The range of each measure."""


@dataclass(frozen=True)
class Statistic:
    """One statistic of one entity: a measure of each path, and a number of all paths."""

    measure: str
    kind: Literal["quantile", "mean", "shortfall", "share", "recovered"]
    at: float = 0.0
    """The quantile's level, the depth to be reached, or years."""


def statistics_by_name(depths: Mapping[str, float], grid: TimeGrid) -> dict[str, Statistic]:
    """Every statistic of an entity, in the order of tables.

    Parameters
    ----------
    depths
        Falls of real crashes, positive shares: their statistics are called ``reach_<name>``.
    grid
        Horizon and steps of the run, which say what can be measured.
    """
    fall, loss, lost = "max_drawdown", "loss_from_start", "dollars_lost"
    catalogue = _of_fall(fall, "")
    catalogue |= {f"reach_{name}": Statistic(fall, "share", at) for name, at in depths.items()}
    catalogue |= _of_fall(loss, f"{loss}_")
    catalogue |= {f"below_{points}": Statistic(loss, "share", points / 100) for points in BELOW}
    for span in ("time_to_trough", "time_underwater"):
        catalogue[f"{span}_median"] = Statistic(span, "quantile", 0.5)
    for years in RECOVERY_YEARS:
        if years <= grid.horizon_years + 1e-9:
            catalogue[f"recovered_{years}y"] = Statistic("recovery", "recovered", years)
    catalogue |= {f"{lost}_{name}": Statistic(lost, "quantile", q) for name, q in WORST.items()}
    catalogue[f"{lost}_mean"] = Statistic(lost, "mean")
    for name in ("terminal_return", "worst_week", "worst_month"):
        if not grid.missing(name):
            catalogue[f"{name}_median"] = Statistic(name, "quantile", 0.5)
            catalogue[f"{name}_worst_1_in_20"] = Statistic(name, "quantile", 0.05)
        if name == "terminal_return" and not grid.missing(name):
            catalogue[f"{name}_best_1_in_20"] = Statistic(name, "quantile", 0.95)
    return catalogue


def _of_fall(measure: str, prefix: str) -> dict[str, Statistic]:
    """Quantiles, mean and expected shortfall of a positive share."""
    return {
        **{prefix + name: Statistic(measure, "quantile", q) for name, q in WORST.items()},
        f"{prefix}mean": Statistic(measure, "mean"),
        f"{prefix}expected_shortfall_1_in_20": Statistic(measure, "shortfall", 0.95),
    }
