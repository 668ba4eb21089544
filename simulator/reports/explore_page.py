"""The page of ``crashsim explore``: choose ranges of assumptions, see the futures they leave.

Its charts are Vega-Lite's (``templates/explore/*.json``), whose script comes from vl-convert-python, so
the page needs no network. Its policy lets these scripts run, by their hashes, and nothing else:
Vega interprets its expressions instead of compiling them (``ast``).
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from simulator.errors import UsageError, plain, plural
from simulator.reports import explore_corners, explore_data, html_page
from simulator.reports.run_html import command_words
from simulator.reports.run_text import run_line
from simulator.runs.run_words import is_exact, label, years
from simulator.runs.verdict import SENTENCES
from simulator.schema import toml_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.runs import Run
    from simulator.scenario import Scenario


def explore_page(run: Run, command: Sequence[str] | None = None, events: Sequence[str] = ()) -> str:
    """One HTML page that needs no network.

    Parameters
    ----------
    run
        A run of many paths with at least one uncertain assumption.
    command
        Words that repeat the run, without overrides; by default those that do so in its folder.
    events
        Whose corners are offered; without any, two of the S&P 500. See :func:`explore_corners.discoveries`.

    Raises
    ------
    UsageError
        If vl-convert-python is missing, or the run leaves nothing to choose.
    """
    from markupsafe import Markup

    check(run.scenario)
    if is_exact(run):
        raise UsageError("this run is one path without noise: explore needs a run with many paths")
    own = "\n".join(_text(f"{name}.js") for name in ("numbers", "page", "charts"))
    # The library's thousands of short names stay its own.
    scripts = [f"(() => {{\n{script}\n}})();" for script in (_library(), own)]
    found = explore_corners.discoveries(run, events)
    marks = explore_corners.marks(found)
    controls = explore_data.controls(run, [mark.key for mark in marks])
    names = {name: label(run, name) for name in explore_data.ENTITIES if name in run.entities}
    shown = explore_data.paths(run)
    return html_page.render_page(
        "explore/page.html",
        {
            "title": plain(run.scenario.title, 200),
            "run_line": run_line(run),
            "hashes": " ".join(map(_hash, scripts)),
            "names": names,
            "measures": explore_data.MEASURES,
            "controls": controls,
            "events": explore_corners.sections(run, found, controls),
            "marks": marks,
            "fixed": explore_data.fixed(run),
            "paths": f"{shown:,}",
            "years": years(run.scenario.horizon_years),
            "where": "; it runs in the folder of this page" if command is None else "",
            "few_note": f"This page holds the first {shown:,} of {plural(run.paths, 'path')}."
            if shown < run.paths
            else "",
            "drawn_with": f"Drawn by Vega-Lite from vl-convert-python {version('vl-convert-python')}.",
            "data": Markup(_json(_content(run, controls, marks, names, command))),
            "scripts": [Markup(script) for script in scripts],
        },
    )


def _content(
    run: Run,
    controls: list[explore_data.Control],
    marks: list[explore_corners.Mark],
    names: dict[str, str],
    command: Sequence[str] | None,
) -> dict[str, Any]:
    """What the script reads."""
    return {
        "paths": explore_data.paths(run),
        "few": explore_data.FEW,
        "names": names,
        "measures": explore_data.MEASURES,
        "sentences": SENTENCES,
        "falls": explore_data.falls(run),
        "controls": [
            {
                "key": control.key,
                "name": control.name,
                "low": control.low,
                "step": control.step,
                "count": control.count,
                "digits": control.digits,
                "support": control.support,
                "truncated": control.truncated,
                "marks": [
                    {"assumption": mark.value, "letter": mark.letter}
                    for mark in marks
                    if mark.key == control.key
                ],
                "values": explore_data.base64_floats(control.values),
            }
            for control in controls
        ],
        "results": explore_data.results(run),
        "command": {
            "words": list(command or command_words(run)),
            "overrides": [
                [key, toml_value(value)] for key, value in run.scenario.overrides.items()
            ],
        },
        "correlated": sorted({key for pair in run.scenario.correlations for key in pair.between}),
        "histogram": json.loads(_text("histogram.json")),
        "scatter": json.loads(_text("scatter.json")),
    }


def check(scenario: Scenario) -> None:
    """Raise UsageError if a run of the scenario will have no page: before it takes time to simulate."""
    if find_spec("vl_convert") is None:
        raise UsageError(
            "explore needs vl-convert-python, which is not installed: pip install 'crashsim[explore]'"
        )
    explore_data.check(scenario)


@lru_cache(maxsize=1)
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    # Within a string or an expression of the script these mean the same; to a page they are none.
    return script.replace("</script", r"<\/script").replace("<!--", r"<\!--")


def _text(name: str) -> str:
    folder = files("simulator.reports") / "templates" / "explore"
    return (folder / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _json(content: dict[str, Any]) -> str:
    """JSON that no text in it can end: in ASCII, without ``<``, ``>`` and ``&``."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
