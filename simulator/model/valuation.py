"""Valuation by surprise (docs/model.md, section 3).

Only departures from the consensus path move a value: revenue ``u``, margin ``m``, and
``n``, the growth that investors read into the recent change of ``u``, for assets in place (Myers
1977): growth options in AI are priced by ``simulator.model.outlook``. Nothing divides by
earnings, so loss-making firms need no special case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.arrays import FloatArray, Precision, cast_constants
from simulator.schema import Params, Quantity, quantity


# fmt: off
class Valuation(Params):
    """How surprises become prices."""

    required_return: float = quantity(0.065, "log per year", -0.1, 0.3,
        "required return net of payout, one number for all firms",
        "C", "10-year Treasury about 4.6 % + implied equity premium 4.33 % (Damodaran, 2025-01-01) - dividends 1.3 "
        "% gives .073; less net issue to staff and founders: judgement, range .055-.075")
    growth_horizon_years: Quantity = quantity(1.5, "years", 0.0, 20.0,
        "how long a surprise in growth is expected to last",
        "D", "judgement: forward multiples look one to three years ahead")
    expectation_bound: float = quantity(0.7, "log", 0.01, 3.0,
        "largest change of the multiple that growth surprises can cause",
        "D", "S&P technology forward P/E 54 to 20 in 2000-02 is ln 1.0 with sentiment: judgement for the growth part")
    growth_smoothing_years: Quantity = quantity(0.75, "years", 0.02, 10.0,
        "time over which investors learn a surprise: in a firm's growth, in AI's profits",
        "D", "judgement: two to four quarterly reports")
    lowest_outlook: Quantity = quantity(-2.5, "log", -10.0, 0.0,
        "lowest AI profits that investors come to expect, over what was priced in",
        "D", "judgement: a twelfth of the AI profits that were priced in is nearly none")
    highest_outlook: Quantity = quantity(0.9, "log", 0.0, 3.0,
        "highest AI profits that investors come to expect, over what was priced in",
        "D", "judgement: two and a half times what was priced in; present value of AI's capital income 8 trillion "
        "USD, 5 to 19 (Goldman Sachs, 2025-11, through the press): ln(19/8) = .9")
    news_response: Quantity = quantity(0.375, "log value per log size", 0.0, 5.0,
        "fall of a firm of news loading 1 per unit of a shock known and not yet arrived",
        "C", "fitted to Nvidia -17.0 % on 2025-01-27; so it validates nothing")
# fmt: on


@dataclass
class ValuationState:
    """``(firm, path)`` logs: surprise in revenue, in margin, smoothed growth of the first, its price.

    ``known`` is what prices contain of their sum, and ``known_adoption`` ``(path,)`` of the
    gain of users; each moves by what is ``learned`` in a step.
    """

    revenue: FloatArray
    margin: FloatArray
    growth: FloatArray
    expectations: FloatArray
    known: FloatArray
    learned: FloatArray
    known_adoption: FloatArray
    learned_adoption: FloatArray


class ValuationProcess:
    """Surprises against the consensus path.

    Parameters
    ----------
    params
        Assumptions, numbers or ``(path,)``.
    dt
        Length of a quarter in years.
    steps
        Steps in a quarter.
    shape
        ``(firm, path)``.
    precision
        Of all states.
    """

    def __init__(
        self,
        params: Valuation,
        dt: float,
        steps: int,
        shape: tuple[int, int],
        precision: Precision = np.float64,
    ) -> None:
        self._steps = steps
        self._smooth = -np.expm1(-dt / np.asarray(params.growth_smoothing_years))
        self._rate = self._smooth / dt
        self._bound = params.expectation_bound
        self._gain = np.asarray(params.growth_horizon_years) / self._bound
        self._shape, self._precision = shape, precision
        self._work = np.empty(shape, precision)
        cast_constants(self, precision)

    def init(self) -> ValuationState:
        """No surprise yet."""
        firms = np.zeros((6, *self._shape), self._precision)
        paths = np.zeros((2, self._shape[1]), self._precision)
        return ValuationState(*firms, *paths)

    @staticmethod
    def learn(state: ValuationState) -> None:
        """A step's part of the last quarter's surprises becomes known, in place."""
        state.known += state.learned

    @staticmethod
    def adopt(state: ValuationState) -> None:
        """The same for the gain of users."""
        state.known_adoption += state.learned_adoption

    def step(
        self,
        state: ValuationState,
        revenue: FloatArray,
        margin: FloatArray,
        adoption: FloatArray,
        log_revenue_consensus: FloatArray,
        log_margin_consensus: FloatArray,
        assets_in_place: FloatArray,
    ) -> None:
        """Close a quarter, in place: what it brought becomes known over the next one.

        Parameters
        ----------
        state
            Surprises.
        revenue, margin
            ``(firm, path)``, positive.
        adoption
            ``(path,)`` log gain of users' margins.
        log_revenue_consensus, log_margin_consensus
            ``(firm, 1)``.
        assets_in_place
            ``(firm, path)`` share of value that is no premium for AI profits to come. Growth is
            extrapolated for this share alone: AI expectations price the rest, and no growth twice.
        """
        s, work = state, self._work
        np.log(revenue, out=work)
        work -= log_revenue_consensus
        # v' = v + (1 - e^{-dt/tau}) (du/dt - v)
        np.subtract(work, s.revenue, out=s.revenue)
        s.revenue *= self._rate
        s.growth *= 1.0 - self._smooth
        s.growth += s.revenue
        s.revenue[...] = work
        np.log(margin, out=s.margin)
        s.margin -= log_margin_consensus
        np.multiply(s.growth, self._gain, out=s.expectations)
        np.tanh(s.expectations, out=s.expectations)
        s.expectations *= self._bound
        s.expectations *= assets_in_place
        total(s, out=s.learned)
        s.learned -= s.known
        s.learned *= 1.0 / self._steps
        np.subtract(adoption, s.known_adoption, out=s.learned_adoption)
        s.learned_adoption *= 1.0 / self._steps


def total(state: ValuationState, out: FloatArray) -> None:
    """Write the whole surprise u + m + n, ``(firm, path)``."""
    np.add(state.revenue, state.margin, out=out)
    out += state.expectations
