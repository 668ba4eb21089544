"""What ``run`` makes of a run: words in the order in which they are known, files, report and exit code."""

from __future__ import annotations

import shlex
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Exit

from simulator.cli.console import Screen
from simulator.cli.options import NOT_REACHED
from simulator.cli.run_until import Reached, reached
from simulator.cli.signals import raise_arrived
from simulator.errors import RunError, plural
from simulator.worker_pool import StartedAhead

if TYPE_CHECKING:
    from simulator.runs import Run
    from simulator.runs.story import OtherWorlds

REPORT = "report.html"
THRESHOLD_FAILED = 99
"""Exit code, as k6 has it."""
_TO_DRAW = ("simulator.plots.shown_figure", "matplotlib.backends.backend_svg")
"""What takes time to import."""


def complete(
    stored: Run | None, make: Callable[[], Run], words: Callable[[Run], Run], folder: Path
) -> Run:
    """A stored or a new run, with what is said of it: all that is known is in its folder."""
    from simulator.runs import atomic_files
    from simulator.runs.run import add_story

    if stored is not None:
        run = words(stored)
        if run is not stored:
            add_story(run, folder)
        return run
    with atomic_files.lock(folder):
        run = make()
        try:
            run = words(run)
        finally:  # what was simulated is kept, whatever stops the words about it
            run.save(folder)
    return run


def answer(
    screen: Screen,
    helpers: StartedAhead,
    run: Run,
    *,
    workers: int,
    full: bool,
    counterfactual: bool,
) -> Run:
    """Print what is known, in the order in which it becomes known; the run with what its story adds."""
    from simulator.reports.run_text import opening_lines, story_lines, table_lines

    worlds = None
    if counterfactual and run.contributions is None:
        worlds = _begin_worlds(screen, run, workers)
    tables = []
    if not screen.as_json:
        screen.lines(opening_lines(run, screen.width))
        tables = table_lines(run, screen.width, full=full)  # while the others compute
    known = run if worlds is None else _with_story(screen, run, worlds)
    if known is not run:
        helpers.load(*_TO_DRAW)  # while this process prints and stores
    if not screen.as_json:
        screen.lines([*story_lines(known, screen.width, full=full), *tables])
    return known


def _begin_worlds(screen: Screen, run: Run, workers: int) -> OtherWorlds | None:
    """The other worlds of a run that can be split, under way in other processes."""
    from simulator.engine.executors import Shared
    from simulator.runs.story import can_be_split, other_worlds

    try:
        return other_worlds(run, executor=Shared(workers)) if can_be_split(run) else None
    except RunError as error:
        _warn_of_story(screen, error)
        return None


def _with_story(screen: Screen, run: Run, worlds: OtherWorlds) -> Run:
    """The run with what its story adds; as it is where that cannot be said."""
    from simulator.runs.story import contributions

    try:
        with screen.progress("without the story, without the boom") as tick:
            return replace(run, contributions=contributions(run, worlds, tick))
    except RunError as error:
        _warn_of_story(screen, error)
        return run


def _warn_of_story(screen: Screen, error: RunError) -> None:
    screen.warn(f"what the story adds could not be worked out: {error}")


def finish(screen: Screen, run: Run, folder: Path, workers: int, *, full: bool) -> None:
    """Where the stored run is, or its JSON; its report unless ``workers`` is 0; the end."""
    from simulator.reports.run_text import closing_lines

    goal = reached(run)
    if screen.as_json:
        until = {} if goal is None else {"until": goal.document()}
        screen.document(
            {"folder": str(folder), **run.document(), **until, "next": _following(folder)}
        )
    else:
        screen.lines(closing_lines(str(folder), screen.width, full=full))
        if goal is not None:
            screen.text(f"\n{goal.sentence(run.paths)}")
    reported = workers == 0 or report(screen, run, folder, workers)
    screen.next(_following(folder))
    _exit(screen, run, goal, reported=reported)


def report(screen: Screen, run: Run, folder: Path, workers: int) -> bool:
    """Draw the figures and the report into the stored run; whether that worked.

    The run is stored by now, so whatever goes wrong here must not look like a lost run.
    """
    from simulator.engine.executors import Shared
    from simulator.reports.run_html import figures, html_report
    from simulator.runs.storage import add_files

    try:
        drawn = figures(run, Shared(workers))
        files = {f"figures/{name}.svg": b64decode(of["data"]) for name, of in drawn.items()}
        add_files(folder, {**files, REPORT: html_report(run, drawn).encode()})
    except Exception as error:  # noqa: BLE001 - the result is safe and printed
        raise_arrived()
        screen.warn(
            f"the run is stored in {folder}, but its report could not be made "
            f"({type(error).__name__}: {error}); crashsim report {shlex.quote(str(folder))} tries again"
        )
        return False
    screen.say(f"report: {folder / REPORT}")
    return True


def _exit(screen: Screen, run: Run, goal: Reached | None, *, reported: bool) -> None:
    """Warnings of the end, and the exit code where it is not 0."""
    results = run.threshold_results()
    for result in results:
        if not result.sure:
            name = f"threshold {result.threshold.title.removeprefix('threshold ')}"
            screen.warn(
                f"{name}: its 95 % interval holds the limit, so these paths "
                "cannot tell; more --paths narrow it"
            )
    if goal is not None and not goal.met:
        screen.warn(
            f"{goal.text} was not reached after {plural(run.paths, 'path')}; allow more --paths"
        )
    if not all(result.passed for result in results):
        raise Exit(THRESHOLD_FAILED)
    if not reported or (goal is not None and not goal.met):
        raise Exit(NOT_REACHED)


def _following(folder: Path) -> str:
    return f"crashsim plot {shlex.quote(str(folder))} fan"
