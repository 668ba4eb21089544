"""AI expectations: the premium in prices, marked to the AI economy (docs/model.md, section 3.3).

The premium is a price of AI profits to come. Where sellers of AI earn less than was priced in,
that part of value shrinks in proportion, with the delay of learning; where they earn more, it grows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import FloatArray, Precision, cast_constants
from simulator.model.firms import FirmRules
from simulator.model.valuation import Valuation
from simulator.schema import Quantity

LEAST_MARGIN = 0.01
"""Least margin of sellers at the start."""


def profit_pool(rules: FirmRules, sales: FloatArray, unit_margin: FloatArray) -> FloatArray:
    """Log of what sellers of models earn, up to a constant: sales times margin, ``(path,)``.

    Parameters
    ----------
    rules
        Margins are bounded as firms' are.
    sales
        Log sales of models.
    unit_margin
        Log of a unit's price over its cost, 0 at t=0.
    """
    start = np.maximum(1.0 - np.asarray(rules.serving_cost_share), LEAST_MARGIN)
    margin = 1.0 - rules.serving_cost_share * np.exp(np.minimum(-unit_margin, 20.0))
    high = np.minimum(rules.margin_ceiling * start, np.maximum(start, 0.95))
    return np.asarray(sales + np.log(np.clip(margin, rules.margin_floor * start, high)))


def channel_revenue(weights: FloatArray, logs: tuple[FloatArray, ...]) -> FloatArray:
    """Log revenue of all channels of AI together, 0 at t=0; ``weights`` (channel,) sum to 1, or are 0.

    Where no firm sells AI there is no revenue that could surprise: 0 throughout.
    """
    if not weights.any():
        return np.zeros_like(logs[0])
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

    Parameters
    ----------
    learning
        Assumptions, numbers or ``(path,)``.
    premium
        Log premium in the AI group's prices.
    dt
        Length of a quarter in years.
    steps
        Steps in a quarter.
    paths
        Number of columns.
    precision
        Of all states.
    """

    def __init__(
        self,
        learning: Valuation,
        premium: Quantity,
        dt: float,
        steps: int,
        paths: int,
        precision: Precision = np.float64,
    ) -> None:
        self.paths, self.precision, self._steps = paths, precision, steps
        self._learn = -np.expm1(-dt / np.asarray(learning.growth_smoothing_years))
        self._low, self._high = map(np.asarray, (learning.lowest_outlook, learning.highest_outlook))
        self.premium = np.asarray(premium)
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

        Parameters
        ----------
        state
            Expectations.
        pool
            ``(path,)`` log profits of AI's sellers over what was priced in.
        revenue
            The same for revenue of all channels of AI.
        """
        s = state
        seen = np.minimum(np.maximum(pool, self._low), self._high)
        s.expected += self._learn * (seen - s.expected)
        s.surprise += self._learn * (revenue - s.surprise)
        s.repriced = np.log1p(self._premium_share * np.expm1(s.expected))
        s.learned = (s.repriced - s.known) * (1.0 / self._steps)

    def premium_left(self, state: OutlookState, earned: FloatArray) -> FloatArray:
        """Log premium that a bust can still take.

        Parameters
        ----------
        state
            Expectations; what they have lost is gone already.
        earned
            Log value of surprises in revenue and margin: no longer a hope.
        """
        left = np.minimum(state.expected, 0.0) - np.maximum(earned, 0.0)
        return np.asarray(np.log1p(self._premium_over_rest * np.exp(left)))
