"""Reverse stress test: the value of an assumption at which a number of the run reaches a level.

    solve("deepseek", "P(sp500.loss_from_start >= 0.30) = 0.5", by="technology.elasticity")

Every value is simulated on the same random numbers, so the number is a smooth function of the value but for
steps of single paths, and scipy's Brent brackets its crossings of the level. The interval of a crossing
inverts the test "the number is the level here": it holds every value around the crossing at which the 95 %
interval of the number holds the level. The truth is inside as often as the number's interval is right there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from simulator.errors import RunError, ScenarioError, UsageError, plain
from simulator.runs.runner import simulate
from simulator.runs.summary import evaluate_threshold
from simulator.scenario import Design, Scenario, Threshold, load_scenario
from simulator.scenario.scenario_schema import ScenarioFile
from simulator.scenario.thresholds import TimeGrid, parse_typed
from simulator.schema import Spec, override_path
from simulator.schema.validation_errors import spec_at
from simulator.statistics import Estimate
from simulator.statistics.formatting import is_known, rounded
from simulator.sweeps.design import resolve_design

FORM = "P(sp500.loss_from_start >= 0.30) = 0.5, or median(sp500.max_drawdown) = 0.30"
VALUES = 9
"""Evenly spaced values that are looked at for crossings, ends included."""
_QUANTILES = (0.05, 0.5, 0.95)
"""Points of the assumption's own distribution, looked at besides: where the story expects it."""
_NEAR = 0.05
"""Share of the number's standard error within which a level counts as reached: closer is noise."""
_FINEST = 1e-5
"""Share of a value to which it is narrowed, where the number's error does not end that before."""
_SENTENCE = re.compile(r"(?P<what>.*?[^<>=])==?(?P<level>[^<>=]*)", re.DOTALL)


@dataclass(frozen=True)
class Root:
    """A value at which the number reaches the level.

    ``value`` in the unit of the assumption, with its 95 % interval from ``low`` to ``high``; ``number`` is
    estimated at exactly this value. ``low_open`` and ``high_open`` say that the interval ends with
    the range, not with what the paths know.
    """

    value: float
    low: float
    high: float
    low_open: bool
    high_open: bool
    number: Estimate


@dataclass(frozen=True)
class ReverseStress:
    """The answer to "at which value of ``key`` is the number at ``level``?", for values from ``low`` to ``high``.

    ``roots`` are in rising order, empty where there is none. ``scanned`` are all values that were simulated,
    in rising order, each with the number there. ``undecided`` says that there is no root but the level lies
    within the 95 % interval of the number at some value: more paths would tell.
    """

    goal: Threshold
    text: str
    key: str
    unit: str
    low: float
    high: float
    scenario: Scenario = field(repr=False)
    roots: tuple[Root, ...]
    scanned: tuple[tuple[float, Estimate], ...] = field(repr=False)

    @property
    def level(self) -> float:
        """What the number is to be, in its own unit."""
        return self.goal.limit

    @property
    def undecided(self) -> bool:
        """Whether there is no root and yet the level may be reached."""
        return not self.roots and any(_side(of, self.level) == 0 for _, of in self.scanned)

    @property
    def nearest(self) -> tuple[float, Estimate]:
        """The value that was simulated at which the number is closest to the level, and the number."""
        return min(self.scanned, key=lambda point: abs(point[1].value - self.level))

    def document(self) -> dict[str, Any]:
        """The answer for JSON."""
        return {
            "name": self.scenario.name,
            "digest": self.scenario.digest,
            "paths": self.scenario.paths,
            "seed": self.scenario.seed,
            "for": self.text,
            "level": self.level,
            "by": self.key,
            "unit": self.unit,
            "range": [self.low, self.high],
            "roots": [{**asdict(root), "number": root.number.as_json()} for root in self.roots],
            "undecided": self.undecided,
            "scanned": [{"value": x, "number": of.as_json()} for x, of in self.scanned],
        }


def solve(
    scenario: Scenario | str | Path,
    goal: str,
    by: str,
    *,
    within: tuple[float, float] | None = None,
    paths: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    progress: Callable[[float, Estimate], None] | None = None,
) -> ReverseStress:
    """Find the values of an assumption at which a number of the run reaches a level.

    Parameters
    ----------
    scenario
        From :func:`simulator.load_scenario`, or what it takes.
    goal
        Such as ``"P(sp500.loss_from_start >= 0.30) = 0.5"``: the left side is that of a threshold.
    by
        Full key of the assumption. It takes single values, as in a sweep: where the scenario has a distribution
        for it, the value replaces the distribution. Its mean is a key of its own (``technology.elasticity.mean``).
    within
        Lowest and highest value; default the range that the scenario format allows.
    paths, seed, workers
        As for :func:`simulator.simulate`; the answer does not depend on the workers.
    progress
        Called with each value and the number there.

    Raises
    ------
    UsageError
        If the goal cannot be read, or the key is no number or has no range of its own and none is given.
    ScenarioError
        If the key is unknown, or a value is not allowed.
    RunError
        If so few paths do not know the number.
    """
    if isinstance(scenario, str | Path):
        scenario = load_scenario(scenario)
    scenario = scenario.with_(paths=paths, seed=seed)
    threshold, text = parse_goal(goal, scenario.universe.titles, scenario.grid)
    spec, low, high = _range(scenario, by, within)

    def number(value: float) -> Estimate:
        run = simulate(scenario.overlaid({by: value}), workers=workers)
        estimate = evaluate_threshold(run.results, threshold).estimate
        if not is_known(estimate):
            raise RunError(f"{scenario.paths:,} paths do not know {text}: more --paths are needed")
        if progress is not None:
            progress(value, estimate)
        return estimate

    own = scenario.uncertain().get(by)
    extra = [] if own is None else [x for x in own.ppf(np.array(_QUANTILES)) if low < x < high]
    curve = Curve(number, threshold.limit, low, high)
    roots = curve.roots(extra)
    return ReverseStress(threshold, text, by, spec.unit, low, high, scenario, roots, curve.points)


