"""Sweeps: one scenario in many versions, computed where they are missing, in one table.

A sweep folder holds a sealed plan (``sweep.json``), the scenario, a folder for every cell and,
when all cells are there, ``sweep.csv``. Its name depends on the base scenario and on what varies,
not on the values or the number of paths: a changed value finds all other cells in place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.engine import Executor, get_executor
from simulator.errors import FailedCells, ScenarioError, StoreError, UsageError, plain, plural
from simulator.runs import atomic_files, display, sealed_files
from simulator.scenario import Design, Scenario
from simulator.scenario.sweep_design import Value
from simulator.sweeps import sweep_cell
from simulator.sweeps.design import resolve_design, varied_universes
from simulator.sweeps.failures import Failure, write_failures
from simulator.sweeps.plan import Plan, base_values, make_plan, sweep_folder
from simulator.sweeps.sweep_cell import PLAN
from simulator.sweeps.table import CHANGE, ESTIMATE, table_columns, write_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "Plan",
    "Sweep",
    "add_files",
    "is_sweep",
    "load_sweep",
    "make_plan",
    "run_plan",
    "sweep",
    "sweep_folder",
]

MOST_FAILURES = 50
"""Failed cells after which a sweep stops: something is wrong with all of them."""

Tick = Callable[[int, int], None]


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """A finished sweep."""

    folder: Path
    scenario: Scenario
    design: Design
    cells: int  # base included
    failures: tuple[Failure, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The varied keys, in the order of the table's columns."""
        return self.design.keys

    @property
    def base(self) -> dict[str, Value | None]:
        """What each varied key is in the base; None where it is a distribution."""
        return base_values(self.scenario, self.keys)

    @cached_property
    def table(self) -> pd.DataFrame:
        """``sweep.csv``: a row per cell, entity and statistic, cells in design order, base first.

        Columns: cell, id, kind ("base" or "cell"), one per varied key (NaN where it is a
        distribution, text where it holds one), entity, statistic, value, mc_error, low, high, and
        the paired difference to the base: change, change_error, change_low, change_high. Where the
        universe varies, a cell has rows of the entities of its own universe, with changes of those
        the base has too.
        """
        gaps = {*self.keys, *ESTIMATE[1:], *CHANGE}
        return sealed_files.read_table(self.folder, "sweep.csv", table_columns(self.keys), gaps)

    @cached_property
    def titles(self) -> dict[str, str]:
        """Titles of the entities of every cell, by entity, those of the base first."""
        titles = dict(self.scenario.universe.titles)
        for universe in varied_universes(self.design, self.scenario):
            for entity, title in universe.titles.items():
                titles.setdefault(entity, title)
        return titles

    def __repr__(self) -> str:
        return f"<Sweep {self.scenario.name}: {self._size}, seed {self.scenario.seed}>"

    @property
    def _size(self) -> str:
        cells, paths = plural(self.cells - 1, "cell"), plural(self.scenario.paths, "path")
        return f"{cells} and the base over {plural(len(self.keys), 'assumption')}, {paths} each"

    def plot(
        self,
        kind: str = "",
        entity: str = "sp500",
        statistic: str = "",
        keys: tuple[str, ...] = (),
        *,
        ax: Axes | None = None,
    ) -> Axes | NDArray[np.object_]:
        """Draw a figure, such as "heatmap"; the matplotlib axes it is drawn in.

        Parameters
        ----------
        kind
            One of ``simulator.plots.available(sweep)``; by default what the design is made for.
        entity, statistic
            A group or ticker, and what is drawn of it; by default the 1-in-20 worst fall.
        keys
            What it is drawn against; the others are held at the value nearest the base.
        ax
            Axes to draw into; by default a figure outside of pyplot, which a notebook shows as ``.figure``.

        Raises
        ------
        UsageError
            For an unknown kind, entity, statistic or key, or a figure that the design cannot give.
        """
        chosen = {"statistic": statistic} if statistic else {}
        return display.plot(self, kind, ax, entity=entity, keys=keys, **chosen)

    def _repr_html_(self) -> str:
        """What the first figure says, its numbers, and the figure, for Jupyter."""
        title, seed = plain(self.scenario.title, 200), self.scenario.seed
        return display.page(self, f"{title}: {self._size}, seed {seed}.")


def is_sweep(folder: str | Path) -> bool:
    """Whether a folder holds a sweep; :func:`load_sweep` verifies it."""
    return os.path.lexists(Path(folder) / PLAN)


