"""``explore``: a page on which ranges of assumptions are chosen, of a scenario or a stored run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from simulator.cli.console import Screen
from simulator.cli.find import RESULTS, find
from simulator.cli.options import FileOption, cores
from simulator.cli.output import write_file
from simulator.cli.run_answer import REPORT

if TYPE_CHECKING:
    from simulator.runs import Run


def explore(
    screen: Screen,
    *,
    name: Annotated[
        str,
        Argument(
            metavar="SCENARIO|RUN",
            help="A scenario, which is simulated into results/ unless it is there, or a stored run: "
            "its folder, the start of its name, or latest.",
        ),
    ],
    event: Annotated[
        list[str] | None,
        Option(
            "--event",
            metavar="EVENT",
            help="Offer the corners that bring it, as discover does (extra: discover). Repeatable.  "
            "[default: the S&P 500 30 % below today; a fall as after 2000]",
        ),
    ] = None,
    output: FileOption = None,
) -> None:
    """Make a page on which assumptions can be moved.

    One HTML file that needs no network. Without --output it is explore.html in the run folder, and
    the report there links to it.
    """
    from simulator.reports.explore_page import explore_page
    from simulator.reports.run_html import EXPLORE_PAGE
    from simulator.runs import load_run

    folder = _simulated(screen, name) if _is_scenario(name) else find(screen, [name])
    run = load_run(folder)
    if output is None:
        target = folder / EXPLORE_PAGE
        _store(folder, explore_page(run, events=event or ()))
    else:
        page = explore_page(run, _command(folder, run), event or ())
        target = write_file(output, page.encode())
    screen.result({"file": str(target)}, str(target), f"crashsim show {shlex.quote(str(folder))}")


def _is_scenario(name: str) -> bool:
    from simulator.scenario.scenario_files import list_scenarios

    return Path(name).suffix == ".toml" or (name in list_scenarios() and not Path(name).is_dir())


def _simulated(screen: Screen, name: str) -> Path:
    """The folder of a scenario's run, which is simulated if it is not there."""
    from simulator.reports.explore_page import check
    from simulator.runs import simulate
    from simulator.runs.storage import is_complete, run_folder
    from simulator.scenario import load_scenario

    scenario = load_scenario(name)
    check(scenario)
    folder = run_folder(scenario, RESULTS)
    if not is_complete(folder):
        with screen.progress("simulating") as tick:
            simulate(scenario, workers=cores(), progress=tick).save(folder)
    return folder


def _store(folder: Path, page: str) -> None:
    """The page and, where there is a report, its link to it."""
    from simulator.reports.run_html import EXPLORE_PAGE, with_explore_link
    from simulator.runs.storage import add_files

    files, report = {EXPLORE_PAGE: page.encode()}, folder / REPORT
    if report.exists():
        files[REPORT] = with_explore_link(report.read_text(encoding="utf-8")).encode()
    add_files(folder, files)


def _command(folder: Path, run: Run) -> list[str]:
    """Words that repeat the run from where the command was typed."""
    from simulator.portfolio import HOLDINGS
    from simulator.reports.run_html import command_words

    inside = ("scenario.toml", HOLDINGS)
    return [str(folder / word) if word in inside else word for word in command_words(run)]
