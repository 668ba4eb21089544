"""What ``plot``, ``report`` and ``compare`` do with the folder of a sweep."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.cli.console import Screen
from simulator.cli.find import entity_of
from simulator.cli.output import store_file, write_file
from simulator.errors import UsageError
from simulator.reports.text_table import table

if TYPE_CHECKING:
    import pandas as pd

    from simulator.sweeps import Sweep

ROWS, KEYS = 40, 4
"""Cells on the screen, and keys beside them; --output writes all."""


@dataclass(frozen=True)
class PlotRequest:
    """A figure of a sweep, as asked for on the command line."""

    kind: str | None
    entity: str
    statistic: str | None
    keys: tuple[str, ...]
    inches: tuple[float, float] | None
    format: str


def plot_sweep(screen: Screen, folder: Path, wanted: PlotRequest, output: Path | None) -> None:
    """Draw a figure of a sweep; without ``output`` into figures/ of its folder."""
    from simulator.plots import available, draw, picture, render
    from simulator.plots.plot import STATISTIC
    from simulator.sweeps import load_sweep

    found = load_sweep(folder)
    entity = entity_of(found.titles, wanted.entity)
    kind = wanted.kind or next(iter(available(found, entity)), "lines")
    statistic = wanted.statistic or STATISTIC
    of = picture(kind, found, entity, statistic, wanted.keys)
    content = render(draw(of, wanted.inches), wanted.format)
    name = f"figures/{kind}-{entity}-{statistic}.{wanted.format}"
    target = store_file(content, output, folder, name)
    following = f"crashsim report {shlex.quote(str(folder))}"
    about = {"kind": kind, "entity": entity, "statistic": statistic, "says": of.headline}
    screen.result({"file": str(target), **about}, str(target), following)


def report_sweep(screen: Screen, folder: Path, output: Path | None) -> None:
    """Make the report of a sweep again."""
    from simulator.reports.sweep_html import REPORT, html_report
    from simulator.sweeps import load_sweep

    target = store_file(html_report(load_sweep(folder)).encode(), output, folder, REPORT)
    following = f"crashsim compare {shlex.quote(str(folder))}"
    screen.result({"file": str(target)}, str(target), following)


def compare_sweep(
    screen: Screen, folder: Path, entity: str, sort: str | None, output: Path | None
) -> None:
    """The cells of a sweep, from the largest to the smallest change of a statistic."""
    from simulator.plots import available
    from simulator.plots.plot import STATISTIC
    from simulator.sweeps import load_sweep

    found, asked = load_sweep(folder), sort or STATISTIC
    entity = entity_of(found.titles, entity)
    rows = _rows(found, entity, asked)
    following = f"crashsim plot {shlex.quote(str(folder))} {next(iter(available(found)), 'lines')}"
    if output is not None:
        _write(rows, found, asked, output)
    if screen.as_json:
        screen.document(
            {
                "folder": str(folder),
                "entity": entity,
                "statistic": asked,
                "file": output and str(output),
                "cells": json.loads(rows.to_json(orient="records", double_precision=15)),
                "next": following,
            }
        )
    elif output is not None:
        screen.text(str(output))
    else:
        screen.text(_text(rows, found, entity, asked, screen.width))
    screen.next(following)


def _rows(found: Sweep, entity: str, statistic: str) -> pd.DataFrame:
    """The rows of one statistic of one entity, the base first."""
    rows = found.table
    for wanted, column in ((entity, "entity"), (statistic, "statistic")):
        known = list(dict.fromkeys(rows[column]))
        if wanted not in known:
            raise UsageError(f"no {column} {wanted!r} in this sweep; it has {', '.join(known)}")
        rows = rows[rows[column] == wanted]
    order = rows.assign(_base=rows["kind"] != "base").sort_values(
        ["_base", "change"], ascending=[True, False], kind="stable"
    )
    return order.drop(columns="_base").reset_index(drop=True)


def _cells(rows: pd.DataFrame, found: Sweep, statistic: str) -> tuple[list[str], list[list[str]]]:
    """Names of the columns that say something, and the cells as text."""
    from simulator.plots.sweep_plot import change, estimate, format_value, varied_key
    from simulator.runs.statistic_labels import format_change, number, short

    oat, keys = found.design.kind == "oat", found.keys if len(found.keys) <= KEYS else ()
    header = ["cell", *(["assumption", "value"] if oat else keys)]
    lines = []
    for _, row in rows.iterrows():
        base = row["kind"] == "base"
        key = varied_key(found, int(row["cell"])) if oat and not base else ""
        values = (
            [key, format_value(row[key]) if key else ""]
            if oat
            else [format_value(row[k]) for k in keys]
        )
        shift = "" if base else str(format_change(change(row), statistic))
        cell = "base" if base else str(row["cell"])
        lines.append([cell, *values, number(estimate(row), statistic), shift])
    return [*header, short(statistic), "change (95 % interval)"], lines


def _text(rows: pd.DataFrame, found: Sweep, entity: str, statistic: str, width: int) -> str:
    from simulator.runs.statistic_labels import title, unit_of
    from simulator.statistics.formatting import MINUS

    header, lines = _cells(rows, found, statistic)
    name = found.titles[entity].split(" (")[0]
    about = f"{name}: {title(statistic)}, and its paired change to the base in {unit_of(statistic).name}"
    shown = [[cell.replace(MINUS, "-").replace(" %", "%") for cell in line] for line in lines]
    left = 2 if found.design.kind == "oat" else 1
    more = len(shown) - 1 - ROWS
    return f"{about}\n\n{table(header, shown[: ROWS + 1], left=left, width=width)}" + (
        f"\n... {more:,} more cells: --output writes all" if more > 0 else ""
    )


def _write(rows: pd.DataFrame, found: Sweep, statistic: str, output: Path) -> None:
    from simulator.reports.comparison_text import markdown_table
    from simulator.runs.storage import csv_bytes

    ending = output.suffix.lower()
    if ending == ".csv":
        content = csv_bytes(rows)
    elif ending == ".json":
        content = (rows.to_json(orient="records", double_precision=15, indent=2) + "\n").encode()
    else:
        content = "\n".join(markdown_table(*_cells(rows, found, statistic))).encode()
    write_file(output, content)
