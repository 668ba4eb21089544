"""``discover``: which corner of the assumptions brings an event."""

from __future__ import annotations

import shlex
from typing import Annotated

from typer import Option

from simulator.cli.console import Screen
from simulator.cli.find import find
from simulator.cli.options import FileOption, RunArgument
from simulator.cli.output import print_answer

EXAMPLE = '--event "sp500.loss_from_start >= 0.30"'


def discover(
    screen: Screen,
    *,
    run: RunArgument,
    event: Annotated[
        str,
        Option(
            "--event",
            metavar="EVENT",
            help='Such as "sp500.loss_from_start >= 0.30"; any event of a threshold.',
        ),
    ],
    output: FileOption = None,
) -> None:
    """Find which corner of the assumptions brings an event.

    Scenario discovery on the stored paths of a run: half of them choose the corners, the other half measures
    them. Nothing is simulated. --output keeps the answer as JSON. Needs the extra crashsim[discover].
    """
    from simulator.exploration import discover as find_corners
    from simulator.reports.scenario_discovery_text import corner_lines
    from simulator.runs import load_run

    folder = find(screen, [run])
    stored = load_run(folder)
    corners = find_corners(stored, event)
    limits = corners.best.limits
    key = min(limits, key=lambda limit: limit.p_value).key if limits else "technology.elasticity"
    print_answer(
        screen,
        {"folder": str(folder), **corners.document()},
        corner_lines(corners, stored.scenario, screen.width),
        f"crashsim explain {shlex.quote(key)} --run {shlex.quote(str(folder))}",
        output,
    )
