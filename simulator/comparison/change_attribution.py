"""Why two runs differ: the change of each statistic, split among the assumptions that changed.

The split is Shapley's: a change's share is its mean effect over all orders in which the changes
could have been made one after another. Shares add up to the whole change, equal changes get equal
shares, and what has no effect in any company gets nothing. With k changes it takes the 2^k mixtures of
the two scenarios, all simulated on the same noise; with more than a few, changes are taken table by
table, or orders are sampled, each with its reverse. Every single order adds up exactly, so their
mean does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray
from simulator.comparison.comparison import Comparison, statistics_of
from simulator.comparison.paired_statistics import jackknife_values
from simulator.comparison.scenario_diff import (
    AS_OF,
    EVENTS,
    PATHS,
    PORTFOLIO,
    SEED,
    UNIVERSE,
    Difference,
    differences,
    firms_named,
    mixed,
)
from simulator.engine import Executor, Keep, run_block
from simulator.engine.executors import Serial
from simulator.engine.streams import BLOCK_PATHS
from simulator.errors import RunError, UsageError
from simulator.runs.samples import Measured
from simulator.scenario import CONSENSUS
from simulator.statistics import Estimate
from simulator.statistics.paired import jackknife_estimate, t_quantile
from simulator.statistics.shapley import prefixes, sampled_orders, shapley, shares_of_order

if TYPE_CHECKING:
    from simulator.runs import Run
    from simulator.scenario import Scenario

By = Literal["key", "table"]
MOST = 8
"""Changes whose every mixture is simulated: 256 of them."""
PAIRS = 8
"""Pairs of orders, one the reverse of the other, where there are too many changes for that."""


_SAME, _STRAY = 1e-6, 0.01
"""Falls this close are the same, and so many of the paths may differ by more."""


@dataclass(frozen=True)
class Change:
    """Assumptions that changed together, and count as one."""

    name: str
    differences: tuple[Difference, ...]

    @property
    def keys(self) -> frozenset[str]:
        """The dotted keys of the assumptions."""
        return frozenset(difference.key for difference in self.differences)


@dataclass(frozen=True)
class Explanation:
    """The split of every change between two runs.

    ``shares`` hold one estimate per change, by entity and statistic; their values add up to that of
    ``totals``. ``orders`` is the number of sampled orders, 0 if every mixture was simulated.
    """

    changes: tuple[Change, ...]
    shares: Mapping[tuple[str, str], tuple[Estimate, ...]]
    totals: Mapping[tuple[str, str], Estimate]
    paths: int
    mixtures: int
    orders: int


def explain(
    comparison: Comparison,
    *,
    by: By | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Split the change from the first to the second run of a comparison.

    Parameters
    ----------
    comparison
        Of two runs with the same seed.
    by
        What counts as one change: each key, or each table of the scenario. Default: keys up to
        ``MOST`` of them, else tables.
    executor
        Computes the mixtures; default this process.
    progress
        Called with (paths done, paths in all).

    Raises
    ------
    UsageError
        If the runs are not two, do not share their noise, or do not differ.
    RunError
        If this version no longer gives the numbers of a run, so that mixtures would not fit between.
    """
    first, second = _pair(comparison)
    entities, paths = comparison.entities, comparison.pairings[0].paths
    parts = changed_together(first.scenario, second.scenario, by)
    exact = len(parts) <= MOST
    orders = [] if exact else sampled_orders(len(parts), PAIRS, first.seed)
    masks = range(1 << len(parts)) if exact else sorted({m for o in orders for m in prefixes(o)})
    names_of = {entity: _names(first, second, entity) for entity in entities}
    values = _values(
        comparison, parts, names_of, masks, executor or Serial(), progress or (lambda *_: None)
    )
    names = [(entity, name) for entity in entities for name in names_of[entity]]
    shares = _estimates(values, len(parts), orders)
    return Explanation(
        changes=tuple(parts),
        shares={name: tuple(row[at] for row in shares) for at, name in enumerate(names)},
        totals={name: comparison.changes[0][name] for name in names},
        paths=paths,
        mixtures=len(masks),
        orders=len(orders),
    )


