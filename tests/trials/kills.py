"""Commands that a signal ends at a random moment: what was stored stays, and the same command goes on."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from simulator import load_run, load_sweep
from trials import sweeps
from trials.commands import Ending, Forked, call, here, only
from trials.counting import Fault, Trial
from trials.stored import Stored, differences, leftovers

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def kills(stored: Stored) -> Trial:
    """SIGINT, SIGTERM and SIGKILL at random moments of commands that write."""
    cases: list[Callable[[Stored, random.Random, Path], Iterator[Fault]]] = [
        first_run,
        run_again,
        extended,
        new_story,
        figure,
    ]
    weights = (2, 4, 5, 3, 3)

    def trial(dice: random.Random, spot: Path) -> Iterator[Fault]:
        (spot / "results").mkdir()
        (case,) = dice.choices(cases, weights)
        for fault in case(stored, dice, spot / "results"):
            yield fault._replace(text=f"{case.__name__}: {fault.text}")

    return trial


def stopped(
    dice: random.Random, results: Path, lasts: float, *line: object
) -> tuple[Ending, list[Fault]]:
    """Run a command that takes about ``lasts`` seconds, and end it on the way."""
    number, running = dice.choice(SIGNALS), Forked(*line)
    time.sleep(dice.uniform(0.0, lasts))
    running.signal(number)
    ending = running.wait()
    codes = {-number} if number == signal.SIGKILL else {-number, 128 + number}
    faults = list(ending.faults(0, *codes))  # -number: after its end
    if number != signal.SIGKILL:
        faults += leftovers(results)
    return ending, faults


def _ends_well(*line: object) -> Iterator[Fault]:
    yield from here(*line).faults(0)


def _copy(folder: Path, results: Path) -> Path:
    return Path(shutil.copytree(folder, results / folder.name))


def first_run(stored: Stored, dice: random.Random, results: Path) -> Iterator[Fault]:
    """It is there and whole, or is not there; then it is there."""
    line = stored.run(results)
    ending, faults = stopped(dice, results, 4.0, *line)
    yield from faults
    if ending.code and ending.code > 0 and list(results.iterdir()):
        yield from call(partial(load_run, only(results)))  # it was stopped while it printed
    yield from _ends_well(*line)
    yield from differences(only(results), stored.plain_run)
    yield from leftovers(results)


def run_again(stored: Stored, dice: random.Random, results: Path) -> Iterator[Fault]:
    """Nothing of the finished run is ever missing, not even what other commands added."""
    folder = _copy(stored.run_folder, results)
    line = stored.run(results, "--force")
    _, faults = stopped(dice, results, 4.0, *line)
    yield from faults
    yield from _whole(folder, stored)
    yield from here("list", results).faults(0)
    yield from _ends_well("plot", folder, "firms")
    yield from _whole(folder, stored)
    yield from leftovers(results)


def _whole(folder: Path, stored: Stored) -> Iterator[Fault]:
    yield from call(partial(load_run, folder))
    yield from differences(folder, stored.plain_run)
    for name in ("rare.csv", "figures/fan-sp500.svg"):
        if name not in json.loads((folder / "manifest.json").read_text())["files"]:
            yield Fault("lost", f"{name} of {folder}")


def extended(stored: Stored, dice: random.Random, results: Path) -> Iterator[Fault]:
    """The command that was stopped adds its paths once, then again."""
    folder = _copy(stored.sweep_folder, results)
    line = stored.sweep(results, "--extend", 100)
    ending, faults = stopped(dice, results, 1.5, *line)
    yield from faults
    paths = 164 if ending.code == 0 else 64
    yield from _ends_well(*line)
    after = json.loads((folder / "sweep.json").read_text())["paths"]
    if after != paths + 100:
        yield Fault("wrong", f"{after} paths, not {paths + 100}, after exit {ending.code}")
    yield from call(partial(load_sweep, folder))
    yield from leftovers(results)


def new_story(stored: Stored, dice: random.Random, results: Path) -> Iterator[Fault]:
    """The file is whole or not there."""
    line = ("new", "mine", "--from", stored.story)
    with contextlib.chdir(results):
        _, faults = stopped(dice, results, 0.1, *line)
        yield from faults
        if not Path("mine.toml").exists():
            yield from _ends_well(*line)
        yield from here("check", "mine.toml").faults(0)


def figure(stored: Stored, dice: random.Random, results: Path) -> Iterator[Fault]:
    folder = _copy(stored.run_folder, results)
    line = ("plot", folder, "histogram")
    _, faults = stopped(dice, results, 0.7, *line)
    yield from faults
    yield from _whole(folder, stored)
    yield from _ends_well(*line)
    yield from _whole(folder, stored)
    yield from leftovers(results)


def workers(_stored: Stored) -> Trial:
    """Sweeps with two workers, killed and resumed: no cell is lost, torn or computed twice, no process left."""

    def trial(dice: random.Random, spot: Path) -> Iterator[Fault]:
        counted = sweeps.kill_campaign(spot, 1, 8, dice.randrange(10**6))
        seen = {
            "lost": counted.lost + counted.again,
            "wrong": counted.wrong + counted.different,
            "hangs": counted.orphans,
        }
        for kind, number in seen.items():
            if number:
                yield Fault(kind, str(counted))

    return trial
