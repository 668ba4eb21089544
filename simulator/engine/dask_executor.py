"""More than one machine: a Dask scheduler and its workers, behind the ``map`` of an executor.

Items are small. Results are small too, or merged on the workers before they are sent. Workers of a sweep read its
folder and commit their cells to it, so every one of them must see it under the same path; those of a run need no
folder. Dask computes what a lost worker had again.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from simulator.engine.dask_tasks import MODEL_OF_WORKER, check_model, submit
from simulator.errors import RunError, UsageError, plain

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

Item = TypeVar("Item")
Result = TypeVar("Result")

_EACH = 3
"""Items under way for each thread of the cluster: enough to keep it busy, few for the scheduler."""
_MOST_LATE = 3
"""Times that a result which is there does not arrive, before its scheduler counts as lost."""
_ANSWER = 6.0
"""Seconds in which a scheduler must answer. Dask's own limits leave a stopped one out, and wait far longer."""
_LOOK_EVERY = 1.0
"""Seconds between looks at the cluster while a result is awaited."""
_SAY_EVERY = 30.0
"""Seconds between notes that no worker is there."""
_AGAIN = "then give the same command again"
WORKER_WAIT = 300.0
"""Seconds to wait for workers, unless another time is given."""


class Cluster:
    """Workers of a Dask scheduler.

    Parameters
    ----------
    address
        Of the scheduler, or "local" for workers of our own.
    workers
        Number of our own.
    wait
        Seconds without any worker after which computing ends.
    say
        Gets a line when no worker is there, and another every 30 s.
    """

    def __init__(
        self, address: str, workers: int, wait: float, say: Callable[[str], object]
    ) -> None:
        self.address, self.workers, self.wait, self.say = address, workers, wait, say
        self._connected: tuple[Client, str] | None = None

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """Keep one connection, and workers of our own, for all that is computed within."""
        with self._client() as connection:
            self._connected = connection
            try:
                yield
            finally:
                self._connected = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function`` of each item, in order; ``function`` must be pure: it may be called twice.

        Raises
        ------
        RunError
            If the scheduler does not answer or is lost, has no workers for too long, workers keep
            dying, or have another crashsim. An error raised by ``function`` comes through as it is.
        """
        return self.merge(function, itemgetter(0), ([item] for item in items))

    def merge(
        self,
        function: Callable[[Item], Result],
        merge: Callable[[Sequence[Result]], Result],
        groups: Iterable[Sequence[Item]],
    ) -> Iterator[Result]:
        """The results of each group of items, merged on the workers; groups are in order.

        Results are merged as a tree, ``FAN`` at a time, where they were computed: this process gets one
        result a group. Both functions must be pure, and ``merge`` associative. Raises as :meth:`map`.
        """
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        waiting = iter(groups)
        futures: deque[Any] = deque()
        sizes: deque[int] = deque()
        late = 0
        with self._client() as (client, address):
            watch = _Watch(self, address)
            while True:
                if client.status != "running":
                    raise self.lost()
                threads = watch.threads()
                # Two groups at least, so that workers have tasks while one is merged and fetched.
                least = sizes[0] + 1 if sizes else 1
                most = max(_EACH * threads, least) if threads else 0
                while sum(sizes) < most and (group := next(waiting, None)) is not None:
                    sizes.append(len(group))
                    futures.append(submit(client, function, merge, group))
                if not futures and threads:
                    return
                if not futures:
                    time.sleep(_LOOK_EVERY)
                    continue
                try:
                    if _done(client, futures[0]):
                        result = futures[0].result(timeout=_ANSWER / 2)
                        late = 0
                        futures.popleft()
                        sizes.popleft()
                        yield result
                except (
                    TimeoutError
                ) as error:  # the scheduler or the worker that has the result is lost
                    watch.threads()  # raises if it is the scheduler; else it is computed again
                    late += 1
                    if late == _MOST_LATE:
                        raise self.lost(_reason(error)) from None
                except KilledWorker as error:
                    raise RunError(
                        f"workers of {self.address} died on the same task again and again, perhaps for "
                        f"want of memory ({plain(str(error), 200)}); {_AGAIN}"
                    ) from None
                except ImportError as error:
                    raise self._other_crashsim(str(error)) from error
                except (CancelledError, CommClosedError):
                    raise self.lost() from None

    def lost(self, why: str = "it closed the connection") -> RunError:
        """The error of a scheduler that went away."""
        return RunError(f"lost the Dask scheduler {self.address}: {why}; {_AGAIN}")

    @contextlib.contextmanager
    def _client(self) -> Iterator[tuple[Client, str]]:
        from distributed import Client, LocalCluster

        if self._connected is not None:
            yield self._connected
            return
        with contextlib.ExitStack() as stack:
            stack.enter_context(_unlogged())
            target: Any = self.address
            if self.address == "local":
                target = stack.enter_context(
                    LocalCluster(
                        n_workers=self.workers,
                        threads_per_worker=1,
                        host="127.0.0.1",
                        dashboard_address="127.0.0.1:0",
                        silence_logs=logging.CRITICAL,
                    )
                )
                stack.push(partial(_stop, target))
            else:
                try:
                    _identity(target)
                except Exception as error:  # noqa: BLE001 - whatever is behind the address may answer anything
                    raise RunError(
                        f"no Dask scheduler answers at {plain(self.address)}: {_reason(error)}; "
                        "start one: dask scheduler"
                    ) from None
            with warnings.catch_warnings(record=True) as notices:
                client = Client(target, timeout=_ANSWER, set_as_default=False)
            for notice in notices:  # packages of other versions
                self.say(str(notice.message))
            # Of what is lost with a scheduler or its workers, only our errors speak.
            loop: Any = client.loop
            loop.asyncio_loop.set_exception_handler(lambda *_: None)
            stack.callback(_close, client)
            if self.address != "local":
                self._check_workers(client)
            yield client, getattr(target, "scheduler_address", self.address)

    def _check_workers(self, client: Client) -> None:
        """Raise RunError if a worker that is there has no crashsim, or one of another model.

        Asked without our code, which a worker without it would die of. Workers that are busy are not waited for.
        """
        from concurrent.futures import CancelledError

        from distributed import wait
        from distributed.comm.core import CommClosedError

        try:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            futures = {
                worker: client.submit(eval, MODEL_OF_WORKER, workers=[worker], pure=False)
                for worker in workers
            }
            with contextlib.suppress(TimeoutError), client.as_current():
                wait(list(futures.values()), timeout=_ANSWER)
            for worker, future in futures.items():
                if future.status == "finished":
                    check_model(future.result(timeout=_ANSWER), worker)
                elif future.status == "error" and isinstance(future.exception(), ImportError):
                    raise self._other_crashsim(f"{worker} says: {future.exception()}")
        except (CancelledError, CommClosedError, TimeoutError) as error:
            raise self.lost(_reason(error)) from None

    def _other_crashsim(self, why: str) -> RunError:
        return RunError(
            f"workers of {plain(self.address)} have no crashsim, or another ({plain(why, 200)}); "
            "install the same on all machines"
        )


class _Watch:
    """Looks at the scheduler now and then: whether it answers, and how many threads it has."""

    def __init__(self, cluster: Cluster, address: str) -> None:
        self._cluster, self._address = cluster, address
        self._threads = 0
        self._looked = -math.inf
        self._empty: float | None = None  # since when there is no worker
        self._said = -math.inf

    def threads(self) -> int:
        """Threads of all workers, as of a second ago at most; RunError if the scheduler is lost."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            try:
                self._threads = _identity(self._address)["total_threads"]
            except Exception as error:  # noqa: BLE001 - as in _client
                raise self._cluster.lost(_reason(error)) from None
            self._looked = now
            self._need_workers(now)
        return self._threads

    def _need_workers(self, now: float) -> None:
        if self._threads:
            self._empty = None
            return
        if self._empty is None:
            self._empty, self._said = now, -math.inf
        address, empty = self._cluster.address, now - self._empty
        start = f"start some: dask worker {address} --nworkers auto --nthreads 1"
        if empty >= self._cluster.wait:
            raise RunError(
                f"the Dask scheduler {address} has had no workers for {empty:.0f} s; {start}; "
                f"{_AGAIN}"
            )
        if now - self._said >= _SAY_EVERY:
            self._said = now
            left = self._cluster.wait - empty
            self._cluster.say(
                f"the Dask scheduler {address} has no workers; waiting {left:.0f} s more; {start}"
            )


