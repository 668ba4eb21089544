"""Cells on more than one machine: a Dask scheduler and its workers, behind the ``map`` of an executor.

Items and results are small: workers read the sweep folder and commit their cells to it, so every
one of them must see it under the same path. Dask runs the items of a lost worker again.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from simulator.errors import RunError, UsageError, plain

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

Item = TypeVar("Item")
Result = TypeVar("Result")

_EACH = 3
"""Items under way for each thread of the cluster: enough to keep it busy, few for the scheduler."""
_PATIENCE = "10s"


class Cluster:
    """Workers of a Dask scheduler at ``address``, or "local" for some of our own."""

    def __init__(self, address: str, workers: int) -> None:
        self.address, self.workers = address, workers

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function`` of each item, in order; ``function`` must be pure: it may be called twice.

        Raises
        ------
        RunError
            If the scheduler does not answer or is lost, has no workers, or workers keep dying. An
            error raised by ``function`` comes through as it is.
        """
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        waiting = iter(items)
        futures: deque[Any] = deque()
        with self._client() as client:
            try:
                while True:
                    free = _EACH * self._threads(client) - len(futures)
                    for item in itertools.islice(waiting, max(free, 0)):
                        futures.append(client.submit(function, item, pure=False))
                    if not futures:
                        return
                    result = futures.popleft().result()
                    yield result
            except KilledWorker as error:
                raise RunError(
                    f"workers of {self.address} died on the same cell again and again, perhaps for "
                    f"want of memory ({plain(str(error), 200)}); the same command resumes"
                ) from None
            except (CommClosedError, TimeoutError, OSError) as error:
                raise RunError(
                    f"lost the Dask scheduler {self.address}: {plain(str(error), 200)}; "
                    "the same command resumes"
                ) from None
            finally:
                with contextlib.suppress(Exception):  # it may be gone
                    client.cancel(list(futures))

    def _threads(self, client: Client) -> int:
        threads = int(sum(client.nthreads().values()))
        if not threads:
            raise RunError(
                f"the Dask scheduler {self.address} has no workers; start some: "
                f"dask worker {self.address} --nworkers auto --nthreads 1"
            )
        return threads

    @contextlib.contextmanager
    def _client(self) -> Iterator[Client]:
        from distributed import Client, LocalCluster

        with contextlib.ExitStack() as stack:
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
            try:
                client = Client(target, timeout=_PATIENCE, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as error:
                raise RunError(
                    f"no Dask scheduler answers at {plain(self.address)}: "
                    f"{plain(str(error), 200)}; start one: dask scheduler"
                ) from None
            yield stack.enter_context(client)


def _stop(cluster: LocalCluster, kind: type[BaseException] | None, *_: object) -> None:
    """After an error, end our own workers at once: Dask would wait for their cells."""
    if kind is not None:
        for nanny in cluster.workers.values():
            nanny.auto_restart = False
            if nanny.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(nanny.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)


def get_cluster(address: str, workers: int) -> Cluster:
    """The cluster of a Dask scheduler: "tcp://host:8786", or "local" with ``workers`` processes.

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
    if address != "local" and not address.startswith(
        ("tcp://", "tls://", "ucx://", "ws://", "wss://")
    ):
        raise UsageError(
            f"--scheduler {plain(address)}: expected local, or an address such as tcp://host:8786"
        )
    return Cluster(address, workers)
