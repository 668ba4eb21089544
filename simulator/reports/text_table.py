"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Sequence


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, gap: str = "  "
) -> str:
    """Aligned columns: the first ``left`` of them to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return gap.join(cells).rstrip()

    return "\n".join(line(row) for row in (header, *rows))
