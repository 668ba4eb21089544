"""Write docs/cli.md from the commands themselves: python scripts/make_cli_docs.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from simulator.cli.app import make_app

TARGET = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

HEAD = """\
# Command line

Made by `scripts/make_cli_docs.py` from the commands; a test holds it to them.

Results go to standard output, all else (progress, notes, warnings, errors, the next command to type) to standard
error. `--json` prints one JSON document with a `schema_version`; an estimate in it is an object
`{value, mc_error, low, high}`, and `low` to `high` is a 95 % interval of the Monte Carlo error. Output has no colour
codes when it does not go to a terminal; `NO_COLOR` is honoured.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a bug in crashsim; the traceback is in the log file that the message names |
| 2 | wrong usage |
| 3 | the scenario, or a file of closing prices, is invalid |
| 4 | the run failed: a non-finite number, memory, disk, or a damaged run folder |
| 6 | another process is writing this run folder |
| 99 | a threshold of the scenario failed |
| 130, 143 | stopped by Ctrl-C or SIGTERM; nothing half-finished is left |
"""


def pages() -> str:
    """The whole page as Markdown."""
    root = get_command(make_app(plain=True))
    with root.make_context("crashsim", [], resilient_parsing=True, terminal_width=100) as ctx:
        parts = [HEAD, f"```text\n{root.get_help(ctx).strip()}\n```\n"]
        for name in root.list_commands(ctx):  # type: ignore[attr-defined]
            parts += _command(root.get_command(ctx, name), name, ctx)  # type: ignore[attr-defined]
    return "\n".join(parts)


def _command(command: Any, name: str, parent: Any) -> Iterator[str]:
    """The section of a command, then those of the commands below it."""
    with command.make_context(
        name.split()[-1], [], parent=parent, resilient_parsing=True, terminal_width=100
    ) as own:
        yield f"## {name}\n\n```text\n{command.get_help(own).strip()}\n```\n"
        for below, sub in getattr(command, "commands", {}).items():
            yield from _command(sub, f"{name} {below}", own)


if __name__ == "__main__":
    TARGET.write_text(pages(), encoding="utf-8")
