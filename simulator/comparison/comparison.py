"""Runs side by side: the assumptions that differ, and what that changes.

Runs with one seed share their noise, so each change is estimated path by path and far better
known than either number (:mod:`simulator.comparison.paired_statistics`). Others are set side by
side with the wider interval of two independent runs, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from simulator.comparison.paired_statistics import jackknife_values
from simulator.comparison.scenario_diff import Difference, differences
from simulator.errors import UsageError, plain, plural
from simulator.history import crashes, index_of
from simulator.runs.samples import measured
from simulator.runs.statistic_catalogue import Statistic, statistics_by_name
from simulator.statistics import Estimate
from simulator.statistics.paired import changed, changed_mean, changed_share, unpaired_change

if TYPE_CHECKING:
    from simulator.runs import Run
    from simulator.scenario import Scenario

COLUMNS = (
    "entity",
    "statistic",
    *("value", "mc_error", "low", "high"),
    *("change", "change_error", "change_low", "change_high"),
)
"""Columns of a table of changes, after those that say which run or cell; sweep.csv has the same."""


@dataclass(frozen=True)
class Pairing:
    """Whether two runs share their noise: on how many paths, or why they do not."""

    paths: int  # 0: they do not
    note: str

    def __bool__(self) -> bool:
        return self.paths > 0


def pairing(first: Run, other: Run, blocks: tuple[int, int] | None = None) -> Pairing:
    """How the paths of two runs belong together.

    ``blocks`` are the paths in a block of each, if the runs are stored ones.
    """
    if first.seed != other.seed:
        return Pairing(0, f"not paired: seeds {first.seed} and {other.seed}")
    if blocks is not None and blocks[0] != blocks[1]:
        return Pairing(0, f"not paired: blocks of {blocks[0]} and {blocks[1]} paths")
    if first.shocks != other.shocks:
        return Pairing(0, "not paired: one run is without noise")
    shared = min(first.results.kept, other.results.kept)
    note = f"paired: {plural(shared, 'path')} with the same noise"
    if shared < max(first.paths, other.paths):
        note += " (those that both runs have in their tables)"
    return Pairing(shared, note)


def changes(
    first: Run, other: Run, shared: Pairing, entities: Sequence[str]
) -> dict[tuple[str, str], Estimate]:
    """The change of every statistic from ``first`` to ``other``, by entity and statistic."""
    estimates: dict[tuple[str, str], Estimate] = {}
    for entity in entities:
        catalogues = [statistics_of(run.scenario, entity) for run in (first, other)]
        names = [name for name in catalogues[0] if name in catalogues[1]]
        before, after = ({name: of[name] for name in names} for of in catalogues)
        if shared:
            paired = _paired(first, other, entity, before, after, shared.paths)
            estimates |= {(entity, name): paired[name] for name in names}
        else:
            x, y = (run.estimates_of(entity) for run in (first, other))
            estimates |= {(entity, name): unpaired_change(x[name], y[name]) for name in names}
    if first.shocks == other.shocks == "zero":
        estimates = {name: change.without_noise() for name, change in estimates.items()}
    return estimates


def statistics_of(scenario: Scenario, entity: str) -> dict[str, Statistic]:
    """The statistics of one entity of a run of a scenario, by name."""
    known = crashes(index_of(entity), scenario.steps_per_year)
    depths = {crash.name: crash.depth for crash in known if crash.same_grid}
    return statistics_by_name(depths, scenario.grid)


def _paired(
    first: Run,
    other: Run,
    entity: str,
    before: dict[str, Statistic],
    after: dict[str, Statistic],
    paths: int,
) -> dict[str, Estimate]:
    by_path = {
        name: statistic for name, statistic in before.items() if statistic.kind in ("mean", "share")
    }
    estimates = {}
    for name, statistic in by_path.items():
        x, y = (
            measured(run.results, run.results.entities.index(entity), statistic.measure, paths)
            for run in (first, other)
        )
        estimates[name] = (
            changed_mean(x, y)
            if statistic.kind == "mean"
            else changed_share(x >= statistic.at, y >= after[name].at)
        )
    parts = [
        jackknife_values(
            run.results,
            entity,
            {name: statistic for name, statistic in catalogue.items() if name not in by_path},
            paths,
        )
        for run, catalogue in ((first, before), (other, after))
    ]
    return estimates | {name: changed(parts[0][name], parts[1][name]) for name in parts[0]}


@dataclass(frozen=True)
class Comparison:
    """Runs beside the first of them.

    ``labels`` name the runs, ``blocks`` are the paths in a block of each stored run.
    """

    runs: tuple[Run, ...]
    labels: tuple[str, ...]
    entities: tuple[str, ...]
    blocks: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.runs) < 2:
            raise UsageError("compare needs two runs or more")
        for run, label in zip(self.runs, self.labels, strict=True):
            for entity in self.entities:
                if entity not in run.entities:
                    known = ", ".join(run.entities)
                    raise UsageError(f"{label} has no entity {plain(entity)!r}; it has {known}")

    @cached_property
    def differences(self) -> list[Difference]:
        """The assumptions and settings that are not the same in all runs."""
        return differences([run.scenario for run in self.runs])

    @cached_property
    def pairings(self) -> tuple[Pairing, ...]:
        """How each run but the first belongs to the first."""
        sizes = self.blocks
        return tuple(
            pairing(self.runs[0], run, None if sizes is None else (sizes[0], sizes[at]))
            for at, run in enumerate(self.runs[1:], 1)
        )

    @cached_property
    def changes(self) -> tuple[dict[tuple[str, str], Estimate], ...]:
        """Changes of each run but the first, by entity and statistic."""
        first, *others = self.runs
        return tuple(
            changes(first, run, shared, self.entities)
            for run, shared in zip(others, self.pairings, strict=True)
        )

    def order(self, entity: str, statistic: str) -> list[int]:
        """Numbers of the runs but the first, from the largest rise of a statistic to the largest fall."""
        if any((entity, statistic) not in changes for changes in self.changes):
            known = ", ".join(name for at, name in self.changes[0] if at == entity)
            raise UsageError(f"no statistic {plain(statistic)!r} to sort by; there are {known}")
        others = range(1, len(self.runs))
        return sorted(others, key=lambda at: -self.changes[at - 1][entity, statistic].value)

    def table(self) -> pd.DataFrame:
        """Every number and change, tidy: run, the columns of COLUMNS, paired.

        The first run's changes are empty.
        """
        rows: list[tuple[Any, ...]] = []
        for at, (run, label) in enumerate(zip(self.runs, self.labels, strict=True)):
            for entity in self.entities:
                for name, estimate in run.estimates_of(entity).items():
                    moved = self.changes[at - 1].get((entity, name)) if at else None
                    rest: tuple[Any, ...] = (None, None, None, None, "")
                    if moved is not None:
                        together = "yes" if self.pairings[at - 1] else "no"
                        rest = (moved.value, moved.mc_error, moved.low, moved.high, together)
                    value = (estimate.value, estimate.mc_error, estimate.low, estimate.high)
                    rows.append((label, entity, name, *value, *rest))
        return pd.DataFrame(rows, columns=["run", *COLUMNS, "paired"])