# ---------------------------------------------------------------- run


def run_plan(
    plan: Plan,
    executor: Executor,
    *,
    parquet: bool = False,
    progress: Tick | None = None,
) -> Sweep:
    """Compute what is missing and write the table. The caller holds the folder's lock.

    Raises
    ------
    FailedCells
        If 50 cells failed.
    StoreError
        If the folder cannot be written.
    """
    if _is_there(plan, parquet=parquet):
        return Sweep(plan.folder, plan.scenario, plan.design, plan.cells)
    seal = _begin(plan)
    work = partial(sweep_cell.compute, plan.folder.resolve(), seal)
    failures: list[Failure] = []
    done = 0
    for order, failure in zip(plan.orders(), executor.map(work, plan.orders()), strict=True):
        done += plan.scenario.paths - order.begun
        if progress is not None:
            progress(done, plan.paths)
        if failure is not None:
            failures.append(failure)
            if len(failures) == MOST_FAILURES:
                break
    names = write_failures(plan.folder, failures)
    if len(failures) == MOST_FAILURES:
        raise FailedCells(
            f"{MOST_FAILURES} cells failed, the first with: {failures[0].message}; "
            f"see {plan.folder / 'failures.csv'}"
        )
    names += write_table(plan, {failure.cell for failure in failures}, parquet=parquet)
    _forget_spent(plan)
    _finish(plan, names, len(failures))
    return Sweep(plan.folder, plan.scenario, plan.design, plan.cells, tuple(failures))


def _describe(plan: Plan, *, finished: bool, files: list[str], failed: int) -> dict[str, Any]:
    return {
        "sweep_format": sweep_cell.SWEEP_FORMAT,
        "name": plan.scenario.name,
        "digest": plan.folder.name.rpartition("-")[2],
        "design": plan.design.document(),
        "overrides": dict(plan.scenario.overrides),
        "seed": plan.scenario.seed,
        "paths": plan.scenario.paths,
        "cells": plan.cells,
        "failed": failed,
        "finished": finished,
        "done": plan.scenario.paths if finished else plan.done,
        "known": sorted(n for n in plan.known if not finished or n > plan.scenario.paths),
        "extended": plan.extended,
        "files": {name: sealed_files.fingerprint(plan.folder, name) for name in sorted(files)},
    }


def _is_there(plan: Plan, *, parquet: bool) -> bool:
    """Whether the folder holds this very sweep, finished and whole: then nothing is written."""
    if plan.to_compute:
        return False
    try:
        manifest = _finished(plan.folder)
        sealed_files.verify(plan.folder, manifest["files"])
    except StoreError:
        return False
    described = _describe(plan, finished=True, files=[], failed=0)
    compared = described.keys() - {"files", "known", "extended"}
    same = all(manifest[name] == described[name] for name in compared)
    return same and (not parquet or "sweep.parquet" in manifest["files"])


def _sources(plan: Plan) -> dict[str, bytes]:
    portfolio = plan.scenario.portfolio
    universes = (plan.scenario.universe, *varied_universes(plan.design, plan.scenario))
    own = {} if portfolio is None else {sweep_cell.PORTFOLIO: portfolio.raw}
    return {
        "scenario.toml": plan.scenario.text,
        **{f"universes/{each.path.name}": each.path.read_bytes() for each in universes},
        **own,
    }


def _begin(plan: Plan) -> str:
    """Write what workers need and remove what belongs to another plan; the seal of this one."""
    sources = _sources(plan)
    with contextlib.suppress(StoreError):
        before = sweep_cell.read_plan(plan.folder)
        # Before its files go: to readers it is unfinished from now on, not damaged.
        sealed_files.write_sealed(plan.folder, PLAN, {**before, "finished": False})
        for name in before["files"].keys() - sources.keys():
            atomic_files.remove(atomic_files.inside(plan.folder, name))
    for name, content in sources.items():
        atomic_files.inside(plan.folder, name)
        atomic_files.write(plan.folder / name, content)
    described = _describe(plan, finished=False, files=list(sources), failed=0)
    return sealed_files.write_sealed(plan.folder, PLAN, described)


def _finish(plan: Plan, names: list[str], failed: int) -> None:
    files = [*_sources(plan), *names]
    described = _describe(plan, finished=True, files=files, failed=failed)
    sealed_files.write_sealed(plan.folder, PLAN, described)


