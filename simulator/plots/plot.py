"""The class of every figure, of a run or a sweep: its numbers, its words, its drawing.

The drawing and the table under it in a report both start from one :class:`Plot`, so that a figure
and its numbers cannot differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pandas as pd

from simulator.errors import UsageError

STATISTIC = "worst_1_in_20"
"""Of a sweep, what is drawn by default."""


class Margins(NamedTuple):
    """Inches beside the axes of a figure, and between its heading and the axes."""

    left: float = 0.6
    right: float = 0.78
    top: float = 0.0


class Panels(NamedTuple):
    """Rows and columns of axes; inches between them across and down, and at the left, right and bottom."""

    rows: int
    columns: int
    gaps: tuple[float, float]
    margins: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Plot(ABC):
    """One figure of one entity, of a run (:class:`RunPlot`) or a sweep (:class:`SweepPlot`).

    Of a sweep, ``statistic`` is what is drawn. ``against`` names keys to draw it against; the
    others are held at the value nearest the base.

    Raises
    ------
    UsageError
        For an entity, statistic or key the source does not have, or a figure that it cannot give.
    """

    source: Any
    entity: str = "sp500"
    statistic: str = STATISTIC
    against: tuple[str, ...] = ()

    kind: ClassVar[str]
    question: ClassVar[str]
    """What the figure answers."""

    def __post_init__(self) -> None:
        self.check_names()
        if reason := self.missing(self.source, self.entity):
            raise UsageError(f"no figure {self.kind!r} of {self.entity} here: {reason}")

    @abstractmethod
    def check_names(self) -> None:
        """Raise UsageError for an entity, statistic or key that the source does not have."""

    @classmethod
    def missing(cls, source: Any, entity: str) -> str:  # noqa: ARG003 - most need nothing
        """Why a source cannot give this figure of an entity; nothing if it can."""
        return ""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches, unless another size is given."""
        return 5.4, 4.3

    @property
    @abstractmethod
    def table(self) -> pd.DataFrame:
        """The numbers the figure is drawn from: falls negative, shares of paths in 0..1, t in years."""

    @property
    @abstractmethod
    def headline(self) -> str:
        """The message of the figure in one sentence."""

    @property
    @abstractmethod
    def subtitle(self) -> str:
        """What is drawn, so that the figure can stand alone."""

    @abstractmethod
    def shown(self) -> tuple[list[str], list[list[str]]]:
        """The table as text, thinned to what a reader needs: column names, rows."""

    @property
    def margins(self) -> Margins:
        """What the axes leave free, where there is one pair of axes."""
        return Margins()

    @property
    def panels(self) -> Panels | None:
        """How the axes are arranged, where there are several."""
        return None

    @abstractmethod
    def draw(self, axes: Any) -> None:
        """Fill empty axes, in the style of the house: one pair, or of panels a list, row by row."""

    @property
    def title(self) -> str:
        """What stands over the figure in a report."""
        return self.question

    @property
    @abstractmethod
    def origin(self) -> str:
        """The scenario, paths and seed behind the figure, on one line."""

    @property
    def caption(self) -> str:
        """The subtitle, and where the numbers come from."""
        return f"{self.subtitle} {self.origin}"
