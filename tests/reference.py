"""The model told again for one path, in plain scalars, from docs/model.md alone.

It shares no code with the model, the engine, the attribution or the measures: it reads
the numbers of a scenario and a universe, and the shocks of one path. Slow and plain on
purpose. Section numbers are those of docs/model.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from scipy.special import ndtri

CAUSES = (
    *("revenue", "margin", "expectations", "sentiment", "news"),
    *("rates", "market", "contagion", "firm", "growth"),
)
Numbers = Any  # a table of parameters whose values are floats


@dataclass(frozen=True)
class Noise:
    """Every shock of one path: ``start`` once, ``steps`` and ``months`` in order (section 8)."""

    start: dict[str, float]
    labs: dict[str, float]
    steps: list[dict[str, float]]
    firms: list[dict[str, float]]
    words: list[dict[str, int]]
    quarters: list[dict[str, float]]


@dataclass(frozen=True)
class Fall:
    """The deepest fall of an entity."""

    depth: float
    peak: int
    trough: int
    causes: dict[str, float]
    dollars: float


@dataclass
class Told:
    """One path: levels and, for firms, causes at every step, time 0 included."""

    levels: dict[str, list[float]]
    causes: dict[str, dict[str, list[float]]]
    falls: dict[str, Fall] = field(default_factory=dict)
    visited: set[str] = field(default_factory=set)  # what happened on the path


def tell(scenario: Numbers, rules_priced_in: Numbers, noise: Noise) -> Told:
    """Tell one path.

    Args:
        scenario: every assumption a float.
        rules_priced_in: the table ``firms`` at its medians.
        noise: the path's shocks.
    """
    clock, quarter = _clock(scenario)
    firms = [_figures(firm) for firm in scenario.universe.firms]
    start = _anchor(scenario.consensus)
    priced_in, growth = _consensus(scenario, rules_priced_in, firms, start)
    tech = _Technology(scenario.technology, start, quarter)
    books = [
        _Books(firm, scenario.firms, g, quarter) for firm, g in zip(firms, growth, strict=True)
    ]
    surprises = [_Surprise(scenario.valuation, quarter) for _ in firms]
    group = scenario.universe.bubble_group
    held = [firm["membership"].get(group, 0.0) * firm["market_value"] for firm in firms]
    weights = [value / sum(held) for value in held]
    mean_loading = sum(w * f["premium_loading"] for w, f in zip(weights, firms, strict=True))
    mood = _Mood(scenario.sentiment, _premium(scenario.concentration), noise.start, scenario.dt)
    weather = _Weather(scenario.market, firms, noise.start, scenario.dt)

    told = Told(
        {firm["ticker"]: [firm["market_value"]] for firm in firms},
        {firm["ticker"]: {cause: [0.0] for cause in CAUSES} for firm in firms},
    )
    adoption, failed = 0.0, set[str]()
    for k in range(1, scenario.steps + 1):
        if k % clock == 0:
            j = k // clock
            arriving = _arriving(scenario, k - clock, k)
            tech.quarter(j, noise.quarters[j - 1], arriving, _squeeze(scenario, k), mood.s)
            consensus = priced_in[j]
            for row, (firm, account) in enumerate(zip(firms, books, strict=True)):
                account.quarter(j, tech, mood.recession, _lost(scenario, firm["ticker"], k))
                log_revenue, log_margin = consensus["books"][row]
                surprises[row].quarter(
                    math.log(account.revenue) - log_revenue, math.log(account.margin) - log_margin
                )
            mood.expect(sum(w * x.total for w, x in zip(weights, surprises, strict=True)))
            rules = scenario.firms
            gain = rules.adoption_dividend * (tech.demand - consensus["demand"])
            adoption = rules.adoption_bound * math.tanh(gain / rules.adoption_bound)
        news, rates = _beliefs(scenario, k)
        before = mood.drought
        mood.step(noise.steps[k - 1]["hazard"], _squeeze(scenario, k))
        weather.step(noise.steps[k - 1], noise.firms[k - 1], noise.words[k - 1], mood.in_bust)
        for firm in firms:
            if firm["failure_rate"] > 0.0:
                patience = -math.log(noise.labs[firm["ticker"]]) / firm["failure_rate"]
                if before < patience <= mood.drought:
                    weather.own[firm["ticker"]] -= scenario.sentiment.lab_failure_loss
                    failed.add(firm["ticker"])

        for row, firm in enumerate(firms):
            name, surprise = firm["ticker"], surprises[row]
            causes = {
                "revenue": surprise.u,
                "margin": surprise.m + firm["adoption_loading"] * adoption,
                "expectations": surprise.n,
                "sentiment": firm["premium_loading"] / mean_loading * (mood.s + mood.compensation),
                "news": firm["news_loading"]
                * scenario.valuation.news_response
                * (tech.alarm - news),
                "rates": -firm["equity_duration"] * rates,
                "market": weather.market(firm),
                "contagion": firm["contagion"] * mood.kappa * mood.s,
                "firm": weather.alone(firm) - firm["burn_rate"] * mood.dilution,
                "growth": scenario.valuation.required_return * (k * scenario.dt),
            }
            for cause, value in causes.items():
                told.causes[name][cause].append(value)
            told.levels[name].append(firm["market_value"] * math.exp(math.fsum(causes.values())))

    _add_indices(told, scenario.universe.groups, firms)
    told.visited = mood.visited | weather.visited | tech.visited
    if failed:
        told.visited.add("lab failure")
    return told


def _clock(scenario: Numbers) -> tuple[int, float]:
    """Steps in a quarter of fundamentals, and its length in years (section 0)."""
    clock = max(round(scenario.steps_per_year / 4), 1)
    return clock, clock * scenario.dt


def _figures(firm: Numbers) -> dict[str, Any]:
    """A firm's row as a dict."""
    figures = {name: getattr(firm, name) for name in type(firm).model_fields}
    if figures["normal_margin"] is None:
        figures["normal_margin"] = figures["operating_margin"]
    return figures


