"""Sweeps on a Dask cluster that is not there, is something else, or is lost on the way."""

from __future__ import annotations

import random
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trials import sweeps
from trials.commands import CRASHSIM, Ending, ended, here, only
from trials.counting import LONGEST, Fault, Skip, Trial
from trials.stored import Stored

CELLS = 8


def dask(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    """What the README types, in this environment."""
    line = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    with log.open("wb") as file:
        return subprocess.Popen(line, stdout=file, stderr=subprocess.STDOUT)


@contextmanager
def scheduler(place: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler on the loopback interface: its address and process."""
    port = free_port()
    process = dask("scheduler", "--host", "127.0.0.1", "--port", str(port), log=place / "scheduler")
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline, (place / "scheduler").read_text()
            time.sleep(0.1)
        yield f"tcp://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


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


@contextmanager
def listener(answer: bytes) -> Iterator[str]:
    """A port on which no scheduler is: every connection gets these bytes; its host and port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(answer)
            self.request.recv(1000)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def both_there(address: str) -> None:
    """Wait for two workers."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)


def some_cells(output: Path, number: int, sweep: subprocess.Popen[str]) -> None:
    """Wait until so many cells of a sweep are in place."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        there = output.is_dir() and any(output.iterdir())
        if there and len(sweeps.committed(only(output))) >= number:
            return
        assert sweep.poll() is None, sweep.communicate()
        time.sleep(0.01)
    raise AssertionError("no cell was computed")


# ---------------------------------------------------------------- family


def clusters(stored: Stored) -> Trial:
    """Addresses without a scheduler; schedulers and workers that are killed or stopped."""
    try:
        import distributed  # noqa: F401 - whether it is installed
    except ImportError:
        raise Skip("Dask is not installed") from None

    def trial(dice: random.Random, spot: Path) -> Iterator[Fault]:
        # What starts processes of a cluster is rarer.
        case = dice.choice(("dead", "form", "form", "port", "port", "lost", "workers"))
        if case == "form":
            addresses = ("host:8786", "tcp://host", "tcp://:8786", "tcp://host:99999", "", "tls://")
            line = stored.sweep(spot / "results", "--scheduler", dice.choice(addresses))
            yield from here(*line).faults(2)
        elif case == "dead":
            scheme = dice.choice(("tcp", "tls", "ws"))
            yield from _unanswered(stored, spot, f"{scheme}://127.0.0.1:{free_port()}")
        elif case == "port":
            scheme = dice.choice(("tcp", "tls", "ws"))
            with listener(dice.choice((b"", b"HTTP/1.0 400 Bad request\r\n\r\n"))) as place:
                yield from _unanswered(stored, spot, f"{scheme}://{place}")
        else:
            with scheduler(spot) as (address, process), workers(address, spot) as two:
                both_there(address)
                yield from _interrupted(dice, spot, address, process, two, case)

    return trial


def _unanswered(stored: Stored, spot: Path, address: str) -> Iterator[Fault]:
    line = [*CRASHSIM, *map(str, stored.sweep(spot / "results", "--scheduler", address))]
    ending = ended(sweeps.start(line), address, LONGEST + 5)  # the start of Python and Dask
    yield from ending.faults(4)
    if f"no Dask scheduler answers at {address}" not in ending.err:
        yield Fault("wrong", f"{address}: {ending.err}")


def _interrupted(
    dice: random.Random,
    spot: Path,
    address: str,
    process: subprocess.Popen[bytes],
    two: list[subprocess.Popen[bytes]],
    case: str,
) -> Iterator[Fault]:
    """What is in place stays, the end is clear, and the command goes on without the cluster."""
    output = spot / "results"
    local = sweeps.command(sweeps.write_story(spot), output, CELLS, "--paths", "5000")
    line = [*local, "--scheduler", address, "--worker-wait", "2"]
    sweep = sweeps.start(line)
    some_cells(output, dice.randrange(1, 4), sweep)
    ends: tuple[int, ...] = (4,)
    if case == "lost":
        process.send_signal(dice.choice((signal.SIGKILL, signal.SIGSTOP)))
    else:
        killed = two[: dice.choice((1, 2))]
        ends = (0,) if len(killed) == 1 else (4,)
        for worker in killed:
            worker.kill()
    ending = ended(sweep, f"{case} {address}", LONGEST if ends == (4,) else 120.0)
    process.send_signal(signal.SIGCONT)
    before = sweeps.committed(only(output))
    done = Ending("the same without a cluster", *_finished(local))
    after = sweeps.committed(only(output))
    yield from ending.faults(*ends, 0)  # it may have been done before
    yield from done.faults(0)
    if {cell: after.get(cell) for cell in before} != before:
        yield Fault("lost", f"{case}: {before} became {after}")
    if len(after) != CELLS + 1:
        yield Fault("wrong", f"{case}: {len(after)} cells")


def _finished(line: list[str]) -> tuple[int, str, str]:
    done = sweeps.finish(line)
    return done.returncode, done.stdout, done.stderr
