"""A scenario: a TOML file that was read, checked at the door, and may be trusted from here on."""

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
from simulator.model.events import Event
from simulator.model.firms import FirmRules
from simulator.model.market import Market
from simulator.model.sentiment import Concentration, Sentiment
from simulator.model.technology import Technology
from simulator.model.valuation import Valuation
from simulator.portfolio import Portfolio, read_portfolio
from simulator.scenario.assumptions import CONSENSUS, Assumption, assumptions, declared
from simulator.scenario.correlations import Correlation, correlation_matrix, sound_correlations
from simulator.scenario.scenario_schema import (
    FORMAT_VERSION,
    ScenarioTable,
    firm_problems,
    read_tables,
    schema,
    table_problems,
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
    is_name,
    parse_override,
    read_sources,
    read_toml,
    suggestion,
)
from simulator.universe import (
    Universe,
    find_universe,
    load_universe,
    shipped_scenarios,
    universe_names,
)

__all__ = [
    "Assumption",
    "Scenario",
    "find_scenario",
    "list_scenarios",
    "load_scenario",
    "parse_override",
    "schema",
]

MODEL_VERSION = 4
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
        found: dict[str, Distribution] = {}
        for prefix, table in self.tables().items():
            found |= table.uncertain(prefix)
        return dict(sorted(found.items()))

    def copula(self) -> tuple[tuple[str, ...], FloatArray]:
        """Keys of the correlated assumptions, sorted, and the lower Cholesky root `(key, key)`.

        Independent standard normal scores z of these keys become correlated ones as root @ z.
        """
        keys = tuple(sorted({key for one in self.correlations for key in one.between}))
        root = np.linalg.cholesky(correlation_matrix(keys, self.correlations))
        return keys, root.astype(np.float64)

    def at(self, values: Mapping[str, Quantity]) -> Scenario:
        """The scenario with every uncertain assumption replaced by a number or an array `(path,)`.

        Raises KeyError unless the keys are exactly those of `uncertain()`.
        """
        if values.keys() != self.uncertain().keys():
            wrong = sorted(values.keys() ^ self.uncertain().keys())
            raise KeyError(f"values must name every uncertain assumption and no other: {wrong}")
        return replace(
            self,
            technology=self.technology.at(values, "technology"),
            events=tuple(event.at(values, f"events.{i}") for i, event in enumerate(self.events)),
            concentration=self.concentration.at(values, "concentration"),
            sentiment=self.sentiment.at(values, "sentiment"),
            market=self.market.at(values, "market"),
            firms=self.firms.at(values, "firms"),
            valuation=self.valuation.at(values, "valuation"),
            correlations=(),
        )

    def medians(self) -> Scenario:
        """The scenario with every uncertain assumption at its median."""
        return self.at({key: one.median() for key, one in self.uncertain().items()})

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
                problems.append(
                    Problem(name, 0, 0, f"scenario.{name}", refusal.message, refusal.expected)
                )
            changed[name] = int(value)
        if problems:
            raise ScenarioError(problems)
        return replace(self, **changed)  # type: ignore[arg-type]

    def overlaid(self, overrides: Mapping[str, Any]) -> Scenario:
        """The scenario with more values laid over its file, by dotted key; the universe stays.

        Raises ScenarioError as `load_scenario` does.
        """
        laid = self.file.with_overrides({**self.overrides, **overrides})
        again = _checked(laid, self.universe, self.portfolio)
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
            "thresholds": {one.name: one.text for one in self.thresholds},
            "correlations": [_dump(one) for one in self.correlations],
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
    file = read_toml(_locate(path_or_name))
    changed = file.with_overrides(overrides) if overrides else file
    return _checked(changed, portfolio=portfolio, rates=rates)


