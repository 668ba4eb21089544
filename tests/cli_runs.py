"""Fixtures of the tests of commands: a tiny scenario, its run, and a command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from simulator.cli.app import invoke

CommandLine: TypeAlias = Callable[..., tuple[int, str, str]]
"""Runs a command line; its exit code, stdout and stderr."""

TINY = """\
format_version = 1

[scenario]
name = "tiny"  # kept
title = "Half a year for $1"
universe = "us-2025-01"
horizon_years = 0.5
steps_per_year = 52
paths = 64
seed = 7

[technology]
elasticity = { dist = "uniform", low = 0.6, high = 1.6 }  # the knife edge

[thresholds]
no_ruin = "P(sp500.max_drawdown >= 0.95) < 0.5"

[sources]
technology.elasticity = { source = "a test", date = 2025-01-24, strength = "D", weakness = "invented" }
"""


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def results(story: Path) -> Path:
    parent = story.parent / "results"
    assert invoke(["run", str(story), "-o", str(parent), "-q", "--workers", "1"]) == 0
    return parent


@pytest.fixture(scope="session")
def folder(results: Path) -> Path:
    (found,) = results.iterdir()
    return found


@pytest.fixture
def crashsim(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Run a command line here; its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = invoke([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err, "escape sequences off a terminal"
        assert "Traceback" not in out + err
        return code, out, err

    return run
