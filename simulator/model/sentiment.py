"""Premium, bust and its consequences (docs/model.md, section 4).

A premium built up by the Magnificent Seven's share of index gains; a hazard that ends
the boom; a bust in which sentiment falls to minus the premium and beyond; an aftermath.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import BoolArray, FloatArray, Precision, cast_constants
from simulator.model.shocks import StartShocks
from simulator.schema import Params, Quantity, quantity

NEVER = 1 << 30
"""Onset of a bust that has not begun."""


# fmt: off
class Sentiment(Params):
    """Hazard, bust, aftermath, contagion."""

    hazard_scale: Quantity = quantity(1.0, "times the law", 0.0, 50.0, "scales the rate at which the boom ends",
        "A", "definition: 1 is the law of run-ups, 0 a boom that cannot end")
    hazard_level: Quantity = quantity(0.037, "per year", 0.0, 1.0,
        "hazard of a crash without any run-up; the boom's is what comes on top",
        "B", "49 US industries, monthly, 1926-2025 (K. French's data): ln of the 24-month hazard of a fall of 40 % "
        "on the two-year run-up net of the market, complementary log-log, 20,413 industry-months")
    hazard_slope: Quantity = quantity(1.54, "log hazard per unit of run-up", 0.0, 5.0,
        "rise of the log hazard with the group's two-year run-up net of the market's",
        "B", "as hazard_level: 1.54 (standard error .31), 1.62 since 1945, 1.69 for large industries; at 100 % net "
        "it gives .46 within 24 months where Greenwood, Shleifer and You (JFE 2019) have .53")
    hazard_cap: float = quantity(0.6, "per year", 0.0, 50.0, "highest hazard that a run-up can bring by itself",
        "C", "Greenwood, Shleifer and You: 80 % of run-ups of 150 % crash within 24 months, .8 a year with the rest")
    hazard_ceiling: float = quantity(2.0, "per year", 0.01, 50.0, "highest hazard",
        "D", "judgement")
    hazard_disappointment: Quantity = quantity(1.2, "log hazard per log revenue", 0.0, 5.0,
        "rise of the log hazard when the revenue of AI's channels disappoints",
        "D", "booms of 16 countries 1870-2020 (Jorda-Schularick-Taylor data): 2.0 (.6) per log of real dividends "
        "that fall at the same time, .3 to .6 where they fall first; between the two")
    average_surprise: float = quantity(-0.063, "log", -1.0, 1.0,
        "surprise in AI revenue at which the hazard is the law's, an average over stories",
        "C", "calibrated: over the stories of the default scenario (python -m simulator.calibration)")
    surprise_sd: float = quantity(0.574, "log", 0.0, 2.0,
        "spread of surprises over stories: what the mean of the hazard's answers is divided by",
        "C", "calibrated: as average_surprise, so that the mean answer is 1")
    boom_compensation: Quantity = quantity(0.5, "share", 0.0, 1.0,
        "share of the expected crash loss that boom returns pay for",
        "D", "judgement: big run-ups do not predict low average returns (Greenwood-Shleifer-You)")
    overshoot: Quantity = quantity(0.4, "share of the premium", 0.0, 3.0, "fall beyond the premium in a bust",
        "D", "judgement: S&P technology forward P/E went from 54 to 20, below its later norm")
    decay_per_year: Quantity = quantity(0.75, "per year", 0.05, 10.0,
        "speed at which sentiment falls to its low after the opening month",
        "C", "multiples 2000-02: .5-.8 a year toward the low (S&P forward P/E 25.2 to 14.1, technology 54 to 20)")
    bust_years: Quantity = quantity(2.0, "years", 0.1, 20.0, "mean length of a bust (exponential)",
        "B", "2000-02 30-31 months, 2022 about 12; range 9-31 months")
    opening_share: Quantity = quantity(0.81, "probability", 0.01, 0.99,
        "share of busts whose first month takes 20 % or more off the AI group",
        "B", "Greenwood-Shleifer-You: 17 of 21 crashes had a month of -20 % or worse")
    opening_spread: float = quantity(0.4, "log", 0.01, 2.0, "log-normal spread of the first month's fall",
        "D", "judgement")
    opening_half_life_years: float = quantity(0.02, "years", 0.001, 1.0,
        "half-life with which the first month's fall arrives",
        "C", "one week: of the log fall of the first month, the worst week was .61 in 1929 (Dow Jones industrials, "
        "10-10 to 11-13, 10-22 to 10-29) and .69 in 2000 (NASDAQ, 03-10 to 04-14)")
    aftermath_level: Quantity = quantity(0.42, "share of the premium", -1.0, 2.0,
        "how far below zero sentiment settles after a bust",
        "D", "judgement: worked for 2002-07")
    aftermath_speed: Quantity = quantity(0.5, "per year", 0.01, 10.0, "speed of return to that level",
        "D", "judgement")
    aftermath_half_life_years: float = quantity(8.0, "years", 0.1, 100.0,
        "half-life with which that level fades to zero",
        "B", "log CAPE autoregression since 1950: half-life 6.6-8.6 years (Shiller data)")
    contagion: Quantity = quantity(0.20, "share", 0.0, 1.0,
        "fall of the rest of the market relative to the AI group's, without a recession",
        "C", "fall of the rest over the sector's, busts without recession: -.12 to .26 (2000-02), .09 (1980-82), "
        ".21 (2022), .18 (2024), .1 (2025-01-27); range 0-.4")
    recession_contagion: Quantity = quantity(0.60, "share", 0.0, 1.0, "the same in a bust that brings a recession",
        "C", "as contagion, with one: .63 (1929), .78 (1937), .60 (1968-70), .78 (1972-74), .67 (2008); range .4-.85")
    contagion_depth: float = quantity(0.60, "share", 0.05, 0.95,
        "fall of the AI group at which the ratio above holds",
        "C", "mean depth of crashes after run-ups, threshold 40 % (Greenwood-Shleifer-You), technology 2000-02 82 %")
    contagion_lag_years: Quantity = quantity(1.0, "years", 0.001, 10.0,
        "time over which the rest of the market follows the AI group's sentiment",
        "C", "the rest did not fall on 2025-01-27, and half of the US stocks of March 2000 that still trade rose "
        "while the NASDAQ fell 78 %; it had followed by .37 when 2000-02 was over: judgement, .5-1.5")
    recession_probability: Quantity = quantity(0.35, "probability", 0.0, 1.0, "chance that a bust brings a recession",
        "D", "judgement, .2-.6: manias of index size that ended in 1929, 1937, 1970, 1981, 2001 came with "
        "recessions, 2022 without; Barro-Ursua (NBER 14760): 22 % of crashes without war came with a depression")
    recession_depth: Quantity = quantity(0.10, "log", 0.0, 1.0, "fall of core revenue in that recession",
        "C", "Barro-Ursua: depression of 10 % or more; applied to core revenue")
    recession_speed: Quantity = quantity(1.0, "per year", 0.05, 10.0,
        "speed of the fall and of the recovery after the bust",
        "D", "judgement")
    lab_failure_loss: float = quantity(3.0, "log", 0.1, 10.0,
        "fall of a private lab's value when it fails for want of funding",
        "D", "judgement: 95 % of the value; survivorship aside, failed carriers of 2001-02 lost 99-100 %")
# fmt: on


def run_up_hazard(params: Sentiment, net: Quantity) -> Quantity:
    """Hazard a year beyond that of a group without run-up, before any disappointment."""
    rise = np.minimum(params.hazard_slope * np.asarray(net), 50.0)
    return params.hazard_scale * np.minimum(params.hazard_level * np.expm1(rise), params.hazard_cap)


def surprise_response(params: Sentiment, surprise: FloatArray) -> FloatArray:
    """Factor of the hazard for a log surprise in AI revenue; its mean over stories is 1."""
    b = params.hazard_disappointment
    held = np.minimum(np.maximum(surprise, -1.0), 1.0)
    return np.asarray(
        np.exp(-b * (held - params.average_surprise) - 0.5 * (b * params.surprise_sd) ** 2)
    )


@dataclass
class SentimentState:
    """``(path,)``. ``onset`` is the step in which the bust began; ``sentiment`` and ``boom`` are logs."""

    onset: NDArray[np.int32]
    sentiment: FloatArray
    boom: FloatArray
    spread: FloatArray  # what the rest of the market has lost by following
    macro: FloatArray
    drought: FloatArray  # years of shut funding
    dilution: FloatArray  # integral of e^{-s} - 1, years


@dataclass(frozen=True)
class SentimentPaths:
    """States at consecutive steps, ``(step, path)``."""

    sentiment: FloatArray  # with the boom's reward for the crash to come
    spread: FloatArray
    drought: FloatArray
    dilution: FloatArray


class SentimentProcess:
    """Sentiment on a time grid.

    Parameters
    ----------
    params
        Assumptions, numbers or ``(path,)``.
    premium
        Log premium at the start, number or ``(path,)``.
    hazard
        The law's, per year, number or ``(path,)``.
    start
        Uniforms drawn once per path.
    dt
        Step in years.
    paths
        Number of columns.
    precision
        Of all states.
    """

    def __init__(
        self,
        params: Sentiment,
        premium: Quantity,
        hazard: Quantity,
        start: StartShocks,
        dt: float,
        paths: int,
        precision: Precision = np.float64,
    ) -> None:
        from scipy.special import ndtri

        self.params, self.dt, self.paths, self.precision = params, dt, paths, precision
        p = params
        self._hazard = np.asarray(hazard)
        self._deepest = -1.0 - np.asarray(p.overshoot)
        # Log-normal first month, with P(fall of 20 % or more) = opening_share.
        score = ndtri(start.opening) + ndtri(np.asarray(p.opening_share))
        fall = -np.log(0.8) * np.exp(p.opening_spread * score)
        self._opening_steps = max(round(1.0 / (12.0 * dt)), 1)
        # The month's first step; the later ones take less and less, all of them the whole fall.
        left = np.exp2(-np.array([1.0, self._opening_steps]) * dt / p.opening_half_life_years)
        first, whole = 1.0 - left
        self._fall_at_once, self._first_share = -fall, first / whole
        length = np.maximum(-np.log(start.bust_length) * p.bust_years, self._opening_steps * dt)
        # In steps: until the time in a bust, added up step by step, is as long.
        time = np.cumsum(np.full(int(np.max(length) / dt) + 2, dt))
        self._length = 1 + np.searchsorted(time, length).astype(np.int32)
        slump = start.recession < p.recession_probability
        self._recession = np.where(slump, -p.recession_depth, 0.0)
        self._fall_speed = -np.expm1(-np.asarray(p.decay_per_year) * dt)
        self._follow = -np.expm1(-dt / np.asarray(p.contagion_lag_years))
        self._heal = -np.expm1(-np.asarray(p.aftermath_speed) * dt)
        self._macro_speed = -np.expm1(-np.asarray(p.recession_speed) * dt)
        # kappa: log fall of the rest per log fall of AI firms, without and with a recession.
        self._kappa, deeper = (
            np.log1p(-np.asarray(share) * p.contagion_depth) / np.log1p(-p.contagion_depth)
            for share in (p.contagion, p.recession_contagion)
        )
        self._more_kappa = np.where(slump, deeper - self._kappa, 0.0)
        cast_constants(self, precision)
        zero = np.zeros(paths, precision)
        self.expect(zero, zero + np.asarray(premium, precision))

    def init(self) -> SentimentState:
        """A boom, with sentiment at what prices already contain."""
        onset = np.full(self.paths, NEVER, np.int32)
        return SentimentState(onset, *np.zeros((6, self.paths), self.precision))

    def expect(self, surprise: FloatArray, premium: FloatArray) -> None:
        """Set the hazard, and what a bust can take.

        Parameters
        ----------
        surprise
            Smoothed log surprise in the revenue of AI's channels, ``(path,)``.
        premium
            Log premium that is left, ``(path,)``.
        """
        p, dt = self.params, self.dt
        hazard = np.minimum(self._hazard * surprise_response(p, surprise), p.hazard_ceiling)
        self._chance = 1.0 - np.exp(-hazard * dt)
        self._low = premium * self._deepest
        self._opening = np.maximum(self._fall_at_once, self._low) * self._first_share
        self._aftermath = premium * -p.aftermath_level
        # Boom returns pay for the crash to come: hazard x expected loss x c.
        self._reward = hazard * np.expm1(self._low) * (-p.boom_compensation * dt)

    def run(
        self,
        state: SentimentState,
        first: int,
        hazard_uniform: FloatArray,
        squeeze: FloatArray,
        outlook: FloatArray,
        out: SentimentPaths,
    ) -> BoolArray:
        """Advance some steps, in place; return which paths are in a bust, ``(step, path)``.

        Parameters
        ----------
        state
            Sentiment.
        first
            Number of the first step; the hazard is the same in all of them.
        hazard_uniform
            ``(step, path)`` in [0, 1].
        squeeze
            Share of outside funding withdrawn by events, ``(step, path)`` or ``(step, 1)``.
        outlook
            What AI expectations have done to prices, log ``(step, path)``.
        out
            Gets the states at each step.
        """
        s = state
        count = len(hazard_uniform)
        steps = np.arange(first, first + count, dtype=np.int32)[:, None]
        hit = hazard_uniform < self._chance
        hit &= s.onset == NEVER
        when, where = np.divmod(np.flatnonzero(hit), self.paths)
        s.onset[where[::-1]] = first + when[::-1]  # of several hits the first

        since = steps - s.onset
        np.multiply(self._reward, since <= 0, out=out.sentiment)
        s.boom = _add_up(out.sentiment, s.boom)
        gone, kappa = np.minimum(outlook, 0.0), self._kappa
        bust = np.zeros(hit.shape, np.bool_)
        if np.any(since[-1] >= 0):
            bust, fallen = self._fall(s, since)
            np.add(out.sentiment, fallen, out=out.sentiment)
            np.add(outlook, fallen, out=fallen)
            gone = np.minimum(fallen, 0.0, out=fallen)
            kappa = self._kappa + self._more_kappa * (since >= 0)
        self._withdraw(s, gone, squeeze, out)
        np.multiply(kappa, gone, out=out.spread)
        s.spread = _follow(out.spread, self._follow, s.spread)
        return bust

    def _withdraw(
        self, state: SentimentState, gone: FloatArray, squeeze: FloatArray, out: SentimentPaths
    ) -> None:
        """Outside funding shrinks, and the rest dilutes more, where AI firms have lost value."""
        s, dt = state, self.dt
        kept = np.exp(gone)
        np.multiply(kept, (squeeze - 1.0) * dt, out=out.drought)
        np.add(out.drought, dt, out=out.drought)
        s.drought = _add_up(out.drought, s.drought)
        np.divide(dt, kept, out=out.dilution)
        np.subtract(out.dilution, dt, out=out.dilution)
        s.dilution = _add_up(out.dilution, s.dilution)

    def _fall(
        self, state: SentimentState, since: NDArray[np.int32]
    ) -> tuple[BoolArray, FloatArray]:
        """Busts and what comes after, ``since`` steps after the onset; whether the bust is on, and sentiment.

        All are ``(step, path)``. A product with a flag costs a tenth of a choice by it, and paths whose
        boom goes on are not left out: to pick the others costs more than to work on all.
        """
        s, p, dt = state, self.params, self.dt
        healed = since - self._length
        bust: BoolArray = (since >= 0) & (healed < 0)
        # s += speed (target - s), towards the low or the aftermath's level.
        speed = self._fall_speed * bust
        move = speed * self._low
        rise = self._heal * (healed >= 0)
        speed += rise
        fade = np.maximum(healed, 0).astype(self.precision)
        np.multiply(fade, -dt / p.aftermath_half_life_years, out=fade)
        np.multiply(rise, np.exp2(fade, out=fade), out=rise)
        rise *= self._aftermath
        move += rise
        recent = np.flatnonzero((since[0] < self._opening_steps) & (since[-1] >= 0))
        step, path = np.nonzero(bust[:, recent] & (since[:, recent] < self._opening_steps))
        path = recent[path]
        opening = np.exp2(since[step, path] * (-dt / p.opening_half_life_years))
        speed[step, path], move[step, path] = 0.0, opening * self._opening[path]

        level = s.sentiment
        for row, left in zip(move, np.subtract(1.0, speed, out=speed), strict=True):
            np.multiply(left, level, out=left)
            level = np.add(row, left, out=row)
        s.sentiment = level.copy()
        s.macro = _follow(self._recession * bust, self._macro_speed, s.macro)
        return bust, move


def _add_up(moves: FloatArray, start: FloatArray) -> FloatArray:
    """Running sums over steps ``(step, path)`` from a start, in place; return the last."""
    last = start
    for row in moves:
        last = np.add(row, last, out=row)
    return last.copy()


def _follow(target: FloatArray, speed: Quantity, start: FloatArray) -> FloatArray:
    """What moves a share ``speed`` towards its target in each step, in place; return the last."""
    target *= speed
    keep, last = 1.0 - speed, start.copy()
    for row in target:
        last *= keep
        last += row
        row[...] = last
    return last
