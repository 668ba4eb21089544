"""What a sweep will do: which of its cells are missing, and why. Nothing is written here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import StoreError, UsageError
from simulator.scenario import Design, Scenario
from simulator.scenario.sweep_design import Value
from simulator.schema import override_path
from simulator.sweeps import sweep_cell
from simulator.sweeps.design import design_cells
from simulator.sweeps.failures import failed_before
from simulator.sweeps.sweep_cell import CellTask

_FIRST = 8
"""Cells that are named for a reason."""


@dataclass
class Plan:
    """What a sweep will do: cells by number, the base first. It grows by some bytes a cell."""

    scenario: Scenario
    design: Design
    folder: Path
    done: int = 0  # paths of the last finished sweep in the folder
    known: frozenset[int] = frozenset()  # other numbers of paths that cells may be there with
    failed: frozenset[str] = frozenset()  # ids that failed before
    ids: NDArray[np.bytes_] = field(init=False)
    missing: NDArray[np.bool_] = field(init=False)  # (cell,)
    paths: int = 0  # to simulate
    extended: int = 0  # paths that --extend adds
    why: dict[str, Reason] = field(default_factory=dict)
    begun: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Cell to compute -> cell to go on from, and its paths."""
    spent: dict[str, str] = field(default_factory=dict)  # cell with fewer paths -> with all

    def __post_init__(self) -> None:
        self.ids = np.zeros(1 + len(self.design), f"S{sweep_cell.ID_DIGITS}")
        self.missing = np.zeros(self.ids.size, np.bool_)

    def id_of(self, number: int) -> str:
        """Id of a cell."""
        return bytes(self.ids[number]).decode()

    @property
    def cells(self) -> int:
        """Number of cells, base included."""
        return int(self.ids.size)

    @property
    def to_compute(self) -> int:
        """Number of cells that are missing."""
        return int(self.missing.sum())

    def orders(self) -> Iterator[CellTask]:
        """What to compute, cell after cell."""
        for number, overrides in enumerate(all_cells(self.design, self.scenario)):
            if self.missing[number]:
                id_ = self.id_of(number)
                yield CellTask(number, overrides, id_, *self.begun.get(id_, ("", 0)))


@dataclass
class Reason:
    """How many cells run for a reason, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < _FIRST:
            self.first.append(number)


def sweep_folder(scenario: Scenario, design: Design, parent: str | Path = "results") -> Path:
    """Where a sweep belongs: ``parent/<name>-sweep-<digest>``; the design is one on the scenario."""
    base = scenario.with_(paths=1).fingerprint
    text = json.dumps([base, design.kind, sorted(design.keys)])
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Path(parent) / f"{scenario.name}-sweep-{digest}"


def base_values(scenario: Scenario, keys: tuple[str, ...]) -> dict[str, Value | None]:
    """What each key is in a scenario; None where it is a distribution."""
    values: dict[str, Value | None] = {}
    resolved = scenario.resolved()
    for key in keys:
        node: Any = resolved
        for part in override_path(key):
            node = node[int(part)] if isinstance(node, list) else node.get(part)
            if node is None:
                break
        values[key] = node if isinstance(node, int | float | str) else None
    return values


def make_plan(
    scenario: Scenario,
    design: Design,
    parent: str | Path = "results",
    *,
    extend: int = 0,
) -> Plan:
    """Which cells are missing, and why. Nothing is written.

    Parameters
    ----------
    scenario
        The base, with the paths and the seed of every cell.
    design
        Which cells, as :func:`resolve_design` returned it.
    parent
        Folder of the sweep folder.
    extend
        Paths to add to each cell of a finished sweep, instead of the scenario's paths.

    Raises
    ------
    UsageError
        If there is nothing to extend.
    ScenarioError
        If a value is not allowed.
    """
    folder = sweep_folder(scenario, design, parent)
    done, known, extended = _before(folder)
    if extend:
        if not done:
            raise UsageError(f"{folder} holds no finished sweep to extend: leave --extend out")
        # Where this very command was stopped after its table, its paths are there already.
        scenario = scenario.with_(paths=done if extended == extend else done + extend)
    known.discard(scenario.paths)
    plan = Plan(scenario, design, folder, done, frozenset(known), frozenset(failed_before(folder)))
    plan.extended = extend
    for number, overrides in enumerate(all_cells(design, scenario)):
        _look(plan, number, overrides)
    return plan


def all_cells(design: Design, scenario: Scenario) -> Iterator[dict[str, Value]]:
    """The base, then the cells of the design."""
    yield {}
    yield from design_cells(design, scenario)


def _before(folder: Path) -> tuple[int, set[int], int]:
    """Paths of the last finished sweep (0: none), all that cells may have, those of an unended --extend."""
    try:
        manifest = sweep_cell.read_plan(folder)
    except StoreError:
        return 0, set(), 0
    extended = manifest.get("extended", 0) if manifest["finished"] else 0
    return manifest["done"], {manifest["paths"], *manifest["known"]}, extended


def _look(plan: Plan, number: int, overrides: dict[str, Value]) -> None:
    """Note one cell: its id, and the reason if it must be computed."""
    scenario = plan.scenario.overlaid(overrides) if overrides else plan.scenario
    id_, begun = sweep_cell.cell_id(scenario), 0
    plan.ids[number] = id_
    reason = _why_missing(plan, id_)
    for paths in sorted(n for n in plan.known if n < scenario.paths):
        earlier = sweep_cell.cell_id(scenario.with_(paths=paths))
        if sweep_cell.cell_folder(plan.folder, earlier).exists():
            plan.spent[earlier] = id_
            if reason and not _why_missing(plan, earlier):
                reason, begun = f"{scenario.paths - paths:,} more paths", paths
                plan.begun[id_] = earlier, paths
    if reason:
        plan.missing[number] = True
        plan.paths += scenario.paths - begun
        plan.why.setdefault(reason, Reason()).add(number)


def _why_missing(plan: Plan, id_: str) -> str:
    """Why a cell must be computed, "" if it is there and whole."""
    place = sweep_cell.cell_folder(plan.folder, id_)
    if not place.exists():
        return "failed before" if id_ in plan.failed else "new"
    try:
        sweep_cell.verify(place)
    except StoreError:
        return "damaged"
    return ""
