"""Reading a TOML file that a stranger may have sent: small, UTF-8, shallow, printable.

A `TomlFile` is the file's data plus the place of every key, with values from the command
line (`--set`) laid over it. It turns a key path into a `Problem` that points at the file's
line, or at the override that set the value.
"""

from __future__ import annotations

import copy
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import tomli

from simulator.errors import Problem, ScenarioError, plain
from simulator.schema.overrides import lay, override_path, plain_value, toml_value
from simulator.schema.toml_positions import Path as KeyPath
from simulator.schema.toml_positions import Place, dotted, line_and_column, locate

MOST_BYTES = 256 * 1024
MOST_LEVELS = 12
MOST_VALUES = 20_000
LONGEST_STRING = 200
LONGEST_SOURCE = 600  # strings under [sources]: quotations are long
MOST_PROBLEMS = 200
OVERRIDE = "--set"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
NAME_RULE = "1 to 64 letters, digits, dots, underscores or hyphens, the first a letter or digit"


def is_name(text: str) -> bool:
    """Whether the text can name a run, scenario or universe on any system, and never a path elsewhere."""
    return bool(_NAME.fullmatch(text)) and not _DEVICES.fullmatch(text) and not text.endswith(".")


@dataclass(frozen=True)
class TomlFile:
    """A parsed TOML file that can say where each key stands.

    `raw` is the file byte for byte, `data` its content with the overrides in place,
    `overrides` the value set for each dotted key.
    """

    file: str
    raw: bytes = field(repr=False)
    text: str = field(repr=False)
    data: dict[str, Any] = field(repr=False)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def places(self) -> dict[KeyPath, Place]:
        """Offsets of every key of the file."""
        return locate(self.text)

    def problem(
        self,
        path: KeyPath,
        message: str,
        *,
        expected: str = "",
        hint: str = "",
        at_key: bool = False,
    ) -> Problem:
        """A problem at a key path: at its value, or at its key; at the nearest table above a missing one."""
        key = dotted(path)
        typed = self.override_of(path)
        if typed is not None:
            source_line = f"{typed}={toml_value(self.overrides[typed])}"
            column = 1 if at_key else len(typed) + 2
            return Problem(OVERRIDE, 1, column, key, message, expected, hint, source_line)
        while path not in self.places:
            path = path[:-1]
        place = self.places[path]
        return self.problem_at(
            place.key if at_key else place.value, message, key=key, expected=expected, hint=hint
        )

    def problem_at(
        self, offset: int, message: str, *, key: str = "", expected: str = "", hint: str = ""
    ) -> Problem:
        """A problem at an offset into the text."""
        line, column = line_and_column(self.text, offset)
        start = offset - column + 1
        end = self.text.find("\n", start)
        source_line = self.text[start:] if end < 0 else self.text[start:end]
        return Problem(self.file, line, column, key, message, expected, hint, source_line)

    def override_of(self, path: KeyPath) -> str | None:
        """The dotted key of the override that set this path, or part of it, if any."""
        for typed in reversed(list(self.overrides)):
            keys = override_path(typed)
            if keys == path[: len(keys)] or (
                path and path == keys[: len(path)] and path not in self.places
            ):
                return typed
        return None

    def origin(self, path: KeyPath) -> str:
        """Origin of a value: "--set", or file:line."""
        if self.override_of(path) is not None:
            return OVERRIDE
        place = self.places.get(path)
        line = line_and_column(self.text, place.value)[0] if place else 0
        return f"{Path(self.file).name}:{line}"

    def without(self, paths: Iterable[KeyPath]) -> TomlFile:
        """The file without the values at these paths; places and overrides are as before."""
        data = dict(self.data)
        for path in paths:
            node: Any = data
            for part in path[:-1]:
                node[part] = node = copy.copy(node[part])
            del node[path[-1]]
        rest = TomlFile(self.file, self.raw, self.text, data, self.overrides)
        vars(rest)["places"] = self.places  # the same text
        return rest

    def with_overrides(self, overrides: Mapping[str, Any]) -> TomlFile:
        """The file with values laid over it; refuses keys that lead nowhere."""
        plain_values = {typed: plain_value(value) for typed, value in overrides.items()}
        data = dict(self.data)
        laid = TomlFile(self.file, self.raw, self.text, data, plain_values)
        vars(laid)["places"] = self.places  # the same text
        problems = []
        for typed, value in plain_values.items():
            fault = lay(data, override_path(typed), value)
            if fault:
                problems.append(laid.problem(override_path(typed), fault, at_key=True))
        problems += _unhygienic(laid, overridden_only=True)
        if problems:
            raise ScenarioError(problems)
        return laid


