"""The split of a change among the assumptions: known answers, exact sums, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from cli_runs import CommandLine

from simulator.comparison.change_attribution import MOST, changed_together, explain
from simulator.comparison.comparison import Comparison
from simulator.engine.executors import get_executor
from simulator.errors import RunError, UsageError
from simulator.runs.run import Run
from simulator.runs.runner import simulate
from simulator.scenario.scenario import load_scenario
from simulator.statistics.shapley import prefixes, sampled_orders, shapley, shares_of_order


def game(k: int, worth: dict[frozenset[int], float]) -> np.ndarray:
    """Values by bit mask: the sum of what the subsets of a company are worth."""
    companies = [frozenset(i for i in range(k) if mask >> i & 1) for mask in range(1 << k)]
    return np.array([sum(w for s, w in worth.items() if s <= company) for company in companies])


def test_what_adds_up_is_given_to_who_added_it() -> None:
    values = game(3, {frozenset([0]): 2.0, frozenset([1]): -5.0})
    np.testing.assert_allclose(shapley(values), [2.0, -5.0, 0.0], atol=1e-14)


def test_what_takes_two_is_shared_by_both() -> None:
    values = game(3, {frozenset([0, 2]): 6.0, frozenset([0, 1, 2]): 3.0})
    np.testing.assert_allclose(shapley(values), [4.0, 1.0, 4.0], atol=1e-14)


def test_the_glove_game() -> None:
    """One left glove, two right ones; a pair is worth 1. Shapley's shares are 2/3, 1/6, 1/6."""
    values = np.array([float(mask & 1 and mask & 6 != 0) for mask in range(8)])
    np.testing.assert_allclose(shapley(values), [2 / 3, 1 / 6, 1 / 6], atol=1e-14)


@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_the_split_is_the_mean_over_all_orders(k: int) -> None:
    values = np.random.default_rng(k).standard_normal((1 << k, 3))
    by_mask = dict(enumerate(values))
    orders = [shares_of_order(by_mask, order) for order in permutations(range(k))]
    np.testing.assert_allclose(shapley(values), np.mean(orders, axis=0), atol=1e-12)
    np.testing.assert_allclose(shapley(values).sum(axis=0), values[-1] - values[0], atol=1e-12)


def test_naive_splits_fail_where_changes_work_together() -> None:
    """The control: each change alone, or each as the last, does not add up or plays favourites."""
    values = game(3, {frozenset([0]): 1.0, frozenset([0, 1]): 4.0, frozenset([1, 2]): 2.0})
    total = values[-1] - values[0]
    alone = np.array([values[1 << i] - values[0] for i in range(3)])
    last = np.array([values[7] - values[7 ^ 1 << i] for i in range(3)])
    assert abs(alone.sum() - total) > 1
    assert abs(last.sum() - total) > 1
    assert shapley(values).sum() == pytest.approx(total)
    even = game(2, {frozenset([0, 1]): 1.0})
    one_order = shares_of_order(dict(enumerate(even)), (0, 1))
    assert one_order[0] != one_order[1]
    assert shapley(even)[0] == shapley(even)[1]


def test_sampled_orders_add_up_exactly_and_come_near() -> None:
    k = 10
    random = np.random.default_rng(3)
    pairs = {
        frozenset(map(int, random.choice(k, 2, replace=False))): float(w) for w in random.random(30)
    }
    values = game(k, pairs | {frozenset([i]): float(i) for i in range(k)})
    by_mask = dict(enumerate(values))
    orders = sampled_orders(k, 8, seed=1)
    assert len(orders) == 16
    assert all(sorted(order) == list(range(k)) for order in orders)
    assert orders[1] == orders[0][::-1]
    assert orders == sampled_orders(k, 8, seed=1)
    shares = np.mean([shares_of_order(by_mask, order) for order in orders], axis=0)
    assert shares.sum() == pytest.approx(values[-1] - values[0], rel=1e-12)
    # An order and its reverse split what takes two exactly in half.
    np.testing.assert_allclose(shares, shapley(values), atol=1e-9)
    assert list(prefixes((2, 0, 1))) == [0, 4, 5, 7]


# ---------------------------------------------------------------- of runs


@pytest.fixture(scope="module")
def two(story: Path) -> tuple[Run, Run]:
    """The tiny scenario, and with three keys changed."""
    changed = {
        "sentiment.hazard_scale": 6.0,
        "technology.elasticity": 0.7,
        "sentiment.contagion": 0.9,
    }
    base, other = load_scenario(story), load_scenario(story, changed)
    return simulate(base, paths=96), simulate(other, paths=96)


def compared(first: Run, second: Run) -> Comparison:
    return Comparison((first, second), ("one", "two"), ("sp500", "NVDA"))


def test_shares_add_up_to_the_change_of_every_statistic(two: tuple[Run, Run]) -> None:
    found = explain(compared(*two))
    assert [change.name for change in found.changes] == [
        "technology.elasticity",
        "sentiment.hazard_scale",
        "sentiment.contagion",
    ]
    assert (found.mixtures, found.orders, found.paths) == (8, 0, 96)
    assert len(found.shares) == 2 * len(two[0].estimates()["sp500"])
    for name, shares in found.shares.items():
        total = found.totals[name]
        scale = max(1.0, abs(total.value))
        assert sum(one.value for one in shares) == pytest.approx(total.value, abs=1e-12 * scale)
        assert all(one.low <= one.value <= one.high for one in shares)
    assert any(one.value != 0 for one in found.shares["sp500", "mean"])


