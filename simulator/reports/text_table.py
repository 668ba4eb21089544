"""Tables of plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: int = 1,
    gap: str = "  ",
    width: int | None = None,
) -> str:
    """Aligned columns: the first ``left`` of them to the left, numbers to the right.

    Columns are left out from the right where they do not fit into ``width``; a last line names them.
    """
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    columns = len(widths)
    while width is not None and columns > 1 and _width(widths[:columns], gap) > width:
        columns -= 1

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.ljust(size) if i < left else cell.rjust(size)
            for i, (cell, size) in enumerate(zip(row[:columns], widths, strict=False))
        )
        return gap.join(cells).rstrip()

    lines = [line(row) for row in (header, *rows)]
    if columns < len(header):
        lines += textwrap.wrap(f"(too narrow for {', '.join(header[columns:])})", width or 100)
    return "\n".join(lines)


def _width(widths: Sequence[int], gap: str) -> int:
    return sum(widths) + len(gap) * (len(widths) - 1)
