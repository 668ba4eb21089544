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

from simulator.engine import block_simulation
from simulator.engine.results import BlockResult
from simulator.engine.simulation import draw_assumptions
from simulator.engine.streams import BLOCK_PATHS, Arrivals, BlockShocks, ZeroShocks, generator
from simulator.model.market import jump_chances

TICKERS = ("AAA", "BBB", "CCC")
CHANCES = np.array([0.02, 0.0, 0.01])
SHORT = {"scenario.horizon_years": 0.5}


def same(one: BlockResult, other: BlockResult, paths: slice = slice(None)) -> bool:
    """Whether two results have the same bytes."""
    pairs: list[tuple[Any, Any]] = [(one.causes, other.causes[:, :, paths])]
    pairs += [(one.measures[name], other.measures[name][:, paths]) for name in one.measures]
    pairs += [(one.inputs[name], other.inputs[name][paths]) for name in one.inputs]
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


def words(name: str, count: int) -> np.ndarray:
    """The first words of a stream of seed 5, block 9."""
    seed = np.random.SeedSequence(5, spawn_key=(crc32(name.encode()), 9))
    return np.asarray(np.random.SFC64(seed).random_raw(count))


def polar(raw: np.ndarray) -> np.ndarray:
    """Pairs of steps from 1,024 words each, as docs/model.md has it, in 64 bits: (step, path)."""
    halves = np.stack([raw & 0xFFFFFFFF, raw >> 32], axis=-1).reshape(-1, 2, BLOCK_PATHS)
    radius = np.sqrt(-2.0 * np.log((halves[:, 0] + 0.5) / 2.0**32))
    angle = 2.0 * np.pi * halves[:, 1] / 2.0**32
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1, BLOCK_PATHS)


