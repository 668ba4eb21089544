"""``rare``: how likely a fall is that no run of a bearable size would show."""

from __future__ import annotations

import shlex
import time
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from simulator.cli.console import Screen
from simulator.cli.find import entity_of
from simulator.cli.options import (
    NOT_REACHED,
    PortfolioOption,
    RateOption,
    SchedulerOption,
    SeedOption,
    SetOption,
    WorkersOption,
    WorkerWaitOption,
    make_executor,
    parse_rates,
)
from simulator.errors import UsageError, plural

if TYPE_CHECKING:
    import pandas as pd

    from simulator.engine import Executor
    from simulator.rare_events import Rare
    from simulator.scenario import Scenario

LINE_EVERY = 2.0
"""Seconds between lines of progress."""


def rare(
    screen: Screen,
    *,
    scenario: Annotated[
        str,
        Argument(
            metavar="SCENARIO", help="A scenario file, a shipped scenario's name, or a run folder."
        ),
    ],
    event: Annotated[
        str | None,
        Option("--event", metavar="EVENT", help='Such as "sp500.max_drawdown >= 0.70".'),
    ] = None,
    tail: Annotated[
        bool,
        Option(
            "--tail",
            help="The whole far tail of --entity; in a run folder it is kept as rare.csv.",
        ),
    ] = False,
    entity: Annotated[
        str, Option("--entity", "-e", metavar="NAME", help="A group or a ticker, for --tail.")
    ] = "sp500",
    rel_error: Annotated[
        float,
        Option(min=0.001, max=0.9, help="Stop at this standard error over probability."),
    ] = 0.1,
    max_seconds: Annotated[
        float, Option(min=0.1, help="State the best estimate after so many seconds.")
    ] = 60.0,
    seed: SeedOption = None,
    set_: SetOption = None,
    portfolio: PortfolioOption = None,
    rate: RateOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    worker_wait: WorkerWaitOption = None,
) -> None:
    """Estimate the probability of a rare crash.

    Or, with --tail, of falls of every depth down to about one in a million. Adaptive multilevel
    splitting: paths that fell furthest are cloned and go on with fresh noise, so that one in
    100,000 takes seconds. Unbiased; the interval comes from independent repetitions.
    """
    if (event is None) == (not tail):
        raise UsageError('give an --event such as "sp500.max_drawdown >= 0.70", or --tail')
    story, folder = _story(screen, scenario, seed, set_, portfolio, parse_rates(rate))
    executor = make_executor(screen, workers, scheduler, worker_wait)
    if event is not None:
        _event(screen, story, event, rel_error, max_seconds, executor, shlex.quote(scenario))
    else:
        _tail(screen, story, entity, executor, folder, shlex.quote(scenario))


def _story(
    screen: Screen,
    name: str,
    seed: int | None,
    set_: list[str] | None,
    portfolio: Path | None,
    rates: dict[str, float],
) -> tuple[Scenario, Path | None]:
    """The scenario, and the run folder if it is one's."""
    from simulator.runs import load_run
    from simulator.runs.storage import is_complete
    from simulator.scenario import load_scenario
    from simulator.scenario.typed_values import parse_overrides

    folder = Path(name)
    if not is_complete(folder):
        overrides = parse_overrides(set_ or (), screen.say)
        story = load_scenario(name, overrides, portfolio, rates)
        return story.with_(seed=seed), None
    if set_ or seed is not None or portfolio is not None:
        raise UsageError(f"{name} is a run and stands as it is: no --set, --seed or --portfolio")
    return load_run(folder).scenario, folder


def _event(
    screen: Screen,
    story: Scenario,
    event: str,
    rel_error: float,
    max_seconds: float,
    executor: Executor,
    name: str,
) -> None:
    from simulator.rare_events import rare as estimate

    told = [time.monotonic()]

    def progress(found: Rare) -> None:
        if time.monotonic() - told[0] >= LINE_EVERY:
            told[0] = time.monotonic()
            error = found.relative_error
            rest = f", {100 * error:.0f} % error" if isfinite(error) else ""
            screen.say(
                f"{plural(found.groups, 'group')}, {found.path_steps / 1e6:.1f} million path-steps: "
                f"probability {found.estimate.value:.2g}{rest}"
            )

    found = estimate(
        story,
        event,
        rel_error=rel_error,
        max_seconds=max_seconds,
        executor=executor,
        progress=progress,
    )
    following = f"crashsim rare {name} --tail --entity {found.event.entity}"
    if screen.as_json:
        screen.document({**document(found, story, rel_error), "next": following})
    else:
        screen.text(_told(found, story))
    if found.stopped != "precise":
        screen.warn(_short(found, rel_error))
    screen.next(following)
    if found.stopped != "precise":
        raise Exit(NOT_REACHED)


