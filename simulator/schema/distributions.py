"""Distributions of uncertain assumptions: what we do not know, drawn once per path.

Each is a small table in a scenario file, e.g. `{ dist = "triangular", low = 0.6, mode = 1.1, high = 1.7 }` or three
quantiles `{ p5 = 0.7, p50 = 1.1, p95 = 1.8 }`. A distribution never leaves the hard bounds of its field.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.arrays import FloatArray

# Shares that leave 0 or 1 by rounding are moved back by less than the spacing of uniform draws.
_SMALLEST, _LARGEST = 1e-300, 1.0 - 2.0**-53
# Truncating away nearly everything leaves a shape the author did not mean (and digits that are all rounding).
LEAST_INSIDE = 0.01
_Z95 = 1.6448536269514722  # standard normal quantile at .95

Real = Annotated[float, Field(ge=-1e15, le=1e15)]
Positive = Annotated[float, Field(ge=1e-9, le=1e15)]


class InvalidValue(ValueError):
    """A value that is not allowed; says what is, and what to try. `where` is the key inside a table, if known."""

    def __init__(
        self, message: str, expected: str = "", hint: str = "", where: tuple[str, ...] = ()
    ) -> None:
        self.message, self.expected, self.hint, self.where = message, expected, hint, where
        super().__init__(message)


class _Table(BaseModel):
    """Behaviour shared by every distribution. `low` and `high` are None only before `within` has filled them."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True
    )

    low: Real | None
    high: Real | None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise InvalidValue(
                f"low = {self.low:g} is not below high = {self.high:g}",
                "low < high",
                where=("low",),
            )
        return self

    def support(self) -> tuple[float, float]:
        """Lowest and highest value that can be drawn."""
        return (
            -math.inf if self.low is None else self.low,
            math.inf if self.high is None else self.high,
        )

    def within(self, low: float, high: float, unit: str) -> Self:
        """The same distribution truncated to [low, high]; refuses explicit limits outside them."""
        for name, given in self.points().items():
            if not low <= given <= high:
                raise InvalidValue(
                    f"{name} = {given:g} is outside the allowed range",
                    f"{low:g} to {high:g} ({unit})",
                    f"write {name} = {low if given < low else high:g}",
                    (name,) if name in self.model_fields_set else (),
                )
        filled: dict[str, float] = {}
        if self.low is None:
            filled["low"] = low
        if self.high is None:
            filled["high"] = high
        truncated = self.model_copy(update=filled) if filled else self
        inside = truncated.inside()
        if inside < LEAST_INSIDE:
            raise InvalidValue(
                f"only {100 * inside:.2g} % of this distribution lies between {truncated.low:g} and {truncated.high:g}",
                f"at least {100 * LEAST_INSIDE:g} % of it within {low:g} to {high:g} ({unit})",
                "move its centre into the range",
            )
        return truncated

    def points(self) -> dict[str, float]:
        """Values the author wrote down that must lie within the field's bounds."""
        return {
            name: value for name in ("low", "high") if (value := getattr(self, name)) is not None
        }

    def inside(self) -> float:
        """Share of the untruncated distribution that lies within its limits."""
        return 1.0

    def median(self) -> float:
        """The value half of all draws stay below (after truncation)."""
        return float(self.ppf(np.array([0.5]))[0])

    def ppf(self, u: FloatArray) -> FloatArray:
        """Inverse cumulative distribution function: shares u in (0, 1), any shape, to values of the same shape."""
        raise NotImplementedError

    def draw(self, u: FloatArray) -> FloatArray:
        """`ppf` to the seven digits that paths have, where these come cheaper; for many shares."""
        return self.ppf(u)


