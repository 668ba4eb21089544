"""Cells that failed: why, where, and the file that lists them."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path

from simulator.errors import StoreError
from simulator.runs import atomic_files, sealed_files


@dataclass(frozen=True)
class Failure:
    """Why a cell has no result, and where it broke."""

    cell: int
    id: str
    seed: int
    message: str
    block: int | None = None
    path: int | None = None
    step: int | None = None
    quantity: str = ""


def failed_before(folder: Path) -> set[str]:
    """Ids in ``failures.csv``, none if it cannot be read: they only give a reason."""
    try:
        text = sealed_files.read_bytes(folder, "failures.csv").decode()
        return {row["id"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    except (StoreError, ValueError, KeyError, csv.Error):
        return set()


def write_failures(folder: Path, failures: list[Failure]) -> list[str]:
    """Write ``failures.csv`` if there are any, else remove an old one; its name."""
    path = folder / "failures.csv"
    if not failures:
        path.unlink(missing_ok=True)
        return []
    text = io.StringIO(newline="")
    columns = ("cell", "id", "seed", "block", "path", "step", "quantity", "message")
    rows = csv.DictWriter(text, columns, lineterminator="\n")
    rows.writeheader()
    rows.writerows(map(asdict, failures))
    atomic_files.write(path, text.getvalue().encode())
    return [path.name]
