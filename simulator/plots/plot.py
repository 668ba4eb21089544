"""The class of every figure, of a run or a sweep: its numbers, its words, its drawing.

The drawing and the table under it in a report both start from one :class:`Plot`, so that a figure
and its numbers cannot differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from simulator.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATISTIC = "worst_1_in_20"
"""Of a sweep, what is drawn by default."""


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

    @abstractmethod
    def draw(self, drawing: Figure) -> None:
        """Fill an empty figure, in the style of the house."""

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
