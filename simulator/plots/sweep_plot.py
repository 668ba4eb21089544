"""What the figures of a sweep share: cells, keys and words, from its table alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from simulator.arrays import FloatArray
from simulator.errors import UsageError, plain, plural
from simulator.plots.plot import Plot
from simulator.plots.style import INK, note
from simulator.runs.statistic_labels import format_change, number, title, unit_of
from simulator.scenario.sweep_design import Value, is_text_key
from simulator.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.sweeps import Sweep

MOST_ROWS = 400
"""Rows of a table under a figure."""


class SweepPlot(Plot):
    """One figure of one statistic of one entity of a sweep."""

    @property
    def sweep(self) -> Sweep:
        """The sweep behind the figure."""
        sweep: Sweep = self.source
        return sweep

    def check_names(self) -> None:
        """Raise UsageError for an entity, statistic or key that the sweep does not have."""
        for name, column in ((self.entity, "entity"), (self.statistic, "statistic")):
            known = list(dict.fromkeys(self.sweep.table[column]))
            if name not in known:
                raise UsageError(
                    f"no {column} {plain(name)!r} in this sweep; it has {', '.join(map(str, known))}"
                )
        for key in self.against:
            if key not in self.keys:
                raise UsageError(
                    f"{plain(key)} does not vary in this sweep; {', '.join(self.keys)} do"
                )

    @property
    def keys(self) -> tuple[str, ...]:
        """The varied keys, in the order of the table's columns."""
        return table_keys(self.sweep.table)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The rows of this entity and statistic, the base first."""
        table = self.sweep.table
        chosen = (table["entity"] == self.entity) & (table["statistic"] == self.statistic)
        return self._in_order(table[chosen].reset_index(drop=True))

    @property
    def texts(self) -> tuple[str, ...]:
        """The keys that hold texts."""
        return tuple(filter(is_text_key, self.keys))

    @cached_property
    def every_cell(self) -> pd.DataFrame:
        """A row for each cell that did not fail, with or without this entity."""
        table = self.sweep.table
        return self._in_order(table[table["kind"] == "cell"].drop_duplicates("cell"))

    def _in_order(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows with texts as categories in the order of the design: text by itself has none."""
        values = {axis.key: axis.values or () for axis in self.sweep.design.axes}  # noqa: PD011 - not a table
        orders = {key: list(dict.fromkeys(values[key])) for key in self.texts}
        return rows.assign(
            **{  # the base's own text may be no cell's
                key: pd.Categorical(rows[key].where(rows[key].isin(order)), order, ordered=True)
                for key, order in orders.items()
            }
        )

    @property
    def cells(self) -> pd.DataFrame:
        """Those that are not the base."""
        return self.rows[self.rows["kind"] == "cell"]

    @property
    def base(self) -> pd.Series[Any] | None:
        """The base's row, unless it failed."""
        rows = self.rows[self.rows["kind"] == "base"]
        return None if rows.empty else rows.iloc[0]

    @property
    def name(self) -> str:
        """The entity's name for people."""
        return plain(self.sweep.titles.get(self.entity, self.entity)).split(" (")[0]

    @property
    def what(self) -> str:
        """The statistic in words."""
        return title(self.statistic)

    @property
    def origin(self) -> str:
        """The scenario, paths and seed."""
        s = self.sweep.scenario
        return f"Scenario: {plain(s.title, 90)}; {plural(s.paths, 'path')} a cell, seed {s.seed}."

    def by_values(self, most: int) -> list[str]:
        """The keys of ``against``, then those with the most values first; ``most`` of them."""
        rest = [key for key in self.keys if key not in self.against]
        rest.sort(key=lambda key: -self.cells[key].nunique())
        return [*self.against, *rest][:most]

    def held(self, against: list[str]) -> dict[str, Value]:
        """The other keys that vary, at the value nearest the base, else the middle one; a text at the base's."""
        held: dict[str, Value] = {}
        for key in self.keys:
            if key in against or self.cells[key].nunique() < 2:
                continue
            own = self.sweep.base.get(key)
            if key in self.texts:
                given = list(self.cells[key].dropna().unique())
                held[key] = own if own in given else given[0]  # type: ignore[assignment]
                continue
            values = np.unique(self.cells[key].dropna().to_numpy(np.float64))
            near = values.size // 2 if own is None else int(np.argmin(np.abs(values - own)))
            held[key] = float(values[near])
        return held

    def sliced(self, against: list[str], rows: pd.DataFrame | None = None) -> pd.DataFrame:
        """The cells in which the other keys are held, in the order of the keys drawn against."""
        rows = self.cells if rows is None else rows
        for key, value in self.held(against).items():
            rows = rows[rows[key] == value]
        return rows.sort_values(against[::-1], kind="stable")

    def apart(self, first: pd.Series[Any], last: pd.Series[Any]) -> bool:
        """Whether two cells differ beyond their errors: their paired changes from the base do, or they themselves."""
        pairs = (("change_low", "change_high"), ("low", "high"))
        return any(
            bool(a[high] < b[low]) for low, high in pairs for a, b in ((first, last), (last, first))
        )

    def held_note(self, against: list[str]) -> str:
        """Says which keys are held, if any are."""
        held = ", ".join(f"{key} = {format_value(v)}" for key, v in self.held(against).items())
        return f" Held: {held}." if held else ""

    def without_note(self) -> str:
        """Says so where cells have no such entity."""
        without = len(self.cells) < len(self.every_cell)
        return f" Some universes have no {self.name}." if without else ""

    def scaled(self, values: pd.Series[Any]) -> FloatArray:
        """Values as they are drawn: falls negative, shares in percent."""
        return np.asarray(values.to_numpy(np.float64) * unit_of(self.statistic).scale)

    @property
    def axis_name(self) -> str:
        """What stands at the axis of values."""
        unit = unit_of(self.statistic).name
        return f"{self.what[0].upper()}{self.what[1:]}, {'%' if unit == 'points' else unit}"

    def value(self, row: pd.Series[Any]) -> str:
        """The number of a cell."""
        return number(estimate(row), self.statistic)

    def unit(self, key: str) -> str:
        """A key with its unit, for an axis."""
        units = {row.key: row.unit for row in self.sweep.scenario.ledger()}
        unit = units.get(key, "1")
        return key if unit == "1" else f"{key} ({plain(unit)})"

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """The cells as text: column names, rows."""
        keys = [key for key in self.keys if self.table[key].notna().any()]
        columns = ["cell", *keys, self.what, "change from the base (95 % interval)"]
        rows = [
            [
                str(row["cell"]),
                *(format_value(row[key]) for key in keys),
                self.value(row),
                str(format_change(change(row), self.statistic)),
            ]
            for _, row in self.table.head(MOST_ROWS).iterrows()
        ]
        return columns, rows


