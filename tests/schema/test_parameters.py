"""Declarations, bounds and distributions."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from simulator.schema.distributions import Beta, Lognormal, Normal, Quantiles, Triangular, Uniform
from simulator.schema.parameters import InvalidValue, Params, Quantity, quantity

UNIFORMS = np.array([1e-300, 1e-16, 0.01, 0.05, 0.3, 0.5, 0.7, 0.95, 0.99, 1.0 - 1e-16])
MID = np.linspace(0.001, 0.999, 41)


class Toy(Params):
    elasticity: Quantity = quantity(1.1, "1", 0.0, 4.0, "elasticity", "C", "NBER 2025")
    half_life_years: float = quantity(0.5, "years", 0.1, 9.0, "half-life", "D", "judgement")
    count: int = quantity(2, "1", 1, 9, "n", "D", "judgement")


class Shock(Params):
    kind: Literal["shock"] = "shock"
    cut: Quantity = quantity(..., "share", 0.0, 0.99, "cut", "D", "judgement")


class Story(Params):
    toy: Toy
    shocks: tuple[Shock, ...] = ()


def refusal(table: type[BaseModel], data: dict[str, Any]) -> InvalidValue:
    with pytest.raises(ValidationError) as caught:
        table.model_validate(data)
    cause = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(cause, InvalidValue)
    return cause


def test_a_number_becomes_a_float() -> None:
    toy = Toy.model_validate({"elasticity": 2})
    assert type(toy.elasticity) is float


@pytest.mark.parametrize("value", [True, "1", [1.0], float("nan"), float("inf"), 10**400])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    for key in ("elasticity", "half_life_years"):
        assert "number" in refusal(Toy, {key: value}).expected


@pytest.mark.parametrize("value", [-1e-9, 4.0 + 1e-9, 1e308])
def test_bounds_are_hard_and_say_what_is_allowed(value: float) -> None:
    assert refusal(Toy, {"elasticity": value}).expected == "0 to 4"
    assert Toy.model_validate({"elasticity": 0.0}).elasticity == 0.0
    assert Toy.model_validate({"elasticity": 4}).elasticity == 4.0


def test_the_unit_is_part_of_the_range() -> None:
    assert refusal(Toy, {"half_life_years": 10}).expected == "0.1 to 9 (years)"


def test_int_fields_stay_whole() -> None:
    assert Toy.model_validate({"count": 3}).count == 3
    with pytest.raises(ValidationError):
        Toy.model_validate({"count": 2.5})


def test_a_certain_parameter_refuses_a_distribution() -> None:
    with pytest.raises(ValidationError):
        Toy.model_validate({"half_life_years": {"dist": "uniform", "low": 1, "high": 2}})


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"dist": "triangular", "low": 0, "mode": 5, "high": 2}, "mode"),
        ({"dist": "triangular", "low": 1, "mode": 2, "high": 5}, "high = 5"),
        ({"dist": "uniform", "low": 2, "high": 1}, "not below"),
        ({"dist": "uniform", "low": -1, "high": 1}, "low = -1"),
        ({"dist": "normal", "mean": 1, "sd": 1, "high": 5}, "high = 5"),
        ({"dist": "normal", "mean": 100, "sd": 1}, "of this distribution lies between"),
        ({"p5": 1, "p50": 1, "p95": 2}, "do not increase"),
        ({"p5": -1, "p50": 1, "p95": 2}, "p5 = -1"),
        ({"p5": 1, "p50": 2, "p95": 3, "low": 1.5}, "cut into"),
    ],
)
def test_a_distribution_that_cannot_be_is_refused(table: dict[str, Any], says: str) -> None:
    assert says in refusal(Toy, {"elasticity": table}).message


@pytest.mark.parametrize(
    "table",
    [
        {"dist": "normal", "mean": 1.0, "sd": -1.0},
        {"dist": "normal", "mean": 1.0, "sd": 10**400},
        {"dist": "lognormal", "median": 0.0, "sigma": 1.0},
        {"dist": "gaussian", "mean": 1.0, "sd": 1.0},
        {"dist": "normal", "mean": 1.0},
        {"dist": "normal", "mean": 1.0, "sd": 1.0, "extra": 1},
        {"dist": ["normal"]},
        {"mean": 1.0, "sd": 1.0},
        {},
    ],
)
def test_a_malformed_distribution_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Toy.model_validate({"elasticity": table})


def drawn(table: dict[str, Any], u: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    value: Any = Toy.model_validate({"elasticity": table}).elasticity
    result: np.ndarray[Any, Any] = value.ppf(u)
    return result


def test_quantile_functions_equal_scipys() -> None:
    a, b = (0.0 - 1.0) / 0.8, (4.0 - 1.0) / 0.8
    cases = [
        ({"dist": "normal", "mean": 1.0, "sd": 0.8}, scipy.stats.truncnorm(a, b, 1.0, 0.8)),
        ({"dist": "uniform", "low": 1, "high": 3}, scipy.stats.uniform(1.0, 2.0)),
        (
            {"dist": "triangular", "low": 1.0, "mode": 1.5, "high": 3.0},
            scipy.stats.triang(0.25, 1.0, 2.0),
        ),
        ({"dist": "beta", "a": 2.0, "b": 5.0}, scipy.stats.beta(2.0, 5.0)),
        (
            {"dist": "beta", "a": 2.0, "b": 0.5, "low": 1.0, "high": 3.0},
            scipy.stats.beta(2.0, 0.5, 1.0, 2.0),
        ),
    ]
    for table, reference in cases:
        np.testing.assert_allclose(drawn(table, MID), reference.ppf(MID), rtol=1e-9)


def test_a_lognormal_is_truncated_by_renormalising() -> None:
    free = scipy.stats.lognorm(0.6, scale=1.5)
    inside = free.cdf(4.0)
    expected = free.ppf(MID * inside)
    got = drawn({"dist": "lognormal", "median": 1.5, "sigma": 0.6}, MID)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    # Negative control: without truncation the upper tail would differ.
    assert not np.allclose(got, free.ppf(MID), rtol=1e-3)


def test_quantiles_hold_exactly_and_tails_stay_inside() -> None:
    table = {"p5": 0.1, "p50": 1.0, "p95": 3.9}
    points = drawn(table, np.array([0.05, 0.5, 0.95]))
    np.testing.assert_allclose(points, [0.1, 1.0, 3.9], rtol=1e-12)
    values = drawn(table, np.linspace(1e-9, 1 - 1e-9, 10_001))
    assert np.all(np.diff(values) >= 0.0)
    assert values[0] >= 0.0
    assert values[-1] <= 4.0
    assert np.diff(values).max() < 0.1  # squeezed, not cut: no gap at p95


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (2.0, 5.0), (1.0, 30.0), (1e4, 3.0), (0.4, 2.0)])
def test_beta_draws_are_quantiles_to_seven_digits(a: float, b: float) -> None:
    beta = Beta(a=a, b=b, low=-1.0, high=3.0)
    shares = np.concatenate([np.linspace(0.0, 1.0, 20_001)[1:-1], [2.0**-54, 1e-9, 1.0 - 2.0**-53]])
    np.testing.assert_allclose(beta.draw(shares), beta.ppf(shares), atol=4.0 * 2e-8, rtol=0)
    assert (np.diff(beta.draw(np.sort(shares))) >= 0.0).all()


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    def number(low: float, high: float) -> float:
        return draw(st.floats(low, high, allow_nan=False))

    kind = draw(st.sampled_from(["normal", "lognormal", "uniform", "triangular", "beta", "p"]))
    ordered = sorted(number(0.0, 4.0) for _ in range(3))
    if kind == "normal":
        return {"dist": kind, "mean": number(-5, 9), "sd": number(1e-9, 1e3)}
    if kind == "lognormal":
        return {"dist": kind, "median": number(1e-9, 1e3), "sigma": number(1e-9, 10)}
    if kind == "uniform":
        return {"dist": kind, "low": ordered[0], "high": ordered[2]}
    if kind == "triangular":
        return {"dist": kind, "low": ordered[0], "mode": ordered[1], "high": ordered[2]}
    if kind == "beta":
        a, b = number(0.1, 1e4), number(0.1, 1e4)
        return {"dist": kind, "a": a, "b": b, "low": ordered[0], "high": ordered[2]}
    return {"p5": ordered[0], "p50": ordered[1], "p95": ordered[2]}


@given(tables())
def test_every_accepted_distribution_is_finite_ordered_and_inside(table: dict[str, Any]) -> None:
    try:
        values = drawn(table, UNIFORMS)
    except ValidationError:
        return
    assert np.all(np.isfinite(values))
    assert np.all((values >= 0.0) & (values <= 4.0))
    assert np.all(np.diff(values) >= -1e-9)
    distribution: Any = Toy.model_validate({"elasticity": table}).elasticity
    low, high = distribution.support()
    assert low <= distribution.median() <= high
    again = Toy.model_validate(
        Toy.model_validate({"elasticity": table}).model_dump(exclude_none=True)
    )
    assert again.elasticity == distribution


def test_shapes_pass_through() -> None:
    u = np.full((3, 2), 0.25)
    for one in (
        Normal(mean=1.0, sd=1.0),
        Lognormal(median=1.0, sigma=1.0),
        Uniform(low=0.0, high=1.0),
        Triangular(low=0.0, mode=0.5, high=1.0),
        Beta(a=1.0, b=2.0),
        Quantiles(p5=0.0, p50=1.0, p95=2.0),
    ):
        assert one.ppf(u).shape == (3, 2)


def test_uncertain_values_are_found_by_dotted_key_and_replaced() -> None:
    story = Story.model_validate(
        {
            "toy": {"elasticity": {"p5": 0.5, "p50": 1.0, "p95": 2.0}},
            "shocks": [{"cut": 0.5}, {"cut": {"dist": "uniform", "low": 0.2, "high": 0.4}}],
        }
    )
    assert set(story.uncertain("x")) == {"x.toy.elasticity", "x.shocks.1.cut"}
    draws = np.array([0.25, 0.35])
    at = story.at({"toy.elasticity": 1.5, "shocks.1.cut": draws})
    assert at.toy.elasticity == 1.5
    assert at.shocks[1].cut is draws
    assert at.shocks[0].cut == 0.5
    assert not at.uncertain()
    assert isinstance(story.toy.elasticity, Quantiles)  # the original is untouched
    medians = story.medians()
    assert medians.shocks[1].cut == pytest.approx(0.3)
    assert medians.toy.elasticity == pytest.approx(1.0)


def test_the_declaration_can_be_read_back() -> None:
    spec = Toy.spec("elasticity")
    assert (spec.default, spec.unit, spec.low, spec.high) == (1.1, "1", 0.0, 4.0)
    assert (spec.source, spec.strength, spec.uncertain) == ("NBER 2025", "C", True)
    with pytest.raises(KeyError):
        Shock.spec("kind")
    field = Toy.model_json_schema()["properties"]["elasticity"]
    assert (field["minimum"], field["maximum"], field["x-unit"]) == (0.0, 4.0, "1")
    assert {"type": "number"} in field["oneOf"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"default": 5.0},
        {"default": float("nan")},
        {"low": 4.0, "high": 0.0},
        {"high": float("inf")},
        {"strength": "E"},
        {"source": "judgement", "strength": "A"},
        {"doc": ""},
    ],
)
def test_a_wrong_declaration_fails_at_once(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "default": 1.0,
        "unit": "1",
        "low": 0.0,
        "high": 4.0,
        "source": "x",
        "strength": "A",
        "doc": "d",
    }
    quantity(**good)
    with pytest.raises(ValueError):  # noqa: PT011 - several messages, all refusals of a declaration
        quantity(**{**good, **wrong})


def test_only_quantities_take_distributions() -> None:
    assert {name: spec.uncertain for name, spec in Toy.specs().items()} == {
        "elasticity": True,
        "half_life_years": False,
        "count": False,
    }


def test_tables_are_frozen() -> None:
    toy = Toy()
    with pytest.raises(ValidationError):
        setattr(toy, "elasticity", 2.0)  # noqa: B010 - a plain assignment is a type error
