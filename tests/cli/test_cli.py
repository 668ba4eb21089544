"""The command line keeps its contract: streams, documents, exit codes, signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from cli_runs import TINY, CommandLine

from simulator.cli.app import invoke
from simulator.cli.console import Screen, clean
from simulator.cli.run import parse_size
from simulator.errors import UsageError
from simulator.reports.text_table import table
from simulator.runs.load import load_run


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# ---------------------------------------------------------------- help


HEAVY = "numpy", "scipy", "matplotlib", "pandas", "jinja2", "simulator.scenario.scenario"


@pytest.mark.parametrize("command", ["", "run", "plot", "check", "path", "baseline"])
def test_help_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from simulator.cli.app import invoke; "
        f"invoke([*{command.split()}, '--help']); "
        f"sys.exit(', '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: crashsim" in done.stdout


def test_help_is_the_same_without_docstrings(crashsim: CommandLine) -> None:
    """``PYTHONOPTIMIZE=2`` drops them."""
    commands = ("", "run", "sweep", "plot", "universe", "universe new")
    lines = [[*command.split(), "--help"] for command in commands]
    code = f"from simulator.cli.app import invoke\nfor line in {lines}: invoke(line)"
    done = subprocess.run(
        [sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "".join(crashsim(*line)[1] for line in lines)
    assert "Start here: crashsim run deepseek" in done.stdout


def test_help_answers_in_half_a_second() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        assert process("--help").returncode == 0
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.5


def test_no_arguments_is_help_and_version_is_one_line(crashsim: CommandLine) -> None:
    code, out, _ = crashsim()
    assert code == 0
    assert "Start here: crashsim run deepseek" in out
    code, out, _ = crashsim("--version")
    assert code == 0
    assert re.fullmatch(r"crashsim \d+\.\d+\.\d+\S*\n", out)


# ---------------------------------------------------------------- streams and documents


def test_run_prints_the_result_to_stdout_and_the_rest_to_stderr(
    crashsim: CommandLine, story: Path, tmp_path: Path
) -> None:
    code, out, err = crashsim("run", story, "-o", tmp_path, "--workers", 1, "-v")
    assert code == 0
    assert "64 paths" in out
    assert "LARGEST FALL" in out
    assert "next:" not in out
    assert "paths/s" in err
    assert "report.html" in err
    assert re.search(r"^next: crashsim plot ", err, re.MULTILINE)
    (folder,) = tmp_path.iterdir()
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"manifest.json", "report.html", "summary.csv", "figures/fan.svg"} <= names


def test_quiet_leaves_stderr_empty(crashsim: CommandLine, story: Path, tmp_path: Path) -> None:
    code, out, err = crashsim("run", story, "-o", tmp_path, "-q", "--workers", 1)
    assert (code, err) == (0, "")
    assert out


def documents(story: Path, folder: Path, results: Path, tmp_path: Path) -> dict[str, list[Any]]:
    return {
        "run": ["run", story, "-o", results],
        "show": ["show", folder],
        "list": ["list", results],
        "plot": ["plot", folder, "fan"],
        "report": ["report", folder],
        "path": ["path", folder, 3],
        "path to a file": ["path", folder, 3, "-o", tmp_path / "p.csv"],
        "check": ["check", story],
        "schema": ["schema"],
        "baseline": ["baseline"],
        "one baseline": ["baseline", "dotcom"],
    }


def test_every_command_prints_one_json_document(
    crashsim: CommandLine, story: Path, folder: Path, results: Path, tmp_path: Path
) -> None:
    for name, arguments in documents(story, folder, results, tmp_path).items():
        code, out, _ = crashsim(*arguments, "--json")
        assert code == 0, name
        document = json.loads(out, parse_constant=pytest.fail)
        if name != "schema":  # is a standard's own document
            assert document["schema_version"] == 1, name


def test_every_command_ends_with_the_next_one(
    crashsim: CommandLine, story: Path, folder: Path, results: Path, tmp_path: Path
) -> None:
    for name, arguments in documents(story, folder, results, tmp_path).items():
        _, _, err = crashsim(*arguments)
        last = err.rstrip().rpartition("\n")[2]
        assert last.startswith("next: crashsim "), name
        assert "-q" not in last


def test_run_document(crashsim: CommandLine, story: Path, folder: Path, results: Path) -> None:
    _, out, _ = crashsim("run", story, "-o", results, "--json")
    document = json.loads(out)
    assert document["folder"] == str(folder)
    assert (document["seed"], document["paths"]) == (7, 64)
    assert set(document["entities"]["sp500"]["median"]) == {"value", "mc_error", "low", "high"}
    assert document["baselines"]["dotcom"]
    assert document["next"].startswith("crashsim ")


def test_check_document_nests_as_the_file_does(crashsim: CommandLine, story: Path) -> None:
    _, out, _ = crashsim("check", story, "--json", "--set", "technology.elasticity=0.8")
    document = json.loads(out)
    assert document["resolved"]["technology"]["elasticity"] == 0.8
    assert document["resolved"]["scenario"]["seed"] == 7
    (row,) = (row for row in document["ledger"] if row["key"] == "technology.elasticity")
    assert row["origin"] == "--set"
    assert row["doc"]
    nvidia = next(firm for firm in document["universe"]["firms"] if firm["ticker"] == "NVDA")
    assert nvidia["figures"]["market_value"]["source"]


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["run"], "crashsim run --help"),
        (["run", "x", "--nope"], "--nope"),
        (["run", "x", "--paths", "0"], "--paths"),
        (["run", "x", "--paths", "many"], "--paths"),
        (["run", "x", "--set", "technology"], "KEY=VALUE"),
        (["run", "x", "--max-memory", "lots"], "4GB"),
        (["run", "x", "--deterministic", "--paths", "5"], "--paths"),
        (["path", "x", "-1"], ""),
    ],
)
def test_wrong_usage_is_2(crashsim: CommandLine, arguments: list[str], told: str) -> None:
    code, out, err = crashsim(*arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_invalid_scenario_is_3_with_the_line_and_all_problems(
    crashsim: CommandLine, story: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.toml"
    text = TINY.replace("elasticity =", "elastcity =").replace("seed = 7", "seed = true")
    bad.write_text(text, encoding="utf-8")
    for command in ("check", "run"):
        code, out, err = crashsim(command, bad)
        assert (code, out) == (3, "")
        assert f"{bad}:10:" in err
        assert f"{bad}:13:" in err
        assert "elasticity" in err
        assert err.startswith("error:")
        assert "error: error:" not in err
    code, _, err = crashsim("run", story, "--set", "technology.elasticity=9")
    assert code == 3
    assert "--set" in err
    code, _, err = crashsim("run", "depseek")
    assert code == 3
    assert crashsim("run", tmp_path / "missing.toml")[0] == 3


def test_an_impossible_place_is_4(crashsim: CommandLine, story: Path) -> None:
    code, out, err = crashsim("run", story, "-o", story / "inside", "--workers", 1)
    assert (code, out) == (4, "")
    assert "error:" in err


def test_a_bug_is_1_with_a_log_file(
    crashsim: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("simulator.history.baselines.names", broken)
    code, out, err = crashsim("baseline")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    log = Path(err.split()[-1])
    assert "Traceback" in log.read_text(encoding="utf-8")
    log.unlink()
    assert invoke(["baseline", "--debug"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    Path(err.split()[-1]).unlink()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "Not enough memory"),
        (OSError(28, "No space left on device", "x"), "No space left on device: x"),
        (RuntimeError("can't start new thread"), "The system starts no more threads"),
    ],
)
def test_want_of_memory_disk_or_threads_is_4(
    crashsim: CommandLine, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    def starved(*_: object) -> None:
        raise error

    monkeypatch.setattr("simulator.history.baselines.names", starved)
    code, out, err = crashsim("baseline")
    assert (code, out) == (4, "")
    assert err.startswith(f"error: {text}")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("workers", [1, 2])
def test_signals_stop_a_run_and_leave_nothing(
    story: Path, tmp_path: Path, number: signal.Signals, code: int, workers: int
) -> None:
    command = [sys.executable, "-m", "simulator", "run", str(story), "-o", str(tmp_path)]
    command += ["--paths", "90000000", "--workers", str(workers), "--max-memory", "99TB"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 30
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)
        running.send_signal(number)
        began = time.monotonic()
        out, err = running.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert (running.returncode, out) == (code, b"")
    assert b"Traceback" not in err
    assert err.count(b"\n") <= 2
    assert list(tmp_path.iterdir()) == []


_SIGNAL_IN = {
    "a weak reference's callback": """
        class Thing: ...
        thing = Thing()
        seen = weakref.ref(thing, lambda _: send())
        del thing
    """,
    "code compiled from a string": "exec('send()')",
}
_UNWINDS = """
import os, signal, sys, time, weakref
from simulator.cli.signals import Terminated, stop_on_signals
def send():
    signal.raise_signal(NUMBER)
    time.sleep(0.001)
