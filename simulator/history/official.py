"""Official scenarios: what authorities and institutions assume of equities.

Where they come from, and what was read only through the press: ``simulator/history/data/SOURCES.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import tomli

OFFICIAL = "official"
"""The name that lists them: ``crashsim baseline official``."""


@dataclass(frozen=True)
class OfficialScenario:
    """One scenario. ``fall`` is a positive share, None where no figure for equities is known."""

    name: str
    who: str
    short: str
    """Who, for narrow tables."""
    title: str
    date: date
    scope: str
    economy: str
    source: str
    press: bool
    """Whether it was read through the press only."""
    fall: float | None = None
    entity: str | None = None
    """What of a run stands for the equities it is about."""
    measure: Literal["loss_from_start", "max_drawdown"] | None = None
    """Where the fall counts from: the scenario's start (today), or a peak."""

    @property
    def counts_from(self) -> str:
        """The measure in words."""
        return {None: "-", "loss_from_start": "today", "max_drawdown": "a peak"}[self.measure]


@lru_cache
def official_scenarios() -> tuple[OfficialScenario, ...]:
    """All of them: those with a fall first, the deepest before all."""
    text = (files("simulator.history") / "data" / "official.toml").read_text(encoding="utf-8")
    known = [OfficialScenario(**row) for row in tomli.loads(text)["scenario"]]
    return tuple(sorted(known, key=lambda one: (one.fall is None, -(one.fall or 0.0))))