def read_toml(path: Path) -> TomlFile:
    """Reads and parses a file; raises ScenarioError with every fault of form.

    Regular files only (a pipe or device could block or never end), at most 256 KiB, UTF-8.
    """
    shown = str(path)

    def refuse(message: str, expected: str = "", hint: str = "") -> ScenarioError:
        return ScenarioError([Problem(shown, 0, 0, "", message, expected, hint)])

    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise refuse(f"{plain(shown)} is {kind}", "a TOML file")
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        hint = "check the path; `crashsim new` starts one"
        raise refuse(f"{plain(shown)} does not exist", hint=hint) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise refuse(f"{plain(shown)} cannot be read: {reason}") from None
    if len(raw) > MOST_BYTES:
        raise refuse(f"{plain(shown)} is too large", f"at most {MOST_BYTES // 1024} KiB")
    return parse_toml(raw, shown)


def parse_toml(raw: bytes, file: str) -> TomlFile:
    """Parses the bytes of a file called `file`; raises ScenarioError with every fault of form."""
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        fault, hint = "this byte is not UTF-8", "save the file as UTF-8"
        raise ScenarioError([Problem(file, line, column, "", fault, "UTF-8 text", hint)]) from None
    bare = TomlFile(file, raw, text, {})
    hidden = _hidden_characters(bare)
    if hidden:
        raise ScenarioError(hidden)
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        offset = _offset(text, error.lineno, error.colno)
        raise ScenarioError([bare.problem_at(offset, f"not valid TOML: {error.msg}")]) from None
    except RecursionError:
        deep = bare.problem_at(0, "nested too deeply", expected=f"at most {MOST_LEVELS} levels")
        raise ScenarioError([deep]) from None
    except ValueError:  # Python's own limit on the digits of an integer
        digits = re.search(r"[0-9A-Fa-f_]{1000,}", text)
        long = bare.problem_at(digits.start() if digits else 0, "a number with thousands of digits")
        raise ScenarioError([long]) from None
    parsed = TomlFile(file, raw, text, data)
    problems = _unhygienic(parsed)
    if problems:
        raise ScenarioError(problems)
    return parsed


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    offset = min(start + column - 1, len(text))
    # "At the end of the document" means the end of what was written, not the blank after it.
    return offset if text[offset:].strip() else max(len(text.rstrip()) - 1, 0)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"}


def _hidden_characters(file: TomlFile) -> list[Problem]:
    """Control and format characters anywhere, comments too: they make a file read other than it is."""
    suspects = {c for c in set(file.text) if _is_hidden(c)} - {"\n", "\t", "\r"}
    if not suspects:
        return []
    pattern = re.compile("[" + re.escape("".join(sorted(suspects))) + "]")
    return [
        file.problem_at(
            match.start(), f"invisible character U+{ord(match[0]):04X}", hint="delete it"
        )
        for match, _ in zip(pattern.finditer(file.text), range(MOST_PROBLEMS), strict=False)
    ]


def _unhygienic(file: TomlFile, *, overridden_only: bool = False) -> list[Problem]:
    """Faults that need no schema: too deep, too long, invisible characters written as escapes."""
    problems: list[Problem] = []
    data = file.data
    if overridden_only:  # the rest was checked when it was read
        touched = {str(override_path(typed)[0]) for typed in file.overrides}
        data = {key: value for key, value in data.items() if key in touched}
    for count, (path, value) in enumerate(_walk(data)):
        if count >= MOST_VALUES:
            message = "more keys and values than any scenario needs"
            return [file.problem_at(0, message, expected=f"at most {MOST_VALUES:,}")]
        if len(problems) >= MOST_PROBLEMS:
            break
        if overridden_only and file.override_of(path) is None:
            continue
        if len(path) > MOST_LEVELS:
            levels = f"at most {MOST_LEVELS} levels"
            problems.append(file.problem(path, "nested too deeply", expected=levels))
            continue
        longest = LONGEST_SOURCE if "sources" in path else LONGEST_STRING
        for text, what, at_key in ((path[-1], "key", True), (value, "text", False)):
            if not isinstance(text, str):
                continue
            hidden = next((c for c in text if _is_hidden(c)), None)
            if hidden is not None:
                message = f"invisible character U+{ord(hidden):04X} in this {what}"
                problems.append(file.problem(path, message, hint="delete it", at_key=at_key))
            elif len(text) > longest:
                message, most = f"{what} of {len(text):,} characters", f"at most {longest}"
                problems.append(file.problem(path, message, expected=most, at_key=at_key))
    return problems


def _walk(data: dict[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Every key and list item with its path, without recursion and not below one level too many."""
    stack: list[tuple[KeyPath, Any]] = [((), data)]
    while stack:
        path, value = stack.pop()
        if path:
            yield path, value
        if len(path) > MOST_LEVELS:
            continue
        if isinstance(value, dict):
            stack += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            stack += [((*path, index), item) for index, item in enumerate(value)]
