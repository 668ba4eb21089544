"""``check``: which assumption says what, and where it comes from."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from simulator.commands.options import ScenarioArgument, SetOption
from simulator.commands.screen import Screen, table

if TYPE_CHECKING:
    from simulator.scenario import Assumption, Scenario
    from simulator.universe import Universe

STRENGTHS = {
    "A": "measured or official",
    "B": "several consistent sources",
    "C": "thin or derived",
    "D": "judgement",
}


def check(
    screen: Screen,
    *,
    scenario: ScenarioArgument,
    set_: SetOption = None,
    universe: Annotated[
        bool, Option("--universe", help="Also the source of every figure of every firm.")
    ] = False,
) -> None:
    """Validate a scenario; show what it assumes, what is priced in, and the sources.

    Nothing is simulated.
    """
    from simulator.engine import priced_in
    from simulator.scenario import load_scenario, parse_override

    story = load_scenario(scenario, dict(parse_override(text) for text in set_ or ()))
    ledger, implied = story.ledger(), priced_in(story)
    following = f"crashsim run {scenario}" + "".join(f" --set {text}" for text in set_ or ())
    if screen.as_json:
        screen.document(
            {
                "name": story.name,
                "digest": story.digest,
                "resolved": story.resolved(),
                "priced_in": implied,
                "ledger": [_record(row) for row in ledger],
                "judgement_share": _judgement(ledger) / len(ledger),
                "universe": _universe_record(story.universe),
                "next": following,
            }
        )
    else:
        parts = [
            _head(story),
            _priced_in(implied),
            *_assumptions(ledger, screen.width),
            _universe(story.universe, screen.width, sources=universe),
            _verdict(ledger),
        ]
        screen.text("\n\n".join(parts))
    screen.next(following)


def _head(story: Scenario) -> str:
    lines = [
        f"{story.name}: {story.title}",
        f"as of {story.as_of}, {story.horizon_years:g} years in {story.steps} steps, "
        f"universe {story.universe.name} ({len(story.universe.tickers)} firms), "
        f"{story.paths:,} paths, seed {story.seed}, digest {story.digest}",
    ]
    return "\n".join(lines)


def _priced_in(implied: dict[str, Any]) -> str:
    raise NotImplementedError


def _assumptions(ledger: Sequence[Assumption], width: int) -> Iterable[str]:
    """What the scenario itself says first, then the defaults it builds on; one block a table."""
    own = [row for row in ledger if row.origin != "default"]
    rest = [row for row in ledger if row.origin == "default"]
    for title, rows in (
        ("THIS SCENARIO SAYS", own),
        ("DEFAULTS IT BUILDS ON", rest),
    ):
        if rows:
            yield f"{title}\n" + "\n".join(_rows(rows, width))


def _rows(rows: Sequence[Assumption], width: int) -> Iterable[str]:
    for row in rows:
        facts = [f"{row.key} = {value_text(row.value)}{unit_text(row.unit)}"]
        if row.priced_in is not None and row.priced_in != row.value:
            facts.append(f"priced in {value_text(row.priced_in)}")
        if row.low is not None and row.high is not None:
            facts.append(f"allowed {row.low:.6g} to {row.high:.6g}")
        if row.origin != "default":
            facts.append(str(row.origin))
        yield from textwrap.wrap(
            "; ".join(facts), width, initial_indent="  ", subsequent_indent="      "
        )
        source = ", ".join(filter(None, (row.source, str(row.date or ""))))
        note = f" - weakness: {row.weakness}" if row.weakness else ""
        yield from textwrap.wrap(
            f"{row.strength}  {source}{note}",
            width,
            initial_indent="      ",
            subsequent_indent="         ",
        )
