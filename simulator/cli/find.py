"""Stored runs and sweeps by what people type: a folder, the start of a name, or ``latest``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from simulator.cli.console import Screen
from simulator.errors import UsageError, plain

RESULTS = Path("results")
"""Where runs are, unless an option says otherwise."""
LATEST = "latest"
_LAST = 253_402_214_400.0
"""The last day of the year 9999."""

Want = Literal["run", "sweep", "either"]


def kind_of(folder: Path) -> Literal["run", "sweep"] | None:
    """Whether a folder holds a finished run or a sweep."""
    from simulator.runs.storage import is_complete
    from simulator.sweeps.sweep import is_sweep

    if is_complete(folder):
        return "run"
    return "sweep" if is_sweep(folder) else None


def newest_first(folders: Iterable[Path]) -> list[Path]:
    """Those of the folders that hold a finished run or a sweep, the newest first."""
    made = [(made_at(folder), folder.name, folder) for folder in folders if kind_of(folder)]
    return [folder for *_, folder in sorted(made, reverse=True)]


def made_at(folder: Path) -> float:
    """When the numbers of a run or sweep were written: seconds since 1970.

    Manifests are no measure: they are written again when a figure is added.
    """
    for name in ("summary.json", "sweep.csv"):
        with suppress(FileNotFoundError):
            return _seconds((folder / name).lstat().st_mtime)
    return _seconds(folder.stat().st_mtime)  # damaged, or a sweep that was stopped


def _seconds(time: float) -> float:
    """A time that a calendar has: an archive from elsewhere can bring any."""
    return min(max(time, 0.0), _LAST)


def find(screen: Screen, names: Sequence[str], want: Want = "run") -> Path:
    """The folder that one or more names stand for: the newest, where they stand for several.

    Parameters
    ----------
    screen
        Says which was taken where there was a choice.
    names
        Folders, as a shell expands ``results/deepseek-*``, or one start of a name in
        results/, or ``latest``.
    want
        What the command can use.

    Raises
    ------
    UsageError
        If nothing fits.
    """
    folders = [Path(name) for name in names if Path(name).is_dir()]
    if len(names) == 1 and folders:
        return folders[0]  # what is wrong with it, its reader says
    unknown = [name for name in names if not Path(name).is_dir()]
    if len(names) > 1 and unknown:
        raise UsageError(f"there is no folder {unknown[0]}")
    known = newest_first(folders or RESULTS.glob("*"))
    fitting = [
        path
        for path in known
        if (folders or names[0] == LATEST or path.name.startswith(names[0]))
        and (want == "either" or kind_of(path) == want)
    ]
    if not fitting:
        raise UsageError(_nothing(names, known, want))
    if len(fitting) > 1 or names[0] == LATEST:
        screen.say(f"taking {fitting[0]}, the newest of {len(fitting)}")
    return fitting[0]


def _nothing(names: Sequence[str], known: Sequence[Path], want: Want) -> str:
    what = "run or sweep" if want == "either" else want
    if len(names) > 1:
        return f"none of these {len(names)} folders holds a {what}"
    if names[0] == LATEST:
        return f"{RESULTS}/ holds no {what} yet: crashsim run deepseek"
    other = next((p for p in known if p.name.startswith(names[0])), None)
    if other is not None:
        return f"{other} holds a {kind_of(other)}, and this needs a {want}"
    return f"no folder {names[0]}, and no {what} in {RESULTS}/ starts so; see crashsim list"


def entity_of(titles: Mapping[str, str], typed: str) -> str:
    """The entity of ``titles`` that a person calls ``typed``: its name or ticker in any case, or its title.

    Raises
    ------
    UsageError
        With the entities there are.
    """
    from simulator.schema import suggestion
    from simulator.universe import find_entity

    entity = find_entity(typed, titles)
    if entity is None:
        hint = suggestion(typed, titles)
        raise UsageError(
            f"no entity is called {plain(typed, 40)!r}{'; ' + hint if hint else ''}; there are "
            f"{', '.join(titles)}"
        )
    return entity
