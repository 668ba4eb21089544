"""``universe new``: firms of another date, from a file of market values."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from simulator.cli.console import Screen
from simulator.errors import UsageError, plain


def universe(
    screen: Screen,
    *,
    action: Annotated[Literal["new"], Argument(help="new: make a universe of another date.")],
    name: Annotated[str, Argument(metavar="NAME", help="Its name, such as us-2026-06.")],
    csv: Annotated[
        Path,
        Option(
            "--csv",
            metavar="FILE",
            help="ticker,market_value (USD billion) and perhaps revenue,margin,source.",
        ),
    ],
    as_of: Annotated[
        str, Option(metavar="YYYY-MM-DD", help="Day of the market values in the file.")
    ],
    source: Annotated[
        str, Option("--from", metavar="UNIVERSE", help="Universe to take all else from.")
    ] = "us-2025-01",
) -> None:
    """Make a universe file with market values of another date.

    Writes universes/NAME.toml beside your scenarios, never over another file, and says which
    figures are now dated otherwise. Name it in a scenario: universe = "NAME".
    """
    from simulator.reports.assumption_text import dated_otherwise
    from simulator.schema import NAME_RULE, is_name
    from simulator.universe import load_universe
    from simulator.universe.new_universe import read_figures, renewed

    del action  # there is one
    if not is_name(name):
        raise UsageError(f"{plain(name, 60)} cannot name a universe: {NAME_RULE}")
    try:
        day = date.fromisoformat(as_of)
    except ValueError:
        raise UsageError(f"--as-of {plain(as_of, 40)}: expected a day such as 2026-06-30") from None
    origin = load_universe(source)
    figures = read_figures(csv, origin.tickers)
    folder = (Path("scenarios") if Path("scenarios").is_dir() else Path()) / "universes"
    target = folder / f"{name}.toml"
    text = renewed(origin.path.read_text(encoding="utf-8"), name, day, figures)
    folder.mkdir(exist_ok=True)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{target} exists; choose another name or remove it first") from None
    try:
        made = load_universe(target)
    except Exception:
        target.unlink()
        raise
    old = made.dated_otherwise()
    without = [ticker for ticker in made.tickers if ticker not in figures]
    if without:
        screen.warn(f"not in {csv}, with the values of {origin.as_of}: {', '.join(without)}")
    screen.warn("[checks] is left out: add what the rows must add up to on the new date")
    following = "crashsim check SCENARIO, where the scenario says " + f'universe = "{name}"'
    if screen.as_json:
        document = {"file": str(target), "dated_otherwise": [asdict(figure) for figure in old]}
        screen.document({**document, "without": without, "next": following})
    else:
        screen.text(f"{target}: {origin.name} with {len(figures)} rows of {day}")
        for section in dated_otherwise(made, screen.width):
            screen.text(section)
    screen.next(following)
