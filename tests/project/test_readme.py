"""The README does what it says: its Python runs, its commands exist, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.cli.app import make_app

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_the_python_example_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert "simulated futures" in done.stdout
    assert "cause_sentiment" in done.stdout
    assert "0.77" in done.stdout, "the NASDAQ's fall on weekly closes"


def test_its_commands_exist() -> None:
    known = {command.name for command in make_app(plain=True).registered_commands}
    used = set(re.findall(r"^    crashsim (\w+)", TEXT, flags=re.MULTILINE))
    assert used
    assert used <= known, used - known


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT))))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
