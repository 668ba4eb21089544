"""Documentation is a build product: it must say what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path

import pytest
from typer.main import get_command

from simulator.cli.app import make_app
from simulator.scenario.scenario import load_scenario

ROOT = Path(__file__).parents[2]
SCRIPT = run_path(str(ROOT / "scripts" / "make_cli_docs.py"))
MODEL = run_path(str(ROOT / "scripts" / "make_model_docs.py"))
TARGET: Path = SCRIPT["TARGET"]
COMMANDS = get_command(make_app(plain=True)).commands  # type: ignore[attr-defined]


def test_cli_page_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == SCRIPT["pages"](), "run: make docs"


def test_parameters_page_is_current() -> None:
    assert MODEL["TARGET"].read_text(encoding="utf-8") == MODEL["page"](), "run: make docs"


def test_parameters_page_holds_every_parameter_of_a_scenario() -> None:
    held = {spec.doc for table in MODEL["TABLES"].values() for spec in table.specs().values()}
    used = load_scenario("deepseek").ledger()
    assert used
    assert {row.doc for row in used} <= held


def test_knife_edge_of_the_model_page_is_the_consensus() -> None:
    text = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    head, _, *rows = re.findall(r"(?m)^\|.*$", text.partition("### 1.4")[2].partition("\n## ")[0])
    elasticities = [float(one) for one in re.findall(r"ε = ([\d.]+)", head)]
    assert len(rows) == 4
    for row in rows:
        decline, *told = row.strip("| ").split(" | ")
        fall = float(decline.split(" %")[0]) / 100
        implied = [MODEL["growth"](elasticity, fall) for elasticity in elasticities]
        assert [float(one) for one in told] == pytest.approx(implied, abs=0.00501)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_a_line_in_the_docs(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert len(command.get_short_help_str(60).rstrip(".")) > 10
    assert "..." not in command.get_short_help_str(60), (
        "the first sentence does not fit the list of commands"
    )
    assert f"\n## {name}\n" in TARGET.read_text(encoding="utf-8")
    assert command.epilog.startswith(f"Example: crashsim {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str) -> None:
    assert not [option.name for option in COMMANDS[name].params if not option.help]


def test_commands_named_in_the_documents_exist() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        text = page.read_text(encoding="utf-8")
        code = re.findall(r"```.*?```|`[^`\n]+`|^ {4}.*$", text, re.DOTALL | re.MULTILINE)
        for piece in code:
            for name in re.findall(r"(?m)^[`$\s]*crashsim ([a-z]+)", piece):
                assert name in COMMANDS, f"{page.name} speaks of crashsim {name}"
