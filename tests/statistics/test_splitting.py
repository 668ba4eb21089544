"""Splitting against exact answers: random walks that fall by more than any run would see."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from walks import Walks, fall_probability, whole_fall_probability

from simulator.rare_events.rare_event import RelativeErrorStopping
from simulator.statistics.intervals import mean_of_few
from simulator.statistics.splitting import Split, split

STEPS = 16
DEEP_STEPS = 40


def run(
    targets: list[float],
    *,
    steps: int = STEPS,
    groups: int = 64,
    size: int = 100,
    seed: int = 1,
    whole: bool = False,
    survivors: float = 0.5,
    least: float = 0.0,
) -> Split:
    return split(
        Walks.start(groups * size, whole),
        lambda number: np.random.default_rng((seed, number)),
        steps=steps,
        targets=np.array(targets),
        groups=groups,
        rng=np.random.default_rng((seed, 0, 0)),
        survivors=survivors,
        least=least,
    )


def away(values: np.ndarray, exact: float) -> float:
    """Distance of the mean from the exact value in standard errors."""
    return float(abs(values.mean() - exact) / (values.std(ddof=1) / np.sqrt(values.size)))


def test_the_quadrature_itself() -> None:
    assert fall_probability(1e-9, 1) == pytest.approx(0.5)
    for depth, steps in ((3.0, 4), (12.0, 30)):
        coarse, fine = (fall_probability(depth, steps, points) for points in (100, 300))
        assert coarse == pytest.approx(fine, rel=1e-9)
    start = Walks.start(200_000)
    rng = np.random.default_rng(1)
    for k in range(1, 13):
        start.step(k, rng)
    hits = np.mean(start.score >= 7.0)
    exact = fall_probability(7.0, 12)
    assert abs(hits - exact) < 5 * np.sqrt(exact / 200_000)


@lru_cache
def deep() -> tuple[np.ndarray, Split]:
    depths = [15.0, 20.0, 27.0, 30.0, 36.5]
    exact = np.array([fall_probability(depth, DEEP_STEPS) for depth in depths])
    return exact, run(depths, steps=DEEP_STEPS, size=1000)


def test_a_walk_down_to_one_in_a_hundred_million() -> None:
    """Against the quadrature of the discrete-time problem."""
    exact, found = deep()
    assert exact[-1] < 1e-8
    for place, p in enumerate(exact):
        values = found.probability[:, place]
        assert away(values, p) < 4.0
        error = values.std(ddof=1) / np.sqrt(values.size) / values.mean()
        assert error < 0.2
    third = found.probability[:, 2]
    assert away(third, 1.6 * exact[2]) > 4.0, "the check would see a wrong probability"


def test_it_takes_far_fewer_steps_than_plain_monte_carlo() -> None:
    exact, found = deep()
    values, p = found.probability[:, 2], exact[2]
    assert 5e-6 < p < 5e-5
    error = values.std(ddof=1) / np.sqrt(values.size) / values.mean()
    plain = (1 - p) / p / error**2 * DEEP_STEPS
    assert plain > 50 * found.steps


def test_ties_are_killed_together() -> None:
    """Whole numbers tie all the time; the estimate is still right, for any share of survivors."""
    exact = whole_fall_probability(14, 24)
    assert 1e-3 < exact < 1e-2
    for survivors in (0.3, 0.6, 0.97):
        found = run([14.0], steps=24, whole=True, size=30, groups=1500, survivors=survivors)
        assert away(found.probability[:, 0], exact) < 4.0
        assert away(1.25 * found.probability[:, 0], exact) > 4.0, "the check has power"


def test_two_particles_are_enough_to_be_right_on_average() -> None:
    exact = fall_probability(5.0, 6)
    found = run([5.0], steps=6, groups=100_000, size=2)
    assert away(found.probability[:, 0], exact) < 4.0


def test_coverage_of_the_stated_interval() -> None:
    """1,000 repetitions of an estimate with its rule of when to stop: 92 to 98 % hold the truth."""
    steps, depth, most, repetitions = 12, 9.0, 48, 1000
    exact = fall_probability(depth, steps)
    chunks = 10
    values = np.concatenate(
        [
            run(
                [depth],
                steps=steps,
                groups=most * repetitions // chunks,
                size=40,
                seed=100 + chunk,
            ).probability
            for chunk in range(chunks)
        ]
    ).reshape(repetitions, most)
    hold = naive = 0
    used = []
    for row in values:
        looks = RelativeErrorStopping(0.2)
        n = next((n for n in range(4, most, 4) if looks.enough(row[:n])), most)
        found = mean_of_few(row[:n])
        hold += found.low <= exact <= found.high
        # The negative control: the error taken for that of as many groups again.
        half = 1.96 * found.mc_error / 2
        naive += abs(found.value - exact) <= half
        used.append(n)
    assert 0.92 <= hold / repetitions <= 0.98
    assert naive / repetitions < 0.80
    assert min(used) == 24
    assert len(set(used)) > 2, "the rule had to decide"


def test_many_targets_cost_one_climb_and_agree_with_single_ones() -> None:
    depths = [5.0, 7.0, 9.0]
    many, deepest = run(depths, groups=400, size=50), run([9.0], groups=400, size=50)
    for place, depth in enumerate(depths):
        assert away(many.probability[:, place], fall_probability(depth, STEPS)) < 4.0
    np.testing.assert_array_equal(many.probability[:, -1], deepest.probability[:, 0])
    assert many.steps == deepest.steps


def test_what_cannot_happen_has_probability_0() -> None:
    found = run([17.0], steps=16, whole=True, size=20, groups=10)
    assert (found.probability == 0.0).all()
    given_up = run([9.0, 22.5], least=1e-4)
    assert given_up.probability[:, 0].all()
    assert not given_up.probability[:, 1].any()
    assert given_up.rounds < run([9.0, 22.5]).rounds


def test_what_is_sure_needs_no_clone() -> None:
    found = run([1e-12], steps=60, size=50, groups=4)
    assert found.rounds == 0
    assert (found.probability == 1.0).all()
    assert found.steps < 60 * 200, "a path that is there stops"


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, same, other = run([13.0]), run([13.0]), run([13.0], seed=2)
    np.testing.assert_array_equal(one.probability, same.probability)
    assert one.steps == same.steps
    assert (one.probability != other.probability).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": 3, "size": 1},
        {"targets": [2.0, 1.0]},
        {"targets": []},
        {"survivors": 1.0},
    ],
)
def test_what_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected rising|do not make"):
        run(wrong.pop("targets", [1.0]), **wrong)


def test_looks_confirm() -> None:
    steady = np.ones(100) + 0.01 * np.arange(100) % 0.05
    looks = RelativeErrorStopping(0.1)
    assert next(n for n in range(4, 101, 4) if looks.enough(steady[:n])) == 24
    wild = np.random.default_rng(1).lognormal(0.0, 3.0, 100)
    looks = RelativeErrorStopping(0.01)
    assert not any(looks.enough(wild[:n]) for n in range(4, 101))
