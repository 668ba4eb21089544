"""Where scenarios and their universes are: shipped ones by name, others by path."""

from __future__ import annotations

from pathlib import Path

from simulator.errors import Problem, ScenarioError, plain
from simulator.schema import TomlFile, is_name, suggestion
from simulator.shipped import shipped_scenarios
from simulator.universe import (
    Universe,
    find_universe,
    load_universe,
    universe_names,
)


def list_scenarios() -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(path.stem for path in shipped_scenarios().glob("*.toml"))


def find_scenario(name: str) -> Path:
    """File of a shipped scenario; raises ScenarioError with the nearest name."""
    known = list_scenarios()
    if name in known:
        return shipped_scenarios() / f"{name}.toml"
    message = f"no scenario is called {plain(name, 80)}, and there is no such file"
    raise ScenarioError(
        [Problem(plain(name, 80), 0, 0, "", message, ", ".join(known), suggestion(name, known))]
    )


def locate(path_or_name: str | Path) -> Path:
    """The file of a scenario, given its path or its name; raises ScenarioError."""
    path = Path(path_or_name)
    if isinstance(path_or_name, Path) or path.suffix == ".toml" or len(path.parts) != 1:
        return path
    if path_or_name in list_scenarios():
        return find_scenario(path_or_name)
    # The last is where `crashsim new` writes.
    own = path, Path(f"{path}.toml"), Path("scenarios", f"{path}.toml")
    try:
        return next((file for file in own if file.is_file()), None) or find_scenario(path_or_name)
    except (OSError, ValueError):  # too long, or with a null byte
        return find_scenario(path_or_name)


def read_universe(file: TomlFile) -> tuple[Universe | None, list[Problem]]:
    """The universe that a scenario file names, and what is wrong with either."""
    table = file.data.get("scenario")
    name = table.get("universe") if isinstance(table, dict) else None
    if not isinstance(name, str) or not is_name(name):
        return None, []  # the table's own check has said so
    folder = Path(file.file).parent
    path = find_universe(name, folder)
    if path is None:
        known = universe_names(folder)
        message, hint = f"no universe is called {name}", suggestion(name, known)
        where = ("scenario", "universe")
        return None, [file.problem(where, message, expected=", ".join(known), hint=hint)]
    try:
        return load_universe(path), []
    except ScenarioError as error:
        return None, list(error.problems)
