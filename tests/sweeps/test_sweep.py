"""Sweeps from the command line and from Python: what is computed, why, and what the table says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import CommandLine
from trials.commands import content, only
from trials.sweeps import STORY, committed, write_story

from simulator import Design, load_scenario, load_sweep, simulate, sweep
from simulator.engine import block_simulation
from simulator.engine.results import BlockResult
from simulator.errors import FailedCells, NotFinite, StoreError, UsageError
from simulator.sweeps.design import resolve_design
from simulator.sweeps.sweep import add_files, is_sweep

ELASTIC = "technology.elasticity"
VARY = f"{ELASTIC}=0.6,1.0,1.4"


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    return write_story(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of three cells, to look at."""
    place = tmp_path_factory.mktemp("made")
    sweep(load_scenario(write_story(place)), {ELASTIC: [0.6, 1.0, 1.4]}, parent=place / "results")
    return only(place / "results")


def test_the_table(made: Path) -> None:
    table = load_sweep(made).table
    assert list(table.columns) == [
        *("cell", "id", "kind", ELASTIC, "entity", "statistic"),
        *("value", "mc_error", "low", "high"),
        *("change", "change_error", "change_low", "change_high"),
    ]
    heads = table.drop_duplicates("cell")
    assert list(heads["cell"]) == [0, 1, 2, 3]
    assert list(heads["kind"]) == ["base", "cell", "cell", "cell"]
    assert np.array_equal(heads[ELASTIC], [np.nan, 0.6, 1.0, 1.4], equal_nan=True)
    assert table["id"].str.fullmatch("[0-9a-f]{20}").all()
    assert table["value"].notna().all()
    assert (table["low"] <= table["value"]).all()
    base = table[table["kind"] == "base"]
    assert (base["change"] == 0).all()
    assert (base["change_error"] == 0).all()
    for cell in (1, 2, 3):
        rows = table[table["cell"] == cell].reset_index(drop=True)
        change = rows["value"] - base["value"]
        digits = 1e-9 * rows["value"].abs().clip(lower=10.0)  # the table has ten
        assert np.isclose(rows["change"], change, rtol=1e-6, atol=digits).all()
        assert (rows["change_low"] <= rows["change"]).all()
    changed = table[(table["cell"] == 1) & (table["statistic"] == "mean")]
    assert (changed["change"] != 0).any()


def test_a_cell_has_the_numbers_of_a_run(made: Path) -> None:
    found = load_sweep(made)
    assert found.keys == (ELASTIC,)
    assert found.base == {ELASTIC: None}
    assert found.cells == 4
    for cell, overrides in ((0, {}), (2, {ELASTIC: 1.0})):
        scenario = load_scenario(made / "scenario.toml", overrides)
        run = simulate(scenario).summary().set_index(["entity", "statistic"])
        rows = found.table[found.table["cell"] == cell].set_index(["entity", "statistic"])
        falls = rows.index.get_level_values("statistic").isin(["median", "worst_1_in_20", "mean"])
        expected = run.loc[rows.index[falls]]
        # A run has the paths, a cell their counts in bins of 0.01 points.
        assert np.allclose(rows.loc[falls, "value"], expected["value"], rtol=0, atol=1.01e-4)
        assert np.allclose(rows.loc[falls, "mc_error"], expected["mc_error"], rtol=0, atol=2e-4)
    other = found.table[found.table["cell"] == 3].set_index(["entity", "statistic"])
    assert not np.allclose(other.loc[falls, "value"], expected["value"], rtol=0, atol=1.01e-4)


def test_the_command(crashsim: CommandLine, trial: Path, tmp_path: Path) -> None:
    output = tmp_path / "results"
    code, out, err = crashsim("sweep", trial, "--vary", VARY, "-o", output, "--workers", 1)
    assert code == 0, err
    assert "4 cells with the base: 0 are there, 4 to compute" in err
    assert "new: 4 (cell 0, 1, 2, 3)" in err
    assert err.rstrip().splitlines()[-1].startswith("next: crashsim ")
    assert ELASTIC in out
    assert "±" in out
    folder = only(output)
    assert folder.name.startswith("trial-sweep-")
    assert is_sweep(folder)
    first, whole = committed(folder), content(folder)

    code, out, err = crashsim(
        "sweep", trial, "--vary", VARY, "-o", output, "--workers", 1, "--json"
    )
    assert code == 0
    document = json.loads(out)
    assert document["schema_version"] == 1
    assert (document["cells"], document["computed"], document["failed"]) == (4, 0, 0)
    assert document["base"] == {ELASTIC: None}
    assert "4 are there, 0 to compute" in err
    assert committed(folder) == first
    assert content(folder) == whole


