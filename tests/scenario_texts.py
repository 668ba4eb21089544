"""A valid scenario that names every parameter there is, one a line: material for tests."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from simulator.errors import Problem, ScenarioError
from simulator.model.concentration import Concentration, GainYear
from simulator.model.events import EVENT_KINDS
from simulator.model.firms import FirmRules
from simulator.model.market import Market
from simulator.model.sentiment import Sentiment
from simulator.model.technology import Technology
from simulator.model.valuation import Valuation
from simulator.scenario.scenario import Scenario, load_scenario
from simulator.schema.overrides import toml_value
from simulator.schema.parameters import Params

Loaded = TypeVar("Loaded")

HEAD = [
    "#:schema scenario.v1.schema.json",
    "format_version = 1",
    "",
    "[scenario]",
    'name = "full"',
    'title = "every key there is"',
    'universe = "us-2025-01"',
    "as_of = 2025-01-24",
    "horizon_years = 5.0",
    "steps_per_year = 52",
    "paths = 1000",
    "seed = 7",
]
TAIL = [
    "[thresholds]",
    'rare = "P(sp500.max_drawdown >= 0.49) < 0.10"',
    'typical = "median(mag7.max_drawdown) < 0.9"',
    "",
    "[sources]",
    '"technology.elasticity" = { source = "NBER", date = 2025-12-01, strength = "C" }',
    'events.0 = { source = "price list", date = "2025-01", strength = "B" }',
]
UNCERTAIN = {
    "elasticity": "{ p5 = 0.7, p50 = 1.1, p95 = 1.8 }",
    "annual_price_decline": '{ dist = "triangular", low = 0.5, mode = 0.9, high = 0.95 }',
}
MINIMAL = "\n".join(HEAD[:8])


def lines_of(table: type[Params], **given: str) -> list[str]:
    """`key = default` for every declared parameter."""
    lines = []
    for name, spec in table.specs().items():
        value: Any = spec.default
        if name in given:
            lines.append(f"{name} = {given[name]}")
        elif value is not None:
            lines.append(f"{name} = {toml_value(value)}")
    return lines


def full_lines() -> list[str]:
    """The lines of a scenario with every table, key and kind of event."""
    lines = [*HEAD, "", "[technology]", *lines_of(Technology, **UNCERTAIN)]
    lines += ["", "[technology.consensus]", *lines_of(Technology)]
    for kind in EVENT_KINDS:
        name = kind.model_fields["kind"].default
        firm = ['firm = "GOOGL"'] if "firm" in kind.model_fields else []
        lines += ["", "[[events]]", f'kind = "{name}"', *firm, *lines_of(kind, at_years="0.5")]
    lines += ["", "[concentration]", *lines_of(Concentration)]
    lines += ["", "[[concentration.earlier_years]]", *lines_of(GainYear)]
    for title, table in (
        ("sentiment", Sentiment),
        ("market", Market),
        ("firms", FirmRules),
        ("valuation", Valuation),
    ):
        lines += ["", f"[{title}]", *lines_of(table)]
    lines += [
        "",
        "[[correlations]]",
        'between = ["technology.elasticity", "technology.annual_price_decline"]',
    ]
    lines += ["rho = 0.3", "", *TAIL]
    return lines


def attempt(load: Callable[[], Loaded]) -> Loaded | ScenarioError:
    """What a loader returns, or its refusal. Any other exception fails the test."""
    try:
        return load()
    except ScenarioError as error:
        return error


def told(text: str | bytes, folder: Path) -> tuple[Problem, ...]:
    """The problems of a scenario file; empty if it loads."""
    path = folder / "bad.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = attempt(lambda: load_scenario(path))
    if isinstance(result, ScenarioError):
        assert is_printable(str(result)), "a message must not carry control characters"
        return result.problems
    assert result.digest
    return ()


def is_printable(text: str) -> bool:
    """Whether a terminal shows every character and obeys none."""
    hidden = {"Cc", "Cf", "Cs"}
    return not any(unicodedata.category(c) in hidden for c in text.replace("\n", ""))


def load(folder: Path, text: str, overrides: dict[str, Any] | None = None) -> Scenario:
    """The scenario of this text."""
    path = folder / "story.toml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path, overrides)