def test_addresses_as_documented() -> None:
    """Part of the result format: docs/model.md, section 8; normals to 32 bits."""
    shocks = BlockShocks(5, 9, TICKERS, CHANCES)
    drawn = shocks.steps(11)
    normal = polar(words("step:market", 6 * BLOCK_PATHS))
    np.testing.assert_allclose(drawn.market, normal[:11], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(shocks.steps(1).market, normal[11:12], rtol=1e-5, atol=1e-5)
    own = polar(words("firm:BBB", 5 * BLOCK_PATHS))
    for step in own:
        np.testing.assert_allclose(shocks.firms()[1], step, rtol=1e-5, atol=1e-5)
    drawn = BlockShocks(5, 9, TICKERS, CHANCES).steps(300)
    halves = words("step:hazard", 300 * BLOCK_PATHS // 2).view("<u4").reshape(300, BLOCK_PATHS)
    np.testing.assert_allclose(drawn.hazard, (halves + 0.5) / 2.0**32, rtol=1e-6)
    gap = np.log1p(-generator(5, "jump:CCC", 9).random(4_000)) / np.log1p(-CHANCES[2])
    cells = np.cumsum(np.maximum(np.ceil(gap), 1.0)) - 1
    due = cells < 300 * BLOCK_PATHS
    assert not due.all()
    mine = drawn.jumps.firm == 2
    found = drawn.jumps.step[mine] * BLOCK_PATHS + drawn.jumps.path[mine]
    np.testing.assert_array_equal(found, cells[due])
    uniform = generator(5, "jump size:CCC", 9).random(4_000)
    np.testing.assert_array_equal(drawn.jumps.uniform[mine], uniform[due])
    assert (np.diff(drawn.jumps.step) >= 0).all()
    assert set(drawn.jumps.firm) == {0, 2}
    chain = shocks.chain()
    np.testing.assert_allclose(
        chain.demand, polar(words("chain:demand", 1024))[0], rtol=1e-5, atol=1e-5
    )
    war = generator(5, "chain:price_war", 9).random(BLOCK_PATHS)
    np.testing.assert_allclose(chain.price_war, war, rtol=1e-6)


def test_steps_one_by_one_or_together() -> None:
    chances = np.array([0.02, 0.9, 1.0])
    one, many = (BlockShocks(5, 9, TICKERS, chances) for _ in range(2))
    whole = many.steps(300)
    for firm, chance in enumerate(chances):
        assert np.mean(
            whole.jumps.firm == firm
        ) * whole.jumps.firm.size / 300 / 1024 == pytest.approx(chance, rel=0.03)
    for k in range(300):
        step = one.steps(1)
        due = whole.jumps.step == k
        for f in fields(Arrivals):
            found, expected = getattr(step.jumps, f.name), getattr(whole.jumps, f.name)[due]
            np.testing.assert_array_equal(found, 0 if f.name == "step" else expected)
        for name in ("market", "volatility", "sector", "regime", "hazard", "market_jump"):
            np.testing.assert_array_equal(getattr(step, name)[0], getattr(whole, name)[k])


@pytest.mark.parametrize("chance", [1e-300, 1e-19, 1e-9])
def test_a_jump_that_never_comes(chance: float) -> None:
    jumps = BlockShocks(5, 9, ("AAA",), np.array([chance])).steps(200).jumps
    assert jumps.step.size <= 1


def test_single_precision_normals_are_normal_up_to_five_standard_deviations() -> None:
    """Counts beyond each size against the normal law, and the first moments."""
    shocks = BlockShocks(3, 0, tuple(f"T{i}" for i in range(64)), np.zeros(64), 4)
    drawn = np.stack([shocks.firms().astype(float) for _ in range(64)])  # 17 million
    n = drawn.size
    for moment, (mean, spread) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        assert abs((drawn**moment).mean() - mean) < 5 * math.sqrt(spread / n)
    for size in (0.001, 0.5, 1, 2, 3, 4, 4.5, 5):
        for side in (drawn > size, drawn < -size):
            due = n * float(ndtr(-size))
            assert abs(np.count_nonzero(side) - due) < 5 * math.sqrt(due)
    assert abs(np.corrcoef(drawn[0::2].ravel(), drawn[1::2].ravel())[0, 1]) < 5 / math.sqrt(n / 2)


def test_blocks_in_any_order_alone_or_together(tmp_path: Path) -> None:
    scenario = stress_scenario(tmp_path, SHORT)
    alone = {block: block_simulation.run_block(scenario, 8, block) for block in (2, 0, 1)}
    again = block_simulation.run_block(scenario, 8, 1)
    assert same(alone[1], again)
    assert not same(alone[1], alone[0])
    together = block_simulation.run_block(scenario, 8, 0, count=3)
    for block, result in alone.items():
        assert same(result, together, slice(block * BLOCK_PATHS, (block + 1) * BLOCK_PATHS))


def test_the_first_year_does_not_know_the_horizon(tmp_path: Path) -> None:
    short, long = (
        block_simulation.run_block(
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
    return [block_simulation.run_block(scenario, seed, 0) for seed in (0, 1, 0)]


def test_another_firm_moves_no_draw() -> None:
    few = BlockShocks(1, 0, TICKERS, CHANCES)
    many = BlockShocks(1, 0, ("NEW", *TICKERS), np.array([0.1, *CHANCES]))
    for _ in range(6):
        a, b = few.steps(2), many.steps(2)
        np.testing.assert_array_equal(few.firms(), many.firms()[1:])
        mine = b.jumps.firm > 0
        np.testing.assert_array_equal(a.jumps.firm, b.jumps.firm[mine] - 1)
        np.testing.assert_array_equal(a.jumps.path, b.jumps.path[mine])
        np.testing.assert_array_equal(a.jumps.uniform, b.jumps.uniform[mine])
        np.testing.assert_array_equal(a.market, b.market)
    np.testing.assert_array_equal(few.start().lab, many.start().lab[1:])


def test_another_assumption_moves_no_draw(tmp_path: Path) -> None:
    one = '[technology]\nelasticity = { dist = "uniform", low = 0.6, high = 1.4 }\n'
    # Certain to six digits: whatever moves more than that was drawn anew.
    more = one + '[sentiment]\nhazard_scale = { dist = "uniform", low = 0.2, high = 0.2000001 }\n'
    plain = "[sentiment]\nhazard_scale = 0.2\n"
    before = block_simulation.run_block(load(tmp_path, MINIMAL + "\n" + one + plain, SHORT), 3, 0)
    after = block_simulation.run_block(load(tmp_path, MINIMAL + "\n" + more, SHORT), 3, 0)
    key = "technology.elasticity"
    assert before.inputs[key].tobytes() == after.inputs[key].tobytes()
    np.testing.assert_allclose(after.sample_levels, before.sample_levels, rtol=1e-5)


def test_uniforms_never_reach_the_ends() -> None:
    shocks = BlockShocks(0, 0, TICKERS, CHANCES)
    start = shocks.start()
    for drawn in (*(getattr(start, f.name) for f in fields(start)), shocks.assumption("x")):
        assert drawn.min() > 0.0
        assert drawn.max() < 1.0
    still = ZeroShocks(2, 3)
    assert not still.firms().any()
    assert (still.chain().price_war == 0.5).all()


def test_correlated_assumptions_share_a_gaussian_copula(tmp_path: Path) -> None:
    scenario = stress_scenario(tmp_path)
    shocks = BlockShocks(
        2, 0, scenario.universe.tickers, jump_chances(scenario.universe, scenario.dt)
    )
    drawn = draw_assumptions(scenario, shocks)
    spread = scenario.uncertain()
    # Sorted keys: hazard, price decline, elasticity. Rows of the Cholesky root by hand.
    keys = ("sentiment.hazard_scale", "technology.annual_price_decline", "technology.elasticity")
    z = [ndtri(shocks.assumption(key)) for key in keys]
    mixed = (z[0], z[1], -0.3 * z[0] - 0.6 * z[1] + math.sqrt(1.0 - 0.09 - 0.36) * z[2])
    for key, score in zip(keys, mixed, strict=True):
        np.testing.assert_allclose(drawn[key], spread[key].ppf(ndtr(score)), rtol=1e-12)
    assert np.corrcoef(mixed[1], mixed[2])[0, 1] == pytest.approx(-0.6, abs=5 / math.sqrt(1024))
    alone = "firms.cost_adjustment_years"
    np.testing.assert_array_equal(drawn[alone], spread[alone].ppf(shocks.assumption(alone)))
