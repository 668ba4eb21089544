"""Reading a stored run: every file is verified, and runs that this version cannot show are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from simulator.engine import Results, block_simulation
from simulator.errors import ScenarioError, StoreError, UsageError, plain
from simulator.portfolio import HOLDINGS
from simulator.runs import array_format, atomic_files, sealed_files
from simulator.runs.contributions import COLUMNS, Contributions
from simulator.runs.digest import run_digest
from simulator.runs.run import Run
from simulator.runs.storage import MANIFEST, RESULT_FORMAT, STORY, TAIL, TAIL_COLUMNS, read_manifest
from simulator.scenario import MODEL_VERSION, Scenario, load_scenario

_NEEDED = {"scenario.toml", "summary.json", "paths.npz", "counts.npz"}


def load_run(folder: str | Path) -> Run:
    """Read a run and verify every file of it.

    Raises
    ------
    StoreError
        If the folder holds no finished run, a file is missing or damaged (it is named), or another
        version of crashsim wrote it with another model or format.
    """
    return sealed_files.unless_written(Path(folder), partial(_load, Path(folder)))


def _load(folder: Path) -> Run:
    manifest = read_manifest(folder)
    _check_versions(folder, manifest)
    absent = _NEEDED - manifest["files"].keys()
    if absent:
        raise StoreError(f"{folder / MANIFEST} is damaged: it does not list {min(absent)}")
    sealed_files.verify(folder, manifest["files"])
    scenario = stored_scenario(
        folder,
        manifest,
        {entry["key"]: entry["value"] for entry in manifest["overrides"]},
        HOLDINGS,
    )
    digest = run_digest(scenario, manifest["shocks"], manifest["keep_paths"])
    if digest != manifest["digest"]:
        raise StoreError(
            f"{folder}: this crashsim reads the scenario differently (digest {digest}) than "
            f"crashsim {manifest['versions']['crashsim']} did ({manifest['digest']}); use that version"
        )
    return Run(
        scenario,
        _read_results(folder, manifest, scenario),
        manifest["shocks"],
        manifest["timings"]["simulate_seconds"],
        until=manifest["until"],
        tail=sealed_files.read_table(folder, TAIL, TAIL_COLUMNS)
        if TAIL in manifest["files"]
        else None,
        contributions=_read_story(folder, scenario) if STORY in manifest["files"] else None,
    )


def stored_scenario(
    folder: Path, manifest: Mapping[str, Any], overrides: Mapping[str, Any], portfolio: str
) -> Scenario:
    """The scenario of a verified folder of a run or a sweep. Raises StoreError."""
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(atomic_files.inside(folder, "universes").iterdir()):
            atomic_files.inside(folder, f"universes/{path.name}")
    holdings = folder / portfolio if portfolio in manifest["files"] else None
    try:
        scenario = load_scenario(folder / "scenario.toml", overrides, holdings)
        return scenario.with_(paths=manifest["paths"], seed=manifest["seed"])
    except (ScenarioError, UsageError) as error:
        fault = error.problems[0].message if isinstance(error, ScenarioError) else str(error)
        raise StoreError(
            f"{folder}: this crashsim cannot read its scenario: {plain(fault)}"
        ) from error


def _check_versions(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise StoreError for a run of another model or format: its numbers would not fit."""
    model, written = manifest["model_version"], manifest["result_format"]
    if (model, written) == (MODEL_VERSION, RESULT_FORMAT):
        return
    raise StoreError(
        f"{folder} holds a run of model {model} in result format {written}, and this crashsim reads "
        f"model {MODEL_VERSION} in format {RESULT_FORMAT}: its summary.json and report.html stay as they "
        f"are; make the run anew, or read it with crashsim {manifest['versions']['crashsim']}"
    )


def _read_results(folder: Path, manifest: Mapping[str, Any], scenario: Scenario) -> Results:
    tables = sealed_files.read_arrays(folder, "paths.npz")
    counts = sealed_files.read_arrays(folder, "counts.npz")
    empty = block_simulation.new_results(
        scenario, 0, block_simulation.Keep(), manifest["keep_paths"]
    )
    try:
        return array_format.results(tables, counts, empty, manifest["paths"])
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise StoreError(f"{folder} does not fit together: {plain(str(error))}") from error


def _read_story(folder: Path, scenario: Scenario) -> Contributions:
    """What the story adds, every part of every headline. Raises StoreError."""
    table = sealed_files.read_table(folder, STORY, COLUMNS)
    try:
        story = Contributions.of_table(table)
    except ValueError as error:
        raise StoreError(f"{folder / STORY} is damaged: {plain(str(error))}") from error
    if not set(story.entities) <= set(scenario.universe.entities):
        raise StoreError(f"{folder / STORY} is damaged: it has entities that the run has not")
    return story
