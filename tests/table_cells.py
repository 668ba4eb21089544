"""Cells of tables read back as numbers, to be compared with what they should be."""

from __future__ import annotations

import re

import numpy as np
import pytest

Table = tuple[list[str], list[list[str]]]
"""Heads, and rows of cells."""
Numbers = list[float]


def numbers(cell: str) -> Numbers:
    """The numbers of a cell; percentages as shares."""
    text = cell.replace("−", "-").replace(",", "")
    found = [float(text) for text in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e-?\d+)?", text)]
    return [number / 100 for number in found] if "%" in text else found


def rounding(cell: str) -> float:
    """Half a unit of the last digit of a cell."""
    digits = cell.split(" ")[0].partition(".")[2].rstrip(")")
    half = 0.5001 * 10.0 ** -len(digits)
    return half / 100 if "%" in cell else half


def near(cell: str, expected: float | Numbers, slack: float = 0.0) -> None:
    expected = [expected] if isinstance(expected, float | int | np.floating) else expected
    found = numbers(cell)
    assert len(found) == len(expected), (cell, expected)
    for number, wanted in zip(found, expected, strict=True):
        almost = 0.0011 if number in (0.99, 0.999, 0.9999) else 0.0  # almost all is not all
        assert number == pytest.approx(wanted, abs=rounding(cell) + slack + almost), (
            cell,
            expected,
        )
