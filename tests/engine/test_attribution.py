"""Causes add up: for every path and entity, and to what the formula says by hand."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from told_paths import stress_scenario

from simulator.arrays import FloatArray
from simulator.engine import block_simulation
from simulator.engine.attribution import BOOKS, Factors, History, QuarterlyFundamentals, attribute
from simulator.engine.results import CAUSES, BlockResult
from simulator.scenario.scenario import Scenario, load_scenario

Run: TypeAlias = tuple[Scenario, BlockResult]


@pytest.fixture(scope="module", params=["stress", "deepseek", "commodity"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A scenario and a block of it, levels included."""
    scenario = (
        stress_scenario(tmp_path_factory.mktemp("stress"))
        if request.param == "stress"
        else load_scenario(request.param)
    )
    return scenario, block_simulation.run_block(
        scenario, 21, 0, block_simulation.Keep(levels=True), precision=np.float64
    )


def at(levels: NDArray[np.floating] | None, steps: Any) -> NDArray[np.floating]:
    """Levels (E, T+1, P) at steps (E, P)."""
    assert levels is not None
    return np.take_along_axis(levels, steps.astype(int)[:, np.newaxis], axis=1)[:, 0]


def test_causes_sum_to_the_log_fall(run: Run) -> None:
    _, block = run
    peak = at(block.levels, block.measures["peak_step"])
    trough = at(block.levels, block.measures["trough_step"])
    np.testing.assert_allclose(block.causes.sum(axis=1), np.log(trough / peak), rtol=0, atol=1e-12)
    lost: Any = block.measures["dollars_lost"]
    np.testing.assert_allclose(lost, peak - trough, rtol=0, atol=1e-12 * peak.max())
    assert block.measures["max_drawdown"].max() > 0.99, "the hard case, a firm that is wiped out"


SINGLE = 2e-5
"""What 32 bits may be off in a sum of causes: a hundred roundings of 1e-7, times logs of a few units."""


def test_causes_sum_to_the_log_fall_in_32_bits(run: Run) -> None:
    scenario, exact = run
    block = block_simulation.run_block(scenario, 21, 0, block_simulation.Keep(levels=True))
    assert block.causes.dtype == np.float32
    fall = np.log1p(-np.asarray(block.measures["max_drawdown"], np.float64))
    np.testing.assert_allclose(block.causes.sum(axis=1), fall, rtol=0, atol=SINGLE)
    # The same paths but for the few that come to a fork on the other side of a rounding.
    apart = np.abs(block.causes - exact.causes).max(axis=(0, 1))
    assert np.mean(apart > 10 * SINGLE) < 0.01


def test_a_replayed_path_is_the_path_of_its_block(run: Run) -> None:
    scenario = run[0]
    block = block_simulation.run_block(scenario, 21, 0, block_simulation.Keep(levels=True))
    assert block.levels is not None
    for path in (0, 1023):
        replayed = block_simulation.replay(scenario, 21, path)
        for row, entity in enumerate(scenario.universe.entities):
            level = replayed[f"level.{entity}"]
            np.testing.assert_array_equal(level, block.levels[row, :, path])
            peak, trough = (block.measures[f"{w}_step"][row, path] for w in ("peak", "trough"))
            fall = np.log(level[trough] / level[peak])
            assert block.causes[row, :, path].sum() == pytest.approx(fall, abs=SINGLE)


# By hand: two firms, one path, causes known at every step.

FALLS = {
    "revenue": np.array([[0.0, 0.1, -0.4], [0.0, 0.2, 0.1]]),
    "margin": np.array([[0.0, 0.0, -0.2], [0.0, 0.1, 0.1]]),
    "expectations": np.zeros((2, 3)),
    "firm": np.array([[0.0, 0.05, -0.1], [0.0, 0.0, -0.3]]),
}
"""Cause -> (firm, time)."""
FACTOR = np.array([0.0, 0.3, -0.5])
LOADINGS = np.array([2.0, 0.5])
GROWTH = np.array([0.0, 0.01, 0.02])
START = np.array([100.0, 300.0])
SHARES = np.array([[1.0, 0.5]])


