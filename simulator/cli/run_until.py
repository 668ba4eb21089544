"""``run --until``: what is said on the way, and runs that are there already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.cli.console import Screen
from simulator.errors import StoreError

if TYPE_CHECKING:
    from simulator.runs import Run
    from simulator.runs.stopping_rule import Goal
    from simulator.scenario import Scenario
    from simulator.statistics import Estimate


def earlier(story: Scenario, text: str, parent: Path, keep_paths: int) -> Path | None:
    """The folder of a run that was made for this goal and reached it, with at most the story's paths."""
    from simulator.runs import load_run, run_digest
    from simulator.runs.stopping_rule import parse_goal
    from simulator.runs.storage import is_complete, read_manifest

    goal = parse_goal(text, story.universe.entities, story.grid)
    for folder in sorted(parent.glob(f"{story.name}-*")):
        if not is_complete(folder):
            continue
        try:
            manifest = read_manifest(folder)
            paths = manifest["paths"]
            if manifest.get("until") != goal.text or paths > story.paths:
                continue
            if run_digest(story.with_(paths=paths), None, keep_paths) != manifest["digest"]:
                continue
            if paths == story.paths or _reached(goal, load_run(folder)):
                return folder
        except StoreError:
            continue  # damaged: it is made again
    return None


def _reached(goal: Goal, run: Run) -> bool:
    from simulator.runs.stopping_rule import half_width

    found = goal.estimate(run.results)
    return half_width(found) <= goal.wanted(found)


def teller(screen: Screen, text: str) -> Callable[[int, Estimate, float], None]:
    """Says at each look how far the error has shrunk."""
    from simulator.runs.stopping_rule import half_width

    def look(paths: int, found: Estimate, wanted: float) -> None:
        screen.say(
            f"{paths:,} paths: {found.value:.4g}, 95 % interval within {half_width(found):.2g} of it, "
            f"wanted {wanted:.2g} ({text})"
        )

    return look


def warn_if_short(screen: Screen, run: Run) -> None:
    """Warn of a run that used up its paths before it reached its goal."""
    from simulator.runs.stopping_rule import half_width, parse_goal

    if run.until is None:
        return
    goal = parse_goal(run.until, run.scenario.universe.entities)
    if not _reached(goal, run):
        found = goal.estimate(run.results)
        screen.warn(
            f"{goal.text}: after {run.paths:,} paths the 95 % interval reaches {half_width(found):.2g} "
            f"from the number, wanted {goal.wanted(found):.2g}; allow more --paths"
        )
