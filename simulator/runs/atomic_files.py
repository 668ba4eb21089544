"""Files that are whole or not there, and the lock of a folder.

A file is written under another name, synced, then renamed. The lock is the operating
system's: it is free again the moment its holder dies. A folder may come from a stranger:
no symbolic link inside it is followed.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import shutil
import socket
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from simulator.errors import LockedError, StoreError, plain

_TEMPORARY = ".tmp-"
_LOCK = ".lock"
_LOCK_WAIT = 0.5
"""Seconds to wait for a lock: long enough for another process to verify a folder, not to run."""
_LONGEST_NAME = 200


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
        inside(folder, _LOCK)  # what it points to would be written over
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
    for leftover in leftovers(folder):
        remove(leftover)


def leftovers(folder: Path, depth: int = 3) -> list[Path]:
    """What was begun in a folder and not finished: files of a run, of its folders, cells of a sweep."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_TEMPORARY):
                found.append(Path(entry.path))
            elif depth > 1 and entry.is_dir(follow_symlinks=False):
                found += leftovers(Path(entry.path), depth - 1)
    return found


def remove(path: Path) -> None:
    """Remove a folder with all in it, a file, or a link but not what it points to; as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def check_name(name: str) -> None:
    """Raise StoreError for a name that is not that of a plain file inside a folder."""
    parts = name.split("/")
    plainly = name.isprintable() and len(name) <= _LONGEST_NAME and not {*name} & {*"\\:"}
    if not plainly or any(not part or part.startswith(".") for part in parts):
        raise StoreError(f"{plain(name)!r} is not the name of a file in a run folder")


def inside(folder: Path, name: str | PurePosixPath) -> Path:
    """The place of a name in a folder. Raises StoreError if it, or a folder above it, is a link or no file."""
    parts = PurePosixPath(name).parts
    place = folder
    for number, part in enumerate(parts, 1):
        place /= part
        try:
            mode = place.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return folder / name
        except OSError as error:
            raise StoreError(f"{place} cannot be read: {error.strerror}") from error
        if stat.S_ISLNK(mode):
            raise StoreError(
                f"{place} is a link, which is not followed: replace it by what it means"
            )
        if not stat.S_ISDIR(mode) and not (stat.S_ISREG(mode) and number == len(parts)):
            raise StoreError(f"{place} is neither a file nor a folder: remove it")
    return place


def _take_away(folder: Path) -> None:
    """Remove a folder that holds nothing but our lock: what was to fill it failed."""
    with contextlib.suppress(OSError):
        if [entry.name for entry in folder.iterdir()] == [_LOCK]:
            (folder / _LOCK).unlink()  # while it is ours: who waits for it looks again
            folder.rmdir()


def _holder(folder: Path) -> str:
    try:
        with (folder / _LOCK).open(errors="replace") as file:
            return plain(file.read(200)) or "another process"
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


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder inside ``folder`` to prepare files in; it is removed at the end. Raises StoreError."""
    stage = _temporary(folder / "stage")
    try:
        stage.mkdir()
    except OSError as error:
        raise unwritable(stage, error) from error
    try:
        yield stage
    finally:
        remove(stage)


def move_in(stage: Path, folder: Path, names: Sequence[str]) -> None:
    """Move prepared files to their places in ``folder``, in order: all of them, or none. Raises StoreError."""
    old = stage / f"{_TEMPORARY}old"
    moved: list[str] = []
    try:
        try:
            for name in names:
                (old / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                moved.append(name)
                _keep(folder / name, old / name)
                (stage / name).replace(folder / name)
        except BaseException:
            for name in reversed(moved):
                _put_back(old / name, stage / name, folder / name)
            raise
        for place in {(folder / name).parent for name in names}:
            _sync_folder(place)
    except OSError as error:
        raise unwritable(folder / name, error) from error


def _keep(place: Path, old: Path) -> None:
    """Give a file a second name; it keeps the first where the file system can."""
    with contextlib.suppress(FileNotFoundError):
        try:
            os.link(place, old)
        except FileNotFoundError:
            raise
        except OSError:
            place.replace(old)


def _put_back(old: Path, new: Path, place: Path) -> None:
    """Undo one step of :func:`move_in`, however far it went."""
    if old.exists():
        old.replace(place)
    elif not new.exists():  # it was moved in, where nothing had been
        place.unlink()
        with contextlib.suppress(OSError):  # not empty
            place.parent.rmdir()


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
        remove(old)


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


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as .npz, not compressed: draws do not shrink. The same arrays give the same bytes."""
    file = io.BytesIO()
    pack(file, arrays)
    return file.getvalue()


def pack(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """As :func:`pack_arrays`, into an open file."""
    in_c_order = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    np.savez(file, allow_pickle=False, **in_c_order)
