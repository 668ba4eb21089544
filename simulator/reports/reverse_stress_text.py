"""What a reverse stress test answers, in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.reports.run_tables import threshold_value
from simulator.reports.text_lines import Line, folded

if TYPE_CHECKING:
    from simulator.exploration import ReverseStress
    from simulator.exploration.reverse_stress import Root
    from simulator.statistics import Estimate


def answer_lines(answer: ReverseStress, width: int) -> list[Line]:
    """The values with their intervals, or what the number is at the ends of the range."""
    story = answer.scenario
    head = (
        f"{answer.text} in {story.name}, by {answer.key} from {answer.low:g} to {answer.high:g} "
        f"({_unit(answer.unit)}; {story.paths:,} paths, seed {story.seed})"
    )
    lines = folded(head, width, rest=2)
    for root in answer.roots:
        lines += folded(_root(answer, root), width, 2, 4, "strong")
        lines += folded(_there(answer, root), width, 4, 4)
    if not answer.roots:
        lines += folded(_none(answer), width, 2, 4)
    if len(answer.roots) > 1:
        text = (
            "The number does not only rise or only fall with the value: all crossings are listed."
        )
        lines += folded(text, width, 2, 2)
    if answer.key in story.uncertain():
        text = f"Each value replaces the distribution that {story.name} has for {answer.key}, as --set does."
        lines += folded(text, width, 2, 2)
    text = (
        f"{len(answer.scanned)} values were simulated on the same random numbers; a pair of crossings "
        "between two neighbours of the grid would not be seen."
    )
    return [*lines, *folded(text, width, 2, 2)]


def _unit(unit: str) -> str:
    return "a pure number" if unit in ("", "1") else unit


def _root(answer: ReverseStress, root: Root) -> str:
    if root.low == root.high:
        return f"{answer.key} = {root.value:.6g}: the number jumps over the level there"
    # As many decimals as the value, which is rounded to a hundredth of the interval, but one.
    places = max(len(f"{root.value!r}".partition(".")[2]) - 1, 0)
    ends = [
        f"{end:.{places}f}{' (the end of the range)' if is_open else ''}"
        for end, is_open in ((root.low, root.low_open), (root.high, root.high_open))
    ]
    return f"{answer.key} = {root.value!r} (95 % interval {ends[0]} to {ends[1]})"


def _there(answer: ReverseStress, root: Root) -> str:
    return f"there the number is {threshold_value(answer.goal, root.number)}"


def _none(answer: ReverseStress) -> str:
    (low, at_low), (high, at_high) = answer.scanned[0], answer.scanned[-1]
    near, at_near = answer.nearest

    def shown(number: Estimate) -> str:
        return threshold_value(answer.goal, number)

    ends = f"at {low:g} it is {shown(at_low)}, at {high:g} it is {shown(at_high)}"
    closest = "" if near in (low, high) else f"; it comes closest at {near:g} with {shown(at_near)}"
    if answer.undecided:
        return f"These paths cannot tell whether any value in the range does it: {ends}{closest}. Try more --paths."
    return f"No value in the range does: {ends}{closest}."
