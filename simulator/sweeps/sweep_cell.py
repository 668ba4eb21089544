"""Cells of a sweep: each computed by itself, and committed by whoever computed it.

A cell is a folder ``cells/<first two digits>/<id>`` that is there as a whole or not at all: it
is filled under another name and renamed. Its manifest carries the SHA-256 of the files beside it
and of itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulator.engine import block_simulation
from simulator.engine.block_batches import TOGETHER
from simulator.engine.streams import BLOCK_PATHS
from simulator.errors import NotFinite, StoreError, plain
from simulator.history import crashes, index_of
from simulator.runs import atomic_files, sealed_files
from simulator.runs.load import stored_scenario
from simulator.runs.sealed_files import Count, Manifest
from simulator.scenario import Scenario
from simulator.scenario.sweep_design import Value
from simulator.statistics.paired import GROUPS
from simulator.sweeps.cell_histograms import CellHistograms
from simulator.sweeps.cell_statistics import CellStatistics, cell_statistics
from simulator.sweeps.failures import Failure

Made = TypeVar("Made")

ID_DIGITS = 20
CELL_FORMAT = 2
"""Part of every id: a cell of another format is another cell."""
SWEEP_FORMAT = 1
"""Changes when an older program could no longer read a folder."""
PORTFOLIO, PLAN = "portfolio.csv", "sweep.json"
DATA, MANIFEST = "cell.npz", "cell.json"
_KEEP = block_simulation.Keep(pictures=False, fans=False, causes=False)


@dataclass(frozen=True)
class CellTask:
    """What to do for one cell; small, because it travels to workers."""

    number: int  # in design order, 0 is the base
    overrides: Mapping[str, Value]
    id: str
    earlier: str = ""  # id of the cell with fewer paths to go on from
    begun: int = 0  # its paths


@dataclass(frozen=True)
class Cell:
    """A committed cell."""

    manifest: Mapping[str, Any]
    counts: CellHistograms
    figures: CellStatistics


def cell_id(scenario: Scenario) -> str:
    """Identity of a cell in hexadecimal digits: model, resolved scenario, seed, paths, format."""
    text = f"{scenario.fingerprint} cell {CELL_FORMAT}"
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def cell_folder(folder: Path, id_: str) -> Path:
    """Where a cell of the sweep in ``folder`` belongs."""
    return folder / "cells" / id_[:2] / id_


@lru_cache(maxsize=4)
def opened(folder: Path, seal: str) -> Scenario:
    """The base scenario of the sweep in a folder; ``seal`` is the SHA-256 of its plan.

    Read from the folder, so that a worker on another machine needs nothing else.
    """
    plan = read_plan(folder)
    if plan["sha256"] != seal:
        raise StoreError(f"{folder / 'sweep.json'} has changed since this sweep began")
    return read_scenario(folder, plan)


class SweepManifest(Manifest):
    """The plan of a sweep."""

    sweep_format: Count
    name: Annotated[str, Field(max_length=4000)]
    digest: Annotated[str, Field(max_length=4000)]
    design: dict[str, Any]
    overrides: dict[str, Any]
    seed: Count
    paths: Annotated[int, Field(ge=1, lt=2**53)]
    cells: Annotated[int, Field(ge=1, lt=2**31)]
    failed: Count
    finished: bool
    done: Annotated[int, Field(ge=0, lt=2**53)]
    known: Annotated[list[Annotated[int, Field(ge=1, lt=2**53)]], Field(max_length=1000)]
    extended: Annotated[int, Field(ge=0, lt=2**53)] = 0


class _CellManifest(Manifest):
    """What stands beside the counts of a cell."""

    cell_format: Count
    id: Annotated[str, Field(pattern=f"^[0-9a-f]{{{ID_DIGITS}}}$")]


def read_plan(folder: Path) -> dict[str, Any]:
    """The manifest of a sweep, finished or not, itself verified. Raises StoreError."""
    plan = sealed_files.read_sealed(folder, PLAN)
    written = plan.get("sweep_format")
    if isinstance(written, int) and written > SWEEP_FORMAT:
        raise StoreError(f"{folder} was written by a newer crashsim: upgrade this one")
    sealed_files.checked(SweepManifest, plan, folder / PLAN)
    return plan


def read_scenario(folder: Path, plan: Mapping[str, Any]) -> Scenario:
    """The base scenario of a sweep folder with this plan. Raises StoreError."""
    return stored_scenario(folder, plan, plan["overrides"], PORTFOLIO)


def compute(folder: Path, seal: str, order: CellTask) -> Failure | None:
    """Simulate a cell and commit it; a cell that cannot be simulated is returned, not raised.

    Raises
    ------
    StoreError
        If the folder cannot be written or has changed.
    """
    base = opened(folder, seal)
    scenario = base.overlaid(order.overrides) if order.overrides else base
    if cell_id(scenario) != order.id:
        raise StoreError(
            "a worker reads this sweep differently than the program that started it: "
            "install the same crashsim everywhere"
        )
    try:
        begun = load_cell(cell_folder(folder, order.earlier)).counts if order.earlier else None
        counts = simulated(scenario, begun)
    except NotFinite as error:
        place = (error.block, error.path, error.step, error.quantity)
        return Failure(order.number, order.id, scenario.seed, str(error), *place)
    commit(folder, order, scenario, counts)
    return None


def simulated(scenario: Scenario, counts: CellHistograms | None = None) -> CellHistograms:
    """All paths of a scenario, added to ``counts`` of its first ones if there are any.

    Raises NotFinite.
    """
    if counts is None:
        axes = block_simulation.axes_of(scenario, _KEEP)
        counts = CellHistograms(axes.entities, axes.times, axes.start_levels)
    blocks = -(-scenario.paths // BLOCK_PATHS)
    while counts.n < scenario.paths:
        first = counts.n // BLOCK_PATHS  # the last block may have been used in part
        together = range(first, min(first + TOGETHER, blocks))
        block = block_simulation.run_block(
            scenario, scenario.seed, first, _KEEP, count=len(together)
        )
        begin = first * BLOCK_PATHS
        counts.add(block, slice(counts.n - begin, scenario.paths - begin))
    return counts


def packed(scenario: Scenario, counts: CellHistograms) -> bytes:
    """The data file of a cell."""
    figures = figures_of(scenario, counts)
    return atomic_files.pack_arrays(
        {
            "names": np.array(figures.names),
            "estimates": figures.estimates,
            "rounding": figures.rounding,
            "deviations": figures.deviations,
            **counts.pack(),
        }
    )


def commit(folder: Path, order: CellTask, scenario: Scenario, counts: CellHistograms) -> None:
    """Write a cell, whole or not at all. Raises StoreError."""
    data = packed(scenario, counts)
    manifest = {
        "cell_format": CELL_FORMAT,
        "id": order.id,
        "overrides": dict(order.overrides),
        "seed": scenario.seed,
        "paths": counts.n,
        "files": {DATA: sealed_files.fingerprint_of(data)},
    }
    files = {DATA: data, MANIFEST: sealed_files.sealed(manifest)}
    place = cell_folder(folder, order.id)
    atomic_files.inside(folder, place.parent.relative_to(folder).as_posix())
    atomic_files.write_folder(place, files)


def figures_of(scenario: Scenario, counts: CellHistograms) -> CellStatistics:
    """The statistics of a cell, beside the real falls on the grid of its scenario."""

    def depths(entity: str) -> dict[str, float]:
        known = crashes(index_of(entity), scenario.steps_per_year)
        return {crash.name: crash.depth for crash in known if crash.same_grid}

    return cell_statistics(counts, depths)


def load_manifest(place: Path) -> dict[str, Any]:
    """A cell's manifest, itself verified. Raises StoreError."""
    root = place.parents[2]
    atomic_files.inside(root, place.relative_to(root).as_posix())
    manifest = sealed_files.read_sealed(place, MANIFEST)
    cell = sealed_files.checked(_CellManifest, manifest, place / MANIFEST)
    if cell.id != place.name:
        raise StoreError(f"{place} holds another cell: {cell.id}")
    if DATA not in cell.files:
        raise StoreError(f"{place / MANIFEST} is damaged: it does not list {DATA}")
    return manifest


