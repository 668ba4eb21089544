"""The command line: a thin coat over the Python API.

Exit codes, which never change their meaning: 0 done, 1 a bug in crashsim, 2 wrong usage,
3 invalid scenario or baseline, 4 the run or its report failed, or a precision that was asked for
was not reached, 5 cells of a sweep failed, 6 the folder is locked, 99 a threshold failed, 130 and
143 stopped by a signal.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from simulator.cli import (
    baseline,
    check,
    compare,
    discover,
    explain,
    explore,
    hindcast,
    new,
    rare,
    run,
    solve,
    stored_runs,
    sweep,
    universe,
)
from simulator.cli.console import Screen, clean
from simulator.cli.options import command, help_text
from simulator.cli.signals import INTERRUPTED, STOPPED, Terminated, raise_arrived
from simulator.cli.streams import silence
from simulator.errors import CrashsimError

_CODES = """Exit codes: 0 done, 1 bug, 2 wrong usage, 3 invalid scenario, 4 run failed or \
precision not reached, 5 cells of a sweep failed, 6 folder locked, 99 a threshold failed, 130/143 stopped."""

_NO_THREAD = "can't start new thread"
"""What Python says, in a RuntimeError."""


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        Screen().text(f"crashsim {version('crashsim')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Simulate stock market drawdowns from stated assumptions about AI.

    Start here: crashsim run deepseek
    """


def make_app(*, plain: bool) -> typer.Typer:
    """The commands; ``plain`` help has no boxes and no colour."""
    app = typer.Typer(
        name="crashsim",
        pretty_exceptions_enable=False,
        rich_markup_mode=None if plain else "rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        add_completion=True,
    )
    app.callback(help=help_text(_root), epilog=_CODES)(_root)
    for name, function, example in (
        ("run", run.run, "crashsim run deepseek --set technology.elasticity=0.8"),
        ("sweep", sweep.sweep, "crashsim sweep deepseek --vary technology.elasticity=0.6,1.0,1.4"),
        ("rare", rare.rare, 'crashsim rare deepseek --event "sp500.max_drawdown >= 0.90"'),
        ("solve", solve.solve, f"crashsim solve deepseek {solve.EXAMPLE}"),
        ("discover", discover.discover, f"crashsim discover latest {discover.EXAMPLE}"),
        ("plot", stored_runs.plot, "crashsim plot results/deepseek-3f9a12cd fan --entity NVDA"),
        ("report", stored_runs.report, "crashsim report results/deepseek-3f9a12cd"),
        ("explore", explore.explore, "crashsim explore deepseek"),
        ("list", stored_runs.list_runs, "crashsim list"),
        ("show", stored_runs.show, "crashsim show deepseek"),
        ("compare", compare.compare, "crashsim compare deepseek-3f9a12cd glut-77ab01ff --why"),
        ("path", stored_runs.path, "crashsim path deepseek 17 -o path17.csv"),
        ("check", check.check, "crashsim check scenarios/deepseek.toml"),
        ("explain", explain.explain, "crashsim explain technology.elasticity --run latest"),
        ("new", new.new, "crashsim new my_story --from deepseek"),
        ("schema", new.schema, "crashsim schema > scenario.v1.schema.json"),
        ("baseline", baseline.baseline, "crashsim baseline dotcom"),
        ("hindcast", hindcast.hindcast, "crashsim hindcast --paths 1000"),
    ):
        described = app.command(name, help=help_text(function), epilog=f"Example: {example}")
        described(command(function))
    group = typer.Typer(rich_markup_mode=None if plain else "rich")
    group.callback()(universe.group)
    example = "crashsim universe new us-2026-06 --csv caps.csv --as-of 2026-06-30"
    described = group.command("new", help=help_text(universe.new), epilog=f"Example: {example}")
    described(command(universe.new))
    about = help_text(universe.group)
    app.add_typer(group, name="universe", help=about, epilog=f"Example: {example}")
    return app


def invoke(arguments: Sequence[str]) -> int:
    """Run one command line; errors become one page on stderr and the exit code."""
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    try:
        code = get_command(make_app(plain=plain))(
            list(arguments) or ["--help"], prog_name="crashsim", standalone_mode=False
        )
    except CrashsimError as error:
        _complain(str(error))
        return error.exit_code
    except typer.TyperException as error:  # wrong usage
        _complain(f"{error.format_message()}\nTry 'crashsim {_word(arguments)}--help'.")
        return error.exit_code
    except MemoryError:
        _complain("Not enough memory. Try fewer --paths, --keep-paths or --workers.")
        return 4
    except OSError as error:
        _complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return 4
    except Terminated:
        _complain(STOPPED)
        return 143
    except Exception as error:  # noqa: BLE001 - the last door: a bug must not look like a result
        raise_arrived()  # an exception raised by a signal during an import may arrive as another error
        if str(error) == _NO_THREAD:
            _complain(
                "The system starts no more threads or processes (ulimit -u). Try --workers 1."
            )
            return 4
        return _confess(error, debug="--debug" in arguments)
    if code == 130:
        _complain(INTERRUPTED)
    return code if isinstance(code, int) else 0


def main() -> int:
    """Run the command line of this process; returns the exit code."""
    code = invoke(sys.argv[1:])
    try:
        sys.stdout.flush()
    except (
        OSError
    ) as error:  # a full disk: what is left in the buffer cannot be written later either
        silence(1)
        _complain(error.strerror or str(error))
        code = code or 4
    return code


def _word(arguments: Sequence[str]) -> str:
    """The command that was typed, to point to its help."""
    names = {info.name for info in make_app(plain=True).registered_commands}
    return next((f"{word} " for word in arguments if word in names), "")


def _complain(text: str) -> None:
    prefix = "" if text.startswith("error:") else "error: "  # problems in files bring their own
    sys.stderr.write(f"{prefix}{clean(text)}\n")


def _confess(error: Exception, *, debug: bool) -> int:
    """A bug in crashsim: the traceback goes to a file, one line to the screen."""
    pages = "".join(traceback.format_exception(error))
    if debug:
        sys.stderr.write(pages)
    with tempfile.NamedTemporaryFile(
        "w", prefix="crashsim-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"crashsim {' '.join(sys.argv[1:])}\n{pages}")
    _complain(
        f"crashsim broke ({type(error).__name__}: {error}). This is a bug, please report it "
        f"with the file {log.name}"
    )
    return 1
