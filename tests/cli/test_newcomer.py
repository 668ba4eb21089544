"""What people type on their first day: each is understood, or refused with the word that helps."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_runs import TINY, CommandLine

from simulator import load_scenario, simulate
from simulator.cli.app import invoke
from simulator.cli.find import entity_of, kind_of, newest_first
from simulator.cli.options import whole_number
from simulator.errors import UsageError
from simulator.rare_events.rare_event import parse_event
from simulator.reports import run_html
from simulator.runs.stopping_rule import parse_goal
from simulator.scenario import typed_values
from simulator.scenario.typed_values import full_key, parse_overrides, parse_varied


def silent(_: str) -> None:
    """A notice that nobody reads."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results/ of two runs of one name, the second newer, and a sweep of that name."""
    place = tmp_path_factory.mktemp("made")
    (place / "tiny.toml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        for number, seed in enumerate(("1", "2")):
            assert invoke(["run", "tiny.toml", "--seed", seed]) == 0
            newest = max(place.glob("results/tiny-*/summary.json"), key=os.path.getmtime)
            os.utime(newest, (1_700_000_000 + number, 1_700_000_000 + number))
        assert invoke(["sweep", "tiny.toml", "--vary", "technology.elasticity=0.8,1.2"]) == 0
    swept = next(place.glob("results/tiny-sweep-*/sweep.csv"))
    os.utime(swept, (1_700_000_002, 1_700_000_002))
    return place


@pytest.fixture
def results(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, in the working folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def newest_run(results: Path) -> Path:
    return max(results.glob("tiny-*/summary.json"), key=os.path.getmtime).parent


def test_of_several_runs_the_newest_is_taken_and_named(
    results: Path, crashsim: CommandLine
) -> None:
    code, _, err = crashsim("show", "tiny", "--json")
    assert code == 0
    folders = sorted(f"results/{path.name}" for path in results.iterdir())
    code, out, err = crashsim("plot", *folders, "waterfall")
    assert code == 0
    assert out.strip() == f"results/{newest_run(results).name}/figures/waterfall-sp500.svg"
    assert f"results/{newest_run(results).name}, the newest of 2" in err


@pytest.mark.usefixtures("results")
def test_latest_stands_for_the_newest_of_all(crashsim: CommandLine) -> None:
    _, out, err = crashsim("show", "latest")
    assert "tiny-sweep-" in err
    assert "cell" in out


@pytest.mark.usefixtures("results")
def test_a_figure_that_does_not_exist_is_named_with_the_nearest(crashsim: CommandLine) -> None:
    code, _, err = crashsim("plot", "tiny", "waterfal")
    assert code == 2
    assert "no figure is called waterfal; did you mean `waterfall`?" in err


@pytest.mark.usefixtures("results")
def test_the_list_holds_runs_and_sweeps(crashsim: CommandLine) -> None:
    document = json.loads(crashsim("list", "--json")[1])
    assert len(document["runs"]) == 2
    assert [entry["cells"] for entry in document["sweeps"]] == [3]
    _, out, _ = crashsim("list")
    assert "3 cells" in out
    assert max(map(len, out.splitlines())) <= 100


def test_compare_leaves_a_sweep_out_and_says_so(results: Path, crashsim: CommandLine) -> None:
    folders = sorted(f"results/{path.name}" for path in results.iterdir())
    code, out, err = crashsim("compare", *folders)
    assert code == 0
    assert "is a sweep: left out" in err
    assert "seed" in out


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("10000", 10_000),
        ("10,000", 10_000),
        ("10_000", 10_000),
        ("10k", 10_000),
        ("1.5M", 1_500_000),
    ],
)
def test_numbers_of_paths_are_read_as_people_write_them(typed: str, number: int) -> None:
    assert whole_number(typed) == number


@pytest.mark.parametrize("typed", ["0", "-1", "1.5", "1,00", "ten", "1e4", ""])
def test_other_numbers_of_paths_are_refused(typed: str, crashsim: CommandLine) -> None:
    code, _, err = crashsim("run", "calm", "--paths", typed)
    assert code == 2
    assert "write 10000, 10,000 or 10k" in err


def test_more_paths_than_a_scenario_may_have_are_wrong_usage(crashsim: CommandLine) -> None:
    code, _, err = crashsim("run", "calm", "--paths", "200M")
    assert code == 2
    assert "more than 100,000,000" in err


