"""What history sets: the function of the run-up, the solver, the figures and their distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator import calibration
from simulator.arrays import FloatArray
from simulator.calibration import (
    Responses,
    crash_probability,
    crash_share,
    distance,
    index_figures,
    responses,
    solve_centre,
    solve_news_response,
    targets,
    with_market,
)
from simulator.engine.consensus import consensus_path, fundamental_clock, quiet
from simulator.history.baselines import baseline
from simulator.model.events import Calendar
from simulator.scenario.scenario import load_scenario


@pytest.mark.parametrize(
    ("rise", "probability"),
    [(-0.5, 0.20), (0.5, 0.20), (0.75, 0.365), (1.0, 0.53), (1.5, 0.80), (9.0, 0.80)],
)
def test_chance_of_a_crash_is_the_studys_between_its_points_and_flat_outside(
    rise: float, probability: float
) -> None:
    assert crash_probability(rise) == pytest.approx(probability)


def test_run_up_of_the_nasdaq_is_the_one_on_file() -> None:
    closes = baseline("dotcom").levels("nasdaq")
    peak = float(closes.closes[closes.dates <= np.datetime64("2000-03-10")][-1])
    # 1748.51 and 1064.25 were the closes two years before, 1395.07 the S&P 500's of the day.
    net = peak / 1748.51 - 1395.07 / 1064.25
    assert net == pytest.approx(targets()["run_ups"]["before"]["dotcom"]["net"], abs=0.01)


def test_a_higher_hazard_brings_more_crashes_on_common_draws() -> None:
    shares = [
        crash_share(load_scenario("deepseek", {"sentiment.hazard_scale": scale}), 1)
        for scale in (0.0, 1.0, 2.0, 6.0)
    ]
    assert shares == sorted(shares)
    assert shares[3] > shares[0] + 0.2


def test_centre_of_normal_surprises_is_their_mean_and_standard_deviation() -> None:
    # For x normal, E exp(-b (x - m)) = exp(b^2 sd^2 / 2) at every b.
    generator = np.random.default_rng(7)
    surprise = generator.normal(-0.1, 0.3, (20, 50_000))
    found = solve_centre(Responses(surprise, generator.uniform(0.3, 2.0, 50_000)))
    assert found == pytest.approx((-0.1, 0.3), abs=0.005)


def test_surprises_without_spread_need_no_correction() -> None:
    found = solve_centre(Responses(np.full((4, 8), 0.2), np.ones(8)))
    assert found == pytest.approx((0.2, 0.0))


def test_the_law_of_run_ups_holds_on_average_over_the_default_scenarios_stories() -> None:
    default = load_scenario("deepseek")
    sentiment = default.sentiment
    mean = responses(default, 2).mean(sentiment.average_surprise, sentiment.surprise_sd)
    assert mean == pytest.approx(1.0, abs=0.05)  # solved on other draws


def test_news_response_brings_nvidia_its_day_and_is_in_force() -> None:
    scenario = load_scenario("deepseek")
    found, _ = solve_news_response(scenario)
    assert found == pytest.approx(float(np.asarray(scenario.valuation.news_response)), rel=0.03)
    medians = scenario.medians()
    calendar = Calendar(medians.events, medians.technology.inference_share)
    known = calendar.beliefs(1, 1, scenario.dt, fundamental_clock(scenario))
    assert np.expm1(-found * float(known.news[0, 0])) == pytest.approx(-0.170, abs=0.005)


def _walk(volatility: float, windows: int = 400) -> FloatArray:
    noise = np.random.default_rng(5).normal(0.0, volatility / np.sqrt(52.0), (260, windows))
    return np.exp(np.vstack([np.zeros(windows), np.cumsum(noise, axis=0)]))


def test_figures_of_a_random_walk_are_those_of_a_random_walk() -> None:
    found = index_figures(_walk(0.2))
    assert found["weekly_volatility"] == pytest.approx(0.2, rel=0.01)
    assert found["excess_kurtosis"] == pytest.approx(0.0, abs=0.05)
    assert found["skew"] == pytest.approx(0.0, abs=0.03)
    for lag in ("1_week", "4_weeks", "10_weeks"):
        assert found[f"clustering_{lag}"] == pytest.approx(-1.0 / 260.0, abs=0.01)
    assert found["falls_over_50"] < found["falls_over_20"]


def test_distance_counts_half_widths() -> None:
    table = {"a": {"low": 1.0, "high": 3.0}, "b": {"low": -1.0, "high": 0.0}}
    assert distance({"a": 2.0, "b": -0.5}, table) == 0.0
    assert distance({"a": 3.0, "b": -1.0}, table) == pytest.approx(2.0)
    assert distance({"a": 6.0, "b": -0.5}, table) == pytest.approx(16.0)


def test_targets_hold_history_and_every_parameter_searched_exists() -> None:
    for name, one in targets()["market"].items():
        seen = [one[key] for key in ("since_1928", "since_1950") if key in one]
        assert all(one["low"] <= value <= one["high"] for value in seen), name
    for name, (low, high, step) in calibration.MARKET_RANGES.items():
        value = getattr(load_scenario("calm").market, name)
        assert low <= value <= high, name
        assert 0.0 < step < high - low


def test_market_without_clustering_is_further_from_history() -> None:
    calm = load_scenario("calm")
    flat = with_market(calm, volatility_sd=0.0, stressed_sd=0.102, calm_sd=0.102)
    assert calibration.market_distance(flat, 1) > 5.0 * calibration.market_distance(calm, 1)


def test_calm_sp500_moves_like_history() -> None:
    table = targets()["market"]
    found = calibration.market_figures(load_scenario("calm"), 2)
    for name, values in found.items():
        assert table[name]["low"] <= values.mean() <= table[name]["high"], name


def test_scenarios_with_a_boom_share_market_hazard_law_and_contagion() -> None:
    deepseek, *others = (load_scenario(name) for name in targets()["run_ups"]["before"])
    for other in others:
        assert other.market == deepseek.market
        assert other.sentiment == deepseek.sentiment
        assert other.valuation.medians() == deepseek.valuation.medians()


def test_network_figures_are_what_the_paths_say() -> None:
    silent = quiet(load_scenario("dotcom"))
    still = {"price_volatility": 0.0, "price_war_rate": 0.0, "demand_volatility": 0.0}
    as_planned = replace(silent, technology=silent.consensus.model_copy(update=still), events=())
    found = calibration.network_figures(as_planned, 1)
    plan = consensus_path(as_planned)
    assert found["capex_fall"] == pytest.approx(0.0, abs=1e-9)
    assert found["traffic_growth"] == pytest.approx(np.exp(plan.demand[12] / 3.0))
    assert found["capex_after_two_years"] > 1.3


def test_capex_of_dotcom_falls_as_it_did() -> None:
    table = targets()["networks"]
    found = calibration.network_figures(load_scenario("dotcom"), 1)
    for name in (
        "capex_fall",
        "capex_after_two_years",
        "cisco_revenue_fall",
        "equipment_revenue_fall",
    ):
        assert table[name]["low"] <= found[name] <= table[name]["high"], name


@pytest.mark.slow
def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    calibration.main([])
    out = capsys.readouterr().out
    for name in targets()["run_ups"]["before"]:
        assert f"{name} P(-40 % in 24 months)" in out
    assert "sentiment.surprise_sd" in out
    assert "distance of the defaults" in out
    assert "distance by investment_speed_down" in out
