"""The tables of a scenario file, composed from the classes that stand beside the equations."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field, field_validator

from simulator.correlations import Correlation
from simulator.events import Event
from simulator.model.firms import FirmRules
from simulator.model.market import Market
from simulator.model.sentiment import Concentration, Sentiment
from simulator.model.technology import Technology
from simulator.model.valuation import Valuation
from simulator.params import Params, Refusal, quantity
from simulator.toml_file import NAME_RULE, is_name

FORMAT_VERSION = 1
MOST_STEPS = 2_600  # fifty years of weeks, ten of days
MOST_PATHS = 100_000_000
MOST_EVENTS = 100


def _setting(default: Any, unit: str, low: float, high: float, doc: str) -> Any:
    return quantity(
        default,
        unit=unit,
        low=low,
        high=high,
        source="judgement: a setting of the run",
        strength="D",
        doc=doc,
        uncertain=False,
    )


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
            raise Refusal("this cannot be a name", NAME_RULE, "it is never a path or a device")
        return value


class TechnologyTable(Technology):
    """`[technology]`: what happens. A key that is not here happens as priced in."""

    consensus: Technology = Field(
        default_factory=Technology, description="what is priced in: the same keys, numbers only"
    )


class ScenarioFile(Params):
    """A scenario: assumptions about technology, firms and markets, to be simulated."""

    format_version: Literal[1] = Field(description="version of the file format")
    scenario: ScenarioTable
    technology: TechnologyTable = Field(default_factory=TechnologyTable)
    events: tuple[Event, ...] = Field(default=(), max_length=MOST_EVENTS)
    concentration: Concentration = Field(default_factory=Concentration)
    sentiment: Sentiment = Field(default_factory=Sentiment)
    market: Market = Field(default_factory=Market)
    firms: FirmRules = Field(default_factory=FirmRules)
    valuation: Valuation = Field(default_factory=Valuation)
    thresholds: dict[str, str] = Field(
        default_factory=dict, description='name -> "P(sp500.max_drawdown >= 0.49) < 0.10"'
    )
    correlations: tuple[Correlation, ...] = Field(default=(), max_length=200)
    sources: dict[str, Any] = Field(
        default_factory=dict,
        description="key -> { source, date, quote, weakness, strength }",
    )


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