def test_one_change_gets_all_of_it(story: Path, two: tuple[Run, Run]) -> None:
    other = simulate(load_scenario(story, {"sentiment.hazard_scale": 6.0}), paths=96)
    found = explain(compared(two[0], other))
    assert [change.name for change in found.changes] == ["sentiment.hazard_scale"]
    for name, (share,) in found.shares.items():
        assert share.value == pytest.approx(found.totals[name].value, rel=1e-12, abs=1e-15)


def test_the_split_is_the_same_in_any_executor_and_turns_with_the_runs(
    two: tuple[Run, Run],
) -> None:
    here = explain(compared(*two))
    told: list[tuple[int, int]] = []
    there = explain(
        compared(*two), executor=get_executor(2), progress=lambda *done: told.append(done)
    )
    assert here == there
    assert told[-1] == (8 * 96, 8 * 96)
    back = explain(compared(two[1], two[0]))
    names = [change.name for change in here.changes]
    turned = [[change.name for change in back.changes].index(name) for name in names]
    for name, shares in here.shares.items():
        for at, share in zip(turned, shares, strict=True):
            scale = max(1.0, abs(share.value))
            assert back.shares[name][at].value == pytest.approx(-share.value, abs=1e-9 * scale)


def test_tables_count_as_one_change_where_there_are_many(two: tuple[Run, Run]) -> None:
    found = explain(compared(*two), by="table")
    assert [change.name for change in found.changes] == ["technology", "sentiment"]
    a, b = load_scenario("deepseek"), load_scenario("commodity")
    assert len(changed_together(a, b, "key")) > MOST
    names = [change.name for change in changed_together(a, b)]
    assert len(names) <= MOST
    assert "technology" in names
    assert "events" in names
    every = changed_together(a, b, "key")
    assert sum(len(change.keys) for change in every) == len(every)


def test_another_universe_is_one_change_with_its_date_and_its_events() -> None:
    changes = changed_together(load_scenario("dotcom"), load_scenario("deepseek"), "key")
    (universe,) = (change for change in changes if change.name == "scenario.universe")
    assert universe.keys == {"scenario.universe", "scenario.as_of", "events"}
    same = changed_together(load_scenario("dotcom"), load_scenario("glut"), "key")
    (universe,) = (change for change in same if change.name == "scenario.universe")
    assert universe.keys == {"scenario.universe", "scenario.as_of"}  # glut names no firm


def test_many_changes_are_split_by_sampled_orders(
    monkeypatch: pytest.MonkeyPatch, two: tuple[Run, Run]
) -> None:
    exact = explain(compared(*two))
    monkeypatch.setattr("simulator.comparison.change_attribution.MOST", 2)
    found = explain(compared(*two), by="key")
    assert found.orders == 16
    for name, shares in found.shares.items():
        total = found.totals[name].value
        assert sum(one.value for one in shares) == pytest.approx(
            total, abs=1e-9 * max(1, abs(total))
        )
        for share, true in zip(shares, exact.shares[name], strict=True):
            assert share.mc_error >= 0
            if name[1] == "mean":
                assert share.low <= true.value <= share.high


def test_what_cannot_be_explained_is_refused(two: tuple[Run, Run], story: Path) -> None:
    first, second = two
    seeded = simulate(load_scenario(story), paths=96, seed=8)
    with pytest.raises(UsageError, match=r"seeds 7 and 8.*--seed"):
        explain(compared(first, seeded))
    with pytest.raises(UsageError, match="do not differ in any assumption"):
        explain(compared(first, simulate(load_scenario(story), paths=64)))
    with pytest.raises(UsageError, match="two runs, not 3"):
        explain(Comparison((first, second, first), ("1", "2", "3"), ("sp500",)))


@pytest.mark.parametrize("which", [0, 1])
def test_a_run_of_another_model_is_found_out(two: tuple[Run, Run], which: int) -> None:
    runs = list(two)
    results = runs[which].results
    moved = np.asarray(results.measures["max_drawdown"]) * 0.999
    measures = {**results.measures, "max_drawdown": moved}
    runs[which] = replace(runs[which], results=replace(results, measures=measures))
    with pytest.raises(RunError, match=f"other numbers than {('one', 'two')[which]} holds"):
        explain(compared(runs[0], runs[1]))


def test_why_is_printed_and_written(
    crashsim: CommandLine, story: Path, two: tuple[Run, Run], tmp_path: Path
) -> None:
    changed = {"sentiment.hazard_scale": 6.0, "technology.elasticity": 0.7}
    runs = (two[0], simulate(load_scenario(story, changed), paths=96))
    folders = [tmp_path / run.digest for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        run.save(folder)
    code, out, err = crashsim("compare", *folders, "--why", "--workers", 1)
    assert code == 0
    assert max(map(len, out.split("\n"))) <= 100
    assert "all 4 mixtures" in " ".join(out.split())
    assert out.count("sentiment.hazard_scale") == 7  # what differs, and once for each group
    assert out.count("together") == 6
    assert "next: crashsim show" in err
    _, out, _ = crashsim("compare", *folders, "--why", "--workers", 1, "--json")
    why = json.loads(out)["why"]
    assert [one["name"] for one in why["changes"]] == list(changed)[::-1]
    target = tmp_path / "why.md"
    assert crashsim("compare", *folders, "--why", "--workers", 1, "-o", target)[0] == 0
    assert "| together |" in target.read_text(encoding="utf-8")