def verify(place: Path) -> dict[str, Any]:
    """The manifest of a cell, all of whose files are as they were written. Raises StoreError."""
    manifest = load_manifest(place)
    sealed_files.verify(place, manifest["files"])
    return manifest


def load_cell(place: Path) -> Cell:
    """A cell, verified. Raises StoreError."""
    manifest = verify(place)
    if manifest["cell_format"] != CELL_FORMAT:
        raise StoreError(
            f"{place} was counted by another version of crashsim, which measured less; its table can be shown, "
            "its counts cannot be added to"
        )
    return _read(place, lambda data: Cell(manifest, CellHistograms.unpack(data), _figures(data)))


def load_figures(place: Path) -> CellStatistics:
    """The statistics of a cell, verified. Raises StoreError."""
    verify(place)
    return _read(place, _figures, _FIGURES)


_FIGURES = ("entities", "names", "estimates", "rounding", "deviations")
"""Arrays of the statistics; the others are counts."""


def _read(
    place: Path,
    make: Callable[[Mapping[str, NDArray[Any]]], Made],
    only: Container[str] | None = None,
) -> Made:
    try:
        return make(sealed_files.read_arrays(place, DATA, only))
    except (KeyError, IndexError, ValueError, TypeError, ArithmeticError) as error:
        raise StoreError(f"{place} does not fit together: {plain(str(error))}") from error


def _figures(data: Mapping[str, NDArray[Any]]) -> CellStatistics:
    entities, names = (tuple(map(str, data[name])) for name in ("entities", "names"))
    size = len(entities), len(names)
    shapes = {"estimates": (*size, 4), "rounding": size, "deviations": (*size, GROUPS)}
    for name, shape in shapes.items():
        if data[name].shape != shape or data[name].dtype.kind != "f":
            raise ValueError(f"{name} has another shape or type than a cell needs")
    return CellStatistics(entities, names, data["estimates"], data["rounding"], data["deviations"])
