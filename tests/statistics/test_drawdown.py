"""Drawdown: the definition, its corners, and closed forms of Brownian motion."""

import json

import numpy as np
import pandas as pd
import pytest
from closed_forms import OVERSHOOT, Q_DOWN, Q_UP, expected_drawdown, spitzer, tail, z_score
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from simulator.statistics.drawdown import max_drawdown, measure_drawdowns, worst_return

STEPS = ("peak_step", "trough_step", "recovery_step", "underwater_steps")


@pytest.mark.parametrize(
    ("levels", "depth", "steps"),
    [
        pytest.param([100, 50, 50.5, 51.005], 0.5, (0, 1, -1, 3), id="first-period loss"),
        pytest.param([1, 2, 1, 1.5], 0.5, (1, 2, -1, 2), id="never recovers"),
        pytest.param([2, 1, 2, 1, 2], 0.5, (0, 1, 2, 2), id="equal falls: the first"),
        pytest.param([4, 2, 2, 4], 0.5, (0, 1, 3, 3), id="equal lows: the first"),
        pytest.param([4, 4, 4, 2, 4], 0.5, (0, 3, 4, 2), id="plateau: the peak is where it began"),
        pytest.param([4, 3, 5, 4, 3.9, 5], 0.25, (0, 1, 2, 3), id="longest spell is another fall"),
        pytest.param([4, 3, 3.5, 3, 4, 2], 0.5, (0, 5, -1, 4), id="touching the peak ends a spell"),
        pytest.param([1, 3, 0, 0], 1.0, (1, 2, -1, 2), id="loss to zero"),
        pytest.param([1, 3, 0, 3], 1.0, (1, 2, 3, 2), id="back from zero"),
        pytest.param([7], 0.0, (0, 0, 0, 0), id="single point"),
        pytest.param([1, 2, 3], 0.0, (0, 0, 0, 0), id="monotone rise"),
        pytest.param([3, 3, 3], 0.0, (0, 0, 0, 0), id="constant"),
        pytest.param([1, 2, 1], 0.5, (1, 2, -1, 1), id="loss in the last period"),
    ],
)
def test_conformance(levels: list[float], depth: float, steps: tuple[int, ...]) -> None:
    table = measure_drawdowns(levels)
    assert float(table.max_drawdown) == depth == float(max_drawdown(levels))
    assert tuple(int(getattr(table, name)) for name in STEPS) == steps


def test_a_first_loss_that_other_libraries_miss() -> None:
    """Returns -50 %, +1 %, +1 % give 0 where the running maximum lacks the start.

    So it was in pyfolio (issue 179), quantstats (438) and skfolio.
    """
    wealth = np.cumprod([1, 0.5, 1.01, 1.01])
    assert float(max_drawdown(wealth)) == 0.5 == float(measure_drawdowns(wealth).max_drawdown)
    assert float(max_drawdown(wealth[1:])) == 0.0  # what they measure


def test_price_levels_are_not_returns() -> None:
    """quantstats takes large levels for returns and invents a fall; here the unit does not matter."""
    assert float(max_drawdown([5000.0, 4615.0, 5100.0])) == pytest.approx(0.077, abs=1e-12)


levels_strategy = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    # few values, so that ties are common; zero and extremes included
    elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, 1 / 3, 0.1, 1e-300, 1e300, 5e-324]),
).map(lambda levels: np.concatenate([np.full((1, levels.shape[1]), 2.0), levels]))


