"""Options that commands share, each said once."""

from __future__ import annotations

import ast
import functools
import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, BadParameter, Option

from simulator.cli.completion import complete_setting
from simulator.cli.console import Screen
from simulator.errors import UsageError, plain
from simulator.limits import MOST_PATHS

if TYPE_CHECKING:
    from simulator.engine import Executor
    from simulator.engine.dask_executor import Cluster


def whole_number(text: str) -> int:
    """A count from 1 to what a scenario allows: ``10000``, ``10,000``, ``10k``, ``1.5M``. Raises BadParameter."""
    match = re.fullmatch(
        r"(\d{1,3}(?:[,_]\d{3})+|\d{1,15}(?:\.\d{1,6})?) ?([kKmM]?)", str(text).strip()
    )
    number = float(re.sub("[,_]", "", match[1])) * _UNITS[match[2].lower()] if match else 0.0
    if number < 1 or not number.is_integer():
        raise BadParameter(f"{text!r} is not a count above 0; write 10000, 10,000 or 10k")
    if number > MOST_PATHS:
        raise BadParameter(f"{text!r} is more than {MOST_PATHS:,}")
    return int(number)


_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}

NOT_REACHED = 4
"""Exit code where the precision that was asked for was not reached; the result is kept and printed."""

ScenarioArgument = Annotated[
    str, Argument(metavar="SCENARIO", help="A scenario file, or the name of a shipped scenario.")
]
RunArgument = Annotated[
    str,
    Argument(metavar="RUN", help="A run folder, the start of a name in results/, or latest."),
]
RunsArgument = Annotated[
    list[str],
    Argument(
        metavar="RUN...",
        help="A folder, the start of a name in results/, or latest; of several the newest is taken.",
    ),
]
WorkerWaitOption = Annotated[
    float | None,
    Option(
        "--worker-wait",
        metavar="SECONDS",
        min=0.0,
        help="With --scheduler: end after so long without any worker.  [default: 300]",
    ),
]
SetOption = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="KEY=VALUE",
        autocompletion=complete_setting,
        help="Replace one value of the scenario: technology.elasticity=0.8, or elasticity=0.8, or "
        "annual_price_decline=90%. Repeatable.",
    ),
]
SeedOption = Annotated[
    int | None, Option("--seed", min=0, help="Seed of all random draws.  [default: the scenario's]")
]
PathsOption = Annotated[
    int | None,
    Option(
        "--paths",
        "-n",
        metavar="N",
        parser=whole_number,
        help="Number of paths, such as 20000 or 20k.  [default: the scenario's]",
    ),
]
PortfolioOption = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="Holdings as CSV, your own or a broker's export (docs/howto/portfolio.md).",
    ),
]
RateOption = Annotated[
    list[str] | None,
    Option(
        metavar="EUR=USD",
        help="USD for one unit of a currency of the holdings, such as EUR=1.08. Repeatable.",
    ),
]
ParentOption = Annotated[
    Path, Option("--output", "-o", metavar="DIR", help="Folder in which the new folder is made.")
]
WorkersOption = Annotated[
    int | None,
    Option("--workers", metavar="N", min=1, help="Processes.  [default: all cores]"),
]
SchedulerOption = Annotated[
    str | None,
    Option(metavar="ADDRESS", help="A Dask scheduler, tcp://host:8786, or local."),
]
BesideOption = Annotated[
    Path | None,
    Option(
        "--beside",
        metavar="FILE",
        help="Prices of your own, or a DFAST table, as CSV: shown beside the run as real crashes are.",
    ),
]
FullOption = Annotated[
    bool,
    Option(
        "--full",
        help="Print every table: firms, causes, real crashes, dollars, all official scenarios.",
    ),
]
FileOption = Annotated[Path | None, Option("--output", "-o", metavar="FILE", help="File to write.")]

_Json = Annotated[bool, Option("--json", help="Print one JSON document instead of text.")]
_Quiet = Annotated[
    bool,
    Option("--quiet", "-q", help="Only the result, warnings and errors: no progress, no notes."),
]
_Verbose = Annotated[bool, Option("--verbose", "-v", help="Say more on the way.")]
_Debug = Annotated[bool, Option("--debug", help="Show the traceback if crashsim itself breaks.")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """``function(screen, ...)`` with the options every command has, as typer wants it."""

    @functools.wraps(function)
    def run(*, as_json: bool, quiet: bool, verbose: bool, debug: bool, **arguments: Any) -> None:
        del debug  # the error page in simulator.cli.app looks for it
        function(Screen(as_json=as_json, quiet=quiet, verbose=verbose), **arguments)

    shared = {"as_json": _Json, "quiet": _Quiet, "verbose": _Verbose, "debug": _Debug}
    own = inspect.signature(function, eval_str=True).parameters
    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(parameter for name, parameter in own.items() if name != "screen"),
            *(
                inspect.Parameter(name, keyword, default=False, annotation=annotation)
                for name, annotation in shared.items()
            ),
        ]
    )
    return run


def help_text(function: Callable[..., None]) -> str:
    """The docstring of a command, read from its source where ``python -OO`` has dropped it."""
    if function.__doc__ is not None:
        return inspect.cleandoc(function.__doc__)
    (definition,) = ast.parse(inspect.getsource(function)).body
    assert isinstance(definition, ast.FunctionDef)
    return ast.get_docstring(definition) or ""


def cores() -> int:
    """Processors that this process may use: a container may have fewer than its machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def make_executor(
    screen: Screen,
    workers: int | None,
    scheduler: str | None,
    wait: float | None,
    tasks: int | None = None,
) -> Executor:
    """What computes: local processes, no more than ``tasks``, or a Dask cluster, waited for so many seconds."""
    from simulator.engine import get_executor

    cluster = make_cluster(screen, workers, scheduler, wait)
    processes = workers or cores()
    return cluster or get_executor(processes if tasks is None else min(processes, max(tasks, 1)))


def make_cluster(
    screen: Screen, workers: int | None, scheduler: str | None, wait: float | None
) -> Cluster | None:
    """The Dask cluster that --scheduler names, if it names one."""
    if scheduler is None:
        return None
    from simulator.engine.dask_executor import get_cluster

    return get_cluster(scheduler, workers or cores(), wait, screen.warn)


def parse_rates(texts: list[str] | None) -> dict[str, float]:
    """Exchange rates by currency from texts such as EUR=1.08; raises UsageError for any other."""
    rates = {}
    for text in texts or ():
        name, _, value = (part.strip() for part in text.partition("="))
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not (re.fullmatch(r"[A-Za-z]{3}", name) and 0 < rate < 1e6):
            raise UsageError(
                f"--rate {plain(text, 40)}: expected a currency and its price in USD, such as EUR=1.08"
            )
        rates[name.upper()] = rate
    return rates
