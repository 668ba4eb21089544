"""Are the gates live? Plant a violation of each in a copy of the project and see it stopped.

Every gate is also shown the copy without the violation, so that none is red for another reason.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from hypothesis import settings

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTEST", "COV_", "COVERAGE"))  # a test run inside a test run
}

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the sources with every tool's settings, and one clean module and test."""
    shutil.copytree(
        ROOT / "simulator", tmp_path / "simulator", ignore=shutil.ignore_patterns("__pycache__")
    )
    # Of the tests only the shared material and the one that is to fail.
    (tmp_path / "tests").mkdir()
    shared = {path for path in (ROOT / "tests").glob("*.py") if not path.match("test_*.py")}
    for path in (ROOT / "pyproject.toml", ROOT / "tests" / "project" / "test_shapes.py", *shared):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def gate(project: Path, tool: str, *arguments: str) -> tuple[int, str]:
    return run(project, "-m", tool, *arguments)


def run(project: Path, *arguments: str) -> tuple[int, str]:
    """Run Python in the copy; its exit code and all it said."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def pytest_gate(project: Path, *arguments: str) -> tuple[int, str]:
    return gate(project, "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


CLEAN = '''"""A module nobody objects to."""


def double(value: float) -> float:
    """Twice the value."""
    return 2 * value
'''

LINT = {
    "ANN001": "def double(value) -> float:\n    return 2.0\n",
    "BLE001": "try:\n    double = 2\nexcept Exception:\n    double = 3\n",
    "D103": "def double(value: float) -> float:\n    return 2 * value\n",
    "F401": "import json\n",
    "FBT001": "def double(value: bool) -> float:\n    return 2.0 * value\n",
    "NPY002": "import numpy as np\n\nnp.random.seed(0)\n",
    "T201": "print(2)\n",
    "TID252": "from . import errors\n",
    "TID253": "import scipy\n",
}


def test_lint_stops_planted_violations(project: Path) -> None:
    clean = project / "simulator" / "planted.py"
    clean.write_text(CLEAN)
    assert gate(project, "ruff", "check", "simulator/planted.py")[0] == 0
    for code, text in LINT.items():
        (project / "simulator" / f"planted_{code}.py").write_text('"""Planted."""\n\n' + text)
    status, said = gate(project, "ruff", "check", "--output-format=concise", "simulator")
    assert status == 1
    found = set(re.findall(r"planted_(\w+)\.py:\d+:\d+: \1 ", said))
    assert found == set(LINT), said


def test_format_stops_a_planted_violation(project: Path) -> None:
    planted = project / "simulator" / "planted.py"
    planted.write_text(CLEAN)
    assert gate(project, "ruff", "format", "--check", "simulator/planted.py")[0] == 0
    planted.write_text(CLEAN.replace("2 * value", "2*value"))
    assert gate(project, "ruff", "format", "--check", "simulator/planted.py")[0] == 1


TYPES = {
    "no-untyped-def": "def double(value):\n    return 2 * value\n",
    "return-value": "def double(value: float) -> str:\n    return 2 * value\n",
    "unreachable": "def double(value: int) -> int:\n    if isinstance(value, str):\n        return 3\n    return 2\n",
    "truthy-bool": "class A: ...\n\n\ndef double(value: A) -> int:\n    return 2 if value else 3\n",
    "ignore-without-code": 'double: int = "2"  # type: ignore\n',
}


def test_types_stop_planted_violations(tmp_path: Path) -> None:
    # A project of the planted files alone: the real one is the business of `make check`.
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    folders = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    assert {"simulator", "tests"} <= set(folders)
    for folder in folders:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"clean_{folder}.py").write_text(CLEAN)
    status, said = gate(tmp_path, "mypy")
    assert status == 0, said
    for folder in folders:
        for code, text in TYPES.items():
            (tmp_path / folder / f"{folder}_{code.replace('-', '_')}.py").write_text(text)
    status, said = gate(tmp_path, "mypy")
    assert status == 1
    found = set(re.findall(r"^(\w+)/\w+\.py:.*\[([a-z-]+)\]$", said, re.MULTILINE))
    assert found == {(folder, code) for folder in folders for code in TYPES}, said


IMPORTS = {
    "upwards": ("errors.py", "from simulator import engine", "Packages import downwards"),
    "between parts of the model": (
        "model/valuation.py",
        "from simulator.model import firms",
        "Parts of the model meet only in the engine",
    ),
    "tables below the runs": ("statistics/drawdown.py", "import pandas", "No tables, pictures"),
    "a module without a floor": ("planted.py", "", "Packages import downwards"),
}


def lint_imports(project: Path) -> tuple[int, str]:
    command = "from importlinter.cli import lint_imports_command as lint; lint()"
    return run(project, "-c", command, "--no-cache")


def test_import_rules_pass_as_they_are(project: Path) -> None:
    status, said = lint_imports(project)
    assert status == 0, said


@pytest.mark.parametrize("name", IMPORTS)
def test_import_rules_stop_a_planted_import(project: Path, name: str) -> None:
    file, line, contract = IMPORTS[name]
    with (project / "simulator" / file).open("a") as stream:
        stream.write(f"\n{line}\n")
    status, said = lint_imports(project)
    assert status == 1
    assert re.search(rf"^{contract}.* BROKEN$", said, re.MULTILINE), said


SUITE = {
    "a warning from numpy": "import numpy as np\n\n\ndef test_planted():\n    np.log(np.zeros(1))\n",
    "an unknown mark": "import pytest\n\n\n@pytest.mark.slwo\ndef test_planted():\n    pass\n",
    "an expected failure that passes": "import pytest\n\n\n@pytest.mark.xfail\ndef test_planted():\n    pass\n",
}


def test_suite_passes_a_clean_test(project: Path) -> None:
    (project / "tests" / "test_planted.py").write_text("def test_planted():\n    pass\n")
    status, said = pytest_gate(project, "tests/test_planted.py")
    assert status == 0, said


@pytest.mark.parametrize("name", SUITE)
def test_suite_stops(project: Path, name: str) -> None:
    (project / "tests" / "test_planted.py").write_text(SUITE[name])
    status, said = pytest_gate(project, "tests/test_planted.py")
    assert status in (1, 2), said  # 2: refused while collecting
    assert re.search("RuntimeWarning|'slwo' not found|XPASS", said), said


def test_shapes_stop_a_swapped_axis(project: Path) -> None:
    status, said = pytest_gate(project, "tests/project/test_shapes.py")
    assert status == 0, said
    with (project / "simulator" / "statistics" / "drawdown.py").open("a") as stream:
        stream.write(
            "\n_right = max_drawdown\nmax_drawdown = lambda levels, axis: _right(levels, axis).T\n"
        )
    status, said = pytest_gate(project, "tests/project/test_shapes.py")
    assert status == 1
    assert "TypeCheckError" in said, said


def test_hypothesis_repeats_itself() -> None:
    profile = settings.get_current_profile_name()
    assert settings.get_profile(profile).derandomize == (profile == "ci")
