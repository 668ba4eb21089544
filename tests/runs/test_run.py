"""A run: the same bytes however it is computed, and tables that say what the paths did."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from test_results import same_bytes

from simulator import baseline, load_scenario, max_drawdown, simulate
from simulator.engine import block_simulation
from simulator.engine.block_batches import TOGETHER, portion
from simulator.engine.executors import get_executor
from simulator.engine.results import CAUSES
from simulator.engine.streams import BLOCK_PATHS
from simulator.errors import RunError, ScenarioError, UsageError
from simulator.history.crashes import crashes
from simulator.runs import runner
from simulator.runs.digest import run_digest
from simulator.runs.run import Run
from simulator.scenario.scenario import Scenario
from simulator.statistics.histogram import FAN_QUANTILES
from simulator.worker_pool import WorkerPool

TEXT = """
format_version = 1
[scenario]
name = "short"
title = "Short"
horizon_years = 1
steps_per_year = 52
universe = "us-2025-01"
paths = 1500
seed = 1
[technology]
elasticity = { dist = "uniform", low = 0.8, high = 1.4 }
[thresholds]
rare = "P(sp500.max_drawdown >= 0.49) < 0.30"
impossible = "median(NVDA.max_drawdown) < 0.0"
"""


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    path = tmp_path_factory.mktemp("scenario") / "short.toml"
    path.write_text(TEXT, encoding="utf-8")
    return load_scenario(path)


@pytest.fixture(scope="session")
def run(scenario: Scenario) -> Run:
    return simulate(scenario, keep_levels=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_change_no_byte(scenario: Scenario, run: Run, workers: Any) -> None:
    assert same_bytes(simulate(scenario, keep_levels=True, workers=workers).results, run.results)


def test_shuffled_blocks_change_no_byte(scenario: Scenario, run: Run) -> None:
    keep = block_simulation.Keep(levels=True)
    done = {block: block_simulation.run_block(scenario, 1, block, keep) for block in (1, 0)}
    results = block_simulation.new_results(scenario, 1500, keep, 1500)
    results.add(done[1], 1500 - BLOCK_PATHS)
    results.add(done[0], BLOCK_PATHS)
    results.keep_paths = run.results.keep_paths
    assert same_bytes(results, run.results)


def test_first_paths_stay_when_the_number_grows(scenario: Scenario, run: Run) -> None:
    few = simulate(scenario, paths=100)
    assert few.metrics.equals(run.metrics[run.metrics["path"] < 100])
    assert few.inputs.equals(run.inputs.iloc[:100])


def test_seed_0_is_a_seed(scenario: Scenario) -> None:
    zero, one = (simulate(scenario, paths=10, seed=seed) for seed in (0, 1))
    assert zero.seed == 0
    assert not zero.metrics.equals(one.metrics)


def test_metrics_say_what_the_levels_did(run: Run) -> None:
    metrics = run.metrics
    assert len(metrics) == 1500 * len(run.entities)
    first = metrics[metrics["path"] == 0]
    assert tuple(first["entity"]) == run.entities
    for row, name in ((0, "sp500"), (-1, run.entities[-1])):
        mine = metrics[metrics["entity"] == name]
        levels = run.levels[row].to_numpy()  # (time, path)
        # Levels and measures are kept in 32 bits each.
        assert np.allclose(mine["max_drawdown"], max_drawdown(levels, axis=0), atol=1e-6)
        at = np.arange(levels.shape[1])
        peak, trough = (np.rint(mine[f"{end}_t"] * 52).astype(int) for end in ("peak", "trough"))
        fell = levels[trough, at] / levels[peak, at]
        assert np.allclose(1 - fell, mine["max_drawdown"], atol=1e-6)
        assert np.allclose(mine["terminal_return"], levels[-1] / levels[0] - 1, atol=1e-6)
        causes = mine[[f"cause_{cause}" for cause in CAUSES]].sum(axis=1)
        assert np.allclose(causes, np.log(fell), atol=2e-5)
        regained = mine["recovery_t"].notna().to_numpy()
        after = np.rint(mine["recovery_t"].fillna(0) * 52).astype(int)
        assert (levels[after, at] >= levels[peak, at] * (1 - 1e-6))[regained].all()
        beyond = np.where(np.arange(53)[:, None] > trough.to_numpy(), levels, 0).max(axis=0)
        assert (beyond < levels[peak, at] * (1 + 1e-6))[~regained].all()
    assert metrics["recovery_t"].isna().any()


def test_levels_start_at_the_close_before_the_first_step(scenario: Scenario, run: Run) -> None:
    assert run.levels.shape == (len(run.entities), 53, 1500)
    firms = run.levels.sel(entity=list(scenario.universe.tickers), t=0, path=0)
    assert np.array_equal(firms, scenario.universe.column("market_value").astype(np.float32))
    with pytest.raises(UsageError, match="keep_levels=True"):
        simulate(scenario, paths=1).levels  # noqa: B018


def test_the_fan_has_the_quantiles_of_the_levels(run: Run) -> None:
    fan, under = run.fan, run.underwater
    assert list(fan.columns) == ["entity", "t", "quantile", "level"]
    assert len(fan) == len(run.entities) * fan["t"].nunique() * len(FAN_QUANTILES)
    mine = fan[fan["entity"] == "nasdaq"]
    assert (mine[mine["t"] == 0]["level"] == 1.0).all()
    levels = run.levels.sel(entity="nasdaq").to_numpy()
    exact = np.quantile(levels[-1] / levels[0], FAN_QUANTILES, method="inverted_cdf")
    last = mine[mine["t"] == 1.0].set_index("quantile")["level"]
    assert np.allclose(last[list(FAN_QUANTILES)], exact, rtol=0.01)
    falls = 1 - levels[-1] / levels.max(axis=0)
    last = under.query("entity == 'nasdaq' and t == 1").set_index("quantile")["fall"]
    exact = np.quantile(falls, FAN_QUANTILES, method="inverted_cdf")
    assert np.allclose(last[list(FAN_QUANTILES)], exact, atol=0.006)


def test_beyond_the_kept_paths_statistics_come_from_counts(scenario: Scenario, run: Run) -> None:
    thin = simulate(scenario, keep_paths=200)
    assert len(thin.metrics) == 200 * len(run.entities)
    assert thin.paths == 1500
    one, other = (r.summary().set_index(["entity", "statistic"]) for r in (run, thin))
    assert one.index.equals(other.index)
    for name in ("median", "worst_1_in_20", "reach_dotcom"):
        near = other.xs(name, level="statistic")["value"]
        assert np.allclose(near, one.xs(name, level="statistic")["value"], atol=1e-3), name
    assert thin.digest != run.digest


def test_without_noise_every_path_is_one(scenario: Scenario) -> None:
    still = simulate(scenario, shocks="zero")
    assert still.paths == 1
    assert still.verdict.startswith("In the one simulated future the S&P 500 ")
    assert simulate(scenario, shocks="zero", seed=9).metrics.equals(still.metrics)
    with pytest.raises(UsageError, match="paths is 1, not 5"):
        simulate(scenario, shocks="zero", paths=5)
    assert still.digest != simulate(scenario, paths=1).digest
    assert still.digest == run_digest(scenario.with_(paths=1), "zero")


def test_the_document_is_json_and_complete(run: Run) -> None:
    found = json.loads(json.dumps(run.document(), allow_nan=False))
    assert found["schema_version"] == 1
    assert (found["digest"], found["seed"], found["paths"]) == (run.digest, 1, 1500)
    assert set(found["entities"]) == set(run.entities)
    for entity in found["entities"].values():
        for estimate in entity.values():
            assert set(estimate) == {"value", "mc_error", "low", "high"}
            assert None not in estimate.values()
    assert found["baselines"]["dotcom"]["sp500"]["max_drawdown"] == pytest.approx(0.476, abs=5e-4)
    reached = found["baselines"]["dotcom"]["reached"]
    assert reached["sp500"] == found["entities"]["sp500"]["reach_dotcom"]
    assert [t["passed"] for t in found["thresholds"]] == [True, False]
    lone = json.dumps(simulate(run.scenario, paths=1).document(), allow_nan=False)
    assert json.loads(lone)["entities"]["sp500"]["mean"]["mc_error"] is None


def test_progress_and_the_repr(scenario: Scenario, run: Run) -> None:
    seen = []
    simulate(scenario, paths=4500, progress=lambda done, total: seen.append((done, total)))
    done = [done for done, _ in seen]
    assert len(done) > 1
    assert done == sorted(set(done))
    assert seen[-1] == (4500, 4500)
    page = run._repr_html_()
    assert "S&amp;P 500 fall at least 47.6 %" in page
    assert "<table" in page


def test_crashes_beside_an_entity(run: Run) -> None:
    first = run.crashes("sp500")[0]
    assert (first.name, first.title, first.same_grid) == ("dotcom", "dot-com", True)
    assert first.depth == pytest.approx(0.476, abs=5e-4)  # weekly closes
    assert first.daily_depth == pytest.approx(0.491, abs=5e-4)
    assert run.crashes("NVDA")[0].depth == pytest.approx(0.774, abs=5e-4)
    assert {crash.name for crash in run.crashes("sp500")} > {"1929", "1987", "2008", "2022"}
    assert [crash.same_grid for crash in crashes("sp500", 100)] == [False] * 7
    daily = crashes("nasdaq", 252)[0]
    assert (daily.same_grid, daily.depth) == (True, daily.daily_depth)


def test_history_has_the_measures_of_a_run(run: Run, tmp_path: Path) -> None:
    dotcom = baseline("dotcom")
    levels = dotcom.levels("nasdaq")
    assert levels.index.is_monotonic_increasing
    measured = dotcom.measure(52).set_index("entity")
    assert measured.loc["nasdaq", "max_drawdown"] == max_drawdown(levels.to_numpy())
    assert measured.loc["nasdaq", "trough_t"] == pytest.approx(2.58, abs=0.05)
    shared = {"max_drawdown", "peak_t", "trough_t", "recovery_t", "underwater_t", "worst_week"}
    assert shared <= set(measured.columns) & set(run.metrics.columns)
    own = tmp_path / "mine.csv"
    own.write_text("date,close\n2020-01-06,100\n2020-01-13,50\n2020-01-20,80\n", encoding="utf-8")
    assert baseline(own).measure(52)["max_drawdown"].tolist() == [0.5]
    assert np.isnan(baseline(str(own)).measure(52)["recovery_t"][0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"paths": 0}, ScenarioError, "paths"),
        ({"paths": 10**18}, ScenarioError, "paths"),
        ({"paths": 2.5}, ScenarioError, "not a whole number"),
        ({"seed": -1}, ScenarioError, "seed"),
        ({"workers": 0}, UsageError, "workers must be"),
        ({"keep_paths": 0}, UsageError, "keep_paths must be"),
        ({"shocks": "none"}, UsageError, "shocks is None"),
        ({"max_memory": 1000}, RunError, "allowed"),
        ({"paths": 10**8, "keep_paths": 10**8, "keep_levels": True}, RunError, "would fit"),
    ],
)
def test_what_cannot_be_run_is_refused(
    scenario: Scenario, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        simulate(scenario, **arguments)


def test_a_number_that_is_not_finite_ends_the_run(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_scenario: Scenario, seed: int, block: int, *_: object, **__: object) -> NoReturn:
        raise RunError(f"block {block}, path 7, step 3: price is not finite; seed {seed}")

    monkeypatch.setattr(block_simulation, "run_block", broken)
    with pytest.raises(RunError, match=r"^block 0, path 7, step 3: price is not finite; seed 1$"):
        simulate(scenario)


def broken_worker(block: int) -> None:
    with np.errstate(over="raise"):
        try:
            np.exp(np.float64(1e4))
        except FloatingPointError as error:
            raise RunError(f"block {block}: price is not finite: {error}; seed 1") from None


@pytest.mark.slow
def test_a_run_error_crosses_processes() -> None:
    with pytest.raises(RunError, match="block 0: price is not finite: overflow"):
        list(get_executor(2).map(broken_worker, range(3)))


@pytest.mark.parametrize("workers", [2, 3, 64])
def test_portions_grow_small_towards_the_end(workers: int) -> None:
    left, given = 1000, []
    while left:
        given.append(portion(left, workers))
        left -= given[-1]
    assert given == sorted(given, reverse=True)
    assert given[-3:] == [1, 1, 1]
    assert given[0] == (8 if workers < 64 else 6 - 6 % TOGETHER)
    assert all(size % TOGETHER == 0 for size in given if size > TOGETHER)
    assert portion(1000, workers, TOGETHER) == TOGETHER
    assert [portion(left, 1, TOGETHER) for left in (5, 2, 1)] == [TOGETHER, 2, 1]


def test_the_first_portion_of_a_process_is_an_even_share_if_that_is_small() -> None:
    assert [portion(left, 2, fresh=fresh) for left, fresh in ((10, 2), (5, 1))] == [5, 5]
    assert [portion(left, 2, fresh=fresh) for left, fresh in ((17, 2), (14, 1), (6, 0))] == [
        3,
        3,
        1,
    ]
    assert [portion(left, 8, fresh=fresh) for left, fresh in ((10, 8), (8, 7), (6, 6))] == [2, 2, 1]
    assert portion(100, 2, fresh=2) == portion(100, 2)


@pytest.mark.slow
def test_a_killed_worker_changes_no_byte(scenario: Scenario) -> None:
    """Killed in the middle of a run, more than once."""
    killed: list[int] = []

    def kill(done: int, _: int) -> None:
        if done > 4000 * (len(killed) + 1) and len(killed) < 2:
            mine = [child for child in multiprocessing.active_children() if child.pid not in killed]
            for child in mine:
                assert child.pid is not None
                killed.append(child.pid)
                child.kill()

    run = simulate(scenario, paths=20_000, keep_paths=5_000, workers=2, progress=kill)
    assert killed
    assert same_bytes(run.results, simulate(scenario, paths=20_000, keep_paths=5_000).results)


def test_a_short_run_starts_no_worker(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    begin = WorkerPool.submit

    def give(self: Any, item: Any) -> None:
        started.append(1)
        begin(self, item)

    monkeypatch.setattr(WorkerPool, "submit", give)
    simulate(scenario, paths=3_000, workers=2)
    assert started, "asked for, as every test does"
    started.clear()
    monkeypatch.setattr(runner, "_WORTH_A_WORKER", 4 * 52 * 20)
    simulate(scenario, paths=3_000, workers=2)
    assert not started


@pytest.mark.slow
def test_workers_import_no_tables() -> None:
    heavy = "sorted({'pandas', 'matplotlib'} & set(sys.modules))"
    code = f"import sys; import simulator.engine.block_batches; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert block_simulation.run_block.__module__ == "simulator.engine.block_simulation"
