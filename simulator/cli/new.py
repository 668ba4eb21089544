"""``new`` and ``schema``: how a scenario of one's own begins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from simulator.cli.console import Screen
from simulator.errors import UsageError


def new(
    screen: Screen,
    *,
    name: Annotated[str, Argument(metavar="NAME", help="Name of the new scenario.")],
    source: Annotated[
        str, Option("--from", metavar="SCENARIO", help="Scenario to copy, with its comments.")
    ] = "deepseek",
    notebook: Annotated[
        bool, Option("--notebook", help="Write a Jupyter notebook NAME.ipynb about it, too.")
    ] = False,
) -> None:
    """Start a scenario of your own from a copy of another one.

    The file is scenarios/NAME.toml where there is a folder scenarios, else NAME.toml.
    Neither it nor the notebook is ever overwritten.
    """
    from simulator.cli.notebook import notebook as notebook_about
    from simulator.scenario import list_scenarios, load_scenario
    from simulator.schema import NAME_RULE, is_name

    if not is_name(name):
        raise UsageError(f"{name!r} cannot name a scenario: {NAME_RULE}, and no device name")
    if name in list_scenarios():
        raise UsageError(
            f"{name} is a scenario that comes with crashsim, and is what that name stands for; "
            "choose another name"
        )
    origin = load_scenario(source)
    folder = Path("scenarios") if Path("scenarios").is_dir() else Path()
    target = folder / f"{name}.toml"
    files = {target: _renamed(origin.text, name)}
    page = Path(f"{name}.ipynb")
    if notebook:
        files[page] = notebook_about(name, target.as_posix())
    made = []
    try:
        for path, content in files.items():
            with path.open("xb") as file:
                made.append(path)
                file.write(content)
        load_scenario(target)
    except BaseException as error:  # a full disk, Ctrl-C: no file is better than half of one
        for begun in made:
            begun.unlink()
        if isinstance(error, FileExistsError):
            raise UsageError(f"{path} exists; choose another name or remove it first") from None
        raise
    text = f"{target}: a copy of {origin.name}. Edit it, it says what each value means."
    result = {"file": str(target), "from": origin.name}
    if notebook:
        text += f"\n{page}: a notebook that runs it; open it in Jupyter."
        result["notebook"] = str(page)
    screen.result(result, text, f"crashsim check {target}")


def schema(screen: Screen) -> None:
    """Print the JSON Schema of scenario files, for editors.

    Save it beside a scenario and name it in the first line: #:schema scenario.v1.schema.json
    """
    import json

    from simulator.scenario.scenario import schema as scenario_schema

    screen.text(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))
    screen.next('crashsim schema > scenario.v1.schema.json  (and "#:schema" in the first line)')


def _renamed(text: bytes, name: str) -> bytes:
    """The file with the name in its table ``[scenario]`` replaced and everything else kept."""
    return re.sub(
        rb'(?m)(^\[scenario\][^\[]*?^name[ \t]*=[ \t]*)("[^"\n]*"|\'[^\'\n]*\')',
        rb'\g<1>"' + name.encode() + b'"',
        text,
        count=1,
    )
