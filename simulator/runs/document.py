"""A run as one JSON document: ``summary.json``, and ``run --json`` but for the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.runs import official, portfolio_risk, sensitivity, story_text

if TYPE_CHECKING:
    from simulator.runs.run import Run

SCHEMA_VERSION = 1
"""A change of meaning or a lost key raises it."""


def document(run: Run) -> dict[str, Any]:
    """The document; see :meth:`simulator.Run.document`."""
    held = portfolio_risk.document(run.scenario, run.results)
    portfolio = {"portfolio": held} if held else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "name": run.scenario.name,
        "title": run.scenario.title,
        "digest": run.digest,
        "seed": run.seed,
        "paths": run.paths,
        "verdict": run.verdict,
        "entities": {
            entity: {name: found.as_json() for name, found in found_all.items()}
            for entity, found_all in run.estimates().items()
        },
        "drivers": {
            entity: {name: found.as_json() for name, found in run.drivers(entity).items()}
            for entity in run.entities
        },
        "baselines": _baselines(run),
        "official": {
            one.name: {
                "fall": one.fall,
                "entity": one.entity,
                "measure": one.measure,
                "reached": chance.as_json(),
            }
            for one, chance in official.reached(run.scenario, run.results)
        },
        "thresholds": [
            {
                "name": result.threshold.name,
                "text": result.threshold.text,
                "passed": result.passed,
                "sure": result.sure,
                "estimate": result.estimate.as_json(),
            }
            for result in run.threshold_results()
        ],
        "assumptions": sensitivity.document(run.scenario, run.results),
        "weakest_link": sensitivity.weakest_link(run.scenario, run.results),
        **portfolio,
        **_contributions(run),
    }


def _contributions(run: Run) -> dict[str, Any]:
    if run.contributions is None:
        return {}
    parts = story_text.document(run.contributions)
    return {"contributions": parts, "contributions_in_words": run.story_sentences}


def _baselines(run: Run) -> dict[str, Any]:
    """Real crashes by name and index, and the chance that an entity falls as far."""
    found: dict[str, Any] = {}
    for index in ("sp500", "nasdaq"):
        for crash in run.crashes(index):
            found.setdefault(crash.name, {})[index] = {
                "max_drawdown": crash.depth,
                "max_drawdown_daily": crash.daily_depth,
                "same_grid": crash.same_grid,
            }
    for name, entry in found.items():
        reached = {
            entity: statistics_[f"reach_{name}"].as_json()
            for entity, statistics_ in run.estimates().items()
            if f"reach_{name}" in statistics_
        }
        if reached:
            entry["reached"] = reached
    return found
