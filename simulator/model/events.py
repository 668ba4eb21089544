"""Dated events: the news of a scenario, and how it arrives (docs/model.md, section 1.2).

An event reaches average prices and compute per unit with an adoption half-life, while
beliefs react on the day (docs/model.md, section 1). So each event has two curves:
``arrived``, the part that has reached the economy, and ``known``, 0 before its date and
1 after it. ``known - arrived`` is news: known, and not yet in the economy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Discriminator, Field, Tag

from simulator.arrays import FloatArray, Precision, cast_constants, in_precision, product
from simulator.schema import Params, Quantity, quantity


# fmt: off
class _Dated(Params):
    """When an event happens and how fast it spreads."""

    name: str = Field(default="", max_length=80, description="what to call it in reports")
    at_years: float = quantity(0.0, "years", 0.0, 30.0,
        "time of the event after the as-of date; 0 acts in the first step",
        "D", "set by the scenario")


class _Spreading(_Dated):
    half_life_years: float = quantity(0.5, "years", 0.01, 20.0,
        "time until half of the event has reached average prices and costs",
        "D", "judgement: integration frictions bind, not cost (NBER working paper digest, 2025)")

    def arrived(self, time: float) -> float:
        """Share of the event that is in the economy at a time."""
        return 1.0 - math.exp2(-max(time - self.at_years, 0.0) / self.half_life_years)


class PriceCut(_Spreading):
    """A seller cuts prices: ``-ln(1 - cut) * exposed`` off the average log price."""

    kind: Literal["price_cut"] = "price_cut"
    cut: Quantity = quantity(0.5, "share", 0.0, 0.9999, "fall of the list price of the tier that is hit",
        "D", "set by the scenario")
    exposed: Quantity = quantity(0.15, "share", 0.0, 1.0, "share of the market the cut reaches",
        "D", "judgement: tier hit as a share of LLM revenue, range .05-.35")
    matched_by_compute: Quantity = quantity(0.9, "share", 0.0, 1.2,
        "part of the cut that less compute per unit pays for; the rest is margin",
        "D", "judgement: about 11x fewer GPU-hours were claimed against a 27x lower price")


class EfficiencyGain(_Spreading):
    """The same work with less compute."""

    kind: Literal["efficiency_gain"] = "efficiency_gain"
    gain: Quantity = quantity(2.0, "times", 1.0, 1e4, "how many times less compute the same work takes",
        "D", "set by the scenario")
    inference_share: Quantity = quantity(0.0, "share", 0.0, 1.0, "share of inference the gain applies to",
        "D", "judgement")
    training_share: Quantity = quantity(0.0, "share", 0.0, 1.0, "share of training the gain applies to",
        "D", "judgement")
    rebound: Quantity = quantity(0.5, "share", 0.0, 1.5, "part of the training saving spent on more training",
        "D", "judgement: labs spend savings on larger runs; frontier compute kept growing 4-5x a year")


class DemandShift(_Spreading):
    """A lasting change of demand at given prices."""

    kind: Literal["demand_shift"] = "demand_shift"
    shift: Quantity = quantity(0.0, "log", -3.0, 3.0, "change of log demand, negative when buyers turn away",
        "D", "set by the scenario")


class Competition(_Dated):
    """A rival takes a share of one firm's core revenue, year after year."""

    kind: Literal["competition"] = "competition"
    firm: str = Field(max_length=64, description="ticker of the firm that loses revenue")
    share_lost_per_year: Quantity = quantity(0.05, "share per year", 0.0, 0.9,
        "core revenue lost each year to the rival",
        "D", "set by the scenario")
    years: float = quantity(3.0, "years", 0.1, 30.0, "how long the loss goes on",
        "D", "set by the scenario")


class FundingSqueeze(_Spreading):
    """Capital markets withdraw from AI."""

    kind: Literal["funding_squeeze"] = "funding_squeeze"
    withdrawn: Quantity = quantity(0.5, "share", 0.0, 1.0, "share of outside funding that is withdrawn",
        "D", "set by the scenario")


class RateRise(_Dated):
    """Required returns rise; each value falls by its equity duration."""

    kind: Literal["rate_rise"] = "rate_rise"
    rise: Quantity = quantity(0.01, "per year", -0.1, 0.2, "rise of the discount rate (0.01 = one percentage point)",
        "D", "set by the scenario")
    years: float = quantity(1.0, "years", 0.01, 30.0, "time over which the rise arrives, linearly",
        "D", "set by the scenario")
# fmt: on


def _kind(event: object) -> object:
    """The tag of an event, from a file's table or an object."""
    return event.get("kind") if isinstance(event, dict) else getattr(event, "kind", None)


Event: TypeAlias = Annotated[
    Annotated[PriceCut, Tag("price_cut")]
    | Annotated[EfficiencyGain, Tag("efficiency_gain")]
    | Annotated[DemandShift, Tag("demand_shift")]
    | Annotated[Competition, Tag("competition")]
    | Annotated[FundingSqueeze, Tag("funding_squeeze")]
    | Annotated[RateRise, Tag("rate_rise")],
    Discriminator(_kind),
]
EVENT_KINDS = (PriceCut, EfficiencyGain, DemandShift, Competition, FundingSqueeze, RateRise)


@dataclass(frozen=True)
class Forcing:
    """What the events do to fundamentals in one step; entries are numbers or ``(path,)``.

    Increments of logs: price, compute (per unit), training, demand. ``squeeze`` is the
    share of outside funding withdrawn and ``competition`` the log factor of core revenue
    of each firm in ``Calendar.competitors``, both at the end of the step.
    """

    price: Quantity = 0.0
    compute: Quantity = 0.0
    training: Quantity = 0.0
    demand: Quantity = 0.0
    squeeze: Quantity = 0.0
    competition: tuple[Quantity, ...] = ()


