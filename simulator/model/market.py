"""The market factor and firm noise (docs/model.md, section 5).

One factor with a calm and a stressed state and a bounded log-AR(1) volatility, Gaussian
given both, with jumps. Every exposure carries its own correction, so that in calm
E[price] equals the consensus for every beta.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from simulator.arrays import BoolArray, FloatArray, IntArray, Precision, cast_constants, product
from simulator.model.shocks import TINY, Arrivals, StartShocks, StepShocks
from simulator.schema import Params, quantity


# fmt: off
class Market(Params):
    """Market factor and single-name noise; shared by all shipped scenarios."""

    calm_drift: float = quantity(0.109, "log per year", -1.0, 1.0,
        "drift of the factor in calm; only its difference to the stressed one matters",
        "B", "two-state fits: S&P 1950-2026 monthly bull +15 %, bear -17 %; this set meets the calm targets")
    stressed_drift: float = quantity(-0.05, "log per year", -3.0, 1.0, "drift of the factor under stress",
        "C", "as calm_drift; the mean of the bear state is unstable across samples")
    calm_sd: float = quantity(0.097, "log per sqrt year", 0.0, 2.0, "volatility of the factor in calm",
        "B", "calibrated: weekly S&P 500 figures 1928-2024 in simulator/history/data/targets.toml (python -m "
        "simulator.calibration); two-state fits .084 x 1.22")
    stressed_sd: float = quantity(0.205, "log per sqrt year", 0.0, 2.0, "volatility of the factor under stress",
        "B", "as calm_sd: 18.7 % on monthly averages, x1.22")
    stress_entry_rate: float = quantity(0.47, "per year", 0.0, 50.0, "rate of entry into stress",
        "B", "two-state fits: monthly switching .03-.06")
    stress_exit_rate: float = quantity(1.6, "per year", 0.01, 50.0, "rate of exit from stress",
        "B", "calibrated: weekly S&P 500 figures 1928-2024 in simulator/history/data/targets.toml (python -m "
        "simulator.calibration); monthly switching .10-.21")
    volatility_sd: float = quantity(0.40, "log", 0.0, 1.5, "stationary spread of log volatility",
        "B", "calibrated: weekly S&P 500 figures 1928-2024 in simulator/history/data/targets.toml (python -m "
        "simulator.calibration); clustering of absolute returns")
    volatility_half_life_years: float = quantity(0.15, "years", 0.005, 20.0, "half-life of log volatility",
        "B", "calibrated: weekly S&P 500 figures 1928-2024 in simulator/history/data/targets.toml (python -m "
        "simulator.calibration); clustering of absolute returns")
    leverage: float = quantity(-0.5, "correlation", -1.0, 1.0, "correlation of returns with changes of volatility",
        "B", "calibrated: weekly S&P 500 figures 1928-2024 in simulator/history/data/targets.toml (python -m "
        "simulator.calibration); skew -.6 to -.8")
    jump_rate: float = quantity(1.2, "per year", 0.0, 50.0, "rate of market jumps",
        "B", "Eraker-Johannes-Polson 2003: about 1.5 a year, S&P 1980-99; range .5-3")
    jump_mean: float = quantity(-0.026, "log", -1.0, 1.0, "mean jump",
        "B", "Eraker-Johannes-Polson 2003: mean -2.6 %")
    jump_sd: float = quantity(0.041, "log", 0.0, 1.0, "spread of jumps",
        "B", "Eraker-Johannes-Polson 2003: sd 4.1 %")
    sector_correlation: float = quantity(0.25, "correlation", 0.0, 0.99, "correlation of AI firms' own noise in calm",
        "B", "pairwise correlation of the Magnificent Seven .43-.46 in 2023-25, less what the market factor explains")
    sector_correlation_stressed: float = quantity(0.50, "correlation", 0.0, 0.99, "the same under stress",
        "B", "pairwise correlation .67-.82 in 2022, 2020 and spring 2025, less what the market factor explains")
    firm_stress_multiplier: float = quantity(1.3, "times", 0.1, 10.0,
        "firms' own volatility under stress over that in calm",
        "C", "Cisco's volatility 74 % in the bust; NASDAQ 43 % against 29 % in the year before")
# fmt: on


@dataclass
class MarketState:
    """``(path,)``; all but ``stressed`` and ``log_volatility`` are running sums of logs."""

    stressed: BoolArray
    log_volatility: FloatArray
    factor: FloatArray  # sum of factor returns
    variance: FloatArray  # sum of the factor's conditional variance
    sector: FloatArray  # sum of the AI sector's noise
    firm_variance: FloatArray  # sum of the squared volatility of firm noise
    own: FloatArray  # (firm, path): sum of a firm's own noise and jumps


@dataclass(frozen=True)
class Jumps:
    """Sudden changes of firms' own noise: ``step`` from 0, ``firm``, ``path``, ``size`` ``(jump,)``."""

    step: IntArray
    firm: IntArray
    path: IntArray
    size: FloatArray


