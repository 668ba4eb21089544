"""The how-to pages do what they say: their commands print what stands below them, their Python runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from runpy import run_path

import pytest

from simulator.cli.app import make_app
from simulator.portfolio.portfolio import PORTFOLIO
from simulator.scenario.thresholds import METRICS, STATISTICS, parse_threshold
from simulator.universe.universe import load_universe

ROOT = Path(__file__).parents[2]
SCRIPT = run_path(str(ROOT / "scripts" / "make_howto_docs.py"))
PAGES: list[Path] = SCRIPT["PAGES"]
LIMITS = (ROOT / "docs" / "howto" / "risk-limit.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_output_is_current(path: Path) -> None:
    assert path.read_text("utf-8") == SCRIPT["page"](path), "run: make docs"


def test_output_that_is_not_current_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n```console\n$ echo now\nthen\n$ echo & echo\n```\n", encoding="utf-8")
    made = SCRIPT["page"](page)
    assert made.startswith("text\n```console\n$ echo now\nnow\n$ echo & echo")
    assert "then" not in made


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_python_runs(path: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), flags=re.DOTALL):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_limits_of_the_page_can_be_read_and_tell_all_there_is() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", LIMITS, flags=re.DOTALL)
    titles = {**load_universe("us-2025-01").titles, PORTFOLIO: "Your portfolio"}
    for name, rule in tomllib.loads(table)["thresholds"].items():
        assert parse_threshold(name, rule, titles).text == rule
    for word in (*METRICS, *STATISTICS):
        assert f"`{word}`" in LIMITS, word


def test_options_of_the_pages_exist() -> None:
    (run,) = [one for one in make_app(plain=True).registered_commands if one.name == "run"]
    assert run.callback is not None
    known = {name.strip("_").replace("_", "-") for name in run.callback.__signature__.parameters}  # type: ignore[attr-defined]
    for path in PAGES:
        for line in re.findall(r"crashsim run .*", path.read_text("utf-8")):
            for option in re.findall(r"--([a-z-]+)", line):
                assert option.removeprefix("no-").replace("json", "as-json") in known, option