def _share(step: float, time: float) -> float:
    """Share of its distance that a smoothed state moves in a step."""
    return -math.expm1(-step / time)


# 1. Technology


def _anchor(c: Numbers) -> dict[str, float]:
    """1.1: growth rates at t = 0."""
    fall = -math.log(1.0 - c.annual_price_decline)
    kappa: float = math.log(2.0) / c.adjustment_half_life_years
    fading = math.log(2.0) / c.decline_half_life_years
    saturating = math.log(2.0) / c.saturation_half_life_years
    tiring = math.log(2.0) / c.autonomous_half_life_years

    def behind(rate: float) -> float:
        return kappa / max(kappa - rate, kappa / 10.0)

    response = c.saturation_elasticity * behind(fading)
    response += (c.elasticity - c.saturation_elasticity) * behind(fading + saturating)
    free = c.autonomous_growth * behind(tiring) + response * fall
    demand = fall + (free - fall) / (1.0 + 1.0 / c.addressable_market)
    neutral = max(1.0 - c.compute_cost_decline / fall, 0.0) if fall > 0.0 else 0.0
    omega = c.inference_share
    compute = omega * (demand - c.pass_through * neutral * fall) + (1.0 - omega) * c.training_growth
    return {
        "demand": demand,
        "compute": compute,
        "investment": max(compute + 1.0 / c.economic_life_years, 0.001),
    }