class FirmTable(Protocol):
    """What the market needs of a universe: one array ``(firm,)`` per figure."""

    def column(self, figure: str) -> FloatArray:
        """A figure of every firm."""


@dataclass(frozen=True)
class Corrections:
    """Log corrections that are known in advance, cumulated over steps, ``(time, firm)``.

    ``market``: regime drift and market jumps at each firm's beta. ``jumps``: its own.
    """

    market: FloatArray
    jumps: FloatArray


def stationary_stress(params: Market) -> float:
    """Long-run share of time under stress."""
    total = params.stress_entry_rate + params.stress_exit_rate
    return params.stress_entry_rate / total


def jump_chances(table: FirmTable, dt: float) -> FloatArray:
    """Each firm's chance of a jump in a step, ``(firm,)``."""
    return np.asarray(-np.expm1(-table.column("jump_rate") * dt))


def corrections(params: Market, table: FirmTable, steps: int, dt: float) -> Corrections:
    """Work out the known corrections.

    The regime drift at exposure b multiplies E[price] by ``pi (P D)^k 1`` with ``P`` the
    step's transition matrix and ``D = diag(exp(b mu dt))``; jumps by ``1 + p (E e^{bJ} - 1)``.
    """
    p = params
    beta = table.column("beta")
    enter, leave = (-np.expm1(-r * dt) for r in (p.stress_entry_rate, p.stress_exit_rate))
    up, down = np.exp(beta * p.calm_drift * dt), np.exp(beta * p.stressed_drift * dt)
    stress = stationary_stress(p)
    calm_mass, stress_mass = np.full(beta.size, 1.0 - stress), np.full(beta.size, stress)
    market = np.zeros((steps + 1, beta.size))
    chance = -np.expm1(-p.jump_rate * dt)
    jump = np.log1p(chance * np.expm1(beta * p.jump_mean + 0.5 * (beta * p.jump_sd) ** 2))
    for k in range(1, steps + 1):
        calm = (calm_mass * (1.0 - enter) + stress_mass * leave) * up
        stress_mass = (calm_mass * enter + stress_mass * (1.0 - leave)) * down
        calm_mass = calm
        market[k] = calm_mass + stress_mass
    ks = np.arange(steps + 1.0)[:, None]
    market[1:] = np.log(market[1:]) + ks[1:] * jump
    mean, sd = table.column("jump_mean"), table.column("jump_sd")
    own = np.log1p(jump_chances(table, dt) * np.expm1(mean + 0.5 * sd**2))
    return Corrections(market, own * ks)


