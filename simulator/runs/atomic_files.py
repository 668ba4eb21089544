"""Files that are whole or not there, and the lock of a folder.

A file is written under another name, synced, then renamed. The lock is the operating
system's: it is free again the moment its holder dies.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
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
_LOCK_WAIT = 0.5
"""Seconds to wait for a lock: long enough for another process to verify a folder, not to run."""


@contextlib.contextmanager
def lock(folder: Path, wait: float = _LOCK_WAIT) -> Iterator[None]:
    """Hold a folder, made if it is missing, against other processes. May be nested.

    Another holder has ``wait`` seconds to let go.

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
        held = FileLock(folder / _LOCK, is_singleton=True)
        held.acquire(timeout=wait)
    except Timeout:
        raise LockedError(
            f"{folder} is in use by {_holder(folder)}; wait for it, or choose another --output"
        ) from None
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        with contextlib.suppress(OSError):  # only informs others
            (folder / _LOCK).write_text(f"process {os.getpid()} on {socket.gethostname()}")
        _sweep_out(folder)
        yield
    except BaseException:
        if held.lock_counter == 1:
            _sweep_out(folder)  # what workers left that were stopped
            _take_away(folder)
        raise
    finally:
        held.release()


def _sweep_out(folder: Path) -> None:
    """Remove what was begun and not finished: its owner is dead, since we hold the lock."""
    for depth in ("", "*/", "*/*/"):  # files of a run, of its folders, and cells of a sweep
        for leftover in folder.glob(f"{depth}{_TEMPORARY}*"):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


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
    temporary = _temporary(path)
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


def _temporary(path: Path) -> Path:
    # Processes of several machines may share a folder, and their numbers.
    return path.with_name(f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a whole folder of files or none; what stands at ``path`` already is replaced.

    Raises
    ------
    StoreError
        As :func:`write`.
    """
    temporary = _temporary(path)
    try:
        temporary.mkdir(parents=True)
        try:
            for name, content in files.items():
                with (temporary / name).open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            _sync_folder(temporary)
            _put_in_place(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename a folder; an old one at ``path`` goes first."""
    for last in (False, True):
        try:
            temporary.replace(path)
            return
        except OSError:
            if last or not path.is_dir():
                raise
        old = _temporary(path)
        with contextlib.suppress(FileNotFoundError):  # another writer was faster
            path.replace(old)
        shutil.rmtree(old, ignore_errors=True)


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
    above = next(
        (parent for parent in path.parents if parent.exists() and not parent.is_dir()), None
    )
    if above is not None:
        return StoreError(
            f"cannot write {path}: {above} is a file, not a folder; name another with --output"
        )
    what = "free space, or " if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else ""
    return StoreError(
        f"cannot write {path}: {error.strerror or error}; {what}choose another folder with --output"
    )


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as .npz, not compressed: draws do not shrink. The same arrays give the same bytes.

    Raises StoreError.
    """
    write(path, lambda file: _pack(file, arrays))


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """What :func:`write_arrays` writes."""
    file = io.BytesIO()
    _pack(file, arrays)
    return file.getvalue()


def _pack(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    in_c_order = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    np.savez(file, allow_pickle=False, **in_c_order)


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


def fingerprint_of(content: bytes) -> dict[str, Any]:
    """The fingerprint of a file with this content."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def verify(folder: Path, files: Mapping[str, Any]) -> None:
    """Hold files against their fingerprints. Raises StoreError, which names the file that differs."""
    for name, expected in files.items():
        try:
            found = fingerprint(folder / name)
        except OSError as error:
            raise StoreError(f"{folder / name} cannot be read: {error.strerror}") from error
        if found != expected:
            raise StoreError(
                f"{folder / name} has changed since it was written: its SHA-256 differs from the "
                "manifest's; restore it, or compute it again"
            )


def write_sealed(path: Path, content: Mapping[str, Any]) -> str:
    """Write JSON with the SHA-256 of all of it, which is returned. Raises StoreError."""
    text = sealed(content)
    write(path, text)
    return str(json.loads(text)["sha256"])


def read_sealed(path: Path) -> dict[str, Any]:
    """What :func:`write_sealed` wrote, ``sha256`` included, every bit of it checked.

    Raises
    ------
    StoreError
        If the file is missing, cannot be read, or is not what was written.
    """
    try:
        text = path.read_bytes()
        content = json.loads(text)
        whole = isinstance(content, dict) and text == sealed(content)
    except FileNotFoundError:
        raise StoreError(f"there is no {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {error}") from error
    if not whole:
        raise StoreError(f"{path} is damaged: its own SHA-256 does not fit")
    return dict(content)


def sealed(content: Mapping[str, Any]) -> bytes:
    """JSON with the SHA-256 of all of it but that key."""

    def text(of: Mapping[str, Any]) -> str:
        return json.dumps(of, indent=2, sort_keys=True, allow_nan=False)

    bare = {key: value for key, value in content.items() if key != "sha256"}
    seal = hashlib.sha256(text(bare).encode()).hexdigest()
    return f"{text({**bare, 'sha256': seal})}\n".encode()
