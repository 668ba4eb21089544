"""Trials that try to lose, spoil or misread what crashsim stores: short in the tests, long in `make campaign`.

Read first: ``counting`` (what a fault is), ``commands`` (how a command is run), then a family.
"""

from typing import NamedTuple

from trials import clusters, disks, kills, streams, tampering, writers
from trials.counting import Family


class Size(NamedTuple):
    """A family of trials, and how many are run."""

    family: Family
    times: int
    short: int


FAMILIES = {
    "runs": Size(tampering.runs, 1_000, 25),
    "sweeps": Size(tampering.sweeps, 500, 15),
    "flips": Size(tampering.flips, 1_000, 60),
    "disks": Size(disks.disks, 20, 3),
    "streams": Size(streams.streams, 50, 4),
    "writers": Size(writers.writers, 200, 4),
    "kills": Size(kills.kills, 200, 6),
    "workers": Size(kills.workers, 20, 1),
    "clusters": Size(clusters.clusters, 40, 2),
}
