"""Random walks as particles, and the exact chance that they fall by so much."""

from __future__ import annotations

from typing import Self

import numpy as np


class Walks:
    """Walks with normal steps, or with steps of one up or down; the score is the largest fall."""

    def __init__(self, level: np.ndarray, high: np.ndarray, score: np.ndarray, whole: bool) -> None:
        self.level, self.high, self.score, self.whole = level, high, score, whole

    @classmethod
    def start(cls, count: int, whole: bool = False) -> Self:
        return cls(np.zeros(count), np.zeros(count), np.zeros(count), whole)

    def step(self, k: int, noise: np.random.Generator) -> None:
        assert k > 0
        drawn = noise.standard_normal(self.level.size)
        self.level = self.level + (np.sign(drawn) if self.whole else drawn)
        self.high = np.maximum(self.high, self.level)
        self.score = np.maximum(self.score, self.high - self.level)

    def take(self, index: np.ndarray) -> Self:
        return type(self)(self.level[index], self.high[index], self.score[index], self.whole)

    def join(self, other: Self) -> Self:
        return type(self)(
            np.append(self.level, other.level),
            np.append(self.high, other.high),
            np.append(self.score, other.score),
            self.whole,
        )


def fall_probability(depth: float, steps: int, points: int = 300) -> float:
    """P(largest fall >= depth) of a walk of normal steps, by quadrature of its recursion.

    The distance below the high is a walk reflected at 0. With v_n(y) the chance to reach the depth
    from y in n steps, v_n(y) = P(y - z >= depth) + P(y - z <= 0) v_{n-1}(0) + integral over what
    lies between; Gauss and Legendre's nodes, and 0 as a node of its own.
    """
    from scipy.special import ndtr

    nodes, weights = np.polynomial.legendre.leggauss(points)
    y = np.append(0.0, (nodes + 1) * depth / 2)
    kernel = np.exp(-0.5 * (y[:, None] - y[None, :]) ** 2) / np.sqrt(2 * np.pi)
    kernel *= np.append(0.0, weights * depth / 2)
    kernel[:, 0] = ndtr(-y)
    value = np.zeros(y.size)
    for _ in range(steps):
        value = kernel @ value + ndtr(y - depth)
    return float(value[0])


def whole_fall_probability(depth: int, steps: int) -> float:
    """The same for a walk of steps of one up or down, exactly."""
    below = np.zeros(depth + 1)  # at each distance below the high; the last one absorbs
    below[0] = 1.0
    for _ in range(steps):
        after = np.zeros_like(below)
        after[0] = below[0] / 2  # a new high
        after[1:] += below[:-1] / 2
        after[:-2] += below[1:-1] / 2
        after[-1] += below[-1]
        below = after
    return float(below[-1])