def settle(folder: Path) -> None:
    """Note that the command which extended a sweep has ended: the same command adds paths again.

    Raises as :func:`add_files`.
    """
    if sweep_cell.read_plan(folder).get("extended"):
        with atomic_files.lock(folder, wait=sealed_files.ADDING):
            sealed_files.put(folder, PLAN, {**_finished(folder), "extended": 0}, {})


def _forget_spent(plan: Plan) -> None:
    """Remove cells with fewer paths: those with more hold all of theirs."""
    for earlier, id_ in plan.spent.items():
        if sweep_cell.cell_folder(plan.folder, id_).exists():
            place = sweep_cell.cell_folder(plan.folder, earlier)
            atomic_files.inside(plan.folder, place.relative_to(plan.folder).as_posix())
            atomic_files.remove(place)
            with contextlib.suppress(OSError):  # not empty
                place.parent.rmdir()


def sweep(
    scenario: Scenario,
    design: Design | Mapping[str, Any],
    *,
    paths: int | None = None,
    seed: int | None = None,
    parent: str | Path = "results",
    workers: int = 1,
    executor: Executor | None = None,
    progress: Tick | None = None,
) -> Sweep:
    """Simulate a scenario in many versions; the sweep, whose ``table`` holds all of them.

    Parameters
    ----------
    scenario
        The base, from :func:`simulator.load_scenario`.
    design
        A :class:`Design`, or the values by key: ``{"technology.elasticity": [0.6, 1.0]}`` is a grid.
    paths, seed
        Instead of the scenario's.
    parent
        Folder of the sweep folder; cells that are there already are not computed again.
    workers
        Processes.
    executor
        Instead of ``workers``, anything with their ``map``.
    progress
        Called with (paths done, paths in all).

    Raises
    ------
    FailedCells
        If a cell could not be simulated; all others are in the folder.
    """
    if not isinstance(design, Design):
        design = Design.grid(design)
    whole = resolve_design(design, scenario)
    scenario = scenario.with_(paths=paths, seed=seed)
    with atomic_files.lock(sweep_folder(scenario, whole, parent), wait=0.1):
        plan = make_plan(scenario, whole, parent)
        finished = run_plan(plan, executor or get_executor(workers), progress=progress)
    if finished.failures:
        raise FailedCells(f"{len(finished.failures)} cells failed: {finished.failures[0].message}")
    return finished


def add_files(folder: str | Path, extras: Mapping[str, bytes]) -> None:
    """Add or replace files of a finished sweep, such as its report, and note them in its manifest.

    Raises
    ------
    StoreError
        If there is no finished sweep, or the folder cannot be written.
    LockedError
        If another process holds the folder.
    """
    sealed_files.add_files(Path(folder), PLAN, _finished, extras)


def _finished(folder: Path) -> dict[str, Any]:
    """The manifest of a finished sweep. Raises StoreError."""
    manifest = sweep_cell.read_plan(folder)
    if not manifest["finished"]:
        raise StoreError(f"{folder} holds an unfinished sweep: repeat its command")
    return manifest


def load_sweep(folder: str | Path) -> Sweep:
    """Read a finished sweep and verify every file of it and every cell in its table.

    Raises
    ------
    StoreError
        If it is not finished, or a file or a cell is missing or damaged (it is named).
    """
    return sealed_files.unless_written(Path(folder), partial(_load, Path(folder)))


def _load(folder: Path) -> Sweep:
    manifest = _finished(folder)
    absent = {"scenario.toml", "sweep.csv"} - manifest["files"].keys()
    if absent:
        raise StoreError(f"{folder / PLAN} is damaged: it does not list {min(absent)}")
    sealed_files.verify(folder, manifest["files"])
    scenario = sweep_cell.read_scenario(folder, manifest)
    try:
        design = resolve_design(Design.from_document(manifest["design"]), scenario)
    except (ScenarioError, UsageError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{folder / PLAN} is damaged: its design: {plain(str(error))}") from error
    loaded = Sweep(folder, scenario, design, manifest["cells"])
    ids = loaded.table.drop_duplicates("cell")["id"]
    if len(ids) + manifest["failed"] != manifest["cells"]:
        raise StoreError(f"{folder / 'sweep.csv'} has {len(ids)} of {manifest['cells']} cells")
    for id_ in ids:
        atomic_files.check_name(id_)
        sweep_cell.verify(sweep_cell.cell_folder(folder, id_))
    return loaded
