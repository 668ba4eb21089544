"""The summary of a run for the terminal: at most 40 lines of at most 80 columns, or with everything.

The rows are those of :mod:`simulator.reports.run_tables`, as in the report, so the two cannot disagree.
A line carries its style (a heading, a threshold that failed); whoever prints it decides whether to
colour. No meaning is in the colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from simulator.errors import plain
from simulator.reports import official_tables, portfolio_tables, run_tables, story_tables
from simulator.reports.text_lines import (
    NAME,
    WIDTH,
    Line,
    Style,
    columns,
    cut,
    fit,
    folded,
    narrow,
    number,
)
from simulator.runs.run_words import closes, is_exact, label, years
from simulator.runs.sensitivity import weakest_link
from simulator.runs.statistic_catalogue import BELOW
from simulator.runs.story import ENTITIES

if TYPE_CHECKING:
    from simulator.runs import Run

_TOO_FEW = "  ?: too few paths"


def summary_lines(
    run: Run, folder: str | None = None, width: int = WIDTH, *, full: bool = False
) -> list[Line]:
    """All lines of a summary; tables lose their last columns if ``width`` is less than 80.

    ``folder`` is where the run was written, shown as given; ``full`` adds every table.
    """
    return [
        *opening_lines(run, width),
        *story_lines(run, width, full=full),
        *table_lines(run, width, full=full),
        *closing_lines(folder, width, full=full),
    ]


def opening_lines(run: Run, width: int = WIDTH) -> list[Line]:
    """Which run, and its verdict: the plain answer, known before the story is held against other worlds."""
    width = min(width, WIDTH)
    verdict = folded(plain(run.verdict, 400), width, style="strong")
    return _within(width, [*_heading(run, width), Line(""), *verdict])


def story_lines(run: Run, width: int = WIDTH, *, full: bool = False) -> list[Line]:
    """What belongs to the verdict: how much would come anyway, what boom and story add, and thresholds."""
    width = min(width, WIDTH)
    lines = [
        line for text in run.story_sentences for line in folded(narrow(plain(text, 400)), width)
    ]
    thresholds = _thresholds(run, width, full=full)
    if not full:
        return _within(width, [*lines, *thresholds])
    return _within(width, lines) + _apart(width, thresholds, _story_table(run, width))


def table_lines(run: Run, width: int = WIDTH, *, full: bool = False) -> list[Line]:
    """What is known without other worlds: the tables, official scenarios, the weakest link."""
    width = min(width, WIDTH)
    entities = [name for name in ENTITIES if name in run.entities]
    everything = (_falls, _portfolio, _reaches, _below_today, _drivers) if full else ()
    return _apart(
        width,
        _overview(run, width, entities),
        _lowest(run, width, run_tables.groups(run) if full else entities),
        *(part(run, width) for part in everything),
        _official(run, width, full=full),
        folded(narrow(weakest_link(run.scenario, run.results)), width),
    )


def _apart(width: int, *parts: list[Line]) -> list[Line]:
    """Each part that is not empty after an empty line."""
    return _within(width, [line for part in parts if part for line in (Line(""), *part)])


def _within(width: int, lines: list[Line]) -> list[Line]:
    return [line.within(width) for line in lines]


def run_line(run: Run) -> str:
    """Which run this is: name, digest, seed and size."""
    scenario = run.scenario
    size = f"{run.paths:,} path{'' if run.paths == 1 else 's'} x {scenario.steps:,} {closes(run)} steps"
    return f"{plain(scenario.name)} {scenario.digest[:12]}, seed {run.seed}, {size}"


def _heading(run: Run, width: int) -> list[Line]:
    title = cut(" ".join(plain(run.scenario.title, 200).split()), width)
    return [Line(title, "strong"), *folded(run_line(run), width)]


def _thresholds(run: Run, width: int, *, full: bool) -> list[Line]:
    """Every threshold with its value; in short how many hold, and which fail."""
    rows = run_tables.thresholds(run)
    if rows and not full:
        failed = [row for row in rows if not row.passed]
        text = f"THRESHOLDS: {len(rows) - len(failed)} of {len(rows)} hold"
        if len(failed) == 1:
            (row,) = failed
            text += f"; FAIL {row.name}: {row.rule}, it is {narrow(row.value)}"
        elif failed:
            names = (f"{cut(row.name, 30)} {narrow(row.value)}" for row in failed)
            text = cut(f"{text}; FAIL: {'; '.join(names)}", width)
        return folded(cut(text, 2 * width - 8), width, style="bad" if failed else "good")
    lines = [Line("THRESHOLDS (95 % interval in brackets)", "strong")] if rows else []
    for row in rows:
        rule = f"{'pass' if row.passed else 'FAIL'}  {row.name}: {row.rule}"
        value = narrow(row.value) + (f"; {row.doubt}" if row.doubt else "")
        style: Style = "good" if row.passed else "bad"
        lines += folded(rule, width, 2, 8, style)
        lines += folded(value, width, 8, 8)
    return lines


def _overview(run: Run, width: int, entities: list[str]) -> list[Line]:
    """Both tails: how deep the leading groups fall on the way, and where they end."""
    rows = run_tables.overview(run, entities)
    after = f"LARGEST FALL, AND CHANGE AFTER {years(run.scenario.horizon_years).upper()}, %"
    lines = [
        *folded(
            after + ("" if is_exact(run) else "; ± Monte Carlo standard error"),
            width,
            style="strong",
        ),
        columns("", ("median", "1-in-20", "as after", "1-in-20", "median", "1-in-20")),
        columns("", ("fall", "worst", "2000", "worst end", "end", "best end")),
        *(columns(f" {row.short}", map(number, row.cells)) for row in rows),
    ]
    if run_tables.has_unknown(row.cells for row in rows):
        lines.append(Line(_TOO_FEW))
    real = [
        f"{label(run, entity).removesuffix(' Composite')} {narrow(crash.fall)} (daily {narrow(crash.daily)})"
        for entity, crash in run_tables.history(run).items()
    ]
    return lines + folded(f"after 2000: {', '.join(real)}" if real else "", width, 2, 4)


def _falls(run: Run, width: int) -> list[Line]:
    rows = run_tables.falls(run)
    legend = "" if is_exact(run) else "; ± one Monte Carlo standard error"
    lines = [
        *folded(f"LARGEST FALL (MAXIMUM DRAWDOWN), %{legend}", width, style="strong"),
        columns("", ("", "1-in-4", "1-in-10", "1-in-20", "1-in-100", "")),
        columns("", ("median", "worst", "worst", "worst", "worst", "mean")),
    ]
    beside = run_tables.history(run)
    for row in rows:
        lines.append(columns(f" {row.short}", map(number, row.cells)))
        if row.entity in beside:
            real = beside[row.entity]
            grid = "" if width < WIDTH else f", on {closes(run)} closes"
            note = f"  what happened{grid} (daily {narrow(real.daily)})"
            fall = narrow(real.fall).removesuffix("%").rjust(6)
            lines.append(Line(f"{fit('   dot-com crash', NAME)}{fall}{note}"))
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
        *folded(title, width, style="strong"),
        columns("", ("this run", "chance", "boom", "story", "priced in")),
        *(columns(f" {row.name}", map(number, row.cells)) for row in rows),
    ]


def _lowest(run: Run, width: int, entities: list[str]) -> list[Line]:
    shown = BELOW[1:]  # all of them do not fit 80 columns; the report and the JSON have them
    lines = [
        *folded(
            "LOWEST AGAINST TODAY, % (median, 1-in-20 worst; chances to be so far below)",
            width,
            style="strong",
        ),
        columns("", ("median", "1-in-20", *(f">= {share}%" for share in shown))),
    ]
    for row in run_tables.lowest(run, entities):
        typical, bad, _, *chances = row.cells
        lines.append(columns(f" {row.short}", map(number, (typical, bad, *chances))))
    return lines


def _portfolio(run: Run, width: int) -> list[Line]:
    table = portfolio_tables.portfolio(run)
    if table is None:
        return []
    lines = [
        *folded(f"PORTFOLIO, {table.what}", width, style="strong"),
        *folded(
            "change of value, %, at the value at risk (VaR) and expected shortfall (ES)",
            width,
            2,
            2,
        ),
        _wide("", map(narrow, portfolio_tables.RISK_HEADS)),
    ]
    lines += [
        _wide(f"  {fit(row.name, 12)} {row.span}", map(number, row.cells)) for row in table.rows
    ]
    if run_tables.has_unknown(row.cells for row in table.rows):
        lines.append(Line(_TOO_FEW))
    worst = [
        f"{plain(row.ticker, 20)} {narrow(row.share[0])}" for row in table.holdings[:5] if row.loses
    ]
    if worst:
        lines += folded(f"ES 95% {table.span}, by holding: {', '.join(worst)}", width, 2, 6)
    return lines


def _wide(name: str, cells: Iterable[str]) -> Line:
    return columns(name, cells, 32)


def _reaches(run: Run, width: int) -> list[Line]:
    title = "CHANCE TO FALL AT LEAST AS FAR AS IN A REAL CRASH"
    title += "" if is_exact(run) else " (95 % interval)"
    lines = folded(title, width, style="strong")
    for row in run_tables.reaches(run, run_tables.groups(run)):
        fall = fit(f"{row.crash} {narrow(row.fall)}", 18)
        lines.append(Line(f"  {fit(row.name, 21)} {fall}{narrow(row.chance)}"))
    return lines


def _official(run: Run, width: int, *, full: bool) -> list[Line]:
    """The official scenarios; in short the deepest of three authorities for the S&P 500."""
    rows = official_tables.beside(run) if full else official_tables.leading(run)
    if not rows:
        return []
    title = "CHANCE TO FALL AS AUTHORITIES ASSUME, from a peak or from today"
    title += "" if is_exact(run) else " (95 % interval)"
    lines = folded(title, width, style="strong")
    for row in rows:
        who, fall = f"{row.short} {row.when}", f"{row.fall} {row.counts_from.split()[-1]}"
        text = f"  {fit(who, 26)}{fit(narrow(fall), 12)}{fit(row.entity, 18)}{narrow(row.chance)}"
        lines += folded(text, width, 2, 6) if width < WIDTH else [Line(text)]
    return [*lines, *folded(official_tables.NOTE, width, 2, 2)]


def _below_today(run: Run, width: int) -> list[Line]:
    rows = run_tables.losses(run, run_tables.groups(run))
    if not rows:
        return []
    names = ("median", "1-in-20 worst", "1-in-100 worst")
    lines = [
        *folded("USD BELOW TODAY'S VALUE at the lowest point", width, style="strong"),
        Line(fit("", 22) + "".join(f"{name:>19}" for name in names), table=(22, 19)),
    ]
    for row in rows:
        cells = (f"{value}{error} {unit}".rstrip() for value, error, unit in row.cells)
        text = f"  {fit(row.name, 20)}" + "".join(f"{cell:>19}" for cell in cells)
        lines.append(Line(text, table=(22, 19)))
    if run_tables.has_unknown(row.cells for row in rows):
        lines.append(Line(_TOO_FEW))
    return lines


def _drivers(run: Run, width: int) -> list[Line]:
    title = "CAUSES OF THE WORST TWENTIETH, mean log points (they add up to the log fall)"
    lines = folded(title, width, style="strong")
    for entity in run_tables.leaders(run):
        causes = (f"{row.name} {row.points}{row.error}" for row in run_tables.drivers(run, entity))
        lines += folded(f"{label(run, entity)}: {narrow(', '.join(causes))}", width, 2, 6)
    return lines


def closing_lines(folder: str | None, width: int = WIDTH, *, full: bool = False) -> list[Line]:
    """Where everything is, once it is there, and what this text leaves out."""
    width = min(width, WIDTH)
    lines = folded(f"results and report.html in {plain(folder, 200)}", width) if folder else []
    if not full:
        lines += folded("firms, causes, crashes, dollars, all official scenarios: --full", width)
    if width < WIDTH:
        lines += folded(f"tables have more columns on a screen of {WIDTH}", width)
    return [line.within(width) for line in lines]
