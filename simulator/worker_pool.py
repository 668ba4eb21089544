"""Processes that compute beside this one, and end with it.

It imports nothing that takes time, so that processes can start before this one has imported the engine.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent import futures
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Generic, TypeVar

from simulator.errors import RunError

Item = TypeVar("Item")
Result = TypeVar("Result")

_STUCK = 2.0
"""Seconds after which a worker that is dead, and of which the pool says nothing, has left half a result."""
_RESTARTS = 2
"""Dead workers are replaced so often without a result in between: one may have been
killed from outside, three were not."""


class StartedAhead:
    """Processes that were started before there is work for them.

    A :class:`WorkerPool` of at most so many workers takes them, and leaves them to the next.
    """

    def __init__(self, workers: int, *, forks: bool = False) -> None:
        self.workers = workers
        self.pool: ProcessPoolExecutor | None = _pool(workers, forks=forks) if workers else None

    def load(self, *modules: str) -> None:
        """Have each process import modules, after what it has to do already."""
        try:
            with _without_main():
                for _ in range(self.workers if self.pool is not None else 0):
                    assert self.pool is not None, "see above"
                    self.pool.submit(_load, modules)
        except (OSError, EOFError, RuntimeError):  # the pool that needs processes says what to do
            assert self.pool is not None, "it was submitted to"
            _stop(self.pool)
            with contextlib.suppress(RuntimeError):  # its thread could not start
                self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None

    def end(self) -> None:
        """End the processes, whatever they do."""
        if self.pool is not None:
            _stop(self.pool)
            self.pool.shutdown(cancel_futures=True)
            self.pool = None


_ahead: list[StartedAhead] = []
"""What no pool has taken."""


@contextlib.contextmanager
def started_ahead(workers: int, *modules: str) -> Iterator[StartedAhead]:
    """Processes for the pools made within; they start now, and end with the block.

    On entry the modules are imported in this process too. A process with one thread imports them and then forks;
    otherwise all processes import them side by side.
    """
    started = StartedAhead(0)
    try:
        # An exception raised during an import may be swallowed or replaced by another.
        with _signals_wait():
            forks = _may_fork()
            if forks:
                _load(modules)
                forks = _may_fork()
            if forks:
                gc.freeze()  # a collection in a fork would only copy these pages
                started = StartedAhead(workers, forks=True)
                started.load(*modules)
        if not forks:
            started = StartedAhead(workers)
            started.load(*modules)
            with _signals_wait():
                _load(modules)
        _ahead.append(started)
        yield started
    finally:
        _ahead.clear()
        started.end()


def _load(modules: tuple[str, ...]) -> None:
    collects = gc.isenabled()
    gc.disable()  # what imports make lives to the end
    try:
        for module in modules:
            import_module(module)
    finally:
        if collects:
            gc.enable()


class WorkerPool(Generic[Item, Result]):
    """Processes that compute beside this one; they start with the first item, if none were started ahead.

    Workers end with this process, even if it is killed. A worker that is killed costs its items a second
    computation, not the run. On leaving, what is under way is dropped.

    Parameters
    ----------
    workers
        Number of processes.
    function
        Pure, for it may be called twice with an item.
    """

    def __init__(self, workers: int, function: Callable[[Item], Result]) -> None:
        self._workers, self._function = workers, function
        self._pickled = b""
        self._under_way: dict[Future[Result], Item] = {}
        self._pool: ProcessPoolExecutor | None = None  # until there is something to do
        self._ahead: StartedAhead | None = None  # whose processes these are
        self._deaths = 0

    def __enter__(self) -> WorkerPool[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is None:
            return
        if self._ahead is not None and not self._under_way:
            _ahead.append(self._ahead)
            return
        if self._under_way:
            _stop(self._pool)
        self._pool.shutdown(cancel_futures=True)

    @property
    def started(self) -> bool:
        """Whether workers have been started."""
        return self._pool is not None or any(self._fits(one) for one in _ahead)

    def _fits(self, ahead: StartedAhead) -> bool:
        return ahead.pool is not None and 0 < self._workers <= ahead.workers

    def _begin(self) -> ProcessPoolExecutor:
        """Processes that were started ahead, or new ones."""
        self._ahead = next(filter(self._fits, _ahead), None)
        if self._ahead is None or self._ahead.pool is None:
            return _pool(self._workers)
        _ahead.remove(self._ahead)
        return self._ahead.pool

    @property
    def busy(self) -> int:
        """Items under way."""
        return len(self._under_way)

    @property
    def has_room(self) -> bool:
        """Whether fewer than two items for each worker are under way."""
        return self.busy < 2 * self._workers

    def submit(self, item: Item) -> None:
        """Have an item computed. Raises RunError where no worker can start."""
        # Here, because a pool pickles in a thread of its own, and what it is given may change meanwhile.
        self._pickled = self._pickled or pickle.dumps(self._function)
        try:
            if self._pool is None:
                self._pool = self._begin()
            with _without_main():  # the first submission starts the workers
                future = self._pool.submit(_call, self._pickled, item)
        except BrokenProcessPool:
            self._replace()
            self.submit(item)
        except (OSError, EOFError, RuntimeError) as error:
            if self._pool is not None:
                _stop(self._pool)
            self._pool = None
            raise RunError(
                "the system starts no more processes or threads (ulimit -u); "
                f"try workers=1 ({type(error).__name__}: {error})"
            ) from error
        else:
            self._under_way[future] = item

    def oldest(self) -> Result:
        """The result of the item that was submitted first, when it is there.

        Raises
        ------
        RunError
            If workers keep dying. An error raised by the function comes through as it is.
        """
        while True:
            future = next(iter(self._under_way))
            self._wait({future})
            try:
                return self._result(future)
            except BrokenProcessPool:
                self._replace()

    def completed(self, *, wait: bool) -> Iterator[Result]:
        """Results that are there, in any order; with ``wait``, after the next. Raises as :meth:`oldest`."""
        if wait:
            self._wait(self._under_way)
        for future in [future for future in self._under_way if future.done()]:
            try:
                yield self._result(future)
            except BrokenProcessPool:
                self._replace()
                return

    def _wait(self, some: Collection[Future[Result]]) -> None:
        """Wait until one of these is done, if there are any.

        A worker that is killed while it sends a result leaves half of it, and the pool would wait for the rest for
        as long as other workers live.
        """
        while some and not futures.wait(some, _STUCK, futures.FIRST_COMPLETED).done:
            processes = getattr(self._pool, "_processes", None) or {}
            if self._pool is not None and not all(p.is_alive() for p in [*processes.values()]):
                _stop(self._pool)

    def _result(self, future: Future[Result]) -> Result:
        result = future.result()
        self._deaths = 0
        del self._under_way[future]
        return result

    def _replace(self) -> None:
        """Start new workers, and submit again what the dead ones had, in the same order."""
        self._deaths += 1
        if self._deaths > _RESTARTS:
            raise RunError(
                f"worker processes died {self._deaths} times in a row, perhaps for want of memory; "
                "try workers=1, or fewer workers"
            ) from None
        if self._pool is not None:
            self._pool.shutdown()
        self._pool = self._ahead = None
        before, self._under_way = self._under_way, {}
        for future, item in before.items():
            if isinstance(future.exception(), BrokenProcessPool):
                self.submit(item)
            else:
                self._under_way[future] = item


@lru_cache(maxsize=1)
def _loaded(pickled: bytes) -> Callable[[Any], Any]:
    """The function, with what it has worked out for earlier items."""
    function: Callable[[Any], Any] = pickle.loads(pickled)
    return function


def _call(pickled: bytes, item: Any) -> Any:
    return _loaded(pickled)(item)


def _pool(workers: int, *, forks: bool = False) -> ProcessPoolExecutor:
    # Only a process with one thread, before it opens or locks anything, can fork safely.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    if forks:
        method = "fork"
    return ProcessPoolExecutor(
        workers, multiprocessing.get_context(method), initializer=_begin_worker
    )


def _may_fork() -> bool:
    """Whether this process is known to have no other thread."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers at once. Python 3.14 has a method for this."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.kill()
    # One that was killed while it sent a result left half of it, and the pool would wait for the
    # rest for ever. With this last writer gone it meets the end instead.
    if (results := getattr(pool, "_result_queue", None)) is not None:
        results._writer.close()


_SIGNALS = {signal.SIGINT, signal.SIGTERM}


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block ends; a fork of this process unblocks them when it is ready."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Start processes that do not import the caller's script.

    They need this package only: a script without ``if __name__ == "__main__"``, a notebook and
    standard input work alike, and no worker pays for what the script imports.
    """
    main = sys.modules["__main__"]
    names = [name for name in ("__spec__", "__file__") if hasattr(main, name)]
    saved = {name: getattr(main, name) for name in names}
    try:
        for name in names:
            setattr(main, name, None)
        yield
    finally:
        for name, value in saved.items():
            setattr(main, name, value)


def _begin_worker() -> None:
    """Leave interrupts to the parent, and end when it ends."""
    gc.set_threshold(50_000)  # as in the command: imports make much that lives
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    parent = multiprocessing.parent_process()
    assert parent is not None, "only called in a worker"

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
