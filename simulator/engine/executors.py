"""Where blocks are computed: in this process, or in several.

An executor is anything with ``map(function, items)`` that yields results in the order of
the items. It holds a few items at a time, so memory does not grow with their number.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from simulator.errors import UsageError
from simulator.worker_pool import WorkerPool

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WORKERS = 256


class Executor(Protocol):
    """Maps a function over items, in this process or elsewhere."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function`` of each item, in the order of the items."""
        ...


class Serial:
    """One item after another, here."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function`` of each item, computed one at a time."""
        return map(function, items)


class Processes:
    """``workers`` processes; at most two items for each are under way."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function`` of each item, in order; ``function`` must be pure: it may be called twice.

        Raises
        ------
        RunError
            If workers keep dying. An error raised by ``function`` comes through as it is.
        """
        waiting = iter(items)
        with WorkerPool(self.workers, function) as pool:
            while True:
                for item in itertools.islice(waiting, 2 * self.workers - pool.busy):
                    pool.submit(item)
                if not pool.busy:
                    return
                yield pool.oldest()


class Shared:
    """``workers`` processes, with this one among them. All items are taken at once, so they must be few.

    The others begin with the call of :meth:`map`, this one when its results are asked for.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function`` of each item, in order: from the front here, from the end elsewhere.

        Raises as :meth:`Processes.map`.
        """
        left = deque(enumerate(items))
        helpers = WorkerPool(self.workers - 1, partial(_numbered, function))
        self._hand_out(left, helpers)
        return self._results(function, left, helpers)

    def _hand_out(self, left: _Left[Item], helpers: _Helpers[Item, Result]) -> None:
        while len(left) > 1 and helpers.busy < self.workers - 1:
            helpers.submit(left.pop())

    def _results(
        self, function: Callable[[Item], Result], left: _Left[Item], helpers: _Helpers[Item, Result]
    ) -> Iterator[Result]:
        results: dict[int, Result] = {}
        with helpers:
            for at in range(len(left) + helpers.busy):
                while at not in results:
                    self._hand_out(left, helpers)
                    if left:
                        number, item = left.popleft()
                        results[number] = function(item)
                    results.update(helpers.completed(wait=not left and at not in results))
                yield results.pop(at)


_Left: TypeAlias = deque[tuple[int, Item]]
_Helpers: TypeAlias = WorkerPool[tuple[int, Item], tuple[int, Result]]


def _numbered(function: Callable[[Item], Result], item: tuple[int, Item]) -> tuple[int, Result]:
    return item[0], function(item[1])


def get_executor(workers: object) -> Executor:
    """An executor for this number of worker processes; 1 computes in this process.

    Raises
    ------
    UsageError
        If ``workers`` is not a whole number from 1 to 256.
    """
    checked = check_workers(workers)
    return Serial() if checked == 1 else Processes(checked)


def check_workers(workers: object) -> int:
    """The number of workers. Raises UsageError if it is not a whole number from 1 to 256."""
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS:
        raise UsageError(f"workers must be a whole number from 1 to {MAX_WORKERS}, got {workers!r}")
    return workers
