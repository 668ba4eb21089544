"""Part of tests/reference.py: technology, events, firms and surprises (sections 1 to 3)."""

from __future__ import annotations

import math
from typing import Any

Numbers = Any  # a table of parameters whose values are floats


def quarter_of(scenario: Numbers) -> tuple[int, float]:
    """Steps in a quarter of fundamentals, and its length in years (section 0)."""
    clock = max(round(scenario.steps_per_year / 4), 1)
    return clock, clock * scenario.dt


def figures(firm: Numbers) -> dict[str, Any]:
    """A firm's row as a dict."""
    figures = {name: getattr(firm, name) for name in type(firm).model_fields}
    if figures["normal_margin"] is None:
        figures["normal_margin"] = figures["operating_margin"]
    return figures


def share_moved(step: float, time: float) -> float:
    """Share of its distance that a smoothed state moves in a step."""
    return -math.expm1(-step / time)


# 1. Technology


def anchor(c: Numbers) -> dict[str, float]:
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


class Technology:
    """1.3: the chain."""

    def __init__(self, params: Numbers, start: dict[str, float], quarter: float) -> None:
        self.p, self.start, self.delta = params, start, quarter
        self.price = self.alarm = self.per_unit = self.autonomous = self.response = 0.0
        self.demand = self.training = self.compute = self.capacity = 0.0
        self.expected, self.investment = start["compute"], start["investment"]
        self.capex = self.peak = 0.0
        self.depreciation = 1.0
        self.rental = self.sales = self.surplus = self.unit_margin = 0.0
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
        self.expected += share_moved(d, p.expectation_years) * (growth - self.expected)
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
        apart = self.sales - self.autonomous
        mean = math.expm1(apart) / apart if apart else 1.0
        self.surplus = -self.price * math.exp(self.autonomous) * mean
        self.unit_margin = self.price - self.per_unit + cost


def ai_economy(tech: Technology, rules: Numbers, sold: dict[str, float], years: float) -> Any:
    """3.3: log profits of those who sell models, and log revenue of all channels of AI."""
    sales = tech.sales + tech.p.monetisation_growth * years
    first = max(1.0 - rules.serving_cost_share, 0.01)
    margin = 1.0 - rules.serving_cost_share * math.exp(min(-tech.unit_margin, 20.0))
    high = min(rules.margin_ceiling * first, max(first, 0.95))
    margin = min(max(margin, rules.margin_floor * first), high)
    logs = {"chips": tech.capex, "rental": tech.rental, "models": sales}
    whole = math.fsum(sold.values())
    revenue = math.fsum(sold[name] * math.exp(log) for name, log in logs.items()) / whole
    return sales + math.log(margin), math.log(revenue)


def ai_sales(firms: list[dict[str, Any]]) -> dict[str, float]:
    """3.3: what all firms sell of each channel at t = 0."""
    return {
        name: math.fsum(firm[f"{name}_share"] * firm["revenue"] for firm in firms)
        for name in ("chips", "rental", "models")
    }


# 1.2 Events


def between(earlier: float, later: float, k: int, clock: int) -> float:
    """What prices contain at step k: books of a quarter enter them over the next (section 3.2)."""
    return earlier + (later - earlier) * (k % clock) / clock


def arrived(event: Numbers, time: float) -> float:
    return 1.0 - float(2.0 ** (-max(time - event.at_years, 0.0) / event.half_life_years))


def full_size(event: Numbers, omega: float) -> dict[str, float]:
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


def arrivals(scenario: Numbers, begin: int, end: int) -> dict[str, float]:
    total = dict.fromkeys(("price", "compute", "training", "demand", "news"), 0.0)
    for event in scenario.events:
        for what, size in full_size(event, scenario.technology.inference_share).items():
            share = arrived(event, end * scenario.dt) - arrived(event, begin * scenario.dt)
            total[what] += share * size
    return total


def funding_withdrawn(scenario: Numbers, k: int) -> float:
    kept = 1.0
    for event in scenario.events:
        if event.kind == "funding_squeeze":
            kept *= 1.0 - event.withdrawn * arrived(event, k * scenario.dt)
    return 1.0 - kept


def rivals_take(scenario: Numbers, ticker: str, k: int) -> float:
    """Log of what rivals leave of a firm's core revenue."""
    lost = 0.0
    for event in scenario.events:
        if event.kind == "competition" and event.firm == ticker:
            years = min(max(k * scenario.dt - event.at_years, 0.0), event.years)
            lost += math.log(1.0 - event.share_lost_per_year) * years
    return lost


