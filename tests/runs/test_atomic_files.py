"""Files are whole or not there, archives are the same bytes, locks hold and let go."""

from __future__ import annotations

import errno
import io
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import LockedError, StoreError
from simulator.runs import atomic_files, sealed_files

HOLD = """
import sys, time
from pathlib import Path
from typing import Any
from simulator.runs import atomic_files as disk
with disk.lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()
        process.wait()


def test_a_held_folder_is_refused_soon_and_free_when_the_holder_is_killed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    began = time.perf_counter()
    with (
        pytest.raises(LockedError, match=f"in use by process {holder.pid} on") as caught,
        atomic_files.lock(tmp_path),
    ):
        pass
    assert time.perf_counter() - began < 2
    assert caught.value.exit_code == 6
    holder.kill()
    holder.wait()
    with atomic_files.lock(tmp_path):
        pass


def test_a_lock_may_be_nested_and_clears_leftovers(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    leftovers = [tmp_path / ".tmp-1-paths.npz", tmp_path / "figures" / ".tmp-1-fan.svg"]
    for leftover in leftovers:
        leftover.touch()
    with atomic_files.lock(tmp_path), atomic_files.lock(tmp_path):
        atomic_files.write(tmp_path / "a", b"1")
    assert not any(leftover.exists() for leftover in leftovers)
    assert (tmp_path / "a").read_bytes() == b"1"


def test_an_empty_folder_goes_when_its_filling_failed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(ZeroDivisionError), atomic_files.lock(folder), atomic_files.lock(folder):
        raise ZeroDivisionError
    assert not folder.exists()
    with atomic_files.lock(folder):
        atomic_files.write(folder / "a", b"")
    with pytest.raises(ZeroDivisionError), atomic_files.lock(folder):
        raise ZeroDivisionError
    assert (folder / "a").exists()


def test_the_refused_leave_the_folder_to_its_holder(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    for _ in range(2):
        with pytest.raises(LockedError), atomic_files.lock(tmp_path):
            pass
    assert holder.poll() is None
    assert (tmp_path / ".lock").exists()


def test_write_replaces_a_file_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    atomic_files.write(path, b"old")
    atomic_files.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("limit", [0, 1_000, 65_536, 999_999])
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "paths.npz"
    atomic_files.write(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(
            StoreError, match=r"cannot write .*paths\.npz: File too large"
        ) as caught:
            atomic_files.write(path, atomic_files.pack_arrays({"a": np.zeros(200_000)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.exit_code == 4
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["paths.npz"]


def test_no_space_while_syncing_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device; free space"):
        atomic_files.write(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3 + "y" * 300])
def test_names_too_long(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="File name too long"):
        atomic_files.write(tmp_path / name, b"")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError, match="cannot write"), atomic_files.lock(tmp_path / "taken"):
        pass
    with pytest.raises(StoreError, match="cannot write"):
        atomic_files.write(tmp_path / "taken" / "file", b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        atomic_files.write(tmp_path / "file", b"")
    tmp_path.chmod(0o700)


def test_archives_are_the_same_bytes_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(5, dtype=np.int16)[::2]}
    atomic_files.write(tmp_path / "one.npz", atomic_files.pack_arrays(arrays))
    monkeypatch.setattr(time, "time", lambda: 4e9)
    atomic_files.write(tmp_path / "two.npz", atomic_files.pack_arrays(arrays))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    found = sealed_files.read_arrays(tmp_path, "one.npz")
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert list(sealed_files.read_arrays(tmp_path, "one.npz", ["b", "c"])) == ["b"]
    with np.load(tmp_path / "one.npz") as plain:  # any numpy reads it
        assert np.array_equal(plain["a"], arrays["a"])


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "boom",)

    raw = io.BytesIO()
    np.lib.format.write_array(raw, np.array([Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("a.npy", raw.getvalue())
    with pytest.raises(StoreError, match=r"bad\.npz is damaged"):
        sealed_files.read_arrays(tmp_path, "bad.npz")
    (tmp_path / "worse.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(StoreError, match=r"worse\.npz is damaged"):
        sealed_files.read_arrays(tmp_path, "worse.npz")
    assert not (tmp_path / "boom").exists()


def test_a_header_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    raw = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(tmp_path / "big.npz", "w") as archive:
        archive.writestr("a.npy", raw)
    with pytest.raises(StoreError, match=r"big\.npz is damaged"):
        sealed_files.read_arrays(tmp_path, "big.npz")
