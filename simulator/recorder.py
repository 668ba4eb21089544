"""What survives a block: its measures, its causes and a little of its past."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.arrays import IntArray
from simulator.attribution import FUNDAMENTAL, OWN, History, attribute
from simulator.metrics import DrawdownMeter
from simulator.results import FAN_GRID, MEASURES, UNDERWATER_GRID, BlockResult
from simulator.scenario import Scenario
from simulator.simulation import FACTORS, Simulation


@dataclass(frozen=True)
class Keep:
    """What survives a block beside the measures."""

    levels: bool = False


_per_thread = threading.local()


class _Workspace:
    """A block's past, (time, ..., path); reused, because fresh memory costs more than the model."""

    def __init__(
        self, length: int, updates: int, groups: int, firm_count: int, fan: int, paths: int
    ) -> None:
        entities = groups + firm_count
        self.own = {
            name: np.empty((updates if name in FUNDAMENTAL else length, firm_count, paths))
            for name in OWN
        }
        self.factors = np.empty((length, len(FACTORS), paths))
        self.fan_bins = np.empty((entities, fan, paths), np.int16)
        self.underwater_bins = np.empty((entities, fan, paths), np.int16)
        self.work = np.empty((entities, paths))


def _workspace(*shape: int) -> _Workspace:
    """The thread's workspace; a new one when the shape changes."""
    held = getattr(_per_thread, "workspace", None)
    if held is None or held[0] != shape:
        _per_thread.workspace = None  # let go of the old one first
        held = _per_thread.workspace = (shape, _Workspace(*shape))
    workspace: _Workspace = held[1]
    return workspace


class Recorder:
    """Keeps a block's past and measures it as it goes. Levels are (entity, path), USD billion."""

    def __init__(self, simulation: Simulation, keep: Keep, samples: int) -> None:
        self._simulation, self._samples = simulation, samples
        s = simulation.scenario
        firm_count, paths = simulation.shape
        self._membership = s.universe.membership
        self._groups = self._membership.shape[0]
        entities = self._groups + firm_count
        self._fan = {int(step): row for row, step in enumerate(fan_steps(s))}
        updates = s.steps // simulation.clock + 1
        self.past = _workspace(
            s.steps + 1, updates, self._groups, firm_count, len(self._fan), paths
        )
        for own in self.past.own.values():
            own[0] = 0.0
        self.past.factors[0] = 0.0
        # Weeks and months follow each other: every step and every fourth on a weekly grid.
        self._week, self._month = (
            min(max(round(s.steps_per_year / n), 1), s.steps) for n in (52, 12)
        )
        self._logs = np.empty((entities, paths))
        self._worst = np.full((2, entities, paths), np.inf)
        self._level = np.empty((entities, paths))
        self._level[self._groups :] = simulation.values[:, None]
        self._sum_groups()
        self._start = self._level.copy()
        self._log_start = np.log(self._start)
        self._logs[...] = self._log_start
        self._week_ago, self._month_ago = self._log_start.copy(), self._log_start.copy()
        self.meter = DrawdownMeter(self._start, s.steps)
        kept = paths if keep.levels else samples
        self.levels = np.empty((entities, s.steps + 1, kept))
        self.levels[:, 0] = self._start[:, :kept]
        self._record_fan(0)

    def _sum_groups(self) -> None:
        firms, groups = self._level[self._groups :], self._level[: self._groups]
        np.matmul(self._membership, firms, out=groups)

    def record(self, k: int) -> None:
        """Advance the simulation to step ``k`` and take it in."""
        simulation, past, logs, level = self._simulation, self.past, self._logs, self._level
        simulation.step(k, logs[self._groups :], past.own["firm"][k], past.factors[k])
        if k % simulation.clock == 0:
            values, j = simulation.state.valuation, k // simulation.clock
            past.own["revenue"][j] = values.revenue
            past.own["margin"][j] = values.margin
            past.own["expectations"][j] = values.expectations
        np.exp(logs[self._groups :], out=level[self._groups :])
        self._sum_groups()
        np.log(level[: self._groups], out=logs[: self._groups])
        self.meter.update(k, level)
        kept = self.levels.shape[2]
        if kept:
            self.levels[:, k] = level[:, :kept]
        if k in self._fan:
            self._record_fan(k)
        self._compare(k)

    def _compare(self, k: int) -> None:
        """Compare with the last week's end and the last month's, where a new one ends."""
        logs = self._logs
        if k % self._month == 0:
            change = self._month_ago
            np.subtract(logs, change, out=change)
            np.minimum(self._worst[1], change, out=self._worst[1])
            change[...] = logs
        if k % self._week == 0:
            change = self._week_ago
            np.subtract(logs, change, out=change)
            np.minimum(self._worst[0], change, out=self._worst[0])
            # The spent array takes the next logs: no copy.
            self._week_ago, self._logs = logs, change

    def _record_fan(self, k: int) -> None:
        past, row = self.past, self._fan[k]
        np.subtract(self._logs, self._log_start, out=past.work)
        FAN_GRID.index_into(past.work, past.fan_bins[:, row])
        np.subtract(1.0, self.meter.ratio, out=past.work)
        UNDERWATER_GRID.index_into(past.work, past.underwater_bins[:, row])

    def finish(self, block: int, count: int, keep: Keep) -> BlockResult:
        """Measure the block."""
        simulation, past = self._simulation, self.past
        try:
            table = self.meter.table()
        except ValueError as error:
            raise FloatingPointError(str(error)) from None
        causes, lost = attribute(
            History(past.own, past.factors, simulation.clock),
            simulation.factors,
            table.peak_step,
            table.trough_step,
            simulation.values,
            self._membership,
        )
        measures: dict[str, Any] = {
            "max_drawdown": table.max_drawdown,
            "peak_step": table.peak_step,
            "trough_step": table.trough_step,
            "recovery_step": table.recovery_step,
            "underwater_steps": table.underwater_steps,
            "worst_week": np.expm1(self._worst[0]),
            "worst_month": np.expm1(self._worst[1]),
            "terminal_return": self._level / self._start - 1.0,
            "dollars_lost": lost,
        }
        return BlockResult(
            block=block,
            count=count,
            measures={name: measures[name] for name in MEASURES},
            causes=causes,
            inputs=simulation.inputs,
            fan_bins=past.fan_bins.copy(),
            underwater_bins=past.underwater_bins.copy(),
            sample_levels=self.levels[:, :, : self._samples],
            levels=self.levels if keep.levels else None,
        )


def fan_steps(scenario: Scenario) -> IntArray:
    """Steps at which the fan is kept: about five a year, first and last included, (K,)."""
    every = max(round(scenario.steps_per_year / 5), 1)
    steps = np.arange(0, scenario.steps + 1, every)
    return steps if steps[-1] == scenario.steps else np.append(steps, scenario.steps)