def document(found: Rare, story: Scenario, rel_error: float) -> dict[str, Any]:
    """The result for programs; what is infinite is null."""
    error, plain = found.relative_error, found.plain_path_steps
    return {
        "name": story.name,
        "digest": story.digest,
        "seed": story.seed,
        "event": found.event.text,
        "entity": found.event.entity,
        "depth": found.event.depth,
        "from_start": found.event.from_start,
        "probability": found.estimate.value,
        "mc_error": found.estimate.mc_error,
        "low": found.estimate.low,
        "high": found.estimate.high,
        "relative_error": error if isfinite(error) else None,
        "path_steps": found.path_steps,
        "plain_path_steps": plain if isfinite(plain) else None,
        "wanted_relative_error": rel_error,
        "groups": found.groups,
        "stopped": found.stopped,
    }


def _told(found: Rare, story: Scenario) -> str:
    event, estimate, years = found.event, found.estimate, story.horizon_years
    lines = [
        f"{story.universe.title_of(event.entity)} "
        f"{'is' if event.from_start else 'falls by'} {100 * event.depth:.6g} % or more "
        f"{'below today ' if event.from_start else ''}within {years:g} year{'' if years == 1 else 's'}",
    ]
    if estimate.value == 0.0:
        lines.append(f"  not seen; at most {estimate.high:.2g} (95 %)")
    else:
        lines += [
            f"  probability  {estimate.value:.3g}, about 1 in {_round(1 / estimate.value)}",
            f"  95 % interval  {estimate.low:.3g} to {estimate.high:.3g} "
            f"(standard error {100 * found.relative_error:.1f} %)",
        ]
    lines.append(f"  {plural(found.groups, 'group')}, {found.path_steps:,} path-steps")
    if isfinite(found.plain_path_steps):
        gain = found.plain_path_steps / found.path_steps
        lines[-1] += f"; plain Monte Carlo needs {gain:,.3g} times as many"
    return "\n".join(lines)


def _round(number: float) -> str:
    """Three digits, no more are known."""
    return f"{float(f'{number:.3g}'):,.10g}"


def _short(found: Rare, rel_error: float) -> str:
    if found.stopped == "never":
        return (
            f"{found.event.text} was never reached: not even the nearest of "
            f"{found.groups} groups got there"
        )
    return (
        f"the error is {100 * found.relative_error:.0f} % of the probability, not {100 * rel_error:g} % "
        "as --rel-error asks: the time was up; allow more --max-seconds"
    )


def _tail(
    screen: Screen, story: Scenario, entity: str, executor: Executor, folder: Path | None, name: str
) -> None:
    from simulator.rare_events import add_tail
    from simulator.rare_events import tail as estimate

    told = [time.monotonic()]

    def progress(done: int, groups: int) -> None:
        if time.monotonic() - told[0] >= LINE_EVERY:
            told[0] = time.monotonic()
            screen.say(f"{done} of {groups} groups")

    entity = entity_of(story.universe.titles, entity)
    found = estimate(story, entity, executor=executor, progress=progress)
    target = None if folder is None else add_tail(folder, found)
    deepest = float(found["depth"].iloc[-1])
    following = (
        f'crashsim rare {name} --event "{entity}.max_drawdown >= {deepest:g}"'
        if folder is None
        else f"crashsim report {name}"
    )
    if target is not None:
        screen.say(f"kept in {target}")
    rows = found.to_dict("records")
    file = {} if target is None else {"file": str(target)}
    document = {"name": story.name, "seed": story.seed, **file, "tail": rows}
    screen.result(document, _rows(found), following)


def _rows(found: pd.DataFrame) -> str:
    from simulator.reports.text_table import table

    rows = [
        (f"-{100 * depth:.0f} %", f"{p:.3g}", f"{low:.3g} to {high:.3g}")
        for depth, p, low, high in zip(
            found["depth"], found["probability"], found["low"], found["high"], strict=True
        )
    ]
    return table(["fall", "probability", "95 % interval"], rows, left=0)
