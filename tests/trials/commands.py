"""Commands under trial: in this process, in a copy of it that a signal can end, or in a process of their own."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from simulator.cli import main
from simulator.cli.app import invoke
from simulator.cli.signals import stop_on_signals
from trials.counting import LONGEST, Fault

CRASHSIM = [sys.executable, "-m", "simulator"]
STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Ending:
    """How a command ended: ``code`` is None if it had not after the longest time."""

    line: str
    code: int | None
    out: str
    err: str

    def faults(self, *codes: int) -> Iterator[Fault]:
        """What is wrong with it where these exit codes are right."""
        said = f"{self.line}: exit {self.code}: {self.err.strip()[-400:]}"
        if self.code is None:
            yield Fault("hangs", said)
        if "Traceback" in self.out + self.err:
            yield Fault("tracebacks", said)
        if self.code == 1:
            yield Fault("exit 1", said)
        elif self.code is not None and self.code not in codes:
            yield Fault("wrong", said)


class Hang(BaseException):
    """A command takes longer than any may."""


class Clock:
    """Seconds that have passed, but for those in which processes waited for a processor that others had."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._at_first = waited(os.getpid())
        self._waited: dict[int, float] = {}

    def seconds(self, *pids: int) -> float:
        """Since the clock was made, of these processes."""
        for pid in pids:
            before = self._at_first if pid == os.getpid() else 0.0
            self._waited[pid] = max(self._waited.get(pid, 0.0), waited(pid) - before)
        return time.monotonic() - self._began - sum(self._waited.values())


def waited(pid: int) -> float:
    """Seconds that a process has waited for a processor; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    family: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                family += [child, *descendants(child)]
    return family


@contextlib.contextmanager
def at_most(seconds: float = LONGEST) -> Iterator[None]:
    """Raise Hang in this thread after so many seconds."""
    clock = Clock()

    def late(_number: int, _frame: FrameType | None) -> None:
        if (left := seconds - clock.seconds(os.getpid())) <= 0:
            raise Hang
        signal.setitimer(signal.ITIMER_REAL, left + 0.01)

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def here(*arguments: object) -> Ending:
    """Run a command line in this process."""
    out, err, words = io.StringIO(), io.StringIO(), [str(argument) for argument in arguments]
    code: int | None = None
    with (
        contextlib.suppress(Hang),
        at_most(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = invoke(words)
    return Ending(shlex.join(words), code, out.getvalue(), err.getvalue())


class Forked:
    """A command line in a copy of this process: nothing is imported again, so it starts at once."""

    def __init__(self, *arguments: object, largest_file: int | None = None) -> None:
        self.words = [str(argument) for argument in arguments]
        self._clock = Clock()
        self._out, self._err = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115 - `wait` closes them
        self._code: int | None = None
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until the copy has its handlers
        self.pid = os.fork()
        if not self.pid:
            self._become(largest_file)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def _become(self, largest_file: int | None) -> None:
        code: object = 143  # by SIGTERM, before the command has begun
        try:
            for number, file in ((1, self._out), (2, self._err)):
                os.dup2(file.fileno(), number)
            sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
            if largest_file is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
            stop_on_signals()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            sys.argv = ["crashsim", *self.words]
            code = 1  # what leaves it otherwise is a bug
            main()
        except SystemExit as error:
            code = error.code
        except BaseException as error:  # noqa: BLE001 - a signal before the command, or a bug in it
            if code == 1:
                traceback.print_exc()
            elif isinstance(error, KeyboardInterrupt):
                code = 130
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            os._exit(code if isinstance(code, int) else 0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs yet."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, seconds: float = LONGEST) -> Ending:
        """How it ended; one that does not end in time is killed."""
        while (code := self.poll()) is None and self._clock.seconds(self.pid) < seconds:
            time.sleep(0.005)
        if code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        return Ending(shlex.join(self.words), code, _text(self._out), _text(self._err))


def _text(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


def shell(line: str, seconds: float = LONGEST) -> Ending:
    """Run a line of bash; the exit code is that of the first command of its last pipe."""
    script = ["bash", "-c", f"{line}\nexit ${{PIPESTATUS[0]}}"]
    return ended(subprocess.Popen(script, stdout=-1, stderr=-1, text=True), line, seconds)


def ended(process: subprocess.Popen[str], line: str, seconds: float = LONGEST) -> Ending:
    """How a process ends; one that does not in time is killed."""
    clock = Clock()
    while True:
        try:
            out, err = process.communicate(timeout=0.5)
        except subprocess.TimeoutExpired:
            if clock.seconds(process.pid, *descendants(process.pid)) > seconds:
                break
        else:
            return Ending(line, process.returncode, out, err)
    for pid in (*descendants(process.pid), process.pid):  # any of them may hold the pipes open
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return Ending(line, None, *process.communicate())


def call(function: Callable[[], object], *expected: type[Exception]) -> Iterator[Fault]:
    """Faults of a call of Python that may raise these errors and no other."""
    try:
        with at_most():
            function()
    except expected:
        pass
    except Hang:
        yield Fault("hangs", str(function))
    except Exception as error:  # noqa: BLE001 - which is the fault
        yield Fault("tracebacks", f"{type(error).__name__}: {error}")


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but locks, which name their last holder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def only(parent: Path) -> Path:
    """The one entry of a folder."""
    (entry,) = parent.iterdir()
    return entry
