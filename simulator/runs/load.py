"""Reading a stored run: every file is verified, and runs that this version cannot show are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.engine import Results
from simulator.errors import StoreError
from simulator.portfolio import HOLDINGS
from simulator.runs import array_format, atomic_files
from simulator.runs.digest import run_digest
from simulator.runs.run import Run
from simulator.runs.storage import RESULT_FORMAT, STORY, TAIL, read_manifest
from simulator.scenario import MODEL_VERSION, load_scenario


def load_run(folder: str | Path) -> Run:
    """Read a run and verify every file of it.

    Raises
    ------
    StoreError
        If the folder holds no finished run, a file is missing or damaged (it is named), or another
        version of crashsim wrote it with another model or format.
    """
    import pandas as pd  # late: slow to import

    folder = Path(folder)
    manifest = read_manifest(folder)
    _check_versions(folder, manifest)
    atomic_files.verify(folder, manifest["files"])
    holdings = folder / HOLDINGS if HOLDINGS in manifest["files"] else None
    overrides = {entry["key"]: entry["value"] for entry in manifest["overrides"]}
    scenario = load_scenario(folder / "scenario.toml", overrides, holdings)
    scenario = scenario.with_(paths=manifest["paths"], seed=manifest["seed"])
    digest = run_digest(scenario, manifest["shocks"], manifest["keep_paths"])
    if digest != manifest["digest"]:
        raise StoreError(
            f"{folder}: this crashsim reads the scenario differently (digest {digest}) than "
            f"crashsim {manifest['versions']['crashsim']} did ({manifest['digest']}); use that version"
        )
    return Run(
        scenario,
        _read_results(folder, manifest, len(scenario.universe.groups)),
        manifest["shocks"],
        manifest["timings"]["simulate_seconds"],
        until=manifest["until"],
        tail=pd.read_csv(folder / TAIL) if TAIL in manifest["files"] else None,
        story=pd.read_csv(folder / STORY) if STORY in manifest["files"] else None,
    )


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


def _read_results(folder: Path, manifest: Mapping[str, Any], groups: int) -> Results:
    tables = atomic_files.read_arrays(folder / "paths.npz")
    counts = atomic_files.read_arrays(folder / "counts.npz")
    sizes = {"paths": manifest["paths"], "keep_paths": manifest["keep_paths"], "groups": groups}
    try:
        return array_format.results(tables, counts, **sizes)
    except (KeyError, IndexError, ValueError) as error:
        raise StoreError(f"{folder} does not fit together: {error}") from error
