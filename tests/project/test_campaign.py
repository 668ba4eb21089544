"""A short form of `make campaign`; and that a campaign sees the faults that it counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from trials import FAMILIES

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "campaign.py"
READERS = ("runs", "sweeps", "flips", "disks", "streams")
WRITERS = ("writers", "kills", "workers")


@pytest.mark.slow
@pytest.mark.parametrize("families", [READERS, WRITERS], ids=["readers", "writers"])
def test_nothing_is_lost_wrong_or_torn(families: tuple[str, ...]) -> None:
    line = [sys.executable, str(SCRIPT), *families, "--short"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [row.split("|") for row in done.stdout.splitlines()[2:]]
    assert [row[1].strip() for row in rows] == list(families)
    assert [int(row[2]) for row in rows] == [FAMILIES[name].short for name in families]
