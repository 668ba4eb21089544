"""Clocks for benchmarks: things compared run in turn, and the fastest of each counts.

Other work on the machine only ever adds time, so the minimum is the steadiest figure; the
median beside it shows how busy the machine was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

FLOOR_NORMALS = 20
"""Firms of us-2025-01 + 6: the normals a path-step of any such model must draw."""
FLOOR_PATHS = 1024


@dataclass(frozen=True)
class Timing:
    """Seconds a piece of work took."""

    seconds: tuple[float, ...]
    """One of each repetition."""

    @property
    def best(self) -> float:
        """The fastest."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The middle one."""
        return float(np.median(self.seconds))

    def over(self, other: Timing, scale: float = 1.0) -> str:
        """Median, smallest and largest ratio to what ran in turn with it, times ``scale``."""
        ratios = scale * np.divide(self.seconds, other.seconds)
        return f"{np.median(ratios):.2f} ({ratios.min():.2f}-{ratios.max():.2f})"


def in_turn(
    work: Mapping[str, Callable[[], object]],
    repetitions: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, Timing]:
    """Time each piece of work ``repetitions`` times, one after the other, after a warm-up.

    The clock is the process's own time, which waiting for a busy processor does not count;
    what works in several processes needs ``time.perf_counter``.
    """
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for repetition in range(repetitions + 1):
        for name, run in work.items():
            begin = clock()
            run()
            if repetition:
                seconds[name].append(clock() - begin)
    return {name: Timing(tuple(s)) for name, s in seconds.items()}


def draw_floor(steps: int) -> Callable[[], None]:
    """Draw the normals of ``steps`` steps of ``FLOOR_PATHS`` paths into a buffer that fits a cache."""
    stream = np.random.Generator(np.random.SFC64(1))
    buffer = np.empty((FLOOR_NORMALS, FLOOR_PATHS))

    def draw() -> None:
        for _ in range(steps):
            stream.standard_normal(out=buffer)

    return draw
