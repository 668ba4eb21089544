"""Cells on a Dask cluster: real processes on the loopback interface, one of them killed in the middle."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trials.clusters import both_there, listener, scheduler, some_cells, workers
from trials.commands import CRASHSIM, content, only
from trials.sweeps import command, committed, finish, start, write_story

from simulator.runs import Run

pytest.importorskip("distributed")

CELLS = 8
PATHS, KEPT = 120_000, 9000


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    story = write_story(tmp_path)
    local = command(story, tmp_path / "local", CELLS, "-q")
    local[local.index("--workers") + 1] = "1"
    assert finish(local).returncode == 0
    expected = content(only(tmp_path / "local"))
    with scheduler(tmp_path) as (address, _), workers(address, tmp_path) as two:
        both_there(address)
        line = command(story, tmp_path / "cluster", CELLS, "--scheduler", address)
        sweep = start(line)
        some_cells(tmp_path / "cluster", 2, sweep)
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

        # No worker left: said so, and waited for as long as was given.
        shutil.rmtree(tmp_path / "cluster")
        alone = start([*line, "--worker-wait", "2"])
        some_cells(tmp_path / "cluster", 1, alone)
        two[1].kill()
        two[1].wait()
        _, err = alone.communicate(timeout=60)
        assert alone.returncode == 4
        assert "has no workers; waiting 2 s more; start some: dask worker" in err
        assert "has had no workers for 2 s" in err
        assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_lost_scheduler_ends_the_sweep_within_ten_seconds_and_the_command_resumes(
    tmp_path: Path, signal_: signal.Signals
) -> None:
    story = write_story(tmp_path)
    output = tmp_path / "cluster"
    line = command(story, output, CELLS, "--paths", "5000", "--scheduler")
    with scheduler(tmp_path) as (address, process), workers(address, tmp_path):
        both_there(address)
        sweep = start([*line, address])
        some_cells(output, 2, sweep)
        try:
            process.send_signal(signal_)
            began = time.monotonic()
            _, err = sweep.communicate(timeout=60)
            lasted = time.monotonic() - began
        finally:
            process.send_signal(signal.SIGCONT)
    assert sweep.returncode == 4
    assert f"lost the Dask scheduler {address}: " in err
    assert "then give the same command again" in err
    assert "Traceback" not in err
    assert "distributed." not in err
    assert lasted < 10.0
    before = committed(only(output))
    assert finish(line[:-1]).returncode == 0
    after = committed(only(output))
    assert len(after) == CELLS + 1
    assert {cell: after[cell] for cell in before} == before


@pytest.mark.slow
def test_a_run_is_the_same_to_the_byte_on_a_cluster_that_loses_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulator import load_scenario, simulate
    from simulator.comparison.change_attribution import explain
    from simulator.comparison.comparison import Comparison
    from simulator.engine import block_batches, dask_tasks
    from simulator.engine.dask_executor import get_cluster
    from simulator.rare_events import rare

    short = {"scenario.horizon_years": 0.5}  # so that tasks are small
    story = load_scenario("commodity", short)
    changed = {"technology.elasticity": 0.8, "sentiment.contagion": 0.2}
    other = load_scenario("commodity", short | changed)
    monkeypatch.setattr(block_batches, "_MESSAGES", 3)  # a tree of two levels
    monkeypatch.setattr(dask_tasks, "FAN", 2)
    goal = "P(sp500.max_drawdown >= 0.1) +-0.5pp"
    event = "sp500.max_drawdown >= 0.5"
    with scheduler(tmp_path) as (address, _), workers(address, tmp_path) as two:
        both_there(address)
        cluster = get_cluster(address, 1)
        many = simulate(
            story,
            paths=PATHS,
            keep_paths=KEPT,
            cluster=cluster,
            progress=lambda done, _: two[0].kill() if done > KEPT else None,
        )
        assert two[0].wait(timeout=30) == -signal.SIGKILL
        until = simulate(story, until=goal, keep_paths=KEPT, cluster=cluster)
        unlikely = rare(story, event, rel_error=0.5, executor=cluster)
        runs = (simulate(story.with_(paths=1024)), simulate(other.with_(paths=1024)))
        compared = Comparison(runs, ("1", "2"), ("sp500",))
        why = explain(compared, by="key", executor=cluster)
    assert_same(many, simulate(story, paths=PATHS, keep_paths=KEPT))
    assert_same(until, simulate(story, until=goal, keep_paths=KEPT))
    alone = rare(story, event, rel_error=0.5)
    assert (unlikely.estimate, unlikely.path_steps) == (alone.estimate, alone.path_steps)
    assert why == explain(compared, by="key")


def assert_same(first: Run, second: Run) -> None:
    """Every array of two runs has the same type and bytes."""
    assert first.paths == second.paths
    for one, other in zip(arrays(first), arrays(second), strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


def arrays(run: Run) -> list[np.ndarray[Any, Any]]:
    """All that is kept of the paths of a run."""
    parts: list[Any] = []
    for value in vars(run.results).values():
        parts += value.values() if isinstance(value, dict) else [value]
    return [part for part in parts if isinstance(part, np.ndarray)]


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["scheduler", "workers"])
def test_a_run_whose_cluster_is_lost_ends_and_leaves_nothing(tmp_path: Path, lost: str) -> None:
    results = tmp_path / "results"
    line = [*CRASHSIM, "run", "deepseek", "--paths", "200000", "--output", str(results)]
    with scheduler(tmp_path) as (address, process), workers(address, tmp_path) as two:
        both_there(address)
        run = start([*line, "--scheduler", address, "--worker-wait", "1"])
        while tasks_under_way(address) == 0:
            assert run.poll() is None, run.communicate()
        for each in [process] if lost == "scheduler" else two:
            each.kill()
        _, err = run.communicate(timeout=60)
    assert run.returncode == 4, err
    assert (
        f"lost the Dask scheduler {address}" if lost == "scheduler" else "has had no workers"
    ) in err
    assert "then give the same command again" in err
    assert "Traceback" not in err
    assert not results.exists() or not any(results.iterdir()), "nothing is half-written"


def tasks_under_way(address: str) -> int:
    """Number of tasks that the cluster is at."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return sum(map(len, client.processing().values()))


