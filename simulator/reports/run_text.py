"""The summary of a run for the terminal: text of at most 80 columns.

The rows are those of :mod:`simulator.reports.run_tables`, as in the report, so the two cannot disagree.
What a line is (a heading, a threshold that failed) goes with it as a mood; whoever prints it decides
whether to colour. No meaning is in the colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len, set_cell_size

from simulator.errors import plain
from simulator.plots.run_plot import closes, label
from simulator.portfolio import PORTFOLIO
from simulator.reports import run_tables
from simulator.runs.portfolio_risk import BESIDE, losers
from simulator.runs.sensitivity import weakest_link
from simulator.runs.summary import WORST, risk
from simulator.statistics import Estimate
from simulator.statistics.formatting import MINUS, dollar_unit, format_share

if TYPE_CHECKING:
    from simulator.runs import Run

WIDTH = 80
"""Columns of the terminal summary."""
_NAME = 20  # columns of the name of a row
_SCALES = (1e3, 1.0, 1e-3, 1e-6)  # USD billion
Mood = Literal["", "strong", "good", "bad"]


@dataclass(frozen=True)
class Line:
    """One line and what it is."""

    text: str
    mood: Mood = ""


def terminal_summary(run: Run, folder: str | None = None) -> str:
    """The result in at most 80 columns of plain text.

    ``folder`` is where the run was written, shown as given.
    """
    return "\n".join(line.text for line in summary_lines(run, folder))


def summary_lines(run: Run, folder: str | None = None) -> list[Line]:
    """As :func:`terminal_summary`, line by line."""
    parts = [
        _heading(run),
        [Line(text, "strong") for text in _fold(plain(run.verdict, 400))],
        _thresholds(run),
        _falls(run),
        _portfolio(run),
        _reaches(run),
        _losses(run),
        _drivers(run),
        _weakest(run),
        _last(folder),
    ]
    whole: list[Line] = []
    for part in parts:
        if part:
            whole += [Line(""), *part] if whole else part
    return whole


def run_line(run: Run) -> str:
    """Which run this is: name, digest, seed and size."""
    scenario = run.scenario
    size = f"{run.paths:,} paths x {scenario.steps:,} {closes(run)} steps"
    return f"{plain(scenario.name)} {scenario.digest[:12]}, seed {run.seed}, {size}"


def _heading(run: Run) -> list[Line]:
    title = _cut(" ".join(plain(run.scenario.title, 200).split()), WIDTH)
    return [Line(title, "strong"), *_lines(run_line(run))]


def _thresholds(run: Run) -> list[Line]:
    rows = run_tables.thresholds(run)
    if not rows:
        return []
    lines = [Line("THRESHOLDS", "strong")]
    for row in rows:
        rule = f"{'pass' if row.passed else 'FAIL'}  {row.name}: {row.rule}"
        found = _ascii(row.value) + (f"; {row.doubt}" if row.doubt else "")
        mood: Mood = "good" if row.passed else "bad"
        lines += [Line(text, mood) for text in _fold(rule, 2, 8)]
        lines += [Line(text) for text in _fold(found, 8, 8)]
    return lines


def _falls(run: Run) -> list[Line]:
    lines = [
        Line("LARGEST FALL, % and Monte Carlo standard error", "strong"),
        *_table(("", "", "1-in-4", "1-in-10", "1-in-20", "1-in-100", "")),
        *_table(("", "median", "worst", "worst", "worst", "worst", "mean")),
    ]
    beside = run_tables.history(run)
    for row in run_tables.falls(run):
        found = run.estimates()[row.entity]
        cells = (_fall(found[name]) for name in (*WORST, "mean"))
        lines += _table((f" {row.short}", *cells))
        if row.entity in beside:
            real = beside[row.entity]
            note = f"  what happened, on {closes(run)} closes (daily {_ascii(real.daily)})"
            fall = _ascii(real.fall).removesuffix("%").rjust(6)
            lines.append(Line(f"{_fit('   dot-com crash', _NAME)}{fall}{note}"))
    return lines


def _fall(depth: Estimate) -> str:
    """A fall with its error: "-27.9±0.3"; both in points of percent, cut to the error."""
    return f"{_ascii(format_share(depth, sign=-1)).removesuffix('%')}±{_error(depth)}"


def _error(of: Estimate) -> str:
    """A standard error in points of percent to one digit, in at most three columns."""
    points = 100 * of.mc_error
    if not isfinite(points):
        return "?"
    if points <= 0:
        return "0"
    digit = max(float(f"{points:.1g}"), 0.01)
    text = f"{digit:.{min(max(-floor(log10(digit)), 0), 2)}f}"
    return text.removeprefix("0") if digit < 0.1 else text


def _portfolio(run: Run) -> list[Line]:
    portfolio = run.scenario.portfolio
    if portfolio is None:
        return []
    worth = "" if portfolio.value is None else f" worth ${portfolio.value:,.0f}"
    count = len(portfolio.holdings)
    what = f"{count} holding{'' if count == 1 else 's'}{worth}, bought and held"
    lines = [
        Line(f"PORTFOLIO, {what}", "strong"),
        _wide("", ("1-in-20", "mean", "1-in-100", "mean")),
        _wide("  change of value, % and error", ("VaR 95%", "ES 95%", "VaR 99%", "ES 99%")),
    ]
    years = run.scenario.horizon_years
    spans = [("1y", "after 1 year"), ("horizon", f"after {years:g} years")]
    spans = spans[1:] if years < 1 else spans if years > 1 else spans[:1]
    for when, span in spans:
        for entity in (PORTFOLIO, BESIDE):
            found = risk(run.results, entity)
            cells = [
                _fall(found[f"{name}_{when}"]) for name in ("var_95", "es_95", "var_99", "es_99")
            ]
            lines.append(_wide(f"  {_fit(label(run, entity), 12)} {span}", cells))
    when, span = spans[0]
    worst = [
        f"{plain(one.ticker, 20)} {_ascii(format_share(loss, sign=-1))}"
        for one, loss in losers(run.scenario, run.results, 95, when)[:5]
        if loss.value > 0
    ]
    if worst:
        lines += _lines(f"in the mean of the worst 1 in 20 {span}: {', '.join(worst)}", 2, 6)
    return lines


def _wide(name: str, cells: Iterable[str]) -> Line:
    return Line((_fit(name, 32) + _cells(cells)).rstrip())


def _reaches(run: Run) -> list[Line]:
    title = "CHANCE TO FALL AS FAR AS IN A REAL CRASH, or further (95 % interval)"
    lines = [Line(title, "strong")]
    for row in run_tables.reaches(run, run_tables.groups(run)):
        fall = _fit(f"{row.crash} {_ascii(row.fall)}", 18)
        lines.append(Line(f"  {_fit(row.name, 21)} {fall}{_ascii(row.chance)}"))
    return lines


def _losses(run: Run) -> list[Line]:
    names = ("median", "1-in-20 worst", "1-in-100 worst")
    head = _fit("DOLLARS LOST to trough", 22) + "".join(f"{name:>19}" for name in names)
    lines = [Line(head, "strong")]
    for row in run_tables.losses(run, run_tables.groups(run)):
        found = run.estimates()[row.entity]
        cells = [
            _dollars(cell, found[f"dollars_lost_{name}"])
            for name, cell in (
                ("median", row.median),
                ("worst_1_in_20", row.worst_1_in_20),
                ("worst_1_in_100", row.worst_1_in_100),
            )
        ]
        lines.append(Line(f"  {_fit(row.name, 20)}" + "".join(f"{cell:>19}" for cell in cells)))
    return lines


def _dollars(cell: str, lost: Estimate) -> str:
    """An amount with its error: "$12.4±0.3 trillion"; the error in the amount's unit, to one digit."""
    body, unit = cell.split(" ")
    scale = next(scale for scale in _SCALES if dollar_unit(scale)[1] == unit)
    places = len(body.partition(".")[2])
    error = max(lost.mc_error / scale, 10.0**-places)  # no finer than the amount
    return f"{body}±{float(f'{error:.1g}'):g} {unit}" if isfinite(error) else f"{cell} ±?"