def _values(
    comparison: Comparison,
    parts: Sequence[Change],
    names_of: Mapping[str, tuple[str, ...]],
    masks: Sequence[int],
    executor: Executor,
    progress: Callable[[int, int], None],
) -> dict[int, FloatArray]:
    """The statistics of each mixture, by bit mask; those of the two runs come from their tables."""
    first, second = comparison.runs
    paths, ends = comparison.pairings[0].paths, (0, (1 << len(parts)) - 1)
    runs = dict(zip(ends, zip((first, second), comparison.labels, strict=True), strict=True))
    values = {
        mask: _flat(run.results, run.scenario, names_of, paths) for mask, (run, _) in runs.items()
    }
    jobs = [(mask, min(paths, BLOCK_PATHS)) for mask in ends]
    jobs += [(mask, paths) for mask in masks if mask not in ends]
    keys = tuple(part.keys for part in parts)
    compute = partial(_simulate, first.scenario, second.scenario, keys, names_of, first.shocks)
    done, total = 0, sum(size for _, size in jobs)
    for (mask, size), value in zip(jobs, executor.map(compute, jobs), strict=True):
        if mask in runs:
            run, label = runs[mask]
            _check_same(_falls(run.results, tuple(names_of), size), value, label)
        else:
            values[mask] = value
        done += size
        progress(done, total)
    return values


def _pair(comparison: Comparison) -> tuple[Run, Run]:
    """The two runs, if their change can be explained by assumptions."""
    if len(comparison.runs) != 2:
        raise UsageError(f"--why explains two runs, not {len(comparison.runs)}")
    shared = comparison.pairings[0]
    if not shared:
        raise UsageError(
            f"cannot be explained: {shared.note}, so that a part of the change is noise; "
            "simulate one of them again with the --seed of the other"
        )
    first, second = comparison.runs
    return first, second


def changed_together(a: Scenario, b: Scenario, by: By | None = None) -> list[Change]:
    """The differences of two scenarios, as the changes a split is made among.

    A universe comes with its date and the holdings, and with events that name a firm the other one lacks.
    """
    changed = [each for each in differences([a, b]) if each.key not in (SEED, PATHS)]
    if not changed:
        raise UsageError("the two runs do not differ in any assumption: there is nothing to split")
    tied = {difference.key: difference.key for difference in changed}
    if UNIVERSE in tied:
        tied |= {key: UNIVERSE for key in tied if key in (AS_OF, PORTFOLIO)}
    if firms := tied.get(UNIVERSE) or tied.get(PORTFOLIO):
        named = firms_named(a) | firms_named(b)
        if not named <= set(a.universe.tickers) & set(b.universe.tickers):
            tied |= {key: firms for key in tied if key.split(".")[0] == EVENTS}
    if by == "table" or (by is None and len(set(tied.values())) > MOST):
        tied = {key: _table(name) for key, name in tied.items()}
    return [
        Change(name, tuple(difference for difference in changed if tied[difference.key] == name))
        for name in dict.fromkeys(tied.values())
    ]


def _table(key: str) -> str:
    """The table of a key; a setting of the run stands for itself."""
    if key.startswith("scenario."):
        return key
    return CONSENSUS if key.startswith(f"{CONSENSUS}.") else key.split(".")[0]


# ---------------------------------------------------------------- the mixtures


def _names(first: Run, second: Run, entity: str) -> tuple[str, ...]:
    others = statistics_of(second.scenario, entity)
    return tuple(name for name in statistics_of(first.scenario, entity) if name in others)


@dataclass(frozen=True)
class _Paths:
    """What is left of the paths of a mixture."""

    entities: tuple[str, ...]
    times: FloatArray
    measures: Mapping[str, NDArray[np.generic]]


def _flat(
    results: Measured, scenario: Scenario, names_of: Mapping[str, tuple[str, ...]], paths: int
) -> FloatArray:
    """Statistics of the first ``paths`` paths, with and without each group: (statistic, groups + 1)."""
    rows: list[FloatArray] = []
    for entity, names in names_of.items():
        catalogue = statistics_of(scenario, entity)
        values = jackknife_values(results, entity, {name: catalogue[name] for name in names}, paths)
        rows += [values[name] for name in names]
    return np.stack(rows)


