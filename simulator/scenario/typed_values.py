"""``--set`` and ``--vary`` as people type them: short keys and percentages, taken as meant or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from simulator.errors import UsageError, plain
from simulator.scenario.scenario_schema import ScenarioFile
from simulator.scenario.sweep_design import Spec, parse_vary
from simulator.schema import Params, override_path, parse_override
from simulator.schema.validation_errors import spec_at

_PERCENTAGE = re.compile(r"[+-]?\d+(?:\.\d+)? ?%")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


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
        key = _new_key("--set", typed.strip(), overrides, say)
        value = _plain_number(f"--set {plain(key)}={right}", key, _with_point(key, right.strip()))
        overrides[key] = parse_override(f"{key}{equals}{value}")[1]
    return overrides


def parse_varied(texts: Iterable[str], say: Callable[[str], None]) -> dict[str, Spec]:
    """Specs of the values of a sweep by full key, from texts ``KEY=SPEC`` or ``KEY``.

    Keys and percentages are read as in :func:`parse_overrides`, each value and each end of a range by
    itself: ``60%,0.9``, ``60%:90%:4``. Raises UsageError as it does.
    """
    specs: dict[str, Spec] = {}
    for text in texts:
        typed, spec = parse_vary(text)
        key = _new_key("--vary", typed, specs, say)
        if isinstance(spec, str):
            parts = re.split("([,:])", spec)
            spec = "".join(_plain_number(f"--vary {plain(text)}", key, p.strip()) for p in parts)
        specs[key] = spec
    return specs


def parse_range(key: str, text: str) -> tuple[float, float]:
    """Lowest and highest value of ``key`` from ``LOW:HIGH``, either a number or a percentage. Raises UsageError."""
    where = f"--range {plain(text)}"
    parts = [_plain_number(where, key, part.strip()) for part in text.split(":")]
    try:
        low, high = map(float, parts)
    except ValueError:
        raise UsageError(f"{where}: expected LOW:HIGH, such as 0.6:1.4") from None
    return low, high


def _new_key(option: str, typed: str, known: Mapping[str, Any], say: Callable[[str], None]) -> str:
    """The full key, which is not among those ``known`` yet. Raises UsageError."""
    key = parse_key(option, typed, say)
    if key in known:
        raise UsageError(f"{option} gives {plain(key)} twice: leave one out")
    return key


def parse_key(option: str, typed: str, say: Callable[[str], None]) -> str:
    """The full key of what was typed behind ``option``; ``say`` is given what it is taken for. Raises UsageError."""
    try:
        key = full_key(typed)
    except UsageError as error:
        raise UsageError(f"{option} {error}") from None
    if key != typed:
        say(f"{option} {plain(typed)} is taken for {key}")
    return key


def full_key(typed: str) -> str:
    """The key with its table, where what was typed begins in one table only; else as typed.

    ``elasticity.mean`` is ``technology.elasticity.mean``, never what is priced in: that is
    ``consensus.elasticity``.

    Raises
    ------
    UsageError
        With the candidates, where several tables have the key.
    """
    name, dot, rest = typed.partition(".")
    if name in ScenarioFile.model_fields:
        return typed
    tables = {
        table: field.annotation
        for table, field in ScenarioFile.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Params)
    }
    keys = [f"{table}.{name}" for table, owner in tables.items() if name in _fields(owner)]
    if len(keys) > 1:
        raise UsageError(f"{typed} could be {' or '.join(keys)}: write one of them")
    return f"{keys[0]}{dot}{rest}" if keys else typed


def _fields(table: type[BaseModel]) -> Iterable[str]:
    return (field.alias or name for name, field in table.model_fields.items())


def _with_point(key: str, right: str) -> str:
    """The right side as it is, if no comma stands where a point has to. Raises UsageError."""
    if _DECIMAL_COMMA.fullmatch(right):
        whole = f" or {right.replace(',', '')}" if _THOUSANDS.fullmatch(right) else ""
        raise UsageError(
            f"--set {plain(key)}={right}: a comma is no part of a number; "
            f"write {right.replace(',', '.')}{whole}"
        )
    return right


def _plain_number(text: str, key: str, number: str) -> str:
    """The number with a percentage as the share it stands for. Raises UsageError."""
    if not _PERCENTAGE.fullmatch(number):
        return number
    spec = spec_at(ScenarioFile, override_path(key))
    if spec is None or not spec.unit.startswith(("share", "probability")):
        what = f"is in {spec.unit}" if spec is not None else "is not known to be a share"
        raise UsageError(f"{text}: {plain(key)} {what}; write it as a number")
    return f"{float(number.rstrip('% ')) / 100:.12g}"