class _Technology:
    """1.3: the chain."""

    def __init__(self, params: Numbers, start: dict[str, float], quarter: float) -> None:
        self.p, self.start, self.delta = params, start, quarter
        self.price = self.alarm = self.per_unit = self.autonomous = self.response = 0.0
        self.demand = self.training = self.compute = self.capacity = 0.0
        self.expected, self.investment = start["compute"], start["investment"]
        self.capex = self.peak = 0.0
        self.depreciation = 1.0
        self.rental = self.sales = self.unit_margin = 0.0
        self.visited: set[str] = set()

    def quarter(
        self,
        j: int,
        noise: dict[str, float],
        arriving: dict[str, float],
        squeeze: float,
        sentiment: float,
    ) -> None:
        p, d = self.p, self.delta
        begin, end = (j - 1) * d, j * d
        cost = p.compute_cost_decline * end
        life = p.economic_life_years

        fall = -math.log(1.0 - p.annual_price_decline) * 2.0 ** (-begin / p.decline_half_life_years)
        chance = -math.expm1(-p.price_war_rate * d)
        mean = chance * p.price_war_size
        war = 0.0
        if noise["price_war"] < chance:
            war = -p.price_war_size * math.log(noise["price_war"] / chance)
            self.visited.add("price war")
        own = mean - fall * d + p.price_volatility * math.sqrt(d) * noise["price"] - war
        self.alarm = self.alarm * 2.0 ** (-d / p.price_war_half_life_years) + mean - war
        change = own + arriving["price"]
        self.price += change
        neutral = max(1.0 - p.compute_cost_decline / max(fall, 1e-12), 0.0)
        self.per_unit += p.pass_through * neutral * own + arriving["compute"]

        tiring = 2.0 ** (-begin / p.autonomous_half_life_years)
        self.autonomous += p.autonomous_growth * d * tiring + arriving["demand"]
        left = 2.0 ** (-begin / p.saturation_half_life_years)
        elasticity = p.saturation_elasticity + (p.elasticity - p.saturation_elasticity) * left
        self.response -= elasticity * change
        spend = self.autonomous + self.response + self.price
        room = 1.0 / p.addressable_market
        wanted = math.log(1.0 + room) - math.log(math.exp(-spend) + room) - self.price
        speed = 1.0 - 2.0 ** (-d / p.adjustment_half_life_years)
        lag = self.start["demand"] * d * (1.0 - speed) / speed
        self.demand += speed * (wanted + lag - self.demand)
        self.demand += p.demand_volatility * math.sqrt(d) * noise["demand"]

        closed = 1.0 - math.exp(min(sentiment, 0.0)) * (1.0 - squeeze)
        funded = 1.0 - p.outside_funding * closed
        tiring = 2.0 ** (-begin / p.training_half_life_years)
        self.training += p.training_growth * d * tiring * funded + arriving["training"]
        omega = p.inference_share
        compute = math.log(
            omega * math.exp(self.demand + self.per_unit) + (1.0 - omega) * math.exp(self.training)
        )

        self.capacity += (self.investment - 1.0 / life) * d
        written_off = self.start["compute"] - p.compute_cost_decline + 1.0 / life
        self.depreciation += (written_off * math.exp(self.capex) - self.depreciation / life) * d
        growth = (compute - self.compute) / d
        self.compute = compute
        self.expected += _share(d, p.expectation_years) * (growth - self.expected)
        gap = compute + p.lead_time_years * (self.expected - self.start["compute"]) - self.capacity
        target = self.expected + 1.0 / life + gap / p.capacity_gap_years
        ceiling = p.investment_ceiling * self.start["investment"]
        target = min(max(target, 0.0), ceiling) * funded
        pace = p.investment_speed_up if target > self.investment else p.investment_speed_down
        wish = self.investment + -math.expm1(-pace * d) * (target - self.investment)
        capex = self.capacity - cost + math.log(max(wish, 1e-9) / self.start["investment"])
        floor, ceiling = self.peak + math.log(p.capex_floor), math.log(p.capex_ceiling)
        if capex < floor:
            self.visited.add("capex floor")
        if capex > ceiling:
            self.visited.add("capex ceiling")
        capex = min(max(capex, floor), ceiling)
        self.peak = max(self.peak, capex)
        self.capex = capex
        self.investment = self.start["investment"] * math.exp(capex - self.capacity + cost)

        slack, bound = compute - self.capacity, p.utilisation_bound
        pressure = min(max(slack, -bound), bound)
        self.rental = self.capacity + min(slack, bound) - cost + p.rental_sensitivity * pressure
        self.sales = self.price + self.demand
        self.unit_margin = self.price - self.per_unit + cost


# 1.2 Events


def _arrived(event: Numbers, time: float) -> float:
    return 1.0 - float(2.0 ** (-max(time - event.at_years, 0.0) / event.half_life_years))


def _size(event: Numbers, omega: float) -> dict[str, float]:
    """Full size of an event that spreads; empty for the other kinds."""
    if event.kind == "price_cut":
        cut = -math.log(1.0 - event.cut) * event.exposed
        return {"price": -cut, "compute": -event.matched_by_compute * cut, "news": cut}
    if event.kind == "efficiency_gain":
        inference = event.inference_share * math.log(event.gain)
        training = event.training_share * (1.0 - event.rebound) * math.log(event.gain)
        news = omega * inference + (1.0 - omega) * training
        return {"compute": -inference, "training": -training, "news": news}
    if event.kind == "demand_shift":
        return {"demand": event.shift, "news": -event.shift}
    return {}


def _arriving(scenario: Numbers, begin: int, end: int) -> dict[str, float]:
    total = dict.fromkeys(("price", "compute", "training", "demand", "news"), 0.0)
    for event in scenario.events:
        for what, size in _size(event, scenario.technology.inference_share).items():
            share = _arrived(event, end * scenario.dt) - _arrived(event, begin * scenario.dt)
            total[what] += share * size
    return total


