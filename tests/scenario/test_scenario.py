"""Scenarios: what a file means, where each value comes from, and what makes two the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import tomli
from scenario_texts import MINIMAL, full_lines, load

from simulator.errors import ScenarioError, UsageError
from simulator.model.technology import Technology
from simulator.scenario.scenario import (
    find_scenario,
    list_scenarios,
    load_scenario,
    parse_override,
    schema,
)
from simulator.schema.distributions import Quantiles
from simulator.shipped import shipped_scenarios

FULL = "\n".join(full_lines())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def problems(folder: Path, text: str, overrides: dict[str, Any] | None = None) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(folder, text, overrides)
    return str(caught.value)


def test_a_minimal_file_takes_every_default(folder: Path) -> None:
    scenario = load(folder, MINIMAL)
    assert scenario.technology == scenario.consensus
    assert (scenario.steps, scenario.dt, scenario.paths, scenario.seed) == (260, 1 / 52, 10_000, 1)
    assert not scenario.events
    assert not scenario.uncertain()
    assert {row.origin for row in scenario.ledger()} == {"default"}


def test_as_of_is_the_universes_unless_given(folder: Path) -> None:
    assert str(load(folder, MINIMAL.replace("as_of = 2025-01-24", "")).as_of) == "2025-01-24"
    assert "far from" in problems(folder, MINIMAL.replace("2025-01-24", "2019-01-24"))


def test_what_is_not_said_happens_as_priced_in(folder: Path) -> None:
    text = MINIMAL + "\n[technology]\nelasticity = 0.8\n[technology.consensus]\n"
    scenario = load(folder, text + "elasticity = 1.3\nautonomous_growth = 0.37\n")
    assert scenario.technology.elasticity == 0.8
    assert scenario.consensus.elasticity == 1.3
    assert scenario.technology.autonomous_growth == scenario.consensus.autonomous_growth == 0.37
    rows = {row.key: row for row in scenario.ledger()}
    assert rows["technology.elasticity"].priced_in == 1.3
    assert rows["technology.autonomous_growth"].origin == "story.toml:13"
    assert rows["technology.annual_price_decline"].origin == "default"


def test_what_is_priced_in_is_a_number(folder: Path) -> None:
    text = MINIMAL + "\n[technology.consensus]\nelasticity = { p5 = 0.7, p50 = 1.0, p95 = 1.5 }\n"
    told = problems(folder, text)
    assert "story.toml:10:14" in told
    assert told.count("error:") == 1
    assert "one price" in told


def test_a_fault_in_consensus_is_told_once(folder: Path) -> None:
    told = problems(folder, MINIMAL + "\n[technology.consensus]\nelasticity = 9\nelastcity = 1\n")
    assert told.count("error:") == 2
    assert "did you mean `elasticity`?" in told


def test_every_table_reaches_the_scenario(folder: Path) -> None:
    scenario = load(folder, FULL)
    assert isinstance(scenario.technology.elasticity, Quantiles)
    assert len(scenario.events) == 6
    assert len(scenario.concentration.earlier_years) == 1
    assert [one.name for one in scenario.thresholds] == ["rare", "typical"]
    assert list(scenario.uncertain()) == [
        "technology.annual_price_decline",
        "technology.elasticity",
    ]
    origins = {row.origin.partition(":")[0] for row in scenario.ledger()}
    assert origins <= {"story.toml", "default"}


def test_the_ledger_says_where_each_value_comes_from(folder: Path) -> None:
    scenario = load(folder, FULL, {"technology.price_volatility": 0.25})
    rows = {row.key: row for row in scenario.ledger()}
    elasticity = rows["technology.elasticity"]
    assert (elasticity.source, elasticity.date, elasticity.strength) == ("NBER", "2025-12-01", "C")
    line = FULL[: FULL.index("elasticity = {")].count("\n") + 1
    assert elasticity.origin == f"story.toml:{line}"
    assert rows["events.0.cut"].source == "price list"  # one source for a whole event
    assert rows["technology.autonomous_growth"].source == "judgement (no source given)"
    assert rows["technology.price_volatility"].origin == "--set"
    assert rows["technology.price_volatility"].source.startswith("judgement")
    assert all(row.source and row.strength in "ABCD" and row.doc for row in rows.values())


def test_sources_may_be_written_nested_or_quoted(folder: Path) -> None:
    text = MINIMAL + '\n[sources.technology]\nelasticity = { source = "nested" }\n'
    assert load(folder, text).sources["technology.elasticity"].source == "nested"
    told = problems(folder, MINIMAL + '\n[sources]\n"technology.elastcity" = { source = "x" }\n')
    assert "did you mean `technology.elasticity`?" in told
    assert "story.toml:10:1" in told
    told = problems(folder, MINIMAL + '\n[sources]\n"technology.elasticity" = { sorce = "x" }\n')
    assert "did you mean `source`?" in told


def test_overrides_are_laid_over_the_file(folder: Path) -> None:
    scenario = load(folder, FULL, {"technology.elasticity": np.float64(0.5), "events.0.cut": 0.25})
    assert scenario.technology.elasticity == 0.5
    assert scenario.events[0].cut == 0.25  # type: ignore[union-attr]
    assert scenario.overrides == {"technology.elasticity": 0.5, "events.0.cut": 0.25}
    assert scenario.text == FULL.encode()
    assert not scenario.correlations  # a number is correlated with nothing
    inside = load(folder, FULL, {"technology.elasticity.p95": 3.0})
    assert inside.correlations
    assert inside.technology.elasticity.p95 == 3.0  # type: ignore[union-attr]


def test_a_wrong_override_points_at_what_was_typed(folder: Path) -> None:
    told = problems(
        folder,
        FULL,
        {
            "technology.elasticity": 9,
            "tecnology.elasticity": 1,
            "events.9.cut": 0.5,
            "scenario.paths.x": 1,
        },
    )
    # Keys that lead nowhere are told first: what they would set is not known yet.
    assert "events has 6 entries" in told
    assert "scenario.paths is a value, not a table" in told
    told = problems(folder, FULL, {"technology.elasticity": 9, "tecnology.elasticity": 1})
    assert "--set:1:23" in told
    assert "1 | technology.elasticity=9" in told
    assert "did you mean `technology`?" in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=0.9", ("a.b", 0.9)),
        ("a = true", ("a", True)),
        ('a="x"', ("a", "x")),
        (
            "events.0.cut={ p5 = 1, p50 = 2, p95 = 3 }",
            ("events.0.cut", {"p5": 1, "p50": 2, "p95": 3}),
        ),
    ],
)
def test_set_takes_toml(text: str, expected: tuple[str, Any]) -> None:
    assert parse_override(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "=1",
        "a=",
        "a=x",
        "a..b=1",
        "a=1\nb=2",
        "a b=1",
        "../x=1",
        "a=" + "[" * 5000,
        "a=" + "9" * 5000,
        "a=" + "{a=" * 340 + "1" + "}" * 340,
        "a\x1b=1",
    ],
)
def test_what_is_no_setting_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_override(text)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(("typed", "number"), [(".1", "0.1"), ("-.5", "-0.5"), ("2.", "2.0")])
def test_a_number_that_toml_does_not_know_is_refused_with_the_one_it_does(
    typed: str, number: str
) -> None:
    with pytest.raises(UsageError, match=rf"write technology\.elasticity={number}$"):
        parse_override(f"technology.elasticity={typed}")


def test_the_nearest_allowed_value_in_a_hint_is_allowed() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("deepseek", {"scenario.horizon_years": 0.0})
    (problem,) = caught.value.problems
    nearest = problem.hint.removesuffix(" is the nearest")
    assert float(nearest) == 1 / 252
    load_scenario("deepseek", {"scenario.horizon_years": float(nearest)})


def test_the_digest_is_of_the_meaning_not_of_the_text(folder: Path) -> None:
    digest = load(folder, FULL).digest
    assert re.fullmatch(r"[0-9a-f]{12,}", digest)
    commented = "# hello\n" + FULL.replace(" = ", "   =  ").replace(
        "paths   =  1000", "paths = 1_000 # n"
    )
    assert load(folder, commented).digest == digest
    assert load(folder, FULL.replace("horizon_years = 5.0", "horizon_years = 5")).digest == digest
    # A default that is written out is the same assumption.
    default = Technology.spec("elasticity").default
    written = load(folder, MINIMAL + f"\n[technology]\nelasticity = {default}\n")
    assert written.digest == load(folder, MINIMAL).digest


@pytest.mark.parametrize(
    "overrides",
    [
        {"scenario.seed": 8},
        {"scenario.paths": 1001},
        {"scenario.horizon_years": 4.0},
        {"technology.elasticity.p5": 0.70000001},
        {"technology.consensus.autonomous_growth": 0.123},
        {"events.0.cut": 0.51},
        {"concentration.earlier_years.0.index_gain": 0.3},
        {"correlations.0.rho": 0.31},
        {"thresholds.rare": "P(sp500.max_drawdown >= 0.49) < 0.11"},
    ],
)
def test_whatever_moves_a_result_moves_the_digest(folder: Path, overrides: dict[str, Any]) -> None:
    assert load(folder, FULL, overrides).digest != load(folder, FULL).digest


def test_a_figure_of_the_universe_moves_the_digest(folder: Path) -> None:
    from simulator.universe.universe import find_universe

    shipped = find_universe("us-2025-01")
    assert shipped
    before = load(folder, MINIMAL).digest
    own = folder / "universes" / "us-2025-01.toml"
    own.parent.mkdir()
    text = shipped.read_text(encoding="utf-8")
    own.write_text(text, encoding="utf-8")
    assert load(folder, MINIMAL).digest == before
    own.write_text(text.replace("beta = 1.44", "beta = 1.43", 1), encoding="utf-8")
    assert load(folder, MINIMAL).digest != before


def test_resolved_is_json_and_means_the_same_scenario(folder: Path) -> None:
    scenario = load(folder, FULL)
    resolved = json.loads(json.dumps(scenario.resolved(), allow_nan=False))
    assert resolved["technology"]["consensus"]["elasticity"] == scenario.consensus.elasticity
    again = {
        f"{table}.{key}": value
        for table in ("technology", "market", "firms", "valuation", "sentiment")
        for key, value in resolved[table].items()
    }
    reloaded = load(folder, FULL, {**again, "events": resolved["events"]})
    assert reloaded.digest == scenario.digest


def test_at_puts_draws_in_everywhere_and_nowhere_else(folder: Path) -> None:
    scenario = load(folder, FULL)
    draws = np.array([0.9, 1.2])
    values = {
        "technology.elasticity": draws,
        "technology.annual_price_decline": np.array([0.6, 0.7]),
    }
    at = scenario.at(values)
    assert at.technology.elasticity is draws
    assert not at.uncertain()
    assert at.consensus == scenario.consensus
    assert type(at.consensus.elasticity) is float
    with pytest.raises(KeyError, match="annual_price_decline"):
        scenario.at({"technology.elasticity": 1.0})
    with pytest.raises(KeyError, match="nothing"):
        scenario.at({**values, "nothing": 1.0})
    assert scenario.medians().technology.elasticity == pytest.approx(1.1)


def test_with_changes_the_run_not_the_story(folder: Path) -> None:
    scenario = load(folder, MINIMAL)
    other = scenario.with_(paths=5, seed=0)
    assert (other.paths, other.seed, scenario.paths) == (5, 0, 10_000)
    assert scenario.with_() == scenario
    for wrong in ({"paths": 0}, {"paths": 10**12}, {"seed": -1}, {"paths": 1.5}, {"paths": True}):
        with pytest.raises(ScenarioError):
            scenario.with_(**wrong)


def test_an_event_after_the_end_is_refused_unless_the_run_was_cut_short(folder: Path) -> None:
    text = MINIMAL + '\n[[events]]\nkind = "price_cut"\nat_years = 5.0\n'
    assert "no effect" in problems(folder, text)
    early = text.replace("5.0\n", "2.0\n")
    assert load(folder, early, {"scenario.horizon_years": 1.0}).events


@pytest.mark.parametrize("name", list_scenarios())
def test_shipped_scenarios_load_by_name(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert load_scenario(find_scenario(name)).digest == scenario.digest
    jsonschema.Draft202012Validator(schema()).validate(_as_json(scenario.text.decode()))


def test_an_unknown_name_or_path_is_refused(folder: Path) -> None:
    for wrong in ("no-such-story", folder / "no.toml", folder, "../x", "\0", "x" * 5000):
        with pytest.raises(ScenarioError):
            load_scenario(wrong)


def _as_json(text: str) -> Any:
    return json.loads(json.dumps(tomli.loads(text), default=str))


def test_the_shipped_schema_is_the_current_one() -> None:
    shipped = shipped_scenarios() / "scenario.v1.schema.json"
    assert json.loads(shipped.read_text("utf-8")) == schema(), (
        "make it again: crashsim schema > scenarios/scenario.v1.schema.json"
    )


def test_the_schema_accepts_the_full_file_and_flags_faults() -> None:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    validator = jsonschema.Draft202012Validator(made, format_checker=jsonschema.FormatChecker())
    validator.validate(_as_json(FULL))
    validator.validate(_as_json(MINIMAL))
    for good, bad in (
        ("seed = 7", "sed = 7"),
        ("seed = 7", 'seed = "7"'),
        ("elasticity = {", "elastcity = {"),
        ("p5 = 0.7", 'p5 = "a"'),
        ('kind = "price_cut"', 'kind = "price_cutt"'),
        ("paths = 1000", "paths = 0"),
        ("[market]", "[markt]"),
        ("format_version = 1", "format_version = 2"),
        (
            "[technology.consensus]",
            "[technology.consensus]\nelasticity = { p5=1, p50=2, p95=3 }\n[x]",
        ),
    ):
        assert good in FULL
        assert not validator.is_valid(_as_json(FULL.replace(good, bad, 1))), bad


def test_the_schema_tells_unit_range_and_meaning() -> None:
    field = schema()["$defs"]["TechnologyTable"]["properties"]["annual_price_decline"]
    assert field["x-unit"] == "share per year"
    assert field["maximum"] < 1.0
    assert field["description"]
