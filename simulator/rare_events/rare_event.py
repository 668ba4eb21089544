"""Rare crashes: the probability of a fall that a run would have to wait for.

    rare(load_scenario("deepseek"), "sp500.max_drawdown >= 0.90")

Independent groups of paths are split (simulator/statistics/splitting.py) until their mean is precise enough.
Group g of a scenario and seed is always the same, so more groups extend a result.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from math import ceil, inf, isfinite
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from simulator.arrays import FloatArray
from simulator.engine import get_executor
from simulator.errors import UsageError, plain
from simulator.rare_events.drawdown_particles import PARTICLES, Batch, split_batch
from simulator.runs.storage import TAIL, add_files, csv_bytes
from simulator.scenario import Scenario, parse_threshold
from simulator.scenario.thresholds import FORM
from simulator.schema import InvalidValue
from simulator.statistics import Estimate, mean_of_few, probability

FIRST_LOOK = 16
"""Groups before the error is looked at."""
MAX_SECONDS = 60.0
REL_ERROR = 0.10
"""Where a run folder keeps its far tail."""
LEAST = 1e-6
"""The far tail ends about here."""
_FORM = "sp500.max_drawdown >= 0.70"
_FALLS = ("max_drawdown", "loss_from_start")
_DEPTHS = np.round(np.arange(0.02, 0.995, 0.02), 2)
_TAIL_GROUPS = 24


@dataclass(frozen=True)
class Event:
    """A fall of an entity by ``depth``, a positive share, or more: from a peak, or ``from_start``."""

    text: str
    entity: str
    depth: float
    from_start: bool = False


@dataclass(frozen=True)
class Rare:
    """How likely a rare event is, and what it took to know.

    ``stopped`` says why: "precise" enough, out of "time", or "never" seen by any group.
    """

    event: Event
    estimate: Estimate
    groups: int
    path_steps: int
    stopped: Literal["precise", "time", "never"]
    seconds: float  # not part of the result
    steps: int  # of a path of the scenario

    @property
    def relative_error(self) -> float:
        """Standard error over value."""
        value = self.estimate.value
        return self.estimate.mc_error / value if value > 0.0 else inf

    @property
    def plain_path_steps(self) -> float:
        """Path-steps that plain Monte Carlo needs for the same relative error; inf if none is known."""
        p, error = self.estimate.value, self.relative_error
        return (1.0 - p) / (p * error**2) * self.steps if 0.0 < error < inf else inf


def parse_event(text: str, scenario: Scenario) -> Event:
    """Read ``sp500.max_drawdown >= 0.70``. Raises UsageError."""
    try:
        found = parse_threshold("event", f"P({text}) >= 0", scenario.universe.titles)
    except InvalidValue as refusal:
        if refusal.expected == FORM:  # a threshold's form would mislead here
            raise UsageError(f"{plain(text, 80)!r} is no event; write it as {_FORM!r}") from None
        message = refusal.message.replace("threshold `event`", f"the event {plain(text, 80)!r}")
        hint = f"; {refusal.hint}" if refusal.hint else ""
        raise UsageError(f"{message}: allowed are {refusal.expected}{hint}") from None
    depth = 0.0 if found.level is None else found.level
    if found.metric not in _FALLS or found.comparison not in (">=", ">"):
        raise UsageError(
            f"the event {plain(text, 80)!r} is not a fall: only events such as {_FORM} can be split"
        )
    if not 0.0 < depth <= 1.0:
        raise UsageError(f"a fall of {depth:g} is not one: expected a share above 0, at most 1")
    if found.comparison == ">":
        depth = float(np.nextafter(depth, 2.0))
    event = found.text.removeprefix("P(").removesuffix(") >= 0").strip()
    return Event(event, found.entity, depth, found.metric == "loss_from_start")


class RelativeErrorStopping:
    """When to stop, given the groups so far.

    Many looks at few skewed numbers stop too often where the numbers happen to lie close together,
    which is where their mean is too low. So the error is looked at when the groups have grown by a
    quarter, and what looks precise enough has to stand after half as many groups again, and does
    so on numbers that had no part in the decision.
    """

    def __init__(self, rel_error: float) -> None:
        self._rel_error, self._next, self._confirming = rel_error, FIRST_LOOK, False

    def enough(self, values: FloatArray) -> bool:
        """Whether these estimates, one a group, are precise enough; called as their number grows."""
        n = values.size
        if n < self._next:
            return False
        error = float(values.std(ddof=1)) / n**0.5
        precise = error <= self._rel_error * float(values.mean())
        if precise and self._confirming:
            return True
        self._confirming = precise
        self._next = ceil(n * (1.5 if precise else 1.25))
        return False


def rare(
    scenario: Scenario,
    event: str,
    *,
    rel_error: float = REL_ERROR,
    max_seconds: float = MAX_SECONDS,
    seed: int | None = None,
    workers: int = 1,
    progress: Callable[[Rare], None] | None = None,
) -> Rare:
    """Estimate the probability of a rare fall by adaptive multilevel splitting.

    Parameters
    ----------
    scenario
        From :func:`simulator.load_scenario`; its paths do not matter.
    event
        Such as ``"sp500.max_drawdown >= 0.70"``; any group or ticker of the universe.
    rel_error
        Wanted standard error over probability.
    max_seconds
        The best estimate by then is returned. A run that is precise before depends on nothing but
        scenario, seed and ``rel_error``.
    seed
        Instead of the scenario's.
    workers
        Processes; the numbers do not depend on it.
    progress
        Called with the result so far after each batch of groups.

    Raises
    ------
    UsageError
        If the event cannot be read, or an option is out of range.
    RunError
        If a number is not finite.
    """
    if not 0.0 < rel_error < 1.0:
        raise UsageError(f"the relative error must lie between 0 and 1, got {rel_error!r}")
    if not max_seconds > 0.0:
        raise UsageError(f"the seconds must be above 0, got {max_seconds!r}")
    scenario = scenario.with_(seed=seed)
    asked = parse_event(event, scenario)
    began, looks, batches = time.perf_counter(), RelativeErrorStopping(rel_error), list[Batch]()
    depths = np.array([asked.depth])
    with closing(
        _batches(scenario, asked.entity, depths, workers, from_start=asked.from_start)
    ) as computed:
        for batch in computed:
            batches.append(batch)
            values = np.concatenate([one.probability[:, 0] for one in batches])
            seconds = time.perf_counter() - began
            late = seconds + seconds / len(batches) > max_seconds
            stopped: Literal["precise", "time", "never"] = "time" if values.any() else "never"
            if done := looks.enough(values) and values.any():
                stopped = "precise"
            found = Rare(
                event=asked,
                estimate=_estimate(values, batches),
                groups=values.size,
                path_steps=sum(one.path_steps for one in batches),
                stopped=stopped,
                seconds=seconds,
                steps=scenario.steps,
            )
            if progress is not None:
                progress(found)
            if done or late or (stopped == "never" and values.size >= _TAIL_GROUPS):
                return found
    raise AssertionError("batches have no end")


def _batches(
    scenario: Scenario,
    entity: str,
    depths: FloatArray,
    workers: int,
    least: float = 0.0,
    *,
    from_start: bool = False,
) -> Generator[Batch]:
    """All batches there are, in order, computed as they are asked for."""
    compute = partial(split_batch, scenario, entity, depths, least, from_start=from_start)
    yield from get_executor(workers).map(compute, itertools.count())


def _estimate(values: FloatArray, batches: list[Batch]) -> Estimate:
    """Mean of the groups with its interval."""
    paths = values.size * PARTICLES
    if not values.any() or not any(one.rounds for one in batches):
        # Nothing was cloned or nothing came of it: what is known is the first paths.
        return probability(round(float(values.mean()) * paths), paths)
    found = mean_of_few(values)
    high = min(found.high, 1.0) if isfinite(found.high) else 1.0
    return Estimate(found.value, found.mc_error, max(found.low, 0.0), high)


def tail(
    scenario: Scenario,
    entity: str = "sp500",
    depths: FloatArray | None = None,
    *,
    groups: int = _TAIL_GROUPS,
    seed: int | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The chance of a fall by each depth, far beyond what a run's paths can show.

    Parameters
    ----------
    scenario, seed, workers
        As for :func:`rare`.
    entity
        A group or ticker of the universe.
    depths
        Rising positive shares; default every second point until about one in a million.
    groups
        Independent groups to average; the error goes with their square root.
    progress
        Called with (groups done, groups in all).

    Returns
    -------
    DataFrame
        One row a depth: entity, depth, probability, mc_error, low, high.

    Raises
    ------
    UsageError
        If the entity is not known, or depths do not rise between 0 and 1.
    """
    scenario = scenario.with_(seed=seed)
    if entity not in scenario.universe.entities:
        raise UsageError(f"no entity {plain(entity, 80)}: {', '.join(scenario.universe.entities)}")
    asked = _DEPTHS if depths is None else np.asarray(depths, np.float64)
    if asked.ndim != 1 or not asked.size or np.any(np.diff(asked) <= 0):
        raise UsageError(f"depths must rise, got {asked!r}")
    if not 0.0 < asked[0] <= asked[-1] <= 1.0:
        raise UsageError(f"depths must be shares above 0 and at most 1, got {asked!r}")
    if depths is None:  # a first batch, on a seed of its own, shows how far to go
        scout = split_batch(scenario, entity, asked, LEAST, number=_SCOUT).probability.mean(axis=0)
        asked = asked[: max(int(np.count_nonzero(scout >= LEAST)), 1)]
    batches: list[Batch] = []
    with closing(_batches(scenario, entity, asked, workers)) as computed:
        for batch in computed:
            batches.append(batch)
            done = sum(len(one.probability) for one in batches)
            if progress is not None:
                progress(min(done, groups), groups)
            if done >= groups:
                break
    values = np.concatenate([one.probability for one in batches])
    rows = [(entity, depth, *_row(values[:, at], batches)) for at, depth in enumerate(asked)]
    return pd.DataFrame(rows, columns=_COLUMNS)


_SCOUT = (1 << 32) - 1
"""Number of the batch that looks how far the tail goes: no other batch is called so."""
_COLUMNS = ["entity", "depth", "probability", "mc_error", "low", "high"]


def _row(values: FloatArray, batches: list[Batch]) -> tuple[float, float, float, float]:
    found = _estimate(values, batches)
    return found.value, found.mc_error, found.low, found.high


def read_tail(folder: str | Path) -> pd.DataFrame | None:
    """The far tail stored in a run folder, as :func:`tail` gives it; None if there is none."""
    path = Path(folder) / TAIL
    if not path.is_file():
        return None
    return pd.read_csv(path)


def add_tail(folder: str | Path, found: pd.DataFrame) -> Path:
    """Store a far tail in a finished run's folder, beside those of other entities; its path.

    Raises StoreError as :func:`simulator.runs.storage.add_files` does.
    """
    held = read_tail(folder)
    if held is not None:
        others = held[~held["entity"].isin(found["entity"].unique())]
        found = pd.concat([others, found], ignore_index=True) if len(others) else found
    add_files(folder, {TAIL: csv_bytes(found)})
    return Path(folder) / TAIL
