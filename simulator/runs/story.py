"""What the story adds: the same futures without it, without the boom, and without either.

A run is simulated again on the same draws in three more worlds: the boom as it is but technology, firms and events
as priced in; the story without a boom (no premium, nothing that could end); and neither. What neither world has comes
by chance in any market. The rest is split between boom and story by Shapley's value, the mean over both orders in
which they could be added, so that chance, boom and story add up to the run.

Fewer paths of the other worlds are enough. What they say is carried over to all paths of the run by regression on the
run's own value (double sampling; Cochran, Sampling Techniques, 3rd ed. 1977, section 12.6). The slopes of the parts
add up to one, so the parts still add up to what the run says from all its paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.arrays import FloatArray
from simulator.engine.block_batches import TOGETHER
from simulator.engine.executors import Executor, Serial, Shared
from simulator.engine.lockstep import group_falls
from simulator.engine.streams import BLOCK_PATHS
from simulator.errors import UsageError
from simulator.runs.contributions import PARTS, Contributions
from simulator.runs.run import Run
from simulator.scenario import Scenario
from simulator.statistics import Estimate, Z
from simulator.statistics.shapley import shapley

if TYPE_CHECKING:
    import pandas as pd

PATHS = 4096
"""Paths of each other world, unless the run has fewer."""
FEWEST = 100
"""Paths; of fewer, errors would mean nothing."""
ENTITIES = ("portfolio", "sp500", "mag7", "nasdaq", "ai_basket")
"""Groups that are split, where the run has them."""
MEASURES = ("max_drawdown", "loss_from_start")
BOOM, STORY = 1, 2
"""Bits of a world's number: 0 has neither, 3 is the run."""


def without_story(scenario: Scenario) -> Scenario:
    """Technology as priced in, no events, rules for firms at their medians; boom and market as they are."""
    return _with(scenario, technology=scenario.consensus, firms=scenario.firms.medians(), events=())


def without_boom(scenario: Scenario) -> Scenario:
    """No premium in any price, and nothing that could end; the story as it is."""
    flat = {"mag7_share_of_gains": 0.0, "earnings_growth": 0.0, "earlier_years": ()}
    return _with(
        scenario,
        concentration=scenario.concentration.model_copy(update=flat),
        sentiment=scenario.sentiment.model_copy(update={"hazard_scale": 0.0}),
    )


def _with(scenario: Scenario, **tables: Any) -> Scenario:
    """The scenario with other tables, and the correlations of assumptions that are still uncertain."""
    changed = replace(scenario, correlations=(), **tables)
    left = changed.uncertain().keys()
    kept = tuple(one for one in scenario.correlations if left >= set(one.between))
    return replace(changed, correlations=kept)


def world(scenario: Scenario, number: int) -> Scenario:
    """The scenario with the boom and the story whose bits are set in ``number``."""
    if not number & STORY:
        scenario = without_story(scenario)
    return scenario if number & BOOM else without_boom(scenario)