def test_a_short_key_is_completed_where_one_table_has_it() -> None:
    said: list[str] = []
    values = parse_overrides(["elasticity=0.8", "annual_price_decline=90%"], said.append)
    assert values == {"technology.elasticity": 0.8, "technology.annual_price_decline": 0.9}
    assert said[0] == "--set elasticity is taken for technology.elasticity"


def test_a_key_that_is_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--set gives scenario\.seed twice"):
        parse_overrides(["seed=1", "scenario.seed=2"], silent)
    with pytest.raises(UsageError, match=r"--vary gives technology\.elasticity twice"):
        parse_varied(["technology.elasticity=1,2", "elasticity"], silent)


def test_a_short_key_of_several_tables_is_refused_with_the_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(typed_values, "_fields", lambda _: ["rate"])
    with pytest.raises(
        UsageError, match=r"--set rate could be scenario\.rate or technology\.rate or"
    ):
        parse_overrides(["rate=1"], silent)


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("elasticity.mean", "technology.elasticity.mean"),
        ("consensus.elasticity", "technology.consensus.elasticity"),
        ("events.0.cut", "events.0.cut"),
        ("no_such_key", "no_such_key"),
    ],
)
def test_a_key_is_completed_at_its_front(typed: str, key: str) -> None:
    assert full_key(typed) == key


@pytest.mark.parametrize(
    ("typed", "key", "spec"),
    [
        ("elasticity=0.6,1.0", "technology.elasticity", "0.6,1.0"),
        ("annual_price_decline=60%, 90 %,0.95", "technology.annual_price_decline", "0.6,0.9,0.95"),
        ("annual_price_decline=60%:90%:4", "technology.annual_price_decline", "0.6:0.9:4"),
        ("annual_price_decline=log:5%:.9:4", "technology.annual_price_decline", "log:0.05:.9:4"),
        ("elasticity", "technology.elasticity", None),
    ],
)
def test_varied_keys_and_values_are_read_as_those_of_set(
    typed: str, key: str, spec: str | None
) -> None:
    assert parse_varied([typed], silent) == {key: spec}


def test_a_percentage_of_what_is_no_share_cannot_vary(crashsim: CommandLine) -> None:
    code, _, err = crashsim("sweep", "calm", "--vary", "elasticity=60%,90%")
    assert code == 2
    assert "--vary elasticity=60%,90%: technology.elasticity is" in err


def test_a_sweep_takes_short_keys_and_percentages(crashsim: CommandLine, tmp_path: Path) -> None:
    vary = "annual_price_decline=60%,90%"
    code, out, err = crashsim(
        "sweep", "calm", "-n", 64, "--vary", vary, "-o", tmp_path, "--workers", 1, "--json"
    )
    assert code == 0
    assert "--vary annual_price_decline is taken for technology.annual_price_decline" in err
    assert json.loads(out)["design"]["vary"] == [["technology.annual_price_decline", [0.6, 0.9]]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("technology.annual_price_decline=0,8", "write 0.8$"),
        ("scenario.paths=10,000", "write 10.000 or 10000$"),
        ("scenario.horizon_years=50%", "is in years; write it as a number"),
        ("technology.nothing=5%", "is not known to be a share"),
    ],
)
def test_a_value_that_could_be_misread_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_overrides([text], silent)


def test_ninety_for_a_share_suggests_what_was_meant(crashsim: CommandLine) -> None:
    code, _, err = crashsim("check", "deepseek", "--set", "technology.annual_price_decline=90")
    assert code == 3
    assert "90 % is 0.9" in err


@pytest.mark.parametrize(
    ("typed", "entity"),
    [
        ("S&P 500", "sp500"),
        ("the S&P 500", "sp500"),
        ("nvda", "NVDA"),
        ("NVIDIA", "NVDA"),
        ("Mag7", "mag7"),
    ],
)
def test_entities_are_known_by_ticker_and_name(typed: str, entity: str) -> None:
    assert entity_of(load_scenario("deepseek").universe.titles, typed) == entity


def test_a_run_shows_itself_in_a_line_and_takes_a_name() -> None:
    run = simulate("calm", paths=8, seed=3)
    assert repr(run).startswith("<Run calm: 8 paths, seed 3, digest ")
    assert len(repr(run)) < 100


def test_a_new_scenario_runs_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashsim: CommandLine
) -> None:
    monkeypatch.chdir(tmp_path)
    assert crashsim("new", "my-story", "--from", "calm")[0] == 0
    code, out, _ = crashsim("check", "my-story")
    assert code == 0
    assert "my-story" in out


