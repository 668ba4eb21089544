"""The summary of a run for the terminal and its report for the browser.

Everything comes from the run alone, simulated now or loaded; the same run gives the same bytes.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from simulator import findings
from simulator.errors import plain
from simulator.plot_data import closes
from simulator.wording import MINUS

if TYPE_CHECKING:
    from simulator.run import Run

WIDTH = 80
"""Columns of the terminal summary."""


def terminal_summary(run: Run, folder: str | None = None) -> str:
    """The result in at most 80 columns of plain text.

    ``folder`` is where the run was written, shown as given.
    """
    parts = [
        _heading(run),
        textwrap.wrap(plain(run.verdict, 400), WIDTH),
        _threshold_lines(run),
        _fall_lines(run),
        _reach_lines(run),
        _loss_lines(run),
        _driver_lines(run),
        [f"0 non-finite paths{f', results in {plain(folder, 200)}' if folder else ''}"],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _heading(run: Run) -> list[str]:
    scenario = run.scenario
    size = f"{run.paths:,} paths x {scenario.steps:,} {closes(run)} steps"
    return [
        textwrap.shorten(plain(scenario.title, 200), WIDTH, placeholder="..."),
        f"{plain(scenario.name)} {scenario.digest[:12]}, seed {run.seed}, {size}",
    ]


def _threshold_lines(run: Run) -> list[str]:
    rows = findings.thresholds(run)
    if not rows:
        return []
    lines = ["THRESHOLDS"]
    for row in rows:
        lines += _fold(f"{'pass' if row.passed else 'FAIL'}  {row.name}: {row.rule}")
        lines.append(f"        {_ascii(row.value)}")
    return lines


def _fall_lines(run: Run) -> list[str]:
    lines = [
        "LARGEST FALL FROM A PEAK    1-in-4  1-in-10  1-in-20 1-in-100",
        _line("", ("median", "worst", "worst", "worst", "worst", "mean"), "MC error"),
    ]
    beside = {row.entity: row for row in findings.history(run)}
    for row in findings.falls(run):
        lines.append(_line(row.name, (*row.cells, row.mean), row.error))
        if row.entity in beside:
            real = beside[row.entity]
            lines.append(_line(f"{real.crash}, {real.closes}", (real.fall,), f"on daily closes {_ascii(real.daily)}"))
    return lines


def _reach_lines(run: Run) -> list[str]:
    rows = findings.reaches(run, findings.groups(run))
    lines = ["CHANCE TO FALL AS FAR AS IN A REAL CRASH, or further (95 % interval)"]
    for row in rows:
        fall = f"{row.crash} {_ascii(row.fall)}"
        lines.append(f"  {_short(row.name)}  {fall:<18}{_ascii(row.chance)}")
    return lines


def _loss_lines(run: Run) -> list[str]:
    lines = [f"DOLLARS LOST, peak to trough {'median':>13}{'1-in-20 worst':>17}{'1-in-100 worst':>17}"]
    for row in findings.losses(run, findings.groups(run)):
        cells = (row.median, row.worst_1_in_20, row.worst_1_in_100)
        lines.append(f"  {_short(row.name)}" + "".join(f"{cell:>17}" for cell in cells))
    return lines


def _driver_lines(run: Run) -> list[str]:
    lines = ["WHAT DROVE THE WORST TWENTIETH, mean log points (they add up to the log fall)"]
    for entity in findings.leaders(run):
        causes = (f"{row.name} {row.points}" for row in findings.drivers(run, entity))
        lines += _fold(f"{findings.name_of(run, entity)}: {_ascii(', '.join(causes))}")
    return lines


def _line(name: str, cells: tuple[str, ...], last: str) -> str:
    """A name in 20 columns, numbers in 8 each, and a last word."""
    body = "".join(f"{_ascii(cell):>8}" for cell in cells)
    return f"  {_short(name)}{body}  {last}".rstrip()


def _short(name: str, width: int = 20) -> str:
    return name.ljust(width) if len(name) <= width else name[: width - 1] + "."


def _fold(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="      ")


def _ascii(cell: str) -> str:
    """A number as any terminal shows it, and narrow."""
    return cell.replace(MINUS, "-").replace(" %", "%")
