"""The table of a sweep, written cell by cell: memory does not grow with their number."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from simulator.arrays import FloatArray
from simulator.errors import UsageError
from simulator.runs import atomic_files
from simulator.scenario.sweep_design import Value, is_text_key
from simulator.statistics.intervals import jackknife_variance
from simulator.statistics.paired import GROUPS, t_quantile
from simulator.sweeps import sweep_cell
from simulator.sweeps.cell_statistics import CellStatistics

if TYPE_CHECKING:
    from simulator.sweeps.plan import Plan

_PART = 100_000
"""Rows of a part of sweep.parquet."""

ESTIMATE = ("value", "mc_error", "low", "high")
CHANGE = ("change", "change_error", "change_low", "change_high")


def differences(cell: CellStatistics, base: CellStatistics) -> FloatArray:
    """Paired difference of each statistic to the base (E, S, 4): change, error, low, high.

    The noise is common, so the error is that of the difference path by path, by leaving out one
    group of paths at a time. Where groups show nothing, because there are too few paths or an
    event was never seen in either, it is that of two independent numbers. NaN where the base has
    no such statistic.
    """
    base = _aligned(base, cell)
    change = cell.estimates[:, :, 0] - base.estimates[:, :, 0]
    apart = cell.deviations.astype(np.float64) - base.deviations
    error = np.sqrt(jackknife_variance(apart) + cell.rounding**2 + base.rounding**2)
    unpaired = np.hypot(cell.estimates[:, :, 1], base.estimates[:, :, 1])
    error = np.where((error == 0) | np.isnan(error), unpaired, error)
    half = t_quantile(GROUPS - 1) * error
    return np.stack([change, error, change - half, change + half], axis=2)


def _aligned(base: CellStatistics, cell: CellStatistics) -> CellStatistics:
    """The base with the entities and statistics of a cell, NaN where it has none."""
    if (base.entities, base.names) == (cell.entities, cell.names):
        return base
    values, rounding = np.full(cell.estimates.shape, np.nan), np.zeros(cell.rounding.shape)
    deviations = np.full(cell.deviations.shape, np.nan, np.float32)
    for row, entity in enumerate(cell.entities):
        for column, name in enumerate(cell.names):
            if entity in base.entities and name in base.names:
                at = base.entities.index(entity), base.names.index(name)
                values[row, column], rounding[row, column] = base.estimates[at], base.rounding[at]
                deviations[row, column] = base.deviations[at]
    return CellStatistics(cell.entities, cell.names, values, rounding, deviations)


def write_table(plan: Plan, failed: set[int], *, parquet: bool = False) -> list[str]:
    """Write ``sweep.csv``, with ``parquet`` also ``sweep.parquet``; their names. Raises StoreError."""

    def fill(file: IO[bytes]) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        text.write(",".join(table_columns(plan.design.keys)) + "\n")
        for lines in _lines(plan, failed):
            text.write(lines)
        text.detach()

    atomic_files.write(plan.folder / "sweep.csv", fill)
    return ["sweep.csv", *([write_parquet(plan.folder)] if parquet else [])]


def write_parquet(folder: Path) -> str:
    """Write ``sweep.parquet`` from ``sweep.csv``, part by part, with a checksum of every page; its name."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    with (folder / "sweep.csv").open(encoding="utf-8") as file:
        keys = [name for name in file.readline().strip().split(",") if is_text_key(name)]
    texts = ("id", "kind", *keys, "entity", "statistic")
    with pd.read_csv(
        folder / "sweep.csv", dtype=dict.fromkeys(texts, "str"), chunksize=_PART
    ) as parts:
        first = next(parts)
        numbers = [name for name in first.columns if name not in (*texts, "cell")]
        types = {**dict.fromkeys(texts, pa.string()), "cell": pa.int64()}
        schema = pa.schema([(name, types.get(name, pa.float64())) for name in first.columns])

        def fill(file: IO[bytes]) -> None:
            with pq.ParquetWriter(file, schema, write_page_checksum=True) as writer:
                for part in itertools.chain([first], parts):
                    floats = part.astype(dict.fromkeys(numbers, "float64"))
                    writer.write_table(pa.Table.from_pandas(floats, schema, preserve_index=False))

        atomic_files.write(folder / "sweep.parquet", fill)
    return "sweep.parquet"


def need_parquet() -> None:
    """Raise UsageError if Parquet cannot be written, before a sweep begins."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError(
            "--parquet needs pyarrow, which is not installed: pip install 'crashsim[parquet]'"
        ) from None


def table_columns(keys: Iterable[str]) -> dict[str, type]:
    """Columns of ``sweep.csv``, where ``keys`` vary, and what they hold."""
    numbers = dict.fromkeys((*ESTIMATE, *CHANGE), float)
    varied = {key: str if is_text_key(key) else float for key in keys}
    return {
        "cell": int,
        "id": str,
        "kind": str,
        **varied,
        "entity": str,
        "statistic": str,
        **numbers,
    }


def _lines(plan: Plan, failed: set[int]) -> Iterator[str]:
    """The rows of each cell, as text."""
    from simulator.sweeps.plan import all_cells, base_values

    base = (
        None
        if 0 in failed
        else sweep_cell.load_figures(sweep_cell.cell_folder(plan.folder, plan.id_of(0)))
    )
    own = base_values(plan.scenario, plan.design.keys)
    for number, overrides in enumerate(all_cells(plan.design, plan.scenario)):
        if number in failed:
            continue
        id_ = plan.id_of(number)
        figures = sweep_cell.load_figures(sweep_cell.cell_folder(plan.folder, id_))
        if base is None:
            change = np.full(figures.estimates.shape, np.nan)
        elif id_ == plan.id_of(0):
            change = np.zeros(figures.estimates.shape)
        else:
            change = differences(figures, base)
        values = {**own, **overrides}
        varied = [_cell(values[key]) for key in plan.design.keys]
        head = [str(number), id_, "cell" if number else "base", *varied]
        yield _rows(",".join(head), figures, change)


def _cell(value: Value | None) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)


_NUMBERS = ",%.10g" * 8 + "\n"


def _rows(head: str, figures: CellStatistics, change: FloatArray) -> str:
    """A row for each entity and each statistic that it has."""
    known = ~np.isnan(figures.estimates[:, :, 0])
    numbers = np.concatenate([figures.estimates, change], axis=2)[known]
    texts = (_NUMBERS * len(numbers) % tuple(numbers.reshape(-1).tolist())).replace("nan", "")
    names = (
        f"{head},{figures.entities[row]},{figures.names[column]}"
        for row, column in np.argwhere(known).tolist()
    )
    return "".join(map(str.__add__, names, texts.splitlines(keepends=True)))
