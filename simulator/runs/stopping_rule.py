"""Simulating until a number is known well enough.

    until = "P(sp500.max_drawdown >= 0.49) +-0.5pp"    half a percentage point either way
    until = "P(sp500.max_drawdown >= 0.80) +-10%"      a tenth of the number itself
    until = "median(NVDA.time_to_trough) +-0.1"        in years, for a time

The sentence before the width is that of a threshold. Looking again and again, and stopping when
the error happens to look small, would stop too early. So each look at which it may stop asks for
more than 95 %: the chances to be wrong at any of them add up to 5 % at most.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine import Results
from simulator.errors import UsageError, plain
from simulator.runs.summary import evaluate_threshold
from simulator.scenario import PROBABILITY, Threshold
from simulator.scenario.thresholds import TimeGrid, parse_typed
from simulator.statistics import Estimate, Z

MOST_PATHS = 10_000_000
"""Paths at most, unless said otherwise."""
FORM = "P(sp500.max_drawdown >= 0.49) +-0.5pp, or median(sp500.max_drawdown) +-1%"
_SENTENCE = re.compile(
    r"(?P<what>.+?)\s*(?:\+-|\+/-|±)\s*(?P<width>\d+\.?\d*|\.\d+)\s*(?P<unit>pp|%|)\s*", re.DOTALL
)
_RISKS = (0.01, 0.03, 0.005)
"""Chance to be wrong at the first looks; from there on each has half of the one before. The
first look is at a few paths only, to learn how many are needed; the second is to be the last."""
_MARGIN = 1.05
"""So much more than the error asks for is simulated before the next look."""
_FAR = 4.0
"""Times as many paths beyond which a look only plans."""
_MOST_AHEAD = 8.0
"""Times as many paths at the next look, at most."""


@dataclass(frozen=True)
class Goal:
    """A number and how well it shall be known: ``width`` either way, of itself if ``relative``."""

    text: str
    threshold: Threshold
    width: float
    relative: bool

    def estimate(self, results: Results) -> Estimate:
        """The number as these results have it."""
        return evaluate_threshold(results, self.threshold).estimate

    def wanted(self, estimate: Estimate) -> float:
        """Half-width that the interval may have."""
        return self.width * abs(estimate.value) if self.relative else self.width


def parse_goal(text: str, titles: Mapping[str, str], grid: TimeGrid | None = None) -> Goal:
    """Read a sentence such as ``P(sp500.max_drawdown >= 0.49) +-0.5pp``. Raises UsageError."""
    match = _SENTENCE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--until {plain(text, 80)!r} cannot be read; write it as {FORM}")
    where = f"--until {plain(text, 80)!r}"
    threshold = parse_typed(where, f"{match['what']} >= 0", FORM, titles, grid)
    _check_unit(text, threshold, match["width"], match["unit"])
    width = float(match["width"]) / (100.0 if match["unit"] else 1.0)
    if width <= 0.0:
        raise UsageError(f"--until {plain(text, 80)!r}: a width of 0 is never reached")
    goal = threshold.text.removesuffix(" >= 0") + text.strip()[match.end("what") :]
    return Goal(goal, threshold, width, match["unit"] == "%")


def _check_unit(text: str, threshold: Threshold, width: str, unit: str) -> None:
    """A share needs ``pp`` or ``%``, since a bare 0.5 may mean either; a time has no points."""
    of_time = threshold.metric == "time_to_trough" and threshold.statistic != PROBABILITY
    where = f"--until {plain(text, 80)!r}"
    if of_time and unit == "pp":
        raise UsageError(
            f"{where}: a time has no percentage points; write +-{width} (years) or +-{width}%"
        )
    if not of_time and not unit:
        raise UsageError(
            f"{where}: +-{width} can mean +-{width}pp or +-{100 * float(width):g}pp (percentage points); "
            "write it with pp, or with % for a share of the number itself"
        )


def half_width(estimate: Estimate) -> float:
    """How far the interval reaches from the value, on its longer side."""
    return max(estimate.high - estimate.value, estimate.value - estimate.low)


class SequentialStopping:
    """When to look and when to stop; depends on nothing but the estimates so far.

    Args:
        goal: the number and its width.
        first: paths at the first look; later looks are at whole multiples of ``step`` more.
        step: paths that are simulated together.
        most: paths at the last look, whatever the estimate.
    """

    def __init__(self, goal: Goal, first: int, step: int, most: int) -> None:
        self.goal, self._step, self._most = goal, step, most
        self.next, self._number, self._only_plans = min(first, most), 0, False

    def enough(self, estimate: Estimate, n: int) -> bool:
        """Whether to stop at ``n`` paths, the number of the ``next`` look; else plans another look."""
        wanted, half = self.goal.wanted(estimate), half_width(estimate)
        if not self._only_plans:
            if half * self._strictness() <= wanted:
                return True
            self._number += 1
        if n >= self._most:
            return True
        share = half * self._strictness() / wanted if wanted > 0.0 else inf
        more = _MARGIN * share**2 if isfinite(share) else inf
        # Far from the end the need is known badly: look half-way, without a chance to stop.
        self._only_plans = more > _FAR
        more = min(more / 2 if self._only_plans else max(more, 1.25), _MOST_AHEAD)
        self.next = min(ceil(n * more / self._step) * self._step, self._most)
        if self.next == self._most:
            self._only_plans = False
        return False

    def _strictness(self) -> float:
        """Wider than 95 % by so much is this look's interval."""
        from scipy.special import ndtri

        last = len(_RISKS) - 1
        risk = _RISKS[min(self._number, last)] * 0.5 ** max(self._number - last, 0)
        return float(-ndtri(risk / 2)) / Z


def so_far(results: Results, *, copy: bool = False) -> Results:
    """The results of the paths that are there, of results with space for more.

    Views, or with ``copy`` arrays of their own: what a run of so many paths has.
    """
    n = min(results.n, results.kept)

    def first(values: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(values[..., :n]) if copy else values[..., :n]

    return replace(
        results,
        measures={name: first(values) for name, values in results.measures.items()},
        causes=first(results.causes),
        channels=first(results.channels),
        inputs={key: first(drawn) for key, drawn in results.inputs.items()},
        sample_levels=first(results.sample_levels),
        levels=None if results.levels is None else first(results.levels),
    )
