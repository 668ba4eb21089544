"""The report of a sweep: one HTML page from its table, without network and without script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from simulator.comparison.scenario_diff import value_text
from simulator.errors import plain, plural
from simulator.plots import Plot, available, picture
from simulator.plots.plot import STATISTIC
from simulator.plots.sweep_plot import (
    change,
    estimate,
    format_value,
    last_name,
    varied_key,
)
from simulator.reports import html_page
from simulator.runs.statistic_labels import format_change, number, title
from simulator.scenario.sweep_design import is_text_key
from simulator.sweeps.sweep import add_files

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.sweeps import Sweep

REPORT = "report.html"
LEADERS = ("sp500", "nasdaq", "ai_basket")
"""Entities with a table of cells, where the universe has them."""
DRAWN = (("sp500", STATISTIC), ("sp500", "reach_dotcom"), ("ai_basket", STATISTIC))
COLUMNS = ("median", STATISTIC, "reach_dotcom")
"""Statistics of the table of cells; sweep.csv has all."""
MOST_CELLS, MOST_KEYS = 200, 4
"""Cells in the table, and keys beside them; a sampled design of more keys has them in sweep.csv."""

_DESIGNS = {
    "grid": "Every combination of these values.",
    "zip": "The first values together, then the second, and so on.",
    "lhs": "A Latin hypercube: all assumptions drawn at once from their own distributions.",
    "sobol": "A scrambled Sobol sequence: all assumptions drawn at once from their own distributions.",
    "oat": "One assumption at a time, all others as they are.",
}


def write_report(sweep: Sweep) -> Path:
    """Write the report into the folder of the sweep; where it is. Raises StoreError."""
    add_files(sweep.folder, {REPORT: html_report(sweep).encode()})
    return sweep.folder / REPORT


def html_report(sweep: Sweep) -> str:
    """The report: one HTML page. The same sweep gives the same bytes."""
    return html_page.render_page("sweep.html", _content(sweep))


def _content(sweep: Sweep) -> dict[str, Any]:
    scenario, design = sweep.scenario, sweep.design
    drawn = _pictures(sweep)
    entities = set(sweep.table["entity"])
    size = plural(scenario.paths, "path")
    shown = [entity for entity in LEADERS if entity in entities]
    return {
        "title": plain(scenario.title, 200),
        "sweep_line": (
            f"sweep of {plain(scenario.name)} over {plural(len(sweep.keys), 'assumption')}: "
            f"{plural(len(design), 'cell')} and the base, {size} each, seed {scenario.seed}"
        ),
        "verdict": drawn[0].headline if drawn else "The base failed, so no changes are known",
        "design": _DESIGNS[design.kind],
        "varied": _varied(sweep),
        "failures": _failures(sweep),
        "cells": f"{len(design) + 1:,}",
        "figures": [
            html_page.figure(plot, f"{plot.kind}-{number}") for number, plot in enumerate(drawn, 1)
        ],
        "order": _order(sweep),
        "tables": [_cells(sweep, entity) for entity in shown],
        "paths": size,
        "kind": design.kind,
        "command": _command(sweep),
        "reproduce": _provenance(sweep),
    }


def _pictures(sweep: Sweep) -> list[Plot]:
    """The figures, what the design is made for first."""
    known = set(zip(sweep.table["entity"], sweep.table["statistic"], strict=True))
    return [
        picture(kind, sweep, entity, statistic)
        for entity, statistic in DRAWN
        if (entity, statistic) in known
        for kind in available(sweep, entity)
    ]


def _varied(sweep: Sweep) -> dict[str, Any]:
    """The varied assumptions: value in the base, values in the cells, unit and source."""
    known = {row.key: row for row in sweep.scenario.ledger()}
    rows = []
    for key in sweep.keys:
        row, values = known.get(key), sweep.table[key].dropna().unique()
        cells = ", ".join(map(format_value, values))
        if len(values) > 12 and not is_text_key(key):
            ends = f"{format_value(values.min())} to {format_value(values.max())}"
            cells = f"{len(values)} values, {ends}"
        base = value_text(sweep.base.get(key) if row is None else row.value)
        unit = "" if row is None else plain(row.unit)
        evidence = "" if row is None else plain(row.strength)
        rows.append([key, base, cells, unit, evidence])
    return {
        "columns": ["assumption", "in the base", "in the cells", "unit", "evidence, A to D"],
        "rows": rows,
    }


def _failures(sweep: Sweep) -> list[list[str]]:
    """Cells without a result, and why."""
    path = sweep.folder / "failures.csv"
    if not path.is_file():
        return []
    failed = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [[cell, plain(message, 400)] for cell, message in failed[["cell", "message"]].to_numpy()]


def _order(sweep: Sweep) -> str:
    count = int((sweep.table["kind"] == "cell").groupby(sweep.table["cell"]).any().sum())
    more = f"The {MOST_CELLS} that change most of {count:,}. " if count > MOST_CELLS else ""
    return f"{more}From the largest to the smallest change of the {title(STATISTIC)}."


def _cells(sweep: Sweep, entity: str) -> dict[str, Any]:
    """The cells of one entity by their change, the base first."""
    table = sweep.table[sweep.table["entity"] == entity]
    wide = {
        name: table[table["statistic"] == name].set_index("cell")
        for name in COLUMNS
        if (table["statistic"] == name).any()
    }
    lead = wide[STATISTIC]  # of the cells whose universe has this entity
    order = lead.assign(base=lead["kind"] != "base").sort_values(
        ["base", "change"], ascending=[True, False], kind="stable"
    )
    columns = ["cell", *(_key_columns(sweep))]
    for name in wide:
        columns += [title(name), "change"]
    rows = [_row(sweep, wide, cell) for cell in order.index[: MOST_CELLS + 1]]
    name = plain(sweep.titles[entity]).split(" (")[0]
    return {"name": f"{name}, by cell", "columns": columns, "rows": rows}


def _key_columns(sweep: Sweep) -> list[str]:
    """Columns that say what a cell is."""
    if sweep.design.kind == "oat":
        return ["assumption", "value"]
    if len(sweep.keys) > MOST_KEYS:
        return []
    short = [last_name(key) for key in sweep.keys]
    return short if len(set(short)) == len(short) else list(sweep.keys)


def _at(rows: pd.DataFrame, cell: int) -> pd.Series[Any]:
    return rows[rows.index == cell].iloc[0]


def _row(sweep: Sweep, wide: dict[str, pd.DataFrame], cell: int) -> list[str]:
    head = _at(wide[STATISTIC], cell)
    base = head["kind"] == "base"
    cells = ["base" if base else str(cell)]
    if sweep.design.kind == "oat":
        key = "" if base else varied_key(sweep, cell)
        cells += [key, format_value(head[key]) if key else ""]
    elif len(sweep.keys) <= MOST_KEYS:
        cells += [format_value(head[key]) for key in sweep.keys]
    for name, rows in wide.items():
        if cell not in rows.index:  # its universe or its horizon has no such statistic
            cells += ["", ""]
            continue
        row = _at(rows, cell)
        cells += [
            number(estimate(row), name),
            "" if base else str(format_change(change(row), name)),
        ]
    return cells


def _command(sweep: Sweep) -> str:
    """The command that repeats the sweep inside its folder."""
    scenario, design = sweep.scenario, sweep.design
    words = ["crashsim", "sweep", "scenario.toml"]
    for axis in design.axes:
        levels = axis.values or ()  # noqa: PD011 - not a table
        values = ",".join(v if isinstance(v, str) else f"{v:.12g}" for v in levels)
        words += ["--vary", f"{axis.key}={values}" if values else axis.key]
    if design.kind != "grid":
        words += ["--design", design.kind]
    if design.size:
        words += ["--cells", str(design.size)]
    words += ["--seed", str(scenario.seed), "--paths", str(scenario.paths)]
    return html_page.command(words, scenario)


def _provenance(sweep: Sweep) -> list[tuple[str, str]]:
    scenario = sweep.scenario
    return html_page.provenance(
        scenario,
        ("digest of the base", scenario.digest),
        ("seed", str(scenario.seed)),
        ("paths a cell", f"{scenario.paths:,}"),
    )
