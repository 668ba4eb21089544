"""No shocks at all."""

from __future__ import annotations

import numpy as np

from simulator.arrays import FloatArray, Precision
from simulator.model.shocks import ChainShocks, StartShocks, StepShocks, joined


class ZeroShocks:
    """Noise off: every normal 0, every uniform in the middle, no jump.

    Parameters
    ----------
    paths
        Columns.
    firms
        Number of firms.
    """

    def __init__(self, paths: int, firms: int) -> None:
        self.paths = paths
        self.precision: Precision = np.float64
        middle, zero = np.full(paths, 0.5), np.zeros(paths)
        self._middle = middle
        self._start = StartShocks(
            middle, middle, middle, middle, middle, np.full((firms, paths), 0.5)
        )
        self._firms = np.zeros((firms, paths))
        self._chain = ChainShocks(zero, zero, middle)

    def assumption(self, key: str) -> FloatArray:  # noqa: ARG002 - as the protocol has it
        """The median of every assumption."""
        return self._middle

    def start(self) -> StartShocks:
        """Middle of every draw."""
        return self._start

    def steps(self, count: int) -> StepShocks:
        """Steps without noise."""
        zero, middle = np.zeros((count, self.paths)), np.full((count, self.paths), 0.5)
        return StepShocks(zero, zero, zero, middle, middle, middle, joined([]))

    def firms(self) -> FloatArray:
        """No noise of firms."""
        return self._firms

    def chain(self) -> ChainShocks:
        """A step of the chain without noise."""
        return self._chain