def table_keys(table: pd.DataFrame) -> tuple[str, ...]:
    """The varied keys of a sweep's table."""
    columns = list(table.columns)
    return tuple(columns[columns.index("kind") + 1 : columns.index("entity")])


def no_cell_has(sweep: Sweep, entity: str) -> str:
    """Says so where only the base has an entity, and its cells are of other universes."""
    kinds = set(sweep.table.loc[sweep.table["entity"] == entity, "kind"])
    return f"no cell of it has {entity}, only its base" if kinds == {"base"} else ""


def one_at_a_time(sweep: Sweep) -> Iterator[tuple[str, tuple[Value, ...], int]]:
    """Keys, values and number of the first cell of a one-at-a-time design, in the order of the cells."""
    values = {axis.key: axis.values or () for axis in sweep.design.axes}  # noqa: PD011 - not a table
    first = 1
    for key in table_keys(sweep.table):
        yield key, values[key], first
        first += len(values[key])


def varied_key(sweep: Sweep, cell: int) -> str:
    """The key that varies in a cell of a one-at-a-time design; cells are numbered from 1."""
    for key, levels, first in one_at_a_time(sweep):
        if cell < first + len(levels):
            return key
    raise ValueError(f"the design has no cell {cell}")


def estimate(row: pd.Series[Any]) -> Estimate:
    """The number of a row of the table."""
    return Estimate(*(float(row[name]) for name in ("value", "mc_error", "low", "high")))


def change(row: pd.Series[Any]) -> Estimate:
    """The change to the base of a row of the table; its error is infinite where it is not known."""
    value, error, low, high = (
        float(row[f"change{end}"]) for end in ("", "_error", "_low", "_high")
    )
    return Estimate(value, np.inf if isnan(error) else error, low, high)


def format_value(value: Value) -> str:
    """A value of an assumption."""
    if isinstance(value, str):
        return plain(value, 64)
    return "distribution" if isnan(value) else f"{value:.4g}"


def brief(value: Value) -> str:
    """A value of an assumption to three digits; a text as it is."""
    if isinstance(value, str):
        return plain(value, 24)
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def last_name(key: str) -> str:
    """The end of a dotted key, for narrow places."""
    return key.rpartition(".")[2]


def tick_text(value: float) -> str:
    """A number on an axis, with a true minus sign."""
    return f"{value:,g}".replace("-", "\N{MINUS SIGN}")


ABOVE = 0.18
"""Inches above the axes that :func:`above` needs."""


def above(axes: Axes, text: str, *, at_left: bool) -> None:
    """The name of an axis, horizontal, above its end."""
    x, shift, side = (0, -56, "left") if at_left else (1, 56, "right")
    note(axes, text, (x, 1), (shift, 8), "axes fraction", ha=side, va="baseline", color=INK)
