"""The summary of a run for the terminal and its report for the browser.

Everything comes from the run alone, simulated now or loaded; the same run gives the same bytes.
"""

from __future__ import annotations

import base64
import json
import platform
import shlex
import textwrap
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from simulator import findings
from simulator.errors import plain
from simulator.plot_data import KINDS, Picture, closes, label
from simulator.wording import MINUS

if TYPE_CHECKING:
    from simulator.run import Run

WIDTH = 80
"""Columns of the terminal summary."""


def terminal_summary(run: Run, folder: str | None = None) -> str:
    """The result in at most 80 columns of plain text.

    ``folder`` is where the run was written, shown as given.
    """
    parts = [
        _heading(run),
        textwrap.wrap(plain(run.verdict, 400), WIDTH),
        _threshold_lines(run),
        _fall_lines(run),
        _reach_lines(run),
        _loss_lines(run),
        _driver_lines(run),
        [f"0 non-finite paths{f', results in {plain(folder, 200)}' if folder else ''}"],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _heading(run: Run) -> list[str]:
    scenario = run.scenario
    size = f"{run.paths:,} paths x {scenario.steps:,} {closes(run)} steps"
    return [
        textwrap.shorten(plain(scenario.title, 200), WIDTH, placeholder="..."),
        f"{plain(scenario.name)} {scenario.digest[:12]}, seed {run.seed}, {size}",
    ]


def _threshold_lines(run: Run) -> list[str]:
    rows = findings.thresholds(run)
    if not rows:
        return []
    lines = ["THRESHOLDS"]
    for row in rows:
        lines += _fold(f"{'pass' if row.passed else 'FAIL'}  {row.name}: {row.rule}")
        lines.append(f"        {_ascii(row.value)}")
    return lines


def _fall_lines(run: Run) -> list[str]:
    lines = [
        _line("LARGEST FALL", ("", "1-in-4", "1-in-10", "1-in-20", "1-in-100"), ""),
        _line("", ("median", "worst", "worst", "worst", "worst", "mean"), "MC error"),
    ]
    beside = findings.history(run)
    for row in findings.falls(run):
        lines.append(_line(f"  {row.short}", (*row.cells, row.mean), row.error))
        if row.entity in beside:
            real = beside[row.entity]
            note = f"what happened, on {closes(run)} closes (daily {_ascii(real.daily)})"
            lines.append(_line("    dot-com crash", (real.fall,), note))
    return lines


def _reach_lines(run: Run) -> list[str]:
    rows = findings.reaches(run, findings.groups(run))
    lines = ["CHANCE TO FALL AS FAR AS IN A REAL CRASH, or further (95 % interval)"]
    for row in rows:
        fall = f"{row.crash} {_ascii(row.fall)}"
        lines.append(f"  {_short(row.name, 21)} {fall:<18}{_ascii(row.chance)}")
    return lines


def _loss_lines(run: Run) -> list[str]:
    names = ("median", "1-in-20 worst", "1-in-100 worst")
    lines = ["DOLLARS LOST, to trough" + "".join(f"{name:>18}" for name in names)]
    for row in findings.losses(run, findings.groups(run)):
        cells = (row.median, row.worst_1_in_20, row.worst_1_in_100)
        lines.append(f"  {_short(row.name, 21)}" + "".join(f"{cell:>18}" for cell in cells))
    return lines


def _driver_lines(run: Run) -> list[str]:
    lines = ["WHAT DROVE THE WORST TWENTIETH, mean log points (they add up to the log fall)"]
    for entity in findings.leaders(run):
        causes = (f"{row.name} {row.points}" for row in findings.drivers(run, entity))
        lines += _fold(f"{label(run, entity)}: {_ascii(', '.join(causes))}")
    return lines


def _line(name: str, cells: tuple[str, ...], last: str) -> str:
    """A name, up to six numbers in fixed columns, and a last word."""
    widths = (8, 8, 8, 8, 9, 8)[: len(cells)]
    body = "".join(_ascii(cell).rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{_short(name, 21)}{body}  {last}".rstrip()


def _short(name: str, width: int) -> str:
    return name.ljust(width) if len(name) <= width else name[: width - 1] + "."


def _fold(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="      ")


def _ascii(cell: str) -> str:
    """A number as any terminal shows it, and narrow."""
    return cell.replace(MINUS, "-").replace(" %", "%")


# ---------------------------------------------------------------- the browser


def html_report(run: Run, figures: Mapping[str, bytes] | None = None) -> str:
    """The report: one HTML page that needs no network and runs no script.

    ``figures`` are SVGs of the S&P 500 that were rendered before, by kind; others are drawn.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # autoescape by name would leave "report.html.j2" and the like unescaped: it is on for all.
    pages = Environment(
        loader=PackageLoader("simulator"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template("report.html").render(_content(run, figures or {}))


def _content(run: Run, figures: Mapping[str, bytes]) -> dict[str, Any]:
    scenario, ledger = run.scenario, findings.ledger(run)
    years = f"{scenario.horizon_years:g} years"
    weak = sum(row.is_weak for row in ledger)
    chosen = [row for row in ledger if not row.is_default or row.is_uncertain]
    return {
        "title": plain(scenario.title, 200),
        "run_line": " \N{MIDDLE DOT} ".join(_heading(run)[1:]),
        "verdict": run.verdict,
        "years": years,
        "closes": closes(run),
        "paths": f"{run.paths:,}",
        "as_of": scenario.as_of.isoformat(),
        "thresholds": findings.thresholds(run),
        "falls": findings.falls(run),
        "groups": findings.groups(run),
        "history": findings.history(run),
        "figures": [_figure(Picture(kind, run), figures.get(kind)) for kind in KINDS],
        "crashes": findings.crashes(run),
        "reaches": findings.reaches(run, findings.groups(run)),
        "losses": findings.losses(run, findings.groups(run)),
        "drivers": findings.driver_table(run),
        "chosen": chosen,
        "defaults": [row for row in ledger if row not in chosen],
        "weakest": [row for row in chosen if row.is_weak],
        "weak_sentence": f"Of {len(ledger)} numbers, {weak} rest on thin evidence or judgement.",
        "command": _command(run),
        "reproduce": _provenance(run),
    }


def _figure(picture: Picture, svg: bytes | None) -> dict[str, Any]:
    from simulator.plots import SIZE, draw, render

    columns, rows = picture.shown()
    return {
        "headline": picture.headline,
        "alt": f"{picture.headline}. {picture.subtitle} The numbers follow below the figure.",
        "caption": f"{picture.name}. {picture.subtitle}",
        "data": base64.b64encode(svg or render(draw(picture))).decode("ascii"),
        "width": round(SIZE[0] * 96),
        "height": round(SIZE[1] * 96),
        "columns": columns,
        "rows": rows,
    }


def _command(run: Run) -> str:
    """The command that repeats the run inside its folder, where the scenario lies as scenario.toml."""
    words = ["crashsim", "run", "scenario.toml", "--seed", str(run.seed), "--paths", str(run.paths)]
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