def _checked(
    file: TomlFile,
    universe: Universe | None = None,
    portfolio: str | Path | Portfolio | None = None,
    rates: Mapping[str, float] | None = None,
) -> Scenario:
    """The scenario of a file; ``universe`` is the file's with the portfolio, if both were read before."""
    parsed, problems = read_tables(file)
    faults: list[Problem] = []
    if universe is None:
        universe, faults = _universe(file)
    sources, places, unsound = read_sources(file, ("sources",), file.data.get("sources", {}))
    problems += faults + unsound
    holdings = portfolio if isinstance(portfolio, Portfolio) else None
    if universe is not None and isinstance(portfolio, str | Path):
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
    table, technology = parsed.scenario, parsed.technology
    scenario = Scenario(
        **table.model_dump(exclude={"universe", "as_of"}),
        as_of=table.as_of or universe.as_of,
        technology=Technology.model_construct(
            **{name: getattr(technology, name) for name in Technology.model_fields}
        ),
        consensus=technology.consensus,
        events=parsed.events,
        concentration=parsed.concentration,
        sentiment=parsed.sentiment,
        market=parsed.market,
        firms=parsed.firms,
        valuation=parsed.valuation,
        universe=universe,
        thresholds=thresholds,
        sources=sources,
        correlations=(),
        file=file,
        portfolio=holdings,
    )
    known = _known_keys(scenario)
    for key in [key for key in sources if key not in known][:MOST_PROBLEMS]:
        message = f"a source for `{plain(key, 80)}`, which is not a key of this scenario"
        problems.append(
            file.problem(places[key], message, hint=suggestion(key, known), at_key=True)
        )
    correlations, faults = sound_correlations(
        file, parsed.correlations, tuple(scenario.uncertain())
    )
    problems += faults
    if problems:
        raise ScenarioError(problems)
    return replace(scenario, correlations=correlations)


def list_scenarios() -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(path.stem for path in shipped_scenarios().glob("*.toml"))


def find_scenario(name: str) -> Path:
    """File of a shipped scenario; raises ScenarioError with the nearest name."""
    known = list_scenarios()
    if name in known:
        return shipped_scenarios() / f"{name}.toml"
    message = f"no scenario is called {plain(name, 80)}, and there is no such file"
    raise ScenarioError(
        [Problem(plain(name, 80), 0, 0, "", message, ", ".join(known), suggestion(name, known))]
    )


def _locate(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if isinstance(path_or_name, Path) or path.suffix == ".toml" or len(path.parts) != 1:
        return path
    if path_or_name in list_scenarios():
        return find_scenario(path_or_name)
    own = (
        path,
        Path(f"{path}.toml"),
        Path("scenarios", f"{path}.toml"),
    )  # as `crashsim new` writes it
    try:
        return next((file for file in own if file.is_file()), None) or find_scenario(path_or_name)
    except (OSError, ValueError):  # too long, or with a null byte
        return find_scenario(path_or_name)


def _universe(file: TomlFile) -> tuple[Universe | None, list[Problem]]:
    table = file.data.get("scenario")
    name = table.get("universe") if isinstance(table, dict) else None
    if not isinstance(name, str) or not is_name(name):
        return None, []  # the table's own check has said so
    folder = Path(file.file).parent
    path = find_universe(name, folder)
    if path is None:
        known = universe_names(folder)
        message, hint = f"no universe is called {name}", suggestion(name, known)
        where = ("scenario", "universe")
        return None, [file.problem(where, message, expected=", ".join(known), hint=hint)]
    try:
        return load_universe(path), []
    except ScenarioError as error:
        return None, list(error.problems)


def _known_keys(scenario: Scenario) -> set[str]:
    """Keys a source may be given for: every parameter, and every table as a whole."""
    tables = {**scenario.tables(), CONSENSUS: scenario.consensus}
    prefixes = {below for prefix, top in tables.items() for below, _ in top.nested(prefix)}
    return prefixes | {key for key, _, _ in declared(tables)}


def _dump(table: Params) -> dict[str, Any]:
    return table.model_dump(mode="json", exclude_none=True)