def test_a_plain_file_as_output_folder_is_called_a_file(
    tmp_path: Path, crashsim: CommandLine
) -> None:
    (tmp_path / "taken").write_text("")
    code, _, err = crashsim("run", "calm", "-n", 8, "-o", tmp_path / "taken")
    assert code == 4
    assert "taken is a file, not a folder" in err


def test_a_report_that_fails_leaves_the_run_and_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashsim: CommandLine
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr(run_html, "figures", broken)
    code, out, err = crashsim("run", "calm", "-n", 64, "-o", tmp_path)
    assert code == 4
    assert "LARGEST FALL" in out
    assert "the run is stored in" in err
    monkeypatch.undo()
    code, _, err = crashsim("run", "calm", "-n", 64, "-o", tmp_path)  # the report is made up for
    assert code == 0, err
    assert list(tmp_path.glob("calm-*/report.html"))


def test_precision_that_is_not_reached_ends_in_4_with_the_number_kept(
    tmp_path: Path, crashsim: CommandLine
) -> None:
    goal = "P(sp500.max_drawdown >= 0.2) +-0.1pp"
    code, out, _ = crashsim("run", "calm", "-n", 1024, "--until", goal, "-o", tmp_path)
    assert code == 4
    assert f"{goal}: 0." in out
    assert "not within" in out
    _, out, _ = crashsim("run", "calm", "-n", 1024, "--until", goal, "-o", tmp_path, "--json")
    until = json.loads(out)["until"]
    assert (until["met"], until["wanted_half_width"]) == (False, 0.001)
    assert until["low"] < until["value"] < until["high"]


@pytest.mark.parametrize("typed", ["nvda", "NVIDIA", "Nvidia"])
def test_a_threshold_of_a_firm_by_any_name_is_the_same_run(typed: str) -> None:
    rules = [f"median({name}.max_drawdown) < 30%" for name in ("NVDA", typed)]
    of_ticker, of_name = (load_scenario("calm", {"thresholds.fall": rule}) for rule in rules)
    assert of_name.thresholds == of_ticker.thresholds
    assert of_name.digest == of_ticker.digest


def test_an_event_and_a_goal_take_names_with_blanks() -> None:
    calm = load_scenario("calm")
    event = parse_event("S&P 500.max_drawdown >= 70%", calm)
    assert (event.entity, event.text) == ("sp500", "sp500.max_drawdown >= 70%")
    goal = parse_goal("P( The S&P 500.max_drawdown >= 0.49 ) +-0.5pp", calm.universe.titles)
    assert goal.text == "P( sp500.max_drawdown >= 0.49 ) +-0.5pp"


def test_an_unknown_name_in_a_threshold_is_refused_with_the_names_there_are(
    crashsim: CommandLine,
) -> None:
    code, _, err = crashsim("run", "calm", "--threshold", "median(n v.max_drawdown) < 30%")
    assert code == 3
    assert "unknown entity `n v`" in err
    assert "NVDA" in err


@pytest.mark.usefixtures("results")
def test_entities_of_sweeps_and_comparisons_are_known_by_name(crashsim: CommandLine) -> None:
    code, out, _ = crashsim("plot", "tiny-sweep", "lines", "-e", "nvidia", "-o", "nv.svg", "--json")
    assert code == 0
    assert json.loads(out)["entity"] == "NVDA"
    code, out, _ = crashsim("compare", "tiny-sweep", "-e", "nvidia", "--json")
    assert code == 0
    assert json.loads(out)["entity"] == "NVDA"
    folders = [str(path.parent) for path in Path("results").glob("*/manifest.json")]
    code, out, _ = crashsim("compare", *folders, "-e", "nvidia", "--sort", "mean")
    assert code == 0
    assert "NVIDIA" in out


def test_a_figure_does_not_make_an_old_run_the_newest(results: Path) -> None:
    older = min(results.glob("tiny-*/summary.json"), key=os.path.getmtime).parent
    os.utime(older / "manifest.json")  # as a figure that is added does
    runs = [folder for folder in newest_first(results.iterdir()) if kind_of(folder) == "run"]
    assert runs == [newest_run(results), older]


