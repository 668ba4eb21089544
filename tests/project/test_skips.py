"""The rule that no test is skipped unseen under CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SKIPPING = """
import pytest
def test_good(): pass
@pytest.mark.skip(reason="no browser")
def test_known(): pass
@pytest.mark.skipif(True, reason="{reason}")
def test_other(): pass
"""


@pytest.mark.parametrize(
    ("reason", "ci", "code"), [("no browser", "1", 0), ("too lazy", "1", 1), ("too lazy", "", 0)]
)
@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_an_unlisted_skip_fails_ci(
    reason: str, ci: str, code: int, workers: list[str], tmp_path: Path
) -> None:
    (tmp_path / "test_it.py").write_text(SKIPPING.format(reason=reason), encoding="utf-8")
    (tmp_path / "list.txt").write_text("# a comment\ntest_it.py : no browser\n", encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "skips", "-p", "no:cacheprovider", *workers],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(TESTS), "ALLOWED_SKIPS": "list.txt"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == code, found.stdout
    assert ("test_it.py::test_other : too lazy" in found.stdout) == (code == 1)
    assert "test_known : no browser" not in found.stdout


def test_every_listed_skip_is_still_in_a_test() -> None:
    for line in (TESTS / "allowed-skips.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(" : ")
            shared = TESTS / "browser.py"  # its fixtures skip for the tests that use them
            files = (TESTS.parent / name, shared)
            assert any(reason in file.read_text("utf-8") for file in files)
