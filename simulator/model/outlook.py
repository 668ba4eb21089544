"""AI expectations: the premium in prices, marked to the AI economy (docs/model.md, section 3.3).

The premium is a price of AI profits to come. Where sellers of AI earn less than was priced in,
that part of value shrinks in proportion, with the delay of learning; where they earn more, it grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from simulator.arrays import FloatArray, Precision, cast_constants
from simulator.schema import Quantity


class Rules(Protocol):
    """What AI expectations need of the rules for firms' margins."""

    @property
    def serving_cost_share(self) -> Quantity:
        """Cost of serving over sales at the start."""

    @property
    def margin_floor(self) -> Quantity:
        """Lowest margin over that at the start."""

    @property
    def margin_ceiling(self) -> Quantity:
        """Highest margin over that at the start."""


class Learning(Protocol):
    """What AI expectations need of the rules for values."""

    @property
    def growth_smoothing_years(self) -> Quantity:
        """Time over which investors learn a surprise."""

    @property
    def lowest_outlook(self) -> Quantity:
        """Lowest log of expected AI profits over what was priced in."""

    @property
    def highest_outlook(self) -> Quantity:
        """The highest."""


LEAST_MARGIN = 0.01
"""Least margin of sellers at the start."""


def profit_pool(rules: Rules, sales: FloatArray, unit_margin: FloatArray) -> FloatArray:
    """Log of what sellers of models earn, up to a constant: sales times margin, ``(path,)``.

    Args:
        rules: margins are bounded as firms' are.
        sales: log sales of models.
        unit_margin: log of a unit's price over its cost, 0 at t=0.
    """
    start = np.maximum(1.0 - np.asarray(rules.serving_cost_share), LEAST_MARGIN)
    margin = 1.0 - rules.serving_cost_share * np.exp(np.minimum(-unit_margin, 20.0))
    high = np.minimum(rules.margin_ceiling * start, np.maximum(start, 0.95))
    return np.asarray(sales + np.log(np.clip(margin, rules.margin_floor * start, high)))


def channel_revenue(weights: FloatArray, logs: tuple[FloatArray, ...]) -> FloatArray:
    """Log revenue of all channels of AI together, 0 at t=0; ``weights`` (channel,) sum to 1."""
    terms = (weight * np.exp(log) for weight, log in zip(weights, logs, strict=True))
    return np.asarray(np.log(sum(terms, start=np.zeros(()))))


@dataclass
class OutlookState:
    """``(path,)`` logs. ``expected``: AI profits as expected, over what was priced in.

    ``surprise`` is the smoothed surprise of AI revenue, ``repriced`` what the expectation does to a
    price with the whole premium; prices contain ``known`` of it and ``learned`` more each step.
    """

    expected: FloatArray
    surprise: FloatArray
    repriced: FloatArray
    known: FloatArray
    learned: FloatArray


class Outlook:
    """AI expectations on the quarters of fundamentals.

    Args:
        learning: assumptions, numbers or ``(path,)``.
        premium: log premium in the AI group's prices.
        dt: length of a quarter in years.
        steps: steps in a quarter.
        paths: number of columns.
        precision: of all states.
    """

    def __init__(
        self,
        learning: Learning,
        premium: Quantity,
        dt: float,
        steps: int,
        paths: int,
        precision: Precision = np.float64,
    ) -> None:
        self.paths, self.precision, self._steps = paths, precision, steps
        self._learn = -np.expm1(-dt / np.asarray(learning.growth_smoothing_years))
        self._low, self._high = map(np.asarray, (learning.lowest_outlook, learning.highest_outlook))
        self._premium_share = -np.expm1(-np.asarray(premium))  # share of value that is premium
        self._premium_over_rest = np.expm1(np.asarray(premium))  # premium over the rest of value
        cast_constants(self, precision)

    def init(self) -> OutlookState:
        """What is priced in."""
        return OutlookState(*np.zeros((5, self.paths), self.precision))

    @staticmethod
    def learn(state: OutlookState) -> None:
        """A step's part of the last quarter's news becomes known, in place."""
        state.known += state.learned

    def step(self, state: OutlookState, pool: FloatArray, revenue: FloatArray) -> None:
        """Close a quarter, in place: what it brought becomes known over the next one.

        Args:
            state: expectations.
            pool: ``(path,)`` log profits of AI's sellers over what was priced in.
            revenue: the same for revenue of all channels of AI.
        """
        s = state
        seen = np.minimum(np.maximum(pool, self._low), self._high)
        s.expected += self._learn * (seen - s.expected)
        s.surprise += self._learn * (revenue - s.surprise)
        s.repriced = np.log1p(self._premium_share * np.expm1(s.expected))
        s.learned = (s.repriced - s.known) * (1.0 / self._steps)

    def premium_left(self, state: OutlookState, earned: FloatArray) -> FloatArray:
        """Log premium that a bust can still take.

        Args:
            state: expectations; what they have lost is gone already.
            earned: log value of surprises in revenue and margin: no longer a hope.
        """
        left = np.minimum(state.expected, 0.0) - np.maximum(earned, 0.0)
        return np.asarray(np.log1p(self._premium_over_rest * np.exp(left)))
