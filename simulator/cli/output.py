"""Files that commands write: where ``--output`` says, or into the folder of a run or sweep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.cli.console import Screen
from simulator.cli.find import kind_of
from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.reports.text_lines import Line


def store_file(content: bytes, output: Path | None, folder: Path, name: str) -> Path:
    """Write to ``output``, or as ``name`` into a stored run or sweep and its manifest; where it is."""
    from simulator.runs import storage
    from simulator.sweeps import sweep

    if output is not None:
        return write_file(output, content)
    add_files = sweep.add_files if kind_of(folder) == "sweep" else storage.add_files
    add_files(folder, {name: content})
    return folder / name


def write_file(target: Path, content: bytes) -> Path:
    """Write a file, whole or not at all; where it is. Raises UsageError for a folder."""
    from simulator.runs import atomic_files

    if target.is_dir():
        raise UsageError(f"{target} is a folder: --output names a file here")
    atomic_files.write(target, content)
    return target


def print_answer(
    screen: Screen,
    document: Mapping[str, Any],
    lines: Iterable[Line],
    following: str,
    output: Path | None,
) -> None:
    """Print an answer as lines or as JSON, and write the JSON to ``output`` if it is given."""
    if output is not None:
        kept = {**document, "next": following}
        text = json.dumps(kept, indent=2, allow_nan=False, ensure_ascii=False)
        write_file(output, f"{text}\n".encode())
    screen.result(document, lines, following)
