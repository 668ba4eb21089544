"""What the story adds, as rows of text for the terminal and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.runs.contributions import PARTS
from simulator.runs.run_words import label
from simulator.runs.story_text import STATISTICS, is_sure, number
from simulator.statistics.formatting import format_error

if TYPE_CHECKING:
    from simulator.reports.run_tables import Cell
    from simulator.runs import Run


@dataclass(frozen=True)
class StoryRow:
    """One headline of one entity: a cell for each of ``PARTS``, in percent."""

    entity: str
    statistic: str
    name: str
    what: str
    cells: list[Cell]
    sure: bool
    """Whether the interval of the story's part excludes 0."""


def story(run: Run) -> list[StoryRow]:
    """Every headline that is split; nothing where what the story adds is not known."""
    if run.contributions is None:
        return []
    rows = []
    for entity in run.contributions.entities:
        for statistic, what in STATISTICS.items():
            of = run.contributions.of(entity, statistic)
            if of:
                cells = [(number(of[part]), format_error(of[part])) for part in PARTS]
                sure = is_sure(of["story"])
                rows.append(StoryRow(entity, statistic, label(run, entity), what, cells, sure))
    return rows
