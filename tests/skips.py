"""A pytest plugin: under CI a skipped test fails the run, unless tests/allowed-skips.txt lists it.

A line there is the start of the test's name (its node id), a colon with blanks around, and the reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

LIST = Path(__file__).parent / "allowed-skips.txt"


def allowed() -> list[tuple[str, str]]:
    """Start of the name and reason of each skip that may be."""
    path = Path(os.environ.get("ALLOWED_SKIPS", LIST))
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kept = [line for line in lines if line.strip() and not line.startswith("#")]
    return [
        (name.strip(), reason.strip()) for name, _, reason in (one.partition(" : ") for one in kept)
    ]


def unlisted(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    """Name and reason of every skipped test that is not on the list."""
    known, found = allowed(), []
    for report in reports:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = text.removeprefix("Skipped: ")
        if not any(report.nodeid.startswith(name) and reason == why for name, why in known):
            found.append(f"{report.nodeid} : {reason}")
    return found


def _skipped(config: pytest.Config) -> list[pytest.TestReport | pytest.CollectReport]:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    return [] if terminal is None else list(terminal.stats.get("skipped", []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run; every worker of xdist ends here too, and has no reports."""
    if os.environ.get("CI") and unlisted(_skipped(session.config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which."""
    found = unlisted(terminalreporter.stats.get("skipped", []))
    if found and os.environ.get("CI"):
        terminalreporter.section("skips that tests/allowed-skips.txt does not list", red=True)
        for line in found:
            terminalreporter.line(line, red=True)
