"""solve: crossings of a level against closed forms, their intervals against many seeds, and the command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_runs import CommandLine
from scipy.stats import binom, norm

from simulator.errors import RunError, ScenarioError, UsageError
from simulator.exploration.reverse_stress import Curve, Root, parse_goal, solve
from simulator.reports.reverse_stress_text import answer_lines
from simulator.scenario.scenario import load_scenario
from simulator.scenario.typed_values import parse_range
from simulator.statistics import Estimate, probability, quantile

SEEDS = 2000 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 150
PATHS = 400
GOAL = "P(sp500.loss_from_start >= 0.05) = 0.3"


def normal_paths(seed: int) -> Callable[[float], Estimate]:
    """P(value + noise >= 1) from the same noise at every value."""
    noise = np.random.default_rng(seed).standard_normal(PATHS)
    return lambda value: probability(int(np.count_nonzero(value + noise >= 1.0)), PATHS)


def only_root(number: Callable[[float], Estimate], level: float, low: float, high: float) -> Root:
    (root,) = Curve(number, level, low, high).roots([])
    return root


def assert_nominal(inside: int, n: int) -> None:
    """95 % by a two-sided binomial test at 1 in 1,000, with a point for the interval of the number itself."""
    assert binom.ppf(0.0005, n, 0.94) <= inside <= binom.ppf(0.9995, n, 0.97)


@pytest.mark.parametrize("level", [0.05, 0.3])
def test_the_interval_of_a_root_holds_the_closed_form_in_95_of_100_seeds(level: float) -> None:
    exact = 1.0 - float(norm.isf(level))
    roots = [only_root(normal_paths(seed), level, -4.0, 4.0) for seed in range(SEEDS)]
    assert_nominal(sum(root.low <= exact <= root.high for root in roots), SEEDS)
    half = [(root.value - root.low) / 2 for root in roots]
    narrow = sum(abs(root.value - exact) <= h for root, h in zip(roots, half, strict=True))
    assert narrow < binom.ppf(0.0005, SEEDS, 0.94), "half the interval must not pass"


def test_the_interval_of_a_median_holds_the_closed_form_in_95_of_100_seeds() -> None:
    """exp(value + noise) has the median exp(value): it is 2 at log 2."""
    inside = 0
    for seed in range(SEEDS):
        noise = np.random.default_rng(seed).standard_normal(PATHS)
        root = only_root(lambda x, noise=noise: quantile(np.exp(x + noise), 0.5), 2.0, -1.0, 3.0)  # type: ignore[misc]
        inside += root.low <= np.log(2.0) <= root.high
    assert_nominal(inside, SEEDS)


def hill(value: float) -> Estimate:
    return Estimate.of_error(1.0 - value * value, 0.01)


def test_a_number_that_rises_and_falls_has_both_its_crossings_listed() -> None:
    left, right = Curve(hill, 0.75, -1.0, 1.1).roots([])
    assert [left.value, right.value] == pytest.approx([-0.5, 0.5], abs=1e-3)
    # The interval ends where the number is 1.96 errors from the level.
    ends = [np.sqrt(0.25 - 0.0196), np.sqrt(0.25 + 0.0196)]
    assert [right.low, right.high] == pytest.approx(ends, abs=6e-4)
    assert [-left.high, -left.low] == pytest.approx(ends, abs=6e-4)


def test_crossings_that_the_paths_cannot_tell_apart_are_one() -> None:
    (root,) = Curve(hill, 0.99, -1.0, 1.1).roots([-0.09])
    assert root.low == pytest.approx(-np.sqrt(0.01 + 0.0196), abs=2e-3)
    assert root.high == pytest.approx(np.sqrt(0.01 + 0.0196), abs=2e-3)


def test_an_interval_that_ends_with_the_range_says_so() -> None:
    root = only_root(lambda x: Estimate.of_error(x, 0.1), 0.1, 0.0, 1.0)
    assert (root.low, root.low_open, root.high_open) == (0.0, True, False)
    assert root.high == pytest.approx(0.1 + 0.196, abs=6e-3)


def test_a_jump_over_the_level_is_a_root_without_width() -> None:
    root = only_root(lambda x: Estimate.of_error(float(x > 0.3), 0.01), 0.5, 0.0, 1.0)
    assert root.value == pytest.approx(0.3, rel=2e-5)
    assert root.low == root.high == root.value


def test_in_the_lognormal_limit_the_required_return_of_a_median_is_its_closed_form() -> None:
    """A year's log return is then normal around the required return less half the variance."""
    flat = {
        "market.calm_sd": 0.2,
        "market.stressed_sd": 0.2,
        "market.calm_drift": 0.0,
        "market.stressed_drift": 0.0,
        "market.volatility_sd": 0.0,
        "market.jump_rate": 0.0,
        "market.firm_stress_multiplier": 1.0,
        "scenario.horizon_years": 1.0,
    }
    scenario = load_scenario("calm", overrides=flat)
    row = scenario.universe.tickers.index("SPREST")
    beta, own = (float(scenario.universe.column(c)[row]) for c in ("beta", "volatility"))
    exact = np.log(1.05) + ((0.2 * beta) ** 2 + own**2) / 2
    answer = solve(
        scenario,
        "median(SPREST.terminal_return) = 0.05",
        "valuation.required_return",
        within=(0.0, 0.3),
        paths=1024,
    )
    (root,) = answer.roots
    error = (root.high - root.low) / (2 * 1.96)
    assert error < 0.01
    assert abs(root.value - exact) <= 4 * error
    assert root.number.value == pytest.approx(0.05, abs=0.1 * root.number.mc_error)