def test_workers_with_another_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.engine import dask_executor, dask_tasks
    from simulator.errors import RunError

    monkeypatch.setattr(dask_tasks, "MODEL_VERSION", -1)
    with pytest.raises(RunError, match="the client has model -1 of crashsim, not"):
        list(dask_executor.get_cluster("local", 1).map(abs, [-1]))


@pytest.mark.slow
def test_workers_that_come_late_do_the_work(tmp_path: Path) -> None:
    from simulator.engine.dask_executor import get_cluster

    lines: list[str] = []
    with scheduler(tmp_path) as (address, _), ThreadPoolExecutor(1) as pool:
        results = pool.submit(
            lambda: list(get_cluster(address, 1, 60.0, lines.append).map(abs, [-1, 2]))
        )
        while not lines:
            assert not results.done(), results.result()
            time.sleep(0.05)
        with workers(address, tmp_path, count=1):
            assert results.result(timeout=60) == [1, 2]
    assert len(lines) == 1


@pytest.mark.slow
def test_a_result_that_is_lost_with_its_worker_is_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from distributed import Future

    from simulator.engine.dask_executor import get_cluster
    from simulator.errors import RunError

    late, result = [TimeoutError()] * 2, Future.result

    def lost(future: Any, timeout: float) -> object:
        if late:
            raise late.pop()
        return result(future, timeout=timeout)

    monkeypatch.setattr(Future, "result", lost)
    assert list(get_cluster("local", 1).map(abs, [-1, 2])) == [1, 2]
    late += [TimeoutError()] * 3
    with pytest.raises(RunError, match="lost the Dask scheduler"):
        list(get_cluster("local", 1).map(abs, [-1, 2]))


def test_a_line_every_thirty_seconds_until_the_wait_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from simulator.engine import dask_executor
    from simulator.errors import RunError

    now, lines = 0.0, []
    monkeypatch.setattr(dask_executor, "_identity", lambda _: {"total_threads": 0})
    monkeypatch.setattr("time.monotonic", lambda: now)
    address = "tcp://127.0.0.1:8786"
    cluster = dask_executor.get_cluster(address, 1, 100.0, lambda line: lines.append((now, line)))
    watch = dask_executor._Watch(cluster, address)
    while now < 100.0:
        assert watch.threads() == 0
        now += 1.0
    with pytest.raises(RunError, match="no workers for 100 s"):
        watch.threads()
    assert [at for at, _ in lines] == [0.0, 30.0, 60.0, 90.0]
    assert "waiting 10 s more" in lines[-1][1]


# Dask leaves the socket of a handshake that it gives up to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.0 400 Bad request\r\n\r\n"], ids=["mute", "http"])
@pytest.mark.parametrize("scheme", ["tcp", "tls", "ws"])
def test_a_port_without_a_scheduler_is_said_so_in_time(
    monkeypatch: pytest.MonkeyPatch, scheme: str, answer: bytes
) -> None:
    from simulator.engine import dask_executor
    from simulator.errors import RunError

    monkeypatch.setattr(dask_executor, "_ANSWER", 0.5)
    with listener(answer) as place:
        began = time.monotonic()
        with pytest.raises(RunError, match=f"no Dask scheduler answers at {scheme}://{place}: "):
            list(dask_executor.get_cluster(f"{scheme}://{place}", 1).map(str, [1]))
        assert time.monotonic() - began < 4.0  # half a second, and what importing Dask takes
    gc.collect()


def test_no_scheduler_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.engine import dask_executor
    from simulator.errors import RunError

    monkeypatch.setattr(dask_executor, "_ANSWER", 0.5)
    with pytest.raises(RunError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(dask_executor.get_cluster("tcp://127.0.0.1:9", 1).map(str, [1]))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "host:8786",
        "tcp://host",
        "tcp://:8786",
        "tcp://host:port",
        "tcp://host:99999",
        "http://host:8786",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    from simulator.engine.dask_executor import get_cluster
    from simulator.errors import UsageError

    with pytest.raises(UsageError, match="tcp://host:8786"):
        get_cluster(address, 2)


def test_local_workers() -> None:
    from simulator.engine.dask_executor import get_cluster

    assert get_cluster("local", 2).workers == 2
