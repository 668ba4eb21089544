"""Cells: their counts, their statistics and errors, and what stands on disk."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.engine import block_simulation
from simulator.engine.results import GRIDS, BlockResult, Results
from simulator.errors import StoreError
from simulator.runs import sealed_files
from simulator.runs.summary import statistics
from simulator.scenario.scenario import Scenario, load_scenario
from simulator.statistics.paired import GROUPS
from simulator.sweeps import sweep_cell
from simulator.sweeps.cell_histograms import CellHistograms
from simulator.sweeps.cell_statistics import CellStatistics, cell_statistics
from simulator.sweeps.sweep_cell import CellTask
from simulator.sweeps.table import differences

CRASHES = {"dotcom": 0.2, "2008": 0.3}


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    short = {"scenario.horizon_years": 1.0, "technology.elasticity": 1.0}
    return load_scenario("deepseek", short).with_(paths=3000)


@pytest.fixture(scope="module")
def counts(scenario: Scenario) -> CellHistograms:
    return sweep_cell.simulated(scenario)


@pytest.fixture(scope="module")
def results(scenario: Scenario) -> Results:
    """The same paths as a run that keeps next to no tables: its statistics come from counts."""
    keep = block_simulation.Keep()
    found = block_simulation.new_results(scenario, 3000, keep, 1)
    for block in range(3):
        found.add(
            block_simulation.run_block(scenario, scenario.seed, block, keep),
            min(1024, 3000 - found.n),
        )
    return found


def test_counts_are_those_of_a_run(counts: CellHistograms, results: Results) -> None:
    assert counts.n == results.n == 3000
    assert counts.entities == results.entities
    compared = set(counts.fine) & set(GRIDS)
    assert len(compared) >= 5
    for name in compared:
        assert np.array_equal(counts.fine[name], results.counts[name]), name
    for name in ("trough", "recovered", "censored"):
        assert np.array_equal(counts.fine[name], getattr(results, f"{name}_counts")), name
    for name, groups in counts.groups.items():
        assert np.array_equal(groups.sum(axis=(1, 2)), counts.fine[name].sum(axis=1)), name
    per_group = counts.groups["max_drawdown"].sum(axis=2)
    assert per_group.min() == 93
    assert per_group.max() == 94  # 3,000 paths in 32 groups


def test_statistics_are_those_of_a_run(counts: CellHistograms, results: Results) -> None:
    found = cell_statistics(counts, lambda _: CRASHES)
    for row, entity in enumerate(counts.entities):
        expected = statistics(results, entity, CRASHES)
        assert set(found.names) == set(expected)
        for column, name in enumerate(found.names):
            if name == "time_underwater_median":  # a run knows it of the paths in its tables alone
                continue
            one = dataclasses.astuple(expected[name])
            assert found.estimates[row, column] == pytest.approx(one, rel=1e-9, abs=1e-12), name


def test_time_under_water_is_that_of_the_paths(scenario: Scenario, counts: CellHistograms) -> None:
    steps = [
        np.asarray(
            block_simulation.run_block(scenario, scenario.seed, b).measures["underwater_steps"]
        )
        for b in range(3)
    ]
    expected = np.median(np.concatenate(steps, axis=1)[:, :3000], axis=1) * scenario.dt
    found = cell_statistics(counts, lambda _: {})
    column = found.names.index("time_underwater_median")
    assert found.estimates[:, column, 0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("first", [1, 31, 1000, 1024, 1500, 2048])
def test_paths_can_be_added_later(first: int, scenario: Scenario, counts: CellHistograms) -> None:
    begun = sweep_cell.simulated(scenario.with_(paths=first))
    assert begun.n == first
    whole = sweep_cell.simulated(scenario, CellHistograms.unpack(begun.pack()))
    assert sweep_cell.packed(scenario, whole) == sweep_cell.packed(scenario, counts)


def test_pack_and_unpack(counts: CellHistograms) -> None:
    packed = counts.pack()
    again = CellHistograms.unpack(packed)
    assert again.n == counts.n
    for name, values in counts.fine.items():
        assert np.array_equal(again.fine[name], values)
    for name, values in counts.groups.items():
        assert np.array_equal(again.groups[name], values)
    assert sum(array.nbytes for array in packed.values()) < 600 * counts.n


# ---------------------------------------------------------------- paired differences


def made_up(z: np.ndarray[Any, Any]) -> CellStatistics:
    """Figures of made-up paths: z (1, P) is how bad each is."""
    depth = 1 / (1 + np.exp(-z))
    trough = (10 + 100 * depth).astype(int)
    measures = {
        "max_drawdown": depth,
        "peak_step": np.full(z.shape, 10),
        "trough_step": trough,
        "recovery_step": np.where(depth < 0.5, trough + 60, -1),
        "underwater_steps": (200 * depth).astype(int),
        "loss_from_start": depth * 0.8,
        "lowest_step": trough,
        "worst_week": -depth / 5,
        "worst_month": -depth / 3,
        "terminal_return": np.expm1(-z),
        "return_1y": np.expm1(-z),
        "dollars_lost": depth * 2000,
    }
    nothing: Any = None
    given = {field.name: nothing for field in dataclasses.fields(BlockResult)}
    block = BlockResult(**{**given, "block": 0, "count": 1, "measures": measures, "inputs": {}})
    counts = CellHistograms(("sp500",), np.arange(261) / 52, np.array([1000.0]))
    counts.add(block, slice(None))
    return cell_statistics(counts, lambda _: {"dotcom": 0.6})


def test_paired_errors_are_what_repetition_shows() -> None:
    draws = np.random.default_rng(1)
    all_changes, all_errors, all_unpaired = [], [], []
    for _ in range(120):
        bad = draws.standard_normal((1, 2000))
        worse = 0.95 * bad + 0.31 * draws.standard_normal((1, 2000)) + 0.2
        base, cell = made_up(bad), made_up(worse)
        found = differences(cell, base)[0]
        all_changes.append(found[:, 0])
        all_errors.append(found[:, 1])
        all_unpaired.append(np.hypot(cell.estimates[0, :, 1], base.estimates[0, :, 1]))
    moving = np.std(all_changes, axis=0) > 0  # nothing recovers within a year
    names = [name for name, moves in zip(base.names, moving, strict=True) if moves]
    assert len(names) >= 20
    changes, errors, unpaired = (
        np.array(of)[:, moving] for of in (all_changes, all_errors, all_unpaired)
    )
    seen = np.std(changes, axis=0, ddof=1)
    told = np.sqrt(np.mean(np.square(errors), axis=0))
    # 120 repetitions know a spread to 6.5 %; the grid may add to the error, never take from it.
    assert np.all(told > 0.78 * seen), dict(zip(names, told / seen, strict=True))
    assert np.all(told < 1.6 * seen), dict(zip(names, told / seen, strict=True))
    # The control: numbers with noise of their own would be told to be twice as uncertain.
    assert np.median(np.mean(unpaired, axis=0) / seen) > 1.8
    inside = np.abs(changes - changes.mean(axis=0)) <= 2.04 * errors
    assert 0.93 < inside.mean() < 0.99


def test_the_same_paths_differ_by_nothing() -> None:
    same = made_up(np.random.default_rng(2).standard_normal((1, 500)))
    found = differences(same, same)
    assert np.all(found[:, :, 0] == 0.0)
    # Not by nothing for sure: an equal number of another cell may still be another number.
    assert np.all(found[:, :, 1] >= 0.0)


def test_an_event_never_seen_is_not_known_to_be_equal() -> None:
    calm = made_up(np.full((1, 500), -3.0) + np.random.default_rng(3).random((1, 500)))
    column = calm.names.index("reach_dotcom")
    change, error, low, high = differences(calm, calm)[0, column]
    assert change == 0.0
    assert error == pytest.approx(2**0.5 * calm.estimates[0, column, 1])
    assert low < -0.005
    assert high > 0.005


def test_few_paths_have_unpaired_errors() -> None:
    draws = np.random.default_rng(4)
    few, others = (made_up(draws.standard_normal((1, 2 * GROUPS))) for _ in range(2))
    error = differences(few, others)[0, :, 1]
    assert error == pytest.approx(np.hypot(few.estimates[0, :, 1], others.estimates[0, :, 1]))


def test_statistics_that_the_base_lacks_have_no_change(scenario: Scenario) -> None:
    half = load_scenario("deepseek", {"scenario.horizon_years": 0.5}).with_(paths=200)
    one = sweep_cell.figures_of(scenario, sweep_cell.simulated(scenario.with_(paths=200)))
    other = sweep_cell.figures_of(half, sweep_cell.simulated(half))
    found = differences(one, other)
    column = one.names.index("recovered_1y")
    assert "recovered_1y" not in other.names
    assert np.isnan(found[:, column]).all()
    assert np.isfinite(found[:, one.names.index("median")]).all()


# ---------------------------------------------------------------- on disk


def order(scenario: Scenario) -> CellTask:
    return CellTask(1, {"technology.elasticity": 1.0}, sweep_cell.cell_id(scenario))


def test_ids(scenario: Scenario) -> None:
    id_ = sweep_cell.cell_id(scenario)
    assert len(id_) == 20
    assert sweep_cell.cell_id(scenario.overlaid({"technology.elasticity": 1})) == id_
    others = [
        scenario.with_(paths=3001),
        scenario.with_(seed=scenario.seed + 1),
        scenario.overlaid({"technology.elasticity": 1.1}),
    ]
    assert len({id_, *map(sweep_cell.cell_id, others)}) == 4


def test_overlaying_is_loading_with_overrides() -> None:
    base = load_scenario("deepseek")
    laid = base.overlaid({"technology.elasticity": 0.77, "events.0.at_years": 0.3})
    loaded = load_scenario("deepseek", {"technology.elasticity": 0.77, "events.0.at_years": 0.3})
    assert laid.fingerprint == loaded.fingerprint
    assert laid.resolved() == loaded.resolved()
    assert base.fingerprint == load_scenario("deepseek").fingerprint  # nothing of it has moved


def test_a_cell_is_written_and_verified(
    tmp_path: Path, scenario: Scenario, counts: CellHistograms
) -> None:
    one = order(scenario)
    sweep_cell.commit(tmp_path, one, scenario, counts)
    place = sweep_cell.cell_folder(tmp_path, one.id)
    assert sorted(path.name for path in place.iterdir()) == ["cell.json", "cell.npz"]
    assert [path.name for path in place.parent.iterdir()] == [one.id]  # nothing half-written
    found = sweep_cell.load_cell(place)
    assert found.manifest["overrides"] == one.overrides
    assert np.array_equal(found.counts.fine["max_drawdown"], counts.fine["max_drawdown"])
    kept = sweep_cell.load_figures(place)
    expected = sweep_cell.figures_of(scenario, counts)
    assert np.array_equal(kept.estimates, expected.estimates, equal_nan=True)
    sweep_cell.commit(tmp_path, one, scenario, counts)  # a second writer does no harm
    sweep_cell.verify(place)


def test_a_cell_in_the_wrong_place_is_found(
    tmp_path: Path, scenario: Scenario, counts: CellHistograms
) -> None:
    one = order(scenario)
    sweep_cell.commit(tmp_path, one, scenario, counts)
    place = sweep_cell.cell_folder(tmp_path, one.id)
    moved = place.with_name("0" * 20)
    place.rename(moved)
    with pytest.raises(StoreError, match="another cell"):
        sweep_cell.verify(moved)


def test_a_worker_loads_no_tables_and_no_cluster() -> None:
    heavy = "{'pandas', 'matplotlib', 'typer', 'distributed', 'pyarrow'}"
    code = f"import sys, simulator.sweeps.sweep_cell, simulator.engine.dask_executor; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_worker_of_another_version_is_refused(tmp_path: Path, scenario: Scenario) -> None:
    (tmp_path / "universes").mkdir()
    universe = scenario.universe.path
    (tmp_path / "universes" / universe.name).write_bytes(universe.read_bytes())
    (tmp_path / "scenario.toml").write_bytes(scenario.text)
    counts = dict.fromkeys(("failed", "done", "cells"), 1)
    plan = {
        **counts,
        "sweep_format": 1,
        "name": scenario.name,
        "digest": "",
        "design": {},
        "known": [],
        "finished": False,
        "overrides": dict(scenario.overrides),
        "paths": 100,
        "seed": scenario.seed,
        "files": {},
    }
    seal = sealed_files.write_sealed(tmp_path, "sweep.json", plan)
    with pytest.raises(StoreError, match="install the same crashsim everywhere"):
        sweep_cell.compute(tmp_path, seal, CellTask(0, {}, "f" * 20))
    with pytest.raises(StoreError, match="has changed since this sweep began"):
        sweep_cell.compute(tmp_path, "another", CellTask(0, {}, "f" * 20))
