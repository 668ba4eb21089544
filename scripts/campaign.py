"""Try to lose, spoil or misread what crashsim stores, and print what was counted as a table.

Every trial has a number and is repeated by it; a trial that shows a fault prints how. The exit code is 1 if
any did. tests/project/test_campaign.py is the short form.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", MPLBACKEND="agg")  # commands run in forks: no threads
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from trials import FAMILIES
from trials.counting import HEAD, Count, count
from trials.stored import store


def main() -> int:
    """Run the families that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--times", type=int, help="trials of each, instead of its own number")
    parser.add_argument("--short", action="store_true", help="the few trials of the tests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--number", type=int, help="this trial only")
    given = parser.parse_args()
    if unknown := set(given.families) - set(FAMILIES):
        parser.error(f"no family is called {', '.join(sorted(unknown))}")
    table: list[Count] = []
    with tempfile.TemporaryDirectory(prefix="campaign-", ignore_cleanup_errors=True) as place:
        stored = store(Path(place))
        for name in given.families or FAMILIES:
            size = FAMILIES[name]
            times = given.times or (size.short if given.short else size.times)
            numbers = range(times) if given.number is None else [given.number]
            table.append(count(name, size.family, numbers, given.seed, stored))
            sys.stderr.write(f"{table[-1].row()}\n")
    rows = "\n".join(counted.row() for counted in table)
    sys.stdout.write(f"{HEAD}\n{rows}\n")
    return int(any(counted.faults for counted in table))


if __name__ == "__main__":
    sys.exit(main())
