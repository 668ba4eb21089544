"""Write docs/parameters.md and docs/images/knife-edge.png from the declarations: python scripts/make_model_docs.py."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from simulator.model.concentration import Concentration
from simulator.model.events import Event
from simulator.model.firms import FirmRules
from simulator.model.market import Market
from simulator.model.sentiment import Sentiment
from simulator.model.technology import Technology
from simulator.model.valuation import Valuation
from simulator.plots import BLUES, GREY, INK, MEDIAN, SIZE, frame, render, style
from simulator.schema.parameters import Params, Spec
from simulator.statistics.formatting import percent
from simulator.universe.universe_schema import FirmRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent.parent / "docs"
TARGET = DOCS / "parameters.md"
PICTURE = DOCS / "images" / "knife-edge.png"

HEAD = """\
# Parameters

Made by `make docs` from the declarations in the code; a test holds it to them. What each parameter does in the
equations is in [model.md](model.md). A scenario may set any of them, and give its own source: `crashsim check deepseek`
prints what a scenario uses.

Strength of evidence: **A** measured or official, **B** several consistent sources, **C** thin or derived,
**D** judgement. A unit of 1 is a pure number. Bounds are inclusive.
"""

STORY = "set by the scenario"
"""Source of an event's size: part of the story, so neither evidence nor a judgement of the model's."""

EVENTS: tuple[type[Params], ...] = tuple(get_args(kind)[0] for kind in get_args(get_args(Event)[0]))
TABLES: Mapping[str, type[Params]] = {
    "`[technology]`": Technology,
    **{f'`[[events]]`, `kind = "{kind.model_fields["kind"].default}"`': kind for kind in EVENTS},
    "`[firms]`": FirmRules,
    "`[valuation]`": Valuation,
    "`[concentration]`": Concentration,
    "`[sentiment]`": Sentiment,
    "`[market]`": Market,
}
NOTES: Mapping[type[Params], str] = {
    Concentration: "Each `[[concentration.earlier_years]]` takes the first four keys."
}

DECLINES = (0.50, 0.75, 0.90, 0.95)


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join(
        [HEAD, _evidence(), *(_table(title, table) for title, table in TABLES.items()), _figures()]
    )


def _evidence() -> str:
    """How many parameters rest on what; one that several events share counts once."""
    declared = {(key, spec) for table in TABLES.values() for key, spec in table.specs().items()}
    grades = Counter(spec.strength for _, spec in declared if spec.source != STORY)
    total = grades.total()
    counts = ", ".join(f"{grades[grade]} {grade}" for grade in sorted(grades))
    return (
        f"**{percent(grades['D'] / total)} of the {total} defaults are judgement** ({counts}).\n"
        f"Not counted: {len(declared) - total} sizes and dates of events, which are the story a scenario tells.\n"
    )


def _table(title: str, table: type[Params]) -> str:
    about = [(table.__doc__ or "").split("\n")[0], NOTES.get(table, "")]
    return "\n".join(
        [
            f"## {title}", "", " ".join(filter(None, about)), "",
            "| key | default | unit | allowed | what it does | source | strength |",
            "|---|---|---|---|---|---|---|",
            *(
                _row(*cells, spec.source, spec.strength)
                for spec, cells in _cells(table)
            ), "",
        ]
    )  # fmt: skip


def _figures() -> str:
    return "\n".join(
        [
            "## Figures of a firm: `[[firms]]` of a universe file", "",
            "Their sources and strengths stand in the files of [scenarios/universes](../scenarios/universes), by",
            "figure and firm. Where a figure has a default, it stands for the absence of a mechanism.", "",
            "| figure | default | unit | allowed | meaning |", "|---|---|---|---|---|",
            *(_row(*cells) for _, cells in _cells(FirmRow)), "",
        ]
    )  # fmt: skip


def _cells(table: type[Params]) -> Iterator[tuple[Spec, tuple[str, ...]]]:
    for key, spec in table.specs().items():
        default = "required" if table.model_fields[key].is_required() else _number(spec.default)
        allowed = f"{_number(spec.low)} to {_number(spec.high)}"
        yield spec, (f"`{key}`", default, spec.unit, allowed, spec.doc)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.12g}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def growth(elasticity: float, decline: float) -> float:
    """Growth of computing for inference as priced in, log per year: docs/model.md, section 1.4.

    Args:
        elasticity: of demand for tokens to their price.
        decline: share by which the price falls a year; costs follow, so that margins hold.
    """
    consensus, fall = Technology(), -math.log(1 - decline)
    neutral = max(1 - float(consensus.compute_cost_decline) / fall, 0.0)
    return float(consensus.autonomous_growth) + (elasticity - neutral) * fall


def knife_edge() -> Figure:
    """Growth of computing against elasticity, one line for each fall of prices."""
    from matplotlib.figure import Figure

    consensus = Technology()
    g, h = float(consensus.autonomous_growth), float(consensus.compute_cost_decline)
    text = (
        "Growth of computing for inference a year. Each line is a fall of prices a year, named at its end. "
        f"As of January 2025: demand at unchanged prices grows {g:g}, a unit of computing cheapens {h:g} log a "
        "year. Margins hold; lags and saturation are left out."
    )
    with style():
        drawing = Figure(figsize=SIZE)
        axes = frame(drawing, "The faster prices fall, the sharper the edge", text)
        low, high = 0.4, 1.8
        axes.set_xlim(low, high)
        axes.axhline(0, color=INK, linewidth=1.0)
        for decline, colour in zip(DECLINES, (*BLUES[2:], MEDIAN), strict=True):
            ends = [growth(low, decline), growth(high, decline)]
            axes.plot([low, high], ends, color=colour, linewidth=2)
            axes.annotate(
                percent(-decline), (high, ends[1]), xytext=(4, 0), textcoords="offset points", va="center",
                weight="bold", annotation_clip=False,
            )  # fmt: skip
        point = (
            float(consensus.elasticity),
            growth(float(consensus.elasticity), float(consensus.annual_price_decline)),
        )
        axes.plot(*point, "o", color=INK, markersize=6, zorder=5)
        axes.annotate(
            "priced in", point, xytext=(-4, 9), textcoords="offset points", ha="right", weight="bold",
        )  # fmt: skip
        axes.annotate(
            "less computing every year", (high, 0), xytext=(-2, -4),
            textcoords="offset points", ha="right", va="top", size=9.0, color=GREY,
        )  # fmt: skip
        times = {1 / 4: "÷4", 1 / 2: "÷2", 1: "×1", 2: "×2", 4: "×4", 8: "×8", 16: "×16"}
        axes.set_yticks(np.log(list(times)), list(times.values()))
        axes.grid(axis="y")
        axes.set_xlabel("Price elasticity of demand")
    return drawing


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(render(knife_edge(), "png"))
    TARGET.write_text(page(), encoding="utf-8")
