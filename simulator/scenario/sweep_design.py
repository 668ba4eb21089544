"""Designs of a sweep: which assumptions vary, and the cells that follow.

A cell is a dict of dotted keys and their values, laid over the scenario as ``--set`` does. Its
base is the scenario as it is. Values are numbers, or texts where a key holds one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

import numpy as np
from pydantic import Field, model_validator

from simulator.arrays import FloatArray
from simulator.errors import UsageError, plain
from simulator.schema import InvalidValue, Params

Kind = Literal["grid", "zip", "lhs", "sobol", "oat"]
Number = int | float
Value = Number | str
Spec = str | Sequence[Value] | Number | None
"""How the values of a key are given: a list, "a:b:n", "log:a:b:n", "x,y,z"; None: its distribution."""

MOST_CELLS = 1_000_000
MOST_VALUES = 100_000
OAT_SHARES = (0.05, 0.5, 0.95)
"""Low, median and high of one-at-a-time, as shares of the assumption's own distribution."""

_SPEC = 'x,y,z or a:b:n or log:a:b:n, such as "0.5:0.98:9"'
_OF_A_SWEEP = {
    "scenario.paths": "all cells have as many paths: use --paths",
    "scenario.seed": "all cells share their draws: use --seed",
    "scenario.name": "it names the sweep",
    "scenario.title": "it names the sweep",
}
"""Keys that are the same in all cells, and why."""
UNIVERSE = "scenario.universe"
_TEXTS = re.compile(r"scenario\.universe|events\.[0-9]+\.(kind|firm)")
"""Keys whose values are texts that change what is simulated."""
_NO_ASSUMPTIONS = ("format_version", "sweep", "sources", "thresholds")
"""Tables without which a cell would be the same."""


@dataclass(frozen=True)
class Axis:
    """A key and the values it takes; None: those of its own distribution."""

    key: str
    values: tuple[Value, ...] | None = None

    @property
    def is_text(self) -> bool:
        """Whether its values are texts, which have no order but the one they are given in."""
        return is_text_key(self.key)


@dataclass(frozen=True)
class Design:
    """Which cells a sweep has. Made by :meth:`of`, or by the method named after its kind."""

    kind: Kind
    axes: tuple[Axis, ...]
    size: int = 0
    """Cells of a sampled design (lhs, sobol)."""
    seed: int = 0
    """Seed of a sampled design; the noise of the paths has the scenario's."""
    places: tuple[tuple[str, int], ...] = field(default=(), compare=False, repr=False)
    """File and line of each cell, of a design that was read from a file."""

    @classmethod
    def of(
        cls, kind: str, vary: Mapping[str, Spec], *, size: int | None = None, seed: int = 0
    ) -> Design:
        """A design from specs by key.

        Raises
        ------
        UsageError
            If a spec cannot be read or does not go with the kind.
        """
        try:
            return _design(kind, vary, size, seed)
        except InvalidValue as refusal:
            allowed = f"; allowed: {refusal.expected}" if refusal.expected else ""
            raise UsageError(f"{refusal.message}{allowed}") from None

    @classmethod
    def grid(cls, vary: Mapping[str, Spec]) -> Design:
        """Every combination of the values, the last key fastest."""
        return cls.of("grid", vary)

    @classmethod
    def zip(cls, vary: Mapping[str, Spec]) -> Design:
        """The first values of all keys, then the second, and so on."""
        return cls.of("zip", vary)

    @classmethod
    def lhs(cls, size: int, keys: Sequence[str] = (), seed: int = 0) -> Design:
        """A Latin hypercube over the keys' own distributions; no keys: all that are uncertain."""
        return cls.of("lhs", dict.fromkeys(keys), size=size, seed=seed)

    @classmethod
    def sobol(cls, size: int, keys: Sequence[str] = (), seed: int = 0) -> Design:
        """A scrambled Sobol sequence over the keys' own distributions; ``size`` is a power of 2."""
        return cls.of("sobol", dict.fromkeys(keys), size=size, seed=seed)

    @classmethod
    def one_at_a_time(cls, keys: Sequence[str] | Mapping[str, Spec] = ()) -> Design:
        """Each key by itself at its 5 %, 50 % and 95 % point, or at given values: for a tornado."""
        return cls.of("oat", keys if isinstance(keys, Mapping) else dict.fromkeys(keys))

    @property
    def keys(self) -> tuple[str, ...]:
        """The varied keys."""
        return tuple(axis.key for axis in self.axes)

    def __len__(self) -> int:
        """Number of cells, the base not counted."""
        lengths = [len(axis.values or ()) for axis in self.axes]
        if self.kind == "grid":
            return math.prod(lengths)
        if self.kind == "zip":
            return lengths[0]
        return sum(lengths) if self.kind == "oat" else self.size

    def document(self) -> dict[str, Any]:
        """The design for JSON; ``vary`` is a list, for a file may sort the keys of an object."""
        vary = [
            [axis.key, None if axis.values is None else list(axis.values)] for axis in self.axes
        ]
        return {"kind": self.kind, "vary": vary, "size": self.size, "seed": self.seed}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Design:
        """What :meth:`document` wrote."""
        axes = tuple(
            Axis(key, None if values is None else tuple(values)) for key, values in document["vary"]
        )
        return cls(document["kind"], axes, document["size"], document["seed"])


