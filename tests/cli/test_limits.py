"""Risk limits as they are typed: in a file, as an option, for --until and for a rare event."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import TINY, CommandLine

from simulator.runs.load import load_run

STORY = TINY[: TINY.index("[thresholds]")].replace("horizon_years = 0.5", "horizon_years = 1")
IMPOSSIBLE = {
    "P(sp500.max_drawdown >= 49) < 0.10": "0.49",
    "median(sp500.max_drawdown) < 30": "0.3",
    "P(sp500.max_drawdown <= -0.49) < 0.10": "0.49",
    "P(sp500.loss_from_start >= 30) < 0.25": "0.3",
    "worst_1_in_20(sp500.return_1y) <= -25": "-0.25",
}
"""Limits that no run could fail, or all would, and the number that was meant."""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(STORY, encoding="utf-8")
    return path


@pytest.mark.parametrize(("limit", "meant"), IMPOSSIBLE.items())
def test_a_limit_that_cannot_fail_is_refused_wherever_it_stands(
    limit: str, meant: str, scenario: Path, tmp_path: Path, crashsim: CommandLine
) -> None:
    code, out, err = crashsim("run", scenario, "--threshold", limit, "-o", tmp_path / "results")
    assert (code, out) == (3, "")
    assert meant in err
    assert not (tmp_path / "results").exists()
    scenario.write_text(f'{STORY}\n[thresholds]\nlimit = "{limit}"\n', encoding="utf-8")
    line = len(scenario.read_text("utf-8").splitlines())
    for command in ("check", "run"):
        code, _, err = crashsim(command, scenario)
        assert code == 3
        assert meant in err
        assert f"tiny.toml:{line}:" in err


@pytest.mark.parametrize(
    ("command", "option", "wanted"),
    [
        ("run", "--until", "P(sp500.max_drawdown >= 49) +-1pp"),
        ("rare", "--event", "sp500.max_drawdown >= 49"),
    ],
)
def test_a_level_that_no_path_can_reach_is_refused_before_anything_runs(
    command: str, option: str, wanted: str, scenario: Path, crashsim: CommandLine
) -> None:
    code, out, err = crashsim(command, scenario, option, wanted)
    assert code in (2, 3)
    assert out == ""
    assert "0.49" in err


def test_per_cent_and_shares_are_one_limit_and_its_value_is_that_of_the_paths(
    scenario: Path, tmp_path: Path, crashsim: CommandLine
) -> None:
    limits = ("P(sp500.max_drawdown >= 20%) < 1%", "P(sp500.max_drawdown >= 0.2) < 0.01")
    options = [part for limit in limits for part in ("--threshold", limit)]
    code, _, err = crashsim("run", scenario, *options, "--json", "-o", tmp_path / "results")
    assert code == 99, err
    (folder,) = (tmp_path / "results").iterdir()
    depth = load_run(folder).results.measures["max_drawdown"][0]
    rows = json.loads((folder / "summary.json").read_text("utf-8"))["thresholds"]
    assert [row["estimate"]["value"] for row in rows] == pytest.approx([np.mean(depth >= 0.2)] * 2)
    assert [row["passed"] for row in rows] == [False, False]


def test_a_quantity_that_the_horizon_or_the_grid_lacks_is_refused_with_the_reason(
    scenario: Path, crashsim: CommandLine
) -> None:
    half = ("--set", "scenario.horizon_years=0.5")
    code, _, err = crashsim("run", scenario, *half, "--threshold", "median(sp500.return_1y) > -10%")
    assert code == 3
    assert "horizon" in err
    monthly = ("--set", "scenario.steps_per_year=12")
    code, _, err = crashsim(
        "run", scenario, *monthly, "--threshold", "median(sp500.worst_week) < 10%"
    )
    assert code == 3
    assert "steps" in err


@pytest.mark.parametrize("version", ["true", "1.0", '"1"'])
def test_a_format_version_is_a_whole_number(
    version: str, scenario: Path, crashsim: CommandLine
) -> None:
    text = STORY.replace("format_version = 1", f"format_version = {version}")
    scenario.write_text(text, encoding="utf-8")
    code, _, err = crashsim("check", scenario)
    assert code == 3
    assert "format_version" in err
