"""What survives a block: its measures, its causes and a little of its past."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.arrays import FloatArray, IntArray, Precision, product
from simulator.engine.attribution import BOOKS, History, QuarterlyFundamentals, attribute
from simulator.engine.factors import FACTORS
from simulator.engine.results import (
    ALIGNED_FALL,
    ALIGNED_YEARS,
    CHANNELS,
    DRIVER_GRID,
    DRIVERS,
    FAN_GRID,
    MEASURES,
    UNDERWATER_GRID,
    BlockResult,
)
from simulator.engine.simulation import Simulation
from simulator.scenario import Scenario
from simulator.statistics import DrawdownMeter, StepIndex


@dataclass(frozen=True)
class Keep:
    """What is kept of a block beside the measures."""

    levels: bool = False
    pictures: bool = True  # the drivers, and falls aligned at their peaks
    fans: bool = True  # levels and falls at fan times, and whole paths of samples; a cell of a sweep draws none
    causes: bool = True  # of each largest fall


_per_thread = threading.local()


class _Workspace:
    """A block's past, (time, ..., path); reused, because fresh memory costs more than the model."""

    def __init__(
        self,
        precision: Precision,
        length: int,
        quarters: int,
        groups: int,
        firm_count: int,
        paths: int,
    ) -> None:
        entities = groups + firm_count
        books = (quarters, firm_count, paths)
        self.own = np.empty((length, firm_count, paths), precision)
        self.books = {name: np.empty(books, precision) for name in BOOKS}
        self.channels = {name: np.empty(books, precision) for name in CHANNELS}
        self.factors = np.empty((length, len(FACTORS), paths), precision)
        self.groups = np.empty((length, groups, paths), precision)
        self.work = np.empty((entities, paths), precision)


def _workspace(precision: Precision, *shape: int) -> _Workspace:
    """The thread's workspace; a new one when the shape changes."""
    held = getattr(_per_thread, "workspace", None)
    if held is None or held[0] != (precision, *shape):
        _per_thread.workspace = None  # free the old one first
        held = _per_thread.workspace = ((precision, *shape), _Workspace(precision, *shape))
    workspace: _Workspace = held[1]
    return workspace


class Holdings:
    """What groups hold of firms and cash, as shares of their value at t=0.

    Parameters
    ----------
    simulation
        Of the firms.
    groups
        Rows of the universe's groups; default all.
    """

    def __init__(self, simulation: Simulation, groups: Sequence[int] | None = None) -> None:
        universe, precision = simulation.scenario.universe, simulation.shocks.precision
        chosen = slice(None) if groups is None else list(groups)
        firms, cash = universe.membership[chosen] * simulation.values, universe.group_cash[chosen]
        self.values: FloatArray = firms.sum(axis=1) + cash
        """(group,) USD billion."""
        self._shares: FloatArray = (firms / self.values[:, None]).astype(precision)
        self._cash: FloatArray | None = None
        if universe.cash:
            self._cash = (cash / self.values)[:, None].astype(precision)

    def add_up(self, firms: FloatArray, out: FloatArray) -> None:
        """Levels of groups from those of firms, both (..., path) over those at t=0."""
        product(self._shares, firms, out=out)
        if self._cash is not None:
            out += self._cash