def brute_force(levels: list[float]) -> tuple[float, int, int, int, int]:
    """All pairs, told again from the definition."""
    n = len(levels)
    ratios = {(i, j): levels[j] / levels[i] for i in range(n) for j in range(i, n) if levels[i] > 0}
    lowest = min(ratios.values())
    longest = 0
    for i in range(n):  # spells: i at the running maximum, i + 1 below it
        if levels[i] == max(levels[: i + 1]):
            back = next((j for j in range(i + 1, n) if levels[j] >= levels[i]), n - 1)
            if back > i and any(levels[j] < levels[i] for j in range(i + 1, back + 1)):
                longest = max(longest, back - i)
    if lowest >= 1:
        return 0.0, 0, 0, 0, longest
    trough = min(j for (_, j), ratio in ratios.items() if ratio == lowest)
    peak = levels.index(max(levels[: trough + 1]))
    recovery = next((j for j in range(trough, n) if levels[j] >= levels[peak]), -1)
    return 1 - lowest, peak, trough, recovery, longest


@given(levels_strategy)
@example(np.array([[2.0], [1.0], [2.0], [2.0], [1.0]]))
def test_equals_all_pairs_to_the_last_bit(levels: np.ndarray) -> None:
    table = measure_drawdowns(levels)
    found = zip(*(getattr(table, name) for name in ("max_drawdown", *STEPS)), strict=True)
    for column, row in enumerate(found):
        assert tuple(value.item() for value in row) == brute_force(levels[:, column].tolist())


def test_equals_all_pairs_on_walks() -> None:
    levels = np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.1, (60, 3, 5)), axis=0))
    whole = measure_drawdowns(levels)
    for entity, path in np.ndindex(3, 5):
        row = tuple(getattr(whole, name)[entity, path].item() for name in ("max_drawdown", *STEPS))
        assert row == brute_force(levels[:, entity, path].tolist())


@given(levels_strategy, st.integers(-60, 60))
def test_unit_does_not_matter(levels: np.ndarray, power: int) -> None:
    levels = np.where((levels > 1e-200) & (levels < 1e200), levels, 1.0)
    for one, other in zip(
        measure_drawdowns(levels), measure_drawdowns(levels * 2.0**power), strict=True
    ):
        np.testing.assert_array_equal(one, other)  # a power of two scales without rounding


def test_axes_and_types() -> None:
    levels = np.random.default_rng(0).uniform(1, 2, (6, 3, 4))
    table = measure_drawdowns(levels)
    assert all(field.shape == (3, 4) for field in table)
    assert all(getattr(table, name).dtype == np.int16 for name in STEPS)
    np.testing.assert_array_equal(
        max_drawdown(np.moveaxis(levels, 0, 1), axis=1), table.max_drawdown
    )
    np.testing.assert_array_equal(
        measure_drawdowns(np.asfortranarray(levels)).trough_step, table.trough_step
    )


def test_steps_of_a_long_history_do_not_wrap() -> None:
    levels = np.full(40_000, 2.0)
    levels[39_000:] = 1.0
    table = measure_drawdowns(levels)
    assert (int(table.trough_step), int(table.underwater_steps)) == (39_000, 1_001 - 1)


@pytest.mark.parametrize(
    "levels",
    [
        [],
        1.0,
        np.empty((3, 0)),
        [0.0, 1.0],
        [-1.0, 1.0],
        [1.0, -0.1],
        [1.0, np.nan, 1.0],
        [np.nan, 1.0],
        [1.0, np.inf],
        [1.0, -np.inf],
        [np.inf, np.inf],
    ],
)
def test_refuses_what_is_no_level(levels: object) -> None:
    with pytest.raises(ValueError, match=r"level|drawdown"):
        max_drawdown(np.asarray(levels))


def test_one_bad_level_among_many_is_seen() -> None:
    for bad in (np.nan, -1e-9, np.inf):
        levels = np.ones((9, 300))
        levels[4, 217] = bad
        with pytest.raises(ValueError, match="finite and not negative"):
            measure_drawdowns(levels)


