"""Short words for a run, and what makes its numbers exact: shared by texts, tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.errors import plain
from simulator.statistics import Estimate

if TYPE_CHECKING:
    from simulator.runs.run import Run

DOTCOM = "dotcom"
"""The crash that everything is compared with."""


def is_exact(run: Run) -> bool:
    """Whether the run is the one path without noise, whose numbers have no error."""
    return run.shocks == "zero" and run.paths == 1


def exact(run: Run, of: Estimate) -> Estimate:
    """An estimate of a run; without an error where the run is exact."""
    return Estimate(of.value, 0.0, of.value, of.value) if is_exact(run) else of


def label(run: Run, entity: str) -> str:
    """The name of an entity for people; what its title has in brackets is left out."""
    return plain(run.label(entity)).split(" (")[0]


def closes(run: Run) -> str:
    """How often the run looks at prices: "weekly"."""
    steps = run.scenario.steps_per_year
    return {12: "monthly", 52: "weekly", 252: "daily"}.get(steps, f"{steps}-a-year")


def years(span: float) -> str:
    """A number of years in words: "1 year", "2.5 years"."""
    return "1 year" if span == 1 else f"{span:g} years"
