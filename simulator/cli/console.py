"""What goes to which stream.

stdout carries the result and nothing else; progress, notes, warnings and the next command
to type go to stderr. Control characters that came in with a file name or a title are dropped; the
only escape sequences are ours, for bold, green and red, and only on a terminal without NO_COLOR.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from simulator.reports.text_lines import Line

_CODES = {"strong": "1", "good": "32", "bad": "1;31"}
"""Codes of a style; the words say the same."""

SCHEMA_VERSION = 1
"""Of the JSON documents that commands print."""

LINE_EVERY = 5.0
"""Seconds between progress lines where there is no terminal."""

# C0 and C1 controls but tab and newline, and the marks that reorder or hide text.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def clean(text: str) -> str:
    """Text without control and direction characters."""
    return _CONTROLS.sub("", text)


Tick = Callable[[int, int], None]
"""Is told how many paths are simulated, of how many."""


@dataclass(frozen=True)
class Screen:
    """The streams as one command sees them."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def width(self) -> int:
        """Columns to fill: those of COLUMNS or the terminal, within reason; 100 where there is none."""
        if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
            return 100  # a file reads the same, whoever wrote it
        return max(60, min(get_terminal_size((100, 24)).columns, 120))

    def text(self, text: str) -> None:
        """The result, for people."""
        _write(sys.stdout, text)

    def lines(self, lines: Iterable[Line]) -> None:
        """The result, line by line: in sparing colour on a terminal that wants it."""
        for line in lines:
            code = _CODES[line.style] if line.style and _wants_colour(sys.stdout) else ""
            _write(sys.stdout, line.text, code)

    def document(self, document: Mapping[str, Any]) -> None:
        """The result, for programs: one JSON document."""
        _write(
            sys.stdout,
            json.dumps(
                {"schema_version": SCHEMA_VERSION, **document},
                indent=2,
                allow_nan=False,
                ensure_ascii=False,
            ),
        )

    def result(
        self, document: Mapping[str, Any], text: str | Iterable[Line], following: str
    ) -> None:
        """A result in the form that was chosen, and the command to type next."""
        if self.as_json:
            self.document({**document, "next": following})
        elif isinstance(text, str):
            self.text(text)
        else:
            self.lines(text)
        self.next(following)

    def say(self, text: str) -> None:
        """A note; ``--quiet`` drops it."""
        if not self.quiet:
            _write(sys.stderr, text)

    def detail(self, text: str) -> None:
        """A note that only ``--verbose`` shows."""
        if self.verbose:
            _write(sys.stderr, text)

    def warn(self, text: str) -> None:
        """A warning, shown even when quiet."""
        _write(sys.stderr, f"warning: {text}")

    def next(self, command: str) -> None:
        """The command to type next."""
        self.say(f"next: {command}")

    @contextmanager
    def progress(self, what: str) -> Iterator[Tick]:
        """Progress in paths a second and time left: a bar on a terminal, else a line now and then."""
        if self.quiet:
            yield _nothing
        elif _is_tty(sys.stderr):
            with _bar(what) as tick:
                yield tick
        else:
            yield _Lines(what)


def _nothing(_done: int, _total: int) -> None:
    pass


class _Lines:
    def __init__(self, what: str) -> None:
        self.what, self.start = what, time.monotonic()
        self.last = self.start

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last >= LINE_EVERY and done:
            self.last = now
            rate = done / (now - self.start)
            _write(
                sys.stderr,
                f"{self.what}: {done:,} of {total:,} paths, {rate:,.0f} paths/s, "
                f"about {(total - done) / rate:,.0f} s left",
            )


@contextmanager
def _bar(what: str) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} paths/s" if task.speed else "")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} paths", markup=False),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(clean(what), total=1)

        def tick(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield tick


def _is_tty(stream: TextIO) -> bool:
    return bool(stream.isatty())


def _wants_colour(stream: TextIO) -> bool:
    return _is_tty(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(stream: TextIO, text: str, code: str = "") -> None:
    line = clean(text).rstrip("\n")
    stream.write(f"\x1b[{code}m{line}\x1b[0m\n" if code else f"{line}\n")
    stream.flush()