def test_worst_return() -> None:
    levels = np.array([[4.0, 1.0], [2.0, 2.0], [3.0, 3.0], [0.0, 6.0], [5.0, 5.0]])
    np.testing.assert_allclose(worst_return(levels, 1), [-1.0, -1 / 6])
    np.testing.assert_allclose(worst_return(levels, 2), [-0.25, 5 / 3 - 1])
    np.testing.assert_allclose(worst_return(levels, 4), [0.25, 4.0])
    for steps in (0, 5, -1):
        with pytest.raises(ValueError, match="steps"):
            worst_return(levels, steps)
    with pytest.raises(ValueError, match="finite"):
        worst_return([1.0, np.nan, 1.0], 1)


# --- closed forms of Brownian motion ---------------------------------------------------------
# Each is met by right code and missed by the classic bug planted beside it.

PATHS = 20_000


def walks(
    drift: float, volatility: float, years: float, n: int, seed: int, paths: int = PATHS
) -> np.ndarray:
    """Log levels (n + 1, paths), start included."""
    dt = years / n
    steps = np.random.default_rng(seed).normal(drift * dt, volatility * np.sqrt(dt), (n, paths))
    return np.concatenate([np.zeros((1, paths)), np.cumsum(steps, axis=0)])


def log_drawdown(log_levels: np.ndarray) -> np.ndarray:
    return -np.log1p(-max_drawdown(np.exp(log_levels), axis=0))


@pytest.mark.parametrize(
    ("x", "direction"),
    [(0.0, 0), *((x, 1) for x in Q_UP), *((x, -1) for x in Q_DOWN)],
)
def test_expected_maximum_drawdown(x: float, direction: int) -> None:
    n = 250
    drift, expected = expected_drawdown(x, direction)
    corrected = expected - 2 * OVERSHOOT / np.sqrt(n)  # both ends of the fall are missed
    log_levels = walks(drift, 1.0, 1.0, n, seed=11)
    assert abs(z_score(log_drawdown(log_levels), corrected)) <= 5
    assert abs(z_score(log_drawdown(log_levels), expected)) > 5  # it would see 0.05 of sigma
    planted = {
        "sqrt(dt) lost": log_levels / np.sqrt(n),
        "-sigma^2/2 lost": walks(drift + 0.5, 1.0, 1.0, n, seed=11),
    }
    for bug, wrong in planted.items():
        assert abs(z_score(log_drawdown(wrong), corrected)) > 5, bug


@pytest.mark.parametrize("h", [0.5, 0.75, 1.0, 1.5, 2.0, 3.0])
def test_tail_agrees_with_the_method_of_images(h: float) -> None:
    """By Levy's theorem the drawdown is reflected Brownian motion: its maximum has a second series."""
    from scipy.special import ndtr

    k = np.arange(-20, 21)
    stays = np.sum((-1.0) ** k * (ndtr((2 * k + 1) * h) - ndtr((2 * k - 1) * h)))
    assert tail(h) == pytest.approx(1 - stays, abs=1e-13)


@pytest.mark.parametrize("h", [0.75, 1.0, 1.5, 2.0, 2.5])
def test_tail_of_maximum_drawdown(h: float) -> None:
    n = 250
    log_levels = walks(0.0, 1.0, 1.0, n, seed=12)
    # A barrier watched at steps acts as one further off (Broadie, Glasserman, Kou 1997), here at both ends.
    p = tail(h + 2 * OVERSHOOT / np.sqrt(n))
    error = np.sqrt(p * (1 - p) / PATHS)
    assert abs(np.mean(log_drawdown(log_levels) > h) - p) <= 5 * error
    assert abs(np.mean(log_drawdown(log_levels / np.sqrt(n)) > h) - p) > 5 * error


def fall_from_high(log_levels: np.ndarray) -> np.ndarray:
    """Running maximum minus end, by appending a total loss: its depth is measured from the running maximum."""
    levels = np.exp(log_levels)
    end = levels[-1] * 1e-12  # deeper than any fall before it, and known
    depth = measure_drawdowns(np.concatenate([levels, end[None]]))
    high = log_levels[depth.peak_step, np.arange(log_levels.shape[1])]
    return np.asarray(high - log_levels[-1])


