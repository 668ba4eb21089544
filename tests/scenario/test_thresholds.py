"""The small grammar of thresholds."""

from __future__ import annotations

import pytest

from simulator.scenario.thresholds import PROBABILITY, TimeGrid, parse_threshold
from simulator.schema.distributions import InvalidValue

ENTITIES = {"sp500": "S&P 500", "mag7": "Magnificent 7", "BRK.B": "Berkshire Hathaway"}


def test_thresholds_are_read() -> None:
    one = parse_threshold("x", "P(sp500.max_drawdown >= 0.49) < 0.10", ENTITIES)
    assert (one.statistic, one.entity, one.metric) == (PROBABILITY, "sp500", "max_drawdown")
    assert (one.comparison, one.level, one.relation, one.limit) == (">=", 0.49, "<", 0.1)
    one = parse_threshold("x", " worst_1_in_20( BRK.B.terminal_return )>=-5e-1 ", ENTITIES)
    assert (one.statistic, one.entity, one.metric) == ("worst_1_in_20", "BRK.B", "terminal_return")
    assert (one.comparison, one.level, one.relation, one.limit) == ("", None, ">=", -0.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("P(sp50.max_drawdown >= 0.49) < 0.10", "sp500"),
        ("P(sp500.max_drawdwn >= 0.49) < 0.10", "max_drawdown"),
        ("P(sp500.max_drawdown >= 0.49) < 10", "0 to 1"),
        ("P(sp500.max_drawdown) < 0.10", "probability of a number"),
        ("median(sp500.max_drawdown > 1) < 0.10", "P( ... )"),
        ("medan(sp500.max_drawdown) < 0.10", "median"),
        ("median(sp500.max_drawdown) == 0.10", "cannot be read"),
        ("median(sp500.max_drawdown) < 0.1 or 1", "cannot be read"),
        ("", "cannot be read"),
        ("median(max_drawdown) < nan", "cannot be read"),
    ],
)
def test_a_threshold_that_means_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_threshold("x", text, ENTITIES)
    refusal = caught.value
    assert says in " ".join((refusal.message, refusal.expected, refusal.hint))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("P(sp500.max_drawdown >= 49) < 0.10", "49 % is 0.49"),
        ("median(sp500.max_drawdown) < 30", "30 % is 0.3"),
        ("P(sp500.max_drawdown <= -0.49) < 0.10", "a fall is a positive share: 0.49"),
        ("P(sp500.max_drawdown <= -49%) < 0.10", "a fall is a positive share: 0.49"),
        ("P(sp500.max_drawdown >= 0.49) < 10", "10 % is 0.1"),
        ("P(sp500.max_drawdown >= 0.49) < 110%", "0 to 1"),
        ("P(sp500.max_drawdown >= 0.49) < -0.1", "0 to 1"),
        ("worst_1_in_20(sp500.return_1y) <= 0.25", ">= -0.25"),
        ("worst_1_in_20(sp500.return_1y) >= -25", "25 % is -0.25"),
        ("P(sp500.return_1y >= 5) < 0.1", "5 % is 0.05; 500 % is written 500%"),
        ("median(sp500.worst_week) >= 0.05", "a loss is negative: -0.05"),
        ("P(sp500.worst_month <= 5) < 0.1", "a loss is negative: 5 % is -0.05"),
        ("median(sp500.time_to_trough) < 4", "years, from 0 to 3, the horizon"),
        ("median(sp500.time_to_trough) < 10%", "years, from 0 to 3, the horizon"),
        ("median(sp500.time_to_trough) < -1", "years, from 0 to 3, the horizon"),
    ],
)
def test_a_value_that_the_quantity_cannot_be_is_refused_with_the_right_form(
    text: str, says: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_threshold("x", text, ENTITIES, TimeGrid(3.0, 52))
    refusal = caught.value
    assert says in " ".join((refusal.message, refusal.expected, refusal.hint))


@pytest.mark.parametrize(
    ("text", "level", "limit"),
    [
        ("P(sp500.max_drawdown >= 49%) < 10%", 0.49, 0.1),
        ("P(sp500.return_1y >= 500 %) < 1 %", 5.0, 0.01),
        ("worst_1_in_20(sp500.return_1y) >= -25%", None, -0.25),
    ],
)
def test_percent_is_a_hundredth(text: str, level: float | None, limit: float) -> None:
    found = parse_threshold("x", text, ENTITIES)
    assert (found.level, found.limit) == (level, limit)


@pytest.mark.parametrize(
    ("metric", "grid", "why"),
    [
        ("worst_week", TimeGrid(3.0, 12), "has no weeks"),
        ("worst_month", TimeGrid(3.0, 4), "has no months"),
        ("return_1y", TimeGrid(0.5, 52), "before the first year"),
    ],
)
def test_a_metric_that_the_run_does_not_have_is_refused(
    metric: str, grid: TimeGrid, why: str
) -> None:
    with pytest.raises(InvalidValue, match=why):
        parse_threshold("x", f"median(sp500.{metric}) >= -0.1", ENTITIES, grid)
    there = parse_threshold("x", f"median(sp500.{metric}) >= -0.1", ENTITIES, TimeGrid(1.0, 52))
    assert there.metric == metric
