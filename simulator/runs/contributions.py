"""What chance, boom and story contribute to the headlines of a run: numbers by name, and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from simulator.statistics import Estimate

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("total", "chance", "boom", "story", "as_priced_in")
"""Of each headline: the run's value; its three parts; and the value if everything goes as priced in, with the boom."""
COLUMNS: dict[str, type] = {
    "entity": str,
    "statistic": str,
    "part": str,
    "value": float,
    "mc_error": float,
    "low": float,
    "high": float,
    "paths": int,
}
"""Columns of the table, and what they hold."""


@dataclass(frozen=True)
class Contributions:
    """The parts of every headline."""

    headlines: Mapping[tuple[str, str], Mapping[str, Estimate]]
    """(entity, statistic) -> part, of ``PARTS`` -> estimate."""
    paths: int
    """Of each other world."""

    @property
    def entities(self) -> list[str]:
        """Those whose headlines are split."""
        return list(dict.fromkeys(entity for entity, _ in self.headlines))

    def of(self, entity: str, statistic: str) -> Mapping[str, Estimate]:
        """The parts of one headline by name; nothing where it is not there."""
        return self.headlines.get((entity, statistic), {})

    @cached_property
    def table(self) -> pd.DataFrame:
        """Tidy: a row for each part, with ``COLUMNS``."""
        import pandas as pd  # late: slow to import

        rows = [
            (*headline, part, *astuple(estimate), self.paths)
            for headline, parts in self.headlines.items()
            for part, estimate in parts.items()
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> Contributions:
        """Those of a :attr:`table`. Raises ValueError if a headline does not have every part once."""
        headlines: dict[tuple[str, str], dict[str, Estimate]] = {}
        for entity, statistic, part, *fields, _ in table[list(COLUMNS)].itertuples(index=False):
            of = headlines.setdefault((entity, statistic), {})
            if part in of:
                raise ValueError(f"{entity} {statistic} has {part} twice")
            of[part] = Estimate(*fields)
        if not headlines or any(sorted(of) != sorted(PARTS) for of in headlines.values()):
            raise ValueError("it does not have every part")
        return cls(headlines, int(table["paths"].iloc[0]))
