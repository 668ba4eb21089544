"""The report of a run for the browser.

Everything comes from the run alone, simulated now or loaded; the same run gives the same bytes.
"""

from __future__ import annotations

import base64
import json
import platform
import shlex
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from simulator.errors import plain
from simulator.plots import available, draw, picture, render, without_heading
from simulator.plots.run_plot import RunPlot, closes
from simulator.portfolio import HOLDINGS
from simulator.reports import assumption_text, run_html_tables, run_tables
from simulator.reports.run_text import run_line
from simulator.runs.sensitivity import weakest_link

if TYPE_CHECKING:
    from simulator.runs import Run


SECTIONS = {
    "levels": ("fan", "fan-mag7", "histogram", "exceedance", "underwater"),
    "causes": ("waterfall",),
    "crashes": ("overlay", "trough", "recovery"),
    "firms": ("firms",),
    "drivers": ("drivers", "elasticity", "elasticity-ai_basket", "uncertainty"),
}
"""The figures of each part of the report: a kind, and an entity other than the S&P 500."""


def pictures(run: Run) -> dict[str, RunPlot]:
    """Every picture of the report that the run can give, by name: "fan", "fan-mag7", ..."""
    found = {}
    for name in (name for names in SECTIONS.values() for name in names):
        kind, _, entity = name.partition("-")
        entity = entity or "sp500"
        if entity in run.entities and kind in available(run, entity):
            found[name] = picture(kind, run, entity)
    return found


def figures(run: Run) -> dict[str, bytes]:
    """The pictures of the report as SVG, by name."""
    return {name: render(draw(one)) for name, one in pictures(run).items()}


def html_report(run: Run, drawn: Mapping[str, bytes] | None = None) -> str:
    """The report: one HTML page that needs no network and runs no script.

    ``drawn`` are :func:`figures` that were rendered before; others are drawn.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # autoescape by name would leave "report.html.j2" and the like unescaped: it is on for all.
    pages = Environment(
        loader=PackageLoader("simulator.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template("report.html").render(_content(run, drawn or {}))


def _content(run: Run, drawn: Mapping[str, bytes]) -> dict[str, Any]:
    scenario, ledger = run.scenario, run_tables.ledger(run)
    years = f"{scenario.horizon_years:g} years"
    weak = sum(row.is_weak for row in ledger)
    chosen = [row for row in ledger if not row.is_default or row.is_uncertain]
    return {
        "title": plain(scenario.title, 200),
        "run_line": run_line(run),
        "verdict": run.verdict,
        "years": years,
        "closes": closes(run),
        "paths": f"{run.paths:,}",
        "as_of": scenario.as_of.isoformat(),
        "thresholds": run_tables.thresholds(run),
        "falls": run_tables.falls(run),
        "groups": run_tables.groups(run),
        "history": run_tables.history(run),
        "figures": _figures(run, drawn),
        "futures": run_html_tables.futures(run),
        "portfolio": run_html_tables.portfolio(run),
        "crashes": run_tables.crashes(run),
        "reaches": run_tables.reaches(run, run_tables.groups(run)),
        "losses": run_tables.losses(run, run_tables.groups(run)),
        "drivers": run_tables.driver_table(run),
        "chosen": chosen,
        "defaults": [row for row in ledger if row not in chosen],
        "moves": run_html_tables.moves(run),
        "weakest_link": weakest_link(run),
        "weak_sentence": f"Of {len(ledger)} numbers, {weak} rest on thin evidence or judgement.",
        "command": _command(run),
        "reproduce": [*_provenance(run), *_dated_otherwise(run)],
    }


def _figures(run: Run, drawn: Mapping[str, bytes]) -> dict[str, list[dict[str, Any]]]:
    """The figures of each section."""
    found = pictures(run)
    return {
        section: [_figure(name, found[name], drawn.get(name)) for name in names if name in found]
        for section, names in SECTIONS.items()
    }


def _figure(name: str, of: RunPlot, svg: bytes | None) -> dict[str, Any]:
    columns, rows = of.shown()
    other = f" {of.name}" if "-" in name else ""
    (width, height), whole = of.size, svg or render(draw(of))
    image, cut = without_heading(whole, width, of.headline, of.caption)  # the page says it
    return {
        "name": name,
        "question": f"{of.question}{other}",
        "headline": of.headline,
        "alt": f"{of.headline}. {of.subtitle} The numbers follow below the figure.",
        "caption": of.subtitle,
        "data": base64.b64encode(image).decode("ascii"),
        "width": round(width * 96),
        "height": round((height - cut) * 96),
        "columns": columns,
        "rows": rows,
    }


def _command(run: Run) -> str:
    """The command that repeats the run inside its folder, where the scenario lies as scenario.toml."""
    words = ["crashsim", "run", "scenario.toml", "--seed", str(run.seed), "--paths", str(run.paths)]
    if run.scenario.portfolio is not None:
        words += ["--portfolio", HOLDINGS]
    for key, value in run.scenario.overrides.items():
        words += ["--set", f"{key}={_toml(value)}"]
    return plain(shlex.join(words), 2000)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | str) else str(value)


def _provenance(run: Run) -> list[tuple[str, str]]:
    scenario = run.scenario
    used = ("crashsim", "numpy", "scipy", "matplotlib")
    versions = [
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in used),
    ]
    return [
        ("scenario", plain(scenario.name)),
        ("universe", plain(f"{scenario.universe.name}: {scenario.universe.title}", 200)),
        ("digest", scenario.digest),
        ("seed", str(run.seed)),
        ("paths", f"{run.paths:,}"),
        ("steps", f"{scenario.steps:,} {closes(run)} steps from {scenario.as_of.isoformat()}"),
        ("noise", "off: no shocks" if run.shocks == "zero" else "on"),
        ("non-finite paths", "0: a run with one would have stopped"),
        ("report made with", ", ".join(versions)),
    ]


def _dated_otherwise(run: Run) -> list[tuple[str, str]]:
    """What the run assumes that is of another time than its market values."""
    day = run.scenario.universe.as_of
    lines = assumption_text.dated_otherwise(run.scenario)
    return [(f"dated more than a quarter from {day}", plain(line, 600)) for line in lines]
