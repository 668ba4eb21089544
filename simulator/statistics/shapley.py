"""Shapley's value: a change split among what changed, exactly or over sampled orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import comb

import numpy as np

from simulator.arrays import FloatArray


def shapley(values: FloatArray) -> FloatArray:
    """Shares (k, ...) of k changes, from ``values`` (2^k, ...) of every mixture, by bit mask."""
    k = len(values).bit_length() - 1
    masks = np.arange(len(values))
    shares = []
    for change in range(k):
        without = masks[masks >> change & 1 == 0]
        weights = np.array([1 / (k * comb(k - 1, int(m).bit_count())) for m in without])
        effect = values[without | 1 << change] - values[without]
        shares.append(np.tensordot(weights, effect, axes=1))
    return np.stack(shares)


def sampled_orders(k: int, pairs: int, seed: int) -> list[tuple[int, ...]]:
    """``pairs`` random orders of k changes, each followed by its reverse."""
    # Not a stream of the simulation: it chooses orders of changes, not what happens.
    random = np.random.default_rng([seed, k, pairs])
    drawn = [tuple(random.permutation(k).tolist()) for _ in range(pairs)]
    return [each for order in drawn for each in (order, order[::-1])]


def prefixes(order: Iterable[int]) -> Iterator[int]:
    """The mixtures on the way from the first scenario to the second, in one order of changes."""
    mask = 0
    yield mask
    for change in order:
        mask |= 1 << change
        yield mask


def shares_of_order(values: Mapping[int, FloatArray], order: Sequence[int]) -> FloatArray:
    """What each change adds (k, ...), made in this order."""
    steps = list(prefixes(order))
    shares = np.empty((len(order), *values[0].shape))
    for change, before, after in zip(order, steps, steps[1:], strict=False):
        shares[change] = values[after] - values[before]
    return shares
