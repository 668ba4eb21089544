"""Write docs/validation.md and docs/images/validation-*.png from a hindcast: python scripts/make_validation.py [PATHS].

What people have to say stands in docs/validation-notes.md and is copied in; all else is made here.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from simulator.plots import render
from simulator.scenario.scenario import Scenario, list_scenarios, load_scenario
from simulator.validation.figures import figures
from simulator.validation.hindcast import PATHS, Hindcast, hindcast
from simulator.validation.target_table import Row

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTES = DOCS / "validation-notes.md"
TARGET = DOCS / "validation.md"

HEAD = """\
# Validation

Made by `make validation` from `crashsim hindcast` and [validation-notes.md](validation-notes.md). It holds the model
against history and says where the two disagree. A row that fails stays in its table.

An interval after a result is the 95 % interval of the simulation error alone. The verdict is that of the value: *met*
inside the target; *missed* outside it; *too few paths* outside, but its interval reaches in; *history cannot decide*
outside, but inside the interval of what history itself knows; *unchecked* where no data are at hand; *shown* has no
target. A row is *fitted* if parameters were set with an eye on it: it validates nothing. A single outcome of history is
met if it is neither among the lowest nor the highest twentieth of simulated futures.
"""

CAPTIONS = {
    "calm-falls": "Largest falls of the S&P 500 within five years, calm beside history",
    "dotcom-nasdaq": "Fan of the NASDAQ from March 2000 with the weekly closes that came",
    "dotcom-sp500": "Fan of the S&P 500 from March 2000 with the weekly closes that came",
    "places": "Ranks of what happened among simulated futures",
}


def page(found: Hindcast, pictures: Collection[str], notes: str) -> str:
    """The whole page as Markdown; ``pictures`` are the names of its figures."""
    parts = [HEAD, _verdicts(found), _disagreements(found)]
    parts += [_group(found, group) for group in found.groups]
    parts += [_pictures(pictures), _differences(), _evidence(), notes.strip() + "\n"]
    return "\n".join(part for part in parts if part)


def _verdicts(found: Hindcast) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.count().items())
    fitted = sum(row.kind == "fitted" for row in found.rows)
    return f"{len(found.rows)} rows on {found.paths:,} paths a run: {counts}. {fitted} rows are fitted.\n"


def _disagreements(found: Hindcast) -> str:
    """Rows that are not met, first: what a reader should know before the rest."""
    told = ("missed", "history cannot decide", "too few paths")
    rows = [row for verdict in told for row in found.rows if row.verdict == verdict]
    if not rows:
        return ""
    lines = [
        "## Where the model disagrees",
        "",
        "| row | target | result | verdict |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {_cell(f'{row.group}: {row.what}')} | {_cell(row.target)} | {_cell(row.result)} | {row.verdict} |"
        for row in rows
    ]
    return "\n".join([*lines, ""])


def _group(found: Hindcast, group: str) -> str:
    rows = found.of(group)
    if all(row.verdict == "shown" for row in rows):
        lines = ["| | result |", "|---|---|"]
        lines += [f"| {_cell(row.what)} | {_cell(row.result)} |" for row in rows]
    else:
        lines = ["| | target | source | result | verdict |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in rows]
    return "\n".join([f"## {group[0].upper()}{group[1:]}", "", *lines, ""])


def _line(row: Row) -> str:
    verdict = f"**{row.verdict}**" if row.verdict == "missed" else row.verdict
    kind = ", fitted" if row.kind == "fitted" else ""
    cells = (row.what, row.target, row.source, row.result, f"{verdict}{kind}")
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _pictures(pictures: Collection[str]) -> str:
    shown = [name for name in CAPTIONS if name in pictures]
    lines = [f"![{CAPTIONS[name]}](images/validation-{name}.png)\n" for name in shown]
    return "\n".join(["## Figures", "", *lines])


def _differences() -> str:
    """Parameters in which dotcom differs from deepseek, the story's own tables left out."""
    known = list_scenarios()
    if "dotcom" not in known:
        return ""
    here, there = (_settings(load_scenario(name)) for name in ("dotcom", "deepseek"))
    same_tables = ("market", "sentiment", "firms", "valuation")
    lines = [
        f"| `{key}` | {_cell(here[key])} | {_cell(there[key])} |"
        for key in here
        if key.split(".")[0] in same_tables and here[key] != there[key]
    ]
    return "\n".join(
        [
            "## What dotcom and deepseek do not share", "",
            "Beside `[technology]`, `[concentration]`, the events and the universe, which are the story:", "",
            "| key | dotcom | deepseek |", "|---|---|---|", *lines, "",
        ]
    )  # fmt: skip


def _settings(scenario: Scenario) -> dict[str, str]:
    def told(value: Any) -> str:
        if not hasattr(value, "model_dump"):
            return str(value)
        points = value.model_dump(exclude_none=True)
        return ", ".join(f"{name} {point}" for name, point in points.items())

    return {row.key: told(row.value) for row in scenario.ledger()}


def _evidence() -> str:
    lines = [
        "| scenario | values | judgement (D) | thin or derived (C) | better (A, B) |",
        "|---|---|---|---|---|",
    ]
    for name in ("calm", "deepseek", "dotcom"):
        if name in list_scenarios():
            grades = [row.strength for row in load_scenario(name).ledger()]
            cells = [sum(g in kinds for g in grades) / len(grades) for kinds in ("D", "C", "AB")]
            told = " | ".join(f"{100 * cell:.0f} %" for cell in cells)
            lines.append(f"| {name} | {len(grades)} | {told} |")
    return "\n".join(["## What the values rest on", "", *lines, ""])


def main(paths: int) -> None:
    """Write the page and its figures."""
    found = hindcast(paths, lambda done, stages: print(f"{done} of {stages}"))
    (DOCS / "images").mkdir(exist_ok=True)
    drawn = figures(found)
    for name, drawing in drawn.items():
        (DOCS / "images" / f"validation-{name}.png").write_bytes(render(drawing, "png"))
    TARGET.write_text(page(found, drawn, NOTES.read_text(encoding="utf-8")), encoding="utf-8")
    print(TARGET)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PATHS)
