"""``universe``: market values of another date."""

from __future__ import annotations

import textwrap
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from simulator.cli.console import Screen
from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.universe import NewUniverse


def group() -> None:
    """Make a universe of firms with figures of another date."""


def new(
    screen: Screen,
    *,
    name: Annotated[str, Argument(metavar="NAME", help="Name of the new universe.")],
    csv: Annotated[
        Path,
        Option(
            metavar="FILE",
            help="Columns ticker, market_value (USD billion) and any other figure; source, date.",
        ),
    ],
    as_of: Annotated[str, Option(metavar="DATE", help="Day of the market values: 2026-06-30.")],
    source: Annotated[
        str, Option("--from", metavar="UNIVERSE", help="Universe to copy, with its comments.")
    ] = "us-2025-01",
) -> None:
    """Write a universe file with market values of another date.

    A row of the CSV is a firm of the copied universe, or a group (sp500, nasdaq): its total gives the
    rows of all other firms. Says what in the new file still belongs to the old date. The file is
    scenarios/universes/NAME.toml where there is a folder scenarios, else universes/NAME.toml. It is
    never overwritten.
    """
    from simulator.universe import load_universe, new_universe

    try:
        day = date.fromisoformat(as_of)
    except ValueError:
        raise UsageError(f"--as-of {as_of!r} is not a date such as 2026-06-30") from None
    scenarios = Path("scenarios") if Path("scenarios").is_dir() else Path()
    base = load_universe(source, scenarios)
    made = new_universe(name, base, csv, day, scenarios / "universes")
    following = (
        f'crashsim new my_{day:%Y_%m} --from deepseek  (set universe = "{name}", drop as_of)'
    )
    if screen.as_json:
        screen.document(
            {
                "file": str(made.universe.path),
                "from": base.name,
                "as_of": day.isoformat(),
                "solved": list(made.solved),
                "kept": list(made.kept),
                "left_out": list(made.left_out),
                "older": [
                    {"figure": old.figure, "date": old.date, "tickers": list(old.tickers)}
                    for old in made.older
                ],
                "next": following,
            }
        )
    else:
        screen.text(_summary(made, base.name, base.as_of))
    screen.next(following)


def _summary(made: NewUniverse, base: str, old_day: date) -> str:
    universe = made.universe
    totals = (universe.membership * universe.column("market_value")).sum(axis=1)
    lines = [f"{universe.path}: {base} with figures of {universe.as_of}"]
    lines += [
        f"  {group:<18} USD {total:>8,.0f} bn, {total / totals[0]:6.1%} of {universe.groups[0]}"
        for group, total in zip(universe.groups, totals, strict=True)
    ]
    notes = [
        ("Follows from the totals of groups", made.solved),
        (f"Market value still of {old_day}", made.kept),
        (f"Now comments, as they hold for {old_day}", made.left_out),
    ]
    lines += [_wrapped(f"{head}: {', '.join(names)}.") for head, names in notes if names]
    if made.older:
        lines.append(f"Dated more than a quarter from {universe.as_of}, and kept:")
    figures: dict[str, set[str]] = {}
    for old in made.older:
        figures.setdefault(old.figure, set()).update(old.tickers)
    by_firms: dict[str, list[str]] = {}
    for figure, of in figures.items():
        firms = [ticker for ticker in universe.tickers if ticker in of]
        whole = len(firms) == len(universe.firms)
        by_firms.setdefault("all rows" if whole else ", ".join(firms), []).append(figure)
    lines += [_wrapped(f"  {', '.join(names)} of {of}") for of, names in by_firms.items()]
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 80, subsequent_indent="    ")