def _simulate(
    a: Scenario,
    b: Scenario,
    parts: Sequence[frozenset[str]],
    names_of: Mapping[str, tuple[str, ...]],
    shocks: Literal["zero"] | None,
    job: tuple[int, int],
) -> FloatArray:
    """The statistics of one mixture: ``a``, with those changes of ``b`` whose bits are set.

    Of the two ends, which are there already, only the falls, path by path.
    """
    mask, paths = job
    keys = [key for at, part in enumerate(parts) if mask >> at & 1 for key in part]
    scenario = mixed(a, b, keys)
    try:
        results = _measure(scenario, tuple(names_of), paths, noise=shocks is None)
    except np.linalg.LinAlgError:
        raise RunError(
            f"the scenario between the two with {', '.join(sorted(keys))} changed has correlations "
            "that contradict each other; try --by table"
        ) from None
    ends = (0, (1 << len(parts)) - 1)
    if mask in ends:
        return _falls(results, tuple(names_of), paths)
    return _flat(results, scenario, names_of, paths)


def _measure(scenario: Scenario, entities: tuple[str, ...], paths: int, *, noise: bool) -> _Paths:
    """Simulate the first paths of a scenario, and keep what changes are estimated from."""
    rows = [scenario.universe.entities.index(entity) for entity in entities]
    blocks, parts = -(-paths // BLOCK_PATHS), []
    for block in range(blocks):
        left = run_block(scenario, scenario.seed, block, Keep(pictures=False), noise=noise)
        take = min(BLOCK_PATHS, paths - block * BLOCK_PATHS)
        parts.append({name: values[rows, :take] for name, values in left.measures.items()})
    measures = {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
    times = scenario.dt * np.arange(scenario.steps + 1, dtype=np.float64)
    return _Paths(entities, times, measures)


def _falls(results: Measured, entities: Sequence[str], paths: int) -> FloatArray:
    """Largest falls (entity, path) of the first paths."""
    rows = [results.entities.index(entity) for entity in entities]
    return np.asarray(results.measures["max_drawdown"][rows, :paths], np.float64)


def _check_same(stored: FloatArray, fresh: FloatArray, label: str) -> None:
    """Refuse a run that this program no longer reproduces.

    Another machine differs in the last digits, and on a rare path that tips a regime by more.
    """
    if np.mean(np.abs(stored - fresh) > _SAME) > _STRAY:
        raise RunError(
            f"cannot be explained: this crashsim gives other numbers than {label} holds, so another "
            "version of the model made it; simulate both again with crashsim run --force"
        )


# ---------------------------------------------------------------- the split


def _estimates(
    values: Mapping[int, FloatArray], k: int, orders: Sequence[Sequence[int]]
) -> list[list[Estimate]]:
    """Share of each change in each statistic; with sampled orders, their spread is in the error."""
    if not orders:
        whole = shapley(np.stack([values[mask] for mask in range(1 << k)]))
        return [[jackknife_estimate(cell) for cell in row] for row in whole]
    each = np.stack([shares_of_order(values, order) for order in orders])
    pairs = (each[0::2] + each[1::2]) / 2
    whole, between = pairs.mean(axis=0), pairs[..., 0].std(axis=0, ddof=1) / sqrt(len(pairs))
    return [
        [
            _widened(jackknife_estimate(cell), float(more), len(pairs))
            for cell, more in zip(row, b, strict=True)
        ]
        for row, b in zip(whole, between, strict=True)
    ]


def _widened(share: Estimate, sampling: float, pairs: int) -> Estimate:
    """An estimate with the error of sampling orders added."""
    half = sqrt((share.high - share.value) ** 2 + (t_quantile(pairs - 1) * sampling) ** 2)
    error = sqrt(share.mc_error**2 + sampling**2)
    return Estimate(share.value, error, share.value - half, share.value + half)
