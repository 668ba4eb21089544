"""``baseline``: the crashes that happened, measured like the simulated ones."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from simulator.cli.console import Screen
from simulator.errors import UsageError
from simulator.reports.text_table import table

if TYPE_CHECKING:
    from simulator.history import Baseline, Fact

_INDEX = {"sp500": "S&P 500", "nasdaq": "NASDAQ"}


def baseline(
    screen: Screen,
    *,
    name: Annotated[
        str | None,
        Argument(
            metavar="[NAME]",
            help="One crash, with its measures; or official: what authorities assume.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        Option(
            "--csv",
            metavar="FILE",
            help="Prices of your own: a CSV with a date and a close column.",
        ),
    ] = None,
    column: Annotated[
        str | None,
        Option(metavar="NAME", help="Column of the prices in the CSV.  [default: the close]"),
    ] = None,
    dfast: Annotated[
        Path | None,
        Option(metavar="FILE", help="The Fed's table of a stress-test scenario, as CSV."),
    ] = None,
    steps_per_year: Annotated[
        int | None,
        Option(
            min=1,
            help="Grid of the measures: 52 is weekly, 12 monthly.  [default: 52; 4 with --dfast]",
        ),
    ] = None,
) -> None:
    """Print real crashes and their measures.

    Facts are from daily closes; measures are taken on the grid of a simulation, which misses
    the lowest day: a weekly fall is a little smaller than the daily one.
    """
    from simulator.history.official import OFFICIAL

    if sum(given is not None for given in (name, csv, dfast)) > 1:
        raise UsageError("one of NAME, --csv FILE and --dfast FILE")
    if column is not None and csv is None:
        raise UsageError("--column is of --csv FILE")
    if name == OFFICIAL:
        if steps_per_year is not None:
            raise UsageError("official scenarios are single falls: leave --steps-per-year out")
        _official(screen)
        return
    chosen = _baselines(name, csv, column, dfast)
    for notice in chosen[0].notices:
        screen.warn(f"{csv or dfast}: {notice}")
    steps_per_year = steps_per_year or (52 if dfast is None else 4)
    measured = {
        one.name: {index: one.measure(index, steps_per_year) for index in one.series}
        for one in chosen
    }
    if screen.as_json:
        screen.document({"baselines": {one.name: _record(one, measured) for one in chosen}})
    else:
        detailed = len(chosen) == 1
        parts = [_facts(chosen, measured, steps_per_year, screen.width)]
        parts += [
            _measures(one, measured[one.name], steps_per_year, screen.width)
            for one in chosen
            if detailed
        ]
        parts += [_sources(chosen[0], screen.width)] if name else []
        screen.text("\n\n".join(part for part in parts if part))
    screen.next("crashsim run deepseek" if len(chosen) == 1 else "crashsim baseline dotcom")


def _baselines(
    name: str | None, csv: Path | None, column: str | None, dfast: Path | None
) -> list[Baseline]:
    """The crashes of a file, the one of this name, or all."""
    from simulator.history import baselines

    if csv is not None:
        return [baselines.load_baseline_csv(csv, column)]
    if dfast is not None:
        return [baselines.load_dfast(dfast)]
    return [baselines.baseline(crash) for crash in ([name] if name else baselines.names())]


def _official(screen: Screen) -> None:
    """What authorities and institutions assume."""
    from simulator.history.official import official_scenarios
    from simulator.reports.official_tables import document, listing

    known = official_scenarios()
    if screen.as_json:
        screen.document({"official": [document(one) for one in known]})
    else:
        screen.text(listing(known, min(screen.width, 100)))
    screen.next("crashsim run deepseek")


def _record(one: Baseline, measured: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": one.title,
        "facts": {index: _plain(asdict(fact)) for index, fact in one.facts.items()},
        "measures": {index: _plain(found) for index, found in measured[one.name].items()},
    }


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in fields.items()
    }


def _facts(
    chosen: list[Baseline], measured: dict[str, Any], steps_per_year: int, width: int
) -> str:
    """One line for each crash and index."""
    from simulator.history import TITLES

    rows = []
    for one in chosen:
        for index, fact in one.facts.items():
            on_grid = measured[one.name].get(index)
            rows.append(
                (
                    one.name,
                    _INDEX.get(index, index),
                    str(fact.peak_date),
                    str(fact.trough_date),
                    _fall(fact.depth),
                    _fall(on_grid["max_drawdown"]) if on_grid else "-",
                    str(fact.recovery_date or "not yet"),
                )
            )
    own = "daily" if chosen[0].name in TITLES else "as given"
    header = ("crash", "index", "peak", "trough", own, _grid(steps_per_year), "regained")
    return table(header, rows, left=4, width=width)


def _measures(one: Baseline, found: dict[str, Any], steps_per_year: int, width: int) -> str:
    if not found:
        return textwrap.fill(
            f"No series of closes is kept for {one.name}: only its facts are known.", width
        )
    weekly = steps_per_year >= 52  # a coarser grid has no weeks
    rows = [
        (
            _INDEX.get(index, index),
            _fall(of["max_drawdown"]),
            f"{(of['trough_step'] - of['peak_step']) / steps_per_year:.1f} y",
            f"{of['underwater_steps'] / steps_per_year:.1f} y",
            str(of["recovery_date"] or "not yet"),
            _return(of["worst_week"] if weekly else None),
            _return(of["worst_month"]),
        )
        for index, of in found.items()
    ]
    header = ("", "fall", "to trough", "under water", "regained", "worst week", "worst month")
    return f"ON {_grid(steps_per_year).upper()} CLOSES, from the peak\n{table(header, rows, width=width)}"


def _sources(one: Baseline, width: int) -> str:
    return "\n".join(
        textwrap.fill(f"{_INDEX.get(index, index)}: {_closes(fact)}. Source: {fact.source}", width)
        for index, fact in one.facts.items()
    )


def _closes(fact: Fact) -> str:
    return f"{fact.peak_close:,.2f} on {fact.peak_date}, {fact.trough_close:,.2f} on {fact.trough_date}"


def _grid(steps_per_year: int) -> str:
    names = {4: "quarterly", 12: "monthly", 52: "weekly", 252: "daily"}
    return names.get(steps_per_year, f"{steps_per_year}-a-year")


def _fall(depth: float) -> str:
    return f"-{depth:.1%}"


def _return(share: float | None) -> str:
    return "-" if share is None else f"{share:+.1%}"
