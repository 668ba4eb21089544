"""The one class of every figure, of a run or a sweep: its numbers, its words, its drawing.

The drawing and the table under it in a report both start from one :class:`Plot`, so that a figure
and its numbers cannot differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Plot(ABC):
    """One figure of one entity, of a run (:class:`RunPlot`) or a sweep (:class:`SweepPlot`)."""

    kind: ClassVar[str]
    question: ClassVar[str]
    """What the figure answers."""

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
