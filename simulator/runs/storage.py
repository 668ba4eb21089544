"""A run on disk: a folder of plain files and a manifest that is written last.

The manifest holds the SHA-256 of every file and of itself: a folder without one is
unfinished, and a changed bit is found on loading. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from simulator.engine import Results
from simulator.engine.streams import BLOCK_PATHS
from simulator.errors import StoreError, plain
from simulator.portfolio import HOLDINGS
from simulator.runs import array_format, atomic_files, sealed_files
from simulator.runs.digest import KEEP_PATHS, run_digest
from simulator.runs.portfolio_risk import all_contributions, portfolio_risk
from simulator.runs.sealed_files import Count, Manifest, Strict
from simulator.scenario import MODEL_VERSION
from simulator.statistics import probability

if TYPE_CHECKING:
    import pandas as pd

    from simulator.scenario import Scenario

RESULT_FORMAT = 3
"""Changes with what a folder contains; a folder of another format is refused."""
MANIFEST = "manifest.json"
TAIL = "rare.csv"
"""Falls rarer than the paths can tell, where `crashsim rare RUN --tail` has worked them out."""
TAIL_COLUMNS = {"entity": str} | dict.fromkeys(
    ("depth", "probability", "mc_error", "low", "high"), float
)
STORY = "story.csv"
"""What the story adds, where it has been worked out."""
_DEPTH_BINS = 100
"""Bins of histogram.csv: one point of depth each, and one for a loss of 100 %."""


def run_folder(
    scenario: Scenario,
    parent: str | Path = "results",
    shocks: Literal["zero"] | None = None,
    keep_paths: int = KEEP_PATHS,
) -> Path:
    """Where the run of a scenario with these options belongs: ``parent/<name>-<digest>``."""
    return Path(parent) / f"{scenario.name}-{run_digest(scenario, shocks, keep_paths)}"


def is_complete(folder: str | Path) -> bool:
    """Whether a folder holds a finished run; :func:`load_run` verifies it."""
    return os.path.lexists(Path(folder) / MANIFEST)


def save_run(
    folder: Path,
    data: Mapping[str, bytes],
    results: Results,
    about: Mapping[str, Any],
    *,
    extras: Mapping[str, bytes],
    command: list[str] | None,
) -> None:
    """Write a run to ``folder``; see :meth:`simulator.Run.save`.

    Parameters
    ----------
    folder
        The run's own folder; it is made if missing, other files in it are left alone.
    data
        The run's text files by name, from :func:`data_files`.
    results
        Written as paths.npz and counts.npz.
    about
        What the manifest says of the run, from :func:`describe`.
    extras
        More files by name relative to the folder, such as ``report.html``.
    command
        Arguments to note in the manifest; default those of this process.
    """
    contents: dict[str, sealed_files.Content] = {
        **data,
        "paths.npz": lambda file: atomic_files.pack(file, array_format.tables(results)),
        "counts.npz": lambda file: atomic_files.pack(file, array_format.counts(results)),
        **extras,
    }
    with atomic_files.lock(folder):
        manifest = {**about, **_made_by(command), "files": _kept(folder, about["digest"])}
        sealed_files.put(folder, MANIFEST, manifest, contents)


def _kept(folder: Path, digest: str) -> dict[str, Any]:
    """What other commands added to the same run and this one does not make again: its far tail, figures."""
    kept: dict[str, Any] = {}
    with contextlib.suppress(StoreError):
        before = read_manifest(folder)
        for name, entry in before["files"].items() if before["digest"] == digest else ():
            if name == TAIL or name.startswith("figures/"):
                with contextlib.suppress(StoreError):
                    sealed_files.verify(folder, {name: entry})
                    kept[name] = entry
    return kept


def add_files(folder: str | Path, extras: Mapping[str, bytes]) -> None:
    """Add or replace files of a finished run, such as its report, and note them in the manifest.

    Raises as :func:`save_run`, and StoreError if there is no finished run.
    """
    sealed_files.add_files(Path(folder), MANIFEST, read_manifest, extras)


# ---------------------------------------------------------------- manifest


_Text = Annotated[str, Field(max_length=4000)]


class _Versions(Strict):
    crashsim: _Text


class _Timings(Strict):
    simulate_seconds: float


class _Override(Strict):
    key: _Text
    value: Any
    origin: _Text


class _Written(Strict):
    """What every format has had."""

    result_format: Count


class RunManifest(_Written, Manifest):
    """The manifest of a run."""

    name: _Text
    title: _Text
    digest: _Text
    seed: Count
    paths: Annotated[int, Field(ge=1, lt=2**31)]
    keep_paths: Annotated[int, Field(ge=0, lt=2**53)]
    shocks: Literal["zero"] | None
    until: _Text | None
    overrides: list[_Override]
    timings: _Timings
    model_version: Count
    block_paths: Annotated[int, Field(ge=1, lt=2**31)]
    versions: _Versions
    created: _Text


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a finished run, itself verified, its files not. Raises StoreError."""
    folder = Path(folder)
    if not is_complete(folder):
        raise StoreError(f"{folder} holds no finished run: it has no {MANIFEST}")
    manifest = sealed_files.read_sealed(folder, MANIFEST)
    written = sealed_files.checked(_Written, manifest, folder / MANIFEST).result_format
    if written > RESULT_FORMAT:
        raise StoreError(
            f"{folder} has result format {written}, written by a newer crashsim; this one "
            f"({version('crashsim')}) reads format {RESULT_FORMAT}: upgrade it"
        )
    sealed_files.checked(RunManifest, manifest, folder / MANIFEST)
    return manifest


