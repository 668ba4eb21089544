"""What scenario discovery says, in sentences."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from simulator.reports.text_lines import Line, folded
from simulator.statistics.formatting import format_error, format_share

if TYPE_CHECKING:
    from simulator.exploration import Box, Discovery
    from simulator.scenario import Scenario
    from simulator.statistics import Estimate


def corner_lines(corners: Discovery, scenario: Scenario, width: int) -> list[Line]:
    """A sentence a corner, and what all of them hold; or that none stands out."""
    units = {row.key: row.unit for row in scenario.ledger()}
    base = f"{share_text(corners.base)} of all futures of {scenario.name} see {corners.event}."
    lines = folded(base, width)
    if not corners.boxes:
        text = (
            f"No corner of the assumptions stands out: the best one has {share_text(corners.best.density)} "
            f"({limits_text(corners.best, units)})."
        )
        lines += folded(text, width, 0, 2, "strong")
    for box in corners.boxes:
        text = (
            f"When {limits_text(box, units)}, {share_text(box.density)} of futures do. "
            f"These are {share_text(box.coverage)} of all such futures, "
            f"and {share_text(box.support)} of all futures are in this corner."
        )
        lines += folded(text, width, 0, 2, "strong")
    if len(corners.boxes) > 1:
        text = f"Together these corners hold {share_text(corners.together.coverage)} of all such futures."
        lines += folded(text, width)
    text = f"Measured on {corners.held_out:,} paths; the others chose the corners. ± is one standard error."
    return [*lines, *folded(text, width)]


def share_text(of: Estimate) -> str:
    """A share with one standard error: "31 % ±2"."""
    return f"{format_share(of)} {format_error(of)}".strip()


def limits_text(box: Box, units: dict[str, str]) -> str:
    """The limits in words, key by key: "technology.elasticity is above 0.6 and below 0.8"."""
    parts = []
    for key, limits in groupby(box.limits, key=lambda limit: limit.key):
        sides = " and ".join(f"{limit.side} {limit.value:.6g}" for limit in limits)
        unit = units.get(key, "1")
        parts.append(f"{key} is {sides}{'' if unit == '1' else f' ({unit})'}")
    return " and ".join(parts)
