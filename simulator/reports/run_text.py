"""The summary of a run for the terminal: text of at most 80 columns.

The rows are those of :mod:`simulator.reports.run_tables`, as in the report, so the two cannot disagree.
A line carries its style (a heading, a threshold that failed); whoever prints it decides whether to
colour. No meaning is in the colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len, chop_cells, set_cell_size

from simulator.errors import plain
from simulator.plots.run_plot import closes, is_exact, label
from simulator.reports import official_tables, portfolio_tables, run_tables, story_tables
from simulator.runs.sensitivity import weakest_link
from simulator.runs.summary import BELOW
from simulator.statistics.formatting import MINUS

if TYPE_CHECKING:
    from simulator.runs import Run

WIDTH = 80
"""Columns of the terminal summary."""
_NAME = 20  # columns of the name of a row
_TOO_FEW = "  ?: too few paths"
Style = Literal["", "strong", "good", "bad"]


@dataclass(frozen=True)
class Line:
    """One line and its style."""

    text: str
    style: Style = ""
    table: tuple[int, int] | None = None
    """Of a row of a table: columns of its name, and of each cell."""

    def within(self, width: int) -> Line:
        """The line without the cells that do not fit."""
        if self.table is None or cell_len(self.text) <= width:
            return self
        name, cell = self.table
        return replace(self, text=set_cell_size(self.text, width - (width - name) % cell).rstrip())


def terminal_summary(run: Run, folder: str | None = None) -> str:
    """The result in at most 80 columns of plain text.

    ``folder`` is where the run was written, shown as given.
    """
    return "\n".join(line.text for line in summary_lines(run, folder))


def summary_lines(run: Run, folder: str | None = None, width: int = WIDTH) -> list[Line]:
    """As :func:`terminal_summary`, line by line; tables lose their last columns if ``width`` is less than 80."""
    return [*opening_lines(run, width), *following_lines(run, folder, width)]


def opening_lines(run: Run, width: int = WIDTH) -> list[Line]:
    """Which run, and its verdict: the plain answer, known before the story is held against other worlds."""
    width = min(width, WIDTH)
    verdict = _lines(plain(run.verdict, 400), width, style="strong")
    return [line.within(width) for line in (*_heading(run, width), Line(""), *verdict)]


def following_lines(run: Run, folder: str | None = None, width: int = WIDTH) -> list[Line]:
    """What comes after :func:`opening_lines`."""
    width = min(width, WIDTH)
    parts = [
        story_lines(run, width),
        _thresholds(run, width),
        _falls(run, width),
        _lowest(run, width),
        _story_table(run, width),
        _portfolio(run, width),
        _reaches(run, width),
        _official(run, width),
        _losses(run),
        _drivers(run, width),
        _lines(weakest_link(run.scenario, run.results), width),
        _lines(_last(folder), width),
    ]
    if width < WIDTH:
        parts.insert(-1, _lines(f"tables have more columns on a screen of {WIDTH}", width))
    lines = [line for part in parts if part for line in (Line(""), *part)]
    # What the story adds belongs to the verdict: no line between them.
    return [line.within(width) for line in (lines[1:] if parts[0] else lines)]


def story_lines(run: Run, width: int) -> list[Line]:
    """How much of the verdict would come anyway, and what boom and story add."""
    return [
        line for text in run.story_sentences for line in _lines(_ascii(plain(text, 400)), width)
    ]


def run_line(run: Run) -> str:
    """Which run this is: name, digest, seed and size."""
    scenario = run.scenario
    size = f"{run.paths:,} path{'' if run.paths == 1 else 's'} x {scenario.steps:,} {closes(run)} steps"
    return f"{plain(scenario.name)} {scenario.digest[:12]}, seed {run.seed}, {size}"


def _heading(run: Run, width: int) -> list[Line]:
    title = _cut(" ".join(plain(run.scenario.title, 200).split()), width)
    return [Line(title, "strong"), *_lines(run_line(run), width)]


def _thresholds(run: Run, width: int) -> list[Line]:
    rows = run_tables.thresholds(run)
    lines = [Line("THRESHOLDS (95 % interval in brackets)", "strong")] if rows else []
    for row in rows:
        rule = f"{'pass' if row.passed else 'FAIL'}  {row.name}: {row.rule}"
        value = _ascii(row.value) + (f"; {row.doubt}" if row.doubt else "")
        style: Style = "good" if row.passed else "bad"
        lines += _lines(rule, width, 2, 8, style)
        lines += _lines(value, width, 8, 8)
    return lines


def _falls(run: Run, width: int) -> list[Line]:
    rows = run_tables.falls(run)
    legend = "" if is_exact(run) else "; ± one Monte Carlo standard error"
    lines = [
        *_lines(f"LARGEST FALL (MAXIMUM DRAWDOWN), %{legend}", width, style="strong"),
        _columns("", ("", "1-in-4", "1-in-10", "1-in-20", "1-in-100", "")),
        _columns("", ("median", "worst", "worst", "worst", "worst", "mean")),
    ]
    beside = run_tables.history(run)
    for row in rows:
        lines.append(_columns(f" {row.short}", map(_cell, row.cells)))
        if row.entity in beside:
            real = beside[row.entity]
            grid = "" if width < WIDTH else f", on {closes(run)} closes"
            note = f"  what happened{grid} (daily {_ascii(real.daily)})"
            fall = _ascii(real.fall).removesuffix("%").rjust(6)
            lines.append(Line(f"{_fit('   dot-com crash', _NAME)}{fall}{note}"))
    if run_tables.has_unknown(row.cells for row in rows):
        lines.append(Line(_TOO_FEW))
    return lines


def _story_table(run: Run, width: int) -> list[Line]:
    """The chance to be 30 % below today, split; the report and story.csv have the other headlines."""
    rows = [row for row in story_tables.story(run) if row.statistic == "below_30"]
    if not rows:
        return []
    title = "WHAT THE STORY ADDS to the chance to be 30 % below today, in 100 futures"
    return [
        *_lines(title, width, style="strong"),
        _columns("", ("this run", "chance", "boom", "story", "priced in")),
        *(_columns(f" {row.name}", map(_cell, row.cells)) for row in rows),
    ]


def _cell(cell: run_tables.Cell) -> str:
    """A percentage with its error: "-27.9±0.3"; at most nine columns."""
    value, error = cell
    return _ascii(value).removesuffix("%") + error.replace("±0.0", "±.0")


def _lowest(run: Run, width: int) -> list[Line]:
    shown = BELOW[1:]  # all of them do not fit 80 columns; the report and the JSON have them
    lines = [
        *_lines(
            "LOWEST AGAINST TODAY, %, and the chance to be so far below at some time",
            width,
            style="strong",
        ),
        _columns("", ("", "1-in-20", *("" for _ in shown))),
        _columns("", ("median", "worst", *(f">= {share}%" for share in shown))),
    ]
    for row in run_tables.lowest(run):
        typical, bad, _, *chances = row.cells
        lines.append(_columns(f" {row.short}", map(_cell, (typical, bad, *chances))))
    return lines


def _portfolio(run: Run, width: int) -> list[Line]:
    table = portfolio_tables.portfolio(run)
    if table is None:
        return []
    lines = [
        *_lines(f"PORTFOLIO, {table.what}", width, style="strong"),
        *_lines(
            "change of value, %, at the value at risk (VaR) and expected shortfall (ES)",
            width,
            2,
            2,
        ),
        _wide("", map(_ascii, portfolio_tables.RISK_HEADS)),
    ]
    lines += [
        _wide(f"  {_fit(row.name, 12)} {row.span}", map(_cell, row.cells)) for row in table.rows
    ]
    if run_tables.has_unknown(row.cells for row in table.rows):
        lines.append(Line(_TOO_FEW))
    worst = [
        f"{plain(row.ticker, 20)} {_ascii(row.share[0])}" for row in table.holdings[:5] if row.loses
    ]
    if worst:
        lines += _lines(f"ES 95% {table.span}, by holding: {', '.join(worst)}", width, 2, 6)
    return lines


def _wide(name: str, cells: Iterable[str]) -> Line:
    return _columns(name, cells, 32)


def _reaches(run: Run, width: int) -> list[Line]:
    title = "CHANCE TO FALL AT LEAST AS FAR AS IN A REAL CRASH"
    title += "" if is_exact(run) else " (95 % interval)"
    lines = _lines(title, width, style="strong")
    for row in run_tables.reaches(run, run_tables.groups(run)):
        fall = _fit(f"{row.crash} {_ascii(row.fall)}", 18)
        lines.append(Line(f"  {_fit(row.name, 21)} {fall}{_ascii(row.chance)}"))
    return lines


def _official(run: Run, width: int) -> list[Line]:
    rows = official_tables.beside(run)
    if not rows:
        return []
    title = "CHANCE TO FALL AS AUTHORITIES ASSUME, from a peak or from today"
    title += "" if is_exact(run) else " (95 % interval)"
    lines = _lines(title, width, style="strong")
    for row in rows:
        who, fall = f"{row.short} {row.when}", f"{row.fall} {row.counts_from.split()[-1]}"
        text = (
            f"  {_fit(who, 26)}{_fit(_ascii(fall), 12)}{_fit(row.entity, 18)}{_ascii(row.chance)}"
        )
        lines += _lines(text, width, 2, 6) if width < WIDTH else [Line(text)]
    return [*lines, *_lines(official_tables.NOTE, width, 2, 2)]


def _losses(run: Run) -> list[Line]:
    names = ("median", "1-in-20 worst", "1-in-100 worst")
    head = _fit("DOLLARS LOST to trough", 22) + "".join(f"{name:>19}" for name in names)
    lines = [Line(head, "strong", (22, 19))]
    rows = run_tables.losses(run, run_tables.groups(run))
    for row in rows:
        cells = (f"{value}{error} {unit}".rstrip() for value, error, unit in row.cells)
        text = f"  {_fit(row.name, 20)}" + "".join(f"{cell:>19}" for cell in cells)
        lines.append(Line(text, table=(22, 19)))
    if run_tables.has_unknown(row.cells for row in rows):
        lines.append(Line(_TOO_FEW))
    return lines


def _drivers(run: Run, width: int) -> list[Line]:
    title = "CAUSES OF THE WORST TWENTIETH, mean log points (they add up to the log fall)"
    lines = _lines(title, width, style="strong")
    for entity in run_tables.leaders(run):
        causes = (f"{row.name} {row.points}{row.error}" for row in run_tables.drivers(run, entity))
        lines += _lines(f"{label(run, entity)}: {_ascii(', '.join(causes))}", width, 2, 6)
    return lines


def _last(folder: str | None) -> str:
    where = f", results in {plain(folder, 200)}" if folder else ""
    return f"0 non-finite paths{where}"


# ---------------------------------------------------------------- columns


def _columns(name: str, cells: Iterable[str], width: int = _NAME) -> Line:
    """A name, and numbers in columns of ten."""
    text = _fit(name, width) + "".join(cell.rjust(10) for cell in cells)
    return Line(text.rstrip(), table=(width, 10))


def _fit(text: str, width: int) -> str:
    """Text in exactly ``width`` columns, counting wide characters as two and marks as none."""
    return set_cell_size(_cut(text, width), width)


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}."


def _lines(text: str, width: int, first: int = 0, rest: int = 0, style: Style = "") -> list[Line]:
    return [Line(line, style) for line in _fold(text, width, first, rest)]


def _fold(text: str, width: int, first: int = 0, rest: int = 0) -> Iterator[str]:
    """Lines of at most ``width`` columns, indented; a word that fits no line is broken."""
    line, indent = "", first
    for word in re.split(r"\s+(?!%)", text.strip()):  # no break before "%"
        for part in chop_cells(word, width - max(first, rest)):
            if line and indent + cell_len(line) + 1 + cell_len(part) > width:
                yield " " * indent + line
                line, indent = "", rest
            line = f"{line} {part}" if line else part
    yield " " * indent + line


def _ascii(cell: str) -> str:
    """A number as any terminal shows it, and narrow."""
    return cell.replace(MINUS, "-").replace(" %", "%")
