"""Part of tests/reference.py: sentiment, the market and chance (sections 4 and 5)."""

from __future__ import annotations

import math
from typing import Any

from reference_economy import Numbers, share_moved
from scipy.special import ndtri

# 4. Premium, bust, aftermath


def premium(c: Numbers) -> float:
    total = 0.0
    for year in (c, *c.earlier_years):
        gain = year.mag7_share_of_gains * year.index_gain / year.weight_at_start
        total += math.log(1.0 + gain) - math.log(1.0 + year.earnings_growth)
    return min(max(total, 0.0), max(math.log(c.forward_pe / c.trough_pe), 0.0))


def net_run_up(c: Numbers) -> float:
    group = index = 1.0
    for year in (c, *c.earlier_years):
        group *= 1.0 + year.mag7_share_of_gains * year.index_gain / year.weight_at_start
        index *= 1.0 + year.index_gain
    return max(group - index, 0.0)


class Mood:
    def __init__(
        self,
        params: Numbers,
        premium: float,
        net: float,
        start: dict[str, float],
        dt: float,
    ) -> None:
        self.p, self.dt = params, dt
        p = params
        self.visited: set[str] = set()
        law = p.hazard_level * (math.exp(min(p.hazard_slope * net, 50.0)) - 1.0)
        if law > p.hazard_cap:
            self.visited.add("hazard cap")
        self.law = p.hazard_scale * min(law, p.hazard_cap)
        self.opening_steps = max(round(1.0 / (12.0 * dt)), 1)
        score = float(ndtri(start["opening"]) + ndtri(p.opening_share))
        self.theta = -math.log(0.8) * math.exp(p.opening_spread * score)
        self.length = max(-p.bust_years * math.log(start["bust_length"]), self.opening_steps * dt)
        self.slump = start["recession"] < p.recession_probability
        self.regime, self.since = "boom", 0.0
        self.s = self.compensation = self.recession = self.drought = self.dilution = 0.0
        self.spread = 0.0
        self.expect(0.0, premium)

    @property
    def in_bust(self) -> bool:
        return self.regime == "bust"

    def expect(self, surprise: float, premium: float) -> None:
        p = self.p
        self.premium, self.low = premium, -premium * (1.0 + p.overshoot)
        b = p.hazard_disappointment
        answer = -b * (min(max(surprise, -1.0), 1.0) - p.average_surprise)
        answer -= 0.5 * b**2 * p.surprise_sd**2
        self.hazard = min(self.law * math.exp(answer), p.hazard_ceiling)
        if self.hazard == p.hazard_ceiling:
            self.visited.add("hazard ceiling")

    def arrives(self, since: float) -> float:
        """Share of the opening month's fall that comes in the step from ``since``."""
        half_life, month = self.p.opening_half_life_years, self.opening_steps * self.dt
        left = [float(2.0 ** (-t / half_life)) for t in (since, since + self.dt, month)]
        return (left[0] - left[1]) / (1.0 - left[2])

    def step(self, uniform: float, squeeze: float, outlook: float) -> None:
        p, dt = self.p, self.dt
        begins = False
        if self.regime == "boom":
            self.compensation += self.hazard * (1.0 - math.exp(self.low)) * p.boom_compensation * dt
            begins = uniform < -math.expm1(-self.hazard * dt)
        self.since += dt
        if self.regime == "bust" and self.since >= self.length:
            self.regime, self.since = "aftermath", 0.0
        if begins:
            self.regime, self.since = "bust", 0.0

        slump = 0.0
        if self.regime == "bust":
            slump = -p.recession_depth if self.slump else 0.0
            if self.since < (self.opening_steps - 0.5) * dt:
                self.s += max(-self.theta, self.low) * self.arrives(self.since)
            else:
                self.s += share_moved(dt, 1.0 / p.decay_per_year) * (self.low - self.s)
        elif self.regime == "aftermath":
            level = -p.aftermath_level * self.premium
            level *= 2.0 ** (-self.since / p.aftermath_half_life_years)
            self.s += share_moved(dt, 1.0 / p.aftermath_speed) * (level - self.s)
        gone = min(self.s + outlook, 0.0)
        share = p.recession_contagion if self.slump and self.regime != "boom" else p.contagion
        kappa = math.log(1.0 - share * p.contagion_depth) / math.log(1.0 - p.contagion_depth)
        self.spread += share_moved(dt, p.contagion_lag_years) * (kappa * gone - self.spread)
        self.recession += share_moved(dt, 1.0 / p.recession_speed) * (slump - self.recession)
        self.drought += (1.0 - math.exp(gone) * (1.0 - squeeze)) * dt
        self.dilution += (math.exp(-gone) - 1.0) * dt
        self.visited.add(self.regime)
        if self.recession < 0.0:
            self.visited.add("recession")


# 5. The market and chance


