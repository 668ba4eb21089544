"""The law of run-ups against the figures of the evidence, and against reckoning by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.model.concentration import (
    Concentration,
    GainYear,
    net_run_up,
    premium,
    weight_today,
)
from simulator.model.sentiment import Sentiment, run_up_hazard, surprise_response

LAW = Sentiment(hazard_level=0.037, hazard_slope=1.54, hazard_cap=0.6, hazard_scale=1.0)
YEAR_2023 = GainYear(mag7_share_of_gains=0.62, index_gain=0.263, weight_at_start=0.20)


def concentration(share: float) -> Concentration:
    return Concentration(mag7_share_of_gains=share, earlier_years=(YEAR_2023,))


def test_the_run_up_compounds_the_groups_gains_over_the_indexs() -> None:
    # 2024: .531 x .25 / .28 = 47.4 %; 2023: .62 x .263 / .20 = 81.5 %; index 1.25 x 1.263.
    by_hand = (1 + 0.531 * 0.25 / 0.28) * (1 + 0.62 * 0.263 / 0.20) - 1.25 * 1.263
    assert float(net_run_up(concentration(0.531))) == pytest.approx(by_hand, rel=1e-12)


def test_a_group_that_lags_the_index_has_no_run_up() -> None:
    slow = Concentration(mag7_share_of_gains=0.0)
    assert float(net_run_up(slow)) == 0.0
    assert float(run_up_hazard(LAW, net_run_up(slow))) == 0.0


@pytest.mark.parametrize(
    ("share", "hazard"), [(0.2, 0.05), (0.4, 0.11), (0.531, 0.16), (0.8, 0.35), (1.0, 0.60)]
)
def test_the_hazard_rises_with_the_share_of_gains_as_the_evidence_says(
    share: float, hazard: float
) -> None:
    """The law estimated on 49 industries, with 2023 as it was; the figures have two digits."""
    law = float(run_up_hazard(LAW, net_run_up(concentration(share))))
    assert law == pytest.approx(hazard, abs=0.025)


def test_the_hazard_is_capped_and_scaled() -> None:
    steep = LAW.model_copy(update={"hazard_slope": 5.0, "hazard_scale": 0.5})
    assert float(run_up_hazard(steep, np.array(3.0))) == pytest.approx(0.3)


def test_the_answer_to_a_surprise_averages_one_over_surprises_of_its_own_spread() -> None:
    params = Sentiment(hazard_disappointment=1.2, average_surprise=-0.05, surprise_sd=0.25)
    surprises = np.random.default_rng(1).normal(-0.05, 0.25, 400_000)
    answers = surprise_response(params, surprises)
    error = answers.std() / math.sqrt(answers.size)
    assert abs(answers.mean() - 1.0) < 5 * error + 1e-3  # the clip at 1 is four spreads away
    assert (np.diff(surprise_response(params, np.linspace(-0.9, 0.9, 9))) < 0).all()


def test_surprises_beyond_one_count_as_one() -> None:
    params = Sentiment(hazard_disappointment=1.2)
    far, one = surprise_response(params, np.array([-3.0, -1.0]))
    assert far == one


def test_the_premium_is_what_earnings_did_not_explain_up_to_the_multiples_room() -> None:
    by_hand = math.log((1 + 0.531 * 0.25 / 0.28) / 1.365)
    alone = Concentration(mag7_share_of_gains=0.531, index_gain=0.25, weight_at_start=0.28)
    assert float(premium(alone)) == pytest.approx(by_hand, rel=1e-12)
    capped = Concentration(mag7_share_of_gains=2.0, index_gain=2.0, forward_pe=32, trough_pe=16)
    assert float(premium(capped)) == pytest.approx(math.log(2.0), rel=1e-12)


def test_the_weight_after_a_year_of_gains() -> None:
    # .28 of an index of 1 gains .531 of .25: .41275 of 1.25.
    year = GainYear(mag7_share_of_gains=0.531, index_gain=0.25, weight_at_start=0.28)
    assert float(weight_today(year)) == pytest.approx((0.28 + 0.13275) / 1.25, rel=1e-12)
