"""Commands on stored runs. Nothing is simulated, but for the one path that ``path`` replays."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from simulator.cli.console import Screen
from simulator.cli.find import LATEST, RESULTS, entity_of, find, kind_of, made_at, newest_first
from simulator.cli.options import BesideOption, FileOption, FullOption, RunArgument, RunsArgument
from simulator.cli.output import store_file, write_file
from simulator.cli.stored_sweeps import PlotRequest, compare_sweep, plot_sweep, report_sweep
from simulator.errors import StoreError, UsageError, plural
from simulator.reports.text_table import table

KINDS = (
    "histogram",
    "fan",
    "exceedance",
    "underwater",
    "waterfall",
    "overlay",
    "trough",
    "recovery",
    "firms",
    "elasticity",
    "drivers",
    "uncertainty",
    "story",
)
SWEEP_KINDS = ("heatmap", "tornado", "lines")
Format = Literal["svg", "png"]


def list_runs(
    screen: Screen,
    *,
    folder: Annotated[Path, Argument(metavar="[DIR]", help="Folder of run folders.")] = RESULTS,
) -> None:
    """List the runs and sweeps in a folder, newest first."""
    if folder != RESULTS and not folder.is_dir():
        what = f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
        raise UsageError(f"{what}; list takes a folder that runs and sweeps are in")
    entries, damaged = [], []
    for path in newest_first(folder.glob("*")):
        try:
            entries.append(_run_entry(path) if kind_of(path) == "run" else _sweep_entry(path))
        except StoreError as error:
            damaged.append({"folder": str(path), "error": str(error)})
            screen.warn(str(error))
    if screen.as_json:
        runs, sweeps = ([e for e in entries if e["kind"] == kind] for kind in ("run", "sweep"))
        screen.document({"runs": runs, "sweeps": sweeps, "damaged": damaged})
    elif entries:
        rows = [_cells(entry, screen.width) for entry in entries]
        shown = len(_HEADER) - (screen.width < 100)  # changes by --set need room
        screen.text(
            table(_HEADER[:shown], [row[:shown] for row in rows], left=2, width=screen.width)
        )
    else:
        screen.say(f"no runs in {folder}")
    screen.next(
        f"crashsim show {_quoted(entries[0]['folder'])}" if entries else "crashsim run deepseek"
    )


def show(screen: Screen, *, runs: RunsArgument, full: FullOption = False) -> None:
    """Verify a stored run or sweep and print its summary."""
    from simulator.reports.run_text import summary_lines
    from simulator.runs import load_run

    folder = find(screen, runs, "either")
    if kind_of(folder) == "sweep":
        compare_sweep(screen, folder, "sp500", None, None)
        return
    found = load_run(folder)
    following = f"crashsim plot {_quoted(folder)} fan"
    if screen.as_json:
        screen.document({"folder": str(folder), **found.document(), "next": following})
    else:
        screen.lines(summary_lines(found, str(folder), screen.width, full=full))
    screen.next(following)


def plot(
    screen: Screen,
    *,
    runs: Annotated[
        list[str],
        Argument(
            metavar="RUN... [KIND]",
            help="A folder, the start of a name in results/, or latest; of several the newest is taken. "
            f"Then what to draw: {', '.join(KINDS)}; of a sweep {', '.join(SWEEP_KINDS)}.  "
            "[default: histogram]",
        ),
    ],
    entity: Annotated[
        str, Option("--entity", "-e", metavar="NAME", help="A group or a ticker of the run.")
    ] = "sp500",
    format_: Annotated[
        Format | None, Option("--format", help="File format.  [default: by the file, else svg]")
    ] = None,
    size: Annotated[
        str | None,
        Option(
            metavar="WxH",
            help="Inches, such as 8x5; a PNG has 150 pixels an inch.  [default: the figure's own]",
        ),
    ] = None,
    statistic: Annotated[
        str | None,
        Option(metavar="NAME", help="Of a sweep: what is drawn.  [default: worst_1_in_20]"),
    ] = None,
    key: Annotated[
        list[str] | None,
        Option(metavar="KEY", help="Of a sweep: the key along x, then the other. Repeatable."),
    ] = None,
    beside: BesideOption = None,
    output: FileOption = None,
) -> None:
    """Draw a figure of a stored run or sweep.

    Without --output the file is figures/KIND-NAME.svg in the run folder. firms and drivers are of
    the whole run; overlay is of a group; elasticity and uncertainty need uncertain assumptions.
    """
    from simulator.plots import figure, render
    from simulator.runs import load_run

    chosen, inches = _format(format_, output), None if size is None else parse_inches(size)
    names, kind = _runs_and_kind(runs)
    folder = find(screen, names, "sweep" if kind in SWEEP_KINDS else "run" if kind else "either")
    if kind_of(folder) == "sweep":
        _only_of_a_run(beside)
        wanted = PlotRequest(kind, entity, statistic, tuple(key or ()), inches, chosen)
        plot_sweep(screen, folder, wanted, output)
        return
    if statistic or key:
        raise UsageError("--statistic and --key are for the figures of a sweep")
    kind = kind or "histogram"
    loaded = load_run(folder)
    entity = entity_of(loaded.scenario.universe.titles, entity)
    with _beside(screen, beside):
        content = render(figure(kind, loaded, entity, inches), chosen)
    target = store_file(content, output, folder, f"figures/{kind}-{entity}.{chosen}")
    following = f"crashsim report {_quoted(folder)}"
    document = {"file": str(target), "kind": kind, "entity": entity}
    screen.result(document, str(target), following)


def report(
    screen: Screen,
    *,
    runs: RunsArgument,
    beside: BesideOption = None,
    output: FileOption = None,
) -> None:
    """Make the HTML report of a stored run or sweep again.

    Without --output it replaces report.html in the run folder.
    """
    from simulator.reports.run_html import EXPLORE_PAGE, html_report, with_explore_link
    from simulator.runs import load_run

    folder = find(screen, runs, "either")
    if kind_of(folder) == "sweep":
        _only_of_a_run(beside)
        report_sweep(screen, folder, output)
        return
    with _beside(screen, beside):
        content = html_report(load_run(folder))
    if output is None and (folder / EXPLORE_PAGE).exists():
        content = with_explore_link(content)
    target = store_file(content.encode(), output, folder, "report.html")
    following = f"crashsim show {_quoted(folder)}"
    screen.result({"file": str(target)}, str(target), following)


def _only_of_a_run(beside: Path | None) -> None:
    if beside is not None:
        raise UsageError("--beside is for a run, not for a sweep")


@contextmanager
def _beside(screen: Screen, file: Path | None) -> Iterator[None]:
    """Within this, the prices of a file are among the real crashes."""
    from simulator.history import baselines

    own = None if file is None else baselines.load_baseline_csv(file)
    for notice in () if own is None else own.notices:
        screen.warn(f"{file}: {notice}")
    with baselines.beside(own):
        yield


def path(
    screen: Screen,
    *,
    run: RunArgument,
    number: Annotated[int, Argument(metavar="N", min=0, help="Number of the path, from 0.")],
    output: FileOption = None,
) -> None:
    """Replay one path of a run with every quantity, as CSV.

    One row a step, from t = 0; one column a quantity. Levels are USD billion.
    """
    from simulator.engine import replay
    from simulator.runs import load_run

    folder = find(screen, [run])
    found = load_run(folder)
    if number >= found.paths:
        raise UsageError(f"the run has {found.paths:,} paths: N is 0 to {found.paths - 1:,}")
    history = replay(found.scenario, found.seed, number, noise=found.shocks is None)
    columns = {"t": found.results.times, **history}
    following = f"crashsim plot {_quoted(folder)} fan"
    if output is not None:
        write_file(output, _csv(columns).encode())
        screen.result({"path": number, "file": str(output)}, str(output), following)
    else:
        lists = {name: values.tolist() for name, values in columns.items()}
        screen.result({"path": number, "columns": lists}, _csv(columns), following)


# ---------------------------------------------------------------- helpers


def _runs_and_kind(arguments: list[str]) -> tuple[list[str], str | None]:
    """The names of runs and the kind of figure among the arguments, which comes last."""
    *names, last = arguments
    if last in (*KINDS, *SWEEP_KINDS):
        return names or [LATEST], last
    if names and not Path(last).is_dir():
        from simulator.schema import suggestion

        hint = suggestion(last, (*KINDS, *SWEEP_KINDS))
        raise UsageError(
            f"no figure is called {last}{'; ' + hint if hint else ''}. "
            f"There are {', '.join(KINDS)}, and of sweeps {', '.join(SWEEP_KINDS)}"
        )
    return arguments, None


_HEADER = ("run", "made", "paths", "seed", "S&P 500 median", "1-in-20 worst", "changed by --set")


def _run_entry(folder: Path) -> dict[str, Any]:
    """What the list says of one run, from verified files. Raises StoreError."""
    from simulator.runs.storage import read_headlines, read_manifest

    manifest = read_manifest(folder)
    names = ("name", "title", "digest", "seed", "paths", "shocks", "overrides", "created")
    return {
        "kind": "run",
        "folder": str(folder),
        **{name: manifest[name] for name in names},
        "sp500": read_headlines(folder, manifest),
    }


def _sweep_entry(folder: Path) -> dict[str, Any]:
    """What the list says of one sweep. Raises StoreError."""
    from simulator.sweeps.sweep_cell import read_plan

    manifest = read_plan(folder)
    made = datetime.fromtimestamp(made_at(folder), UTC)
    names = ("name", "digest", "seed", "paths", "cells", "finished", "overrides")
    return {
        "kind": "sweep",
        "folder": str(folder),
        "created": made.isoformat(timespec="seconds"),
        **{name: manifest[name] for name in names},
    }


def _cells(entry: dict[str, Any], width: int) -> tuple[str, ...]:
    if entry["kind"] == "run":
        falls = tuple(
            f"-{entry['sp500'][name]['value']:.1%}" for name in ("median", "worst_1_in_20")
        )
        changed = " ".join(f"{change['key']}={change['value']}" for change in entry["overrides"])
    else:
        falls = (plural(entry["cells"], "cell"), "" if entry["finished"] else "unfinished")
        changed = " ".join(f"{key}={value}" for key, value in entry["overrides"].items())
    room = max(width - 88, 12)
    return (
        Path(entry["folder"]).name,
        entry["created"][:16].replace("T", " "),
        f"{entry['paths']:,}",
        str(entry["seed"]),
        *falls,
        changed if len(changed) <= room else f"{changed[: room - 3]}...",
    )


def parse_inches(text: str) -> tuple[float, float]:
    """Width and height of "8x5". Raises UsageError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[xX×]\s*(\d+(?:\.\d+)?)\s*", text)
    sides = [float(side) for side in match.groups()] if match else []
    if not all(3 <= side <= 40 for side in sides) or not sides:
        raise UsageError(f"--size {text}: expected width x height in inches, 3 to 40, such as 8x5")
    return (sides[0], sides[1])


def _format(given: Format | None, output: Path | None) -> str:
    """The format asked for, which the name of the file must not contradict."""
    ending = output.suffix.lower().removeprefix(".") if output else ""
    if given is None and output is not None and ending not in ("svg", "png"):
        raise UsageError(f"{output} is neither .svg nor .png; name one of them, or give --format")
    if given is not None and ending in ("svg", "png") and ending != given:
        raise UsageError(f"--format {given} contradicts the name {output}")
    return given or ending or "svg"


def _csv(columns: dict[str, Any]) -> str:
    lines = [",".join(["step", *columns])]
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines += (",".join([str(step), *map(repr, row)]) for step, row in enumerate(rows))
    return "\n".join(lines) + "\n"


def _quoted(folder: str | Path) -> str:
    return shlex.quote(str(folder))
