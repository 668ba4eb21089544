"""What differs between scenarios, key by key, and scenarios between two scenarios.

A key is dotted, as ``--set`` has it. A distribution is one value, and so is a list. Where two lists
of events do not hold the same events, the whole list is one value, ``events``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from simulator.scenario import CONSENSUS
from simulator.schema import Distribution, Params, join, toml_value
from simulator.universe import load_universe

if TYPE_CHECKING:
    from simulator.scenario import Correlation, Scenario

UNIVERSE, AS_OF, SEED, PATHS = (f"scenario.{x}" for x in ("universe", "as_of", "seed", "paths"))
EVENTS, CORRELATIONS, PORTFOLIO = "events", "correlations", "portfolio"
_SETTINGS = ("universe", "as_of", "horizon_years", "steps_per_year", "paths", "seed")
_TABLES = ("technology", "consensus", "concentration", "sentiment", "market", "firms", "valuation")
_LONGEST = 60

Table = TypeVar("Table", bound=Params)


@dataclass(frozen=True)
class Difference:
    """One key that is not the same in all scenarios."""

    key: str
    values: tuple[Any, ...]  # of each scenario; None where it has no such value

    @property
    def texts(self) -> tuple[str, ...]:
        """The values on one line each, cut where long."""
        return tuple(map(value_text, self.values))


def differences(scenarios: Sequence[Scenario]) -> list[Difference]:
    """Every key whose value differs, in the order of the file; what cannot move a number is left out."""
    whole_events = len({_outline(scenario) for scenario in scenarios}) > 1
    drawn = set.intersection(*(set(scenario.uncertain()) for scenario in scenarios))
    tables = [_values(scenario, drawn, whole_events=whole_events) for scenario in scenarios]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    rows = {key: tuple(table.get(key) for table in tables) for key in keys}
    return [
        Difference(key, values)
        for key, values in rows.items()
        if any(value != values[0] for value in values)
    ]


def mixed(a: Scenario, b: Scenario, keys: Collection[str]) -> Scenario:
    """Scenario ``a`` with the values of ``b`` for ``keys``, which are among their differences.

    Correlations hold between assumptions that are uncertain in the mixture.
    """
    changes: dict[str, Any] = {
        key.removeprefix("scenario."): getattr(b, key.removeprefix("scenario."))
        for key in keys
        if key.startswith("scenario.")
    }
    for name in _TABLES:
        prefix = CONSENSUS if name == "consensus" else name
        changes[name] = _mix(getattr(a, name), getattr(b, name), prefix, keys)
    if UNIVERSE in keys or PORTFOLIO in keys:  # the portfolio is a group of its universe
        changes |= {"universe": b.universe, "portfolio": b.portfolio}
    if EVENTS in keys:
        changes[EVENTS] = b.events
    elif _outline(a) == _outline(b):
        changes[EVENTS] = tuple(
            _mix(x, y, f"events.{i}", keys)
            for i, (x, y) in enumerate(zip(a.events, b.events, strict=True))
        )
    made = replace(a, **changes)
    first, second = (b, a) if CORRELATIONS in keys else (a, b)
    covered = _among(second.correlations, first.uncertain().keys())
    pairs = [*first.correlations, *(each for each in second.correlations if each not in covered)]
    return replace(made, correlations=_among(pairs, made.uncertain().keys()))


def _among(correlations: Iterable[Correlation], drawn: Collection[str]) -> tuple[Correlation, ...]:
    """Those between assumptions that are ``drawn``."""
    return tuple(each for each in correlations if set(each.between) <= set(drawn))


def firms_named(scenario: Scenario) -> set[str]:
    """Tickers that events of a scenario name."""
    return {event.firm for event in scenario.events if hasattr(event, "firm")}


def value_text(value: Any) -> str:
    """A value on one line, as it stands in a scenario file."""
    if value is None or value == ():
        return "none"
    if isinstance(value, Distribution):
        points = value.model_dump(exclude_none=True)
        shape = points.pop("dist", "quantiles")
        ends = [f"{points.pop(end):g}" for end in ("low", "high")]
        inner = " ".join(f"{name} {number:g}" for name, number in points.items())
        return f"{shape}{f' {inner} in' if inner else ''} {' to '.join(ends)}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple) and value and hasattr(value[0], "kind"):
        kinds = [event.name or event.kind for event in value]
        return _cut(f"{len(kinds)}: {'; '.join(kinds)}")
    return _cut(toml_value(_plain(value)) if not isinstance(value, str) else value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _values(scenario: Scenario, drawn: set[str], *, whole_events: bool) -> dict[str, Any]:
    """Every value that can move a number, by key; correlations of the ``drawn`` assumptions only."""
    values: dict[str, Any] = {
        f"scenario.{name}": getattr(scenario, name) for name in _SETTINGS if name != "universe"
    }
    values[AS_OF] = scenario.as_of.isoformat()
    values = {UNIVERSE: _universe(scenario), PORTFOLIO: _portfolio(scenario), **values}
    tables = {name: getattr(scenario, name) for name in _TABLES}
    tables[CONSENSUS] = tables.pop("consensus")
    for prefix, table in tables.items():
        values |= _leaves(table, prefix)
    if whole_events:
        values[EVENTS] = scenario.events
    else:
        for index, event in enumerate(scenario.events):
            values |= _leaves(event, f"events.{index}")
    values[CORRELATIONS] = tuple(
        sorted(_among(scenario.correlations, drawn), key=lambda each: sorted(each.between))
    )
    return values


def _universe(scenario: Scenario) -> str:
    """The universe's name, with a mark of its figures without holdings: two files may have one name."""
    universe = scenario.universe
    if scenario.portfolio is not None:
        universe = load_universe(universe.path)
    return f"{universe.name} ({_mark(universe.figures())})"


def _portfolio(scenario: Scenario) -> str | None:
    """How many holdings there are, with a mark of what they are."""
    portfolio = scenario.portfolio
    if portfolio is None:
        return None
    holdings = [asdict(holding) for holding in portfolio.holdings]
    mark = _mark([holdings, portfolio.value, scenario.universe.figures()])
    return f"{len(holdings)} holding{'' if len(holdings) == 1 else 's'} ({mark})"


def _mark(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:6]


def _outline(scenario: Scenario) -> tuple[Any, ...]:
    """Which events there are, in order, whatever their numbers."""
    return tuple((event.kind, event.name, getattr(event, "firm", "")) for event in scenario.events)


def _leaves(table: Params, prefix: str) -> dict[str, Any]:
    return {join(prefix, name): getattr(table, name) for name in type(table).model_fields}


def _mix(a: Table, b: Table, prefix: str, keys: Collection[str]) -> Table:
    """Table ``a`` with the fields of ``b`` that are among ``keys``."""
    fields = [name for name in type(a).model_fields if join(prefix, name) in keys]
    return a.model_copy(update={name: getattr(b, name) for name in fields})