def _squeeze(scenario: Numbers, k: int) -> float:
    kept = 1.0
    for event in scenario.events:
        if event.kind == "funding_squeeze":
            kept *= 1.0 - event.withdrawn * _arrived(event, k * scenario.dt)
    return 1.0 - kept


def _lost(scenario: Numbers, ticker: str, k: int) -> float:
    """Log of what rivals leave of a firm's core revenue."""
    lost = 0.0
    for event in scenario.events:
        if event.kind == "competition" and event.firm == ticker:
            years = min(max(k * scenario.dt - event.at_years, 0.0), event.years)
            lost += math.log(1.0 - event.share_lost_per_year) * years
    return lost


def _beliefs(scenario: Numbers, k: int) -> tuple[float, float]:
    """News known and not yet arrived; rise of the discount rate."""
    news = rates = 0.0
    now = k * scenario.dt
    for event in scenario.events:
        size = _size(event, scenario.technology.inference_share)
        if size and now > event.at_years:
            news += (1.0 - _arrived(event, now)) * size["news"]
        if event.kind == "rate_rise":
            rates += event.rise * min(max((now - event.at_years) / event.years, 0.0), 1.0)
    return news, rates


# 2. Firms


class _Books:
    def __init__(self, firm: dict[str, Any], rules: Numbers, growth: float, quarter: float) -> None:
        self.firm, self.rules, self.delta = firm, rules, quarter
        self.revenue = self.sticky = 1.0
        self.margin = self.first_margin = firm["normal_margin"]
        self.speed = _share(quarter, rules.cost_adjustment_years)
        ahead = (1.0 - self.speed) / self.speed * -math.expm1(-growth * quarter)
        self.ahead = 1.0 + ahead

    def quarter(self, j: int, tech: _Technology, recession: float, lost: float) -> None:
        f, rules = self.firm, self.rules
        chips, models = math.exp(tech.capex), math.exp(tech.sales)
        core = f["core_growth"] * (j * self.delta) + f["macro_loading"] * recession + lost
        self.revenue = (
            f["core_share"] * math.exp(core)
            + f["chips_share"] * chips
            + f["rental_share"] * math.exp(tech.rental)
            + f["models_share"] * models
        )
        self.sticky += self.speed * (self.revenue * self.ahead - self.sticky)

        deepest = max(1.0 - tech.p.capex_floor, 1e-9)
        glut = min((1.0 - math.exp(tech.capex - tech.peak)) / deepest, 1.0)
        fixed = f["fixed_cost_share"]
        running = 1.0 - self.first_margin - f["depreciation_share"]
        cost = running * ((1.0 - fixed) * self.revenue + fixed * self.sticky)
        cost += f["depreciation_share"] * tech.depreciation
        dearer = math.exp(min(-tech.unit_margin, 20.0)) - 1.0
        cost += f["models_share"] * rules.serving_cost_share * models * dearer
        cheaper = rules.chip_gross_margin - rules.chip_glut_margin
        cost += f["chips_share"] * cheaper * glut * chips
        low = rules.margin_floor * self.first_margin
        high = min(rules.margin_ceiling * self.first_margin, 0.95)
        margin = min(max(1.0 - cost / self.revenue, low), high)
        self.margin += _share(self.delta, rules.margin_smoothing_years) * (margin - self.margin)


