"""``run``: simulate a scenario and write its run folder."""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Exit, Option

from simulator.commands.options import PathsOption, ScenarioArgument, SeedOption, SetOption
from simulator.commands.screen import Screen
from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.run import Run
    from simulator.scenario import Scenario

THRESHOLD_FAILED = 99
"""Exit code, as k6 has it."""


def run(
    screen: Screen,
    *,
    scenario: ScenarioArgument,
    paths: PathsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    output: Annotated[
        Path,
        Option("--output", "-o", metavar="DIR", help="Folder in which the run folder is made."),
    ] = Path("results"),
    workers: Annotated[
        int | None, Option("--workers", min=1, help="Processes.  [default: all cores]")
    ] = None,
    max_memory: Annotated[
        str | None,
        Option(metavar="SIZE", help="Such as 4GB.  [default: half of what is available]"),
    ] = None,
    keep_paths: Annotated[
        int,
        Option(min=1, help="Paths that get a row in the tables; statistics use all of them."),
    ] = 100_000,
    deterministic: Annotated[
        bool,
        Option("--deterministic", help="One path without noise, assumptions at their median."),
    ] = False,
    force: Annotated[
        bool, Option("--force", help="Simulate again even if the run is there already.")
    ] = False,
) -> None:
    """Simulate a scenario and write a report.

    Prints the distribution of the largest falls beside the real crashes, and writes
    DIR/<name>-<digest>/ with tables, figures and report.html. The same run again is
    verified and printed, not simulated.
    """
    from simulator import disk
    from simulator.scenario import load_scenario, parse_override
    from simulator.store import run_folder

    if deterministic and paths is not None:
        raise UsageError("--deterministic is a single path: leave --paths out")
    memory = None if max_memory is None else parse_size(max_memory)
    story = load_scenario(scenario, dict(parse_override(text) for text in set_ or ()))
    story = story.with_(paths=1 if deterministic else paths, seed=seed)
    shocks: Literal["zero"] | None = "zero" if deterministic else None
    folder = run_folder(story, output, shocks, keep_paths)
    found = None if force else _stored(screen, folder)
    if found is None:
        with _claimed(folder), disk.lock(folder):
            found = _simulate(
                screen,
                story,
                workers=workers,
                keep_paths=keep_paths,
                max_memory=memory,
                shocks=shocks,
            )
            _write(found, folder)
    _print(screen, found, folder)
    if not all(one.passed for one in found.threshold_results()):
        raise Exit(THRESHOLD_FAILED)


def parse_size(text: str) -> int:
    """Bytes of ``4GB``, ``500 MB``, ``2GiB`` or ``1000000``. Raises UsageError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kKMGT])(i?))?B?\s*", text)
    if match is None:
        raise UsageError(f"--max-memory {text}: expected a size such as 4GB, 500MB or 2GiB")
    number, prefix, binary = match.groups()
    power = " KMGT".index(prefix.upper()) if prefix else 0
    return int(float(number) * (1024 if binary else 1000) ** power)


def _stored(screen: Screen, folder: Path) -> Run | None:
    """The run, verified, if the folder has it."""
    from simulator.store import is_complete, load_run

    if not is_complete(folder):
        return None
    run = load_run(folder)
    screen.say(f"{folder} is there already: verified, not simulated again (--force does)")
    return run


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Take an empty folder away again if what was to fill it failed."""
    try:
        yield
    except BaseException:
        if folder.is_dir() and {path.name for path in folder.iterdir()} <= {".lock"}:
            (folder / ".lock").unlink(missing_ok=True)
            folder.rmdir()
        raise


def _simulate(
    screen: Screen,
    story: Scenario,
    *,
    workers: int | None,
    keep_paths: int,
    max_memory: int | None,
    shocks: Literal["zero"] | None,
) -> Run:
    from simulator.run import simulate
    from simulator.streams import BLOCK_PATHS

    blocks = -(-story.paths // BLOCK_PATHS)
    processes = min(workers or _cores(), blocks)
    screen.detail(f"{blocks} blocks of {BLOCK_PATHS} paths, {processes} processes")
    with screen.progress("simulating") as tick:
        if processes > 1:  # they compute; this one gets ready to draw
            threading.Thread(target=_prepare_to_draw, daemon=True).start()
        found = simulate(
            story,
            workers=processes,
            keep_paths=keep_paths,
            max_memory=max_memory,
            shocks=shocks,
            progress=tick,
        )
    screen.say(
        f"simulated {found.paths:,} paths in {found.seconds:.1f} s, "
        f"{found.paths / max(found.seconds, 1e-9):,.0f} paths/s"
    )
    return found


def _prepare_to_draw() -> None:
    for name in ("simulator.plots", "matplotlib.backends.backend_svg", "jinja2"):
        import_module(name)


def _write(run: Run, folder: Path) -> None:
    from simulator.plot_data import KINDS
    from simulator.plots import figure, render
    from simulator.report import html_report
    from simulator.store import save_run

    figures = {kind: render(figure(kind, run)) for kind in KINDS}
    extras = {f"figures/{kind}.svg": content for kind, content in figures.items()}
    save_run(run, folder, {**extras, "report.html": html_report(run, figures).encode()})


def _print(screen: Screen, run: Run, folder: Path) -> None:
    from simulator.report import terminal_summary

    following = f"crashsim plot {shlex.quote(str(folder))} fan"
    if screen.as_json:
        screen.document({"folder": str(folder), **run.document(), "next": following})
    else:
        screen.text(terminal_summary(run, str(folder)))
    screen.say(f"report: {folder / 'report.html'}")
    screen.next(following)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # a container may have fewer than its machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
