"""A saved run: everything comes back, every changed bit is found, nothing is half there."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from test_results import same_bytes
from test_run import TEXT
from trials.commands import content
from trials.stored import TAIL_ROW

from simulator import load_run, load_scenario, simulate
from simulator.errors import LockedError, StoreError
from simulator.runs import atomic_files
from simulator.runs.run import Run
from simulator.runs.sealed_files import sealed
from simulator.runs.storage import (
    MANIFEST,
    RESULT_FORMAT,
    add_files,
    csv_bytes,
    is_complete,
    read_manifest,
    run_folder,
)
from simulator.scenario import MODEL_VERSION

DATA = {
    "scenario.toml",
    "universes/us-2025-01.toml",
    "scenario.resolved.json",
    "summary.json",
    "summary.csv",
    "fan.csv",
    "histogram.csv",
    "paths.npz",
    "counts.npz",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("scenario") / "short.toml"
    path.write_text(TEXT, encoding="utf-8")
    return simulate(load_scenario(path, {"technology.elasticity": 0.9}), paths=300, seed=7)


@pytest.fixture(scope="module")
def saved(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "short"
    run.save(folder, {"report.html": b"<p>report</p>", "figures/fan.svg": b"<svg/>"})
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "moved")


def test_everything_comes_back(run: Run, folder: Path) -> None:
    loaded = load_run(folder)
    assert same_bytes(loaded.results, run.results)
    assert loaded.summary().equals(run.summary())
    assert loaded.metrics.equals(run.metrics)
    assert loaded.document() == run.document()
    assert loaded.drivers() == run.drivers()
    assert loaded.digest == run.digest
    assert loaded.scenario.resolved() == run.scenario.resolved()
    assert loaded.scenario.overrides == {"technology.elasticity": 0.9}
    assert loaded.scenario.text == TEXT.encode()


def test_a_run_with_more_paths_than_kept_comes_back(tmp_path: Path, run: Run) -> None:
    thin = simulate(run.scenario, paths=300, keep_paths=50, keep_levels=True)
    thin.save(tmp_path)
    loaded = load_run(tmp_path)
    assert same_bytes(loaded.results, thin.results)
    assert loaded.document() == thin.document()
    still = simulate(run.scenario, shocks="zero")
    still.save(tmp_path / "still")
    assert load_run(tmp_path / "still").document() == still.document()


def test_the_same_run_gives_the_same_bytes(run: Run, saved: Path, tmp_path: Path) -> None:
    simulate(run.scenario).save(tmp_path)
    for name in DATA:
        assert (tmp_path / name).read_bytes() == (saved / name).read_bytes(), name


@pytest.mark.slow
def test_bytes_do_not_hang_on_locale_or_hash_seed(run: Run, saved: Path, tmp_path: Path) -> None:
    source = tmp_path / "short.toml"
    source.write_bytes(run.scenario.text)
    code = f"""