class Recorder:
    """Records a block's past and measures it step by step. Levels (entity, path) are over those at t=0."""

    def __init__(self, simulation: Simulation, keep: Keep, samples: int) -> None:
        self._simulation, self._samples, self._keep = simulation, samples, keep
        self.now = 0
        """The step being computed."""
        s = simulation.scenario
        firm_count, paths = simulation.shape
        precision = simulation.shocks.precision
        self._held = Holdings(simulation)
        self._groups = self._held.values.size
        self._values = np.concatenate([self._held.values, simulation.values])  # USD billion
        entities = self._groups + firm_count
        fan = fan_steps(s) if keep.fans else ()
        self._fan = {int(step): row for row, step in enumerate(fan)}
        # Prices know of a quarter at the end of the next: nothing in the first, one row more.
        quarters = s.steps // simulation.clock + 2
        shape = (s.steps + 1, quarters, self._groups, firm_count, paths)
        self.past = _workspace(precision, *shape)
        # These become part of the result.
        self._fan_bins, self._underwater_bins = np.empty(
            (2, entities, len(self._fan), paths), np.int16
        )
        self._driver_bins = np.empty((len(DRIVERS), quarters - 1, paths), np.int16)
        self.past.own[0] = self.past.factors[0] = 0.0
        for known in (*self.past.books.values(), *self.past.channels.values()):
            known[:2] = 0.0
        # Weeks and months follow each other: every step and every fourth on a weekly grid.
        self._week, self._month = (
            min(max(round(s.steps_per_year / n), 1), s.steps) for n in (52, 12)
        )
        self._year = min(s.steps_per_year, s.steps)
        self._worst = np.full((2, entities, paths), np.inf, precision)
        self._level: FloatArray = np.ones((entities, paths), precision)
        self._sum_groups()
        self._start = self._level.copy()  # 1, but for the last digit of sums
        self._week_ago, self._month_ago = self._level.copy(), self._level.copy()
        self.meter = DrawdownMeter(self._start, s.steps)
        kept = paths if keep.levels else samples
        self.levels = np.empty((entities, s.steps + 1, kept), precision)
        self.levels[:, 0] = self._values[:, None]
        if keep.fans:
            self._record_fan(0)
        if keep.pictures:
            self.past.groups[0] = self._level[: self._groups]
            self._record_drivers(0)

    def _sum_groups(self) -> None:
        self._held.add_up(self._level[self._groups :], out=self._level[: self._groups])

    def record(self, first: int, last: int) -> None:
        """Advance the simulation from step ``first`` to ``last`` of a quarter and record them."""
        simulation, past, self.now = self._simulation, self.past, first
        simulation.advance(first, last, past.factors[first : last + 1])
        if first % simulation.clock == 0:
            j = first // simulation.clock
            self._record_books(j)
            if self._keep.pictures:
                self._record_drivers(j)
        for k in range(first, last + 1):
            self._record_step(k)

    def _record_step(self, k: int) -> None:
        past, level = self.past, self._level
        firms = level[self._groups :]
        self.now = k
        self._simulation.advance_firms(k, firms, past.own[k])
        np.exp(firms, out=firms)
        self._sum_groups()
        if self._keep.pictures:
            past.groups[k] = level[: self._groups]
        self.meter.update(k, level)
        if k == self._year:
            self._after_year = level / self._start
        kept = self.levels.shape[2]
        if kept:
            np.multiply(level[:, :kept], self._values[:, None], out=self.levels[:, k])
        if k in self._fan:
            self._record_fan(k)
        self._last = level
        self._compare(k)

    def _record_books(self, j: int) -> None:
        values, past = self._simulation.state.valuation, self.past
        for name, known in past.books.items():
            known[j + 1] = getattr(values, name)
        if self._keep.causes:
            parts = self._simulation.revenue_by_channel(j)
            for known, (firm, part) in zip(past.channels.values(), parts, strict=True):
                known[j + 1, firm] = part  # rows of other firms are never read

    def _compare(self, k: int) -> None:
        """Compare with the last week's end and the last month's, where a new one ends."""
        level = self._level
        if k % self._month == 0:
            change = self._month_ago
            np.divide(level, change, out=change)
            np.minimum(self._worst[1], change, out=self._worst[1])
            change[...] = level
        if k % self._week == 0:
            change = self._week_ago
            np.divide(level, change, out=change)
            np.minimum(self._worst[0], change, out=self._worst[0])
            # The other array takes the next levels: no copy.
            self._week_ago, self._level = level, change

    def _record_fan(self, k: int) -> None:
        past, row = self.past, self._fan[k]
        np.log(self._level, out=past.work)
        FAN_GRID.index_into(past.work, self._fan_bins[:, row])
        np.subtract(1.0, self.meter.ratio, out=past.work)
        UNDERWATER_GRID.index_into(past.work, self._underwater_bins[:, row])

    def _record_drivers(self, j: int) -> None:
        chain, work = self._simulation.state.technology, self.past.work[0]
        for row, name in enumerate(DRIVERS):
            work[...] = getattr(chain, name)
            DRIVER_GRID.index_into(work, self._driver_bins[row, j])

    def _align(self, depth: FloatArray, peak: StepIndex) -> NDArray[np.int16]:
        """Logs of groups over their peak at times since it, as bins (G, A, P); -1 where not deep enough."""
        lags = aligned_steps(self._simulation.scenario)
        length, groups, paths = self.past.groups.shape
        aligned = np.full((groups, lags.size, paths), -1, np.int16)
        levels = self.past.groups.reshape(-1)
        for g in range(groups):
            begin = peak[g].astype(np.intp)
            chosen = np.flatnonzero((depth[g] >= ALIGNED_FALL) & (begin + lags[-1] < length))
            places = ((begin[chosen] + lags[:, None]) * groups + g) * paths + chosen
            fall = np.take(levels, places, mode="clip")  # all are inside
            fall /= fall[0].copy()
            bins = np.empty(fall.shape, np.int16)
            FAN_GRID.index_into(np.log(fall, out=fall), bins)
            aligned[g][:, chosen] = bins
        return aligned

    def finish(self, block: int, count: int, keep: Keep) -> BlockResult:
        """Measure the block."""
        simulation, past = self._simulation, self.past
        try:
            table = self.meter.table()
        except ValueError as error:
            raise FloatingPointError(str(error)) from None
        books = QuarterlyFundamentals(
            past.books, past.channels, simulation.sold > 0.0, simulation.clock
        )
        explained = attribute(
            History(past.own, past.factors, books),
            simulation.factors,
            table.peak_step,
            table.trough_step,
            simulation.values,
            simulation.scenario.universe.membership,
            simulation.scenario.universe.group_cash if simulation.scenario.universe.cash else None,
            causes=keep.causes,
        )
        measures: dict[str, Any] = {
            **table._asdict(),
            "worst_week": self._worst[0] - 1.0,
            "worst_month": self._worst[1] - 1.0,
            "return_1y": self._after_year - 1.0,
            "terminal_return": (self._last / self._start).astype(np.float64) - 1.0,
            "dollars_lost": explained.lost,
        }
        pictures: dict[str, Any] = {}
        if keep.pictures:
            pictures["driver_bins"] = self._driver_bins
            pictures["aligned_bins"] = self._align(table.max_drawdown, table.peak_step)
        return BlockResult(
            block=block,
            count=count,
            measures={name: measures[name] for name in MEASURES},
            causes=explained.causes,
            channels=explained.channels.astype(np.float32),
            inputs=simulation.inputs,
            fan_bins=self._fan_bins,
            underwater_bins=self._underwater_bins,
            sample_levels=self.levels[:, :, : self._samples],
            levels=self.levels if keep.levels else None,
            **pictures,
        )


def fan_steps(scenario: Scenario) -> IntArray:
    """Steps at which the fan is kept: about five a year, first and last included, (K,)."""
    every = max(round(scenario.steps_per_year / 5), 1)
    steps = np.arange(0, scenario.steps + 1, every)
    return steps if steps[-1] == scenario.steps else np.append(steps, scenario.steps)


def driver_steps(scenario: Scenario, clock: int) -> IntArray:
    """Steps at which fundamentals move and the drivers are kept, 0 included, (J+1,)."""
    return np.arange(0, scenario.steps + 1, clock)


def aligned_steps(scenario: Scenario) -> IntArray:
    """Steps since a peak at which aligned falls are kept: 13 a year, (A,)."""
    years = min(ALIGNED_YEARS, 0.6 * scenario.horizon_years)
    every = max(round(scenario.steps_per_year / 13), 1)
    return np.arange(0, round(years * scenario.steps_per_year) + 1, every)
