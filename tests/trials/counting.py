"""What a campaign counts, and how a family of trials is run and repeated."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from trials.stored import Stored

KINDS = ("lost", "wrong", "outside", "tracebacks", "exit 1", "hangs")
"""Of faults: something that was stored is gone; a result, a file or an exit code is not what it should be; a
file outside the folder was touched; Python's own page; the exit code of a bug; no end in time."""
LONGEST = 15.0
"""Seconds that a command may take, not counting those in which it waits for a processor."""


class Fault(NamedTuple):
    """One of ``KINDS``, and what was seen."""

    kind: str
    text: str


class Skip(Exception):
    """This family cannot be tried here; the text says why."""


Trial = Callable[[random.Random, Path], Iterable[Fault]]
"""One trial in an empty folder of its own; all that is random comes from the generator."""
Family = Callable[["Stored"], Trial]
"""Gives the trial, after what it needs has been prepared once. Raises Skip."""


@dataclass
class Count:
    """What the trials of a family showed."""

    family: str
    trials: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    skipped: str = ""

    def row(self) -> str:
        """A row of the table; a trial counts once in each column."""
        cells = [self.skipped or f"{self.trials:,}", *(str(self.faults[kind]) for kind in KINDS)]
        return f"| {self.family} | {' | '.join(cells)} | {self.seconds:.0f} |"


HEAD = f"| family | trials | {' | '.join(KINDS)} | seconds |\n|---|{'---:|' * (len(KINDS) + 2)}"


def count(name: str, family: Family, numbers: Iterable[int], seed: int, stored: Stored) -> Count:
    """Run trials of a family, by their numbers. Faults are printed with how to repeat them."""
    counted, began = Count(name), time.monotonic()
    try:
        trial = family(stored)
        for number in numbers:
            spot = stored.place / f"{name}-{number}"
            spot.mkdir()
            faults = list(trial(random.Random(f"{name} {seed} {number}"), spot))
            counted.trials += 1
            counted.faults.update({fault.kind for fault in faults})
            counted.seconds = time.monotonic() - began
            for fault in faults:
                repeat = f'make campaign ARGS="{name} --seed {seed} --number {number}"'
                sys.stderr.write(f"{fault.kind}: {fault.text}\n  repeat: {repeat}\n")
            shutil.rmtree(spot, ignore_errors=True)
    except Skip as skip:
        counted.skipped = str(skip)
    return counted
