"""Put sweeps through kills, signals, full disks and flipped bits, and print what was counted as JSON.

The long form of tests/sweeps/test_sweep_reliability.py: `make campaign`, about half an hour. A trial that
finds a fault counts it; the exit code is 1 if any did.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import sweep_trials as trials

CELLS = 100


def kills(place: Path, times: int) -> dict[str, Any]:
    """Kill -9 at random moments of a sweep of 100 cells, resumed each time."""
    found = asdict(trials.kill_campaign(place, times, CELLS))
    at = found.pop("at")
    faults = sum(found[name] for name in ("lost", "again", "wrong", "different", "orphans"))
    return {**found, "cells_in_place_when_killed": [min(at), max(at)], "faults": faults}


def orphans(place: Path, times: int) -> dict[str, Any]:
    """The parent is killed while its workers are busy."""
    story, left = trials.write_story(place), 0
    for number in range(times):
        left += len(trials.orphans(story, place / str(number))[1])
    return {"kills": times, "alive_after_2_s": left, "faults": left}


def pairs(place: Path, times: int) -> dict[str, Any]:
    """Two sweeps started in one folder: one works, the other says so; then the next needs no help."""
    story, slowest, faults = trials.write_story(place), 0.0, 0
    for number in range(times):
        line = trials.command(story, place / str(number), 8, "--paths", "40000")
        began = time.monotonic()
        two = [trials.start(line), trials.start(line)]
        while all(one.poll() is None for one in two):
            time.sleep(0.01)
        took = time.monotonic() - began
        first, second = sorted(two, key=lambda one: one.poll() is None)
        slowest = max(slowest, took)
        faults += first.wait() != 6
        second.kill()  # a holder that dies
        for one in two:
            one.communicate()
        faults += trials.finish(trials.command(story, place / str(number), 8)).returncode != 0
    return {"pairs": times, "slowest_refusal_s": round(slowest, 2), "faults": faults}


def bits(place: Path, times: int) -> dict[str, Any]:
    """One bit flipped at a time, over all files of a sweep."""
    story = trials.write_story(place)
    trials.finish(trials.command(story, place / "whole", 8))
    missed = trials.flip_bits(trials.only(place / "whole"), times)
    return {"flips": times, "missed": missed, "faults": len(missed)}


def disks(place: Path, times: int) -> dict[str, Any]:
    """A disk that is full at so many levels; then it has room again."""
    story = trials.write_story(place)
    trials.finish(trials.command(story, place / "whole", 8))
    expected = trials.content(trials.only(place / "whole"))
    need, faults = sum(map(len, expected.values())), 0
    for number in range(times):
        share = (number + 0.5) / times * 0.95
        try:
            with trials.small_disk(place / str(number), int(share * need)) as small:
                line = trials.command(story, small, 8)
                full = trials.finish(line)
                faults += full.returncode != 4 or "Traceback" in full.stderr
                for path in small.rglob("cells/*/*/*"):
                    name = str(path.relative_to(trials.only(small)))
                    faults += path.read_bytes() != expected[name]
                room = ["mount", "-o", f"remount,size={10 * need}", str(small)]
                subprocess.run(room, check=True)
                faults += trials.finish(line).returncode != 0
                faults += trials.content(trials.only(small)) != expected
        except PermissionError:
            return {"skipped": "mounting is not allowed here", "faults": 0}
    return {"levels": times, "faults": faults}


def signals(place: Path, times: int) -> dict[str, Any]:
    """SIGINT and SIGTERM at random moments of a sweep that takes minutes."""
    dice, story = random.Random(1), trials.write_story(place)
    slowest, faulty = 0.0, []
    for number in range(times):
        line = trials.command(story, place / str(number), 8, "--paths", "2000000")
        kind = (signal.SIGINT, signal.SIGTERM)[number % 2]
        # Before Python has put its handlers up, a signal ends it as it ends any program.
        code, took, err = trials.stop_after(line, kind, dice.uniform(4, 7))
        slowest = max(slowest, took)
        if code != 128 + kind or took > 5 or "Traceback" in err or "To go on:" not in err:
            faulty.append(f"{kind.name}: {code} after {took:.1f} s: {err[-200:]}")
    return {
        "signals": times,
        "slowest_s": round(slowest, 2),
        "faulty": faulty,
        "faults": len(faulty),
    }


TRIALS: dict[str, tuple[Callable[[Path, int], dict[str, Any]], int]] = {
    "kills": (kills, 200),
    "orphans": (orphans, 50),
    "pairs": (pairs, 20),
    "bits": (bits, 1000),
    "disks": (disks, 20),
    "signals": (signals, 100),
}


def main() -> int:
    """Run the trials that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="*", metavar="TRIAL", help=", ".join(TRIALS))
    parser.add_argument("--times", type=int, help="instead of each trial's own number")
    given = parser.parse_args()
    if wrong := set(given.trials) - set(TRIALS):
        parser.error(
            f"no trial is called {', '.join(sorted(wrong))}; there are {', '.join(TRIALS)}"
        )
    faults = 0
    for name in given.trials or TRIALS:
        trial, times = TRIALS[name]
        place = Path(tempfile.mkdtemp(prefix=f"campaign-{name}-"))
        began = time.monotonic()
        found = trial(place, given.times or times)
        print(json.dumps({name: {**found, "seconds": round(time.monotonic() - began)}}), flush=True)
        faults += found["faults"]
        shutil.rmtree(place, ignore_errors=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