class _Gaussian(_Table):
    """Normal in z: truncation renormalises u, and the result is clipped to the limits against rounding."""

    low: Real | None = None
    high: Real | None = None

    def score(self, value: float) -> float:
        """The z of a value."""
        raise NotImplementedError

    def value(self, z: FloatArray) -> FloatArray:
        """The value at z."""
        raise NotImplementedError

    def _shares(self) -> tuple[float, float]:
        from scipy.special import ndtr

        low, high = self.support()
        return float(ndtr(self.score(low))), float(ndtr(self.score(high)))

    def inside(self) -> float:
        """F(high) - F(low)."""
        below, up_to = self._shares()
        return up_to - below

    def ppf(self, u: FloatArray) -> FloatArray:
        """The value at z = ndtri(F(low) + u (F(high) - F(low)))."""
        from scipy.special import ndtri

        below, up_to = self._shares()
        share = np.clip(below + u * (up_to - below), _SMALLEST, _LARGEST)
        return np.asarray(np.clip(self.value(ndtri(share)), *self.support()))


class Normal(_Gaussian):
    """Normal(mean, sd) truncated to [low, high]; mean and sd are those before truncation."""

    dist: Literal["normal"] = "normal"
    mean: Real
    sd: Positive

    def score(self, value: float) -> float:
        """(x - mean) / sd."""
        return (value - self.mean) / self.sd

    def value(self, z: FloatArray) -> FloatArray:
        """Mean + sd z."""
        return self.mean + self.sd * z


class Lognormal(_Gaussian):
    """exp(Normal(ln median, sigma)) truncated to [low, high]; the median is that before truncation."""

    dist: Literal["lognormal"] = "lognormal"
    median_: Positive = Field(alias="median")
    sigma: Annotated[float, Field(ge=1e-9, le=10.0)]

    def score(self, value: float) -> float:
        """Ln(x / median) / sigma; -inf at and below 0."""
        if value <= 0.0:
            return -math.inf
        return math.log(value / self.median_) / self.sigma

    def value(self, z: FloatArray) -> FloatArray:
        """Median exp(sigma z), at most 1e300 so that no draw overflows."""
        return np.asarray(self.median_ * np.exp(np.minimum(self.sigma * z, 650.0)))


class Uniform(_Table):
    """Every value between low and high alike."""

    dist: Literal["uniform"] = "uniform"
    low: Real
    high: Real

    def ppf(self, u: FloatArray) -> FloatArray:
        """Low + u (high - low)."""
        return np.asarray(np.clip(self.low + u * (self.high - self.low), self.low, self.high))


class Triangular(_Table):
    """Rises in a straight line from low to the mode and falls to high."""

    dist: Literal["triangular"] = "triangular"
    low: Real
    mode: Real
    high: Real

    @model_validator(mode="after")
    def _mode_between(self) -> Self:
        if not self.low <= self.mode <= self.high:
            raise InvalidValue(
                f"mode = {self.mode:g} is not between low = {self.low:g} and high = {self.high:g}",
                "low <= mode <= high",
                where=("mode",),
            )
        return self

    def ppf(self, u: FloatArray) -> FloatArray:
        """Closed form, one square root on each side of the mode."""
        width, left, right = self.high - self.low, self.mode - self.low, self.high - self.mode
        rising = self.low + np.sqrt(u * width * left)
        falling = self.high - np.sqrt((1.0 - u) * width * right)
        return np.asarray(np.clip(np.where(u * width < left, rising, falling), self.low, self.high))


