"""The hindcast: verdicts, shares of variance with a known answer, every group, failures that stay."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
from cli_runs import CommandLine
from scipy.special import ndtri

from simulator.cli.hindcast import page
from simulator.engine import block_simulation
from simulator.engine.consensus import fundamental_clock
from simulator.engine.streams import BlockShocks
from simulator.errors import UsageError
from simulator.plots import render
from simulator.scenario.scenario import list_scenarios, load_scenario
from simulator.statistics import max_drawdown
from simulator.statistics.intervals import Estimate, jackknife, mean
from simulator.validation import hindcast as module
from simulator.validation.block_history import (
    BranchedShocks,
    assumption_share,
    simulate_block_history,
)
from simulator.validation.calm_targets import (
    INDEPENDENT_WINDOWS,
    OWN_FALLS,
    ROLLING,
    firm_falls,
    window_places,
)
from simulator.validation.figures import figures
from simulator.validation.hindcast import Hindcast, hindcast
from simulator.validation.parting import log_score, placebo
from simulator.validation.target_table import (
    Table,
    evaluate_target,
    place_of,
    share_above,
    target_text,
    write,
)

ROOT = Path(__file__).parents[2]
NOBODY: tuple[tuple[str, ...], np.ndarray] = ((), np.zeros(0, np.bool_))


def about(value: float, error: float = 0.01) -> Estimate:
    return Estimate(value, error, value - 2 * error, value + 2 * error)


# Verdicts


@pytest.mark.parametrize(
    ("found", "history", "verdict"),
    [
        (about(0.25), None, "met"),
        (about(0.20), None, "met"),
        (about(0.31), None, "too few paths"),
        (about(0.19), None, "too few paths"),
        (about(0.35), None, "missed"),
        (about(0.10), None, "missed"),
        (about(0.35), about(0.25, 0.05), "history cannot decide"),
        (about(0.45), about(0.25, 0.05), "missed"),
        (about(0.25), about(0.45), "met"),
    ],
)
def test_judge(found: Estimate, history: Estimate | None, verdict: str) -> None:
    assert evaluate_target(found, 0.2, 0.3, history) == verdict


def test_an_outcome_of_history_is_judged_by_its_place() -> None:
    table, futures = Table("toy"), np.linspace(0.0, 1.0, 2001)
    for real in (0.01, 0.5, 0.99):
        table.outcome("x", futures, real, "a test")
    assert [row.verdict for row in table.rows] == ["missed", "met", "missed"]
    assert place_of(0.25, futures).value == pytest.approx(0.25, abs=1e-3)
    assert table.rows[1].estimate == place_of(0.5, futures)


def test_numbers_are_written_with_their_unit_and_sign() -> None:
    assert write(0.25, "fall") == "\N{MINUS SIGN}25 %"
    assert write(-0.25, "share") == "\N{MINUS SIGN}25 %"
    assert write(0.001, "fall") == "0 %"
    assert target_text(about(23.8, 0.1), "months") == "23.8 months (23.6 to 24.0)"
    assert target_text(about(0.5, 0.01), "fall").endswith("(\N{MINUS SIGN}52 to \N{MINUS SIGN}48)")
    table = Table("toy")
    table.band("day", about(-0.013, 0.001), -0.025, -0.008, "a test", unit="share")
    table.band("open", about(0.5), 0.0, inf, "a test", unit="share")
    minus = "\N{MINUS SIGN}"
    assert [row.target for row in table.rows] == [f"{minus}2.5 % to {minus}0.8 %", "above 0 %"]


def test_windows_of_history_agree_with_the_rolling_ones() -> None:
    windows = INDEPENDENT_WINDOWS / 100
    assert share_above(windows, 0.5).value == 2 / 19
    for quantiles in ROLLING.values():
        assert list(quantiles) == sorted(quantiles)
        assert abs(np.median(windows) - quantiles[2]) < 0.03


def test_firms_fall_in_calm_as_they_did_and_the_ai_basket_as_it_should() -> None:
    calm = load_scenario("calm")
    found = block_simulation.run_block(
        calm, calm.seed, 0, block_simulation.Keep(levels=True), count=2
    )
    falls = dict(zip(calm.universe.entities, found.measures["max_drawdown"], strict=True))
    for ticker, own in OWN_FALLS.items():
        assert float(np.median(falls[ticker])) == pytest.approx(own, abs=0.08), ticker
    assert found.levels is not None
    basket = found.levels[calm.universe.entities.index("ai_basket"), :105]
    assert 0.05 <= np.mean(max_drawdown(basket, axis=0) >= 0.4) <= 0.12


def test_falls_of_firms_hold_their_own_windows() -> None:
    for ticker, one in firm_falls().items():
        assert ticker in load_scenario("calm").universe.tickers
        assert min(one["windows"]) <= one["median"] <= max(one["windows"])
        years = (one["last"] - one["first"]).days / 365.25
        assert len(one["windows"]) == int((years * 365.25 / 7 - 1) // 260)


# Stories against each other


def test_log_score_of_two_normals_is_the_difference_of_their_log_densities() -> None:
    generator = np.random.default_rng(3)
    near, far = generator.normal(0.0, 1.0, 40_000), generator.normal(1.0, 1.0, 40_000)
    # ln phi(0) - ln phi(-1) = 1/2; a kernel widens both a little.
    assert log_score(near, far, 0.0) == pytest.approx(0.5, abs=0.03)
    assert log_score(near, near, 0.3) == 0.0


def test_placebo_has_what_was_priced_in_and_nothing_else() -> None:
    story = load_scenario("dotcom")
    other = placebo(story)
    assert other.technology == story.consensus
    assert not other.events
    assert (other.market, other.sentiment, other.universe) == (
        story.market,
        story.sentiment,
        story.universe,
    )
    assert not [key for key in other.uncertain() if key.startswith(("technology", "firms"))]
    still = block_simulation.run_block(other, 0, 0, noise=False)
    assert float(np.max(still.measures["max_drawdown"])) < 1e-12


# Two kinds of uncertainty


@pytest.mark.parametrize(("world", "noise"), [(1.0, 2.0), (2.0, 1.0), (0.0, 1.0)])
def test_share_of_assumptions_on_a_gaussian_toy(world: float, noise: float) -> None:
    """Of ``world * A + noise * Z`` they make ``world^2 / (world^2 + noise^2)``."""

    def result(noise_seed: int) -> np.ndarray:
        blocks = []
        for block in range(8):
            shocks = BranchedShocks(3, noise_seed, block, *NOBODY)
            chance = shocks.steps(1).market[0].copy()
            blocks.append(world * ndtri(shocks.assumption("x")) + noise * chance)
        return np.concatenate(blocks)

    found = assumption_share(result(4), result(5))
    truth = world**2 / (world**2 + noise**2)
    assert abs(found.value - truth) < 4 * found.mc_error
    assert 0 < found.mc_error < 0.03
    same = assumption_share(result(4), result(4))
    assert same.value == pytest.approx(1.0), "the same noise twice is no replicate"


def test_branched_shocks_keep_assumptions_and_change_all_else() -> None:
    tickers, chances = ("AAA", "BBB"), np.array([0.1, 0.0])
    own = BlockShocks(3, 1, tickers, chances)
    same, other = (BranchedShocks(3, seed, 1, tickers, chances) for seed in (3, 4))
    for shocks in (same, other):
        assert shocks.assumption("x").tobytes() == own.assumption("x").tobytes()
    wanted, twin, apart = own.steps(2), same.steps(2), other.steps(2)
    assert wanted.jumps.path.tobytes() == twin.jumps.path.tobytes() != apart.jumps.path.tobytes()
    for name in ("market", "hazard"):
        np.testing.assert_array_equal(getattr(wanted, name), getattr(twin, name))
        assert np.mean(getattr(wanted, name) == getattr(apart, name)) < 0.01
    assert own.firms().tobytes() == same.firms().tobytes() != other.firms().tobytes()
    assert not np.any(own.start().opening == other.start().opening)
    assert not np.any(own.chain().price == other.chain().price)


def test_what_is_observed_is_what_is_run() -> None:
    scenario = load_scenario("deepseek", {"scenario.horizon_years": 0.5})
    seen = simulate_block_history(scenario, 1)
    block = block_simulation.run_block(
        scenario, scenario.seed, 1, block_simulation.Keep(levels=True)
    )
    assert block.levels is not None
    np.testing.assert_allclose(np.moveaxis(seen.levels, 1, 0), block.levels, rtol=1e-6)
    path = block_simulation.replay(scenario, scenario.seed, 1024)
    clock = fundamental_clock(scenario)
    for name in ("capex", "demand"):
        np.testing.assert_array_equal(
            getattr(seen, name)[:, 0], path[f"technology.{name}"][::clock]
        )
    sold = sum(
        path[f"firms.revenue.{t}"][::clock] * revenue * share
        for t, revenue, share in zip(
            scenario.universe.tickers,
            scenario.universe.column("revenue"),
            scenario.universe.membership[scenario.universe.groups.index("picks_and_shovels")],
            strict=True,
        )
    )
    np.testing.assert_allclose(seen.sales("picks_and_shovels")[:, 0], sold, rtol=1e-12)


def test_jackknife_knows_the_error_of_a_mean_and_of_a_width() -> None:
    draws = np.random.default_rng(1).normal(size=(400, 2048))
    one = jackknife(lambda x: float(x.mean()), draws[0], groups=2048)
    assert one.mc_error == pytest.approx(mean(draws[0]).mc_error, rel=1e-9)

    def width(x: np.ndarray) -> float:
        return float(np.subtract(*np.quantile(x, (0.75, 0.25))))

    found = [jackknife(width, row) for row in draws]
    held = np.mean([one.low <= 1.3489795 <= one.high for one in found])
    assert 0.91 <= held <= 0.98
    assert jackknife(width, draws[0, :1]).mc_error == inf


# The table


@pytest.fixture(scope="module")
def small() -> Hindcast:
    return hindcast(200)


def test_every_group_is_judged(small: Hindcast) -> None:
    expected = ["identities", "calm market", "firms in calm", "deepseek day", "default ai"]
    expected += ["directions", "elasticity", "assumptions' share", "stories held apart"]
    if "dotcom" in list_scenarios():
        expected += ["dot-com, inputs", "dot-com doubts", "dot-com against its placebo"]
    for name in expected:
        assert any(group.lower().startswith(name) for group in small.groups), name
    assert sum(small.count().values()) == len(small.rows) > 60
    for row in small.rows:
        assert row.source
        assert row.result
        assert (row.verdict == "shown") == (row.kind == "shown")
        if row.estimate is not None:
            assert np.isfinite(row.estimate.value), row.what


def test_what_is_exact_is_met(small: Hindcast) -> None:
    assert {row.verdict for row in small.of("identities")} <= {"met", "too few paths"}
    assert [row.verdict for row in small.of("identities")[:4]] == ["met"] * 4


def test_fitted_rows_say_so(small: Hindcast) -> None:
    fitted = {row.group for row in small.rows if row.kind == "fitted"}
    assert {"DeepSeek day, first step"} < fitted


def test_too_few_paths_are_refused() -> None:
    with pytest.raises(UsageError, match="100 paths"):
        hindcast(99)


def test_ranks_of_history_are_ranks(small: Hindcast) -> None:
    ranks = window_places(small.runs["calm"])
    assert np.all((ranks >= 0) & (ranks <= 1) & (np.diff(ranks, prepend=0) >= 0))


def test_figures_are_drawn(small: Hindcast) -> None:
    drawn = figures(small)
    assert "calm-falls" in drawn
    assert ("places" in drawn) == ("dotcom" in list_scenarios())
    for drawing in drawn.values():
        assert render(drawing, "png", dpi=40).startswith(b"\x89PNG")


# The command and the page


def failing(small: Hindcast) -> Hindcast:
    table = Table("a group")
    table.band("a row that fails", about(0.9), 0.0, 0.1, "a test", unit="share")
    table.band("an open row", Estimate(0.2, inf, -inf, inf), 0.0, inf, "a test")
    return Hindcast((*small.rows, *table.rows), small.paths, small.runs)


def test_failures_stay_and_the_exit_code_is_0(
    crashsim: CommandLine, small: Hindcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "hindcast", lambda *_: failing(small))
    code, out, err = crashsim("hindcast", "--paths", 200)
    assert code == 0
    assert "MISSED        a row that fails" in out
    assert "next:" in err
    assert max(map(len, out.split("\n"))) <= 100
    code, out, _ = crashsim("hindcast", "--json")
    document: dict[str, Any] = json.loads(out)
    assert code == 0
    assert len(document["rows"]) == len(small.rows) + 2
    assert document["rows"][-2]["verdict"] == "missed"
    assert document["rows"][-1]["estimate"]["high"] is None
    assert document["verdicts"]["missed"] >= 1
    assert crashsim("hindcast", "--paths", 99)[0] == 2


def test_page_tells_every_row_and_failures_first(small: Hindcast) -> None:
    script = run_path(str(ROOT / "scripts" / "make_validation.py"))
    found = failing(small)
    text = script["page"](found, ["places"], script["NOTES"].read_text(encoding="utf-8"))
    for row in found.rows:
        assert row.what in text
        assert row.what in page(found, 400)
    first = text.split("\n## ")[1]
    assert first.startswith("Where the model disagrees")
    assert "a row that fails" in first
    for part in (
        "Parameters changed after seeing the outcome",
        "Fitted",
        "What the values rest on",
    ):
        assert part in text


def test_the_shipped_page_is_of_this_table(small: Hindcast) -> None:
    text = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    for group in small.groups:
        assert f"## {group[0].upper()}{group[1:]}\n" in text, "run: make validation"
    for name in figures(small):
        assert (ROOT / "docs" / "images" / f"validation-{name}.png").is_file()
        assert f"images/validation-{name}.png" in text
