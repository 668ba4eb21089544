"""One assumption wherever it stands: its declaration, the equations it belongs to, its value in each scenario."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.errors import UsageError, plain
from simulator.scenario.assumptions import Assumption
from simulator.scenario.scenario import Scenario, load_scenario
from simulator.scenario.scenario_files import list_scenarios
from simulator.schema import Params, Spec, suggestion

_SECTION = re.compile(r" \((docs/model\.md, section [\d.]+)\)\.?")


@dataclass(frozen=True)
class ExplainedKey:
    """What the key of an assumption means.

    ``about`` is what the equations around it do, ``place`` where they are written down ("" if nowhere), ``values``
    are the lines of the ledger by name of the scenario.
    """

    key: str
    spec: Spec
    table: str
    about: str
    place: str
    values: dict[str, Assumption]


def explain_key(key: str, scenario: Scenario | None = None) -> ExplainedKey:
    """Explain a full key, as the shipped scenarios have it, or first this ``scenario``.

    Raises UsageError with the nearest key for one that none of them has.
    """
    stories = [] if scenario is None else [scenario]
    stories += [load_scenario(name) for name in list_scenarios()]
    owners = {of: table for story in reversed(stories) for of, table in _owners(story)}
    if key not in owners:
        hint = suggestion(key, owners)
        raise UsageError(f"no assumption is called {plain(key, 80)}{'; ' + hint if hint else ''}")
    owner, name = owners[key], key.rpartition(".")[2]
    values = {
        story.name: row
        for story in stories
        if dict(_owners(story)).get(key) is owner  # another kind of event may have such a key too
        for row in story.ledger()
        if row.key == key
    }
    declaring = next(base for base in reversed(owner.__mro__) if _declares(base, name))
    lines = [
        (sys.modules[declaring.__module__].__doc__ or "").split("\n")[0],
        (owner.__doc__ or "").split("\n")[0],
    ]
    place = _SECTION.search(lines[0])
    return ExplainedKey(
        key,
        owner.spec(name),
        key.rpartition(".")[0],
        f"{_SECTION.sub('', lines[0]).rstrip('.')}: {lines[1]}",
        place[1] if place else "",
        values,
    )


def _owners(scenario: Scenario) -> Iterator[tuple[str, type[Params]]]:
    """Every key with the class of its table."""
    for prefix, top in scenario.tables().items():
        for below, table in top.nested(prefix):
            for name in type(table).specs():
                yield f"{below}.{name}", type(table)


def _declares(base: type, name: str) -> bool:
    return issubclass(base, Params) and name in base.specs()
