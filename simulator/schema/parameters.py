"""Parameters declare themselves once, beside their equation: default, unit, hard bounds, source, how sure.

    class Technology(Params):
        elasticity: Quantity = quantity(1.1, "1", 0.0, 4.0, "price elasticity of demand",
            "C", "NBER 2025")
        half_life_years: float = quantity(0.5, "years", 0.0, 20.0, "half-life of that demand",
            "D", "judgement")

A file may give a distribution for a `Quantity`, for other fields only a number. From this one declaration come
validation, error messages, the JSON Schema and the ledger of sources.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias, cast, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import ValidationInfo

from simulator.arrays import FloatArray
from simulator.schema.distributions import (
    Beta,
    Distribution,
    InvalidValue,
    Lognormal,
    Normal,
    Quantiles,
    Triangular,
    Uniform,
    shape_of,
)

__all__ = ["Distribution", "InvalidValue", "Params", "Quantity", "Spec", "Strength", "quantity"]

Strength = Literal["A", "B", "C", "D"]
"""A measured or official, B several consistent sources, C thin or derived, D judgement."""

JUDGEMENT = "judgement"


def _number(value: object) -> float:
    """A finite float from an int or float. A bool is refused: `true` for 1 is always a slip."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        names = {
            bool: "true or false",
            str: "text",
            dict: "a table",
            list: "a list",
            tuple: "a list",
        }
        kind = names.get(type(value), type(value).__name__)
        raise InvalidValue(f"{kind} where a number belongs", "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        shown = value if isinstance(value, float) else "a huge integer"
        raise InvalidValue(f"{shown} is not a finite number", "a finite number")
    return number


def _no_bool(value: object) -> object:
    """`true` equals 1 in Python, and is no number."""
    if isinstance(value, bool | float):
        raise InvalidValue(f"{str(value).lower()} where a whole number belongs", "1")
    return value


FormatVersion = Annotated[Literal[1], BeforeValidator(_no_bool)]
"""The version of a file format: the whole number 1."""


Number = Annotated[float, BeforeValidator(_number)]
"""A float field whose error says what was given instead of a number."""

if TYPE_CHECKING:
    Quantity: TypeAlias = float | FloatArray
    """A number in arithmetic; an array over paths once `at` has put the drawn values in."""
else:
    Quantity = Annotated[
        Annotated[Number, Tag("number")]
        | Annotated[Normal, Tag("normal")]
        | Annotated[Lognormal, Tag("lognormal")]
        | Annotated[Uniform, Tag("uniform")]
        | Annotated[Triangular, Tag("triangular")]
        | Annotated[Beta, Tag("beta")]
        | Annotated[Quantiles, Tag("quantiles")],
        Discriminator(shape_of),
    ]


@dataclass(frozen=True, slots=True)
class Spec:
    """What one parameter is; bounds are inclusive, the default is None if the file must give it."""

    default: Any
    unit: str
    low: float
    high: float
    source: str
    strength: Strength
    doc: str
    uncertain: bool = (
        True  # whether a file may give a distribution: `Params` reads it off the field's type
    )

    @property
    def allowed(self) -> str:
        """The allowed range in words, with its unit."""
        unit = "" if self.unit == "1" else f" ({self.unit})"
        return f"{bound_text(self.low)} to {bound_text(self.high)}{unit}"

    def __call__(self, schema: dict[str, Any]) -> None:
        """Adds unit, bounds and source to the field's JSON Schema (pydantic calls this)."""
        schema.update(
            {
                "minimum": self.low,
                "maximum": self.high,
                "x-unit": self.unit,
                "x-source": self.source,
                "x-strength": self.strength,
            }
        )

    def check(self, name: str, value: object) -> object:
        """The value, if it respects the bounds; a distribution is truncated to them."""
        if isinstance(value, Distribution):
            if not self.uncertain:
                raise InvalidValue(
                    f"{name} cannot be a distribution",
                    f"one number, {self.allowed}",
                    "give its best value",
                )
            return value.within(self.low, self.high, self.unit)
        if isinstance(value, int | float) and not self.low <= value <= self.high:
            near = self.low if value < self.low else self.high
            percent = self.unit.startswith("share") and self.low <= value / 100 <= self.high
            raise InvalidValue(
                f"{name} = {value:.12g} is outside the allowed range",
                self.allowed,
                f"{value:.12g} % is {value / 100:.12g}"
                if percent
                else f"{bound_text(near)} is the nearest",
            )
        return value


def bound_text(bound: float) -> str:
    """A bound in the fewest digits that give it back: what is typed from a message must be allowed."""
    short = f"{bound:.12g}"
    return short if float(short) == bound else repr(bound)


def quantity(
    default: Any, unit: str, low: float, high: float, doc: str, strength: Strength, source: str
) -> Any:
    """Declares a parameter of a `Params` class.

    Parameters
    ----------
    default
        A number, a `Distribution`, None for an optional number, or `...` where the file must give it.
    unit
        "1" for a pure number, else e.g. "share per year", "USD billion".
    low
        Lowest allowed value (inclusive, finite).
    high
        Highest allowed value (inclusive, finite).
    doc
        One sentence for users.
    strength
        "A" measured or official, "B" several consistent sources, "C" thin or derived, "D" judgement.
    source
        Where the default comes from, with date; "judgement" (strength "D") where it comes from nowhere.

    Raises
    ------
        ValueError: for a declaration that contradicts itself.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"bounds must be finite and low < high, not {low} and {high}")
    if strength not in get_args(Strength):
        raise ValueError(f"strength must be one of A to D, not {strength!r}")
    if source.startswith(JUDGEMENT) and strength != "D":
        raise ValueError('a judgement has strength "D"')
    if not (unit and source and doc):
        raise ValueError("unit, source and doc must be given")
    spec = Spec(
        None if default is ... else default, unit, float(low), float(high), source, strength, doc
    )
    if default is not ...:
        default = spec.check("default", default)
    return Field(default, description=doc, json_schema_extra=spec)


def _is_quantity(field: FieldInfo) -> bool:
    """Whether a field may hold a distribution."""
    return any(isinstance(item, Discriminator) for item in field.metadata)


class Params(BaseModel):
    """Base of every table of parameters: frozen, strict, no unknown keys, no nan or inf."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    _specs: ClassVar[dict[str, Spec]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls._specs = {
            name: replace(field.json_schema_extra, uncertain=_is_quantity(field))
            for name, field in cls.model_fields.items()
            if isinstance(field.json_schema_extra, Spec)
        }

    @classmethod
    def spec(cls, field: str) -> Spec:
        """The declaration of a field; KeyError for one not made by `quantity`."""
        return cls._specs[field]

    @classmethod
    def specs(cls) -> Mapping[str, Spec]:
        """All declarations, in the order of the class."""
        return cls._specs

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        """TOML has lists, frozen classes have tuples."""
        if isinstance(data, dict):
            return {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in data.items()
            }
        return data

    @field_validator("*", mode="before")
    @classmethod
    def _a_number_is_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        spec = cls._specs.get(info.field_name or "")
        if (
            spec is None
            or isinstance(value, dict | Distribution)
            or (value is None and spec.default is None)
        ):
            return value
        number = _number(value)
        # int fields keep their own error ("2.5 is not a whole number").
        return (
            value
            if isinstance(value, int) and cls.model_fields[str(info.field_name)].annotation is int
            else number
        )

    @field_validator("*", mode="after")
    @classmethod
    def _within_bounds(cls, value: Any, info: ValidationInfo) -> Any:
        spec = cls._specs.get(info.field_name or "")
        return value if spec is None else spec.check(str(info.field_name), value)

    def nested(self, prefix: str = "") -> Iterator[tuple[str, Params]]:
        """The table itself and every table below it, each with its dotted key (`events.0`)."""
        yield prefix, self
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Params):
                yield from value.nested(join(prefix, name))
            elif isinstance(value, tuple):
                for index, item in enumerate(value):
                    if isinstance(item, Params):
                        yield from item.nested(join(prefix, name, str(index)))

    def uncertain(self, prefix: str = "") -> dict[str, Distribution]:
        """Every distribution in this table and below, by dotted key."""
        return {
            join(key, name): value
            for key, table in self.nested(prefix)
            for name in type(table).model_fields
            if isinstance(value := getattr(table, name), Distribution)
        }

    def at(self, values: Mapping[str, float | FloatArray], prefix: str = "") -> Self:
        """The same table with the named distributions replaced by numbers or arrays over paths; not validated again."""
        fields: dict[str, Any] = {}
        for name in type(self).model_fields:
            value, key = getattr(self, name), join(prefix, name)
            if isinstance(value, Distribution):
                fields[name] = values.get(key, value)
            elif isinstance(value, Params):
                fields[name] = value.at(values, key)
            elif isinstance(value, tuple):
                fields[name] = tuple(
                    item.at(values, join(key, str(index))) if isinstance(item, Params) else item
                    for index, item in enumerate(value)
                )
            else:
                fields[name] = value
        return cast(Self, type(self).model_construct(**fields))

    def medians(self) -> Self:
        """The same table with every distribution at its median."""
        return self.at(
            {key: distribution.median() for key, distribution in self.uncertain().items()}
        )


def join(*parts: str) -> str:
    """Dotted key from its parts, empty ones left out."""
    return ".".join(part for part in parts if part)
