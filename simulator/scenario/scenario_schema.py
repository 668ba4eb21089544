"""The tables of a scenario file, composed from the classes that stand beside the equations."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

from pydantic import Field, ValidationError, field_validator

from simulator.errors import Problem, plain
from simulator.limits import MOST_PATHS
from simulator.model.concentration import Concentration
from simulator.model.events import EVENT_KINDS, Event
from simulator.model.firms import FirmRules
from simulator.model.market import Market
from simulator.model.sentiment import Sentiment
from simulator.model.technology import Technology
from simulator.model.valuation import Valuation
from simulator.scenario.assumptions import CONSENSUS
from simulator.scenario.correlations import Correlation
from simulator.scenario.sweep_design import SweepTable
from simulator.scenario.thresholds import MOST_THRESHOLDS
from simulator.schema import (
    NAME_RULE,
    InvalidValue,
    Params,
    TomlFile,
    is_name,
    problems_of,
    quantity,
    suggestion,
)
from simulator.schema.parameters import FormatVersion
from simulator.schema.toml_positions import Path, dotted
from simulator.universe import Universe

FORMAT_VERSION = 1
MOST_STEPS = 2_600  # fifty years of weeks, ten of days
MOST_EVENTS = 100
_DAYS_APART = 31


def _setting(default: Any, unit: str, low: float, high: float, doc: str) -> Any:
    return quantity(default, unit, low, high, doc, "D", "judgement: a setting of the run")


class ScenarioTable(Params):
    """`[scenario]`: what is simulated, from when, for how long."""

    name: str = Field(description=f"name of the runs: {NAME_RULE}")
    title: str = Field(min_length=1, max_length=200, description="one line for people")
    universe: str = Field(description="name of a file in universes/, without .toml")
    as_of: date | None = Field(
        default=None, description="day of t = 0, after the close; the universe's if not given"
    )
    horizon_years: float = _setting(5.0, "years", 1 / 252, 50.0, "rounded to whole steps")
    steps_per_year: int = _setting(52, "per year", 1, 252, "52 weekly, 12 monthly, 252 daily")
    paths: int = _setting(10_000, "paths", 1, MOST_PATHS, "number of paths")
    seed: int = _setting(1, "1", 0, 2**53, "seed of all random draws")

    @field_validator("name", "universe")
    @classmethod
    def _usable_name(cls, value: str) -> str:
        if not is_name(value):
            raise InvalidValue("this cannot be a name", NAME_RULE, "it is never a path or a device")
        return value


class TechnologyTable(Technology):
    """`[technology]`: what happens. A key that is not here happens as priced in."""

    consensus: Technology = Field(
        default_factory=Technology, description="what is priced in: the same keys, numbers only"
    )


class ScenarioFile(Params):
    """A scenario: assumptions about technology, firms and markets, to be simulated."""

    format_version: FormatVersion = Field(description="version of the file format")
    scenario: ScenarioTable
    technology: TechnologyTable = Field(default_factory=TechnologyTable)
    events: tuple[Event, ...] = Field(default=(), max_length=MOST_EVENTS)
    concentration: Concentration = Field(default_factory=Concentration)
    sentiment: Sentiment = Field(default_factory=Sentiment)
    market: Market = Field(default_factory=Market)
    firms: FirmRules = Field(default_factory=FirmRules)
    valuation: Valuation = Field(default_factory=Valuation)
    thresholds: dict[str, str] = Field(
        default_factory=dict,
        max_length=MOST_THRESHOLDS,
        description='name -> "P(sp500.max_drawdown >= 0.49) < 0.10"',
    )
    correlations: tuple[Correlation, ...] = Field(default=(), max_length=200)
    sweep: SweepTable | None = Field(
        default=None, description="cells of `crashsim sweep`; a run takes no notice of it"
    )
    sources: dict[str, Any] = Field(
        default_factory=dict, description="key -> { source, date, quote, weakness, strength }"
    )


def without_leftovers(file: TomlFile, universe: Universe | None) -> tuple[TomlFile, set[str]]:
    """The file without what overridden texts leave behind, and the dotted keys that went.

    An event whose kind is overridden keeps the keys that its new kind has; one whose universe is
    overridden begins on that universe's day where its own is another.
    """
    events = file.data.get("events")
    leftovers: list[Path] = [
        ("events", index, key)
        for index, event in enumerate(events if isinstance(events, list) else ())
        if f"events.{index}.kind" in file.overrides
        for key in _of_other_kinds(event)
        if not any(f"{typed}.".startswith(f"events.{index}.{key}.") for typed in file.overrides)
    ]
    given = file.data.get("scenario", {})
    as_of = given.get("as_of") if isinstance(given, dict) else None
    moved = "scenario.universe" in file.overrides and "scenario.as_of" not in file.overrides
    if moved and universe is not None and type(as_of) is date and _is_far(as_of, universe):
        leftovers.append(("scenario", "as_of"))
    return file.without(leftovers), {dotted(path) for path in leftovers}


def _of_other_kinds(event: Any) -> set[str]:
    """Keys of an event that only events of other kinds have."""
    fields = {kind.model_fields["kind"].default: set(kind.model_fields) for kind in EVENT_KINDS}
    known = fields.get(event.get("kind")) if isinstance(event, dict) else None
    return set() if known is None else set(event) & (set().union(*fields.values()) - known)


def _is_far(as_of: date, universe: Universe) -> bool:
    return abs((as_of - universe.as_of).days) > _DAYS_APART


def read_tables(file: TomlFile) -> tuple[ScenarioFile | None, list[Problem]]:
    """The tables of a file, each checked by itself, and every problem in them."""
    problems = _uncertain_consensus(file) or _implied_growth(file)
    try:
        parsed = ScenarioFile.model_validate(_with_consensus(file.data))
    except ValidationError as error:
        faults = _without_echoes(problems_of(error, ScenarioFile, file), file.data)
        inside = tuple(f"{problem.key}." for problem in problems)
        return None, problems + [fault for fault in faults if not fault.key.startswith(inside)]
    return (None if problems else parsed), problems


def _with_consensus(data: dict[str, Any]) -> dict[str, Any]:
    """A technology key that is not given happens as priced in."""
    technology = data.get("technology")
    consensus = technology.get("consensus") if isinstance(technology, dict) else None
    if not isinstance(technology, dict) or not isinstance(consensus, dict):
        return data
    growth = spending_kept(consensus)
    if growth is not None and _is_growth(growth):
        consensus = {**consensus, "autonomous_growth": growth}
        technology = {**technology, "consensus": consensus}
    return {**data, "technology": {**consensus, **technology}}


_MOVES_SPENDING = ("elasticity", "annual_price_decline")


def spending_kept(consensus: dict[str, Any]) -> float | None:
    """Autonomous growth at which spending grows at first as it does with the default consensus.

    Only the sum g + (elasticity - 1) x decline shows in spending, so whoever prices in another elasticity
    or price decline moves g. None where neither is given, or g is, or one of them is not a sound number.
    """
    if "autonomous_growth" in consensus or not any(key in consensus for key in _MOVES_SPENDING):
        return None
    default = Technology()
    values = {key: consensus.get(key, getattr(default, key)) for key in _MOVES_SPENDING}
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        spec = Technology.spec(key)
        if not spec.low <= value <= spec.high:
            return None

    def price_effect(elasticity: float, decline: float) -> float:
        return (elasticity - 1.0) * -math.log1p(-decline)

    kept = float(default.autonomous_growth) + price_effect(
        float(default.elasticity), float(default.annual_price_decline)
    )
    return kept - price_effect(*map(float, values.values()))


def _without_echoes(problems: list[Problem], data: dict[str, Any]) -> list[Problem]:
    """Without problems of `[technology]` that only repeat those of `technology.consensus`."""
    technology = data.get("technology")
    given = technology if isinstance(technology, dict) else {}
    own = [
        problem
        for problem in problems
        if not problem.key.startswith("technology.") or problem.key.split(".")[1] in given
    ]
    return own or problems


def _is_growth(growth: float) -> bool:
    spec = Technology.spec("autonomous_growth")
    return spec.low <= growth <= spec.high


def _implied_growth(file: TomlFile) -> list[Problem]:
    """Growth that keeps spending, where it is beyond what autonomous_growth may be."""
    technology = file.data.get("technology")
    consensus = technology.get("consensus") if isinstance(technology, dict) else None
    if not isinstance(consensus, dict):
        return []
    growth = spending_kept(consensus)
    if growth is None or _is_growth(growth):
        return []
    keys = [key for key in _MOVES_SPENDING if key in consensus]
    spec = Technology.spec("autonomous_growth")
    return [
        file.problem(
            (*CONSENSUS.split("."), keys[0]),
            f"{' and '.join(keys)} would need demand at unchanged prices to grow by {growth:.3g} in logs a year, "
            "for spending on AI to grow as is priced in",
            expected=f"{spec.low:g} to {spec.high:g} (autonomous_growth)",
            hint="move it less, or give technology.consensus.autonomous_growth as well",
        )
    ]


def _uncertain_consensus(file: TomlFile) -> list[Problem]:
    technology = file.data.get("technology")
    consensus = technology.get("consensus") if isinstance(technology, dict) else None
    return [
        file.problem(
            (*CONSENSUS.split("."), key),
            f"{plain(key, 64)} is priced in as a distribution",
            expected="one number: the market has one price",
            hint="put the distribution under [technology]",
        )
        for key, value in (consensus.items() if isinstance(consensus, dict) else ())
        if isinstance(value, dict) and key in Technology.specs() and Technology.spec(key).uncertain
    ]


def firm_problems(file: TomlFile, universe: Universe) -> list[Problem]:
    """Events that name a firm the universe does not have."""
    problems: list[Problem] = []
    events = file.data.get("events")
    for index, event in enumerate(events if isinstance(events, list) else ()):
        firm = event.get("firm") if isinstance(event, dict) else None
        if isinstance(firm, str) and firm not in universe.tickers:
            message = f"{plain(firm, 64)} is not a firm of {universe.name}"
            expected, hint = ", ".join(universe.tickers), suggestion(firm, universe.tickers)
            path = ("events", index, "firm")
            problems.append(file.problem(path, message, expected=expected, hint=hint))
    return problems


def table_problems(file: TomlFile, parsed: ScenarioFile, universe: Universe) -> list[Problem]:
    """Faults that only show when sound tables are seen together."""
    problems: list[Problem] = []
    table = parsed.scenario
    if table.horizon_years * table.steps_per_year > MOST_STEPS:
        message = f"{table.horizon_years:g} years of {table.steps_per_year} steps are too many"
        expected = f"at most {MOST_STEPS:,} steps"
        problems.append(file.problem(("scenario", "horizon_years"), message, expected=expected))
    if table.as_of and _is_far(table.as_of, universe):
        message = f"as_of is far from {universe.as_of}, the day of the universe's market values"
        hint = "leave as_of out, or choose the universe of that day"
        problems.append(file.problem(("scenario", "as_of"), message, hint=hint))
    shortened = file.override_of(("scenario", "horizon_years")) is not None
    for index, event in enumerate(parsed.events):
        if event.at_years >= table.horizon_years and not shortened:
            message = f"this event at {event.at_years:g} years has no effect: the run ends before"
            expected = f"0 to less than {table.horizon_years:g} (years)"
            path = ("events", index, "at_years")
            problems.append(file.problem(path, message, expected=expected))
    return problems


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of scenario files, with units, bounds and descriptions."""
    made = ScenarioFile.model_json_schema()
    definitions = made["$defs"]
    # What is priced in is one number: the alternatives that are distributions go.
    priced_in = {**definitions["Technology"], "title": "Consensus"}
    priced_in["properties"] = {
        key: _number_only(value) for key, value in priced_in["properties"].items()
    }
    definitions["Technology"] = priced_in
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "crashsim scenario, format 1",
    }


def _number_only(field: dict[str, Any]) -> dict[str, Any]:
    if "oneOf" not in field:
        return field
    return {"type": "number", **{key: value for key, value in field.items() if key != "oneOf"}}
