"""Folders from strangers: tampered with, sealed again, full of links; none does harm or looks like a bug."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from cli_runs import CommandLine

from simulator import load_run, load_sweep
from simulator.cli.app import invoke
from simulator.errors import StoreError
from simulator.runs import atomic_files, sealed_files
from simulator.runs.storage import add_files
from simulator.sweeps import sweep

TIMES = 1_000 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 30
SECONDS = 15


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


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def late(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# ---------------------------------------------------------------- ways to tamper


def reseal(manifest: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """Change a manifest, and give it fingerprints and a seal that are right."""
    whole = json.loads(manifest.read_text())
    for name in whole["files"]:
        path = manifest.parent / name
        if path.is_file() and not path.is_symlink():
            whole["files"][name] = sealed_files.fingerprint_of(path.read_bytes())
    change(whole)
    manifest.write_bytes(sealed_files.sealed(whole))


WRONG: tuple[Any, ...] = (
    None,
    -1,
    0,
    1e300,
    2**80,
    "x" * 5000,
    "\ud800\x1b[31m",
    [],
    {},
    [[[[1]]]],
    {"a": {}},
    True,
)
OUTSIDE = (
    "../../victim/data.txt",
    "../victim",
    "{}",
    ".lock",
    "",
    "a//b",
    "a\0b",
    "cells/../..",
    "C:\\x",
)


def tampered(folder: Path, manifest: str, dice: random.Random) -> str:
    """Tamper with a folder in one of many ways; which."""
    sheets = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
    path, victim = dice.choice(sorted(sheets)), folder.parents[1] / "victim"
    way = dice.choice((*WAYS, "array", "array", "type", "type"))
    seal = dice.choice([p for p in sheets if p.name in (manifest, "cell.json")])
    if way == "flip":
        raw = bytearray(path.read_bytes())
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        path.write_bytes(raw)
    elif way == "cut":
        path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])
    elif way == "missing":
        path.unlink()
    elif way in ("link", "device", "pipe"):
        path.unlink()
        if way == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero" if way == "device" else victim / "data.txt")
    elif way == "folder link":
        place = folder / dice.choice(("figures", "universes", "cells"))
        shutil.rmtree(place, ignore_errors=True)
        place.symlink_to(victim)
    elif way == "name":
        name = dice.choice(OUTSIDE).format(victim / "data.txt")
        reseal(seal, lambda m: m["files"].update({name: next(iter(m["files"].values()))}))
    elif way == "type":
        reseal(seal, lambda m: m.update({dice.choice(sorted(m)): dice.choice(WRONG)}))
    elif way == "text":
        tables = [
            p
            for p in sheets
            if p.suffix in (".csv", ".json") and p.name not in (manifest, "cell.json")
        ]
        path = dice.choice(sorted(tables))
        words = path.read_bytes().split(b",")
        words[dice.randrange(len(words))] = dice.choice(
            (b"NaN", b"[" * 5000, b"", b"x", b'"', b"1e999")
        )
        path.write_bytes(b",".join(words))
        reseal(folder / manifest)
    elif way == "array":
        path = dice.choice(sorted(p for p in sheets if p.suffix == ".npz"))
        with np.load(path) as archive:
            arrays = dict(archive)
        spoil(arrays, dice)
        (np.savez_compressed if dice.random() < 0.1 else np.savez)(path, **arrays)
        reseal(next(p for p in (path.parent / "cell.json", folder / manifest) if p.exists()))
    return way


WAYS = ("flip", "cut", "missing", "link", "device", "pipe", "folder link", "name", "type", "text")


def spoil(arrays: dict[str, Any], dice: random.Random) -> None:
    name = dice.choice(sorted(arrays))
    values = arrays[name]
    arrays[name] = dice.choice((
        lambda: values[..., :-1] if values.ndim else values,
        lambda: values.astype("U8"),
        lambda: np.full(values.shape, np.nan),
        lambda: -values if values.dtype.kind in "if" else values[:0],
        lambda: values[np.newaxis],
        lambda: np.zeros(0),
    ))()  # fmt: skip
    if dice.random() < 0.2:
        del arrays[name]


# ---------------------------------------------------------------- what must hold


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_no_tampered_folder_does_harm(
    kind: str, folder: Path, swept: Path, place: Path, crashsim: CommandLine
) -> None:
    whole, manifest = (folder, "manifest.json") if kind == "run" else (swept, "sweep.json")
    add = add_files if kind == "run" else sweep.add_files
    dice, before = random.Random(1), content(place.parent / "victim")
    refused = 0
    for number in range(TIMES):
        copy = place / f"copy-{number}"
        shutil.copytree(whole, copy)
        way = tampered(copy, manifest, dice)
        with at_most(SECONDS):
            code, _, err = crashsim("show" if number % 2 else "list", copy if number % 2 else place)
            assert code in (0, 4), (number, way, err)
            refused += "error" in err or "damaged" in err or code == 4
            with suppress(StoreError):
                add(copy, {"figures/new.svg": b"<svg/>", "universes/new.toml": b""})
        assert content(place.parent / "victim") == before, (number, way)
        shutil.rmtree(copy)
    assert refused > TIMES // 3


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
    with at_most(SECONDS):
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


PLOT = """
import sys
from simulator.cli.app import invoke
sys.exit(invoke(sys.argv[1:]))
"""


@pytest.mark.slow
def test_four_figures_and_a_tail_at_once_are_all_there(folder: Path, place: Path) -> None:
    copy = shutil.copytree(folder, place / "copy")
    kinds = ("histogram", "fan", "exceedance", "waterfall")
    lines = [["plot", copy, kind, "-e", "nasdaq"] for kind in kinds] + [
        ["rare", copy, "--tail", "--workers=1"]
    ]
    writers = [
        subprocess.Popen([sys.executable, "-c", PLOT, *map(str, line)], stderr=subprocess.PIPE)
        for line in lines
    ]
    ends = [(writer.communicate()[1], writer.returncode) for writer in writers]
    assert [code for _, code in ends] == [0] * len(lines), ends
    files = json.loads((copy / "manifest.json").read_text())["files"]
    assert files.keys() >= {"rare.csv", *(f"figures/{kind}-nasdaq.svg" for kind in kinds)}
    assert load_run(copy).tail is not None


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
