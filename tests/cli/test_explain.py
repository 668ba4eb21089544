"""explain, and the completion of keys as three shells ask for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import CommandLine
from scipy.stats import spearmanr
from typer import Context
from typer.main import get_command

from simulator.cli.app import make_app
from simulator.cli.completion import complete_key, complete_setting
from simulator.runs.load import load_run
from simulator.scenario.scenario import list_scenarios, load_scenario

COMPLETED = """\
import sys
from simulator.cli.app import invoke
try:
    invoke([])
except SystemExit:
    sys.stderr.write(str({"numpy", "pandas", "scipy", "simulator.schema"} & set(sys.modules)))
"""


def completions(shell: str, line: str) -> str:
    """What the shell is given when a person presses tab behind ``line``."""
    asked = {
        "_CRASHSIM_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - (not line.endswith(" "))),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-c", COMPLETED],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "set()", "a completion must not import what takes long"
    return done.stdout


@pytest.mark.parametrize(
    ("shell", "line", "keys"),
    [
        ("bash", "crashsim run deepseek --set technology.elas", ["technology.elasticity="]),
        (
            "zsh",
            "crashsim sweep deepseek --vary sentiment.hazard_l",
            ['"sentiment.hazard_level=":'],
        ),
        (
            "fish",
            "crashsim solve deepseek --by events.0.c",
            ["events.0.cut\tfall of the list price"],
        ),
        ("fish", "crashsim explain capex_", ["capex_floor\t", "capex_ceiling\t"]),
    ],
)
def test_a_shell_is_given_the_keys_that_begin_so(shell: str, line: str, keys: list[str]) -> None:
    printed = completions(shell, line).splitlines()
    assert len(printed) == len(keys)
    assert all(key in text for key, text in zip(keys, printed, strict=True))


def context(**params: object) -> Context:
    ctx = Context(get_command(make_app(plain=True)))
    ctx.params = params
    return ctx


def test_bash_itself_completes_a_key(tmp_path: Path) -> None:
    program = tmp_path / "crashsim"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m simulator "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = """eval "$(crashsim --show-completion bash)"
    COMP_WORDS=(crashsim run deepseek --set events.0.cu); COMP_CWORD=4
    _crashsim_completion crashsim
    printf '%s\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "events.0.cut=\n"


@pytest.mark.parametrize("name", list_scenarios())
def test_every_assumption_of_a_shipped_scenario_is_completed(name: str) -> None:
    known = dict(complete_key(context(scenario=name), ""))
    rows = {
        row.key: row.doc for row in load_scenario(name).ledger() if "earlier_years" not in row.key
    }
    assert rows.items() <= known.items()


def test_a_short_key_is_completed_and_nothing_behind_the_sign_of_equality() -> None:
    assert [key for key, _ in complete_setting(context(), "elas")] == ["elasticity="]
    assert [key for key, _ in complete_key(context(), "consensus.elas")] == ["consensus.elasticity"]
    assert complete_setting(context(), "elasticity=0") == []


@pytest.mark.parametrize(
    "text", ["", "events = 3", "events = [1, {kind = 2}]", "=", "[events]\na = 1"]
)
def test_a_file_that_is_no_scenario_completes_all_but_its_events(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text, encoding="utf-8")
    for scenario in (str(path), str(tmp_path), "\0", "x" * 300, None):
        keys = [key for key, _ in complete_key(context(scenario=scenario), "")]
        assert "technology.elasticity" in keys
        assert not any(key.startswith("events.") for key in keys)


def test_the_card_of_a_key_is_its_declaration_and_its_value_in_each_scenario(
    crashsim: CommandLine,
) -> None:
    code, out, err = crashsim("explain", "elasticity", "--json")
    assert code == 0, err
    assert "is taken for technology.elasticity" in err
    card = json.loads(out)
    row = next(row for row in load_scenario("glut").ledger() if row.key == "technology.elasticity")
    assert (card["low"], card["high"], card["unit"], card["meaning"]) == (
        row.low,
        row.high,
        row.unit,
        row.doc,
    )
    assert card["values"]["glut"]["source"] == row.source
    assert card["values"].keys() == set(list_scenarios())
    assert card["place"] == "docs/model.md, section 1"
    _, out, _ = crashsim("explain", "technology.elasticity")
    assert "triangular low 0.6, mode 0.8, high 1 (priced in 1), C: glut" in out
    assert "allowed 0 to 4; default 1" in out


def test_a_key_of_an_event_is_explained_where_such_an_event_stands(crashsim: CommandLine) -> None:
    code, out, _ = crashsim("explain", "events.0.cut", "--json")
    assert code == 0
    card = json.loads(out)
    with_cut = [
        name for name in list_scenarios() if hasattr((*load_scenario(name).events, None)[0], "cut")
    ]
    assert sorted(card["values"]) == with_cut
    assert card["place"] == "docs/model.md, section 1.2"


def test_what_a_key_moves_is_the_rank_correlation_of_the_stored_paths(
    folder: Path, crashsim: CommandLine
) -> None:
    code, out, _ = crashsim("explain", "technology.elasticity", "--run", folder, "--json")
    assert code == 0
    run = load_run(folder)
    of = {row["entity"]: row for row in json.loads(out)["moves"]}
    for entity in run.scenario.universe.groups:
        fall = run.metrics.query("entity == @entity")["max_drawdown"].to_numpy()
        r = float(spearmanr(run.inputs["technology.elasticity"], fall).statistic)
        assert of[entity]["rank_correlation"] == pytest.approx(r, abs=1e-12)
        assert of[entity]["low"] < r < of[entity]["high"]
    code, out, _ = crashsim("explain", "market.calm_sd", "--run", folder)
    assert "a single number in this run" in " ".join(out.split())


def test_a_key_that_is_unknown_is_refused_with_the_nearest(crashsim: CommandLine) -> None:
    code, out, err = crashsim("explain", "technology.elastcity")
    assert (code, out) == (2, "")
    assert "did you mean `technology.elasticity`" in err
