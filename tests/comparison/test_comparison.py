"""Runs side by side, as a user meets them and as a program does."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_runs import CommandLine

from simulator.comparison.comparison import Comparison, changes, pairing
from simulator.comparison.scenario_diff import differences, mixed, value_text
from simulator.runs.run import Run
from simulator.runs.runner import simulate
from simulator.scenario.scenario import list_scenarios, load_scenario


@pytest.fixture(scope="module")
def runs(story: Path) -> tuple[Run, Run, Run]:
    """The tiny scenario; with another hazard; the first again with another seed."""
    base = load_scenario(story)
    other = load_scenario(story, {"sentiment.hazard_scale": 6.0})
    return (
        simulate(base, paths=256),
        simulate(other, paths=256),
        simulate(base, paths=256, seed=8),
    )


@pytest.fixture(scope="module")
def folders(
    runs: tuple[Run, Run, Run], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """The same three runs, stored."""
    parent = tmp_path_factory.mktemp("runs")
    first, other, elsewhere = (parent / f"tiny-{run.digest}" for run in runs)
    for run, folder in zip(runs, (first, other, elsewhere), strict=True):
        run.save(folder)
    return first, other, elsewhere


# ---------------------------------------------------------------- what differs


def test_only_what_differs_is_named(story: Path) -> None:
    base = load_scenario(story)
    other = load_scenario(story, {"technology.elasticity": 0.8, "scenario.horizon_years": 1.0})
    found = {one.key: one.texts for one in differences([base, other])}
    assert found == {
        "scenario.horizon_years": ("0.5", "1"),
        "technology.elasticity": ("uniform 0.6 to 1.6", "0.8"),
    }
    assert differences([base, base]) == []


def test_titles_sources_and_thresholds_move_no_number(story: Path) -> None:
    base = load_scenario(story)
    renamed = load_scenario(
        story,
        {
            "scenario.title": "Other",
            "scenario.name": "other",
            "thresholds.no_ruin": "mean(sp500.max_drawdown) < 1",
        },
    )
    assert differences([base, renamed]) == []


@pytest.mark.parametrize("other", [name for name in list_scenarios() if name != "deepseek"])
def test_a_mixture_with_every_key_is_the_other_scenario(other: str) -> None:
    a, b = load_scenario("deepseek"), load_scenario(other)
    keys = [one.key for one in differences([a, b])]
    assert keys
    assert differences([mixed(a, b, keys), b]) == []
    assert differences([mixed(a, b, []), a]) == []
    assert [one.key for one in differences([mixed(a, b, keys[:1]), a])] == keys[:1]


def test_a_correlation_goes_with_its_assumption_and_comes_back() -> None:
    a = load_scenario("deepseek")
    b = load_scenario("deepseek", {"technology.elasticity": 0.8})
    assert a.correlations
    assert not b.correlations
    assert [one.key for one in differences([a, b])] == ["technology.elasticity"]
    assert mixed(b, a, ["technology.elasticity"]).correlations == a.correlations
    assert mixed(a, b, ["technology.elasticity"]).correlations == ()


def test_values_are_told_on_one_line() -> None:
    scenario = load_scenario("deepseek")
    told = value_text(scenario.technology.elasticity)
    assert told == "normal mean 1 sd 0.25 in 0.4 to 2.2"
    assert value_text(None) == value_text(()) == "none"
    assert value_text(scenario.events).startswith("4: R1 is 27 times cheaper")
    assert len(value_text(scenario.concentration.earlier_years)) <= 60


# ---------------------------------------------------------------- what it changes


def test_changes_are_differences_of_the_runs_own_numbers(runs: tuple[Run, Run, Run]) -> None:
    first, other, _ = runs
    found = changes(first, other, pairing(first, other), ["sp500", "NVDA"])
    assert len(found) == 2 * len(first.estimates()["sp500"])
    for (entity, name), change in found.items():
        before, after = (run.estimates()[entity][name].value for run in (first, other))
        assert change.value == pytest.approx(after - before, rel=1e-9, abs=1e-12), (entity, name)
        assert change.low <= change.value <= change.high


def test_paired_errors_are_smaller_than_unpaired_ones(runs: tuple[Run, Run, Run]) -> None:
    first, other, elsewhere = runs
    paired = changes(first, other, pairing(first, other), ["sp500"])["sp500", "mean"]
    apart = pairing(first, elsewhere)
    assert not apart
    assert "seeds 7 and 8" in apart.note
    unpaired = changes(first, elsewhere, apart, ["sp500"])["sp500", "mean"]
    assert paired.mc_error < 0.7 * unpaired.mc_error


def test_runs_of_different_length_are_compared_on_the_paths_both_have(
    runs: tuple[Run, Run, Run], story: Path
) -> None:
    long = simulate(load_scenario(story, {"sentiment.hazard_scale": 6.0}), paths=512)
    shared = pairing(runs[0], long)
    assert shared.paths == 256
    assert "that both runs have" in shared.note
    short = changes(runs[0], runs[1], pairing(runs[0], runs[1]), ["sp500"])
    assert changes(runs[0], long, shared, ["sp500"]) == short


def test_other_blocks_are_other_noise(runs: tuple[Run, Run, Run]) -> None:
    assert pairing(runs[0], runs[1], (1024, 1024))
    assert "blocks of 1024 and 512" in pairing(runs[0], runs[1], (1024, 512)).note


def test_the_table_is_tidy(runs: tuple[Run, Run, Run]) -> None:
    table = Comparison(runs, ("a", "b", "c"), ("sp500", "mag7")).table()
    assert len(table) == 3 * 2 * len(runs[0].estimates()["sp500"])
    assert list(table.columns[:4]) == ["run", "entity", "statistic", "value"]
    assert table["change"].isna().sum() == len(table) // 3
    assert set(table["paired"]) == {"", "yes", "no"}
    np.testing.assert_array_equal(
        table[table["run"] == "b"]["value"].to_numpy(),
        [one.value for e in ("sp500", "mag7") for one in runs[1].estimates()[e].values()],
    )


# ---------------------------------------------------------------- the command


def test_compare_shows_what_differs_and_the_change(
    crashsim: CommandLine, folders: tuple[Path, Path, Path]
) -> None:
    code, out, err = crashsim("compare", *folders[:2])
    assert code == 0
    assert max(map(len, out.split("\n"))) <= 100
    assert out.count("hazard_scale") == 1
    assert "elasticity" not in out
    assert "paired: 256 paths" in out
    assert re.search(r"^S&P 500 .*median.*1-in-100", out, re.MULTILINE)
    assert len(re.findall(r"^  change ", out, re.MULTILINE)) == 6
    assert f"next: crashsim compare {folders[0]}" in err


def test_compare_says_when_runs_are_not_paired(
    crashsim: CommandLine, folders: tuple[Path, Path, Path]
) -> None:
    _, out, _ = crashsim("compare", folders[0], folders[2])
    assert "not paired: seeds 7 and 8" in out
    assert re.search(r"scenario\.seed\s+7\s+8", out)
    _, out, _ = crashsim("compare", *folders)
    assert "B: paired" in out
    assert "C: not paired" in out


def test_compare_sorts_by_the_change_of_a_statistic(
    crashsim: CommandLine, folders: tuple[Path, Path, Path]
) -> None:
    documents = [
        json.loads(crashsim("compare", *folders, "--json", "--sort", name)[1])
        for name in ("mean", "terminal_return_median")
    ]
    for document, name in zip(documents, ("mean", "terminal_return_median"), strict=True):
        moved = [run["entities"]["sp500"][name]["change"]["value"] for run in document["changes"]]
        assert moved == sorted(moved, reverse=True)
    code, _, err = crashsim("compare", *folders, "--sort", "meen")
    assert code == 2
    assert "no statistic 'meen'" in err
    assert "worst_1_in_20" in err


def test_compare_writes_the_same_numbers_three_ways(
    crashsim: CommandLine, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    arguments = ("compare", *folders[:2], "-e", "NVDA", "-o")
    for name in ("x.csv", "x.json", "x.md"):
        code, out, _ = crashsim(*arguments, tmp_path / name)
        assert (code, out.strip()) == (0, str(tmp_path / name))
    with (tmp_path / "x.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    document = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    told = document["changes"][0]["entities"]["NVDA"]["mean"]
    row = next(
        row
        for row in rows
        if (row["run"], row["entity"], row["statistic"]) == (folders[1].name, "NVDA", "mean")
    )
    assert float(row["change"]) == told["change"]["value"]
    assert float(row["value"]) == told["after"]["value"]
    points = re.search(
        r"\| NVDA \| mean fall \|[^|]*\|[^|]*\| (.)(\d+\.\d+) ",
        (tmp_path / "x.md").read_text("utf-8"),
    )
    assert points is not None
    sign = -1.0 if points[1] == "−" else 1.0  # a deeper fall is a negative change for readers
    assert sign * float(points[2]) == pytest.approx(-100 * told["change"]["value"], abs=0.06)


def test_names_of_folders_stand_in_markdown_as_they_are(
    crashsim: CommandLine, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    name = "a|b``c`<img src=x>_*[d]"
    strange = shutil.copytree(folders[0], tmp_path / name)
    assert crashsim("compare", strange, folders[1], "-o", tmp_path / "x.md")[0] == 0
    text = (tmp_path / "x.md").read_text("utf-8")
    assert text.startswith(f"# ``` {name} ``` and `{folders[1].name}`\n")
    assert f"- A: ``` {name} ```: " in text


def test_a_comparison_that_cannot_be_is_refused(
    crashsim: CommandLine, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    assert crashsim("compare", folders[0])[0] == 2
    code, _, err = crashsim("compare", *folders[:2], "-e", "NVDIA")
    assert code == 2
    assert "no entity is called 'NVDIA'" in err
    code, _, err = crashsim("compare", *folders[:2], "-o", tmp_path / "x.txt")
    assert code == 2
    assert "neither .csv, .json nor .md" in err
    assert crashsim("compare", folders[0], tmp_path)[0] == 4
