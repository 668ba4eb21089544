"""``--set KEY=VALUE`` as people type it: short keys and percentages, taken as meant or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel

from simulator.errors import UsageError, plain
from simulator.scenario.scenario_schema import ScenarioFile
from simulator.schema import Params, override_path, parse_override
from simulator.schema.validation_errors import spec_at

_PERCENTAGE = re.compile(r"[+-]?\d+(?:\.\d+)? ?%")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def parse_overrides(texts: Iterable[str], say: Callable[[str], None]) -> dict[str, Any]:
    """Overrides by full key, in the order typed.

    Parameters
    ----------
    texts
        Each ``KEY=VALUE``. A key without a table is completed where only one table has it, and
        a percentage is the share it stands for.
    say
        Is given a sentence for every key that was completed.

    Raises
    ------
    UsageError
        If a text cannot be read, a short key is ambiguous, or a key is given twice.
    """
    overrides: dict[str, Any] = {}
    for text in texts:
        typed, equals, right = text.partition("=")
        key = full_key(typed.strip())
        if key != typed.strip():
            say(f"--set {plain(typed.strip())} is taken for {key}")
        value = parse_override(f"{key}{equals}{_plain_number(key, right.strip())}")[1]
        if key in overrides:
            raise UsageError(f"--set gives {plain(key)} twice: leave one out")
        overrides[key] = value
    return overrides


def full_key(typed: str) -> str:
    """The key with its table, for a last part that only one table has; else as typed.

    What is priced in (``technology.consensus``) must be named in full.

    Raises
    ------
    UsageError
        With the candidates, where several tables have the key.
    """
    if "." in typed:
        return typed
    tables = {
        name: field.annotation
        for name, field in ScenarioFile.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Params)
    }
    if typed in ScenarioFile.model_fields:
        return typed
    keys = [f"{name}.{typed}" for name, table in tables.items() if typed in _fields(table)]
    if len(keys) > 1:
        raise UsageError(f"--set {typed} could be {' or '.join(keys)}: write one of them")
    return keys[0] if keys else typed


def _fields(table: type[BaseModel]) -> Iterable[str]:
    return (field.alias or name for name, field in table.model_fields.items())


def _plain_number(key: str, right: str) -> str:
    """The right side with a percentage as the share it stands for. Raises UsageError."""
    if _DECIMAL_COMMA.fullmatch(right):
        raise UsageError(
            f"--set {plain(key)}={right}: a decimal point is needed; write {right.replace(',', '.')}"
        )
    if not _PERCENTAGE.fullmatch(right):
        return right
    spec = spec_at(ScenarioFile, override_path(key))
    if spec is None or not spec.unit.startswith(("share", "probability")):
        what = f"is in {spec.unit}" if spec is not None else "is not known to be a share"
        raise UsageError(f"--set {plain(key)}={right}: {plain(key)} {what}; write it as a number")
    return f"{float(right.rstrip('% ')) / 100:.12g}"
