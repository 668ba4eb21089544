"""``run --until``: what is said on the way, and runs that are there already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.cli.console import Screen
from simulator.errors import StoreError, plural

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

    goal = parse_goal(text, story.universe.titles, story.grid)
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


@dataclass(frozen=True)
class Reached:
    """The number that ``--until`` asks for, and whether its interval became narrow enough."""

    text: str
    estimate: Estimate
    wanted: float  # half-width of the 95 % interval

    @property
    def met(self) -> bool:
        """Whether the interval is as narrow as asked for."""
        from simulator.runs.stopping_rule import half_width

        return half_width(self.estimate) <= self.wanted

    def document(self) -> dict[str, Any]:
        """For JSON, which has no infinity."""
        numbers = self.estimate.as_json()
        return {"text": self.text, **numbers, "wanted_half_width": self.wanted, "met": self.met}

    def sentence(self, paths: int) -> str:
        """One line for people."""
        of = self.estimate
        met = "as narrow as asked" if self.met else f"not within {self.wanted:.2g} as asked"
        return (
            f"{self.text}: {of.value:.4g} after {plural(paths, 'path')}, "
            f"95 % interval {of.low:.4g} to {of.high:.4g}, {met}"
        )


def reached(run: Run) -> Reached | None:
    """The estimate at which the run's ``--until`` stopped; None without one."""
    from simulator.runs.stopping_rule import parse_goal

    if run.until is None:
        return None
    goal = parse_goal(run.until, run.scenario.universe.titles)
    estimate = goal.estimate(run.results)
    return Reached(goal.text, estimate, goal.wanted(estimate))