class _Estimate(Strict):
    value: float
    mc_error: float | None
    low: float | None
    high: float | None


class _Headlines(Strict):
    median: _Estimate
    worst_1_in_20: _Estimate


class _Index(Strict):
    sp500: _Headlines


class _Summary(Strict):
    """What a list of runs shows of summary.json."""

    entities: _Index


def read_headlines(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Median and 1-in-20 worst fall of the S&P 500 in a run folder, verified. Raises StoreError."""
    name = "summary.json"
    if name not in manifest["files"]:
        raise StoreError(f"{folder / MANIFEST} is damaged: it does not list {name}")
    sealed_files.verify(folder, {name: manifest["files"][name]})
    return sealed_files.read_document(folder, name, _Summary).entities.sp500.model_dump()


def describe(
    scenario: Scenario,
    results: Results,
    digest: str,
    *,
    shocks: Literal["zero"] | None,
    until: str | None,
    seconds: float,
) -> dict[str, Any]:
    """What a manifest says of a run, but for its files and what made it."""
    return {
        "name": scenario.name,
        "title": scenario.title,
        "digest": digest,
        "seed": scenario.seed,
        "paths": results.n,
        "keep_paths": results.keep_paths,
        "shocks": shocks,
        "until": until,
        "overrides": [
            {"key": key, "value": value, "origin": "--set"}
            for key, value in scenario.overrides.items()
        ],
        "timings": {"simulate_seconds": round(seconds, 3)},
    }


def _made_by(command: list[str] | None) -> dict[str, Any]:
    """The program, its formats and the command, for a manifest."""
    typed = sys.argv if command is None else command
    return {
        "result_format": RESULT_FORMAT,
        "model_version": MODEL_VERSION,
        "block_paths": BLOCK_PATHS,
        "versions": {
            "crashsim": version("crashsim"),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "scipy": version("scipy"),
        },
        "command": plain(shlex.join([Path(typed[0]).name, *typed[1:]]) if typed else "", 2000),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


# ---------------------------------------------------------------- files


def data_files(
    scenario: Scenario,
    results: Results,
    *,
    document: Mapping[str, Any],
    summary: pd.DataFrame,
    fan: pd.DataFrame,
) -> dict[str, bytes]:
    """The text files of a run by name: its inputs, its statistics, its tables."""
    universe = f"universes/{scenario.universe.path.name}"
    files: dict[str, bytes] = {
        "scenario.toml": scenario.text,
        universe: scenario.universe.path.read_bytes(),
        "scenario.resolved.json": _json_bytes(scenario.resolved()),
        **summary_file(document),
        "summary.csv": csv_bytes(summary),
        "fan.csv": csv_bytes(fan, "%.6g"),  # the grid supports no more digits
        "histogram.csv": csv_bytes(histogram(results)),
    }
    if scenario.portfolio is not None:
        files[HOLDINGS] = scenario.portfolio.raw
        files["portfolio-risk.csv"] = csv_bytes(portfolio_risk(scenario, results))
        files["portfolio-contributions.csv"] = csv_bytes(all_contributions(scenario, results))
    return files


def summary_file(document: Mapping[str, Any]) -> dict[str, bytes]:
    """The run's document as a file of its folder."""
    return {"summary.json": _json_bytes(document)}


def _json_bytes(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def csv_bytes(table: pd.DataFrame, digits: str | None = None) -> bytes:
    r"""A table as CSV with ``\n``; text that a spreadsheet would run gets a leading apostrophe.

    Numbers are untouched: they start with "-" when they are negative, and stay numbers.
    """
    import pandas as pd  # late: slow to import

    safe = table.copy()
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = [_safe(str(cell)) for cell in safe[column]]
    safe.columns = [_safe(str(column)) for column in safe.columns]
    return safe.to_csv(index=False, lineterminator="\n", float_format=digits).encode()


def _safe(cell: str) -> str:
    line = re.sub(r"[\r\n]", " ", cell)
    return f"'{line}" if re.match(r"[=+\-@\t\r\n]", cell) else line


def histogram(results: Results) -> pd.DataFrame:
    """Share of paths by maximum drawdown, one point a row: entity, depth_from, depth_to, paths, share, ..."""
    import pandas as pd  # late: slow to import

    rows = []
    counts = results.counts["max_drawdown"]
    for entity, fine in zip(results.entities, counts, strict=True):
        coarse = [*fine[:-1].reshape(_DEPTH_BINS, -1).sum(axis=1), fine[-1]]
        for number, hits in enumerate(coarse):
            share = probability(int(hits), results.n)
            edges = (number / _DEPTH_BINS, min(number + 1, _DEPTH_BINS) / _DEPTH_BINS)
            found = (share.value, share.mc_error, share.low, share.high)
            rows.append((entity, *edges, int(hits), *found))
    columns = ["entity", "depth_from", "depth_to", "paths", "share", "mc_error", "low", "high"]
    return pd.DataFrame(rows, columns=columns)
