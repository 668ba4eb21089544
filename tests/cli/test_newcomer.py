"""What people type on their first day: each is understood, or refused with the word that helps."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_runs import TINY, CommandLine

from simulator import load_scenario, simulate
from simulator.cli.find import entity_of
from simulator.cli.options import whole_number
from simulator.errors import UsageError
from simulator.reports import run_html
from simulator.scenario.typed_values import full_key, parse_overrides


def silent(_: str) -> None:
    """A notice that nobody reads."""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashsim: CommandLine) -> Path:
    """A folder with results/ of two runs of one name, the second newer, and a sweep of that name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY)
    for place, seed in enumerate((1, 2)):
        assert crashsim("run", "tiny.toml", "--seed", seed)[0] == 0
        newest = max(tmp_path.glob("results/tiny-*/manifest.json"), key=os.path.getmtime)
        os.utime(newest, (1_700_000_000 + place, 1_700_000_000 + place))
    sweep = ("sweep", "tiny.toml", "--vary", "technology.elasticity=0.8,1.2")
    assert crashsim(*sweep)[0] == 0
    manifest = next(tmp_path.glob("results/tiny-sweep-*/sweep.json"))
    os.utime(manifest, (1_700_000_002, 1_700_000_002))
    return tmp_path / "results"


def newest_run(results: Path) -> Path:
    return max(results.glob("tiny-*/manifest.json"), key=os.path.getmtime).parent


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
    assert "more than 100,000,000 paths" in err


def test_a_short_key_is_completed_where_one_table_has_it() -> None:
    said: list[str] = []
    values = parse_overrides(["elasticity=0.8", "annual_price_decline=90%"], said.append)
    assert values == {"technology.elasticity": 0.8, "technology.annual_price_decline": 0.9}
    assert said[0] == "--set elasticity is taken for technology.elasticity"


def test_a_short_key_of_several_tables_is_refused_with_the_candidates() -> None:
    with pytest.raises(UsageError, match=r"seed could be scenario\.seed or sweep\.seed|twice"):
        full_key("seed") and parse_overrides(["scenario.seed=1", "scenario.seed=2"], silent)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("technology.annual_price_decline=0,8", "write 0.8"),
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
    assert entity_of(load_scenario("deepseek"), typed) == entity


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
    assert code == 0
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
