"""``run``: simulate a scenario and write its run folder."""

from __future__ import annotations

import re
import shlex
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Exit, Option

from simulator.cli.console import Screen
from simulator.cli.find import RESULTS
from simulator.cli.options import (
    NOT_REACHED,
    FullOption,
    ParentOption,
    PathsOption,
    PortfolioOption,
    RateOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    WorkersOption,
    cores,
    parse_rates,
    whole_number,
)
from simulator.cli.run_until import Reached, earlier, reached, teller
from simulator.errors import RunError, UsageError, plain, plural
from simulator.worker_pool import StartedAhead, started_ahead

if TYPE_CHECKING:
    from simulator.runs import Run
    from simulator.scenario import Scenario

REPORT = "report.html"
THRESHOLD_FAILED = 99
"""Exit code, as k6 has it."""
_MOST_AHEAD = 8
"""Processes that start before it is known how much there is to do, this one among them."""
_TO_DRAW = ("simulator.plots.shown_figure", "matplotlib.backends.backend_svg")
"""What takes time to import."""


UntilOption = Annotated[
    str | None,
    Option(
        "--until",
        metavar="GOAL",
        help='Add paths until a number is so sure: "P(sp500.max_drawdown>=0.49) +-0.5pp". '
        "--paths is then the most, 10 million unless given.",
    ),
]
ThresholdOption = Annotated[
    list[str] | None,
    Option(
        metavar="RULE",
        help='A rule that must hold, or exit 99: "P(sp500.max_drawdown >= 0.49) < 0.1". Repeatable.',
    ),
]
MemoryOption = Annotated[
    str | None,
    Option(metavar="SIZE", help="Such as 4GB.  [default: half of what is available]"),
]
KeepPathsOption = Annotated[
    int,
    Option(
        metavar="N",
        parser=whole_number,
        help="Paths that get a row in the tables; statistics use all of them.",
    ),
]
DeterministicOption = Annotated[
    bool,
    Option("--deterministic", help="One path without noise, assumptions at their median."),
]
ForceOption = Annotated[
    bool, Option("--force", help="Simulate again even if the run is there already.")
]
CounterfactualOption = Annotated[
    bool,
    Option(
        "--counterfactual/--no-counterfactual",
        help="Simulate the same futures without the boom and without the story, too.",
    ),
]


def run(
    screen: Screen,
    *,
    scenario: ScenarioArgument,
    paths: PathsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    until: UntilOption = None,
    threshold: ThresholdOption = None,
    portfolio: PortfolioOption = None,
    rate: RateOption = None,
    output: ParentOption = RESULTS,
    workers: WorkersOption = None,
    max_memory: MemoryOption = None,
    keep_paths: KeepPathsOption = 100_000,
    deterministic: DeterministicOption = False,
    force: ForceOption = False,
    full: FullOption = False,
    counterfactual: CounterfactualOption = True,
) -> None:
    """Simulate a scenario and write a report.

    Prints the distribution of the largest falls beside the real crashes, and writes
    DIR/<name>-<digest>/ with tables, figures and report.html. The same run again is
    verified and printed, not simulated.
    """
    shocks = _shocks(paths, until) if deterministic else None
    memory = None if max_memory is None else parse_size(max_memory)
    workers = workers or cores()
    few = min(workers, _MOST_AHEAD)
    with started_ahead(few - 1, "simulator.runs") as helpers:
        from simulator.runs.stopping_rule import MOST_PATHS
        from simulator.runs.storage import run_folder

        story = _scenario(screen, scenario, set_, threshold, portfolio, rate)
        most = MOST_PATHS if until is not None and paths is None else paths
        story = story.with_(paths=1 if deterministic else most, seed=seed)
        simulate = partial(
            _simulate,
            screen,
            workers=workers,
            keep_paths=keep_paths,
            max_memory=memory,
            shocks=shocks,
            until=until,
        )
        made = folder = None
        if until is not None:  # how many paths there are is known when they are there
            folder = None if force else earlier(story, until, output, keep_paths)
            made = simulate(story) if folder is None else None
            story = story if made is None else story.with_(paths=made.paths)
        folder = folder or run_folder(story, output, shocks, keep_paths)
        stored = None if force or made is not None else _stored(screen, folder)
        answer = partial(
            _answer, screen, folder, helpers, workers=few, full=full, counterfactual=counterfactual
        )
        make = partial(simulate, story) if made is None else lambda: made
        complete = _complete(stored, make, answer, folder)
        is_there = complete is stored and (folder / REPORT).exists()
        _finish(screen, complete, folder, workers=0 if is_there else few)


def _shocks(paths: int | None, until: str | None) -> Literal["zero"]:
    """Those of the one path of --deterministic. Raises UsageError for options that mean several."""
    if paths is not None or until is not None:
        raise UsageError(
            "--deterministic is a single path without error: leave --paths and --until out"
        )
    return "zero"


def _scenario(
    screen: Screen,
    name: str,
    set_: list[str] | None,
    threshold: list[str] | None,
    portfolio: Path | None,
    rate: list[str] | None,
) -> Scenario:
    from simulator.scenario import load_scenario
    from simulator.scenario.typed_values import parse_overrides

    changes = {**parse_overrides(set_ or (), screen.say), **_thresholds(threshold or [])}
    story = load_scenario(name, changes, portfolio, parse_rates(rate))
    for notice in story.portfolio.notices if story.portfolio is not None else ():
        screen.warn(f"{portfolio}: {notice}")
    return story