def test_the_printed_command_gives_the_number_of_the_root_whatever_the_workers(
    story: Path, tmp_path: Path, crashsim: CommandLine
) -> None:
    by = ("--by", "required_return", "--range", "0:0.3")
    code, out, err = crashsim(
        "solve",
        story,
        "--for",
        GOAL,
        *by,
        "--json",
        "--workers",
        1,
        "-n",
        256,
        "-o",
        tmp_path / "a.json",
    )
    assert code == 0, err
    document = json.loads(out)
    assert json.loads((tmp_path / "a.json").read_text("utf-8")).items() <= document.items()
    assert (
        crashsim("solve", story, "--for", GOAL, *by, "--json", "--workers", 2, "-n", 256)[1] == out
    )
    (root,) = document["roots"]
    assert root["low"] < root["value"] < root["high"]
    words = document["next"].split()
    assert words[:2] == ["crashsim", "run"]
    code, out, err = crashsim(
        *words[1:], "--threshold", GOAL.replace(" = ", " >= "), "--json", "-o", tmp_path
    )
    thresholds = {row["text"]: row["estimate"] for row in json.loads(out)["thresholds"]}
    assert thresholds[GOAL.replace(" = ", " >= ")] == root["number"]


def test_where_no_value_does_the_ends_are_printed_with_their_errors(
    story: Path, crashsim: CommandLine
) -> None:
    goal = "P(sp500.loss_from_start >= 0.10) = 0.99"
    code, out, _ = crashsim("solve", story, "--for", goal, "--by", "elasticity", "-n", 128)
    assert code == 0
    words = " ".join(out.split())
    assert "No value in the range does: at 0 it is" in words
    assert ", at 4 it is" in words
    assert words.count(" to ") >= 3, "both ends have an interval"
    _, out, _ = crashsim("solve", story, "--for", goal, "--by", "elasticity", "-n", 128, "--json")
    document = json.loads(out)
    assert document["roots"] == []
    assert not document["undecided"]


def test_a_level_within_the_error_of_the_nearest_number_is_left_open(story: Path) -> None:
    """A fall by nine tenths within half a year is on none of 64 paths, which does not make it impossible."""
    answer = solve(
        story,
        "P(sp500.max_drawdown >= 0.9) = 0.01",
        "technology.elasticity",
        within=(1.0, 1.1),
        paths=64,
    )
    assert answer.roots == ()
    assert answer.undecided
    assert "cannot tell" in "".join(line.text for line in answer_lines(answer, 400))


@pytest.mark.parametrize(
    ("goal", "by", "said"),
    [
        ("P(sp500.loss_from_start >= 0.3)", "elasticity", "cannot be read; write it as P("),
        ("P(sp500.loss_from_start >= 0.3) >= 0.5", "elasticity", "cannot be read; write it as P("),
        ("P(sp501.loss_from_start >= 0.3) = 0.5", "elasticity", "unknown entity `sp501`"),
        ("P(sp500.loss_from_start >= 0.3) = 50", "elasticity", "50 % is 0.5"),
        (GOAL, "scenario.seed", "cannot vary"),
        (GOAL, "sweep.seed", "cannot vary"),
    ],
)
def test_goals_and_keys_that_make_no_sense_are_refused(
    goal: str, by: str, said: str, story: Path, crashsim: CommandLine
) -> None:
    code, out, err = crashsim("solve", story, "--for", goal, "--by", by, "-n", 64)
    assert (code, out) == (2, ""), err
    assert said in err


def test_an_unknown_key_and_a_range_that_is_not_allowed_are_refused_as_in_a_scenario(
    story: Path, crashsim: CommandLine
) -> None:
    code, _, err = crashsim("solve", story, "--for", GOAL, "--by", "technology.elastcity")
    assert code == 3
    assert "did you mean" in err
    with pytest.raises(ScenarioError, match="0 to 4"):
        solve(story, GOAL, "technology.elasticity", within=(0.5, 5.0), paths=64)
    for text in ("1", "a:b", "1:2:3"):
        code, _, err = crashsim(
            "solve", story, "--for", GOAL, "--by", "elasticity", "--range", text
        )
        assert code == 2
        assert "expected LOW:HIGH" in err
    code, _, err = crashsim("solve", "deepseek", "--for", GOAL, "--by", "elasticity.mean", "-n", 64)
    assert code == 2
    assert "cannot have every value from 0 to 4 here: give --range LOW:HIGH" in err
    with pytest.raises(UsageError, match="must rise"):
        solve(story, GOAL, "technology.elasticity", within=(2.0, 1.0), paths=64)


def test_percentages_are_shares_in_goal_and_range(story: Path) -> None:
    titles = load_scenario(story).universe.titles
    goal, text = parse_goal("P( The S&P 500.loss_from_start >= 30% ) = 50%", titles)
    assert (goal.level, goal.limit) == (0.3, 0.5)
    assert text == "P( sp500.loss_from_start >= 30% ) = 50%"
    assert parse_range("technology.annual_price_decline", "50% : 0.9") == (0.5, 0.9)


def test_one_path_knows_no_number(story: Path) -> None:
    with pytest.raises(RunError, match="more --paths"):
        solve(story, "mean(sp500.max_drawdown) = 0.2", "technology.elasticity", paths=1)
