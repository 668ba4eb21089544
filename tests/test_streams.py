"""Random numbers have addresses, and nothing but the address decides them."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from scenario_texts import MINIMAL, load
from scipy.special import ndtr, ndtri
from told_paths import stress_scenario

from simulator import engine
from simulator.results import BlockResult
from simulator.simulation import draw_assumptions
from simulator.streams import BLOCK_PATHS, BlockShocks, NoShocks, generator

TICKERS = ("AAA", "BBB", "CCC")
JUMPING = np.array([True, False, True])
SHORT = {"scenario.horizon_years": 0.5}


def same(one: BlockResult, other: BlockResult, paths: slice = slice(None)) -> bool:
    """Whether two results have the same bytes."""
    pairs: list[tuple[Any, Any]] = [(one.causes, other.causes[:, :, paths])]
    pairs += [(one.measures[name], other.measures[name][:, paths]) for name in one.measures]
    pairs += [(one.inputs[name], other.inputs[name][paths]) for name in one.inputs]
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_addresses_as_documented() -> None:
    """Part of the result format: docs/model.md, section 8."""
    seed = np.random.SeedSequence(5, spawn_key=(crc32(b"step:market"), 9))
    expected = np.random.Generator(np.random.SFC64(seed)).standard_normal(4)
    np.testing.assert_array_equal(generator(5, "step:market", 9).standard_normal(4), expected)
    shocks = BlockShocks(5, 9, TICKERS, JUMPING)
    for k in range(9):
        step = shocks.step()
        if k in (0, 8):
            draws = generator(5, "step:market", 9).standard_normal((k + 1, BLOCK_PATHS))
            np.testing.assert_array_equal(step.market, draws[k])
    words = generator(5, "jump:CCC", 9).bit_generator.random_raw((3, BLOCK_PATHS))
    np.testing.assert_array_equal(step.firm_jump[1], words[2] & 0xFFFF)
    np.testing.assert_array_equal(shocks.step().firm_jump[1], words[2] >> 16 & 0xFFFF)
    war = generator(5, "chain:price_war", 9).random(BLOCK_PATHS)
    np.testing.assert_array_equal(shocks.chain().price_war, war)


def test_blocks_in_any_order_alone_or_together(tmp_path: Path) -> None:
    scenario = stress_scenario(tmp_path, SHORT)
    alone = {block: engine.run_block(scenario, 8, block) for block in (2, 0, 1)}
    again = engine.run_block(scenario, 8, 1)
    assert same(alone[1], again)
    assert not same(alone[1], alone[0])
    together = engine.run_block(scenario, 8, 0, count=3)
    for block, result in alone.items():
        assert same(result, together, slice(block * BLOCK_PATHS, (block + 1) * BLOCK_PATHS))


def test_the_first_year_does_not_know_the_horizon(tmp_path: Path) -> None:
    short, long = (
        engine.run_block(
            stress_scenario(tmp_path, {"scenario.horizon_years": y}), 8, 0
        ).sample_levels
        for y in (0.5, 1.0)
    )
    assert short.tobytes() == np.ascontiguousarray(long[:, : short.shape[1]]).tobytes()


def test_seed_0_is_a_seed(plain_results: list[BlockResult]) -> None:
    zero, one, zero_again = plain_results
    assert same(zero, zero_again)
    assert not same(zero, one)


@pytest.fixture
def plain_results(tmp_path: Path) -> list[BlockResult]:
    scenario = load(tmp_path, MINIMAL, SHORT)
    return [engine.run_block(scenario, seed, 0) for seed in (0, 1, 0)]


def test_another_firm_moves_no_draw() -> None:
    few = BlockShocks(1, 0, TICKERS, JUMPING)
    many = BlockShocks(1, 0, ("NEW", *TICKERS), np.array([True, *JUMPING]))
    for _ in range(6):
        a, b = few.step(), many.step()
        np.testing.assert_array_equal(a.firm, b.firm[1:])
        np.testing.assert_array_equal(a.firm_jump, b.firm_jump[1:])
        np.testing.assert_array_equal(a.market, b.market)
    np.testing.assert_array_equal(few.start().lab, many.start().lab[1:])


def test_another_assumption_moves_no_draw(tmp_path: Path) -> None:
    one = '[technology]\nelasticity = { dist = "uniform", low = 0.6, high = 1.4 }\n'
    # Certain to six digits: whatever moves more than that was drawn anew.
    more = one + '[sentiment]\nbase_hazard = { dist = "uniform", low = 0.2, high = 0.2000001 }\n'
    plain = "[sentiment]\nbase_hazard = 0.2\n"
    before = engine.run_block(load(tmp_path, MINIMAL + "\n" + one + plain, SHORT), 3, 0)
    after = engine.run_block(load(tmp_path, MINIMAL + "\n" + more, SHORT), 3, 0)
    key = "technology.elasticity"
    assert before.inputs[key].tobytes() == after.inputs[key].tobytes()
    np.testing.assert_allclose(after.sample_levels, before.sample_levels, rtol=1e-5)


def test_uniforms_never_reach_the_ends() -> None:
    shocks = BlockShocks(0, 0, TICKERS, JUMPING)
    start = shocks.start()
    for drawn in (*(getattr(start, f.name) for f in fields(start)), shocks.assumption("x")):
        assert drawn.min() > 0.0
        assert drawn.max() < 1.0
    still = NoShocks(2, 3)
    assert not still.step().firm.any()
    assert (still.chain().price_war == 0.5).all()


def test_correlated_assumptions_share_a_gaussian_copula(tmp_path: Path) -> None:
    scenario = stress_scenario(tmp_path)
    shocks = BlockShocks(2, 0, scenario.universe.tickers, scenario.universe.column("jump_rate") > 0)
    drawn = draw_assumptions(scenario, shocks)
    spread = scenario.uncertain()
    # Sorted keys: hazard, price decline, elasticity. Rows of the Cholesky root by hand.
    keys = ("sentiment.base_hazard", "technology.annual_price_decline", "technology.elasticity")
    z = [ndtri(shocks.assumption(key)) for key in keys]
    mixed = (z[0], z[1], -0.3 * z[0] - 0.6 * z[1] + math.sqrt(1.0 - 0.09 - 0.36) * z[2])
    for key, score in zip(keys, mixed, strict=True):
        np.testing.assert_allclose(drawn[key], spread[key].ppf(ndtr(score)), rtol=1e-12)
    assert np.corrcoef(mixed[1], mixed[2])[0, 1] == pytest.approx(-0.6, abs=5 / math.sqrt(1024))
    alone = "firms.cost_adjustment_years"
    np.testing.assert_array_equal(drawn[alone], spread[alone].ppf(shocks.assumption(alone)))
