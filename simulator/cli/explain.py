"""``explain``: what an assumption is, where it comes from, and what it moves."""

from __future__ import annotations

import shlex
from typing import Annotated

from typer import Argument, Option

from simulator.cli.completion import complete_key
from simulator.cli.console import Screen
from simulator.cli.find import find
from simulator.cli.output import print_answer


def explain(
    screen: Screen,
    *,
    key: Annotated[
        str,
        Argument(
            metavar="KEY",
            help="Such as technology.elasticity, or elasticity.",
            autocompletion=complete_key,
        ),
    ],
    run: Annotated[
        str | None,
        Option(
            "--run",
            metavar="RUN",
            help="A run folder, the start of a name in results/, or latest: what the key moves there.",
        ),
    ] = None,
) -> None:
    """Explain an assumption: meaning, range, source, effect.

    Also its value in each shipped scenario, and the equations that it belongs to.
    """
    from simulator.reports.explained_key_text import key_document, key_lines
    from simulator.runs import load_run
    from simulator.scenario.explained_key import explain_key
    from simulator.scenario.typed_values import parse_key

    folder = None if run is None else find(screen, [run])
    stored = None if folder is None else load_run(folder)
    full = parse_key("explain", key.strip(), screen.say)
    explained = explain_key(full, None if stored is None else stored.scenario)
    following = f"crashsim explain {shlex.quote(full)} --run latest"
    if folder is not None:
        spec = explained.spec
        following = (
            f"crashsim sweep {shlex.quote(str(folder / 'scenario.toml'))} "
            f"--vary {full}={spec.low:g}:{spec.high:g}:5"
        )
    print_answer(
        screen,
        key_document(explained, stored),
        key_lines(explained, stored, str(folder), screen.width),
        following,
        None,
    )
