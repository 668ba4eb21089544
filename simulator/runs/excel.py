"""Tables as sheets of an Excel workbook. Text stays text, whatever it begins with."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import UsageError, plain
from simulator.runs import atomic_files

if TYPE_CHECKING:
    import pandas as pd

    from simulator.runs.run import Run

_LONGEST_CELL = 32_767
MOST_ROWS = 1_048_576
"""Rows of a sheet, its head included."""


def sheets(run: Run) -> dict[str, pd.DataFrame]:
    """The tables of a run's workbook, by the name of their sheet."""
    import pandas as pd  # late: slow to import

    about = {
        "verdict": run.verdict,
        "title": run.scenario.title,
        "name": run.scenario.name,
        "digest": run.digest,
        "seed": run.seed,
        "paths": run.paths,
    }
    thresholds = [
        (of.threshold.name, of.threshold.text, of.passed, of.sure,
         of.estimate.value, of.estimate.mc_error, of.estimate.low, of.estimate.high)
        for of in run.threshold_results()
    ]  # fmt: skip
    assumptions = [
        (row.key, row.value, row.priced_in, row.unit, row.low, row.high, row.strength, row.source)
        for row in run.scenario.ledger()
    ]
    return {
        "run": pd.DataFrame(about.items(), columns=["what", "value"]),
        "summary": run.summary(),
        "fan": run.fan,
        "thresholds": pd.DataFrame(
            thresholds,
            columns=["name", "rule", "passed", "sure", "value", "mc_error", "low", "high"],
        ),
        "assumptions": pd.DataFrame(
            assumptions,
            columns=["key", "value", "priced_in", "unit", "low", "high", "evidence", "source"],
            dtype=object,
        ),
    }


def write_workbook(path: str | Path, sheets: Mapping[str, pd.DataFrame]) -> None:
    """Write tables to an .xlsx file, which is replaced whole or not at all.

    Numbers that are not finite become empty cells. A text such as ``=1+1`` is no formula.

    Raises
    ------
    UsageError
        If openpyxl is not installed, the name does not end in .xlsx, or a table is too long.
    StoreError
        If the file cannot be written.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise UsageError(
            "an Excel file needs openpyxl, which is not installed: pip install 'crashsim[excel]'"
        ) from None
    target = Path(path)
    if target.suffix.lower() != ".xlsx":
        raise UsageError(f"{plain(str(path))} is no name of an Excel file: it must end in .xlsx")
    book = Workbook(write_only=True)
    for name, table in sheets.items():
        if len(table) >= MOST_ROWS:
            raise UsageError(f"{name} has {len(table):,} rows; an Excel sheet holds {MOST_ROWS:,}")
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        rows: list[Iterable[Any]] = [table.columns, *table.itertuples(index=False)]
        for row in rows:
            sheet.append([_cell(sheet, value) for value in row])
    content = io.BytesIO()
    book.save(content)
    atomic_files.write(target, content.getvalue())


def _cell(sheet: Any, value: Any) -> Any:
    """A value as a cell of its own type; what is neither number nor truth is text."""
    from openpyxl.cell import WriteOnlyCell

    if hasattr(value, "item"):  # numpy's
        value = value.item()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return value if isfinite(value) else None
    cell = WriteOnlyCell(sheet, plain(str(value), _LONGEST_CELL))
    cell.data_type = "s"  # openpyxl takes "=..." for a formula
    return cell