def is_text_key(key: str) -> bool:
    """Whether a key holds a text: the universe, or the kind or the firm of an event."""
    return _TEXTS.fullmatch(key) is not None


class SweepTable(Params):
    """`[sweep]`: the cells of `crashsim sweep`; a run takes no notice of it."""

    design: Kind = Field(default="grid", description="how the cells are chosen")
    cells: int | None = Field(
        default=None, ge=1, le=MOST_CELLS, description="number of cells of lhs and sobol"
    )
    seed: int = Field(default=0, ge=0, le=2**53, description="seed of lhs and sobol")
    vary: dict[str, Any] = Field(
        default_factory=dict,
        max_length=100,
        description='key -> [x, y, z], "a:b:n", "log:a:b:n", or "own" for its own distribution',
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.as_design()
        return self

    def as_design(self) -> Design:
        """The design; raises InvalidValue."""
        specs = {k: None if v == "own" else v for k, v in _flat(self.vary).items()}
        return _design(self.design, specs, self.cells, self.seed)


def parse_vary(text: str) -> tuple[str, Spec]:
    """Key and spec of ``KEY=SPEC``, or of ``KEY`` alone. Raises UsageError."""
    key, equals, spec = text.partition("=")
    if not key.strip() or (equals and not spec.strip()):
        raise UsageError(f"--vary {plain(text)}: expected KEY={_SPEC}")
    return key.strip(), spec.strip() if equals else None


# ---------------------------------------------------------------- specs


def _design(kind: str, vary: Mapping[str, Spec], size: int | None, seed: int) -> Design:
    if kind not in get_args(Kind):
        raise InvalidValue(f"no design is called {plain(kind, 40)}", ", ".join(get_args(Kind)))
    sampled = kind in ("lhs", "sobol")
    for key in vary:
        _check_key(key, vary)
    axes = tuple(Axis(key, _values(key, spec)) for key, spec in vary.items())
    for axis in axes:
        if axis.values is not None and sampled:
            raise InvalidValue(
                f"{kind} takes the values of {plain(axis.key)} from its own distribution",
                f"{plain(axis.key)} without values",
            )
        if axis.values is None and kind in ("grid", "zip"):
            raise InvalidValue(f"{plain(axis.key)} needs values in a {kind}", _SPEC)
    if not axes and kind in ("grid", "zip"):
        raise InvalidValue(f"a {kind} needs a key to vary", f"KEY={_SPEC}")
    lengths = {len(axis.values or ()) for axis in axes}
    if kind == "zip" and len(lengths) > 1:
        raise InvalidValue(
            f"the lists of a zip differ in length: {sorted(lengths)}", "lists of one length"
        )
    if sampled != (size is not None):
        raise InvalidValue(
            f"{kind} needs a number of cells"
            if sampled
            else f"the values of a {kind} say how many cells there are",
            "cells with lhs or sobol, and only there",
        )
    if kind == "sobol" and size is not None and size & (size - 1):
        raise InvalidValue(f"{size} cells are not a power of 2", "2, 4, 8, ... for sobol")
    return Design(kind, axes, size or 0, seed)  # type: ignore[arg-type]


def _check_key(key: str, vary: Iterable[str]) -> None:
    """Whether cells that differ in ``key`` differ at all. Raises InvalidValue."""
    why = _OF_A_SWEEP.get(key)
    if why is None and key.partition(".")[0] in _NO_ASSUMPTIONS:
        why = "a cell takes no notice of it"
    if why is not None:
        raise InvalidValue(f"{plain(key)} cannot vary within a sweep: {why}", "an assumption")
    inside = next((other for other in vary if other.startswith(f"{key}.")), None)
    if inside is not None:
        raise InvalidValue(f"{plain(inside)} is part of {plain(key)}", "one of the two")


def _values(key: str, spec: object) -> tuple[Value, ...] | None:
    """The values of a spec. Raises InvalidValue."""
    if spec is None:
        return None
    read = _text if is_text_key(key) else _number
    if isinstance(spec, str) and ":" in spec and read is _number:
        values: tuple[Value, ...] = _range(key, spec)
    elif isinstance(spec, str):
        values = tuple(read(key, part) for part in spec.split(","))
    elif isinstance(spec, list | tuple | np.ndarray):
        values = tuple(read(key, item) for item in spec)
    else:
        values = (read(key, spec),)
    if not 1 <= len(values) <= MOST_VALUES:
        raise InvalidValue(f"{len(values)} values for {plain(key)}", f"1 to {MOST_VALUES:,}")
    twice = [value for value, times in Counter(values).items() if times > 1]
    if twice:
        raise InvalidValue(f"{plain(key)} has {plain(str(twice[0]))} twice", "each value once")
    return values


def _text(key: str, item: object) -> str:
    text = item.strip().strip("\"'") if isinstance(item, str) else ""
    if not text:
        raise InvalidValue(
            f"{plain(str(item), 60)!r} is not a text for {plain(key)}",
            'x,y,z, such as "us-2025-01"',
        )
    return text


def _number(key: str, item: object) -> Number:
    if isinstance(item, np.generic):
        item = item.item()
    if isinstance(item, str):
        text = item.strip()
        if re.fullmatch(r"[+-]?\d{1,15}", text):
            return int(text)
        if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text):
            item = float(text)
    if isinstance(item, bool) or not isinstance(item, int | float) or not math.isfinite(item):
        raise InvalidValue(f"{plain(str(item), 60)!r} is not a number for {plain(key)}", _SPEC)
    return item


def _range(key: str, spec: str) -> tuple[float, ...]:
    parts = spec.split(":")
    log = parts[0].strip() == "log"
    ends = parts[1:] if log else parts
    if len(ends) != 3:
        raise InvalidValue(f"{plain(spec, 60)!r} is no range for {plain(key)}", _SPEC)
    low, high, n = (_number(key, part) for part in ends)
    if not isinstance(n, int) or not 2 <= n <= MOST_VALUES:
        raise InvalidValue(
            f"{plain(spec, 60)!r} has {n} values for {plain(key)}",
            f"a whole number, 2 to {MOST_VALUES:,}",
        )
    if log and not (low > 0 and high > 0):
        raise InvalidValue(
            f"{plain(spec, 60)!r} for {plain(key)} has an end at or below 0", "ends above 0 for log"
        )
    return tidy(np.geomspace(low, high, n) if log else np.linspace(low, high, n))


def tidy(values: FloatArray) -> tuple[float, ...]:
    """Floats without the last digits of rounding: 0.62, not 0.6199999999999999."""
    return tuple(float(f"{value:.12g}") for value in values)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key: keys may be quoted or nested."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        key = f"{prefix}{name}"
        flat |= _flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return flat
