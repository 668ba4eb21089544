"""Where each key of a TOML file stands, so that an error can point at its line.

The parser gives values without places. This second, lenient reading gives places without
values; it expects text the parser has accepted, and never fails on any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import tomli

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the root of the document."""

DEEPEST = 16
"""Longer paths are not recorded: no valid file has them, and a hostile one may have millions."""

_BLANK = re.compile(r"(?:[\s,]|#[^\n]*)*")
_KEY = re.compile(
    r"\s*(\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|[^\s.=\[\]{},#\"']+)[ \t]*(\.?)", re.DOTALL
)
_SCALAR = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*"
    r"|[^\s,\]}#]+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Offsets into the text (0-based): of the key and of its value (the same for tables and list items)."""

    key: int
    value: int


def locate(text: str) -> dict[Path, Place]:
    """Place of every table, key and list item of a TOML document, by path.

    Tables that are only implied, as `a` in `[a.b]`, stand where they are first named.
    """
    return _Reader(text).places


def dotted(path: Path) -> str:
    """A key path as users write it."""
    return ".".join(map(str, path))


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of an offset."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class _Reader:
    """One pass with an explicit stack: a file nested 400 deep must not exhaust Python's."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.places: dict[Path, Place] = {(): Place(0, 0)}
        self._lists: dict[Path, int] = {}  # path of an array of tables -> entries so far
        self._read()

    def _record(self, path: Path, key: int, value: int, *, implied: bool = False) -> None:
        if len(path) <= DEEPEST and not (implied and path in self.places):
            self.places[path] = Place(key, value)

    def _key(self, start: int) -> tuple[list[tuple[str, int]], int]:
        """Parts of a dotted key with their offsets, and the offset after it."""
        parts: list[tuple[str, int]] = []
        position = start
        while match := _KEY.match(self.text, position):
            parts.append((_unquoted(match[1]), match.start(1)))
            position = match.end()
            if not match[2]:
                break
        return parts, position

    def _read(self) -> None:
        text, position = self.text, 0
        table: Path = ()
        # Open lists and inline tables, innermost last: path, closing bracket, next index.
        stack: list[tuple[Path, str, int]] = []
        while True:
            blank = _BLANK.match(text, position)
            position = blank.end() if blank else position
            if position >= len(text):
                return
            start = position
            if stack and text[position] == stack[-1][1]:
                stack.pop()
                position += 1
                continue
            if not stack and text[position] == "[":
                table, position = self._header(position)
                continue
            if stack and stack[-1][1] == "]":
                parent, closing, index = stack.pop()
                stack.append((parent, closing, index + 1))
                path, key = _extended(parent, index), start
            else:
                parts, position = self._key(position)
                path = stack[-1][0] if stack else table
                for name, offset in parts:
                    path, key = _extended(path, name), offset
                    self._record(path, offset, offset, implied=True)
                equals = re.compile(r"\s*=\s*").match(text, position)
                if not parts or not equals:  # not TOML: skip a character rather than stand still
                    position = max(position, start + 1)
                    continue
                position = equals.end()
            self._record(path, key, position)
            opened = text[position : position + 1]
            if opened in ("[", "{"):
                stack.append((path, "]" if opened == "[" else "}", 0))
                position += 1
            elif scalar := _SCALAR.match(text, position):
                position = scalar.end()
            else:
                position += 1

    def _header(self, position: int) -> tuple[Path, int]:
        """Path of the table a `[header]` or `[[header]]` opens, and the offset after it."""
        double = self.text.startswith("[[", position)
        parts, end = self._key(position + (2 if double else 1))
        path: Path = ()
        for number, (name, offset) in enumerate(parts):
            path = _extended(path, name)
            last = number == len(parts) - 1
            self._record(path, offset, offset, implied=not last or double)
            if last and double:
                self._lists[path] = self._lists.get(path, 0) + 1
            if path in self._lists:
                path = _extended(path, self._lists[path] - 1)
                self._record(path, offset, offset, implied=True)
        closing = re.compile(r"\s*\]{1,2}").match(self.text, end)
        return path, closing.end() if closing else max(end, position + 1)


def _extended(path: Path, part: str | int) -> Path:
    """The path one step further; past the recorded depth it no longer grows."""
    return (*path, part) if len(path) <= DEEPEST else path


def _unquoted(token: str) -> str:
    if token[0] == "'":
        return token[1:-1]
    if token[0] != '"':
        return token
    if "\\" not in token:
        return token[1:-1]
    try:
        return next(iter(tomli.loads(f"{token}=0")))
    except tomli.TOMLDecodeError:
        return token[1:-1]
