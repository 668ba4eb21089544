"""Folders under a seal, of runs and of sweeps: a manifest with the SHA-256 of every file and of itself.

A seal shows that nothing has changed. It is no proof of who wrote it: names, types, sizes and links
are checked before anything is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import struct
import time
import zipfile
from collections.abc import Callable, Container, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator.errors import StoreError, plain
from simulator.runs import atomic_files

MOST_BYTES = 64 << 20
"""Of a document or table that is read whole."""
_MOST_ARRAYS = 64 << 30
"""Bytes of a file of arrays: a hundred million paths are fewer."""
_PART = 1 << 20
"""Bytes of an array that are read at once."""
_MOST_TABLE = 16 << 30
"""Bytes of the table of a sweep: a million cells are fewer."""
_DEEPEST = 20
"""Levels of a document."""
_MOST_FILES = 100_000
_WAIT, _WAITS = 0.05, 40
"""Seconds between looks at a folder that another process is writing, and how many."""

if TYPE_CHECKING:
    import pandas as pd

Content = bytes | Callable[[IO[bytes]], None]
Document = TypeVar("Document", bound=BaseModel)
Count = Annotated[int, Field(ge=0, lt=2**53)]


class Strict(BaseModel):
    """A document from a file: other keys are left alone, numbers are finite and no text is a number.

    Its validator is built when the first file is read: a new run reads none.
    """

    model_config = ConfigDict(
        strict=True, allow_inf_nan=False, extra="ignore", frozen=True, defer_build=True
    )


class Fingerprint(Strict):
    """SHA-256 and size of a file."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Field(alias="bytes", ge=0, le=_MOST_ARRAYS)]


class Manifest(Strict):
    """What every manifest has."""

    files: Annotated[dict[str, Fingerprint], Field(max_length=_MOST_FILES)]


def checked(model: type[Document], content: Any, where: Path) -> Document:
    """A document with the types it should have. Raises StoreError, which names the first fault."""
    try:
        return model.model_validate(content)
    except (ValidationError, RecursionError) as error:
        raise StoreError(f"{where} is damaged: {_first_fault(error)}") from None