@dataclass(frozen=True)
class Beliefs:
    """What markets know at some steps, each ``(step, path)`` or ``(step, 1)``.

    ``news``: log size of shocks known but not yet in the fundamentals, positive = bad for
    sellers of compute. ``rates``: rise of the discount rate. ``squeeze``: as in Forcing.
    """

    news: FloatArray
    rates: FloatArray
    squeeze: FloatArray


@dataclass
class _Shock:
    """An event that spreads, as logs at full size, numbers or ``(path,)``."""

    event: _Spreading
    price: Quantity = 0.0
    compute: Quantity = 0.0
    training: Quantity = 0.0
    demand: Quantity = 0.0
    news: Quantity = 0.0


class Calendar:
    """The events of a scenario.

    Parameters
    ----------
    events
        Events whose sizes are numbers or ``(path,)`` arrays.
    inference_share
        Share of inference in compute demand, to size a gain's news.
    precision
        Of the paths.
    """

    def __init__(
        self,
        events: tuple[Event, ...],
        inference_share: Quantity,
        precision: Precision = np.float64,
    ) -> None:
        self._shocks = [
            _shock(event, inference_share)
            for event in events
            if isinstance(event, PriceCut | EfficiencyGain | DemandShift)
        ]
        for shock in self._shocks:
            cast_constants(shock, precision)
        news = np.broadcast_arrays(*(np.asarray(shock.news) for shock in self._shocks))
        self._news = in_precision(np.array(news), precision).reshape(len(news), -1 if news else 1)
        self._precision = precision
        self._squeezes = [event for event in events if isinstance(event, FundingSqueeze)]
        self._rates = [event for event in events if isinstance(event, RateRise)]
        self._rivals = [event for event in events if isinstance(event, Competition)]

    @property
    def competitors(self) -> tuple[str, ...]:
        """Tickers hit by competition, each once, in the order of ``Forcing.competition``."""
        return tuple(dict.fromkeys(event.firm for event in self._rivals))

    @property
    def rates_move(self) -> bool:
        """Whether there is a rate rise."""
        return bool(self._rates)

    def forcing(self, begin: float, end: float) -> Forcing:
        """What arrives between two times in years."""
        shares = [
            (shock, share)
            for shock in self._shocks
            if (share := shock.event.arrived(end) - shock.event.arrived(begin))
        ]

        def arriving(effect: str) -> Quantity:
            start: Quantity = 0.0
            return sum((share * getattr(shock, effect) for shock, share in shares), start)

        lost: dict[str, Quantity] = {}
        for rival in self._rivals:
            years = min(max(end - rival.at_years, 0.0), rival.years)
            loss = in_precision(rival.share_lost_per_year, self._precision)
            lost[rival.firm] = lost.get(rival.firm, 0.0) + np.log1p(-loss) * years
        names = ("price", "compute", "training", "demand")
        price, compute, training, demand = map(arriving, names)
        return Forcing(price, compute, training, demand, self._squeeze(end), tuple(lost.values()))

    def beliefs(self, first: int, last: int, dt: float, clock: int) -> Beliefs:
        """What is known at steps of ``dt`` years, and not yet in prices by way of the books.

        What arrived in a quarter of ``clock`` steps enters prices over the next quarter. No
        quarter begins after the ``first`` step.
        """
        steps = np.arange(first, last + 1)[:, None]
        now, books, part = steps * dt, first - first % clock, steps % clock / clock
        ahead = np.zeros((len(steps), len(self._shocks)), self._precision)
        for column, shock in zip(ahead.T, self._shocks, strict=True):
            before, after = (shock.event.arrived(k * dt) for k in (books - clock, books))
            left = 1.0 - before - (after - before) * part
            column[...] = np.where(now > shock.event.at_years, left, 0.0)[:, 0]
        news = np.empty((len(steps), self._news.shape[1]), self._precision)
        product(ahead, self._news, out=news)
        rates = in_precision(np.zeros(now.shape), self._precision)
        for rise in self._rates:
            since = np.clip((now - rise.at_years) / rise.years, 0.0, 1.0)
            rates = rates + in_precision(since, self._precision) * rise.rise
        squeeze = in_precision(np.zeros(now.shape), self._precision)
        if self._squeezes:
            times = now[:, 0].tolist()
            withdrawn = np.stack([np.atleast_1d(self._squeeze(time)) for time in times])
            squeeze = in_precision(withdrawn, self._precision)
        return Beliefs(news, rates, squeeze)

    def _squeeze(self, now: float) -> Quantity:
        kept: Quantity = 1.0
        for event in self._squeezes:
            kept = kept * (1.0 - event.withdrawn * event.arrived(now))
        return 1.0 - kept


def _shock(event: PriceCut | EfficiencyGain | DemandShift, inference_share: Quantity) -> _Shock:
    """An event's full size in logs, by what it acts on."""
    if isinstance(event, PriceCut):
        cut = -np.log1p(-np.asarray(event.cut)) * event.exposed
        return _Shock(event, price=-cut, compute=-event.matched_by_compute * cut, news=cut)
    if isinstance(event, EfficiencyGain):
        saving = np.log(np.asarray(event.gain))
        inference = saving * event.inference_share
        runs = saving * event.training_share * (1.0 - event.rebound)
        news = inference_share * inference + (1.0 - inference_share) * runs
        return _Shock(event, compute=-inference, training=-runs, news=news)
    return _Shock(event, demand=event.shift, news=-event.shift)
