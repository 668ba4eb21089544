"""Blocks computed here or in processes: the order, the errors and the deaths."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import pytest

from simulator.engine.executors import Processes, Serial, Shared, get_executor
from simulator.errors import RunError, UsageError
from simulator.worker_pool import WorkerPool, started_ahead


def square(number: int) -> int:
    if number == 1:
        time.sleep(0.2)  # overtaken by its successors
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise RunError("block 3, path 7, step 5: price is not finite; seed 1")
    return number


def die_once(marker_and_number: tuple[Path, int]) -> int:
    marker, number = marker_and_number
    if number == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_while_sending(marker_and_number: tuple[Path, int]) -> int:
    marker, number = marker_and_number

    def send_half(self: Any, _message: bytes) -> None:
        os.write(self.fileno(), struct.pack("!i", 1000) + b"half")
        os._exit(9)

    if number == 2 and not marker.exists():
        marker.touch()
        type.__setattr__(Connection, "_send_bytes", send_half)
    return number


def die(_number: int) -> None:
    os._exit(9)


def numpy_free(_number: int) -> tuple[list[str], str]:
    return sorted({"pandas", "matplotlib", "typer"} & set(sys.modules)), sys.modules[
        "__main__"
    ].__name__


@pytest.mark.parametrize(
    ("start", "error"),
    [
        ("multiprocessing.process.BaseProcess.start", BlockingIOError(11, "unavailable")),
        ("multiprocessing.process.BaseProcess.start", EOFError("unexpected EOF")),
        ("threading.Thread.start", RuntimeError("can't start new thread")),
    ],
)
def test_a_limit_of_processes_or_threads_ends_the_run_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, start: str, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    with monkeypatch.context() as limited:
        limited.setattr(start, refuse)
        with pytest.raises(RunError, match=r"no more processes or threads.*try workers=1"):
            list(Processes(2).map(abs, [-1, 2]))
    assert list(Processes(2).map(abs, [-1, 2])) == [1, 2]


def test_serial_is_lazy() -> None:
    seen: list[int] = []

    def look(number: int) -> int:
        seen.append(number)
        return number

    results = get_executor(1).map(look, range(10**12))
    assert [next(results), next(results)] == [0, 1]
    assert seen == [0, 1]


@pytest.mark.slow
def test_processes_keep_order_and_hold_few_items() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    results = get_executor(2).map(square, items())
    assert next(results) == 0
    assert len(taken) <= 4
    assert list(results) == [number * number for number in range(1, 40)]


@pytest.mark.slow
def test_an_error_in_a_worker_arrives_as_it_was_raised() -> None:
    with pytest.raises(RunError, match=r"^block 3, path 7, step 5: price is not finite; seed 1$"):
        list(get_executor(2).map(fail_at_three, range(20)))


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    items = [(tmp_path / "died", number) for number in range(9)]
    assert list(get_executor(2).map(die_once, items)) == list(range(9))
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_workers_that_always_die_end_the_run() -> None:
    with pytest.raises(RunError, match="died 3 times in a row"):
        list(get_executor(2).map(die, range(4)))


def helped(helpers: WorkerPool[Any, Any], items: list[Any]) -> list[Any]:
    """What helpers make of all items."""
    found: list[Any] = []
    left = deque(items)
    while left or helpers.busy:
        while left and helpers.has_room:
            helpers.submit(left.popleft())
        assert helpers.busy <= 4
        found += helpers.completed(wait=True)
    return found


@pytest.mark.slow
def test_helpers_compute_everything_once(tmp_path: Path) -> None:
    with WorkerPool(2, square) as helpers:
        assert not list(helpers.completed(wait=True)), "nothing was given"
        assert sorted(helped(helpers, list(range(20)))) == [n * n for n in range(20)]
        helpers.submit(3)
        helpers.submit(4)  # dropped
    with WorkerPool(2, die_once) as helpers:
        items = [(tmp_path / "died", number) for number in range(9)]
        assert sorted(helped(helpers, items)) == list(range(9))
    assert (tmp_path / "died").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_worker_that_dies_while_it_sends_hangs_nobody(tmp_path: Path) -> None:
    with WorkerPool(2, die_while_sending) as helpers:
        items = [(tmp_path / "died", number) for number in range(6)]
        assert sorted(helped(helpers, items)) == list(range(6))


@pytest.mark.slow
def test_errors_and_deaths_of_helpers_end_the_run() -> None:
    with (
        pytest.raises(RunError, match=r"^block 3, path 7, step 5: price is not finite; seed 1$"),
        WorkerPool(2, fail_at_three) as helpers,
    ):
        helped(helpers, list(range(20)))
    with pytest.raises(RunError, match="died 3 times in a row"), WorkerPool(2, die) as helpers:
        helped(helpers, list(range(4)))


def test_no_helpers_start_no_process() -> None:
    with WorkerPool(0, square) as helpers:
        assert not helpers.has_room
        assert not list(helpers.completed(wait=False))
        assert helpers.busy == 0


@pytest.mark.slow
def test_workers_load_no_tables_and_no_script() -> None:
    loaded, main = next(get_executor(2).map(numpy_free, range(2)))
    assert loaded == []
    assert main == "__main__"  # the worker's own, not a copy of ours ("__mp_main__")


@pytest.mark.slow
def test_an_unguarded_script_works(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from math import sqrt\n"
        "from simulator.engine.executors import get_executor\n"
        "print(list(get_executor(2).map(sqrt, [1, 4, 9])))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "[1.0, 2.0, 3.0]\n", done.stderr
    piped = subprocess.run(
        [sys.executable, "-"],
        input=script.read_text(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert piped.stdout == done.stdout, piped.stderr


@pytest.mark.slow
def test_workers_end_with_a_killed_parent() -> None:
    code = """
        import time
        from simulator.engine.executors import get_executor
        for _ in get_executor(2).map(time.sleep, [0, 0, 600, 600]):
            print("ready", flush=True)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == "ready\n"
        assert parent.stdout.readline() == "ready\n"
        group = _descendants(parent.pid)
        assert len(group) >= 2
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 2
    while any(_alive(pid) for pid in group) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in group if _alive(pid)] == []


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("workers", [0, -1, 257, 1.5, True, "2", 10**20])
def test_bad_numbers_of_workers_are_refused(workers: Any) -> None:
    with pytest.raises(UsageError, match="workers must be a whole number from 1 to 256"):
        get_executor(workers)


