"""The sentence of a run says what the interval supports, rounded the right way."""

from __future__ import annotations

import re
from typing import Any

import pytest

from simulator.runs.verdict import verdict
from simulator.statistics.formatting import format_interval, natural_frequency, one_in
from simulator.statistics.intervals import Estimate, probability

FALL: dict[str, Any] = {
    "name": "the S&P 500",
    "depth": 0.47649,
    "years": 5,
    "after": "after 2000",
    "closes": "weekly",
}


@pytest.mark.parametrize(
    ("hits", "n", "begins"),
    [
        (2_960, 10_000, "About 3 in 10 simulated futures (28.7 to 30.5 %) see the S&P 500 fall"),
        (2_700, 10_000, "About 27 in 100 simulated futures (26.1 to 27.9 %) see"),
        (1_000, 10_000, "About 1 in 10 simulated futures (9.4 to 10.6 %) sees"),
        (9_950, 10_000, "About 995 in 1,000 simulated futures (99.3 to 99.6 %) see"),
        (32, 10_000, "About 3 in 1,000 simulated futures (0.23 to 0.45 %) see"),
        (1, 10_000, "About 1 in 10,000 simulated futures (0.00 to 0.06 %) sees"),
        (0, 10_000, "None of 10,000 simulated futures (fewer than 1 in 2,700) sees"),
        (10_000, 10_000, "All 10,000 simulated futures (all but at most 1 in 2,700) see"),
        (1, 2, "About 5 in 10 simulated futures (1 to 99 %) see"),
        (0, 2, "None of 2 simulated futures (0 to 84 %) sees"),
        (0, 1, "In the one simulated future the S&P 500 falls less than 47.6 % from its peak"),
        (1, 1, "In the one simulated future the S&P 500 falls at least 47.6 % from its peak"),
    ],
)
def test_words(hits: int, n: int, begins: str) -> None:
    assert verdict(probability(hits, n), n, **FALL).startswith(begins)


def test_the_whole_sentence() -> None:
    assert verdict(probability(2_960, 10_000), 10_000, **FALL) == (
        "About 3 in 10 simulated futures (28.7 to 30.5 %) see the S&P 500 fall at least 47.6 % from its "
        "peak within 5 years, as it did after 2000 on weekly closes."
    )
    assert "within 1 year," in verdict(probability(5, 10), 10, **FALL | {"years": 1})


@pytest.mark.parametrize("n", [3, 40, 1_000, 10_000, 123_457])
def test_the_frequency_lies_in_the_interval_and_the_digits_hold_it(n: int) -> None:
    for share in (0.0001, 0.001, 0.0123, 0.05, 0.2, 1 / 3, 0.5, 0.77, 0.95, 0.999):
        hits = min(max(round(share * n), 1), n - 1)
        chance = probability(hits, n)
        top, base = (
            int(number.replace(",", "")) for number in natural_frequency(chance).split(" in ")
        )
        assert chance.low <= top / base <= chance.high
        text = format_interval(chance)
        value, low, high = map(float, re.findall(r"[\d.]+", text))
        step = 10.0 ** -len(text.split(" %")[0].partition(".")[2]) / 100
        for shown, end in ((low, chance.low), (high, chance.high), (value, chance.value)):
            assert shown / 100 == pytest.approx(end, abs=1.001 * step)
        assert step < 3 * (chance.high - chance.low), "digits show the width"


@pytest.mark.parametrize(("hits", "n"), [(2_960, 10_000), (32, 10_000), (1, 2), (7, 40)])
def test_the_verdict_prints_the_interval_of_the_tables(hits: int, n: int) -> None:
    chance = probability(hits, n)
    ends = format_interval(chance).split(" (")[1].removesuffix(")")
    assert f"({ends} %)" in verdict(chance, n, **FALL)


def test_a_frequency_needs_a_chance() -> None:
    for value in (0.0, 1.0):
        with pytest.raises(ValueError, match="no frequency"):
            natural_frequency(Estimate(value, 0.0, value, value))


def test_one_in_never_promises_too_much() -> None:
    for share in (1e-7, 3.7e-4, 0.012, 0.3, 0.97, 1.0):
        number = int(one_in(share).removeprefix("1 in ").replace(",", ""))
        assert 1 / number >= share - 1e-12
        assert 1 / number <= share * 2
    assert one_in(3.6882e-4) == "1 in 2,700"
