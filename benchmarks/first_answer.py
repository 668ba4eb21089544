"""How long the first answer of ``crashsim run deepseek`` takes, and its parts; docs/performance.md.

    python benchmarks/first_answer.py [--repetitions 5] [--scenario deepseek] [--no-bytecode]

Every repetition runs, one after the other: the imports of numpy, pandas and scipy; the parts of a run in one
process; the command, each line of which is timed. The bound is on the ratio of two times of one repetition: the
command's summary over (those imports + half of the engine's time), as two processors could share the engine.

"CPU" is what the process of the command has used of the processor by then, over the same of the imports and half of the
engine: on a machine with other work it is the steadier of the two.

All of it reads compiled modules, as an installed package does; ``--no-bytecode`` compiles every module
at every start, as with PYTHONDONTWRITEBYTECODE and nothing compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

LIBRARIES = "import numpy, pandas, scipy, scipy.special"
PARTS = """
import json, sys, tempfile, time
last, parts = time.perf_counter(), {}
def lap(name):
    global last
    now = time.perf_counter()
    parts[name], last = now - last, now
import simulator.runs.runner
lap("imports of the simulation")
from simulator.scenario import load_scenario
scenario = load_scenario(sys.argv[1])
lap("scenario")
from simulator.engine import consensus_path
consensus_path(scenario)
lap("consensus")
from simulator.worker_pool import WorkerPool
with WorkerPool(1, abs) as helpers:
    helpers.submit(-1)
    helpers.oldest()
    lap("start of a worker")
lap("end of a worker")
from simulator.engine.block_batches import simulated
from simulator.engine.block_simulation import Keep, new_results
from simulator.engine.streams import BLOCK_PATHS
keep, paths = Keep(), scenario.paths
began = time.process_time()
blocks = list(simulated(scenario, keep, True, range(-(-paths // BLOCK_PATHS))))
lap("engine")
parts["engine, CPU"] = time.process_time() - began
results = new_results(scenario, paths, keep, paths)
left = paths
for block in blocks:
    results.add(block, min(block.count * BLOCK_PATHS, left))
    left -= block.count * BLOCK_PATHS
lap("counting")
from simulator.runs.run import Run
run = Run(scenario, results)
run.estimates()
lap("statistics")
from dataclasses import replace
from simulator.runs.story import contributions, other_worlds
run = replace(run, contributions=contributions(run, other_worlds(run)))
lap("the other worlds")
from simulator.reports.run_text import summary_lines
summary_lines(run)
lap("text")
import pandas
lap("import of pandas")
run.save(tempfile.mkdtemp(dir=sys.argv[2]))
lap("store")
import simulator.plots.shown_figure, matplotlib.backends.backend_svg
lap("import of matplotlib")
from simulator.reports.run_html import figures, html_report
drawn = figures(run)
lap("figures")
html_report(run, drawn)
lap("report page")
print(json.dumps(parts))
"""
SUMMARY, FIRST = "The weakest link is", "simulated futures"
"""Words of the last sentence of the summary, and of its first numbers."""
ENDS = ("first numbers", "summary", "report", "end")
"""What the command is timed to, seconds from its start."""


@contextmanager
def environment(*, bytecode: bool) -> Iterator[dict[str, str]]:
    """Variables of processes that read compiled modules, or that find none."""
    variables = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as place:
        variables["PYTHONPYCACHEPREFIX"] = place
        if not bytecode:
            variables["PYTHONDONTWRITEBYTECODE"] = "1"
        yield variables


def seconds(code: str, variables: dict[str, str]) -> np.ndarray:
    """A process from its start to its end: seconds, and those of the processor."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], env=variables, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return np.array([time.perf_counter() - began, processor])


def processor_seconds(pid: int) -> float:
    """What a running process has used of the processor; NaN where /proc does not say."""
    try:
        with Path(f"/proc/{pid}/stat").open() as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
    except OSError:
        return float("nan")
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def parts(scenario: str, variables: dict[str, str]) -> dict[str, float]:
    """Seconds of each part of a run, one after the other in one process."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-c", PARTS, scenario, place]
        done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    times: dict[str, float] = json.loads(done.stdout)
    return times


def command(scenario: str, variables: dict[str, str], *options: str) -> dict[str, float]:
    """Seconds from the start of ``crashsim run`` to each of ``ENDS``."""
    times: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, "-m", "simulator", "run", scenario, "-o", place, *options]
        began = time.perf_counter()
        with subprocess.Popen(
            words, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as running:
            assert running.stdout is not None
            for line in running.stdout:
                now = time.perf_counter() - began
                for words_, name in ((FIRST, "first numbers"), (SUMMARY, "summary")):
                    if words_ in line:
                        times[name] = now
                        times[f"{name}, CPU"] = processor_seconds(running.pid)
                if line.startswith("report: "):
                    times["report"] = now
        times["end"] = time.perf_counter() - began
        assert running.returncode == 0
    return times


def measured(scenario: str, variables: dict[str, str]) -> dict[str, float]:
    """One repetition: every part, every end of the command, and the ratios of the bound."""
    libraries = seconds(LIBRARIES, variables) - seconds("", variables)
    of, ends = parts(scenario, variables), command(scenario, variables)
    floor = libraries + np.array([of["engine"], of["engine, CPU"]]) / 2
    ratios = {f"{name} / floor": ends[name] / floor[0] for name in ENDS}
    for name in ENDS[:2]:
        ratios[f"{name} / floor, CPU"] = ends[f"{name}, CPU"] / floor[1]
    names = ("numpy, pandas, scipy", "floor")
    totals = {name: value[0] for name, value in zip(names, (libraries, floor), strict=True)}
    totals |= {
        f"{name}, CPU": value[1] for name, value in zip(names, (libraries, floor), strict=True)
    }
    return {**of, **totals, **ends, **ratios}


def repeated(scenario: str, repetitions: int, *, bytecode: bool) -> dict[str, list[float]]:
    """Every figure of :func:`measured`, once a repetition; modules are compiled before."""
    with environment(bytecode=bytecode) as variables:
        if bytecode:
            measured(scenario, variables)
        rows = [measured(scenario, variables) for _ in range(repetitions)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def main() -> None:
    """Print the median of each figure and its range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="deepseek")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--no-bytecode", action="store_true")
    options = parser.parse_args()
    figures = repeated(options.scenario, options.repetitions, bytecode=not options.no_bytecode)
    print(f"{'seconds, or ratio':28s} {'median':>8s} {'least':>8s} {'most':>8s}")
    for name, values in figures.items():
        print(f"{name:28s} {np.median(values):8.2f} {min(values):8.2f} {max(values):8.2f}")


if __name__ == "__main__":
    main()
