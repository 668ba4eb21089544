"""Settings for all tests: how hypothesis searches, and a matplotlib that opens no window."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from simulator.cli import run
from simulator.runs import runner

pytest_plugins = ["browser", "cli_runs", "skips"]

os.environ["MPLBACKEND"] = "agg"
os.environ.pop("COLUMNS", None)  # tables as wide as where there is no terminal

# A shell that starts the tests in the background makes them deaf to Ctrl-C, and what they start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The default draws the same examples every time: a red test means a changed program, not
# a changed seed. HYPOTHESIS_PROFILE=explore looks further, for hours in which nobody waits.
settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", max_examples=1_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _workers_for_short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in tests are too short for more than one process, but tests are there to see several."""
    monkeypatch.setattr(runner, "_WORTH_A_WORKER", 0)


@pytest.fixture(autouse=True)
def _commands_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests share the processors already; those of several processes pass ``--workers``."""
    monkeypatch.setattr(run, "cores", lambda: 1)