def test_one_changed_value_is_one_cell(crashsim: CommandLine, trial: Path, tmp_path: Path) -> None:
    line = ("sweep", trial, "-o", tmp_path / "results", "--workers", 1, "--vary")
    assert crashsim(*line, f"{ELASTIC}=0.6,1.0,1.4")[0] == 0
    folder = only(tmp_path / "results")
    first = committed(folder)
    _, _, err = crashsim(*line, f"{ELASTIC}=0.6,1.0,1.5")
    assert "3 are there, 1 to compute" in err
    assert "new: 1 (cell 3)" in err
    now = committed(folder)
    assert {id_: now[id_] for id_ in first} == first
    assert len(now) == 5
    assert list(load_sweep(folder).table[ELASTIC].drop_duplicates())[1:] == [0.6, 1.0, 1.5]


def test_a_damaged_cell_is_computed_again(
    crashsim: CommandLine, trial: Path, tmp_path: Path
) -> None:
    line = ("sweep", trial, "--vary", VARY, "-o", tmp_path / "results", "--workers", 1)
    assert crashsim(*line)[0] == 0
    folder = only(tmp_path / "results")
    whole = content(folder)
    data = sorted(folder.glob("cells/*/*/cell.npz"))[1]
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(StoreError, match="has changed since it was written"):
        load_sweep(folder)
    _, _, err = crashsim(*line)
    assert "damaged: 1" in err
    assert content(folder) == whole


def test_cells_are_extended(crashsim: CommandLine, trial: Path, tmp_path: Path) -> None:
    line = ("sweep", trial, "--vary", VARY, "--workers", 1, "-o")
    assert crashsim(*line, tmp_path / "long", "--paths", 1200)[0] == 0
    code, _, err = crashsim(*line, tmp_path / "short", "--extend", 100)
    assert code == 2
    assert "no finished sweep to extend" in err
    assert crashsim(*line, tmp_path / "short")[0] == 0
    assert crashsim(*line, tmp_path / "short", "--extend", 100, "--paths", 300)[0] == 2
    code, _, err = crashsim(*line, tmp_path / "short", "--extend", 1000)
    assert code == 0
    assert "1,000 more paths: 4" in err
    folder = only(tmp_path / "short")
    assert content(folder) == content(only(tmp_path / "long"))
    assert len(committed(folder)) == 4  # those with fewer paths are gone
    # The number of paths in all says the same as --extend, and is there already.
    assert "0 to compute" in crashsim(*line, tmp_path / "short", "--paths", 1200)[2]


def test_an_extension_goes_on_where_it_stopped(trial: Path) -> None:
    from simulator.engine.executors import Serial
    from simulator.sweeps.sweep import make_plan, run_plan

    place = trial.parent / "results"
    scenario = load_scenario(trial)
    design = resolve_design(Design.grid({ELASTIC: [0.6, 1.0, 1.4]}), scenario)
    run_plan(make_plan(scenario, design, place), Serial())

    class Stopped:
        def map(self, function: Any, items: Any) -> Any:
            for number, item in enumerate(items):
                if number == 2:
                    raise KeyboardInterrupt
                yield function(item)

    with pytest.raises(KeyboardInterrupt):
        run_plan(make_plan(scenario, design, place, extend=1000), Stopped())
    folder = only(place)
    with pytest.raises(StoreError, match="unfinished"):
        load_sweep(folder)
    again = make_plan(scenario, design, place, extend=1000)
    assert again.scenario.paths == 1200  # the same command asks for the same
    assert [order.begun for order in again.orders()] == [200, 200]
    run_plan(again, Serial())
    assert len(committed(folder)) == 4
    assert load_sweep(folder).scenario.paths == 1200


def test_what_told_of_other_cells_goes(trial: Path, tmp_path: Path) -> None:
    scenario, place = load_scenario(trial), tmp_path / "results"
    sweep(scenario, {ELASTIC: [0.6, 1.0]}, parent=place)
    folder = only(place)
    add_files(folder, {"figures/lines.svg": b"<svg/>"})
    sweep(scenario, {ELASTIC: [0.6, 1.0]}, parent=place)
    assert (folder / "figures/lines.svg").exists()  # nothing has changed
    sweep(scenario, {ELASTIC: [0.6, 1.1]}, parent=place)
    assert not (folder / "figures/lines.svg").exists()
    (folder / "sweep.csv").unlink()
    sweep(scenario, {ELASTIC: [0.6, 1.1]}, parent=place)
    load_sweep(folder)


