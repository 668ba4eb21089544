"""The small grammar of thresholds."""

from __future__ import annotations

import pytest

from simulator.distributions import Refusal
from simulator.thresholds import PROBABILITY, parse_threshold

ENTITIES = ("sp500", "mag7", "BRK.B")


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
    with pytest.raises(Refusal) as caught:
        parse_threshold("x", text, ENTITIES)
    refusal = caught.value
    assert says in " ".join((refusal.message, refusal.expected, refusal.hint))
