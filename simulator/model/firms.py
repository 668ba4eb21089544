"""Firms: channels -> revenue, costs, margins (docs/model.md, section 2).

Revenue is a sum of channels and cost a sum of kinds, each an outer product of a firm's
share and a factor common to all firms on a path. ``(firm, path)`` arrays are relative
to the firm's revenue at t=0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from simulator.arrays import FloatArray, Precision, bounded, cast_constants, product
from simulator.schema import Params, Quantity, quantity


# fmt: off
class FirmRules(Params):
    """How revenue turns into margins; common to all firms."""

    cost_adjustment_years: Quantity = quantity(1.0, "years", 0.05, 10.0, "time in which sticky costs follow revenue",
        "D", "judgement: Cisco's costs lagged its revenue by about a year in 2001-02")
    margin_smoothing_years: Quantity = quantity(0.75, "years", 0.02, 10.0,
        "smoothing of the margin that values are set on",
        "D", "judgement: investors look through a few quarters")
    margin_floor: Quantity = quantity(0.3, "share of the starting margin", 0.01, 1.0,
        "lowest normalised margin the market believes in",
        "D", "judgement: values fell less than earnings in 2001 (S&P operating EPS -31 %, reported -51 %)")
    margin_ceiling: Quantity = quantity(1.4, "times the starting margin", 1.0, 5.0,
        "highest normalised margin the market believes in (never above 0.95)",
        "D", "judgement")
    chip_gross_margin: Quantity = quantity(0.75, "share", 0.05, 0.95, "gross margin of chips at the start",
        "A", "Nvidia annual reports: gross margin 72.7-75 % in FY24-25")
    chip_glut_margin: Quantity = quantity(0.57, "share", 0.0, 0.95,
        "gross margin of chips when capex is at its floor",
        "B", "Nvidia annual report FY23: 56.9 %, trough quarter 43.5 %; Cisco .64 to .50 in FY01; range .44-.62")
    serving_cost_share: Quantity = quantity(0.5, "share", 0.0, 1.0,
        "cost of serving as a share of model sales at the start",
        "C", "about $2bn inference cost on $3.7bn revenue at OpenAI in 2024 (Epoch AI)")
    adoption_dividend: Quantity = quantity(0.005, "log margin per start spending and log of price", 0.0, 1.0,
        "gain of users' margin per unit of what cheaper tokens save them beyond the consensus",
        "D", "judgement: spending on models of 15-35 billion USD a year over the operating profit of its users, "
        "about 1.5 trillion, of which competition leaves them a quarter: .002-.01 (the article's own ending: AI "
        "will prove useful)")
    adoption_bound: float = quantity(0.10, "log", 0.001, 1.0, "largest adoption dividend, either way",
        "D", "judgement")
# fmt: on


class FirmTable(Protocol):
    """What firms need of a universe: one array ``(firm,)`` per figure."""

    def column(self, figure: str) -> FloatArray:
        """A figure of every firm."""


@dataclass
class FirmState:
    """``(firm, path)``; revenue, sticky cost relative to revenue at t=0; margin a share."""

    revenue: FloatArray
    sticky_cost: FloatArray
    margin: FloatArray


@dataclass(frozen=True)
class Drivers:
    """Logs of what moves firms, each ``(path,)``; ``glut`` in 0..1.

    ``competition``: logs, one for each competitor.
    """

    capex: FloatArray
    rental: FloatArray
    model_sales: FloatArray
    unit_margin: FloatArray
    depreciation: FloatArray
    macro: FloatArray
    glut: FloatArray
    competition: tuple[Quantity, ...]


class IncomeProcess:
    """Revenue and margins of all firms on a time grid.

    Parameters
    ----------
    rules
        Assumptions, numbers or ``(path,)``.
    table
        The universe's figures.
    growth
        Start growth of each firm's revenue on the consensus path, ``(firm,)``
        per year: sticky costs grow along with it, so nothing moves at t=0.
    competitors
        Rows of the firms that lose revenue to rivals.
    dt
        Step in years.
    paths
        Number of columns.
    precision
        Of all states.
    """

    def __init__(
        self,
        rules: FirmRules,
        table: FirmTable,
        growth: FloatArray,
        competitors: tuple[int, ...],
        dt: float,
        paths: int,
        precision: Precision = np.float64,
    ) -> None:
        self.rules, self.dt, self.paths, self.precision = rules, dt, paths, precision
        self._core = table.column("core_share")
        self._growth = table.column("core_growth")
        channels = [table.column(f"{name}_share") for name in ("chips", "rental", "models")]
        firms = self._core.size
        # Core revenue: one column for each way of moving, (macro loading, own rivals or None).
        rivals = {row: i for i, row in enumerate(competitors)}
        moves = [(float(m), rivals.get(row)) for row, m in enumerate(table.column("macro_loading"))]
        self._moves = tuple(dict.fromkeys(moves))
        self._column = 3 + np.array([self._moves.index(move) for move in moves], np.intp)
        self._shares = np.zeros((firms, 3 + len(self._moves)))
        self._shares[:, :3] = np.stack(channels, axis=1)
        self._factors = np.empty((3 + len(self._moves), paths), precision)

        self._adjust = -np.expm1(-dt / np.asarray(rules.cost_adjustment_years))
        step_growth = -np.expm1(-growth * dt)[:, None]
        self._ahead = 1.0 + (1.0 - self._adjust) / self._adjust * step_growth
        self._smooth = -np.expm1(-dt / np.asarray(rules.margin_smoothing_years))

        start = table.column("normal_margin")[:, None]
        owned = table.column("depreciation_share")[:, None]
        fixed = table.column("fixed_cost_share")[:, None]
        running = 1.0 - start - owned
        self._start_margin = start
        self._sticky = running * fixed
        self._variable = running * (1.0 - fixed)
        self._low = start * rules.margin_floor
        self._high = np.minimum(start * rules.margin_ceiling, 0.95)
        # Costs that are common factors times a firm's share: depreciation, serving, chips.
        self._cost_shares = np.stack(
            [table.column("depreciation_share"), channels[2], channels[0]], axis=1
        )
        self._cost_factors = np.empty((3, paths), precision)
        self._work = np.empty((firms, paths), precision)
        cast_constants(self, precision)

    def init(self) -> FirmState:
        """The state at t=0."""
        ones = np.ones((self._core.size, self.paths), self.precision)
        return FirmState(ones.copy(), ones.copy(), self._start_margin * ones)

    def step(self, state: FirmState, k: int, drivers: Drivers) -> None:
        """Advance to step ``k``, in place."""
        s, d, rules, work = state, drivers, self.rules, self._work
        core = self._core * np.exp(bounded(self._growth * (k * self.dt)))
        chips, models = np.exp(d.capex), np.exp(d.model_sales)
        self._shares[np.arange(core.size), self._column] = core
        self._factors[0] = chips
        np.exp(d.rental, out=self._factors[1])
        self._factors[2] = models
        for column, (loading, rival) in enumerate(self._moves, start=3):
            lost = 0.0 if rival is None else d.competition[rival]
            np.exp(bounded(loading * d.macro + lost), out=self._factors[column])
        product(self._shares, self._factors, out=s.revenue)

        # dC = [R (1 + gamma tau) - C] / tau dt: along its own trend C equals R.
        np.multiply(s.revenue, self._ahead, out=work)
        work -= s.sticky_cost
        work *= self._adjust
        s.sticky_cost += work

        self._cost_factors[0] = d.depreciation
        # Serving gets dearer, relative to sales, when prices fall faster than cost.
        squeeze = np.exp(np.minimum(-d.unit_margin, 20.0)) - 1.0
        self._cost_factors[1] = rules.serving_cost_share * models * squeeze
        lost_margin = (rules.chip_gross_margin - rules.chip_glut_margin) * d.glut
        self._cost_factors[2] = chips * lost_margin
        product(self._cost_shares, self._cost_factors, out=work)
        work += self._sticky * s.sticky_cost
        work /= s.revenue
        work += self._variable
        np.subtract(1.0, work, out=work)
        np.maximum(work, self._low, out=work)
        np.minimum(work, self._high, out=work)
        work -= s.margin
        work *= self._smooth
        s.margin += work


def glut(capex: FloatArray, peak: FloatArray, floor: Quantity) -> FloatArray:
    """Fall of capex from its peak, as a share of the largest fall there can be, ``(path,)``."""
    largest = np.maximum(1.0 - np.asarray(floor), 1e-9)
    return np.minimum(-np.expm1(capex - peak) / largest, 1.0)


def adoption(rules: FirmRules, surprise: FloatArray) -> FloatArray:
    """Log gain of users' margins from what they save beyond the consensus, ``(path,)``; bounded."""
    bound = rules.adoption_bound
    return bound * np.tanh(rules.adoption_dividend * surprise / bound)
