"""Standard output and error that are closed, full or read by nobody: neither changes what a command does."""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator
from pathlib import Path

from simulator import load_run
from trials.commands import CRASHSIM, here, only, shell
from trials.counting import Fault, Trial
from trials.stored import ONE, Stored, differences

STREAMS = (
    *("| true", "| head -2", "| head -c 10", "2>&1 | head -1", "2>&1 >/dev/null | true"),
    *(">&-", "2>&-", ">&- 2>&-", ">/dev/null 2>&1", "2> /dev/full", "<&- | head -1"),
)
FULL = "> /dev/full"
FAILING = "P(sp500.max_drawdown >= 0.05) < 0.0001"


def streams(stored: Stored) -> Trial:
    """Commands whose streams go where no reader is; their exit codes and files as with one."""
    codes: dict[tuple[object, ...], int] = {}

    def trial(dice: random.Random, spot: Path) -> Iterator[Fault]:
        streams = dice.choice(STREAMS)
        if dice.random() < 0.2:
            yield from _run(spot, stored, streams)
            return
        lines: list[tuple[object, ...]] = [
            ("show", stored.run_folder),
            ("show", stored.run_folder, "--json"),
            ("list", stored.run_folder.parent),
            ("path", stored.run_folder, 1),
            ("path", stored.run_folder, 1000),
            ("check", stored.story),
            ("schema",),
            ("baseline",),
            ("--help",),
            ("show", spot / "nothing"),
        ]
        line = dice.choice(lines)
        if line not in codes:
            codes[line] = here(*line).code or 0
        if dice.random() < 0.1 and not codes[line]:
            yield from shell(_words(*line, FULL)).faults(4)
        else:
            yield from shell(_words(*line, streams)).faults(codes[line])

    return trial


def _words(*line: object) -> str:
    *words, streams = (str(word) for word in line)
    return f"{shlex.join([*CRASHSIM, *words])} {streams}"


def _run(spot: Path, stored: Stored, streams: str) -> Iterator[Fault]:
    """A limit that fails is exit 99 and the run is stored, whoever reads."""
    parent = spot / "results"
    line = ("run", stored.story, "-o", parent, "--threshold", FAILING, *ONE, streams)
    yield from shell(_words(*line)).faults(99)
    folder = only(parent)
    load_run(folder)
    tables = {n: whole for n, whole in stored.plain_run.items() if n.endswith((".npz", ".csv"))}
    yield from differences(folder, tables)