def test_kinds() -> None:
    assert isinstance(get_executor(1), Serial)
    assert isinstance(get_executor(2), Processes)


def own_number(_item: int) -> int:
    return os.getpid()


def sleep_long(_item: int) -> None:
    time.sleep(600)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_shared_work_comes_in_order_and_this_process_takes_part(
    workers: int, tmp_path: Path
) -> None:
    shared = Shared(workers)
    assert list(shared.map(square, range(20))) == [n * n for n in range(20)]
    assert list(shared.map(square, [])) == []
    processes = list(shared.map(own_number, range(20)))
    assert processes[0] == os.getpid()
    assert len(set(processes)) <= workers
    with pytest.raises(RunError, match="block 3, path 7"):
        list(shared.map(fail_at_three, range(20)))
    if workers > 1:  # the last item is never this process's
        items = [(tmp_path / "died", number) for number in (0, 1, 2)]
        assert list(shared.map(die_once, items)) == [0, 1, 2]
        assert (tmp_path / "died").exists()


def leave_a_mark(place: Path) -> None:
    place.touch()


@pytest.mark.slow
def test_helpers_of_shared_work_begin_before_this_process_does(tmp_path: Path) -> None:
    places = [tmp_path / "here", tmp_path / "elsewhere"]
    results = Shared(2).map(leave_a_mark, places)
    end = time.monotonic() + 60
    while not places[1].exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert [place.exists() for place in places] == [False, True]
    assert list(results) == [None, None]


class Pickled:
    """A function that notes in which thread it is pickled."""

    threads: ClassVar[list[int]] = []

    def __call__(self, item: int) -> int:
        return item

    def __reduce__(self) -> tuple[type, tuple[()]]:
        self.threads.append(threading.get_ident())
        return Pickled, ()


@pytest.mark.slow
def test_a_function_is_pickled_by_who_submits_so_that_it_may_change_meanwhile() -> None:
    with WorkerPool(1, Pickled()) as helpers:
        assert sorted(helped(helpers, [1, 2])) == [1, 2]
    assert set(Pickled.threads) == {threading.get_ident()}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_processes_started_ahead_serve_one_pool_after_another_and_end_with_the_block() -> None:
    with started_ahead(1, "math"):
        with WorkerPool(1, own_number) as helpers:
            assert helpers.started
            (first,) = helped(helpers, [0])
        with WorkerPool(1, own_number) as helpers:
            assert helped(helpers, [0]) == [first]
        with WorkerPool(2, own_number) as helpers:
            assert not helpers.started, "they are too few for this pool"
            assert first not in helped(helpers, [0, 1])
        assert _alive(first)
    assert not _alive(first)


OTHER_THREAD = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
"""
WORKER = """
import json, os
from simulator.worker_pool import WorkerPool, started_ahead

questions = [
    "__import__('os').getppid()",
    "'fractions' in __import__('sys').modules",
    "repr(__import__('signal').getsignal(15))",
    "len(__import__('signal').pthread_sigmask(0, []))",
]
with started_ahead(1, "fractions"), WorkerPool(1, eval) as helpers:
    answers = []
    for question in questions:
        helpers.submit(question)
        answers.append(helpers.oldest())
print(json.dumps([os.getpid(), *answers]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
@pytest.mark.parametrize(("before", "forks"), [("", True), (OTHER_THREAD, False)])
def test_only_a_process_with_one_thread_forks_and_no_worker_keeps_its_signals(
    before: str, *, forks: bool
) -> None:
    handler = "import signal; signal.signal(signal.SIGTERM, lambda *_: print('mine'))\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{handler}{before}{WORKER}"],
        capture_output=True,
        text=True,
        check=True,
    )
    own, parent, has_module, on_term, blocked = json.loads(done.stdout)
    assert (parent == own) is forks
    assert has_module
    assert "SIG_DFL" in on_term
    assert blocked == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_work_that_a_pool_drops_delays_no_later_pool() -> None:
    with started_ahead(1, "math"):
        with WorkerPool(1, own_number) as helpers:
            (first,) = helped(helpers, [0])
        with WorkerPool(1, sleep_long) as helpers:
            helpers.submit(0)
        assert not _alive(first)
        with WorkerPool(1, own_number) as helpers:
            assert helped(helpers, [0]) != [first]


@pytest.mark.slow
def test_a_process_started_ahead_that_dies_costs_a_new_one(tmp_path: Path) -> None:
    with started_ahead(1, "math"), WorkerPool(1, die_once) as helpers:
        items = [(tmp_path / "died", number) for number in range(5)]
        assert sorted(helped(helpers, items)) == list(range(5))


def test_a_limit_of_processes_stops_nothing_that_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "unavailable")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", refuse)
    with started_ahead(2, "math"):
        assert list(Serial().map(abs, [-1])) == [1]
        with pytest.raises(RunError, match="no more processes or threads"):
            list(Shared(2).map(abs, [-1, 2]))