from simulator import load_scenario, simulate
run = simulate(load_scenario({str(source)!r}, {{"technology.elasticity": 0.9}}), paths=300, seed=7)
run.save({str(tmp_path / "other")!r})
"""
    environment = {**os.environ, "PYTHONHASHSEED": "9", "TZ": "Asia/Tokyo", "LC_ALL": "tr_TR.UTF-8"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
    for name in DATA:
        assert (tmp_path / "other" / name).read_bytes() == (saved / name).read_bytes(), name


def test_the_manifest_tells_what_was_run(run: Run, saved: Path) -> None:
    manifest = read_manifest(saved)
    assert manifest["files"].keys() == DATA | {"report.html", "figures/fan.svg"}
    assert (manifest["result_format"], manifest["digest"]) == (RESULT_FORMAT, run.digest)
    assert (manifest["seed"], manifest["paths"], manifest["block_paths"]) == (7, 300, 1024)
    assert manifest["overrides"] == [
        {"key": "technology.elasticity", "value": 0.9, "origin": "--set"}
    ]
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["created"].endswith("+00:00")
    assert manifest["timings"]["simulate_seconds"] > 0
    newest = max(saved.rglob("*"), key=lambda path: path.stat().st_mtime_ns * path.is_file())
    assert newest.name in (MANIFEST, ".lock")


def test_no_path_of_the_machine_is_stored(saved: Path) -> None:
    for path in saved.rglob("*"):
        if path.is_file() and path.name != ".lock":
            assert str(saved.parent.parent).encode() not in path.read_bytes(), path


@pytest.mark.parametrize("name", sorted(DATA))
def test_a_missing_or_cut_file_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-1])
    with pytest.raises(StoreError, match=name.replace(".", r"\.")):
        load_run(folder)
    (folder / name).unlink()
    with pytest.raises(StoreError, match=f"{name} cannot be read: No such file"):
        load_run(folder)


def forge(folder: Path, **changes: Any) -> None:
    """A manifest with changes and a right seal, as an attacker or another version writes it."""
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_bytes(sealed(manifest | changes))


def test_newer_formats_are_refused_with_advice(folder: Path) -> None:
    forge(folder, result_format=RESULT_FORMAT + 1)
    with pytest.raises(
        StoreError, match=rf"format {RESULT_FORMAT + 1}, written by a newer crashsim.*upgrade"
    ):
        load_run(folder)


def test_names_that_leave_the_folder_are_refused(folder: Path, run: Run) -> None:
    files = read_manifest(folder)["files"]
    for name in ("../secret", "/etc/hostname", "a/../../b", "C:\\x", ""):
        forge(folder, files=files | {name: files["scenario.toml"]})
        with pytest.raises(StoreError, match="is not the name of a file in a run folder"):
            load_run(folder)
        with pytest.raises(StoreError, match="is not the name of a file in a run folder"):
            run.save(folder.parent / "fresh", {name: b""})
    assert not (folder.parent / "secret").exists()


def test_a_scenario_that_is_read_differently_is_refused(folder: Path) -> None:
    forge(folder, digest="0" * 12)
    with pytest.raises(StoreError, match="reads the scenario differently"):
        load_run(folder)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"x": NaN}', '{"result_format": "x"}', "\xff"]
)
def test_a_manifest_that_is_none(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(StoreError, match=r"manifest\.json"):
        load_run(folder)


@pytest.mark.parametrize("stopped", ["os.fsync", "os.link"])
@pytest.mark.parametrize("after", [0, 4, 8])
def test_an_interrupted_save_leaves_the_run_as_it_was(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, stopped: str, after: int
) -> None:
    (folder / "notes.txt").write_text("mine")
    add_files(folder, {"rare.csv": TAIL_ROW, "figures/fan-sp500.svg": b"<svg/>"})
    before, calls = content(folder), list[int]()
    real = getattr(os, stopped.removeprefix("os."))

    def stop(*arguments: object) -> object:
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(stopped, stop)
    with pytest.raises(KeyboardInterrupt):
        run.save(folder, {"new/file.txt": b"never there"})
    monkeypatch.undo()
    assert content(folder) == before
    load_run(folder)
    run.save(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    added = {"rare.csv", "figures/fan-sp500.svg"}
    assert read_manifest(folder)["files"].keys() >= added, "what other commands added is kept"
    load_run(folder)
    assert not list(folder.rglob(".tmp-*"))


def test_an_interrupted_first_save_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_args: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_files, "move_in", stop)
    with pytest.raises(KeyboardInterrupt):
        run.save(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_save_with_exit_4(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, list[int]()

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        run.save(tmp_path)
    assert not is_complete(tmp_path)
    assert not list(tmp_path.rglob(".tmp-*"))
    run.save(tmp_path)
    load_run(tmp_path)


@pytest.mark.slow
def test_a_second_writer_is_turned_away(run: Run, tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from simulator.runs import atomic_files
with atomic_files.lock(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError):
            run.save(tmp_path)
        assert not is_complete(tmp_path)
        holder.kill()
    run.save(tmp_path)


def test_files_are_added_to_a_finished_run(folder: Path) -> None:
    add_files(folder, {"report.html": b"new", "figures/histogram.png": b"png"})
    files = read_manifest(folder)["files"]
    assert files["report.html"]["bytes"] == 3
    assert files.keys() >= {"figures/histogram.png", "figures/fan.svg"} | DATA
    load_run(folder)
    with pytest.raises(StoreError, match="holds no finished run"):
        add_files(folder.parent, {"report.html": b"new"})


def test_tables_open_anywhere(saved: Path, run: Run) -> None:
    summary = pd.read_csv(saved / "summary.csv")
    assert summary.equals(run.summary())
    histogram = pd.read_csv(saved / "histogram.csv")
    assert list(histogram.columns[:4]) == ["entity", "depth_from", "depth_to", "paths"]
    assert (histogram.groupby("entity")["paths"].sum() == 300).all()
    fan = pd.read_csv(saved / "fan.csv")
    assert list(fan.columns[:3]) == ["entity", "t", "0.01"]
    assert b"\r" not in (saved / "summary.csv").read_bytes()
    with zipfile.ZipFile(saved / "paths.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    document = json.loads((saved / "summary.json").read_text(encoding="utf-8"))
    assert document == run.document()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_text_cells_are_safe_in_spreadsheets_and_numbers_stay(text: str) -> None:
    table = pd.DataFrame({"name": [text, "NVDA"], "value": [-0.25, 1e-17]})
    rows = list(csv.reader(io.StringIO(csv_bytes(table).decode(), newline="")))
    assert rows[1] == ["'" + text.replace("\r", " ").replace("\n", " "), "-0.25"]
    assert float(rows[2][1]) == 1e-17
    assert rows[2][0] == "NVDA"


def test_the_folder_of_a_run(run: Run) -> None:
    folder = run_folder(run.scenario, "out")
    assert folder.parts == ("out", f"short-{run.digest}")
    assert run_folder(run.scenario, "out", "zero") != folder


# --- runs of earlier releases ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("model_version", MODEL_VERSION - 1, f"a run of model {MODEL_VERSION - 1} "),
        ("result_format", RESULT_FORMAT - 1, f"in result format {RESULT_FORMAT - 1}"),
    ],
)
def test_a_run_of_an_older_model_or_format_is_refused_with_a_sentence(
    folder: Path, key: str, value: int, sentence: str
) -> None:
    forge(folder, **{key: value})
    with pytest.raises(StoreError, match=f"{sentence}.*make the run anew"):
        load_run(folder)
    assert read_manifest(folder)["paths"] == 300  # which `crashsim list` shows
