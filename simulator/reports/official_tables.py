"""Official scenarios as rows of text: alone, and beside a run."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.reports.text_table import table
from simulator.runs.official import reached
from simulator.runs.run_words import exact, label
from simulator.statistics.formatting import MINUS, format_interval, percent

if TYPE_CHECKING:
    from simulator.history.official import OfficialScenario
    from simulator.runs import Run

PRESS = "*"
NOTE = f"{PRESS} read through the press, not in the publication itself."


@dataclass(frozen=True)
class OfficialRow:
    """One official scenario beside a run."""

    who: str
    short: str
    title: str
    when: str
    fall: str
    entity: str
    counts_from: str
    chance: str


def beside(run: Run) -> list[OfficialRow]:
    """The official scenarios with a fall, and in how many futures of the run it is reached."""
    return [
        OfficialRow(
            who=one.who,
            short=one.short,
            title=one.title,
            when=f"{one.date:%Y-%m}",
            fall=fall(one),
            entity=label(run, str(one.entity)),
            counts_from=one.counts_from,
            chance=format_interval(exact(run, chance)),
        )
        for one, chance in reached(run.scenario, run.results)
    ]


def leading(run: Run, most: int = 3) -> list[OfficialRow]:
    """Of each authority its fall of the S&P 500, the deepest first; at most so many."""
    name = label(run, "sp500")
    return list({row.short: row for row in beside(run) if row.entity == name}.values())[:most]


def fall(one: OfficialScenario) -> str:
    """The fall of equities, with a star where it was read through the press; "-" for none."""
    if one.fall is None:
        return "-"
    return f"{percent(-one.fall)}{PRESS if one.press else ''}"


def listing(scenarios: tuple[OfficialScenario, ...], width: int) -> str:
    """All official scenarios, with their sources, for the terminal."""
    rows = [
        (one.short, f"{one.date:%Y-%m}", fall(one).replace(MINUS, "-"), one.counts_from)
        for one in scenarios
    ]
    parts = [table(("who", "date", "equities", "counted from"), rows, left=2, width=width), NOTE]
    parts += [textwrap.fill(_in_full(one), width, subsequent_indent="  ") for one in scenarios]
    return "\n\n".join(parts)


def _in_full(one: OfficialScenario) -> str:
    known = (
        "" if one.fall is not None else " No figure for equities, so it is not compared with runs."
    )
    return (
        f"{one.who}, {one.title}: {one.scope}. Economy: {one.economy}. Source: {one.source}.{known}"
    )


def document(one: OfficialScenario) -> dict[str, Any]:
    """One official scenario as JSON."""
    return {
        "name": one.name,
        "who": one.who,
        "title": one.title,
        "date": one.date.isoformat(),
        "fall": one.fall,
        "entity": one.entity,
        "measure": one.measure,
        "scope": one.scope,
        "economy": one.economy,
        "source": one.source,
        "read_through_press": one.press,
    }
