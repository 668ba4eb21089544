"""Corners of the schema and random TOML: a scenario or a refusal, never a traceback."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scenario_texts import MINIMAL, attempt, full_lines, is_printable, told

from simulator.errors import ScenarioError
from simulator.scenario.scenario import load_scenario
from simulator.scenario.scenario_schema import ScenarioFile
from simulator.schema.overrides import toml_value
from simulator.schema.toml_document import parse_toml

LINES = full_lines()


def corners(spec: Any) -> list[Any]:
    """Values at, just inside and just outside the bounds of a parameter, and odd ones."""
    low, high = spec.low, spec.high
    return [
        low,
        high,
        math.nextafter(low, -math.inf),
        math.nextafter(high, math.inf),
        0.5 * (low + high),
        0.0,
        -0.0,
        1,
        1e308,
        -5e-324,
        True,
        "x",
        10**30,
    ]


def places() -> list[tuple[str, Any]]:
    tables = {
        name: field.annotation
        for name, field in ScenarioFile.model_fields.items()
        if isinstance(field.annotation, type) and hasattr(field.annotation, "specs")
    }
    return [
        (f"{name}.{key}", spec)
        for name, table in tables.items()
        for key, spec in table.specs().items()
    ]


PLACES = places()


@given(st.data())
def test_corners_of_the_schema_load_or_are_refused(data: st.DataObject) -> None:
    chosen = data.draw(
        st.lists(st.sampled_from(PLACES), min_size=1, max_size=25, unique_by=lambda p: p[0])
    )
    overrides: dict[str, Any] = {}
    for key, spec in chosen:
        value = data.draw(st.sampled_from(corners(spec)))
        if spec.uncertain and data.draw(st.booleans()):
            other = data.draw(st.sampled_from(corners(spec)))
            value = {"dist": "uniform", "low": value, "high": other}
        overrides[key] = value
    path = SHARED / "full.toml"
    scenario = attempt(lambda: load_scenario(path, overrides))
    if isinstance(scenario, ScenarioError):
        assert is_printable(str(scenario))
        assert all(problem.file == "--set" for problem in scenario.problems)
        return
    assert scenario.digest
    for row in scenario.ledger():
        if isinstance(row.value, float) and row.low is not None and row.high is not None:
            assert row.low <= row.value <= row.high


KEYS = st.sampled_from(
    [
        "technology",
        "consensus",
        "elasticity",
        "events",
        "kind",
        "dist",
        "p5",
        "sources",
        "scenario",
        "name",
        "a",
        "0",
        "",
        "\u202e",
        "é",
    ]
)
SCALARS = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.text(max_size=8)
    | st.sampled_from(["normal", "price_cut", "us-2025-01"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def as_toml(value: Any) -> str:
    if isinstance(value, str):
        escaped = "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08X}" for c in value)
        return f'"{escaped}"'
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{as_toml(key)} = {as_toml(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return toml_value(value)


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.booleans())
@example({"sources": {"": 0}}, True)  # an empty key is TOML
def test_random_toml_is_refused_without_a_traceback(
    document: dict[str, Any], sound_head: bool
) -> None:
    head = MINIMAL.replace("[scenario]", "scenario.seed = 1\n[other]") if not sound_head else ""
    body = "\n".join(f"{as_toml(key)} = {as_toml(value)}" for key, value in document.items())
    tail = "" if not sound_head else "\n" + MINIMAL.replace("format_version = 1", "")
    told(head + body + tail, SHARED)


@given(st.integers(0, len(LINES) - 1), st.text(max_size=12), st.booleans())
def test_random_text_in_a_sound_file_is_refused_without_a_traceback(
    line: int, text: str, whole: bool
) -> None:
    lines = list(LINES)
    lines[line] = text if whole else lines[line] + text
    told("\n".join(lines).encode("utf-8", "surrogatepass"), SHARED)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_without_a_traceback(raw: bytes) -> None:
    result = attempt(lambda: parse_toml(raw, "x.toml"))
    if isinstance(result, ScenarioError):
        assert is_printable(str(result))


@pytest.fixture(scope="module", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One folder for all examples of a hypothesis test (it does not allow one for each)."""
    global SHARED  # noqa: PLW0603
    SHARED = tmp_path_factory.mktemp("shared")
    (SHARED / "full.toml").write_text("\n".join(LINES), encoding="utf-8")


SHARED = Path()
