"""What can go wrong, as exceptions that carry data; each has the exit code of the command line.

0 ok, 1 bug, 2 usage, 3 invalid scenario or baseline, 4 run failed, 5 cells of a sweep failed, 6 folder
locked. A failed threshold is a result, not an error (exit code 99).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

_LONGEST_LINE = 160


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 path", "10,000 paths"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def plain(text: str, longest: int = _LONGEST_LINE) -> str:
    """One printable line: control and format characters become "?", what is too long is cut.

    Text from a file reaches terminals and reports; an ESC or a right-to-left override must not.
    """
    if len(text) > longest:
        text = text[: longest - 3] + "..."
    return "".join(_printable(character) for character in text)


def _printable(character: str) -> str:
    if character == "\t":
        return " "
    return "?" if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character


class CrashsimError(Exception):
    """Base of every error a user can meet. Its text is ready to print."""

    exit_code: ClassVar[int] = 1


class UsageError(CrashsimError):
    """The command or call itself is wrong."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a file: where, what came, what is allowed, what to try.

    `line` and `column` count from 1, in characters. `key` is dotted, "" for the file as a whole. `file` is "--set"
    for a value from the command line; `source_line` is then the text that was typed. A file that could not be read
    has line 0.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    expected: str = ""
    hint: str = ""
    source_line: str = ""

    @property
    def place(self) -> str:
        """file:line:column, as editors and terminals understand it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        gutter = " " * len(str(self.line))
        lines = [f"error: {plain(self.message, 400)}", f"{gutter}--> {plain(self.place)}"]
        if self.line and self.source_line:
            shown, caret = _around(self.source_line, self.column)
            lines += [f"{gutter} |", f"{self.line} | {shown}", f"{gutter} | {' ' * caret}^"]
        if self.expected:
            lines.append(f"{gutter} = allowed: {plain(self.expected, 400)}")
        if self.hint:
            lines.append(f"{gutter} = try: {plain(self.hint, 400)}")
        return "\n".join(lines)


def _around(line: str, column: int) -> tuple[str, int]:
    """The part of a long line that holds the column, and where the caret stands under it."""
    start = 0 if column <= _LONGEST_LINE - 20 else column - 60
    shown = ("..." if start else "") + line[start:]
    return plain(shown.rstrip()), column - 1 - start + (3 if start else 0)


class ScenarioError(CrashsimError):
    """A scenario or universe file is invalid. Holds every problem that was found, in file order."""

    exit_code = 3

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(
            sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))
        )
        if not self.problems:
            raise ValueError("a ScenarioError needs at least one problem")
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        total = "1 problem" if count == 1 else f"{count} problems"
        return "\n\n".join([*map(str, self.problems), f"{total} found"])


class BaselineError(CrashsimError):
    """A file of closing prices is unusable; ``others`` are further faults, as line and message."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        file: str = "",
        line: int = 0,
        others: tuple[tuple[int, str], ...] = (),
    ) -> None:
        self.message, self.file, self.line, self.others = message, file, line, others
        super().__init__(message, file, line, others)

    def __str__(self) -> str:
        faults = ((self.line, self.message), *self.others)
        return "\n".join(plain(self._place(line)) + plain(text, 400) for line, text in faults)

    def _place(self, line: int) -> str:
        return f"{self.file}:{line}: " if line else f"{self.file}: " if self.file else ""


class RunError(CrashsimError):
    """A run could not finish: a non-finite number, no memory, no disk."""

    exit_code = 4


class NotFinite(RunError):
    """A quantity left the finite numbers; `path` and `quantity` are None and "" if nothing shows which."""

    def __init__(
        self, message: str, block: int, path: int | None, step: int, quantity: str
    ) -> None:
        self.message, self.block, self.path = message, block, path
        self.step, self.quantity = step, quantity
        super().__init__(message, block, path, step, quantity)  # what comes from a worker is whole

    def __str__(self) -> str:
        return self.message


class StoreError(CrashsimError):
    """A run folder is missing, damaged, or of a format this version cannot read."""

    exit_code = 4


class FailedCells(CrashsimError):
    """Cells of a sweep could not be simulated; the others are done."""

    exit_code = 5


class LockedError(CrashsimError):
    """Another process is writing this run folder."""

    exit_code = 6