@pytest.mark.slow
def test_workers_change_nothing(crashsim: CommandLine, trial: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        line = ("sweep", trial, "--vary", VARY, "-o", tmp_path / str(workers))
        assert crashsim(*line, "--workers", workers, "-q")[0] == 0
    assert content(only(tmp_path / "1")) == content(only(tmp_path / "2"))


def test_a_dry_run_writes_nothing(crashsim: CommandLine, trial: Path, tmp_path: Path) -> None:
    line = ("sweep", trial, "--vary", VARY, "-o", tmp_path / "results", "--dry-run")
    code, out, err = crashsim(*line)
    assert code == 0
    for word in ("4 of 4", "800", "time", "memory", "MB"):
        assert word in out
    assert "new: 4" in err
    assert not (tmp_path / "results").exists()
    document = json.loads(crashsim(*line, "--json")[1])
    assert document["cells"] == 4
    assert document["paths"] == 800
    assert 0 < document["seconds"] < 60
    assert document["disk"] > 10_000
    assert document["memory"] > 50_000_000


def test_the_forecast_of_the_disk_is_near(made: Path, tmp_path: Path) -> None:
    from simulator.sweeps.runtime_estimate import forecast
    from simulator.sweeps.sweep import make_plan

    scenario = load_scenario(made / "scenario.toml")
    design = resolve_design(Design.grid({ELASTIC: [0.6, 1.0, 1.4]}), scenario)
    plan = make_plan(scenario, design, tmp_path)
    written = sum(len(file) for file in content(made).values())
    assert forecast(plan, 1).disk == pytest.approx(written, rel=0.3)


def test_a_sweep_table_in_the_file(crashsim: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f"{STORY}\n[sweep.vary]\n{ELASTIC} = [0.6, 1.0]\n", encoding="utf-8")
    line = ("sweep", path, "-o", tmp_path / "results", "--workers", 1)
    assert crashsim(*line)[0] == 0
    assert load_sweep(only(tmp_path / "results")).cells == 3
    plain = write_story(tmp_path)
    code, _, err = crashsim("sweep", plain, "-o", tmp_path / "results")
    assert code == 2
    assert "nothing varies" in err
    assert crashsim("sweep", plain, "--vary", VARY, "--vary", VARY)[0] == 2


def test_designs_of_the_command(crashsim: CommandLine, trial: Path, tmp_path: Path) -> None:
    line = ("sweep", trial, "--workers", 1, "-o", tmp_path / "results", "--design")
    for kind, more, cells in (
        ("oat", (), 4),
        ("lhs", ("--cells", 3), 4),
        ("sobol", ("--cells", 2, "--vary", ELASTIC), 3),
        ("zip", ("--vary", VARY, "--vary", "market.volatility_sd=0.3,0.4,0.5"), 4),
    ):
        code, out, err = crashsim(*line, kind, *more, "--json")
        if "did you mean" in err:
            pytest.fail(err)
        assert code == 0, err
        assert json.loads(out)["cells"] == cells


def test_the_horizon_may_vary(trial: Path, tmp_path: Path) -> None:
    table = sweep(
        load_scenario(trial), {"scenario.horizon_years": [0.5, 1.1]}, parent=tmp_path, paths=128
    ).table
    longer = table[(table["cell"] == 2) & (table["entity"] == "sp500")].set_index("statistic")
    known = longer["change"].notna()
    assert not known["recovered_1y"]  # the base ends before
    assert known["median"]


def test_a_cell_that_is_the_base_differs_by_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sure.toml"
    sure = '{ dist = "uniform", low = 0.6, high = 1.6 }'
    path.write_text(STORY.replace(sure, "1.0"), encoding="utf-8")
    table = sweep(load_scenario(path), {ELASTIC: [1.0, 1.2]}, parent=tmp_path / "results").table
    assert (table[table["cell"] <= 1].groupby("cell")["change"].max() == 0).all()
    assert table.drop_duplicates("cell")["id"].nunique() == 2
    assert list(table.drop_duplicates("cell")[ELASTIC]) == [1.0, 1.0, 1.2]


def test_files_are_added_and_sealed(made: Path) -> None:
    add_files(made, {"report.html": b"<p>"})
    load_sweep(made)
    (made / "report.html").write_bytes(b"<q>")
    with pytest.raises(StoreError, match=r"report\.html has changed since it was written"):
        load_sweep(made)
    add_files(made, {"report.html": b"<p>"})
    load_sweep(made)


# ---------------------------------------------------------------- failures


def break_at(monkeypatch: pytest.MonkeyPatch, *bad: float) -> None:
    """Let the engine fail for these elasticities."""
    run_block = block_simulation.run_block

    def run(scenario: Any, seed: int, block: int, *more: Any, **options: Any) -> BlockResult:
        if scenario.technology.elasticity in bad:
            raise NotFinite(
                "market.factor on path 7 (block 0, step 3) is not finite", 0, 7, 3, "market.factor"
            )
        return run_block(scenario, seed, block, *more, **options)

    monkeypatch.setattr(block_simulation, "run_block", run)


def test_failed_cells_are_told_and_the_others_go_on(
    crashsim: CommandLine, trial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("sweep", trial, "--vary", VARY, "-o", tmp_path / "results", "--workers", 1)
    with monkeypatch.context() as broken:
        break_at(broken, 1.0)
        code, _, err = crashsim(*line)
        assert code == 5
        assert "cell 2 failed: market.factor on path 7" in err
        folder = only(tmp_path / "results")
        failures = pd.read_csv(folder / "failures.csv")
        assert failures.drop(columns=["id", "message"]).to_dict("records") == [
            {"cell": 2, "seed": 7, "block": 0, "path": 7, "step": 3, "quantity": "market.factor"}
        ]
        assert sorted(set(load_sweep(folder).table["cell"])) == [0, 1, 3]
        assert crashsim(*line)[0] == 5  # as long as it fails
    code, _, err = crashsim(*line)
    assert code == 0
    assert "failed before: 1 (cell 2)" in err
    assert not (folder / "failures.csv").exists()
    assert sorted(set(load_sweep(folder).table["cell"])) == [0, 1, 2, 3]


def test_fifty_failures_are_enough(
    trial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [0.6 + i / 100 for i in range(60)]
    break_at(monkeypatch, *(float(f"{value:.12g}") for value in values))
    with pytest.raises(FailedCells, match=r"50 cells failed, the first with: market\.factor"):
        sweep(load_scenario(trial), {ELASTIC: [round(v, 2) for v in values]}, parent=tmp_path / "r")
    failures = pd.read_csv(only(tmp_path / "r") / "failures.csv")
    assert len(failures) == 50
    with pytest.raises(StoreError, match="unfinished"):
        load_sweep(only(tmp_path / "r"))


def test_a_place_in_the_engine_is_told(trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.engine.simulation import Simulation

    advance = Simulation.advance_firms

    def overflow(self: Simulation, k: int, *more: Any) -> None:
        advance(self, k, *more)
        if k == 3:
            self.state.market.log_volatility[5] = np.inf
            raise FloatingPointError("overflow")

    monkeypatch.setattr(Simulation, "advance_firms", overflow)
    with pytest.raises(NotFinite) as caught:
        block_simulation.run_block(load_scenario(trial), 7, 2)
    error = caught.value
    assert (error.block, error.path, error.step) == (2, 2 * 1024 + 5, 3)
    assert error.quantity == "market.log_volatility"
    assert "step 3" in str(error)
    import pickle

    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# ---------------------------------------------------------------- extras


def test_parquet_has_the_table_with_checksums(
    crashsim: CommandLine, trial: Path, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    line = ("sweep", trial, "--vary", VARY, "-o", tmp_path / "results", "--workers", 1, "--parquet")
    assert crashsim(*line)[0] == 0
    folder = only(tmp_path / "results")
    table = load_sweep(folder).table
    path = folder / "sweep.parquet"
    found = parquet.read_table(path, page_checksum_verification=True).to_pandas()
    assert list(found.columns) == list(table.columns)
    for name in table.columns:
        same = found[name].to_numpy() == table[name].to_numpy()
        assert (same | (found[name].isna() & table[name].isna()).to_numpy()).all(), name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(OSError, match=r"CRC|[Cc]orrupt|checksum"):
        parquet.read_table(path, page_checksum_verification=True)


@pytest.mark.parametrize(
    ("option", "module", "extra"),
    [
        ("--parquet", "pyarrow.parquet", "crashsim[parquet]"),
        ("--scheduler=local", "distributed", "crashsim[dask]"),
    ],
)
def test_a_missing_extra_is_named(
    option: str,
    module: str,
    extra: str,
    crashsim: CommandLine,
    trial: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    code, _, err = crashsim("sweep", trial, "--vary", VARY, "-o", tmp_path / "results", option)
    assert code == 2
    assert extra in err


def test_bad_uses(tmp_path: Path) -> None:
    from simulator.engine.dask_executor import get_cluster

    with pytest.raises(UsageError, match="expected local, or an address"):
        get_cluster("somewhere:8786", 1)
    with pytest.raises(StoreError, match="there is no"):
        load_sweep(tmp_path)
    assert not is_sweep(tmp_path)
