"""Commands on stored runs: ``list``, ``show``, ``plot``, ``report``, ``path``. Nothing is simulated,
but for the one path that ``path`` replays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from simulator.commands.options import FileOption, RunArgument
from simulator.commands.screen import Screen, table
from simulator.errors import UsageError

RESULTS = Path("results")
"""Where runs are, unless said otherwise."""


def find_run(name: str) -> Path:
    """The folder of a run: a path, or the start of a name in results/ that only one run has."""
    if (folder := Path(name)).is_dir():
        return folder
    near = sorted(path for path in RESULTS.glob("*") if path.name.startswith(name) and _is_run(path))
    if len(near) == 1:
        return near[0]
    if near:
        raise UsageError(f"{name} could be {', '.join(path.name for path in near)}; type more of it")
    raise UsageError(f"no run folder {name}, and no run of that name in {RESULTS}/ (crashsim list)")


def _is_run(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()
def list_runs(screen: Screen) -> None:
    """L."""
def show(screen: Screen, *, run: RunArgument) -> None:
    """S."""
    find_run(run)
plot=report=path=show
