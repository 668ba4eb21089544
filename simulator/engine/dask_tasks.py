"""Tasks of a Dask cluster: what is submitted to it, and what its workers do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from simulator.errors import RunError
from simulator.scenario import MODEL_VERSION

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

FAN = 8
"""Results that are merged at once, on the worker that has most of them."""
MODEL_OF_WORKER = "__import__('simulator.scenario').scenario.MODEL_VERSION"
"""For ``eval``: a worker without crashsim answers with an error and lives."""


def submit(
    client: Client,
    function: Callable[[Item], Result],
    merge: Callable[[Sequence[Result]], Result],
    group: Sequence[Item],
) -> Future[Result]:
    """The future of a group: ``function`` of each item, and tasks that merge the results as a tree."""
    compute = partial(_computed, MODEL_VERSION, function)
    level = [client.submit(compute, item, pure=False) for item in group]
    while len(level) > 1:
        parts = (level[begin : begin + FAN] for begin in range(0, len(level), FAN))
        level = [client.submit(merge, part, pure=False) for part in parts]
    return level[0]


def _computed(model: int, function: Callable[[Item], Result], item: Item) -> Result:
    """``function`` of an item, on a worker that has the same model."""
    check_model(model, "the client")
    return function(item)


def check_model(model: int, of: str) -> None:
    """Raise RunError if a client or worker has another model."""
    if model != MODEL_VERSION:
        raise RunError(
            f"{of} has model {model} of crashsim, not {MODEL_VERSION}: install the same on all machines"
        )