def what_the_story_adds(
    run: Run,
    *,
    paths: int = PATHS,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Split a run's headlines into chance, boom and story.

    Parameters
    ----------
    run
        With noise; it is not simulated again.
    paths
        Paths of each of the three other worlds, the first ones of the run; at most the run's.
    executor
        Computes the other worlds; default this process.
    progress
        Called with (paths done, paths in all), each in all other worlds.

    Returns
    -------
    DataFrame
        Tidy: entity, statistic (as in the summary), part (of ``PARTS``), value, mc_error, low, high (95 % interval,
        paired), paths (of each other world). Positive shares; chance + boom + story = total.

    Raises
    ------
    UsageError
        For a run without noise, or of fewer than ``FEWEST`` paths.
    """
    return contributions(run, other_worlds(run, paths, executor), progress).table


def contributions(
    run: Run, worlds: OtherWorlds, progress: Callable[[int, int], None] | None = None
) -> Contributions:
    """As :func:`what_the_story_adds`, of other worlds that were begun before."""
    falls = worlds.falls(progress)
    found: dict[tuple[str, str], dict[str, Estimate]] = {}
    for at, entity in enumerate(worlds.entities):
        for name, (measure, level) in headlines(run, entity).items():
            values = falls[measure][:, at]
            if level is not None:
                values = (values >= level).astype(np.float64)
            whole = run.estimates_of(entity)[name]
            found[entity, name] = split(values, whole, run.paths, shares=level is not None)
    return Contributions(found, worlds.size)


def can_be_split(run: Run) -> bool:
    """Whether a run has chances at all, and an error to go with them."""
    return run.shocks != "zero" and run.results.kept >= FEWEST


def headlines(run: Run, entity: str) -> dict[str, tuple[str, float | None]]:
    """What is split: statistic -> (measure of a path, the level it is to reach; None for its mean)."""
    found: dict[str, tuple[str, float | None]] = {}
    for crash in run.crashes(entity):
        if crash.name == "dotcom" and crash.same_grid:
            found["reach_dotcom"] = ("max_drawdown", crash.depth)
    return found | {
        "mean": ("max_drawdown", None),
        "below_30": ("loss_from_start", 0.30),
        "loss_from_start_mean": ("loss_from_start", None),
    }


class OtherWorlds:
    """The first ``size`` paths of a run in its three other worlds.

    Processes that an executor shares the work with begin at once; this one begins when it is asked for the falls.
    """

    def __init__(self, run: Run, size: int, executor: Executor) -> None:
        self.entities = tuple(name for name in ENTITIES if name in run.scenario.universe.groups)
        self.size = size
        self._rows = [run.entities.index(entity) for entity in self.entities]
        self._own = run.results.measures
        worlds = tuple(world(run.scenario, number) for number in range(BOOM | STORY))
        blocks = -(-size // BLOCK_PATHS)
        workers = executor.workers if isinstance(executor, Shared) else 1
        self._together = min(TOGETHER, -(-blocks // workers))
        jobs = [(at, min(self._together, blocks - at)) for at in range(0, blocks, self._together)]
        self._parts: Iterator[FloatArray] = executor.map(
            partial(_simulate, worlds, self._rows), jobs
        )

    def falls(self, progress: Callable[[int, int], None] | None = None) -> dict[str, FloatArray]:
        """Each measure in every world, the run's own last: (world, entity, path)."""
        parts: list[FloatArray] = []
        for part in self._parts:
            parts.append(part)
            if progress is not None:
                progress(min(len(parts) * self._together * BLOCK_PATHS, self.size), self.size)
        others = np.concatenate(parts, axis=-1)[..., : self.size]
        own = {name: self._own[name][self._rows, : self.size] for name in MEASURES}
        return {
            name: np.concatenate([others[:, i], np.asarray(own[name], np.float64)[np.newaxis]])
            for i, name in enumerate(MEASURES)
        }


def other_worlds(run: Run, paths: int = PATHS, executor: Executor | None = None) -> OtherWorlds:
    """Begin the other worlds of a run; parameters and errors as :func:`what_the_story_adds`."""
    if not can_be_split(run):
        raise UsageError(
            f"what the story adds is a matter of chance: it takes {FEWEST} paths or more"
        )
    return OtherWorlds(run, min(max(paths, FEWEST), run.results.kept), executor or Serial())


def _simulate(worlds: tuple[Scenario, ...], rows: list[int], blocks: tuple[int, int]) -> FloatArray:
    """The measures of some blocks: (world, measure, entity, path)."""
    first, count = blocks
    return np.array(group_falls(worlds, rows, worlds[0].seed, first, count=count))


def split(values: FloatArray, whole: Estimate, paths: int, *, shares: bool) -> dict[str, Estimate]:
    """The parts of a mean.

    Parameters
    ----------
    values
        What each of the first m paths of the run is in each world, the run's own last: (4, m).
    whole
        The mean over all paths of the run.
    paths
        Number of all paths of the run, n >= m.
    shares
        Whether values are 0 or 1. A path is then added to those that a part newly brings over the level and one
        to those that it keeps from it, so that no change among few paths is not taken for certain (Bonett and Price
        2012, as for other paired changes).

    Returns
    -------
    dict
        ``PARTS`` -> estimate. A part's variance is that of its residual over m, and what its slope takes from the
        run's own variance over n.
    """
    own, m = values[-1], values.shape[1]
    boom, story = shapley(values)
    each = np.stack([values[0], boom, story, values[BOOM]])
    means, around = each.mean(axis=1), own - own.mean()
    spread = float(around @ around)
    slopes = each @ around / spread if spread > 0 else np.array([1.0, 0.0, 0.0, 1.0])
    carried = means - slopes * (own.mean() - whole.value)
    residuals = each - means[:, None] - slopes[:, None] * around
    more = np.array([0.0, 2.0, 2.0, 0.0]) if shares else np.zeros(4)
    within = (np.sum(residuals**2, axis=1) + more) / (m + more)
    errors = np.sqrt(within / m + slopes**2 * spread / m / paths)
    found = {"total": whole}
    for part, value, error in zip(PARTS[1:], carried, errors, strict=True):
        half = Z * float(error)
        found[part] = Estimate(float(value), float(error), float(value) - half, float(value) + half)
    return found
