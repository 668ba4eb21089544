"""Folders from strangers: tampered with, sealed again, full of links; none does harm or looks like a bug."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_runs import CommandLine
from trials.commands import at_most
from trials.tampering import reseal

from simulator import load_run, load_sweep
from simulator.cli.app import invoke
from simulator.errors import StoreError
from simulator.runs import atomic_files, sealed_files
from simulator.runs.storage import add_files
from simulator.sweeps import sweep


@pytest.fixture(scope="module")
def swept(story: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("swept")
    vary = "technology.elasticity=0.7,1.2"
    assert (
        invoke(["sweep", str(story), "--vary", vary, "-o", str(parent), "-q", "--workers=1"]) == 0
    )
    (found,) = parent.iterdir()
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of results beside a victim."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / ".tmp-precious").write_text("mine")
    (tmp_path / "victim" / "data.txt").write_text("mine")
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def test_the_list_goes_on_past_a_bad_folder(
    folder: Path, place: Path, crashsim: CommandLine
) -> None:
    shutil.copytree(folder, place / "good")
    for name in ("nan", "deep", "pipe", "device", "figures"):
        (place / name).mkdir()
    (place / "nan" / "manifest.json").write_text('{"a": NaN}')
    (place / "deep" / "manifest.json").write_text("[" * 100_000)
    os.mkfifo(place / "pipe" / "manifest.json")
    (place / "device" / "sweep.json").symlink_to("/dev/zero")
    shutil.copytree(folder, place / "figures", dirs_exist_ok=True)
    summary = place / "figures" / "summary.json"
    summary.write_text(summary.read_text().replace("0.", "9."))
    with at_most():
        code, out, err = crashsim("list", place)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()][1:] == ["good"]
    assert all(f"{place / name}" in err for name in ("nan", "deep", "pipe", "device", "figures"))
    assert len(err.splitlines()) <= 6


def test_a_sealed_sweep_deletes_nothing_outside(
    swept: Path, story: Path, place: Path, crashsim: CommandLine
) -> None:
    copy = shutil.copytree(swept, place / swept.name)
    victim = place.parent / "victim" / "data.txt"
    for name in ("../../victim/data.txt", str(victim), "link/data.txt"):
        entry = sealed_files.fingerprint_of(b"mine")
        reseal(copy / "sweep.json", lambda m, n=name, e=entry: m["files"].update({n: e}))  # type: ignore[misc]
        with pytest.raises(StoreError):
            load_sweep(copy)
        if not (copy / "link").exists():
            (copy / "link").symlink_to(victim.parent)
        vary = "technology.elasticity=0.7,1.3"
        code, _, _ = crashsim("sweep", story, "--vary", vary, "-o", place, "--workers", 1)
        assert code in (0, 4)
        assert victim.read_text() == "mine"


def test_no_link_is_followed_when_leftovers_are_cleared(folder: Path, place: Path) -> None:
    copy = shutil.copytree(folder, place / "copy")
    victim = place.parent / "victim"
    (copy / "linked").symlink_to(victim)
    (copy / ".tmp-link").symlink_to(victim)
    add_files(copy, {"report.html": b"new"})
    assert (victim / ".tmp-precious").read_text() == "mine"
    assert not (copy / ".tmp-link").is_symlink()
    (copy / ".lock").unlink()
    (copy / ".lock").symlink_to(victim / "data.txt")
    with pytest.raises(StoreError, match="is a link"), atomic_files.lock(copy):
        pass
    assert (victim / "data.txt").read_text() == "mine"


def test_compressed_arrays_are_refused_before_they_are_unpacked(folder: Path, place: Path) -> None:
    copy = shutil.copytree(folder, place / "copy")
    np.savez_compressed(copy / "counts.npz", a=np.zeros(10_000_000))
    assert (copy / "counts.npz").stat().st_size < 100_000
    reseal(copy / "manifest.json")
    with pytest.raises(StoreError, match="is compressed"):
        load_run(copy)


def test_a_sweep_without_one_of_its_cells_is_refused(swept: Path, place: Path) -> None:
    copy = shutil.copytree(swept, place / "copy")
    load_sweep(copy)
    shutil.rmtree(next(copy.glob("cells/*/*")))
    with pytest.raises(StoreError, match=r"there is no .*cell\.json"):
        load_sweep(copy)


def test_an_extension_killed_after_its_table_adds_its_paths_once(
    swept: Path, story: Path, place: Path, crashsim: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(swept, place / swept.name)
    vary = "technology.elasticity=0.7,1.2"
    extend = ("sweep", story, "--vary", vary, "-o", place, "--workers", 1, "--extend", 100)

    def killed(_folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "settle", killed)
        crashsim(*extend)
    for expected in (164, 264):
        assert crashsim(*extend)[0] == 0
        assert json.loads((copy / "sweep.json").read_text())["paths"] == expected