def _first_fault(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "it is nested too deeply"
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    key = ".".join(str(part) for part in fault["loc"])
    return plain(f"{key}: {fault['msg']}" if key else str(fault["msg"]))


# ---------------------------------------------------------------- reading


@contextlib.contextmanager
def opened(folder: Path, name: str, most: int = MOST_BYTES) -> Iterator[BufferedReader]:
    """A regular file of a folder, open to be read; no link is followed and no device opened.

    Raises
    ------
    StoreError
        If it is missing, a link, no regular file, or larger than ``most`` bytes.
    """
    path = atomic_files.inside(folder, name)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise StoreError(f"{path} cannot be read: it is not a regular file")
        if about.st_size > most:
            raise StoreError(
                f"{path} is damaged: it has {about.st_size:,} bytes, more than {most:,}"
            )
        yield file


def read_bytes(folder: Path, name: str) -> bytes:
    """A regular file of a folder. Raises StoreError."""
    with opened(folder, name) as file:
        try:
            return file.read(MOST_BYTES)
        except OSError as error:
            raise StoreError(f"{folder / name} cannot be read: {error.strerror}") from error


def read_document(folder: Path, name: str, model: type[Document]) -> Document:
    """A JSON file of a folder, with the types it should have. Raises StoreError."""
    try:
        content = json.loads(read_bytes(folder, name))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{folder / name} is damaged: {plain(str(error))}") from None
    return checked(model, content, folder / name)


def read_table(
    folder: Path, name: str, columns: Mapping[str, type], gaps: Container[str] = ()
) -> pd.DataFrame:
    """A CSV file with these columns, each of ``str``, ``int`` or ``float``.

    Numbers are finite, but for the columns in ``gaps``. Raises StoreError.
    """
    import pandas as pd  # late: slow to import

    texts = {key: "str" for key, kind in columns.items() if kind is str}
    try:
        with opened(folder, name, _MOST_TABLE) as file:
            # A text is a text: NA is a ticker, not a gap.
            empty = {key: [""] if key in texts else _GAPS for key in columns}
            table = pd.read_csv(file, dtype=texts, keep_default_na=False, na_values=empty)
    except (OSError, ValueError, OverflowError) as error:
        raise StoreError(f"{folder / name} is damaged: {plain(str(error))}") from None
    if list(table.columns) != list(columns):
        raise StoreError(f"{folder / name} is damaged: its columns are not {', '.join(columns)}")
    for key, kind in columns.items():
        values = table[key]
        fits = (
            key in gaps or not values.isna().any()
            if kind is str
            else values.dtype.kind in _KINDS[kind]
        )
        if kind is not str and fits and key not in gaps:
            fits = bool(np.isfinite(values).all())
        if not fits:
            raise StoreError(f"{folder / name} is damaged: {plain(key)} has values that do not fit")
    return table


_GAPS = ["", "nan", "NaN"]
"""What stands for a number that is not known."""
_KINDS = {int: "i", float: "if"}
"""Kinds of numpy that a column of numbers may have."""


def read_arrays(
    folder: Path, name: str, only: Container[str] | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file, or some of them. Raises StoreError, also for pickled or compressed content."""
    try:
        with opened(folder, name, _MOST_ARRAYS) as file, zipfile.ZipFile(file) as archive:
            entries = {of.filename.removesuffix(".npy"): of for of in archive.infolist()}
            return {
                array: _array(archive, entry)
                for array, entry in entries.items()
                if only is None or array in only
            }
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        ArithmeticError,
        RuntimeError,
        SyntaxError,
        TypeError,
        struct.error,
        zipfile.BadZipFile,
        MemoryError,
    ) as error:
        raise StoreError(f"{folder / name} is damaged: {plain(str(error))}") from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    """An array that takes as much memory as it has bytes in the file. Raises ValueError."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise ValueError(f"{entry.filename} is compressed, as no array of crashsim is")
    with archive.open(entry) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{entry.filename} is of another format of numpy")
        shape, by_columns, kind = np.lib.format.read_array_header_1_0(file)
        size = kind.itemsize
        for length in shape:
            size *= length
        if by_columns or kind.hasobject or file.tell() + size != entry.file_size:
            raise ValueError(f"{entry.filename} does not hold what its header says")
        content, at = bytearray(size), 0
        while part := file.read(min(_PART, size - at)):  # at the end the checksum is compared
            content[at : at + len(part)] = part
            at += len(part)
    if at < size:
        raise ValueError(f"{entry.filename} ends early")
    return np.frombuffer(content, kind).reshape(shape)


def fingerprint(folder: Path, name: str) -> dict[str, Any]:
    """SHA-256 and size of a file: ``{"sha256": ..., "bytes": ...}``. Raises StoreError."""
    with opened(folder, name, _MOST_ARRAYS) as file:
        try:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise StoreError(f"{folder / name} cannot be read: {error.strerror}") from error
        return {"sha256": digest, "bytes": file.tell()}


def fingerprint_of(content: bytes) -> dict[str, Any]:
    """The fingerprint of a file with this content."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def verify(folder: Path, files: Mapping[str, Any]) -> None:
    """Hold files against their fingerprints. Raises StoreError, which names the file that differs."""
    for name, expected in files.items():
        with opened(folder, name, _MOST_ARRAYS) as file:
            same_size = os.fstat(file.fileno()).st_size == expected["bytes"]
        if not same_size or fingerprint(folder, name) != expected:
            raise StoreError(
                f"{folder / name} has changed since it was written: its SHA-256 differs from the "
                "manifest's; restore it, or compute it again"
            )


def read_sealed(folder: Path, name: str) -> dict[str, Any]:
    """The manifest ``name`` of a folder, ``sha256`` included, every bit of it checked.

    Raises
    ------
    StoreError
        If the file is missing, cannot be read, is not what was written, or names files that are not
        in the folder.
    """
    path = folder / name
    if not os.path.lexists(path):
        raise StoreError(f"there is no {path}")
    text = read_bytes(folder, name)
    try:
        content = json.loads(text)
        whole = isinstance(content, dict) and text == sealed(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {plain(str(error))}") from None
    if not whole:
        raise StoreError(f"{path} is damaged: its own SHA-256 does not fit")
    if b"\n" + b"  " * _DEEPEST in text:
        raise StoreError(f"{path} is damaged: it is nested too deeply")
    for file in checked(Manifest, content, path).files:
        atomic_files.check_name(file)
    return dict(content)


Read = TypeVar("Read")


def unless_written(folder: Path, read: Callable[[], Read]) -> Read:
    """What ``read`` gives, again and again while another process is writing the folder. Raises StoreError."""
    for _ in range(_WAITS):
        try:
            return read()
        except StoreError:
            if not atomic_files.leftovers(folder, depth=1):
                break
            time.sleep(_WAIT)
    return read()


# ---------------------------------------------------------------- writing


def put(folder: Path, name: str, content: Mapping[str, Any], files: Mapping[str, Content]) -> None:
    """Write files of a folder and the manifest ``name`` that seals them: all, or none of them.

    Parameters
    ----------
    folder
        The caller holds its lock.
    name
        Of the manifest.
    content
        Of the manifest; fingerprints in its ``files`` stay, those of ``files`` are added.
    files
        Bytes, or functions that write them, by name.

    Raises
    ------
    StoreError
        If a name is that of no plain file inside the folder, or the folder cannot be written.
    """
    for each in (*files, name):
        atomic_files.check_name(each)
        atomic_files.inside(folder, each)
    with atomic_files.staged(folder) as stage:
        for each, data in files.items():
            atomic_files.write(stage / each, data)
        added = {each: fingerprint(stage, each) for each in files}
        listed = dict(sorted({**content.get("files", {}), **added}.items()))
        atomic_files.write(stage / name, sealed({**content, "files": listed}))
        atomic_files.move_in(stage, folder, [*files, name])


def add_files(
    folder: Path,
    name: str,
    read: Callable[[Path], dict[str, Any]],
    files: Mapping[str, Content],
) -> None:
    """Add or replace files of a sealed folder, whose manifest ``read`` gives; see :func:`put`.

    Raises
    ------
    StoreError
        If ``read`` does, or the folder cannot be written.
    LockedError
        If another process holds the folder.
    """
    read(folder)  # a folder that holds nothing gets no lock
    with atomic_files.lock(folder, wait=ADDING):
        put(folder, name, read(folder), files)


ADDING = 10.0
"""Seconds to wait for others that add files to a folder too."""


def write_sealed(folder: Path, name: str, content: Mapping[str, Any]) -> str:
    """Write a manifest with the SHA-256 of all of it, which is returned. Raises StoreError."""
    text = sealed(content)
    atomic_files.write(folder / name, text)
    return str(json.loads(text)["sha256"])


def sealed(content: Mapping[str, Any]) -> bytes:
    """JSON with the SHA-256 of all of it but that key."""

    def text(of: Mapping[str, Any]) -> str:
        return json.dumps(of, indent=2, sort_keys=True, allow_nan=False)

    bare = {key: value for key, value in content.items() if key != "sha256"}
    seal = hashlib.sha256(text(bare).encode()).hexdigest()
    return f"{text({**bare, 'sha256': seal})}\n".encode()
