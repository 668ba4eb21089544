"""Rare crashes: probabilities of falls too rare for the paths of a run.

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
from simulator.engine import Executor, get_executor
from simulator.errors import UsageError, plain
from simulator.rare_events.drawdown_particles import PARTICLES, Batch, split_batch
from simulator.runs import atomic_files, sealed_files
from simulator.runs.storage import TAIL, TAIL_COLUMNS, add_files, csv_bytes, read_manifest
from simulator.scenario import Scenario
from simulator.scenario.thresholds import parse_typed
from simulator.statistics import Estimate, mean_of_few, probability

FIRST_CHECK = 16
"""Groups before the error is checked."""
MAX_SECONDS = 60.0
REL_ERROR = 0.10
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
    """How likely a rare event is, and what the estimate cost.

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
    where = f"the event {plain(text, 80)!r}"
    threshold = parse_typed(where, f"P({text}) >= 0", _FORM, scenario.universe.titles)
    depth = 0.0 if threshold.level is None else threshold.level
    if threshold.metric not in _FALLS or threshold.comparison not in (">=", ">"):
        raise UsageError(f"{where} is not a fall: only events such as {_FORM} can be split")
    if not 0.0 < depth <= 1.0:
        raise UsageError(f"a fall of {depth:g} is not one: expected a share above 0, at most 1")
    if threshold.comparison == ">":
        depth = float(np.nextafter(depth, 2.0))
    event = threshold.text.removeprefix("P(").removesuffix(") >= 0").strip()
    return Event(event, threshold.entity, depth, threshold.metric == "loss_from_start")


class RelativeErrorStopping:
    """When to stop, given the groups so far.

    Checking often stops too early where few skewed numbers happen to lie close together, which is
    where their mean is too low. So the error is checked each time the groups have grown by a
    quarter, and an error that is small enough must be so again with half as many groups more.
    """

    def __init__(self, rel_error: float) -> None:
        self._rel_error, self._next, self._confirming = rel_error, FIRST_CHECK, False

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
    executor: Executor | None = None,
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
        Target for standard error over probability.
    max_seconds
        The best estimate by then is returned. A run that is precise before depends on nothing but
        scenario, seed and ``rel_error``.
    seed
        Instead of the scenario's.
    workers
        Processes; the numbers do not depend on it.
    executor
        Computes instead of local processes: such as a cluster, from
        :func:`simulator.engine.dask_executor.get_cluster`.
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
    fall = parse_event(event, scenario)
    precision = RelativeErrorStopping(rel_error)
    executor = executor or get_executor(workers)
    with closing(_results(scenario, fall, precision, max_seconds, executor)) as results:
        for result in results:
            if progress is not None:
                progress(result)
    return result


def _results(
    scenario: Scenario,
    fall: Event,
    precision: RelativeErrorStopping,
    max_seconds: float,
    executor: Executor,
) -> Generator[Rare]:
    """The result after each batch of groups, until there is reason to stop."""
    began, batches = time.perf_counter(), list[Batch]()
    depths = np.array([fall.depth])
    with closing(
        _batches(scenario, fall.entity, depths, executor, from_start=fall.from_start)
    ) as computed:
        for batch in computed:
            batches.append(batch)
            values = np.concatenate([done.probability[:, 0] for done in batches])
            seconds = time.perf_counter() - began
            late = seconds + seconds / len(batches) > max_seconds
            stopped: Literal["precise", "time", "never"] = "time" if values.any() else "never"
            if done := precision.enough(values) and values.any():
                stopped = "precise"
            yield Rare(
                event=fall,
                estimate=_estimate(values, batches),
                groups=values.size,
                path_steps=sum(counted.path_steps for counted in batches),
                stopped=stopped,
                seconds=seconds,
                steps=scenario.steps,
            )
            if done or late or (stopped == "never" and values.size >= _TAIL_GROUPS):
                return


