"""A run and a sweep that trials copy, spoil and write into, and the commands that made them."""

from __future__ import annotations

import shutil
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from cli_runs import TINY

from simulator.runs.storage import add_files
from trials.commands import content, here, only
from trials.counting import Fault

VARY = ("--vary", "technology.elasticity=0.7,1.2")
ONE = ("--workers", "1")
TAIL_ROW = b"entity,depth,probability,mc_error,low,high\nsp500,0.9,1e-4,1e-5,8e-5,1.2e-4\n"
TIMED = {"manifest.json", "report.html"}
"""Files of a run that hold how long it took or how it was called."""


@dataclass(frozen=True)
class Stored:
    """A finished run and a finished sweep; commands that make them elsewhere."""

    place: Path
    story: Path
    run_folder: Path
    sweep_folder: Path
    plain_run: dict[str, bytes]
    """What the command of the run alone writes; other commands have added to the folder."""

    def run(self, parent: Path, *more: object) -> tuple[object, ...]:
        """The command of the run, in another parent."""
        return ("run", self.story, "-o", parent, *ONE, *more)

    def sweep(self, parent: Path, *more: object) -> tuple[object, ...]:
        """The command of the sweep, in another parent."""
        return ("sweep", self.story, *VARY, "-o", parent, *ONE, *more)

    def copy(self, folder: Path, spot: Path) -> Path:
        """A copy under the same name, in a folder "results" beside others' files."""
        (spot / "victim").mkdir(parents=True)
        for name in (".tmp-precious", "data.txt"):
            (spot / "victim" / name).write_text("mine")
        return Path(shutil.copytree(folder, spot / "results" / folder.name))


def store(place: Path) -> Stored:
    """A run with a figure and a far tail, and a sweep."""
    story, runs, sweeps = place / "tiny.toml", place / "runs", place / "sweeps"
    story.write_text(TINY, encoding="utf-8")
    _done("run", story, "-o", runs, *ONE)
    _done("sweep", story, *VARY, "-o", sweeps, *ONE)
    stored = Stored(place, story, only(runs), only(sweeps), content(only(runs)))
    _done("plot", stored.run_folder, "fan")
    add_files(stored.run_folder, {"rare.csv": TAIL_ROW})
    return stored


def _done(*arguments: object) -> None:
    ending = here(*arguments)
    assert ending.code == 0, ending


def outside(spot: Path) -> list[Fault]:
    """What was done to files beside the folder of results."""
    victims = content(spot / "victim")
    strange = {path.name for path in spot.iterdir()} - {"victim", "results"}
    if victims == dict.fromkeys((".tmp-precious", "data.txt"), b"mine") and not strange:
        return []
    return [Fault("outside", f"beside the results are {strange}, {victims}")]


def leftovers(parent: Path) -> list[Fault]:
    """What was begun and not finished."""
    return [Fault("wrong", f"left behind: {path}") for path in parent.rglob(".tmp-*")]


def differences(
    folder: Path, expected: dict[str, bytes], skipped: Container[str] = TIMED
) -> list[Fault]:
    """Files that are gone or have other bytes than those of an undisturbed command."""
    left, faults = content(folder), []
    for name, whole in expected.items():
        if name not in left:
            faults.append(Fault("lost", f"{name} of {folder}"))
        elif Path(name).name not in skipped and left[name] != whole:
            faults.append(Fault("wrong", f"{name} of {folder} has other bytes"))
    return faults