def _consensus(
    scenario: Numbers, rules: Numbers, firms: list[dict[str, Any]], start: dict[str, float]
) -> tuple[list[dict[str, Any]], list[float]]:
    """The consensus path by quarter, and each firm's growth in its first quarter."""
    clock, quarter = _clock(scenario)
    still = {"price": 0.0, "demand": 0.0, "price_war": 2.0}  # 2: above any chance
    nothing = dict.fromkeys(("price", "compute", "training", "demand"), 0.0)
    params = scenario.consensus.model_copy(
        update={"price_volatility": 0.0, "price_war_rate": 0.0, "demand_volatility": 0.0}
    )
    tech = _Technology(params, start, quarter)
    tech.quarter(1, still, nothing, 0.0, 0.0)
    growth = []
    for firm in firms:
        books = _Books(firm, rules, 0.0, quarter)
        books.quarter(1, tech, 0.0, 0.0)
        growth.append(math.log(books.revenue) / quarter)

    tech = _Technology(params, start, quarter)
    accounts = [_Books(firm, rules, g, quarter) for firm, g in zip(firms, growth, strict=True)]
    path: list[dict[str, Any]] = [{}]
    for j in range(1, scenario.steps // clock + 1):
        tech.quarter(j, still, nothing, 0.0, 0.0)
        for books in accounts:
            books.quarter(j, tech, 0.0, 0.0)
        logs = [(math.log(books.revenue), math.log(books.margin)) for books in accounts]
        path.append({"demand": tech.demand, "books": logs})
    return path, growth


# 3. Surprises


class _Surprise:
    def __init__(self, params: Numbers, quarter: float) -> None:
        self.p, self.delta = params, quarter
        self.u = self.m = self.v = self.n = 0.0

    def quarter(self, u: float, m: float) -> None:
        share = _share(self.delta, self.p.growth_smoothing_years)
        self.v = (1.0 - share) * self.v + share * (u - self.u) / self.delta
        self.u, self.m = u, m
        bound = self.p.expectation_bound
        self.n = bound * math.tanh(self.p.growth_horizon_years * self.v / bound)

    @property
    def total(self) -> float:
        return self.u + self.m + self.n


# 4. Premium, bust, aftermath


def _premium(c: Numbers) -> float:
    total = 0.0
    for year in (c, *c.earlier_years):
        gain = year.mag7_share_of_gains * year.index_gain / year.weight_at_start
        total += math.log(1.0 + gain) - math.log(1.0 + year.earnings_growth)
    return min(max(total, 0.0), max(math.log(c.forward_pe / c.trough_pe), 0.0))


class _Mood:
    def __init__(self, params: Numbers, premium: float, start: dict[str, float], dt: float) -> None:
        self.p, self.premium, self.dt = params, premium, dt
        p = params
        self.low = -premium * (1.0 + p.overshoot)
        self.opening_steps = max(round(1.0 / (12.0 * dt)), 1)
        score = float(ndtri(start["opening"]) + ndtri(p.opening_share))
        theta = -math.log(0.8) * math.exp(p.opening_spread * score)
        self.opening = max(-theta, self.low) / self.opening_steps
        self.length = max(-p.bust_years * math.log(start["bust_length"]), self.opening_steps * dt)
        self.slump = -p.recession_depth if start["recession"] < p.recession_probability else 0.0
        depth = p.contagion_depth
        self.kappa = math.log(1.0 - p.contagion * depth) / math.log(1.0 - depth)
        self.regime, self.since = "boom", 0.0
        self.s = self.compensation = self.recession = self.drought = self.dilution = 0.0
        self.visited: set[str] = set()
        self.expect(0.0)

    @property
    def in_bust(self) -> bool:
        return self.regime == "bust"

    def expect(self, health: float) -> None:
        p = self.p
        answer = math.exp(-p.hazard_fundamentals * min(max(health, -1.0), 0.5))
        self.hazard = min(p.base_hazard * answer, p.hazard_ceiling)
        if self.hazard == p.hazard_ceiling:
            self.visited.add("hazard ceiling")

    def step(self, uniform: float, squeeze: float) -> None:
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
            slump = self.slump
            if self.since < (self.opening_steps - 0.5) * dt:
                self.s += self.opening
            else:
                self.s += _share(dt, 1.0 / p.decay_per_year) * (self.low - self.s)
        elif self.regime == "aftermath":
            level = -p.aftermath_level * self.premium
            level *= 2.0 ** (-self.since / p.aftermath_half_life_years)
            self.s += _share(dt, 1.0 / p.aftermath_speed) * (level - self.s)
        self.recession += _share(dt, 1.0 / p.recession_speed) * (slump - self.recession)
        self.drought += (1.0 - math.exp(min(self.s, 0.0)) * (1.0 - squeeze)) * dt
        self.dilution += (math.exp(-min(self.s, 0.0)) - 1.0) * dt
        self.visited.add(self.regime)
        if self.recession < 0.0:
            self.visited.add("recession")


# 5. The market and chance


class _Weather:
    def __init__(
        self, params: Numbers, firms: list[dict[str, Any]], start: dict[str, float], dt: float
    ) -> None:
        self.p, self.firms, self.dt, p = params, firms, dt, params
        self.stress_share = p.stress_entry_rate / (p.stress_entry_rate + p.stress_exit_rate)
        self.stressed = start["regime"] < self.stress_share
        self.log_volatility = p.volatility_sd * float(ndtri(start["volatility"]))
        self.norm = _norm(p.volatility_sd)
        self.factor = self.variance = self.sector = self.firm_variance = 0.0
        self.own = {firm["ticker"]: 0.0 for firm in firms}
        self.corrections = {firm["ticker"]: _Correction(p, firm, dt) for firm in firms}
        self.visited: set[str] = set()

    def step(
        self, noise: dict[str, float], alone: dict[str, float], words: dict[str, int], bust: bool
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
            if firm["jump_rate"] > 0.0:
                ways = _ways(firm, dt)
                if words[name] < ways:
                    turned = (noise["jump_size"] + (words[name] + 0.5) / ways) % 1.0
                    score = float(ndtri(max(turned, 2.0**-54)))
                    self.own[name] += firm["jump_mean"] + firm["jump_sd"] * score
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


def _ways(firm: dict[str, Any], dt: float) -> int:
    """Of 65,536 words, those that make a firm jump."""
    return min(round(65_536 * (1.0 - math.exp(-firm["jump_rate"] * dt))), 65_535)


def _norm(sd: float) -> float:
    """5.1: the level of log volatility that makes the mean square 1."""
    total = weight = 0.0
    for i in range(7_201):
        z = -9.0 + i / 400.0
        w = math.exp(-z * z / 2.0)
        total += w * math.exp(2.0 * min(max(sd * z, -2.5 * sd), 2.5 * sd))
        weight += w
    return 0.5 * math.log(total / weight)


class _Correction:
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
        self.alone = math.log(1.0 + _ways(firm, dt) / 65_536 * alone)
        self.k = 0
        self.market = self.jumps = 0.0

    def step(self) -> None:
        self.k += 1
        calm = (self.calm * (1.0 - self.enter) + self.stress * self.leave) * self.up
        stress = (self.calm * self.enter + self.stress * (1.0 - self.leave)) * self.down
        self.calm, self.stress = calm, stress
        self.market = math.log(calm + stress) + self.k * self.jump
        self.jumps = self.k * self.alone


# 6 and 7. Indices, falls and their causes


def _add_indices(told: Told, groups: tuple[str, ...], firms: list[dict[str, Any]]) -> None:
    tickers = [firm["ticker"] for firm in firms]
    for ticker in tickers:
        peak, trough = _deepest(told.levels[ticker])
        told.falls[ticker] = _fall(
            told.levels[ticker], peak, trough, _moved(told, ticker, peak, trough)
        )
    length = len(told.levels[tickers[0]])
    for group in groups:
        counted = {
            firm["ticker"]: firm["membership"][group]
            for firm in firms
            if firm["membership"].get(group, 0.0) > 0.0
        }
        level = [
            math.fsum(share * told.levels[name][k] for name, share in counted.items())
            for k in range(length)
        ]
        told.levels[group] = level
        peak, trough = _deepest(level)
        causes = dict.fromkeys(CAUSES, 0.0)
        whole = level[peak] * _relative_mean(math.log(level[trough] / level[peak]))
        for name, share in counted.items():
            moved = _moved(told, name, peak, trough)
            weight = share * told.levels[name][peak] * _relative_mean(math.fsum(moved.values()))
            for cause, change in moved.items():
                causes[cause] += weight / whole * change
        told.falls[group] = _fall(level, peak, trough, causes)


def _moved(told: Told, ticker: str, peak: int, trough: int) -> dict[str, float]:
    return {cause: path[trough] - path[peak] for cause, path in told.causes[ticker].items()}


def _fall(level: list[float], peak: int, trough: int, causes: dict[str, float]) -> Fall:
    depth = 1.0 - level[trough] / level[peak]
    return Fall(depth, peak, trough, causes, level[peak] - level[trough])


def _relative_mean(change: float) -> float:
    """Logarithmic mean of 1 and exp(change)."""
    return math.expm1(change) / change if change else 1.0


def _deepest(level: list[float]) -> tuple[int, int]:
    """Peak and trough of the deepest drawdown; 0 and 0 if it never falls."""
    high_at = peak = trough = 0
    depth = 0.0
    for k, value in enumerate(level):
        if value > level[high_at]:
            high_at = k
        if 1.0 - value / level[high_at] > depth:
            depth, peak, trough = 1.0 - value / level[high_at], high_at, k
    return peak, trough
