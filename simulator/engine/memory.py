"""Memory that a run needs, checked before the first allocation."""

from __future__ import annotations

import os
from pathlib import Path

from simulator.engine.results import (
    CAUSE_BINS,
    CAUSES,
    CHANNELS,
    DRIVER_GRID,
    DRIVERS,
    FAN_GRID,
    GRIDS,
    MEASURES,
    UNDERWATER_GRID,
)
from simulator.errors import RunError

_BASE = 100_000_000
"""Bytes of Python with the libraries of a run."""
_WORKER = 75_000_000
"""Bytes of a worker process with its libraries, before its block."""
_STATES = 0.8
"""Size of a block's past, in arrays of (entity, time, path)."""
_AT_HAND = 1_700
"""Bytes for each entity and path of a block beside its past: buffers, look-ups, results."""
_COPIES = 3
"""Of the results of a task on their way: counted and packed by the worker, unpacked here."""
_UNKNOWN = 4_000_000_000
"""Assumed where the system does not say what is available."""


def needed(
    *,
    entities: int,
    steps: int,
    fan_times: int,
    inputs: int,
    kept: int,
    keep_levels: bool,
    block_paths: int,
    workers: int,
    task_paths: int,
) -> int:
    """Bytes a run takes at most, all processes together.

    ``kept`` is the number of paths in the tables, ``task_paths`` that of the most whose results a
    worker sends at once; other sizes as in :class:`~simulator.engine.results.Results`.
    """
    history = entities * (steps + 1) * 8
    numbers = 4 * (len(CAUSES) + len(CHANNELS))
    row = entities * (numbers + sum(MEASURES[name]().itemsize for name in MEASURES))
    row += inputs * 8 + (history // 2 if keep_levels else 0)
    bins = sum(grid.bins for grid in GRIDS.values()) + CAUSE_BINS * len(CAUSES)
    counts = entities * (8 * bins + 4 * fan_times * (FAN_GRID.bins + UNDERWATER_GRID.bins))
    # For pictures; fewer groups than entities, and few quarters or months but on a coarse grid.
    moments, lags = min(steps, 4 * 10) + 1, min(steps, 3 * 13) + 1
    counts += 4 * (len(DRIVERS) * moments * DRIVER_GRID.bins + entities * lags * FAN_GRID.bins)
    states = _STATES + (1.0 if keep_levels else 0.0)
    block = block_paths * int(states * history + _AT_HAND * entities)
    # The process of a run is one of its workers, that of a sweep computes only alone.
    apart = workers - 1 if task_paths or workers == 1 else workers
    sent = task_paths * row + counts // 2  # counts travel in their smallest types
    return (
        _BASE + kept * row + counts + workers * block + apart * (_WORKER + counts + _COPIES * sent)
    )


def available() -> int:
    """Bytes this process may still take, or 4 GB where the system does not say."""
    limits = [_UNKNOWN]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits = [int(line.split()[1]) * 1024]
    except OSError:
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    try:  # a container may have less than its machine
        group = Path("/sys/fs/cgroup")
        top = (group / "memory.max").read_text().strip()
        if top != "max":
            limits.append(int(top) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return max(min(limits), 0)


def check(most: int | None, *, paths: int, keep_paths: int, **sizes: int) -> None:
    """Refuse a run that takes more than ``most`` bytes (default: half of what is available).

    Raises
    ------
    RunError
        With the bytes needed and the number of paths that would fit.
    """
    budget = available() // 2 if most is None else most

    def total(kept: int) -> int:
        return needed(kept=kept, **sizes)  # type: ignore[arg-type]

    total_bytes = total(min(paths, keep_paths))
    if total_bytes <= budget:
        return
    fixed, row = total(0), total(1) - total(0)
    fit = (budget - fixed) // row
    advice = (
        f"{fit:,} paths in the tables would fit: fewer --paths or --keep-paths, or more --max-memory"
        if fit > 0
        else f"not one path would fit beside the fixed {_gigabytes(fixed)}: raise --max-memory or use fewer workers"
    )
    raise RunError(
        f"{paths:,} paths need about {_gigabytes(total_bytes)} of memory, {_gigabytes(budget)} are allowed; {advice}"
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.2f} GB"