def beliefs(scenario: Numbers, k: int, clock: int) -> tuple[float, float]:
    """News known and not yet arrived; rise of the discount rate."""
    news = rates = 0.0
    now = k * scenario.dt
    for event in scenario.events:
        size = full_size(event, scenario.technology.inference_share)
        if size and now > event.at_years:
            earlier = arrived(event, (k - k % clock - clock) * scenario.dt)
            later = arrived(event, (k - k % clock) * scenario.dt)
            news += (1.0 - between(earlier, later, k, clock)) * size["news"]
        if event.kind == "rate_rise":
            rates += event.rise * min(max((now - event.at_years) / event.years, 0.0), 1.0)
    return news, rates


# 2. Firms


class Books:
    def __init__(self, firm: dict[str, Any], rules: Numbers, growth: float, quarter: float) -> None:
        self.firm, self.rules, self.delta = firm, rules, quarter
        self.revenue = self.sticky = 1.0
        self.margin = self.first_margin = firm["normal_margin"]
        self.speed = share_moved(quarter, rules.cost_adjustment_years)
        ahead = (1.0 - self.speed) / self.speed * -math.expm1(-growth * quarter)
        self.ahead = 1.0 + ahead

    def quarter(self, j: int, tech: Technology, recession: float, lost: float) -> None:
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
        self.margin += share_moved(self.delta, rules.margin_smoothing_years) * (
            margin - self.margin
        )


def consensus_path(
    scenario: Numbers, rules: Numbers, firms: list[dict[str, Any]], start: dict[str, float]
) -> tuple[list[dict[str, Any]], list[float]]:
    """The consensus path by quarter, and each firm's growth in its first quarter."""
    clock, quarter = quarter_of(scenario)
    still = {"price": 0.0, "demand": 0.0, "price_war": 2.0}  # 2: above any chance
    nothing = dict.fromkeys(("price", "compute", "training", "demand"), 0.0)
    params = scenario.consensus.model_copy(
        update={"price_volatility": 0.0, "price_war_rate": 0.0, "demand_volatility": 0.0}
    )
    tech = Technology(params, start, quarter)
    tech.quarter(1, still, nothing, 0.0, 0.0)
    growth = []
    for firm in firms:
        books = Books(firm, rules, 0.0, quarter)
        books.quarter(1, tech, 0.0, 0.0)
        growth.append(math.log(books.revenue) / quarter)

    tech = Technology(params, start, quarter)
    accounts = [Books(firm, rules, g, quarter) for firm, g in zip(firms, growth, strict=True)]
    path: list[dict[str, Any]] = [{}]
    for j in range(1, scenario.steps // clock + 1):
        tech.quarter(j, still, nothing, 0.0, 0.0)
        for books in accounts:
            books.quarter(j, tech, 0.0, 0.0)
        logs = [(math.log(books.revenue), math.log(books.margin)) for books in accounts]
        sold = {"chips": tech.capex, "rental": tech.rental, "models": tech.sales}
        pool, revenue = ai_economy(tech, rules, ai_sales(firms), j * quarter)
        path.append(
            {"surplus": tech.surplus, "books": logs, "sold": sold, "pool": pool, "ai": revenue}
        )
    return path, growth


# 3. Surprises


class Surprise:
    def __init__(self, params: Numbers, quarter: float) -> None:
        self.p, self.delta = params, quarter
        self.u = self.m = self.v = self.n = 0.0

    def quarter(self, u: float, m: float, in_place: float) -> None:
        share = share_moved(self.delta, self.p.growth_smoothing_years)
        self.v = (1.0 - share) * self.v + share * (u - self.u) / self.delta
        self.u, self.m = u, m
        bound = self.p.expectation_bound
        self.n = in_place * bound * math.tanh(self.p.growth_horizon_years * self.v / bound)


class Outlook:
    """3.3: AI expectations."""

    def __init__(self, params: Numbers, premium: float, quarter: float) -> None:
        self.p, self.premium, self.delta = params, premium, quarter
        self.expected = self.surprise = self.repriced = 0.0

    def quarter(self, pool: float, revenue: float) -> None:
        share = share_moved(self.delta, self.p.growth_smoothing_years)
        seen = min(max(pool, self.p.lowest_outlook), self.p.highest_outlook)
        self.expected += share * (seen - self.expected)
        self.surprise += share * (revenue - self.surprise)
        hope = 1.0 - math.exp(-self.premium)
        self.repriced = math.log(1.0 - hope + hope * math.exp(self.expected))

    def premium_left(self, earned: float) -> float:
        left = min(self.expected, 0.0) - max(earned, 0.0)
        return math.log(1.0 + (math.exp(self.premium) - 1.0) * math.exp(left))
