"""A scenario: a TOML file that was read, checked once, and valid from here on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from simulator.arrays import FloatArray
from simulator.errors import Problem, ScenarioError, plain
from simulator.model.concentration import Concentration
from simulator.model.events import Event
from simulator.model.firms import FirmRules
from simulator.model.market import Market
from simulator.model.sentiment import Sentiment
from simulator.model.technology import Technology
from simulator.model.valuation import Valuation
from simulator.portfolio import Portfolio, read_portfolio
from simulator.scenario.assumptions import CONSENSUS, Assumption, assumptions, declared
from simulator.scenario.correlations import Correlation, correlation_matrix, sound_correlations
from simulator.scenario.scenario_files import find_scenario, list_scenarios, locate, read_universe
from simulator.scenario.scenario_schema import (
    FORMAT_VERSION,
    ScenarioFile,
    ScenarioTable,
    firm_problems,
    read_tables,
    schema,
    table_problems,
    without_leftovers,
)
from simulator.scenario.thresholds import Threshold, TimeGrid, read_thresholds
from simulator.schema import (
    MOST_PROBLEMS,
    Distribution,
    InvalidValue,
    Params,
    Quantity,
    Source,
    TomlFile,
    parse_override,
    read_sources,
    read_toml,
    suggestion,
)
from simulator.universe import Universe

__all__ = [
    "Assumption",
    "Scenario",
    "find_scenario",
    "list_scenarios",
    "load_scenario",
    "parse_override",
    "schema",
]

MODEL_VERSION = 5
"""Part of every digest: raise it when the same scenario would give other numbers."""


@dataclass(frozen=True)
class Scenario:
    """Everything a run depends on. Assumptions are numbers or distributions; `at` puts draws in."""

    name: str
    title: str
    as_of: date
    horizon_years: float
    steps_per_year: int
    paths: int
    seed: int
    technology: Technology  # what happens
    consensus: Technology  # what is priced in, numbers only
    events: tuple[Event, ...]
    concentration: Concentration
    sentiment: Sentiment
    market: Market
    firms: FirmRules
    valuation: Valuation
    universe: Universe
    thresholds: tuple[Threshold, ...]
    sources: Mapping[str, Source]
    correlations: tuple[Correlation, ...]
    file: TomlFile = field(repr=False)
    portfolio: Portfolio | None = None  # its holdings are the last group of the universe

    @property
    def text(self) -> bytes:
        """The file byte for byte."""
        return self.file.raw

    @property
    def path(self) -> Path:
        """Where the file was read from."""
        return Path(self.file.file)

    @property
    def overrides(self) -> Mapping[str, Any]:
        """Values laid over the file, by dotted key."""
        return self.file.overrides

    @property
    def grid(self) -> TimeGrid:
        """Which metrics a run has."""
        return TimeGrid(self.steps * self.dt, self.steps_per_year)

    @property
    def steps(self) -> int:
        """Number of time steps, T."""
        return max(round(self.horizon_years * self.steps_per_year), 1)

    @property
    def dt(self) -> float:
        """Length of a step in years."""
        return 1.0 / self.steps_per_year

    def tables(self) -> dict[str, Params]:
        """The assumptions about what happens, by the key of their table."""
        events = {f"events.{index}": event for index, event in enumerate(self.events)}
        return {
            "technology": self.technology,
            **events,
            "concentration": self.concentration,
            "sentiment": self.sentiment,
            "market": self.market,
            "firms": self.firms,
            "valuation": self.valuation,
        }

    def uncertain(self) -> dict[str, Distribution]:
        """Every distribution by dotted key, keys sorted."""
        uncertain: dict[str, Distribution] = {}
        for prefix, table in self.tables().items():
            uncertain |= table.uncertain(prefix)
        return dict(sorted(uncertain.items()))

    def copula(self) -> tuple[tuple[str, ...], FloatArray]:
        """Keys of the correlated assumptions, sorted, and the lower Cholesky root `(key, key)`.

        Independent standard normal scores z of these keys become correlated ones as root @ z.
        """
        keys = tuple(sorted({key for pair in self.correlations for key in pair.between}))
        root = np.linalg.cholesky(correlation_matrix(keys, self.correlations))
        return keys, root.astype(np.float64)

    def at(self, values: Mapping[str, Quantity]) -> Scenario:
        """The scenario with every uncertain assumption replaced by a number or an array `(path,)`.

        Raises KeyError unless the keys are exactly those of `uncertain()`.
        """
        if values.keys() != self.uncertain().keys():
            wrong = sorted(values.keys() ^ self.uncertain().keys())
            raise KeyError(f"values must name every uncertain assumption and no other: {wrong}")
        tables = {name: table.at(values, name) for name, table in self.tables().items()}
        events = tuple(tables.pop(f"events.{index}") for index in range(len(self.events)))
        return replace(self, **tables, events=events, correlations=())  # type: ignore[arg-type]

    def medians(self) -> Scenario:
        """The scenario with every uncertain assumption at its median."""
        return self.at({key: drawn.median() for key, drawn in self.uncertain().items()})

    def with_(self, *, paths: int | None = None, seed: int | None = None) -> Scenario:
        """The scenario with other run settings; raises ScenarioError if they are out of range."""
        given = {"paths": paths, "seed": seed}
        changed: dict[str, int] = {}
        problems = []
        for name, value in given.items():
            if value is None:
                continue
            spec = ScenarioTable.spec(name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                message = f"{name} = {plain(str(value))} is not a whole number"
                problems.append(Problem(name, 0, 0, f"scenario.{name}", message, spec.allowed))
                continue
            try:
                spec.check(name, int(value))
            except InvalidValue as refusal:
                key, allowed = f"scenario.{name}", refusal.expected
                problems.append(Problem(name, 0, 0, key, refusal.message, allowed))
            changed[name] = int(value)
        if problems:
            raise ScenarioError(problems)
        return replace(self, **changed)  # type: ignore[arg-type]

    def overlaid(self, overrides: Mapping[str, Any]) -> Scenario:
        """The scenario with more values laid over its file, by dotted key.

        The universe stays unless another is named; the holdings are then mapped to that one.
        Raises ScenarioError as `load_scenario` does.
        """
        laid = self.file.with_overrides({**self.overrides, **overrides})
        stays = overrides.get("scenario.universe", self.universe.name) == self.universe.name
        again = _checked(laid, self.universe if stays else None, self.portfolio)
        return again.with_(paths=self.paths, seed=self.seed)

    def resolved(self) -> dict[str, Any]:
        """Every value that is in force, nested as in the file, ready for JSON."""
        tables = {name: _dump(table) for name, table in self.tables().items() if "." not in name}
        tables["technology"]["consensus"] = _dump(self.consensus)
        return {
            "format_version": FORMAT_VERSION,
            "scenario": {
                "name": self.name,
                "title": self.title,
                "universe": self.universe.name,
                "as_of": self.as_of.isoformat(),
                "horizon_years": self.horizon_years,
                "steps_per_year": self.steps_per_year,
                "paths": self.paths,
                "seed": self.seed,
            },
            **tables,
            "events": [_dump(event) for event in self.events],
            "thresholds": {limit.name: limit.text for limit in self.thresholds},
            "correlations": [_dump(pair) for pair in self.correlations],
            "sources": {key: _dump(source) for key, source in sorted(self.sources.items())},
        }

    @property
    def digest(self) -> str:
        """12 hexadecimal digits: the same digest is the same run, whatever the file looks like."""
        return self.fingerprint[:12]

    @property
    def fingerprint(self) -> str:
        """All 64 hexadecimal digits that `digest` is short for."""
        everything = {
            "model": MODEL_VERSION,
            "scenario": self.resolved(),
            "universe": self.universe.figures(),
        }
        canonical = json.dumps(everything, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def ledger(self) -> list[Assumption]:
        """Every assumption with its value, what is priced in, range, source and origin."""
        return assumptions(self.tables(), self.consensus, self.sources, self.file)


def load_scenario(
    path_or_name: str | Path,
    overrides: Mapping[str, Any] | None = None,
    portfolio: str | Path | None = None,
    rates: Mapping[str, float] | None = None,
) -> Scenario:
    """Loads and checks a scenario file, or a shipped scenario by name.

    Parameters
    ----------
    path_or_name
        A path, or a name such as "deepseek".
    overrides
        Values laid over the file, by dotted key: {"technology.elasticity": 0.8}.
    portfolio
        A holdings file (CSV); its holdings become the entity "portfolio".
    rates
        USD for one unit of a currency of the holdings: {"EUR": 1.08}.

    Raises
    ------
    ScenarioError
        With every problem of the file, of its universe, of the overrides and of the holdings.
    """
    file = read_toml(locate(path_or_name))
    changed = file.with_overrides(overrides) if overrides else file
    return _checked(changed, portfolio=portfolio, rates=rates)


def _checked(
    file: TomlFile,
    universe: Universe | None = None,
    portfolio: str | Path | Portfolio | None = None,
    rates: Mapping[str, float] | None = None,
) -> Scenario:
    """The scenario of a file; ``universe`` is the file's with the portfolio, if both were read before."""
    faults: list[Problem] = []
    holdings = portfolio if isinstance(portfolio, Portfolio) and universe is not None else None
    if universe is None:
        universe, faults = read_universe(file)
    given = file
    file, gone = without_leftovers(file, universe)
    parsed, problems = read_tables(file)
    sources, places, unsound = read_sources(file, ("sources",), file.data.get("sources", {}))
    sources = {key: source for key, source in sources.items() if key not in gone}
    problems += faults + unsound
    if universe is not None and portfolio is not None and holdings is None:
        try:
            holdings, universe = read_portfolio(portfolio, universe, rates)
        except ScenarioError as error:
            raise ScenarioError([*problems, *error.problems]) from None
    thresholds: tuple[Threshold, ...] = ()
    if universe is not None:
        grid = None
        if parsed is not None:
            grid = TimeGrid(parsed.scenario.horizon_years, parsed.scenario.steps_per_year)
        thresholds, faults = read_thresholds(file, universe.titles, grid)
        problems += faults + firm_problems(file, universe)
    if parsed is None or universe is None:
        raise ScenarioError(problems)
    problems += table_problems(file, parsed, universe)
    scenario = replace(
        _composed(file, parsed, universe),
        thresholds=thresholds,
        sources=sources,
        portfolio=holdings,
        file=given,
    )
    known = _known_keys(scenario)
    for key in [key for key in sources if key not in known][:MOST_PROBLEMS]:
        message = f"a source for `{plain(key, 80)}`, which is not a key of this scenario"
        hint = suggestion(key, known)
        problems.append(file.problem(places[key], message, hint=hint, at_key=True))
    pairs = tuple(pair for pair in parsed.correlations if not gone.intersection(pair.between))
    correlations, faults = sound_correlations(file, pairs, tuple(scenario.uncertain()))
    problems += faults
    if problems:
        raise ScenarioError(problems)
    return replace(scenario, correlations=correlations)


def _composed(file: TomlFile, parsed: ScenarioFile, universe: Universe) -> Scenario:
    """The scenario of checked tables, without thresholds, sources, correlations and portfolio."""
    table, technology = parsed.scenario, parsed.technology
    parts = ("events", "concentration", "sentiment", "market", "firms", "valuation")
    return Scenario(
        **table.model_dump(exclude={"universe", "as_of"}),
        **{name: getattr(parsed, name) for name in parts},
        as_of=table.as_of or universe.as_of,
        technology=Technology.model_construct(
            **{name: getattr(technology, name) for name in Technology.model_fields}
        ),
        consensus=technology.consensus,
        universe=universe,
        thresholds=(),
        sources={},
        correlations=(),
        file=file,
    )


def _known_keys(scenario: Scenario) -> set[str]:
    """Keys a source may be given for: every parameter, and every table as a whole."""
    tables = {**scenario.tables(), CONSENSUS: scenario.consensus}
    prefixes = {below for prefix, top in tables.items() for below, _ in top.nested(prefix)}
    return prefixes | {key for key, _, _ in declared(tables)}


def _dump(table: Params) -> dict[str, Any]:
    return table.model_dump(mode="json", exclude_none=True)
