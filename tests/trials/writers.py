"""Several commands at once in one folder: none loses what another wrote, no reader sees half of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from simulator import load_run, load_sweep
from trials.commands import Ending, Forked, call, content, here, only
from trials.counting import Fault, Trial
from trials.stored import ONE, Stored, differences, leftovers

BUSY = 6
"""Exit code where another process holds the folder."""
FIGURES = ("histogram", "fan", "exceedance", "firms")


def writers(stored: Stored) -> Trial:
    """Races, each with its start shuffled by up to 0.1 s."""
    races: list[Callable[[Stored, random.Random, Path], Iterator[Fault]]] = [
        figures,
        one_figure,
        tail_beside_figures,
        again_beside_readers,
        again_beside_a_figure,
        extended_twice,
        extended_beside_readers,
        first_twice,
    ]
    # What takes longest is rarer.
    weights = (5, 5, 0.5, 1, 1, 4, 4, 0.5)

    def trial(dice: random.Random, spot: Path) -> Iterator[Fault]:
        (race,) = dice.choices(races, weights)
        for fault in race(stored, dice, spot):
            yield fault._replace(text=f"{race.__name__}: {fault.text}")
        yield from leftovers(spot / "results")

    return trial


def at_once(dice: random.Random, *lines: tuple[object, ...]) -> list[Ending]:
    """Commands started one soon after the other, in any order; how they ended, in the order given."""
    running: dict[int, Forked] = {}
    for number in dice.sample(range(len(lines)), len(lines)):
        running[number] = Forked(*lines[number])
        time.sleep(dice.choice((0.0, 0.0, dice.uniform(0.0, 0.1))))
    return [running[number].wait() for number in range(len(lines))]


def listed(folder: Path) -> set[str]:
    """Files that the manifest of a run names."""
    return set(json.loads((folder / "manifest.json").read_text())["files"])


def _whole(folder: Path, *names: str) -> Iterator[Fault]:
    """Faults of a run that should be whole and list these files."""
    yield from call(partial(load_run, folder))
    for name in sorted(set(names) - listed(folder)):
        yield Fault("lost", f"{name} is not in the manifest")


def figures(stored: Stored, dice: random.Random, spot: Path) -> Iterator[Fault]:
    folder = stored.copy(stored.run_folder, spot)
    lines = [("plot", folder, kind, "-e", "nasdaq") for kind in FIGURES]
    for ending in at_once(dice, *lines):
        yield from ending.faults(0)
    yield from _whole(folder, "rare.csv", *(f"figures/{kind}-nasdaq.svg" for kind in FIGURES))


def one_figure(stored: Stored, dice: random.Random, spot: Path) -> Iterator[Fault]:
    folder = stored.copy(stored.run_folder, spot)
    for ending in at_once(dice, *[("plot", folder, "fan", "-e", "nasdaq")] * 4):
        yield from ending.faults(0)
    yield from _whole(folder, "figures/fan-nasdaq.svg")


def tail_beside_figures(stored: Stored, dice: random.Random, spot: Path) -> Iterator[Fault]:
    folder = stored.copy(stored.run_folder, spot)
    tail = ("rare", folder, "--tail", "-e", "nasdaq", *ONE)
    for ending in at_once(
        dice, tail, ("plot", folder, "fan", "-e", "mag7"), ("plot", folder, "firms")
    ):
        yield from ending.faults(0)
    yield from _whole(folder, "rare.csv", "figures/fan-mag7.svg")


def again_beside_readers(stored: Stored, dice: random.Random, spot: Path) -> Iterator[Fault]:
    """Readers see the run as it was or as it is, which are the same."""
    folder = stored.copy(stored.run_folder, spot)
    expected = here("show", folder).out
    again, *shown = at_once(
        dice, stored.run(folder.parent, "--force"), *[("show", folder)] * 3, ("list", folder.parent)
    )
    yield from again.faults(0, BUSY)
    for ending in shown:
        yield from ending.faults(0)
        if "damaged" in ending.err or (ending.line.startswith("show") and ending.out != expected):
            yield Fault("wrong", f"{ending.line} printed another summary: {ending.err}")
    yield from differences(folder, stored.plain_run)
    yield from _whole(folder, "rare.csv")


def again_beside_a_figure(stored: Stored, dice: random.Random, spot: Path) -> Iterator[Fault]:
    folder = stored.copy(stored.run_folder, spot)
    again, plot = at_once(
        dice, stored.run(folder.parent, "--force"), ("plot", folder, "fan", "-e", "nasdaq")
    )
    yield from again.faults(0, BUSY)
    yield from plot.faults(0, BUSY)
    yield from _whole(folder, "rare.csv", *(["figures/fan-nasdaq.svg"] if plot.code == 0 else []))


def extended_twice(stored: Stored, dice: random.Random, spot: Path) -> Iterator[Fault]:
    """Each that ended well added its paths; the other said that the folder is held."""
    folder = stored.copy(stored.sweep_folder, spot)
    line = stored.sweep(folder.parent, "--extend", 100)
    endings = at_once(dice, line, line)
    for ending in endings:
        yield from ending.faults(0, BUSY)
    added = 100 * sum(ending.code == 0 for ending in endings)
    yield from _extended(folder, added)


def _extended(folder: Path, *added: int) -> Iterator[Fault]:
    yield from call(partial(load_sweep, folder))
    paths = json.loads((folder / "sweep.json").read_text())["paths"]
    if paths - 64 not in added or not added:
        yield Fault("wrong", f"{paths} paths after {added} were added to 64")


def extended_beside_readers(stored: Stored, dice: random.Random, spot: Path) -> Iterator[Fault]:
    """A sweep that is being extended is unfinished or whole."""
    folder = stored.copy(stored.sweep_folder, spot)
    again, *shown = at_once(
        dice,
        stored.sweep(folder.parent, "--extend", 100),
        *[("show", folder)] * 2,
        ("list", folder.parent),
    )
    yield from again.faults(0, BUSY)
    for ending in shown:
        yield from ending.faults(0, 4)
        if ending.code == 4 and "unfinished" not in ending.err:
            yield Fault("wrong", f"{ending.line}: {ending.err}")
    yield from _extended(folder, 100 * (again.code == 0))


def first_twice(stored: Stored, dice: random.Random, spot: Path) -> Iterator[Fault]:
    line = stored.run(spot / "results")
    endings = at_once(dice, line, line)
    for ending in endings:
        yield from ending.faults(0, BUSY)
    if all(ending.code for ending in endings):
        yield Fault("wrong", "neither ran")
    folder = only(spot / "results")
    yield from differences(folder, stored.plain_run)
    yield from _whole(folder)
    if content(folder).keys() != stored.plain_run.keys():
        yield Fault("wrong", f"other files: {sorted(content(folder))}")
