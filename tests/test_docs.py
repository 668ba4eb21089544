"""Documentation is a build product: it must say what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path

import pytest
from typer.main import get_command

from simulator.cli import make_app

ROOT = Path(__file__).parent.parent
SCRIPT = run_path(str(ROOT / "scripts" / "make_cli_docs.py"))
TARGET: Path = SCRIPT["TARGET"]
COMMANDS = get_command(make_app(plain=True)).commands  # type: ignore[attr-defined]


def test_cli_page_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == SCRIPT["pages"](), (
        "run: python scripts/make_cli_docs.py"
    )


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
