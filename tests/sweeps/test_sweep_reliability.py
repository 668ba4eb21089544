"""Sweeps under kills, signals, full disks, flipped bits and second holders.

`make campaign` and its short form tests/project/test_campaign.py try the same at random.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trials.commands import content, descendants, only
from trials.sweeps import command, finish, orphans, start, still_alive, write_story

from simulator import Design, load_scenario, load_sweep
from simulator.engine.executors import Serial
from simulator.errors import StoreError
from simulator.runs import atomic_files
from simulator.sweeps.design import resolve_design
from simulator.sweeps.sweep import make_plan, run_plan, sweep_folder

CELLS = 8


def run(story: Path, parent: Path, cells: int = 3) -> Path:
    """A small sweep in this process."""
    scenario, design = (
        load_scenario(story),
        Design.grid({"technology.elasticity": f"0.6:1.5:{cells}"}),
    )
    whole = resolve_design(design, scenario)
    with atomic_files.lock(sweep_folder(scenario, whole, parent)):
        return run_plan(make_plan(scenario, whole, parent), Serial()).folder


@pytest.fixture
def story(tmp_path: Path) -> Path:
    return write_story(tmp_path)


def test_the_campaign_would_see_a_difference(story: Path, tmp_path: Path) -> None:
    """The control: what it compares does change when a cell does."""
    folder = run(story, tmp_path / "a")
    before = content(folder)
    next(folder.glob("cells/*/*/cell.npz")).write_bytes(b"")
    assert content(folder) != before
    with pytest.raises(StoreError):
        load_sweep(folder)


def test_a_sweep_that_is_being_changed_is_unfinished_to_its_readers(
    story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the moment in which files of the sweep before it are removed."""
    folder, remove, read = run(story, tmp_path / "results"), atomic_files.remove, []

    def removed(path: Path) -> None:
        remove(path)
        if path.name == "sweep.csv":
            with pytest.raises(StoreError, match="unfinished sweep") as caught:
                load_sweep(folder)
            read.append(caught.value)

    monkeypatch.setattr(atomic_files, "remove", removed)
    run(story, tmp_path / "results", cells=4)
    assert len(read) == 1


def test_every_file_of_a_sweep_is_under_a_seal(story: Path, tmp_path: Path) -> None:
    folder = run(story, tmp_path / "results")
    for name in content(folder):
        whole = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(StoreError):
            load_sweep(folder)
        (folder / name).write_bytes(whole)


def test_a_second_holder_is_turned_away(story: Path, tmp_path: Path) -> None:
    folder = run(story, tmp_path / "results")
    line = command(story, tmp_path / "results", 3)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom simulator.runs import atomic_files as disk\n"
        "with disk.lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        second = finish(line)
        took = time.monotonic() - began
        assert second.returncode == 6
        assert f"in use by process {holder.pid}" in second.stderr
        holder.kill()
        holder.wait()
    after = finish(line)  # a killed holder leaves nothing to clear away
    assert after.returncode == 0, after.stderr
    assert took < 2 + 2 * _start_up()  # the start of Python included; a second of it waits


def _start_up() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import simulator.sweeps.sweep, pandas"], check=True)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_and_say_how_to_go_on(
    number: signal.Signals, code: int, story: Path, tmp_path: Path
) -> None:
    # Cells that take minutes: nobody waits for them.
    line = command(story, tmp_path / "results", CELLS, "--paths", "2000000")
    process = start(line)
    assert process.stderr is not None
    while "to compute" not in (said := process.stderr.readline()):
        assert said, "it ended by itself"
    time.sleep(1)
    family = descendants(process.pid)
    began = time.monotonic()
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert process.returncode == code, err
    resume = " ".join(line[3:])
    assert f"To go on: crashsim {resume}" in err.replace("'", "")
    assert "Traceback" not in err
    assert still_alive(family) == []
    assert not list(only(tmp_path / "results").rglob(".tmp-*"))


@pytest.mark.slow
def test_no_worker_outlives_a_killed_sweep(story: Path, tmp_path: Path) -> None:
    family, left = orphans(story, tmp_path / "results")
    assert len(family) >= 3
    assert left == []


# ---------------------------------------------------------------- full disks


def full_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> Callable[[], int]:
    """Let the disk be full from the ``calls``-th sync on; how many there were."""
    sync, made = os.fsync, [0]

    def fsync(handle: Any) -> None:
        made[0] += 1
        if made[0] > calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return lambda: made[0]


def test_a_full_disk_tears_nothing(
    story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = content(run(story, tmp_path / "whole"))
    with monkeypatch.context() as counting:
        count = full_after(counting, 10**9)
        run(story, tmp_path / "counted")
        syncs = count()
    assert syncs > 15
    for calls in range(0, syncs, 3):
        parent = tmp_path / f"full-{calls}"
        with monkeypatch.context() as full:
            full_after(full, calls)
            with pytest.raises(StoreError, match=r"No space left on device.*free space") as caught:
                run(story, parent)
        assert caught.value.exit_code == 4
        assert not list(parent.rglob(".tmp-*"))
        left = content(only(parent)) if any(parent.iterdir()) else {}
        for name, file in left.items():
            if name.startswith("cells/"):
                assert file == expected[name]
        assert content(run(story, parent)) == expected
        shutil.rmtree(parent)


def test_a_folder_that_cannot_be_written(story: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        run(story, tmp_path / "file")