def parse_goal(
    text: str, titles: Mapping[str, str], grid: TimeGrid | None = None
) -> tuple[Threshold, str]:
    """The number and level of ``P(...) = 0.5``, and the sentence with its entity by name. Raises UsageError."""
    where = f"--for {plain(text, 80)!r}"
    match = _SENTENCE.fullmatch(text)
    if match is None:
        raise UsageError(f"{where} cannot be read; write it as {FORM}")
    threshold = parse_typed(where, f"{match['what']} >= {match['level']}", FORM, titles, grid)
    return threshold, " = ".join(part.strip() for part in threshold.text.rsplit(">=", 1))


def _range(
    scenario: Scenario, key: str, within: tuple[float, float] | None
) -> tuple[Spec, float, float]:
    """The declaration of ``key``, and its lowest and highest value. Raises UsageError or ScenarioError."""
    spec = spec_at(ScenarioFile, override_path(key))
    if spec is None:  # most such keys are refused with the reason
        resolve_design(Design.grid({key: (0.0, 1.0)}), scenario)
        raise UsageError(f"{plain(key)} is no number of a scenario")
    low, high = within or (spec.low, spec.high)
    if not (isfinite(low) and isfinite(high) and low < high):
        raise UsageError(f"the range of {plain(key)} must rise, got {low:g} to {high:g}")
    try:
        resolve_design(Design.grid({key: (low, high)}), scenario)
    except ScenarioError as error:
        if within is not None:
            raise
        raise UsageError(
            f"{plain(key)} cannot have every value from {low:g} to {high:g} here: give --range LOW:HIGH\n\n{error}"
        ) from None
    return spec, float(low), float(high)


class Curve:
    """A number as a function of a value, each value simulated once, and where it crosses a level.

    Args:
        number: the estimate at a value, on the same random numbers at every value.
        level: what is to be reached.
        low: lowest value.
        high: highest value.
    """

    def __init__(
        self, number: Callable[[float], Estimate], level: float, low: float, high: float
    ) -> None:
        self._number, self._level, self._low, self._high = number, level, low, high
        self._known: dict[float, Estimate] = {}

    @property
    def points(self) -> tuple[tuple[float, Estimate], ...]:
        """All values so far in rising order, each with its number."""
        return tuple(sorted(self._known.items()))

    def at(self, value: float) -> Estimate:
        """The number at a value."""
        if value not in self._known:
            self._known[value] = self._number(value)
        return self._known[value]

    def roots(self, extra: list[float]) -> tuple[Root, ...]:
        """All crossings between neighbours of an even grid and ``extra`` values, in rising order.

        Crossings within the interval of another are one: these paths cannot tell them apart.
        """
        grid = sorted({*map(float, np.linspace(self._low, self._high, VALUES)), *map(float, extra)})
        gaps = [self._gap(self.at(x)) for x in grid]
        roots: list[Root] = []
        for i, (left, right) in enumerate(pairwise(grid)):
            if roots and roots[-1].high >= right:
                continue
            if gaps[i] * gaps[i + 1] < 0:
                root = self._root(self._crossing(left, right, self._gap))
            elif gaps[i] == 0 or (i + 2 == len(grid) and gaps[i + 1] == 0):
                root = self._root(left if gaps[i] == 0 else right)
            else:
                continue
            if not roots or root.value > roots[-1].high:
                roots.append(root)
        return tuple(roots)

    def _gap(self, of: Estimate, end: str = "value") -> float:
        """The number, or the ``end`` of its interval, less the level; 0 where closer than the error can tell."""
        gap = float(getattr(of, end)) - self._level
        return 0.0 if abs(gap) <= _NEAR * of.mc_error else gap

    def _crossing(self, left: float, right: float, gap: Callable[[Estimate], float]) -> float:
        """A value between two at which the sign of ``gap`` changes."""
        from scipy.optimize import brentq

        least = 1e-9 * (self._high - self._low)
        root = brentq(lambda x: gap(self.at(float(x))), left, right, xtol=least, rtol=_FINEST)
        return float(root)

    def _root(self, exact: float) -> Root:
        low, low_open = self._edge(exact, -1)
        high, high_open = self._edge(exact, +1)
        value = min(max(rounded(exact, high - low), low), high)
        return Root(value, low, high, low_open, high_open, self.at(value))

    def _edge(self, root: float, way: int) -> tuple[float, bool]:
        """Where values that the paths cannot tell from ``root`` end on one side, and whether only as the range does."""
        if _side(self.at(root), self._level):
            return root, False  # the number jumps over the level here, further than its error
        inside = root
        for x, of in self.points[::way]:
            if (x - root) * way <= 0:
                continue
            side = _side(of, self._level)
            if side:
                left, right = sorted((inside, x))
                gap = partial(self._gap, end="low" if side > 0 else "high")
                return self._crossing(left, right, gap), False
            inside = x
        return inside, True


def _side(of: Estimate, level: float) -> int:
    """1 if the whole interval lies above the level, -1 if below, 0 if it holds it."""
    return int(of.low > level) - int(of.high < level)