class Beta(_Table):
    """low + (high - low) x Beta(a, b)."""

    dist: Literal["beta"] = "beta"
    a: Annotated[float, Field(ge=0.1, le=1e4)]
    b: Annotated[float, Field(ge=0.1, le=1e4)]
    low: Real = 0.0
    high: Real = 1.0

    def ppf(self, u: FloatArray) -> FloatArray:
        """Inverse of the regularised incomplete beta function, stretched to [low, high]."""
        from scipy.special import betaincinv

        # scipy gives nan for the most extreme shares; no draw comes near them.
        share = np.clip(betaincinv(self.a, self.b, np.clip(u, 1e-18, _LARGEST)), 0.0, 1.0)
        return np.asarray(np.clip(self.low + share * (self.high - self.low), self.low, self.high))

    def draw(self, u: FloatArray) -> FloatArray:
        """Cubics in the normal score of u, through exact values; a 20th of the time, off by 2e-8 at most."""
        if min(self.a, self.b) < 1.0:  # too steep at its ends
            return self.ppf(u)
        from scipy.special import ndtri

        knots = _beta_knots(self.a, self.b)
        place = (ndtri(u) - _SCORES[0]) / (_SCORES[1] - _SCORES[0])
        left = np.clip(place.astype(np.int64), 1, knots.size - 3)
        t = place - left
        before, here, after, beyond = (knots[left + i] for i in (-1, 0, 1, 2))
        # Lagrange's polynomial through the four knots around.
        share = t * (t - 1.0) * ((t + 1.0) * beyond - (t - 2.0) * before) / 6.0
        share += (t + 1.0) * (t - 2.0) * ((t - 1.0) * here - t * after) / 2.0
        return np.asarray(np.clip(self.low + share * (self.high - self.low), self.low, self.high))


_SCORES = np.linspace(-8.5, 8.5, 513)
"""Normal scores of knots; no draw is beyond them."""


@lru_cache(maxsize=64)
def _beta_knots(a: float, b: float) -> FloatArray:
    from scipy.special import ndtr

    return Beta(a=a, b=b).ppf(ndtr(_SCORES))


class Quantiles(_Table):
    """Three quantiles as an expert would say them: a two-piece normal through p5, p50 and p95.

    Between p5 and p95 it is exact whatever the limits are; only the outer twentieths are squeezed inside [low, high].
    """

    p5: Real
    p50: Real
    p95: Real
    low: Real | None = None
    high: Real | None = None

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        if not self.p5 < self.p50 < self.p95:
            raise InvalidValue(
                f"p5 = {self.p5:g}, p50 = {self.p50:g}, p95 = {self.p95:g} do not increase",
                "p5 < p50 < p95",
                where=("p5",),
            )
        low, high = self.support()
        if not (low <= self.p5 and self.p95 <= high):
            raise InvalidValue(
                "low and high cut into the quantiles", "low <= p5 and p95 <= high", where=("p5",)
            )
        return self

    def points(self) -> dict[str, float]:
        """The three quantiles, and the limits if given."""
        return {"p5": self.p5, "p50": self.p50, "p95": self.p95, **super().points()}

    def ppf(self, u: FloatArray) -> FloatArray:
        """Through the three quantiles exactly, normal in z on each side of p50."""
        from scipy.special import ndtr, ndtri

        low, high = self.support()
        lower, upper = (self.p50 - self.p5) / _Z95, (self.p95 - self.p50) / _Z95
        # Share of the untruncated outer twentieth that stays inside, at each end.
        keep_low = 1.0 - float(ndtr((low - self.p50) / lower)) / 0.05
        keep_high = 1.0 - float(ndtr((self.p50 - high) / upper)) / 0.05
        share = np.where(u < 0.05, 0.05 - (0.05 - u) * keep_low, u)
        share = np.where(u > 0.95, 0.95 + (u - 0.95) * keep_high, share)
        z = ndtri(np.clip(share, _SMALLEST, _LARGEST))
        return np.asarray(np.clip(self.p50 + z * np.where(z < 0.0, lower, upper), low, high))


def shape_of(value: object) -> str | None:
    """Which kind of quantity this is: the tag that chooses among a number and the distributions; None if unclear."""
    if isinstance(value, Quantiles):
        return "quantiles"
    if isinstance(value, _Table):
        return str(getattr(value, "dist"))  # noqa: B009 - the base class has no dist
    if not isinstance(value, dict):
        return "number"
    if "dist" in value:
        return value["dist"] if isinstance(value["dist"], str) else None
    return "quantiles" if value.keys() & {"p5", "p50", "p95"} else None


SHAPES = ("normal", "lognormal", "uniform", "triangular", "beta")

Distribution = Normal | Lognormal | Uniform | Triangular | Beta | Quantiles
