"""``compare``: runs side by side, or the cells of a sweep."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from simulator.cli.console import Screen
from simulator.cli.find import entity_of, find, kind_of, newest_first
from simulator.cli.options import (
    FileOption,
    SchedulerOption,
    WorkersOption,
    WorkerWaitOption,
    make_executor,
)
from simulator.cli.output import write_file
from simulator.cli.stored_sweeps import compare_sweep
from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.comparison import Comparison, Explanation
    from simulator.engine import Executor

_ENDINGS = (".csv", ".json", ".md")


def compare(
    screen: Screen,
    *,
    runs: Annotated[
        list[str],
        Argument(metavar="RUN...", help="Run folders, or the starts of their names; or one sweep."),
    ],
    why: Annotated[
        bool, Option("--why", help="Split the change between two runs among what changed.")
    ] = False,
    entity: Annotated[
        list[str] | None,
        Option("--entity", "-e", metavar="NAME", help="A ticker beside the groups. Repeatable."),
    ] = None,
    sort: Annotated[
        str | None,
        Option("--sort", metavar="STATISTIC", help="Order by the change of one, such as mean."),
    ] = None,
    by: Annotated[
        Literal["key", "table"] | None,
        Option(
            "--by", help="What --why takes for one change.  [default: keys up to 8, else tables]"
        ),
    ] = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    worker_wait: WorkerWaitOption = None,
    output: FileOption = None,
) -> None:
    """Show what differs between runs, and what that changes.

    The first run is what the others are compared with. Runs with one seed share their
    noise, so that a change is known far better than either number. With the name of a
    sweep alone: its cells, by the change of a statistic. --output writes .csv, .json or .md.
    """
    if output is not None and output.suffix.lower() not in _ENDINGS:
        raise UsageError(f"{output} is neither .csv, .json nor .md")
    folders = [find(screen, [name], "either" if len(runs) == 1 else "run") for name in runs]
    if len(folders) > 1:
        for sweep in [folder for folder in folders if kind_of(folder) == "sweep"]:
            screen.say(f"{sweep} is a sweep: left out; crashsim compare {sweep} shows its cells")
            folders.remove(sweep)
    if len(folders) == 1 and kind_of(folders[0]) == "sweep":
        if why:
            raise UsageError("--why explains two runs, not a sweep")
        compare_sweep(screen, folders[0], (entity or ["sp500"])[0], sort, output)
        return
    if len(folders) < 2:
        raise UsageError("compare needs two runs or more, or one sweep")
    if why and len(folders) > 2:
        folders = newest_first(folders)[1::-1]
        screen.say(f"--why explains two runs: taking the newest, {folders[0]} and {folders[1]}")
    of = _load(folders, entity or [])
    order = list(range(1, len(folders)))
    if sort is not None:
        first = entity_of(of.runs[0].scenario.universe.titles, (entity or ["sp500"])[0])
        order = of.order(first, sort)
    found = None
    if why:
        found = _explain(screen, of, by, make_executor(screen, workers, scheduler, worker_wait))
    following = f"crashsim compare {shlex.join(map(str, folders))} --why"
    if why or len(folders) > 2:
        following = f"crashsim show {shlex.quote(str(folders[-1]))}"
    _tell(screen, of, found, order, output, following)
    screen.next(following)


def _load(folders: list[Path], more: list[str]) -> Comparison:
    """The runs of these folders with their groups and ``more`` entities."""
    from simulator.comparison import Comparison
    from simulator.runs import load_run
    from simulator.runs.storage import read_manifest

    runs = tuple(map(load_run, folders))
    blocks = tuple(read_manifest(folder)["block_paths"] for folder in folders)
    groups = [
        group
        for group in runs[0].scenario.universe.groups
        if all(group in run.entities for run in runs)
    ]
    chosen = [entity_of(runs[0].scenario.universe.titles, name) for name in more]
    entities = tuple(dict.fromkeys([*groups, *chosen]))
    labels = tuple(folder.name or str(folder) for folder in folders)
    if len(set(labels)) < len(labels):
        labels = tuple(map(str, folders))
    return Comparison(runs, labels, entities, blocks)


def _explain(
    screen: Screen, of: Comparison, by: Literal["key", "table"] | None, executor: Executor
) -> Explanation:
    from simulator.comparison import explain

    with screen.progress("explaining") as tick:
        return explain(of, by=by, executor=executor, progress=tick)


def _tell(
    screen: Screen,
    of: Comparison,
    found: Explanation | None,
    order: list[int],
    output: Path | None,
    following: str,
) -> None:
    from simulator.reports.comparison_text import comparison_text, document, explanation_text

    if output is not None:
        _write(of, found, order, output)
    if screen.as_json:
        told: dict[str, Any] = document(of, found, order)
        screen.document({**told, "file": output and str(output), "next": following})
        return
    if output is not None:
        screen.text(str(output))
        return
    screen.text(comparison_text(of, screen.width, order))
    if found is not None:
        screen.text("\n" + explanation_text(found, of, screen.width))


def _write(of: Comparison, found: Explanation | None, order: list[int], output: Path) -> None:
    import json

    from simulator.reports.comparison_text import document, markdown
    from simulator.runs.storage import csv_bytes

    ending = output.suffix.lower()
    if ending == ".csv":
        content = csv_bytes(of.table())
    elif ending == ".md":
        content = markdown(of, found, order).encode()
    else:
        content = (
            json.dumps(document(of, found, order), indent=2, allow_nan=False) + "\n"
        ).encode()
    write_file(output, content)
