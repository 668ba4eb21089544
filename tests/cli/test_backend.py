"""Figures need no global matplotlib backend, so a notebook's MPLBACKEND does no harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_reports_under_a_backend_that_is_not_installed(
    story: Path, tmp_path: Path, workers: int
) -> None:
    environment = {**os.environ, "MPLBACKEND": "module://no_such_package.backend_inline"}
    command = [
        sys.executable,
        "-m",
        "simulator",
        "run",
        str(story),
        "-o",
        str(tmp_path),
        "-n",
        "2k",
    ]
    done = subprocess.run(
        [*command, "--workers", str(workers)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()
    assert (folder / "figures" / "fan.svg").is_file()
    assert (folder / "report.html").is_file()


def test_loading_matplotlib_leaves_the_environment_as_it_was() -> None:
    code = (
        "import os; from simulator.plots.style import load_matplotlib; load_matplotlib(); "
        "print(os.environ['MPLBACKEND'])"
    )
    environment = {**os.environ, "MPLBACKEND": "module://no_such_package.backend_inline"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stdout.strip()) == (0, environment["MPLBACKEND"])
