"""``sweep``: one scenario in many versions, as a table."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from simulator.cli.completion import complete_setting
from simulator.cli.console import Screen
from simulator.cli.find import RESULTS
from simulator.cli.options import (
    NOT_REACHED,
    ParentOption,
    PathsOption,
    PortfolioOption,
    RateOption,
    ScenarioArgument,
    SchedulerOption,
    SeedOption,
    SetOption,
    WorkersOption,
    WorkerWaitOption,
    cores,
    make_executor,
    parse_rates,
    whole_number,
)
from simulator.cli.signals import raise_arrived
from simulator.errors import FailedCells, LockedError, ScenarioError, UsageError, plural
from simulator.reports.text_table import table

if TYPE_CHECKING:
    from simulator.scenario import Design, Scenario
    from simulator.scenario.sweep_design import Spec
    from simulator.sweeps import Plan, Sweep

CELLS_FAILED = 5
"""Exit code: some cells have no result."""
REPORTED = 20_000
"""Cells of a sweep that gets a report at its end; crashsim report makes one of a larger one."""
_MOST_ROWS = 30
"""Cells on the screen; the file has all."""
_MOST_KEYS = 4


VaryOption = Annotated[
    list[str] | None,
    Option(
        "--vary",
        metavar="KEY=SPEC",
        autocompletion=complete_setting,
        help="Values of a key: x,y,z or a:b:n (evenly spaced) or log:a:b:n; the universe and the "
        "kind or firm of an event take names; with lhs, sobol and oat KEY alone takes its own "
        "distribution. Repeatable.  [default: the file's [sweep]]",
    ),
]
DesignOption = Annotated[
    str | None,
    Option(
        metavar="[grid|zip|lhs|sobol|oat|FILE.csv]",
        help="grid: every combination; zip: first values, second values, ...; lhs, sobol: drawn "
        "from the distributions; oat: one at a time, for a tornado; a file: one row a cell, "
        "columns are keys.  [default: grid]",
    ),
]
CellsOption = Annotated[
    int | None,
    Option(metavar="N", parser=whole_number, help="Number of cells of lhs and sobol."),
]
ExtendOption = Annotated[
    int | None,
    Option(
        metavar="N",
        parser=whole_number,
        help="Add N paths to every cell of the finished sweep.",
    ),
]
ParquetOption = Annotated[bool, Option("--parquet", help="Write sweep.parquet beside sweep.csv.")]
DryRunOption = Annotated[
    bool, Option("--dry-run", help="Say what would be computed, and compute nothing.")
]


def sweep(
    screen: Screen,
    *,
    scenario: ScenarioArgument,
    vary: VaryOption = None,
    design: DesignOption = None,
    cells: CellsOption = None,
    paths: PathsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    extend: ExtendOption = None,
    portfolio: PortfolioOption = None,
    rate: RateOption = None,
    output: ParentOption = RESULTS,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    worker_wait: WorkerWaitOption = None,
    parquet: ParquetOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Simulate a scenario in many versions.

    All cells share their noise, so the table gives each one's paired difference to the base,
    the scenario as it is. The same command again computes only what is missing.
    """
    from simulator.runs import atomic_files
    from simulator.scenario import load_scenario
    from simulator.scenario.typed_values import parse_overrides, parse_varied
    from simulator.sweeps.design import resolve_design
    from simulator.sweeps.sweep import make_plan, run_plan, settle, sweep_folder
    from simulator.sweeps.table import need_parquet

    if extend and paths is not None:
        raise UsageError("--extend adds to the paths that are there: leave --paths out")
    if parquet:
        need_parquet()
    changes = parse_overrides(set_ or (), screen.say)
    rates = parse_rates(rate)
    story = load_scenario(scenario, changes, portfolio, rates).with_(paths=paths, seed=seed)
    specs = parse_varied(vary or (), screen.say)
    chosen = resolve_design(_design(story, specs, design, cells), story)
    if dry_run:
        plan = make_plan(story, chosen, output, extend=extend or 0)
        _announce(screen, plan)
        _forecast(screen, plan, workers or cores())
        return
    folder = sweep_folder(story, chosen, output)
    with _resumable(screen, folder):
        with atomic_files.lock(folder, wait=0.1):
            plan = make_plan(story, chosen, output, extend=extend or 0)
            _announce(screen, plan)
            executor = make_executor(screen, workers, scheduler, worker_wait, plan.to_compute)
            with screen.progress("sweeping") as tick:
                result = run_plan(plan, executor, parquet=parquet, progress=tick)
        following = _print(screen, plan, result)
        _report(screen, result)
        settle(folder)
        screen.next(following)
        if result.failures:
            raise Exit(CELLS_FAILED)


def _report(screen: Screen, sweep: Sweep) -> None:
    """Write the report of a sweep that is not too large for one. Raises Exit if that fails."""
    from simulator.reports.sweep_html import write_report

    if not len(sweep.failures) < sweep.cells <= REPORTED:
        return
    try:
        screen.say(f"report: {write_report(sweep)}")
    except Exception as error:  # noqa: BLE001 - the table is safe and printed
        raise_arrived()
        screen.warn(
            f"the sweep is stored in {sweep.folder}, but its report could not be made "
            f"({type(error).__name__}: {error})"
        )
        raise Exit(NOT_REACHED) from None


