"""``run``: simulate a scenario and write its run folder."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from simulator.cli.console import Screen
from simulator.cli.find import RESULTS
from simulator.cli.options import (
    FullOption,
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
    make_cluster,
    parse_rates,
    whole_number,
)
from simulator.cli.run_answer import REPORT, answer, complete, finish
from simulator.cli.run_until import earlier, teller
from simulator.errors import UsageError, plain, plural
from simulator.worker_pool import started_ahead

if TYPE_CHECKING:
    from simulator.engine.dask_executor import Cluster
    from simulator.runs import Run
    from simulator.scenario import Scenario

_MOST_AHEAD = 8
"""Processes that start before it is known how much there is to do, this one among them."""

_NEEDED = (
    "simulator.runs.runner",
    "simulator.runs.story",
    "simulator.reports.run_text",
    "simulator.cli.lazy_numpy",
    "scipy.special",
)
"""What takes time to import, and every process of a run needs."""


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
    scheduler: SchedulerOption = None,
    worker_wait: WorkerWaitOption = None,
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
    with started_ahead(few - 1, *_NEEDED) as helpers:
        from simulator.runs.stopping_rule import MOST_PATHS
        from simulator.runs.storage import run_folder

        story = _scenario(screen, scenario, set_, threshold, portfolio, rate)
        most = MOST_PATHS if until is not None and paths is None else paths
        story = story.with_(paths=1 if deterministic else most, seed=seed)
        simulate = partial(
            _simulate,
            screen,
            workers=workers,
            cluster=make_cluster(screen, workers, scheduler, worker_wait),
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
        words = partial(
            answer, screen, helpers, workers=few, full=full, counterfactual=counterfactual
        )
        make = partial(simulate, story) if made is None else lambda: made
        finished = complete(stored, make, words, folder)
        is_there = finished is stored and (folder / REPORT).exists()
        finish(screen, finished, folder, workers=0 if is_there else few, full=full)


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


def _thresholds(rules: list[str]) -> dict[str, str]:
    """The rules of the command line by the key they are laid over. Raises UsageError."""
    from simulator.scenario.thresholds import FORM, OPTION

    if not all(rule.strip() for rule in rules):
        raise UsageError(f"--threshold is empty: expected such as {FORM}")
    return {f"thresholds.{OPTION}{number}": rule for number, rule in enumerate(rules, 1)}


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
    cluster: Cluster | None,
    keep_paths: int,
    max_memory: int | None,
    shocks: Literal["zero"] | None,
    until: str | None,
) -> Run:
    from simulator.engine.streams import BLOCK_PATHS
    from simulator.runs import simulate

    blocks = -(-story.paths // BLOCK_PATHS)
    processes = min(workers, blocks)
    where = f"{processes} process{'es' * (processes > 1)}" if cluster is None else cluster.address
    screen.detail(f"{plural(blocks, 'block')} of {BLOCK_PATHS} paths, {where}")
    with screen.progress("simulating") as tick:
        found = simulate(
            story,
            paths=story.paths,
            workers=processes,
            cluster=cluster,
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