@pytest.mark.parametrize(
    "typed",
    [
        ("hindcast", "-n"),
        ("run", "calm", "-n"),
        ("run", "calm", "--keep-paths"),
        ("sweep", "calm", "--design", "lhs", "--cells"),
        ("sweep", "calm", "--vary", "elasticity=1,2", "--extend"),
    ],
)
def test_every_count_is_read_by_one_parser(typed: tuple[str, ...], crashsim: CommandLine) -> None:
    code, _, err = crashsim(*typed, "1e4")
    assert code == 2
    assert "'1e4' is not a count above 0; write 10000, 10,000 or 10k" in err


def test_counts_in_thousands_are_taken(
    crashsim: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def judge(paths: int, _: object) -> None:
        taken.append(paths)
        raise UsageError("enough")

    monkeypatch.setattr("simulator.validation.hindcast.hindcast", judge)
    for typed in ("1k", "10,000", "2_000"):
        crashsim("hindcast", "-n", typed)
    assert taken == [1_000, 10_000, 2_000]
    code, _, err = crashsim("hindcast", "-n", "99")
    assert code == 2
    assert "--paths 99: a verdict needs 100 or more" in err
    typed_cells = ("sweep", "deepseek", "--design", "lhs", "--cells", "1k", "-n", 8, "--dry-run")
    code, out, _ = crashsim(*typed_cells)
    assert code == 0
    assert "1,001 of 1,001" in out


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        (["scenario.seed=1,2,3"], "all cells share their draws: use --seed"),
        (["seed=1,2,3"], "use --seed"),
        (["paths=100,200"], "use --paths"),
        (["scenario.name=a,b"], "it names the sweep"),
        (["sweep.cells=1,2"], "a cell takes no notice of it"),
        (["format_version=1,2"], "a cell takes no notice of it"),
        (["elasticity=1,2", "elasticity.mean=1,2"], "elasticity.mean is part of technology.elast"),
    ],
)
def test_what_cells_would_ignore_cannot_vary(
    vary: list[str], says: str, crashsim: CommandLine
) -> None:
    code, _, err = crashsim("sweep", "calm", *(word for v in vary for word in ("--vary", v)))
    assert code == 2
    assert says in err


@pytest.mark.parametrize("typed", [(), ("dotcom",)])
def test_baselines_fit_a_narrow_screen(
    typed: tuple[str, ...], crashsim: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = crashsim("baseline", *typed)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 60


def test_a_list_of_a_file_is_told_to_take_a_folder(crashsim: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = crashsim("list", tmp_path / "file")
    assert code == 2
    assert "file is a file; list takes a folder" in err


def test_a_sweep_onto_a_file_keeps_no_cells(crashsim: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    vary = ("--vary", "elasticity=1,2", "-n", 8, "-o", tmp_path / "taken")
    code, _, err = crashsim("sweep", "calm", *vary)
    assert code == 4
    assert "taken is a file, not a folder" in err
    assert "kept" not in err


def test_a_new_scenario_cannot_be_called_like_a_shipped_one(
    crashsim: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = crashsim("new", "deepseek")
    assert code == 2
    assert "comes with crashsim" in err
    assert not list(tmp_path.iterdir())


def test_runs_without_noise_have_no_errors_and_one_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashsim: CommandLine
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = []
    for elasticity in (0.7, 1.1):
        alone = simulate("calm", shocks="zero", keep_levels=True, paths=1)
        typed = ("run", "calm", "--deterministic", "--set", f"elasticity={elasticity}", "--json")
        code, out, _ = crashsim(*typed, "--threshold", "mean(sp500.max_drawdown) < 0.9")
        assert code == 0
        document = json.loads(out)
        folders.append(document["folder"])
        figures = [f for found in document["entities"].values() for f in found.values()]
        assert all(f["mc_error"] == 0.0 for f in figures)
        assert all(f["low"] == f["high"] == f["value"] for f in figures)
    levels = alone.levels[0, :, 0].to_numpy()
    depth = float((1 - levels / np.maximum.accumulate(levels)).max())
    assert alone.estimates()["sp500"]["mean"].value == pytest.approx(depth, abs=1e-6)
    code, out, _ = crashsim("compare", *folders)
    assert code == 0
    assert "?" not in out
    assert "1 path," in out
    assert "1 paths" not in out


def test_a_sweep_over_one_value_draws_without_a_warning(
    crashsim: CommandLine, tmp_path: Path
) -> None:
    vary = ("--vary", "elasticity=0.8", "-n", 8, "-o", tmp_path, "--workers", 1)
    code, _, err = crashsim("sweep", "calm", *vary)
    assert code == 0
    assert "Warning" not in err
    assert "report: " in err