stop_on_signals()
try:
    exec(compile(BODY, "body", "exec"))
    time.sleep(5)
    sys.exit("lost")
except (KeyboardInterrupt, Terminated):
    sys.exit(7)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", _SIGNAL_IN)
def test_a_signal_is_not_lost_wherever_it_arrives(place: str, number: signal.Signals) -> None:
    code = _UNWINDS.replace("NUMBER", str(int(number)))
    code = code.replace("BODY", repr(textwrap.dedent(_SIGNAL_IN[place]).strip()))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (7, b"")


_IN_AN_IMPORT = """
import signal
from simulator.cli import app, main
class Name:
    def __set_name__(self, owner, name):
        signal.raise_signal(NUMBER)  # Python makes a RuntimeError of it
def command(*_, **__):
    class Model:
        field = Name()
app.get_command = lambda _: command
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_becomes_another_error_is_a_signal(number: signal.Signals, code: int) -> None:
    script = _IN_AN_IMPORT.replace("NUMBER", str(int(number)))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == code
    assert b"Nothing half-finished is left" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_end_of_a_command_shows_no_traceback(number: signal.Signals) -> None:
    code = (
        "import signal, sys\nfrom simulator.cli import main\n"
        "sys.argv[1:] = ['--version']\n"
        f"sys.exit = lambda code: signal.raise_signal({int(number)})\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (-number, b"")


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m simulator path {folder} 1 -q | head -c 10"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(os.name != "posix", reason="redirections of a POSIX shell")
@pytest.mark.parametrize(
    "streams",
    ["| head -2", ">&- 2>&-"],
)
@pytest.mark.slow
def test_who_reads_changes_neither_the_exit_code_nor_the_stored_run(
    streams: str, story: Path, tmp_path: Path
) -> None:
    command = (
        f"{sys.executable} -m simulator run {story} -o {tmp_path / 'results'} "
        f"--threshold 'P(sp500.max_drawdown >= 0.05) < 0.0001' {streams}"
    )
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], capture_output=True, check=False
    )
    assert b"Traceback" not in done.stdout + done.stderr
    assert done.returncode == 99
    (folder,) = (tmp_path / "results").iterdir()
    assert (folder / "report.html").is_file()
    assert load_run(folder).paths == 64


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize(("command", "code"), [("show nothing-here", 2), ("--version", 0)])
def test_a_full_disk_behind_standard_error_changes_no_exit_code(command: str, code: int) -> None:
    with Path("/dev/full").open("wb") as full:
        line = [sys.executable, "-m", "simulator", *command.split()]
        assert subprocess.run(line, stderr=full, check=False).returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("command", ["--help", "schema", "run"])
def test_a_full_disk_behind_standard_output_is_said_and_ends_with_4(
    command: str, story: Path, tmp_path: Path
) -> None:
    more = [str(story), "-o", str(tmp_path)] if command == "run" else []
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "simulator", command, *more],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 4
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


# ---------------------------------------------------------------- small parts


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("1.5 MB", 1_500_000), ("2GiB", 2**31), ("123", 123), ("1k", 1000)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1 furlong", "nan", "9" * 400 + "GB"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert clean("a\x1b[31mb\u202ec\x00\x9bd\ttab\n") == "a[31mbcd\ttab\n"


def test_progress_without_a_terminal_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 6.0, 7.0, 12.0])
    monkeypatch.setattr("simulator.cli.console.time.monotonic", lambda: next(clock))
    with Screen().progress("simulating") as tick:
        for done in (1024, 2048, 3072, 4096):
            tick(done, 8192)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "simulating: 2,048 of 8,192 paths, 341 paths/s, about 18 s left",
        "simulating: 4,096 of 8,192 paths, 341 paths/s, about 12 s left",
    ]


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_progress_on_a_terminal_is_a_bar_without_colour_if_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pty

    for no_colour in ("", "1"):
        ours, theirs = pty.openpty()
        with os.fdopen(theirs, "w") as terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
            monkeypatch.setenv("NO_COLOR", no_colour)
            monkeypatch.setenv("TERM", "xterm")
            with Screen().progress("simulating") as tick:
                tick(500, 1000)
                time.sleep(0.2)
            shown = os.read(ours, 100_000).decode()
        os.close(ours)
        assert "500 of 1,000 paths" in shown
        assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", shown)) is not bool(no_colour)


def test_table_lines_up() -> None:
    assert table(("a", "b"), [("long", "1"), ("x", "22")]) == "a      b\nlong   1\nx     22"
