"""The report of a run for the browser.

Everything comes from the run alone, simulated now or loaded; the same run gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.engine.executors import Executor, Serial
from simulator.errors import plain
from simulator.plots import Plot, available, picture
from simulator.portfolio import HOLDINGS
from simulator.reports import (
    assumption_text,
    html_page,
    official_tables,
    portfolio_tables,
    run_html_tables,
    run_tables,
    story_tables,
)
from simulator.reports.run_text import run_line
from simulator.runs.run_words import closes, is_exact, years
from simulator.runs.sensitivity import weakest_link
from simulator.runs.statistic_catalogue import BELOW

if TYPE_CHECKING:
    from simulator.runs import Run


SECTIONS = {
    "story": ("story", "story-mag7", "story-portfolio"),
    "levels": ("fan", "fan-mag7", "histogram", "exceedance", "underwater"),
    "causes": ("waterfall",),
    "crashes": ("overlay", "trough", "recovery"),
    "firms": ("firms",),
    "drivers": ("drivers", "elasticity", "elasticity-ai_basket", "uncertainty"),
}
"""The figures of each part of the report: a kind, and an entity other than the S&P 500."""
NAMES = tuple(name for names in SECTIONS.values() for name in names)
_PARTS = 4
"""Figures are drawn in so many parts: each process that draws is sent the whole run."""


def pictures(run: Run, names: Iterable[str] = NAMES) -> dict[str, Plot]:
    """The pictures of the report that the run can give, by name: "fan", "fan-mag7", ..."""
    plots = {}
    for name in names:
        kind, _, entity = name.partition("-")
        entity = entity or "sp500"
        if entity in run.entities and kind in available(run, entity):
            plots[name] = picture(kind, run, entity)
    return plots


def figures(run: Run, executor: Executor | None = None) -> dict[str, dict[str, Any]]:
    """The figures of the report by name, as its page takes them; ``executor`` draws, by default this process."""
    names = list(pictures(run))
    parts = [names[start::_PARTS] for start in range(_PARTS)]
    drawn: dict[str, dict[str, Any]] = {}
    for part in (executor or Serial()).map(partial(_drawn, run), parts):
        drawn |= part
    return drawn


def _drawn(run: Run, names: list[str]) -> dict[str, dict[str, Any]]:
    return {name: html_page.figure(plot, name) for name, plot in pictures(run, names).items()}


EXPLORE_PAGE = "explore.html"
"""The page of ``crashsim explore`` in the folder of a run."""
EXPLORE_COMMAND = (
    '<p class="note" id="explore">In this folder, <code>crashsim explore .</code> makes a page on which the '
    "assumptions can be moved.</p>"
)
EXPLORE_LINK = (
    f'<p id="explore"><a href="{EXPLORE_PAGE}">Move an assumption and see the futures move</a> '
    '<span class="note">(a page with a script of its own)</span></p>'
)


def with_explore_link(report: str) -> str:
    """A report with a link to the page that ``crashsim explore`` has written beside it."""
    return report.replace(EXPLORE_COMMAND, EXPLORE_LINK)


def html_report(run: Run, drawn: Mapping[str, dict[str, Any]] | None = None) -> str:
    """The report: one HTML page that needs no network and runs no script.

    ``drawn`` are its :func:`figures`, if they have been drawn.
    """
    return html_page.render_page("report.html", _content(run, drawn or figures(run)))


def _content(run: Run, drawn: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    from markupsafe import Markup

    scenario, ledger = run.scenario, run_tables.ledger(run)
    falls, portfolio = run_tables.falls(run), portfolio_tables.portfolio(run)
    losses = run_tables.losses(run, run_tables.groups(run))
    overview = run_tables.overview(run, run_tables.groups(run))
    weak = sum(row.is_weak for row in ledger)
    chosen = [row for row in ledger if not row.is_default or row.is_uncertain]
    return {
        "explore": "" if is_exact(run) or not run.results.inputs else Markup(EXPLORE_COMMAND),
        "title": plain(scenario.title, 200),
        "run_line": run_line(run),
        "verdict": run.verdict,
        "story": run.story_sentences,
        "story_table": story_tables.story(run),
        "years": years(scenario.horizon_years),
        "closes": closes(run),
        "paths_know": "1 path knows" if run.paths == 1 else f"{run.paths:,} paths know",
        "as_of": scenario.as_of.isoformat(),
        "thresholds": run_tables.thresholds(run),
        "falls": falls,
        "overview": overview,
        "lowest": run_tables.lowest(run),
        "below": BELOW,
        "groups": run_tables.groups(run),
        "history": run_tables.history(run),
        "figures": {
            section: [drawn[name] for name in names if name in drawn]
            for section, names in SECTIONS.items()
        },
        "futures": run_html_tables.futures(run),
        "portfolio": portfolio,
        "crashes": run_tables.crashes(run),
        "reaches": run_tables.reaches(run, run_tables.groups(run)),
        "official": official_tables.beside(run),
        "official_note": official_tables.NOTE,
        "losses": losses,
        "unknown": run_tables.has_unknown(
            [*(row.cells for row in (*falls, *overview)), *(row.cells for row in losses)]
        ),
        "portfolio_unknown": portfolio is not None
        and run_tables.has_unknown(row.cells for row in portfolio.rows),
        "exact": is_exact(run),
        "risk_heads": portfolio_tables.RISK_HEADS,
        "drivers": run_tables.driver_table(run),
        "chosen": chosen,
        "defaults": [row for row in ledger if row not in chosen],
        "sensitivities": run_html_tables.sensitivity_rows(run),
        "weakest_link": weakest_link(run.scenario, run.results),
        "weak_sentence": f"Of {len(ledger)} numbers, {weak} rest on thin evidence or judgement.",
        "command": html_page.command(command_words(run), run.scenario),
        "reproduce": [*_provenance(run), *_dated_otherwise(run)],
    }


def command_words(run: Run) -> list[str]:
    """The command that repeats the run inside its folder, where the scenario lies as scenario.toml; no overrides."""
    words = ["crashsim", "run", "scenario.toml", "--seed", str(run.seed)]
    words += ["--deterministic"] if is_exact(run) else ["--paths", str(run.paths)]
    if run.scenario.portfolio is not None:
        words += ["--portfolio", HOLDINGS]
    return words


def _provenance(run: Run) -> list[tuple[str, str]]:
    scenario = run.scenario
    return html_page.provenance(
        scenario,
        ("digest", scenario.digest),
        ("seed", str(run.seed)),
        ("paths", f"{run.paths:,}"),
        ("steps", f"{scenario.steps:,} {closes(run)} steps from {scenario.as_of.isoformat()}"),
        ("noise", "off: no shocks" if run.shocks == "zero" else "on"),
    )


def _dated_otherwise(run: Run) -> list[tuple[str, str]]:
    """What the run assumes that is of another time than its market values."""
    day = run.scenario.universe.as_of
    lines = assumption_text.dated_otherwise(run.scenario)
    return [(f"dated more than a quarter from {day}", plain(line, 600)) for line in lines]
