"""Turns what pydantic says about a value into what a user needs: place, value, what is allowed, what to try."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from simulator.errors import Problem, plain
from simulator.schema.distributions import SHAPES
from simulator.schema.overrides import toml_value
from simulator.schema.parameters import InvalidValue, Params, Spec
from simulator.schema.toml_document import MOST_PROBLEMS, TomlFile
from simulator.schema.toml_positions import Path

_TYPES = {
    "bool_type": "true or false",
    "date_type": "a date such as 2025-01-24, without quotes",
    "date_from_datetime_inexact": "a date such as 2025-01-24, without a time",
    "dict_type": "a table",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_type": "text in quotes",
    "tuple_type": "a list",
}


_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
}


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word most like this one, "" if none is."""
    matches = difflib.get_close_matches(word[:64], list(known), n=1, cutoff=0.6)
    return f"did you mean `{matches[0]}`?" if matches else ""


def shown(value: object) -> str:
    """A value in a message: as in the file, cut short."""
    return plain(toml_value(value), 60)


def problems_of(
    error: ValidationError, root: type[BaseModel], file: TomlFile, path: Path = ()
) -> list[Problem]:
    """Problems for every fault that pydantic finds in the table at `path`, which has the class `root`."""
    faults = error.errors(include_url=False, include_context=True)
    inside = {fault["loc"][:end] for fault in faults for end in range(len(fault["loc"]))}
    # A list of which no entry is sound counts as too short as well.
    faults = [f for f in faults if f["type"] != "too_short" or f["loc"] not in inside]
    return [_problem(dict(fault), root, file, path) for fault in faults[:MOST_PROBLEMS]]


def _problem(fault: dict[str, Any], root: type[BaseModel], file: TomlFile, base: Path) -> Problem:
    loc: Path = fault["loc"]
    kind, value, context = fault["type"], fault.get("input"), fault.get("ctx") or {}
    path = base + _without_tags(loc, _value_at(file.data, base))
    last = str(path[-1]) if path else ""
    cause = context.get("error")
    if isinstance(cause, InvalidValue):
        path += cause.where
        return file.problem(path, cause.message, expected=cause.expected, hint=cause.hint)
    spec = spec_at(root, loc)
    allowed, hint = spec.allowed if spec else "", ""
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(fault, path, file, allowed)
    if kind == "extra_forbidden":
        keys = keys_at(root, loc[:-1])
        few = "known keys: " + ", ".join(keys) if 0 < len(keys) <= 12 else ""
        what = "table" if isinstance(value, dict) else "key"
        where = f" in {'.'.join(map(str, path[:-1]))}" if path[:-1] else ""
        message, hint = f"unknown {what} `{plain(last, 64)}`{where}", suggestion(last, keys) or few
        return file.problem(path, message, hint=hint, at_key=True)
    if kind == "missing":
        message, hint = f"`{last}` is missing", _advice(root, loc)
        return file.problem(path, message, expected=allowed, hint=hint, at_key=True)
    message, expected = f"{last} = {shown(value)}", allowed
    if kind in _TYPES:
        message += " is of the wrong type"
        expected = _TYPES[kind] + (f", {allowed}" if allowed else "")
    elif kind in _LIMITS:
        message += " is outside the allowed range"
        limits = [(word, context[name]) for name, word in _LIMITS.values() if name in context]
        expected = " and ".join(f"{word} {limit:,}" for word, limit in limits)
    elif kind == "literal_error":
        message += " is not known"
        expected = str(context.get("expected", ""))
        hint = suggestion(str(value), expected.replace("'", "").replace(" or ", ", ").split(", "))
    else:
        reason = fault["msg"].removeprefix("Value error, ")
        message = f"{message}: {reason}" if last else reason
    return file.problem(path, message, expected=expected, hint=hint)


def _wrong_tag(fault: dict[str, Any], path: Path, file: TomlFile, allowed: str) -> Problem:
    """A table whose `kind` or `dist` is missing or unknown."""
    value, context = fault["input"], fault.get("ctx") or {}
    event = "kind" in str(context.get("discriminator", ""))
    key = "kind" if event else "dist"
    if isinstance(value, dict) and key in value:
        given = value[key]
        known = (
            [tag.strip(" '") for tag in context.get("expected_tags", "").split(",")]
            if event
            else list(SHAPES)
        )
        return file.problem(
            (*path, key),
            f"{key} = {shown(given)} is not known",
            expected=", ".join(filter(None, known)) or "text in quotes",
            hint=suggestion(str(given), known),
        )
    if event:
        return file.problem(
            path, "`kind` is missing", hint='say which kind of event it is, e.g. kind = "price_cut"'
        )
    return file.problem(
        path,
        f"{shown(value)} is neither a number nor a distribution",
        expected=allowed,
        hint=f"dist = one of {', '.join(SHAPES)}; or quantiles p5, p50, p95",
    )


def _advice(root: type[BaseModel], loc: Path) -> str:
    """What to write for a missing key: its description."""
    owner = _class_at(root, loc[:-1])
    field = owner.model_fields.get(str(loc[-1])) if owner else None
    return f"add it: {field.description}" if field and field.description else "add it"


def _value_at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _without_tags(loc: Path, node: Any) -> Path:
    """Pydantic puts the chosen member of a union into its paths; the file has no such key."""
    path: Path = ()
    for part in loc:
        if isinstance(node, dict):
            tag = node.get("dist", node.get("kind"))
            quantiles = part == "quantiles" and "dist" not in node
            if part not in node and (part == tag or quantiles):
                continue
            node = node.get(part)
        elif isinstance(node, list | tuple) and isinstance(part, int):
            node = node[part] if part < len(node) else None
        elif part == "number":
            continue
        path += (part,)
    return path


def keys_at(root: type[BaseModel], loc: Path) -> list[str]:
    """Keys the table at this place may have."""
    owner = _class_at(root, loc)
    if owner is None:
        return []
    return [field.alias or name for name, field in owner.model_fields.items()]


def spec_at(root: type[BaseModel], loc: Path) -> Spec | None:
    """Declaration of the parameter at this place, or of the one whose distribution it is inside."""
    for end in range(len(loc), 0, -1):
        owner = _class_at(root, loc[: end - 1])
        if owner and issubclass(owner, Params) and loc[end - 1] in owner.specs():
            return owner.spec(str(loc[end - 1]))
    return None


def _class_at(root: type[BaseModel], loc: Path) -> type[BaseModel] | None:
    """Follows a place through the annotations to the class of its table."""
    at: Any = root
    for part in loc:
        at = _step(_bare(at), part)
    at = _bare(at)
    return at if isinstance(at, type) and issubclass(at, BaseModel) else None


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = next((f for n, f in annotation.model_fields.items() if part in (n, f.alias)), None)
        return field.annotation if field else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return next((member for member in map(_bare, arguments) if _tag(member) == part), None)
    if origin is tuple:
        return arguments[0]
    return arguments[1] if origin is dict else None


def _tag(member: Any) -> str | None:
    """The `kind` or `dist` that chooses this member of a union."""
    if not (isinstance(member, type) and issubclass(member, BaseModel)):
        return None
    for name in ("kind", "dist"):
        field = member.model_fields.get(name)
        if field and get_origin(field.annotation) is Literal:
            return str(get_args(field.annotation)[0])
    return "quantiles"