def _complete(
    stored: Run | None, make: Callable[[], Run], answer: Callable[[Run], Run], folder: Path
) -> Run:
    """A stored or a new run, with what is said of it: all that is known is in its folder."""
    from simulator.runs import atomic_files
    from simulator.runs.run import add_story

    if stored is not None:
        run = answer(stored)
        if run is not stored:
            add_story(run, folder)
        return run
    with atomic_files.lock(folder):
        run = make()
        try:
            run = answer(run)
        finally:  # what was simulated is kept, whatever stops the words about it
            run.save(folder)
    return run


def _answer(
    screen: Screen,
    folder: Path,
    helpers: StartedAhead,
    run: Run,
    *,
    workers: int,
    full: bool,
    counterfactual: bool,
) -> Run:
    """Print what is known, in the order in which it becomes known; the run with what its story adds."""
    from simulator.reports.run_text import following_lines, opening_lines

    if not screen.as_json:
        screen.lines(opening_lines(run, screen.width))
    complete = _with_story(screen, run, workers) if counterfactual and run.story is None else run
    if complete is not run:
        helpers.load(*_TO_DRAW)  # while this process prints and stores
    if not screen.as_json:
        screen.lines(following_lines(complete, str(folder), screen.width, full=full))
        if (goal := reached(run)) is not None:
            screen.text(f"\n{goal.sentence(run.paths)}")
    return complete


def _finish(screen: Screen, run: Run, folder: Path, workers: int) -> None:
    """JSON, the report unless ``workers`` is 0, and the end."""
    goal = reached(run)
    if screen.as_json:
        until = {} if goal is None else {"until": goal.document()}
        screen.document(
            {"folder": str(folder), **run.document(), **until, "next": _following(folder)}
        )
    reported = workers == 0 or _report(screen, run, folder, workers)
    screen.next(_following(folder))
    _exit(screen, run, goal, reported=reported)


def _thresholds(rules: list[str]) -> dict[str, str]:
    """The rules of the command line by the key they are laid over. Raises UsageError."""
    from simulator.scenario.thresholds import FORM, OPTION

    if not all(rule.strip() for rule in rules):
        raise UsageError(f"--threshold is empty: expected such as {FORM}")
    return {f"thresholds.{OPTION}{number}": rule for number, rule in enumerate(rules, 1)}


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


def parse_size(text: str) -> int:
    """Bytes of ``4GB``, ``500 MB``, ``2GiB`` or ``1000000``. Raises UsageError."""
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d+)?)\s*(?:([kKMGT])(i?))?B?\s*", text)
    if match is None:
        raise UsageError(
            f"--max-memory {plain(text, 40)}: expected a size such as 4GB, 500MB or 2GiB"
        )
    number, prefix, binary = match.groups()
    power = " KMGT".index(prefix.upper()) if prefix else 0
    return int(float(number) * (1024 if binary else 1000) ** power)


def _stored(screen: Screen, folder: Path) -> Run | None:
    """The run, verified, if the folder has it."""
    from simulator.runs import load_run
    from simulator.runs.storage import is_complete

    if not is_complete(folder):
        return None
    run = load_run(folder)
    screen.say(f"{folder} is there already: verified, not simulated again (--force does)")
    return run


def _simulate(
    screen: Screen,
    story: Scenario,
    *,
    workers: int,
    keep_paths: int,
    max_memory: int | None,
    shocks: Literal["zero"] | None,
    until: str | None,
) -> Run:
    from simulator.engine.streams import BLOCK_PATHS
    from simulator.runs import simulate

    blocks = -(-story.paths // BLOCK_PATHS)
    processes = min(workers, blocks)
    screen.detail(
        f"{plural(blocks, 'block')} of {BLOCK_PATHS} paths, {processes} process{'es' * (processes > 1)}"
    )
    with screen.progress("simulating") as tick:
        found = simulate(
            story,
            paths=story.paths,
            workers=processes,
            keep_paths=keep_paths,
            max_memory=max_memory,
            shocks=shocks,
            progress=tick,
            until=until,
            look=None if until is None else teller(screen, until),
        )
    screen.say(
        f"simulated {plural(found.paths, 'path')} in {found.seconds:.1f} s, "
        f"{found.paths / max(found.seconds, 1e-9):,.0f} paths/s"
    )
    return found


def _with_story(screen: Screen, run: Run, workers: int) -> Run:
    """The run with what its story adds; as it is where that cannot be said."""
    from simulator.engine.executors import Shared
    from simulator.runs.story import can_be_split, what_the_story_adds

    if not can_be_split(run):
        return run
    try:
        with screen.progress("without the story, without the boom") as tick:
            story = what_the_story_adds(run, executor=Shared(workers), progress=tick)
    except RunError as error:
        screen.warn(f"what the story adds could not be worked out: {error}")
        return run
    return replace(run, story=story)


def _report(screen: Screen, run: Run, folder: Path, workers: int) -> bool:
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
        screen.warn(
            f"the run is stored in {folder}, but its report could not be made "
            f"({type(error).__name__}: {error}); crashsim report {shlex.quote(str(folder))} tries again"
        )
        return False
    screen.say(f"report: {folder / REPORT}")
    return True


def _following(folder: Path) -> str:
    return f"crashsim plot {shlex.quote(str(folder))} fan"