def _drivers(run: Run) -> list[Line]:
    title = "WHAT DROVE THE WORST TWENTIETH, mean log points (they add up to the log fall)"
    lines = [Line(title, "strong")]
    for entity in run_tables.leaders(run):
        causes = (f"{row.name} {row.points}{row.error}" for row in run_tables.drivers(run, entity))
        lines += _lines(f"{label(run, entity)}: {_ascii(', '.join(causes))}", 2, 6)
    return lines


def _weakest(run: Run) -> list[Line]:
    return _lines(weakest_link(run.scenario, run.results))


def _last(folder: str | None) -> list[Line]:
    where = f", results in {plain(folder, 200)}" if folder else ""
    return _lines(f"0 non-finite paths{where}")


# ---------------------------------------------------------------- columns


def _table(cells: tuple[str, ...]) -> list[Line]:
    """A name and six numbers in fixed columns."""
    name, *numbers = cells
    return [Line((_fit(name, _NAME) + _cells(numbers)).rstrip())]


def _cells(cells: Iterable[str]) -> str:
    return "".join(cell.rjust(10) for cell in cells)


def _fit(text: str, width: int) -> str:
    """Text in exactly ``width`` columns, counting wide characters as two and marks as none."""
    return set_cell_size(_cut(text, width), width)


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}."


def _lines(text: str, first: int = 0, rest: int = 0) -> list[Line]:
    return [Line(line) for line in _fold(text, first, rest)]


def _fold(text: str, first: int = 0, rest: int = 0) -> Iterator[str]:
    """Lines of at most 80 columns, indented; a word that fits no line is broken."""
    line, empty = " " * first, True
    for word in text.split():
        left = word
        while left:
            room = WIDTH - cell_len(line) - (not empty)
            if cell_len(left) <= room:
                line, left, empty = f"{line}{'' if empty else ' '}{left}", "", False
            elif not empty:
                yield line
                line, empty = " " * rest, True
            else:
                head = _head(left, room)
                yield line + head
                line, left = " " * rest, left[len(head) :]
    yield line


def _head(word: str, room: int) -> str:
    """As much of a word as fits."""
    size = 0
    for place, character in enumerate(word):
        size += cell_len(character)
        if size > room:
            return word[:place]
    return word


def _ascii(cell: str) -> str:
    """A number as any terminal shows it, and narrow."""
    return cell.replace(MINUS, "-").replace(" %", "%")
