"""``check``: which assumption says what, and where it comes from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from simulator.cli.console import Screen
from simulator.cli.options import ScenarioArgument, SetOption

if TYPE_CHECKING:
    from simulator.scenario import Assumption
    from simulator.universe import Universe


def check(
    screen: Screen,
    *,
    scenario: ScenarioArgument,
    set_: SetOption = None,
    full: Annotated[
        bool, Option("--full", help="Every source in full, also of each figure of each firm.")
    ] = False,
) -> None:
    """Validate a scenario and show what it assumes and why.

    Prints what is priced in, every assumption with its range and source, and the firms.
    Nothing is simulated.
    """
    from simulator.engine import priced_in
    from simulator.reports.assumption_text import page
    from simulator.scenario import load_scenario, priced_in_otherwise
    from simulator.scenario.typed_values import parse_overrides

    overrides = parse_overrides(set_ or (), screen.say)
    story = load_scenario(scenario, overrides)
    ledger, implied = story.ledger(), priced_in(story)
    following = " ".join(["crashsim run", scenario, *(f"--set {text}" for text in set_ or ())])
    if screen.as_json:
        screen.document(
            {
                "name": story.name,
                "digest": story.digest,
                "resolved": story.resolved(),
                "priced_in": asdict(implied),
                "ledger": [_record(row) for row in ledger],
                "judgement_share": sum(row.strength == "D" for row in ledger) / len(ledger),
                "universe": _universe(story.universe),
                "priced_in_otherwise": priced_in_otherwise(story),
                "next": following,
            }
        )
    else:
        screen.text(page(story, ledger, implied, screen.width, full=full))
    screen.next(following)


def _record(row: Assumption) -> dict[str, Any]:
    """One line of the ledger for JSON."""
    given: dict[str, Any] = {"value": row.value, "priced_in": row.priced_in}
    values = {
        name: value.model_dump(by_alias=True) if hasattr(value, "model_dump") else value
        for name, value in given.items()
    }
    names = ("unit", "low", "high", "source", "date", "strength", "weakness", "quote", "doc")
    rest = {name: getattr(row, name) for name in names}
    return {"key": row.key, **values, **rest, "origin": row.origin}


def _universe(universe: Universe) -> dict[str, Any]:
    """Firms with their figures, and the source of each, for JSON."""
    firms = []
    for firm in universe.firms:
        figures = firm.model_dump(mode="json", exclude={"sources", "ticker", "name", "kind"})
        firms.append(
            {
                "ticker": firm.ticker,
                "name": firm.name,
                "kind": firm.kind,
                "figures": {
                    figure: {"value": value, **_source(universe, firm.ticker, figure)}
                    for figure, value in figures.items()
                },
            }
        )
    return {
        "name": universe.name,
        "title": universe.title,
        "as_of": universe.as_of.isoformat(),
        "checks": [asdict(check) for check in universe.checks],
        "dated_otherwise": [asdict(old) for old in universe.dated_otherwise()],
        "firms": firms,
    }


def _source(universe: Universe, ticker: str, figure: str) -> dict[str, str]:
    return universe.source(ticker, figure).model_dump(exclude={"quote"})
