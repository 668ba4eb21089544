"""Shocks: the random inputs of the model, and the protocol of their source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from simulator.arrays import FloatArray, IntArray, Precision


@dataclass(frozen=True)
class Arrivals:
    """Rare events, in the order of their steps: ``step`` from 0, ``firm``, ``path``, each ``(event,)``.

    ``uniform`` in (0, 1) is the event's own draw.
    """

    step: IntArray
    firm: IntArray
    path: IntArray
    uniform: FloatArray

    def __getitem__(self, chosen: slice | IntArray) -> Arrivals:
        """Some of the events."""
        return Arrivals(
            self.step[chosen], self.firm[chosen], self.path[chosen], self.uniform[chosen]
        )


def joined(parts: Sequence[Arrivals]) -> Arrivals:
    """Events of several kinds, one kind after the other."""
    if not parts:
        none = np.empty(0, np.int64)
        return Arrivals(none, none, none, np.empty(0))
    columns = {f.name: [getattr(part, f.name) for part in parts] for f in fields(Arrivals)}
    return Arrivals(**{name: np.concatenate(column) for name, column in columns.items()})


@dataclass(frozen=True)
class StepShocks:
    """The noise of some steps that firms share, ``(step, path)``, and the jumps of firms.

    Normals: market, volatility, sector. Uniforms in [0, 1]: regime, hazard, market_jump.
    """

    market: FloatArray
    volatility: FloatArray
    sector: FloatArray
    regime: FloatArray
    hazard: FloatArray
    market_jump: FloatArray
    jumps: Arrivals


@dataclass(frozen=True)
class ChainShocks:
    """The noise of one step of the technology chain, ``(path,)``.

    Normals: price, demand; uniform in (0, 1): price_war.
    """

    price: FloatArray
    demand: FloatArray
    price_war: FloatArray


@dataclass(frozen=True)
class StartShocks:
    """The noise drawn once per path, uniforms in (0, 1) of shape ``(path,)``.

    ``lab`` is ``(firm, path)``: when a private lab fails once funding is shut.
    """

    regime: FloatArray
    volatility: FloatArray
    opening: FloatArray
    bust_length: FloatArray
    recession: FloatArray
    lab: FloatArray


class Shocks(Protocol):
    """Where the engine's noise comes from."""

    paths: int
    precision: Precision
    """Of the paths: draws of steps come in it, and the model works in it."""

    def assumption(self, key: str) -> FloatArray:
        """Uniforms in (0, 1), shape ``(path,)``, for one uncertain assumption."""

    def start(self) -> StartShocks:
        """Draws made once per path."""

    def steps(self, count: int) -> StepShocks:
        """The draws of the next ``count`` steps."""

    def firms(self) -> FloatArray:
        """The next step's normals of firms, ``(firm, path)``: a buffer, valid until the next call."""

    def chain(self) -> ChainShocks:
        """The next draws of the technology chain, which has a slower clock."""


TINY = 2.0**-54
"""Keeps a uniform off 0, where normal scores are infinite."""
