"""The activity statement of Interactive Brokers: many tables in one file, the positions among them."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.csv_cells import CsvRow
from simulator.portfolio.holdings_columns import columns_of

POSITIONS = "Open Positions"
"""The section that holds the positions: the first cell of each of its rows."""
_CASH = "Cash Report"


def activity_statement(rows: Sequence[CsvRow]) -> tuple[list[CsvRow], dict[str, int]]:
    """The positions and cash of an activity statement as one table, and the first line of other sections.

    The first two cells of each of its rows are a section and "Header", "Data", "SubTotal" or
    "Total". A file of another layout comes back as it is.
    """
    headers = [row for row in rows if row.cells[:2] == (POSITIONS, "Header")]
    if not headers or not columns_of(headers[0].cells).is_usable:
        return list(rows), {}
    columns = columns_of(headers[0].cells)
    table = [headers[0]]
    others: dict[str, int] = {}
    for row in rows:
        section = row.cells[0]
        if section == POSITIONS:
            if row is not headers[0]:
                table.append(row)
        elif section == _CASH and row.cells[1:3] == ("Data", "Ending Cash"):
            currency, amount = (*row.cells[3:5], "", "")[:2]
            if len(currency) == 3:  # not the summary in the base currency
                cells = [""] * len(columns.header)
                values = {"ticker": "CASH", "currency": currency, "value": amount}
                for role, value in values.items():
                    if role in columns.place:
                        cells[columns.place[role]] = value
                table.append(CsvRow(row.line, tuple(cells)))
        elif section != _CASH:
            others.setdefault(section, row.line)
    return table, others
