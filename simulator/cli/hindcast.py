"""``hindcast``: the model held against history."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from simulator.cli.console import Screen
from simulator.cli.options import whole_number
from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.validation import Hindcast
    from simulator.validation.target_table import Row

FEWEST_PATHS = 100
_PATHS = Annotated[
    int,
    Option(
        "--paths",
        "-n",
        metavar="N",
        parser=whole_number,
        help="Paths of each main run, 100 or more; fewer are quicker.",
    ),
]


def hindcast(screen: Screen, *, paths: _PATHS = 10_000) -> None:
    """Hold the model against history, row by row.

    Runs calm, dotcom, the DeepSeek day and the default scenario, and prints target, result with
    its 95 % interval, and verdict. A row that fails is shown as failed; the exit code is 0 all
    the same. Rows marked fitted were looked at when parameters were set: they validate nothing.
    """
    from simulator.validation.hindcast import hindcast as hold

    if paths < FEWEST_PATHS:
        raise UsageError(f"--paths {paths}: a verdict needs {FEWEST_PATHS} or more")
    found = hold(
        paths, lambda done, stages: screen.say(f"judged {done} of {stages} groups of rows")
    )
    if screen.as_json:
        rows = [_record(row) for row in found.rows]
        screen.document({"paths": found.paths, "verdicts": found.count(), "rows": rows})
    else:
        screen.text(page(found, screen.width))
    screen.next("crashsim check dotcom")


def page(found: Hindcast, width: int) -> str:
    """The table as text."""
    parts = []
    for group in found.groups:
        lines = [group.upper()]
        for row in found.of(group):
            lines += _lines(row, width)
        parts.append("\n".join(lines))
    total = ", ".join(f"{count} {verdict}" for verdict, count in found.count().items())
    parts.append(textwrap.fill(f"{len(found.rows)} rows on {found.paths:,} paths: {total}", width))
    return "\n\n".join(parts)


def _lines(row: Row, width: int) -> list[str]:
    mark = {"missed": "MISSED", "history cannot decide": "undecided"}.get(row.verdict, row.verdict)
    first = f"  {mark:<14}{row.what}{' (fitted)' if row.kind == 'fitted' else ''}"
    result = f"{row.result}{f'; target {row.target}' if row.target else ''}"
    indent = " " * 18
    return [
        *textwrap.wrap(first, width, subsequent_indent=indent),
        *textwrap.wrap(result, width, initial_indent=indent, subsequent_indent=indent),
    ]


def _record(row: Row) -> dict[str, Any]:
    """One row for JSON, which has no infinity."""
    return asdict(row) | {"estimate": row.estimate and row.estimate.as_json()}
