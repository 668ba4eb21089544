"""Sweeps in processes of their own, killed and resumed.

Each function returns what it counted; who calls it judges.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from simulator.errors import StoreError
from simulator.sweeps import sweep_cell
from trials.commands import Clock, content, descendants, only

STORY = """\
format_version = 1

[scenario]
name = "trial"
title = "Three quarters"
universe = "us-2025-01"
horizon_years = 0.75
steps_per_year = 52
paths = 200
seed = 7

[technology]
elasticity = { dist = "uniform", low = 0.6, high = 1.6 }
"""


def write_story(folder: Path) -> Path:
    path = folder / "trial.toml"
    path.write_text(STORY, encoding="utf-8")
    return path


def command(story: Path, output: Path, cells_: int, *more: str) -> list[str]:
    vary = f"technology.elasticity=0.6:1.5:{cells_}"
    line = [sys.executable, "-m", "simulator", "sweep", str(story), "--vary", vary]
    return [*line, "-o", str(output), "--workers", "2", *more]


def start(line: list[str]) -> subprocess.Popen[str]:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A job in the background of a shell script ignores it, and hands that on.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(line: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


def committed(folder: Path) -> dict[str, int]:
    """Cells that are in place, each with the number of its file: a new one means a second computation."""
    return {
        path.name: (path / sweep_cell.DATA).stat().st_ino
        for path in folder.glob("cells/??/*")
        if not path.name.startswith(".")
    }


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass
class Killed:
    """What a campaign of kills found."""

    kills: int = 0
    sweeps: int = 0
    lost: int = 0  # committed, then gone
    again: int = 0  # committed, then computed again
    wrong: int = 0  # in place and not whole
    different: int = 0  # files whose final bytes differ from an undisturbed run
    orphans: int = 0  # processes alive two seconds after their parent was killed
    at: list[int] = field(default_factory=list)  # cells in place at each kill


def kill_campaign(place: Path, kills: int, cells_: int, seed: int = 1) -> Killed:
    """Kill a sweep again and again at random moments, resuming it each time."""
    dice = random.Random(seed)
    story = write_story(place)
    began = time.monotonic()
    assert finish(command(story, place / "whole", cells_)).returncode == 0
    lasts = time.monotonic() - began
    expected = content(only(place / "whole"))
    found = Killed()
    output = place / "killed"
    before: dict[str, int] = {}
    while True:
        process = start(command(story, output, cells_))
        if found.kills < kills:
            time.sleep(dice.uniform(0.1, 1.1) * lasts)
        else:
            process.wait(timeout=300)
        ended = process.poll() is not None
        if not ended:
            family = descendants(process.pid)
            process.kill()
            found.kills += 1
            found.orphans += len(still_alive(family))
        _, err = process.communicate()
        folder = only(output) if output.is_dir() and any(output.iterdir()) else output / "none"
        now = committed(folder)
        found.lost += len(before.keys() - now.keys())
        found.again += sum(now[id_] != number for id_, number in before.items() if id_ in now)
        found.wrong += sum(not _whole(folder / "cells" / id_[:2] / id_) for id_ in now)
        before = now
        if not ended:
            found.at.append(len(now))
        else:
            assert process.returncode == 0, f"exit {process.returncode}: {err}"
            found.sweeps += 1
            left = content(folder)
            names = left.keys() | expected.keys()
            found.different += sum(left.get(name) != expected.get(name) for name in names)
            if found.kills >= kills:
                return found
            shutil.rmtree(output)
            before = {}


def _whole(place: Path) -> bool:
    try:
        sweep_cell.verify(place)
    except StoreError:
        return False
    return True


def orphans(story: Path, output: Path) -> tuple[list[int], list[int]]:
    """Kill a sweep whose workers are busy; its processes, and those alive two seconds later."""
    process = start(command(story, output, 8, "--paths", "2000000"))  # minutes a cell
    deadline = time.monotonic() + 60
    while len(family := descendants(process.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)  # the fork server, and two workers
    process.kill()
    process.communicate()
    return family, still_alive(family)


def still_alive(family: list[int]) -> list[int]:
    """Those of these processes that are alive in two seconds."""
    clock = Clock()
    while any(map(alive, family)) and clock.seconds(*family) < 2:
        time.sleep(0.01)
    return [pid for pid in family if alive(pid)]