class Weather:
    def __init__(
        self, params: Numbers, firms: list[dict[str, Any]], start: dict[str, float], dt: float
    ) -> None:
        self.p, self.firms, self.dt, p = params, firms, dt, params
        self.stress_share = p.stress_entry_rate / (p.stress_entry_rate + p.stress_exit_rate)
        self.stressed = start["regime"] < self.stress_share
        self.log_volatility = p.volatility_sd * float(ndtri(start["volatility"]))
        self.norm = norm(p.volatility_sd)
        self.factor = self.variance = self.sector = self.firm_variance = 0.0
        self.own = {firm["ticker"]: 0.0 for firm in firms}
        self.corrections = {firm["ticker"]: Correction(p, firm, dt) for firm in firms}
        self.visited: set[str] = set()

    def step(
        self, noise: dict[str, float], alone: dict[str, float], jumps: dict[str, float], bust: bool
    ) -> None:
        p, dt = self.p, self.dt
        rate = p.stress_exit_rate if self.stressed else p.stress_entry_rate
        if noise["regime"] < -math.expm1(-rate * dt):
            self.stressed = not self.stressed
        tense = self.stressed or bust
        limit = 2.5 * p.volatility_sd
        level = math.exp(min(max(self.log_volatility, -limit), limit) - self.norm)
        drift = p.stressed_drift if self.stressed else p.calm_drift
        if bust:
            drift = (1.0 - self.stress_share) * p.calm_drift + self.stress_share * p.stressed_drift
        sd = level * (p.stressed_sd if tense else p.calm_sd)
        self.factor += drift * dt + sd * math.sqrt(dt) * noise["market"]
        self.variance += sd**2 * dt
        chance = -math.expm1(-p.jump_rate * dt)
        if noise["market_jump"] < chance:
            self.factor += p.jump_mean + p.jump_sd * float(ndtri(noise["market_jump"] / chance))
            self.visited.add("market jump")

        multiplier = p.firm_stress_multiplier
        calm = 1.0 / math.sqrt(1.0 + self.stress_share * (multiplier**2 - 1.0))
        g = level * (calm * multiplier if tense else calm)
        rho = p.sector_correlation_stressed if tense else p.sector_correlation
        self.firm_variance += g**2 * dt
        self.sector += math.sqrt(rho) * g * math.sqrt(dt) * noise["sector"]
        for firm in self.firms:
            name = firm["ticker"]
            left = math.sqrt(1.0 - firm["sector_share"] ** 2 * rho)
            self.own[name] += firm["volatility"] * left * g * math.sqrt(dt) * alone[name]
            if name in jumps:
                self.own[name] += firm["jump_mean"] + firm["jump_sd"] * float(ndtri(jumps[name]))
                self.visited.add("firm jump")
            self.corrections[name].step()
        persist = 2.0 ** (-dt / p.volatility_half_life_years)
        push = p.leverage * noise["market"]
        push += math.sqrt(1.0 - p.leverage**2) * noise["volatility"]
        self.log_volatility *= persist
        self.log_volatility += p.volatility_sd * math.sqrt(1.0 - persist**2) * push
        self.visited.add("stress" if self.stressed else "calm")

    def market(self, firm: dict[str, Any]) -> float:
        """The cause ``market`` of a firm."""
        known = self.corrections[firm["ticker"]].market
        return float(firm["beta"] * self.factor - 0.5 * firm["beta"] ** 2 * self.variance - known)

    def alone(self, firm: dict[str, Any]) -> float:
        """The cause ``firm``, without dilution."""
        name, sigma = firm["ticker"], firm["volatility"]
        moved = self.own[name] + sigma * firm["sector_share"] * self.sector
        known = 0.5 * sigma**2 * self.firm_variance + self.corrections[name].jumps
        return float(moved - known)


def norm(sd: float) -> float:
    """5.1: the level of log volatility that makes the mean square 1."""
    total = weight = 0.0
    for i in range(7_201):
        z = -9.0 + i / 400.0
        w = math.exp(-z * z / 2.0)
        total += w * math.exp(2.0 * min(max(sd * z, -2.5 * sd), 2.5 * sd))
        weight += w
    return 0.5 * math.log(total / weight)


class Correction:
    """5.3: what is known in advance, for one firm."""

    def __init__(self, p: Numbers, firm: dict[str, Any], dt: float) -> None:
        beta = firm["beta"]
        share = p.stress_entry_rate / (p.stress_entry_rate + p.stress_exit_rate)
        self.calm, self.stress = 1.0 - share, share
        self.enter = -math.expm1(-p.stress_entry_rate * dt)
        self.leave = -math.expm1(-p.stress_exit_rate * dt)
        self.up = math.exp(beta * p.calm_drift * dt)
        self.down = math.exp(beta * p.stressed_drift * dt)
        size = math.exp(beta * p.jump_mean + 0.5 * beta**2 * p.jump_sd**2) - 1.0
        self.jump = math.log(1.0 + (-math.expm1(-p.jump_rate * dt)) * size)
        alone = math.exp(firm["jump_mean"] + 0.5 * firm["jump_sd"] ** 2) - 1.0
        self.alone = math.log(1.0 - math.expm1(-firm["jump_rate"] * dt) * alone)
        self.k = 0
        self.market = self.jumps = 0.0

    def step(self) -> None:
        self.k += 1
        calm = (self.calm * (1.0 - self.enter) + self.stress * self.leave) * self.up
        stress = (self.calm * self.enter + self.stress * (1.0 - self.leave)) * self.down
        self.calm, self.stress = calm, stress
        self.market = math.log(calm + stress) + self.k * self.jump
        self.jumps = self.k * self.alone