def _batches(
    scenario: Scenario,
    entity: str,
    depths: FloatArray,
    executor: Executor,
    least: float = 0.0,
    *,
    from_start: bool = False,
) -> Generator[Batch]:
    """All batches there are, in order, computed lazily."""
    compute = partial(split_batch, scenario, entity, depths, least, from_start=from_start)
    yield from executor.map(compute, itertools.count())


def _estimate(values: FloatArray, batches: list[Batch]) -> Estimate:
    """Mean of the groups with its interval."""
    paths = values.size * PARTICLES
    if not values.any() or not any(batch.rounds for batch in batches):
        # Nothing was cloned or no clone reached the event: only the first paths count.
        return probability(round(float(values.mean()) * paths), paths)
    mean = mean_of_few(values)
    high = min(mean.high, 1.0) if isfinite(mean.high) else 1.0
    return Estimate(mean.value, mean.mc_error, max(mean.low, 0.0), high)


def tail(
    scenario: Scenario,
    entity: str = "sp500",
    depths: FloatArray | None = None,
    *,
    groups: int = _TAIL_GROUPS,
    seed: int | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The probability of a fall by depth, far beyond what a run's paths can estimate.

    Parameters
    ----------
    scenario, seed, workers, executor
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
    chosen = _DEPTHS if depths is None else np.asarray(depths, np.float64)
    if chosen.ndim != 1 or not chosen.size or np.any(np.diff(chosen) <= 0):
        raise UsageError(f"depths must rise, got {chosen!r}")
    if not 0.0 < chosen[0] <= chosen[-1] <= 1.0:
        raise UsageError(f"depths must be shares above 0 and at most 1, got {chosen!r}")
    if depths is None:  # a first batch, on a seed of its own, shows how far to go
        scout = split_batch(scenario, entity, chosen, LEAST, number=_SCOUT).probability.mean(axis=0)
        chosen = chosen[: max(int(np.count_nonzero(scout >= LEAST)), 1)]
    batches: list[Batch] = []
    with closing(_batches(scenario, entity, chosen, executor or get_executor(workers))) as computed:
        for batch in computed:
            batches.append(batch)
            done = sum(len(batch.probability) for batch in batches)
            if progress is not None:
                progress(min(done, groups), groups)
            if done >= groups:
                break
    values = np.concatenate([batch.probability for batch in batches])
    rows = [(entity, depth, *_row(values[:, at], batches)) for at, depth in enumerate(chosen)]
    return pd.DataFrame(rows, columns=_COLUMNS)


_SCOUT = (1 << 32) - 1
"""Number of the batch that shows how far the tail goes; no other batch has it."""
_COLUMNS = list(TAIL_COLUMNS)


def _row(values: FloatArray, batches: list[Batch]) -> tuple[float, float, float, float]:
    estimate = _estimate(values, batches)
    return estimate.value, estimate.mc_error, estimate.low, estimate.high


def read_tail(folder: str | Path) -> pd.DataFrame | None:
    """The far tail stored in a run folder, as :func:`tail` gives it; None if there is none."""
    folder = Path(folder)
    files = read_manifest(folder)["files"]
    if TAIL not in files:
        return None
    sealed_files.verify(folder, {TAIL: files[TAIL]})
    return sealed_files.read_table(folder, TAIL, TAIL_COLUMNS)


def add_tail(folder: str | Path, rows: pd.DataFrame) -> Path:
    """Store a far tail in a finished run's folder, beside those of other entities; its path.

    Raises StoreError as :func:`simulator.runs.storage.add_files` does.
    """
    read_manifest(folder)  # a folder without a run gets no lock
    with atomic_files.lock(Path(folder), wait=sealed_files.ADDING):
        stored = read_tail(folder)
        if stored is not None:
            others = stored[~stored["entity"].isin(rows["entity"].unique())]
            rows = pd.concat([others, rows], ignore_index=True) if len(others) else rows
        add_files(folder, {TAIL: csv_bytes(rows)})
    return Path(folder) / TAIL
