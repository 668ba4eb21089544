"""Files that are whole or not there, and the lock of a folder.

A file is written under another name, synced, then renamed. The lock is the operating
system's: it is free again the moment its holder dies.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from simulator.errors import LockedError, StoreError

_TEMPORARY = ".tmp-"
_LOCK = ".lock"
_LOCK_WAIT = 1.0
"""Seconds to wait for a lock: long enough for another process to verify a folder, not to run."""
_OLDEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""A date in an archive would make two equal runs differ."""


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is missing, against other processes. May be nested.

    If an error ends the hold and the folder is still empty, it is removed.

    Raises
    ------
    LockedError
        If another process holds it.
    StoreError
        If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / _LOCK, timeout=_LOCK_WAIT, is_singleton=True)
        held.acquire()
    except Timeout:
        raise LockedError(
            f"{folder} is in use by {_holder(folder)}; wait for it, or choose another --output"
        ) from None
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        with contextlib.suppress(OSError):  # only tells others who holds it
            (folder / _LOCK).write_text(f"process {os.getpid()} on {socket.gethostname()}")
        for leftover in folder.rglob(f"{_TEMPORARY}*"):  # their owner is dead: we hold the lock
            leftover.unlink(missing_ok=True)
        yield
    except BaseException:
        if held.lock_counter == 1:
            _take_away(folder)
        raise
    finally:
        held.release()


def _take_away(folder: Path) -> None:
    """Remove a folder that holds nothing but our lock: what was to fill it failed."""
    with contextlib.suppress(OSError):
        if [entry.name for entry in folder.iterdir()] == [_LOCK]:
            (folder / _LOCK).unlink()  # while it is ours: who waits for it looks again
            folder.rmdir()


def _holder(folder: Path) -> str:
    try:
        return (folder / _LOCK).read_text(errors="replace")[:200] or "another process"
    except OSError:
        return "another process"


def write(path: Path, content: bytes | Callable[[IO[bytes]], None]) -> None:
    """Write a whole file or none; ``content`` is bytes or a function that writes them.

    Raises
    ------
    StoreError
        If the disk is full, the place may not be written to, or the name is too long.
    """
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    content(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename last. Windows has no such call and needs none."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def unwritable(path: Path, error: OSError) -> StoreError:
    """What a user can act on when the system refuses to write."""
    return StoreError(
        f"cannot write {path}: {error.strerror or error}; free space, or choose another folder with --output"
    )


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as .npz, not compressed: draws do not shrink. The same arrays give the same bytes.

    Raises StoreError.
    """

    def pack(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy", _OLDEST_ZIP_DATE)
                entry.create_system = 3  # else the system of the writer would show
                with archive.open(entry, "w", force_zip64=True) as member:
                    whole = np.ascontiguousarray(array)
                    header = np.lib.format.header_data_from_array_1_0(whole)
                    np.lib.format.write_array_header_1_0(member, header)
                    member.write(
                        whole.reshape(-1).view(np.uint8).data
                    )  # as it lies: no second copy

    write(path, pack)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file. Raises StoreError, also for pickled content."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, MemoryError) as error:
        raise StoreError(f"{path} is damaged: {error}") from error


def fingerprint(path: Path) -> dict[str, Any]:
    """SHA-256 and size of a file: ``{"sha256": ..., "bytes": ...}``. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"sha256": digest, "bytes": file.tell()}
