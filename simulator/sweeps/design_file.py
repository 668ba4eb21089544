"""A design of one's own: one row a cell, from a CSV file or from samples such as SALib makes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from simulator.csv_cells import CsvError, decode, number, rows
from simulator.errors import UsageError, plain
from simulator.scenario.sweep_design import MOST_VALUES, Axis, Design, Value, is_text_key

MOST_BYTES = 20_000_000


def read_design(path: str | Path) -> Design:
    """The design of a CSV file: the first row has keys, each other row the values of a cell.

    Raises
    ------
    UsageError
        With every fault of the file, by line.
    """
    file = plain(str(path))
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
        text = decode(raw)
        table = list(rows(text, max(",;\t", key=text[:2000].count)))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except CsvError as error:
        raise UsageError(f"{file}:{error.line}: {error}") from None
    except ValueError as error:
        raise UsageError(f"{file} {error}") from None
    if len(raw) > MOST_BYTES or len(table) < 2:
        raise UsageError(
            f"{file}: expected a header of keys and 1 to {MOST_VALUES:,} rows of values"
        )
    (_, keys), *cells = table
    faults = []
    values: list[list[Value]] = []
    lines: list[int] = []
    for line, row in cells:
        if len(row) != len(keys):
            faults.append(f"{file}:{line}: {len(row)} values for {len(keys)} keys")
            continue
        try:
            values.append([_value(key, cell) for key, cell in zip(keys, row, strict=True)])
            lines.append(line)
        except ValueError as error:
            faults.append(f"{file}:{line}: {plain(str(error))}")
    if faults:
        raise UsageError("\n".join(faults[:20]))
    return replace(_design(keys, values), places=tuple((file, line) for line in lines))


def samples(problem: Mapping[str, Any], values: Any) -> Design:
    """The design of samples drawn for a problem of SALib.

    Parameters
    ----------
    problem
        ``names`` (K dotted keys) and ``bounds`` (K pairs low, high), as SALib has it.
    values
        Samples, (cells, K), such as ``SALib.sample.saltelli.sample(problem, 64)``.

    Raises
    ------
    UsageError
        If the shapes do not fit, or a sample is outside its bounds.
    """
    keys, table = list(problem["names"]), np.asarray(values, np.float64)
    bounds = np.asarray(problem["bounds"], np.float64)
    if table.ndim != 2 or table.shape[1] != len(keys) or bounds.shape != (len(keys), 2):
        raise UsageError(
            f"samples {table.shape} and bounds {bounds.shape} do not fit {len(keys)} names: "
            f"expected (cells, {len(keys)}) and ({len(keys)}, 2)"
        )
    outside = ~((table >= bounds[:, 0]) & (table <= bounds[:, 1]))
    if outside.any():
        cell, key = np.argwhere(outside)[0]
        raise UsageError(
            f"{plain(keys[key])} is {table[cell, key]:g} in sample {cell}: expected "
            f"{bounds[key, 0]:g} to {bounds[key, 1]:g}"
        )
    return _design(keys, table.tolist())


def _design(keys: Sequence[str], cells: Sequence[Sequence[Value]]) -> Design:
    if len(set(keys)) < len(keys) or not all(keys):
        raise UsageError(f"expected each key once, not {plain(', '.join(keys))}")
    if not 1 <= len(cells) <= MOST_VALUES:
        raise UsageError(f"{len(cells):,} cells: expected 1 to {MOST_VALUES:,}")
    if len({tuple(cell) for cell in cells}) < len(cells):
        raise UsageError("two cells have the same values: expected each once")
    probe = Design.of("zip", {key: [cells[0][n]] for n, key in enumerate(keys)})
    columns = zip(*cells, strict=True)
    axes = [Axis(axis.key, tuple(column)) for axis, column in zip(probe.axes, columns, strict=True)]
    return Design("zip", tuple(axes))


def _value(key: str, cell: str) -> Value:
    """The text of a cell where the key holds one, else its number. Raises ValueError."""
    if is_text_key(key):
        if not cell.strip():
            raise ValueError(f"{key} is empty")
        return cell.strip()
    value = number(cell, ".")
    # Keys that count take whole numbers only.
    return int(value) if math.isfinite(value) and value == int(value) else value
