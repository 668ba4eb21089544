"""Cells on a Dask cluster: real processes on the loopback interface, one of them killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sweep_trials import command, committed, content, finish, only, start, write_story

pytest.importorskip("distributed")

CELLS = 8


def dask(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """What the README types, in this environment."""
    line = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    with log.open("wb") as file:
        return subprocess.Popen(line, stdout=file, stderr=subprocess.STDOUT)


@contextmanager
def scheduler(place: Path) -> Iterator[str]:
    """A scheduler on the loopback interface; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = dask("scheduler", "--host", "127.0.0.1", "--port", str(port), log=place / "scheduler")
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline, (place / "scheduler").read_text()
            time.sleep(0.1)
        yield f"tcp://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def workers(address: str, place: Path, count: int = 2) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Workers without a nanny: a killed one stays dead."""
    arguments = ("worker", address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
    made = [dask(*arguments, log=place / f"worker-{number}") for number in range(count)]
    try:
        yield made
    finally:
        for process in made:
            process.terminate()
        for process in made:
            process.wait(timeout=30)


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    story = write_story(tmp_path)
    local = command(story, tmp_path / "local", CELLS, "-q")
    local[local.index("--workers") + 1] = "1"
    assert finish(local).returncode == 0
    expected = content(only(tmp_path / "local"))
    with scheduler(tmp_path) as address, workers(address, tmp_path) as two:
        _both_there(address)
        line = command(story, tmp_path / "cluster", CELLS, "--scheduler", address)
        sweep = start(line)
        _some_cells(tmp_path / "cluster", 2, sweep)
        os.kill(two[0].pid, signal.SIGKILL)
        _, err = sweep.communicate(timeout=120)
        assert sweep.returncode == 0, err
        assert two[1].poll() is None
        assert two[0].wait(timeout=30) == -signal.SIGKILL
        assert content(only(tmp_path / "cluster")) == expected

        # A sweep that is done needs no computation from anybody.
        first = committed(only(tmp_path / "cluster"))
        again = finish(line)
        assert again.returncode == 0, again.stderr
        assert committed(only(tmp_path / "cluster")) == first

        # No worker left: said so, not waited for.
        two[1].kill()
        two[1].wait()
        shutil.rmtree(tmp_path / "cluster")
        alone = finish(line)
        assert alone.returncode == 4
        assert "has no workers; start some: dask worker" in alone.stderr
        assert "Traceback" not in alone.stderr


def _both_there(address: str) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)


def _some_cells(output: Path, wanted: int, sweep: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if output.is_dir() and any(output.iterdir()) and len(committed(only(output))) >= wanted:
            return
        assert sweep.poll() is None, sweep.communicate()
        time.sleep(0.01)
    raise AssertionError("no cell came")


def test_no_scheduler_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.engine import dask_executor
    from simulator.errors import RunError

    monkeypatch.setattr(dask_executor, "_PATIENCE", "1s")
    with pytest.raises(RunError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(dask_executor.get_cluster("tcp://127.0.0.1:9", 1).map(str, [1]))


def test_local_address_and_none() -> None:
    from simulator.engine.dask_executor import get_cluster
    from simulator.errors import UsageError

    assert get_cluster("local", 2).workers == 2
    with pytest.raises(UsageError, match="tcp://host:8786"):
        get_cluster("host:8786", 2)