@pytest.mark.parametrize("drift", [-0.1, 0.0, 0.15])
def test_spitzers_identity(drift: float) -> None:
    volatility, years, n = 0.3, 5.0, 8  # few steps: the start is then often the maximum
    dt, drift_of_log = years / n, drift - volatility**2 / 2

    def simulated(drift: float, volatility: float) -> np.ndarray:
        return walks(drift, volatility, years, n, seed=13, paths=100_000)

    log_levels = simulated(drift_of_log, volatility)
    expected = spitzer(drift_of_log * dt, volatility * np.sqrt(dt), n)
    assert abs(z_score(fall_from_high(log_levels), expected)) <= 5
    planted = {
        "start missing from the running maximum": log_levels[1:],
        "sqrt(dt) lost": simulated(drift_of_log, volatility * np.sqrt(dt)),
        "-sigma^2/2 lost": simulated(drift, volatility),
    }
    for bug, wrong in planted.items():
        assert abs(z_score(fall_from_high(wrong), expected)) > 5, bug


def test_dates_out_of_order_are_refused() -> None:
    days = pd.date_range("2024-01-01", periods=4)
    rising = pd.Series([100.0, 50.0, 75.0, 60.0], index=days)
    assert max_drawdown(rising) == 0.5
    for measure in (max_drawdown, measure_drawdowns, lambda levels: worst_return(levels, 1)):
        with pytest.raises(ValueError, match="oldest first"):
            measure(rising[::-1])


def test_masked_levels_are_refused_and_an_empty_mask_is_not() -> None:
    levels = np.ma.masked_array([100.0, 1.0, 90.0], mask=[False, True, False])
    with pytest.raises(ValueError, match="masked"):
        max_drawdown(levels)
    assert max_drawdown(levels.compressed()) == pytest.approx(0.1)
    assert max_drawdown(np.ma.masked_array([100.0, 90.0])) == pytest.approx(0.1)


def test_what_is_no_level_is_named() -> None:
    with pytest.raises(ValueError, match="begin with NaN"):
        max_drawdown([np.nan, 100.0, 50.0])
    dated = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=2), "close": [2.0, 1.0]})
    with pytest.raises(ValueError, match="holds dates"):
        max_drawdown(dated, axis=0)


def test_one_series_gives_a_float_for_json_and_several_need_an_axis() -> None:
    assert json.dumps(max_drawdown([100.0, 50.0, 75.0])) == "0.5"
    rows = np.array([[100.0, 50.0, 75.0], [100.0, 90.0, 99.0]])
    with pytest.raises(ValueError, match="axis=0"):
        max_drawdown(rows)
    assert max_drawdown(rows, axis=1) == pytest.approx([0.5, 0.1])


def test_lowest_against_the_start_by_hand() -> None:
    rises_then_falls = [100.0, 200.0, 90.0, 80.0, 80.0, 120.0]
    never_below = [100.0, 150.0, 100.0, 110.0, 101.0, 130.0]
    found = measure_drawdowns(np.array([rises_then_falls, never_below]).T)
    np.testing.assert_allclose(found.loss_from_start, [0.2, 0.0], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(found.lowest_step, [3, 0])
    # From the peak the first of them lost 60 %: another number.
    assert found.max_drawdown[0] == pytest.approx(0.6)


@pytest.mark.parametrize("steps", [1, 7, 8, 9, 100])
def test_lowest_against_the_start_is_the_smallest_level(steps: int) -> None:
    rng = np.random.default_rng(steps)
    levels = np.exp(np.cumsum(rng.normal(0.0, 0.1, (steps + 1, 50)), axis=0))
    found = measure_drawdowns(levels)
    lowest = levels.argmin(axis=0)
    np.testing.assert_array_equal(found.lowest_step, lowest)
    expected = 1.0 - levels[lowest, np.arange(50)] / levels[0]
    np.testing.assert_allclose(found.loss_from_start, expected, rtol=0, atol=1e-15)
