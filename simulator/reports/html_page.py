"""What the HTML reports of runs and sweeps share: the page, its figures, how to repeat it."""

from __future__ import annotations

import base64
import platform
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from simulator.errors import plain
from simulator.plots import Plot, draw, heading_height, render
from simulator.reports.table_csv import file_name, table_csv
from simulator.schema import toml_value

if TYPE_CHECKING:
    from simulator.scenario import Scenario

_LONGEST_COMMAND = 4000
_PIXELS = 96
"""CSS pixels an inch."""


def render_page(template: str, content: Mapping[str, Any]) -> str:
    """A page from ``templates``; it needs no network and runs no script."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # autoescape by name would leave "report.html.j2" and the like unescaped: it is on for all.
    pages = Environment(
        loader=PackageLoader("simulator.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["sections"] = _sections
    pages.filters["csv"] = lambda table: base64.b64encode(table_csv(table).encode()).decode()
    pages.filters["file_name"] = file_name
    return pages.get_template(template).render(content)


def _sections(body: Markup) -> list[tuple[str, Markup]]:
    """The anchor of every section of a page, and the beginning of its heading."""
    headings = re.findall(r'<h2 id="([a-z]+)">([^<:(]+)', body)
    return [(anchor, Markup(title.strip())) for anchor, title in headings]


def figure(of: Plot, name: str) -> dict[str, Any]:
    """A figure with its words and numbers; its ``data`` is the SVG in base64.

    The page sets the heading as text, and shows the figure from below its heading.
    """
    columns, rows = of.shown()
    width, height = of.size
    height -= heading_height(width, of.headline, of.caption)
    return {
        "name": name,
        "title": of.title,
        "headline": of.headline,
        "alt": f"{of.headline}. {of.subtitle} The numbers follow below the figure.",
        "caption": of.subtitle,
        "data": base64.b64encode(render(draw(of))).decode("ascii"),
        "width": round(width * _PIXELS),
        "height": round(height * _PIXELS),
        "columns": columns,
        "rows": rows,
    }


def command(words: Sequence[str], scenario: Scenario) -> str:
    """A command line that repeats a result with the overrides of its scenario."""
    overrides = [
        word
        for key, value in scenario.overrides.items()
        for word in ("--set", f"{key}={toml_value(value)}")
    ]
    return plain(shlex.join([*words, *overrides]), _LONGEST_COMMAND)


def provenance(scenario: Scenario, *rows: tuple[str, str]) -> list[tuple[str, str]]:
    """Scenario and universe, ``rows``, and the versions of what made the report."""
    used = ("crashsim", "numpy", "scipy", "matplotlib")
    versions = [f"Python {platform.python_version()}", *(f"{x} {version(x)}" for x in used)]
    return [
        ("scenario", plain(scenario.name)),
        ("universe", plain(f"{scenario.universe.name}: {scenario.universe.title}", 200)),
        *rows,
        ("report made with", ", ".join(versions)),
    ]