def _done(client: Client, future: Any) -> bool:
    """Whether a result is there, after a second at most."""
    from distributed import TimeoutError, wait

    with client.as_current():
        try:
            wait(future, timeout=_LOOK_EVERY)
        except TimeoutError:
            return False
    return True


def _identity(address: str) -> dict[str, Any]:
    """What a scheduler says of itself, over a connection of its own. Raises what comes of another's answer."""
    import asyncio  # late: slow to import

    from distributed import Security, rpc

    async def ask() -> dict[str, Any]:
        arguments = Security().get_connection_args("client")
        async with rpc(address, timeout=_ANSWER, connection_args=arguments) as scheduler:
            return dict(await scheduler.identity(n_workers=0))

    async def in_time() -> dict[str, Any]:
        return await asyncio.wait_for(ask(), _ANSWER)

    return asyncio.run(in_time())


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Without Dask's own lines and tracebacks: our errors say what is lost, and what to do."""
    loggers = [
        logging.getLogger(name)
        for name in logging.root.manager.loggerDict
        if name.startswith("distributed")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_ANSWER:g} s"
    return plain(str(error) or type(error).__name__, 200)


def _close(client: Client) -> None:
    """The scheduler drops what is left of our work; a lost one cannot be reached."""
    with contextlib.suppress(Exception):
        client.close(timeout=1)


def _stop(cluster: LocalCluster, kind: type[BaseException] | None, *_: object) -> None:
    """After an error, end our own workers at once: Dask would wait for their cells."""
    if kind is not None:
        for nanny in cluster.workers.values():
            nanny.auto_restart = False
            if nanny.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(nanny.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


def get_cluster(
    address: str,
    workers: int,
    wait: float | None = None,
    say: Callable[[str], object] = str,
) -> Cluster:
    """The cluster of a Dask scheduler: "tcp://host:8786", or "local" with ``workers`` processes.

    Parameters
    ----------
    address, workers
        As in `Cluster`.
    wait
        Seconds without any worker after which computing ends; 300 unless given.
    say
        Gets a line when no worker is there, and another every 30 s.

    Raises
    ------
    UsageError
        If Dask is not installed, or the address is none.
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError(
            "--scheduler needs Dask, which is not installed: pip install 'crashsim[dask]'"
        ) from None
    if address != "local" and not _is_address(address):
        raise UsageError(
            f"--scheduler {plain(address)}: expected local, or an address such as tcp://host:8786"
        )
    return Cluster(address, workers, WORKER_WAIT if wait is None else wait, say)


def _is_address(text: str) -> bool:
    """Whether this is scheme, host and port, with nothing after them."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"tcp", "tls", "ucx", "ws", "wss"}
        return known and bool(parts.hostname and parts.port) and not parts.path.strip("/")
    except ValueError:  # a port that is none
        return False
