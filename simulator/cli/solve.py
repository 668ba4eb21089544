"""``solve``: the value of an assumption at which a number of the run reaches a level."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from simulator.cli.completion import complete_key
from simulator.cli.console import Screen
from simulator.cli.options import (
    FileOption,
    PathsOption,
    PortfolioOption,
    RateOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    WorkersOption,
    cores,
    parse_rates,
)
from simulator.cli.output import print_answer

if TYPE_CHECKING:
    from simulator.exploration import ReverseStress
    from simulator.statistics import Estimate

EXAMPLE = '--for "P(sp500.loss_from_start >= 0.30) = 0.5" --by technology.elasticity'

ByOption = Annotated[
    str,
    Option(
        "--by",
        metavar="KEY",
        help="The assumption to move, as with --vary.",
        autocompletion=complete_key,
    ),
]


def solve(
    screen: Screen,
    *,
    scenario: ScenarioArgument,
    for_: Annotated[
        str,
        Option(
            "--for",
            metavar="NUMBER=LEVEL",
            help='As a threshold, with =: "P(sp500.loss_from_start >= 0.30) = 0.5".',
        ),
    ],
    by: ByOption,
    range_: Annotated[
        str | None,
        Option(
            "--range",
            metavar="LOW:HIGH",
            help="Values to look at.  [default: all that are allowed]",
        ),
    ] = None,
    paths: PathsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    portfolio: PortfolioOption = None,
    rate: RateOption = None,
    workers: WorkersOption = None,
    output: FileOption = None,
) -> None:
    """Find the assumption at which a number reaches a level.

    A reverse stress test. The assumption takes single values, as with --set and --vary: they replace
    its distribution. All values share their random numbers. --output keeps the answer as JSON.
    """
    from simulator.exploration import solve as find_roots
    from simulator.reports.reverse_stress_text import answer_lines
    from simulator.scenario import load_scenario
    from simulator.scenario.typed_values import parse_key, parse_overrides, parse_range

    overrides = parse_overrides(set_ or (), screen.say)
    story = load_scenario(scenario, overrides, portfolio, parse_rates(rate))
    key = parse_key("--by", by.strip(), screen.say)
    within = None if range_ is None else parse_range(key, range_)

    def progress(value: float, number: Estimate) -> None:
        screen.say(
            f"{key} = {value:.6g}: {number.value:.4g} ({number.low:.4g} to {number.high:.4g})"
        )

    answer = find_roots(
        story,
        for_,
        key,
        within=within,
        paths=paths,
        seed=seed,
        workers=workers or cores(),
        progress=progress,
    )
    following = _next(answer, shlex.quote(scenario), set_ or [], portfolio, rate or [])
    print_answer(screen, answer.document(), answer_lines(answer, screen.width), following, output)


def _next(
    answer: ReverseStress, name: str, set_: list[str], portfolio: Path | None, rates: list[str]
) -> str:
    """The run at the first root; without one, the sweep that shows how far the assumption moves the number."""
    options = [f"--set {shlex.quote(text)}" for text in set_]
    options += [] if portfolio is None else [f"--portfolio {shlex.quote(str(portfolio))}"]
    options += [f"--rate {shlex.quote(text)}" for text in rates]
    story = answer.scenario
    same = f"--paths {story.paths} --seed {story.seed}"
    if answer.roots:
        options.append(f"--set {answer.key}={answer.roots[0].value!r}")
        return f"crashsim run {' '.join([name, *options, same])}"
    options.append(f"--vary {answer.key}={answer.low:g}:{answer.high:g}:5")
    return f"crashsim sweep {' '.join([name, *options, same])}"
