"""Write docs/gallery.md, its pictures and the one in the README: python scripts/make_gallery.py [PATHS]."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from simulator import load_scenario, simulate
from simulator.plots import Plot, draw, render
from simulator.reports.run_html import pictures
from simulator.runs.run import Run
from simulator.runs.story import contributions, other_worlds

DOCS = Path(__file__).resolve().parent.parent / "docs"
TARGET = DOCS / "gallery.md"
SCENARIO = "deepseek"
FILES = {"histogram": "deepseek-histogram.png"}
"""Pictures with a file name of their own: the one at the head of the README."""

HEAD = """\
# Gallery

Every figure of a run, made by `make gallery` from the scenario `{scenario}` ({paths:,} paths, seed {seed}). Each is
made alone with the command below it, as PNG or SVG, at any `--size`, of any group or firm with `--entity`; all are in
the run's `report.html`, with the numbers they are drawn from under them. They show what stated assumptions imply, and
are not a forecast.
"""


def page(run: Run, shown: dict[str, Plot]) -> str:
    """The gallery as Markdown."""
    head = HEAD.format(scenario=SCENARIO, paths=run.paths, seed=run.seed)
    return "\n".join([head, *(_entry(name, of) for name, of in shown.items())])


def _entry(name: str, of: Plot) -> str:
    entity = "" if of.entity == "sp500" else f" --entity {of.entity}"
    return (
        f"## {of.title}\n\n{of.headline}.\n\n"
        f"![{_plain(of.headline)}. {_plain(of.subtitle)}](images/{file_of(name)})\n\n"
        f"    crashsim plot results/{SCENARIO}-* {of.kind}{entity}\n"
    )


def file_of(name: str) -> str:
    """The file of a picture by its name in the report."""
    return FILES.get(name, f"gallery-{name}.png")


def _plain(text: str) -> str:
    return text.replace("[", "(").replace("]", ")")


def main(paths: int | None = None) -> None:
    """Simulate, draw, write."""
    run = simulate(load_scenario(SCENARIO), paths=paths, workers=2)
    run = replace(run, contributions=contributions(run, other_worlds(run)))
    shown = pictures(run)
    for name, of in shown.items():
        (DOCS / "images" / file_of(name)).write_bytes(render(draw(of), "png", 110))
    TARGET.write_text(page(run, shown), encoding="utf-8")
    print(f"{TARGET} and {len(shown)} pictures")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
