"""What a sweep costs beside its simulations, and what workers add; docs/performance.md.

    python benchmarks/sweep_scaling.py [--cells 400] [--paths 2000]

Prints JSON: seconds of the engine alone, of sweeps with 1 and 2 local workers and 2 Dask workers, of
two independent sweeps at once, of two threads; and the parent's memory with a tenth of the cells.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simulator import Design, load_scenario
from simulator.engine import block_simulation
from simulator.engine.block_batches import TOGETHER
from simulator.engine.dask_executor import get_cluster
from simulator.engine.executors import get_executor
from simulator.engine.streams import BLOCK_PATHS
from simulator.runs import atomic_files
from simulator.sweeps.design import design_cells, resolve_design
from simulator.sweeps.plan import make_plan, sweep_folder
from simulator.sweeps.sweep import run_plan

KEY = "technology.elasticity"


def sweep(place: Path, cells: int, paths: int, workers: str) -> None:
    """Run one sweep in this process and print its seconds and memory as JSON."""
    scenario = load_scenario("deepseek").with_(paths=paths)
    design = resolve_design(Design.grid({KEY: f"0.6:1.6:{cells - 1}"}), scenario)
    began = time.perf_counter()
    with atomic_files.lock(sweep_folder(scenario, design, place)):
        plan = make_plan(scenario, design, place)
        planned = time.perf_counter()
        run_plan(plan, get_cluster("local", 2) if workers == "dask" else get_executor(int(workers)))
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert peak
    figures = {
        "seconds": round(time.perf_counter() - began, 2),
        "plan_seconds": round(planned - began, 2),
        "parent_MB": int(peak[1]) // 1000,
    }
    print(json.dumps(figures))


def engine_seconds(cells: int, paths: int) -> float:
    """All paths of all cells, simulated and measured as a cell measures them: nothing kept."""
    scenario = load_scenario("deepseek").with_(paths=paths)
    design = resolve_design(Design.grid({KEY: f"0.6:1.6:{max(cells - 1, 2)}"}), scenario)
    blocks = range(-(-paths // BLOCK_PATHS))
    groups = [blocks[i : i + TOGETHER] for i in range(0, len(blocks), TOGETHER)]
    made = [scenario.overlaid(overrides) for overrides in design_cells(design, scenario)]
    seconds = 0.0
    for one in [made[0], *made]:
        began = time.perf_counter()
        for group in groups:
            block_simulation.run_block(one, one.seed, group.start, KEEP, count=len(group))
        seconds += time.perf_counter() - began
    return seconds * cells / (len(made) + 1)


KEEP = block_simulation.Keep(pictures=False)
"""More than cells need now: the engine that the bound of 1.12 was set for."""


def threads() -> dict[str, float]:
    """The same blocks in one thread and in two."""
    scenario = load_scenario("deepseek").with_(paths=2048)

    def work(blocks: range) -> object:
        return block_simulation.run_block(scenario, 1, blocks.start, KEEP, count=len(blocks))

    found = {}
    for count in (1, 2):
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(work, [range(2)] * count))
            began = time.perf_counter()
            list(pool.map(work, [range(2)] * 8))
            found[str(count)] = round(time.perf_counter() - began, 2)
    return found


def start(place: Path, cells: int, paths: int, workers: str) -> subprocess.Popen:
    numbers = ["--cells", str(cells), "--paths", str(paths)]
    line = [sys.executable, __file__, *numbers, "--sweep", workers, "--place", str(place)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen) -> dict[str, float]:
    out, _ = process.communicate()
    return json.loads(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--paths", type=int, default=2000)
    parser.add_argument("--sweep", metavar="WORKERS", help="one sweep: 1, 2 or dask")
    parser.add_argument("--place", type=Path, help="folder of that sweep")
    given = parser.parse_args()
    cells, paths = given.cells, given.paths
    if given.sweep:
        sweep(given.place, cells, paths, given.sweep)
        return
    place = Path(tempfile.mkdtemp(prefix="sweep-scaling-"))
    sample = min(cells, 40)
    found: dict[str, object] = {"cells": cells, "paths": paths}
    found["engine_seconds"] = round(engine_seconds(sample, paths) / sample * cells, 2)
    found["threads_seconds"] = threads()
    for workers in ("1", "2", "dask"):
        found[f"sweep_{workers}"] = ended(start(place / workers, cells, paths, workers))
    two = [start(place / f"apart-{i}", cells // 2, paths, "1") for i in range(2)]
    found["two_apart"] = [ended(one) for one in two]
    found["tenth_of_the_cells"] = ended(start(place / "tenth", max(cells // 10, 4), paths, "2"))
    size = sum(path.stat().st_size for path in (place / "1").rglob("*") if path.is_file())
    found["MB_a_cell"] = round(size / cells / 1e6, 2)
    print(json.dumps(found, indent=2))
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