def attributed(
    peak: int, trough: int, falls: dict[str, FloatArray] = FALLS
) -> tuple[FloatArray, FloatArray]:
    """Causes (entity, cause) and dollars (entity,) of the group and the two firms."""
    history = history_of(falls)
    known = {"growth": np.repeat(GROWTH[:, None], 2, axis=1)}
    factors = Factors(("sentiment",), LOADINGS[:, None], known)
    steps = [np.full((3, 1), step, np.int16) for step in (peak, trough)]
    found = attribute(history, factors, steps[0], steps[1], START, SHARES)
    rest = found.causes[:, CAUSES.index("revenue")] - found.channels.sum(axis=1)
    np.testing.assert_allclose(found.channels[:, 0], 3.0 * rest, rtol=0, atol=1e-14)
    return found.causes[:, :, 0], found.lost[:, 0]


def history_of(falls: dict[str, FloatArray], steps: int = 1) -> History:
    """The past of one path; chips make three quarters of every revenue surprise."""
    own = {name: np.ascontiguousarray(values.T[:, :, None]) for name, values in falls.items()}
    # Prices reach a quarter's last row only after the path's end.
    causes = {name: np.concatenate([own[name], own[name][-1:]]) for name in BOOKS}
    sold = np.ones((1, 2), np.bool_)
    books = QuarterlyFundamentals(causes, {"chips": 0.75 * causes["revenue"]}, sold, steps)
    return History(own["firm"], FACTOR[:, None, None].copy(), books)


def by_hand(
    peak: int, trough: int, falls: dict[str, FloatArray] = FALLS
) -> tuple[FloatArray, FloatArray, float]:
    """The same from the formula, firm by firm."""
    path = dict(falls)
    path["sentiment"] = LOADINGS[:, None] * FACTOR
    path["growth"] = GROWTH + np.zeros((2, 1))
    level = START[:, None] * np.exp(sum(path.values()))
    moved = np.array(
        [path[c][:, trough] - path[c][:, peak] if c in path else [0.0, 0.0] for c in CAUSES]
    )
    held = SHARES[0][:, None] * level
    total = held.sum(axis=0)

    def mean(a: float, b: float) -> float:
        return float((b - a) / np.log(b / a))

    weight = [mean(h[peak], h[trough]) / mean(total[peak], total[trough]) for h in held]
    causes = np.stack([moved @ weight, moved[:, 0], moved[:, 1]])
    dollars = np.array([total[peak] - total[trough], *(level[:, peak] - level[:, trough])])
    return causes, dollars, sum(weight)


def test_an_index_takes_its_members_causes_by_logarithmic_mean_weights() -> None:
    causes, dollars = attributed(1, 2)
    expected, lost, weights = by_hand(1, 2)
    np.testing.assert_allclose(causes, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(dollars, lost, rtol=1e-14)
    assert 0.9 < weights < 1.0, "they sum to at most 1"


def test_no_fall_has_no_causes() -> None:
    causes, dollars = attributed(0, 0)
    assert not causes.any()
    assert not dollars.any()


def test_a_fall_to_almost_nothing_keeps_its_digits() -> None:
    """ln(1 - depth) has few digits left when depth is 1 - 1e-12."""
    wiped = FALLS | {"firm": np.array([[0.0, 0.0, -26.0], [0.0, 0.0, -27.0]])}
    causes, _ = attributed(1, 2, wiped)
    expected, _, _ = by_hand(1, 2, wiped)
    np.testing.assert_allclose(causes, expected, rtol=0, atol=1e-12)


def test_books_are_known_in_proportion_between_quarters() -> None:
    """Revenue at quarters of two steps: halfway at step 1, all of the first quarter at step 2."""
    still = {name: np.zeros((2, 3)) for name in FALLS}
    history = history_of(still | {"revenue": FALLS["revenue"]}, steps=2)
    factors = Factors((), np.zeros((2, 0)), {})
    steps = [np.full((3, 1), step, np.int16) for step in (1, 2)]
    found = attribute(history, factors, steps[0], steps[1], START, SHARES)
    half = 0.5 * FALLS["revenue"][:, 1]
    np.testing.assert_allclose(found.causes[1:, 0, 0], half, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.channels[1:, 0, 0], 0.75 * half, rtol=0, atol=1e-15)
    other = attribute(history_of(FALLS), factors, steps[0], steps[1], START, SHARES)
    assert not np.allclose(found.causes[1:, 0, 0], other.causes[1:, 0, 0])