@contextmanager
def _resumable(screen: Screen, folder: Path) -> Iterator[None]:
    """Say how to go on where a signal, a full disk or the like stopped a sweep in ``folder``."""
    try:
        yield
    except (Exit, UsageError, ScenarioError, FailedCells, LockedError):
        raise  # the same command would end in the same way
    except BaseException:
        if folder.is_dir():
            screen.warn(f"stopped; finished cells are kept. To go on: {_typed()}")
        raise


def _typed() -> str:
    return shlex.join(["crashsim", *sys.argv[1:]])


def _design(
    story: Scenario, specs: Mapping[str, Spec], kind: str | None, cells: int | None
) -> Design:
    """The design of the options, else that of the file."""
    from simulator.scenario import Design
    from simulator.sweeps.design import scenario_design
    from simulator.sweeps.design_file import read_design

    own = scenario_design(story)
    if not specs and kind is None and cells is None:
        if own is None:
            raise UsageError(
                f"nothing varies: give --vary KEY=x,y,z or a [sweep] table in {story.path.name}"
            )
        return own
    if kind is not None and kind.endswith(".csv"):
        if specs or cells is not None:
            raise UsageError("a design file says which keys vary: leave --vary and --cells out")
        return read_design(kind)
    return Design.of(kind or "grid", specs, size=cells)


def _announce(screen: Screen, plan: Plan) -> None:
    """Why each cell runs."""
    missing = plan.to_compute
    screen.say(
        f"{plural(plan.cells, 'cell')} with the base: {plan.cells - missing:,} are there, "
        f"{missing:,} to compute"
    )
    for reason, of in plan.why.items():
        more = ", ..." if of.count > len(of.first) else ""
        screen.say(f"  {reason}: {of.count:,} (cell {', '.join(map(str, of.first))}{more})")
    if screen.verbose:
        for order in plan.orders():
            screen.detail(f"  cell {order.number} {order.id} {dict(order.overrides)}")


def _forecast(screen: Screen, plan: Plan, workers: int) -> None:
    from simulator.sweeps.runtime_estimate import forecast

    found = forecast(plan, workers)
    following = _typed().replace(" --dry-run", "")
    why = {reason: of.count for reason, of in plan.why.items()}
    document = {"folder": str(plan.folder), "workers": workers, **asdict(found), "why": why}
    duration = _duration(found.seconds)
    rows = [
        ("cells to compute", f"{found.cells:,} of {plan.cells:,}"),
        ("paths", f"{found.paths:,}"),
        ("time", f"about {duration} with {plural(workers, 'worker')} of this machine"),
        ("memory", f"about {found.memory / 1e9:.1f} GB"),
        ("disk", f"about {found.disk / 1e6:,.0f} MB in {plan.folder}"),
    ]
    text = "\n".join(f"{name:<18}{value}" for name, value in rows)
    screen.result(document, text, following)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _print(screen: Screen, plan: Plan, found: Sweep) -> str:
    """Print what came out; the next command to type."""
    from simulator.plots import available

    folder = shlex.quote(str(found.folder))
    kind = next(iter(available(found)), "lines")
    following = f"crashsim plot {folder} {kind}"
    if screen.as_json:
        screen.document(
            {
                "folder": str(found.folder),
                "table": str(found.folder / "sweep.csv"),
                "cells": found.cells,
                "computed": plan.to_compute - len(found.failures),
                "failed": len(found.failures),
                "seed": found.scenario.seed,
                "paths": found.scenario.paths,
                "design": found.design.document(),
                "base": found.base,
                "next": following,
            }
        )
    else:
        screen.text(_summary(found, screen.width))
    for failure in found.failures:
        screen.warn(f"cell {failure.cell} failed: {failure.message}")
    screen.say(f"table: {found.folder / 'sweep.csv'}")
    return following


def _summary(found: Sweep, width: int) -> str:
    """Falls of the S&P 500 by cell, with the paired difference to the base."""
    from simulator.plots.sweep_plot import change, estimate, varied_key
    from simulator.runs.statistic_labels import format_change, number
    from simulator.statistics.formatting import MINUS

    rows = found.table
    rows = rows[rows["entity"] == "sp500"]
    shown = ("median", "worst_1_in_20")
    wide = {name: rows[rows["statistic"] == name].set_index("cell") for name in shown}
    keys = () if found.design.kind == "oat" else found.keys[:_MOST_KEYS]
    lines = []
    for cell in wide["median"].index[: _MOST_ROWS + 1]:
        head = wide["median"].loc[cell]
        line = [
            "base" if head["kind"] == "base" else str(cell),
            *(_value(head[key]) for key in keys),
        ]
        if found.design.kind == "oat":
            key = "" if head["kind"] == "base" else varied_key(found, int(cell))
            line.append(key and f"{key} = {_value(head[key])}")
        for name in shown:
            one = wide[name].loc[cell]
            shift = "" if head["kind"] == "base" else format_change(change(one), name).brief
            line += [number(estimate(one), name), shift]
        lines.append([cell.replace(MINUS, "-").replace(" %", "%") for cell in line])
    varied = ["assumption"] if found.design.kind == "oat" else list(keys)
    header = ["cell", *varied, "median", "change", "1-in-20 worst", "change"]
    title = found.scenario.universe.title_of("sp500")
    text = f"Largest falls of {title}; changes from the base in points, ± one Monte Carlo standard error\n"
    text += table(header, lines, left=1 + len(varied) * (found.design.kind == "oat"), width=width)
    more = found.cells - 1 - _MOST_ROWS
    return text + (f"\n... {more:,} more cells in sweep.csv" if more > 0 else "")


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return "uncertain" if value != value else f"{value:.6g}"
