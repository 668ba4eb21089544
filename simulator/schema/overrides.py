"""Values from the command line or a notebook, to be laid over a scenario file."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tomli

from simulator.errors import UsageError, plain
from simulator.schema.toml_positions import Path as KeyPath
from simulator.schema.toml_positions import dotted

_BARE_POINT = re.compile(r"[+-]?(?:\.\d+|\d+\.)")  # numbers in Python, and not in TOML
_MOST_NESTED = 50  # far more than any scenario has, far less than Python can recurse
_INDEX = re.compile(r"[0-9]{1,5}")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,11}")


def parse_override(text: str) -> tuple[str, Any]:
    """Key and value of `a.b=0.9`; the right side is TOML. Raises UsageError."""
    typed, equals, right = text.partition("=")
    typed, right = typed.strip(), right.strip()
    if not equals or not _KEY.fullmatch(typed):
        raise UsageError(
            f"--set {plain(text)}: expected KEY=VALUE, such as --set technology.elasticity=0.8"
        )
    try:
        parsed = tomli.loads(f"value = {right}")
    except (ValueError, RecursionError):
        hint = f"; for text write {typed}='\"{right}\"'" if re.fullmatch(r"[\w. -]+", right) else ""
        if _BARE_POINT.fullmatch(right):
            hint = f"; write {typed}={float(right)!r}"
        raise UsageError(
            f"--set {plain(text)}: the right side is not a TOML value{plain(hint)}"
        ) from None
    if parsed.keys() != {"value"}:
        raise UsageError(f"--set {plain(text)}: one value at a time")
    if _is_nested_beyond(_MOST_NESTED, parsed["value"]):
        raise UsageError(f"--set {plain(text)}: nested too deeply")
    return typed, parsed["value"]


def _is_nested_beyond(levels: int, value: Any) -> bool:
    """Whether tables and lists lie deeper in each other than this; without recursion."""
    level = [value]
    for _ in range(levels):
        tables = [item.values() for item in level if isinstance(item, dict)]
        lists = [item for item in level if isinstance(item, list)]
        level = [inner for outer in (*tables, *lists) for inner in outer]
    return bool(level)


def override_path(typed: str) -> KeyPath:
    """Key path of a dotted key; a part made of digits is a list index."""
    return tuple(int(part) if _INDEX.fullmatch(part) else part for part in typed.split("."))


def lay(data: dict[str, Any], path: KeyPath, value: Any) -> str:
    """Puts a value at a path, making missing tables; returns what is wrong, or "".

    Tables and lists on the way are replaced by copies, so ``data`` may share them with others.
    """
    node: Any = data
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        where = dotted(path[:depth])
        if isinstance(node, list):
            if not isinstance(part, int) or part >= len(node):
                return (
                    f"{where} has {len(node)} entries, counted from 0: there is no {where}.{part}"
                )
            if last:
                node[part] = value
            else:
                node[part] = node = copy.copy(node[part])
        elif isinstance(node, dict):
            key = str(part)
            if last:
                node[key] = value
            else:
                node[key] = node = copy.copy(node.get(key, {}))
        else:
            return f"{where} is a value, not a table: {dotted(path)} cannot be set"
    return ""


def plain_value(value: Any) -> Any:
    """The value as TOML would have given it: numpy scalars and tuples come from notebooks."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    return copy.deepcopy(value)


def toml_value(value: Any) -> str:
    """A value as it would stand in a TOML file, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{plain(escaped, 10_000)}"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a huge integer"
    return str(value)
