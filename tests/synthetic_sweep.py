"""Sweeps whose numbers are known: a table made by a formula, for figures and reports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from simulator.scenario.scenario import Scenario, load_scenario
from simulator.scenario.sweep_design import Design, Number, Value
from simulator.sweeps.design import design_cells, resolve_design
from simulator.sweeps.sweep import Sweep

Formula = Callable[[dict[str, Number]], float]
PRICE, ELASTICITY, HAZARD = (
    "technology.annual_price_decline",
    "technology.elasticity",
    "sentiment.hazard_slope",
)
ERROR, SHIFT_ERROR = 0.005, 0.002


def depth(cell: dict[str, Number]) -> float:
    """A fall that is deeper with faster prices, lower elasticity and more hazard."""
    return (
        0.5
        + 0.2 * (cell.get(PRICE, 0.9) - 0.9)
        - 0.1 * (cell.get(ELASTICITY, 1.0) - 1.0)
        + 0.01 * (cell.get(HAZARD, 0.2) - 0.2)
    )


def _numbers(cell: Mapping[str, Value]) -> dict[str, Number]:
    """The values of a cell; a text by its length."""
    return {key: len(v) if isinstance(v, str) else v for key, v in cell.items()}


def synthetic_sweep(
    design: Design,
    *,
    scenario: Scenario | None = None,
    folder: Path = Path("nowhere"),
    formula: Formula = depth,
    failed: Collection[int] = (),
) -> Sweep:
    """A sweep whose 1-in-20 worst fall is ``formula``; the median is half, a chance a fifth of it."""
    scenario = scenario or load_scenario("deepseek")
    whole = resolve_design(design, scenario)
    base, rows = formula({}), []
    for number, cell in enumerate([{}, *design_cells(whole, scenario)]):
        if number in failed:
            continue
        head = [number, f"{number:020x}", "cell" if number else "base"]
        head += [cell.get(key, np.nan) for key in whole.keys]
        for entity, times in (("sp500", 1.0), ("NVDA", 1.4)):
            numbers = _numbers(cell)
            for name, part in (("median", 0.5), ("worst_1_in_20", 1.0), ("reach_dotcom", 0.2)):
                value = formula(numbers) * times * part
                shift = (formula(numbers) - base) * times * part
                ends = [value, ERROR, value - 2 * ERROR, value + 2 * ERROR]
                moves = [shift, SHIFT_ERROR, shift - 2 * SHIFT_ERROR, shift + 2 * SHIFT_ERROR]
                rows.append([*head, entity, name, *ends, *moves])
    estimate = ["value", "mc_error", "low", "high"]
    change = ["change", "change_error", "change_low", "change_high"]
    columns = ["cell", "id", "kind", *whole.keys, "entity", "statistic", *estimate, *change]
    found = Sweep(folder, scenario, whole, len(whole) + 1)
    found.__dict__["table"] = pd.DataFrame(rows, columns=columns)  # what it would read from disk
    return found