class MarketProcess:
    """The market factor and firm noise on a time grid.

    Parameters
    ----------
    params
        Market parameters.
    table
        The universe's figures.
    dt
        Step in years.
    shape
        ``(firm, path)``.
    precision
        Of all states.
    """

    _BOUND = 2.5  # log volatility is held within this many of its standard deviations

    def __init__(
        self,
        params: Market,
        table: FirmTable,
        dt: float,
        shape: tuple[int, int],
        precision: Precision = np.float64,
    ) -> None:
        from scipy.special import ndtri

        self.params, self.shape, self.precision = params, shape, precision
        self._score = ndtri
        p = params
        self._persist = float(np.exp2(-dt / p.volatility_half_life_years))
        self._spread = p.volatility_sd * np.sqrt(1.0 - self._persist**2)
        self._limit = self._BOUND * p.volatility_sd
        # E[V^2] = 1, so that calm_sd and stressed_sd mean what they say.
        z = np.linspace(-9.0, 9.0, 7201)
        density = np.exp(-0.5 * z**2)
        inside = np.clip(p.volatility_sd * z, -self._limit, self._limit)
        self._norm = 0.5 * np.log(np.sum(np.exp(2.0 * inside) * density) / np.sum(density))
        self._enter, self._leave = (
            -np.expm1(-rate * dt) for rate in (p.stress_entry_rate, p.stress_exit_rate)
        )
        stress = stationary_stress(p)
        # The universe's volatilities are long-run figures: stress raises, calm lowers them.
        relaxed = np.sqrt(dt / (1.0 + stress * (p.firm_stress_multiplier**2 - 1.0)))
        tense = p.firm_stress_multiplier * relaxed
        bust_drift = (1.0 - stress) * p.calm_drift + stress * p.stressed_drift
        calm_root, tense_root = np.sqrt([p.sector_correlation, p.sector_correlation_stressed])
        step = np.sqrt(dt)
        self._drift = np.array([p.calm_drift, p.stressed_drift, bust_drift]) * dt
        # Scales are sums of the volatility and of the same where the market is tense.
        scales = np.array(
            [
                [p.calm_sd * step, p.stressed_sd * step],
                [relaxed * calm_root, tense * tense_root],
                [relaxed, tense],
            ]
        )
        self._common = np.stack([scales[:, 0], scales[:, 1] - scales[:, 0]], axis=1)
        self._jump_chance = -np.expm1(-p.jump_rate * dt)
        share, sigma = table.column("sector_share"), table.column("volatility")
        calm = np.sqrt(1.0 - share**2 * p.sector_correlation)
        tense_own = np.sqrt(1.0 - share**2 * p.sector_correlation_stressed)
        own = sigma * relaxed * calm
        self._own = np.stack([own, sigma * tense * tense_own - own], axis=1)
        self._jump_mean, self._jump_sd = table.column("jump_mean"), table.column("jump_sd")
        self._work = np.empty(shape, precision)
        self._buffer = np.empty((0, 0, 0), precision)
        self._sums = self._buffer
        cast_constants(self, precision)

    def init(self, start: StartShocks) -> MarketState:
        """The state at t=0, drawn from the long run."""
        log_volatility = self.params.volatility_sd * self._score(start.volatility)
        factor, variance, sector, firm_variance = np.zeros((4, self.shape[1]), self.precision)
        return MarketState(
            start.regime < stationary_stress(self.params),
            log_volatility.astype(self.precision),
            factor,
            variance,
            sector,
            firm_variance,
            np.zeros(self.shape, self.precision),
        )

    def run(
        self, state: MarketState, shocks: StepShocks, bust: BoolArray, sums: FloatArray
    ) -> FloatArray:
        """Advance what firms share some steps, in place; a bust forces stress and replaces its drift.

        It returns volatility, and the same where the market is tense and 0 elsewhere,
        ``(2, step, path)``: a buffer, for :meth:`move`.

        Parameters
        ----------
        state
            The market.
        shocks
            The steps' draws.
        bust
            Which paths are in a bust, ``(step, path)``.
        sums
            ``(step, 4, path)``, gets factor, variance, sector, firm_variance.
        """
        s, p, shape = state, self.params, bust.shape
        if self._buffer.shape[1:] != shape:  # fresh memory costs more than the arithmetic in it
            self._buffer = np.empty((9, *shape), self.precision)
        drift, tense, volatility, *_ = self._buffer
        scale, moves = self._buffer[2:4], self._buffer[4:8]
        stressed = self._regimes(s, shocks.regime)
        tense[...] = stressed & ~bust
        np.multiply(tense, self._drift[1] - self._drift[0], out=drift)
        drift += self._drift[0]
        volatility[...] = bust
        tense += volatility
        volatility *= self._drift[2] - self._drift[0]
        drift += volatility

        self._volatility(s, shocks, volatility, self._buffer[8])
        np.multiply(volatility, tense, out=scale[1])
        product(self._common, scale.reshape(2, -1), out=moves[1:].reshape(3, -1))
        factor, variance, sector, firm_variance = moves
        np.multiply(variance, shocks.market, out=factor)
        factor += drift
        variance *= variance
        sector *= shocks.sector
        firm_variance *= firm_variance
        hit = np.flatnonzero(shocks.market_jump < self._jump_chance)
        if hit.size:
            # Given a hit, the uniform is uniform below its threshold.
            uniform = np.maximum(np.take(shocks.market_jump, hit), TINY) / self._jump_chance
            factor.reshape(-1)[hit] += p.jump_mean + p.jump_sd * self._score(uniform)
        last = np.stack([s.factor, s.variance, s.sector, s.firm_variance])
        for i, row in enumerate(sums):
            np.add(last, moves[:, i], out=row)
            last = row
        s.factor, s.variance, s.sector, s.firm_variance = last.copy()
        self._sums = sums
        return scale

    def _regimes(self, state: MarketState, uniform: FloatArray) -> BoolArray:
        """Whether the market is stressed, ``(step, path)``."""
        enters: BoolArray = uniform < self._enter
        stays = uniform >= self._leave
        stays ^= enters
        for row, change in zip(enters, stays, strict=True):
            # Stressed: stays; calm: enters.
            np.logical_and(change, state.stressed, out=change)
            np.logical_xor(row, change, out=row)
            state.stressed = row
        return enters

    def _volatility(
        self, state: MarketState, shocks: StepShocks, out: FloatArray, work: FloatArray
    ) -> None:
        """Volatility of each step, mean square 1; a step's return moves it in the next step."""
        leverage = self.params.leverage
        np.multiply(shocks.market, self._spread * leverage, out=out)
        np.multiply(shocks.volatility, self._spread * math.sqrt(1.0 - leverage**2), out=work)
        work += out
        for row, move in zip(out, work, strict=True):
            np.multiply(state.log_volatility, self._persist, out=row)
            np.add(move, row, out=move)
            row[...] = state.log_volatility
            state.log_volatility = move
        state.log_volatility = state.log_volatility.copy()
        np.clip(out, -self._limit, self._limit, out=out)
        out -= self._norm
        np.exp(out, out=out)

    def move(self, own: FloatArray, scale: FloatArray, normal: FloatArray, out: FloatArray) -> None:
        """Add a step of firms' own noise.

        Parameters
        ----------
        own
            ``(firm, path)`` before the step.
        scale
            ``(2, path)`` of the step, from :meth:`run`.
        normal
            ``(firm, path)`` draws.
        out
            ``(firm, path)``, gets ``own`` after the step.
        """
        work = self._work
        product(self._own, scale, out=work)
        work *= normal
        np.add(own, work, out=out)

    def jumps(self, arrivals: Arrivals) -> Jumps:
        """Firms' own jumps."""
        firm = arrivals.firm
        size = self._jump_mean[firm] + self._jump_sd[firm] * self._score(arrivals.uniform)
        self._arrived = Jumps(arrivals.step, firm, arrivals.path, size)
        return self._arrived


class FollowingMarket(MarketProcess):
    """The market of a simulation in lockstep with another on the same draws, with the same busts.

    Nothing is worked out twice.

    Parameters
    ----------
    leader
        The other's, which advances first.
    """

    def __init__(self, leader: MarketProcess) -> None:
        self._leader = leader

    def run(
        self, _state: MarketState, _shocks: StepShocks, _bust: BoolArray, sums: FloatArray
    ) -> FloatArray:
        """The leader's last steps; a state keeps what it is, but for firms' own noise."""
        sums[...] = self._leader._sums
        return self._leader._buffer[2:4]

    def move(
        self, own: FloatArray, _scale: FloatArray, _normal: FloatArray, out: FloatArray
    ) -> None:
        """Add the leader's last step of firms' own noise."""
        np.add(own, self._leader._work, out=out)

    def jumps(self, _arrivals: Arrivals) -> Jumps:
        """The leader's."""
        return self._leader._arrived
