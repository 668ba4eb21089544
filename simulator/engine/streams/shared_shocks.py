"""The shocks of several simulations of the same paths, drawn once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.arrays import FloatArray
from simulator.model.shocks import ChainShocks, Shocks, StartShocks, StepShocks


class SharedShocks:
    """One source for simulations that advance in lockstep: each draw is returned to every reader in turn.

    The same buffers go to all readers, so each must take its turn before any takes the next.

    Parameters
    ----------
    shocks
        The source.
    readers
        Number of simulations.
    """

    def __init__(self, shocks: Shocks, readers: int) -> None:
        self._shocks, self._readers = shocks, readers
        self.paths, self.precision = shocks.paths, shocks.precision
        self._drawn: dict[str, Any] = {}
        self._served: dict[str, int] = {}
        self._assumptions: dict[str, FloatArray] = {}

    def _shared(self, name: str, draw: Callable[[], Any]) -> Any:
        turn = self._served.get(name, 0)
        if not turn:
            self._drawn[name] = draw()
        self._served[name] = (turn + 1) % self._readers
        return self._drawn[name]

    def assumption(self, key: str) -> FloatArray:
        """Uniforms of one uncertain assumption; not every reader has it."""
        if key not in self._assumptions:
            self._assumptions[key] = self._shocks.assumption(key)
        return self._assumptions[key]

    def start(self) -> StartShocks:
        """Draws made once per path."""
        shared: StartShocks = self._shared("start", self._shocks.start)
        return shared

    def steps(self, count: int) -> StepShocks:
        """The draws of the next ``count`` steps, the same number for all readers."""
        shared: StepShocks = self._shared("steps", lambda: self._shocks.steps(count))
        return shared

    def firms(self) -> FloatArray:
        """The next step's normals of firms."""
        shared: FloatArray = self._shared("firms", self._shocks.firms)
        return shared

    def chain(self) -> ChainShocks:
        """The next draws of the technology chain."""
        shared: ChainShocks = self._shared("chain", self._shocks.chain)
        return shared
