"""A run: simulate a scenario, and ask the result."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from simulator import engine, memory
from simulator.arrays import FloatArray, IntArray
from simulator.crashes import Crash, index_of, measured, remembered
from simulator.errors import UsageError
from simulator.executors import get_executor
from simulator.intervals import Estimate
from simulator.results import CAUSES, FAN_GRID, UNDERWATER_GRID, Grid, Results
from simulator.summary import drivers, sample, statistics
from simulator.verdict import verdict

if TYPE_CHECKING:
    from simulator.scenario import Scenario

FAN_QUANTILES = (0.01, *(round(0.05 * i, 2) for i in range(1, 20)), 0.99)
KEEP_PATHS = 100_000
"""Paths with a row in the tables, unless said otherwise: about 2 kB each."""

_CLOSES = {12: "monthly", 52: "weekly", 252: "daily"}


@dataclass(frozen=True, eq=False)
class Run:
    """The result of a scenario. The same scenario, seed and paths give the same numbers.

    Depths are positive shares, times years from the as-of date, money USD billion, causes logs.
    """

    scenario: Scenario
    results: Results
    shocks: Literal["zero"] | None = None
    seconds: float = 0.0  # the simulation took; not part of the result

    @property
    def seed(self) -> int:
        """Seed of all draws."""
        return self.scenario.seed

    @property
    def paths(self) -> int:
        """Number of simulated paths."""
        return self.results.n

    @property
    def entities(self) -> tuple[str, ...]:
        """Groups, then firms: the order of every table and of the first axis of ``levels``."""
        return self.results.entities

    @property
    def levels(self) -> FloatArray:
        """Values (entity, time, path) in USD billion, time 0 included.

        Raises
        ------
        UsageError
            If the run was not made with ``keep_levels=True``.
        """
        if self.results.levels is None:
            raise UsageError("this run kept no levels; simulate with keep_levels=True")
        return self.results.levels

    def label(self, entity: str) -> str:
        """An entity's name in full."""
        return self.scenario.universe.title_of(entity)

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per path and entity, paths outermost, for the paths kept in the tables.

        Columns: path, entity, max_drawdown (positive share), peak_t, trough_t, recovery_t (years;
        NaN while under water), underwater_t (longest spell, years), worst_week, worst_month,
        terminal_return (simple returns), dollars_lost (USD billion), cause_* (logs; they sum to
        log(trough / peak)).
        """
        results = self.results
        entities, kept = len(results.entities), results.kept

        def rows(values: Any) -> Any:
            return np.asarray(values).T.reshape(-1)

        def years(steps: Any) -> Any:
            return rows(results.times[np.maximum(steps, 0)])

        measures = results.measures
        table = {
            "path": np.repeat(np.arange(kept), entities),
            "entity": pd.Categorical.from_codes(
                np.tile(np.arange(entities), kept), categories=list(results.entities)
            ),
            "max_drawdown": rows(measures["max_drawdown"]),
            "peak_t": years(measures["peak_step"]),
            "trough_t": years(measures["trough_step"]),
            "recovery_t": np.where(
                rows(measures["recovery_step"]) < 0, np.nan, years(measures["recovery_step"])
            ),
            "underwater_t": years(measures["underwater_steps"]),
        }
        for name in ("worst_week", "worst_month", "terminal_return", "dollars_lost"):
            table[name] = rows(measures[name])
        for c, cause in enumerate(CAUSES):
            table[f"cause_{cause}"] = rows(results.causes[:, c])
        return pd.DataFrame(table)

    @property
    def inputs(self) -> pd.DataFrame:
        """What each uncertain assumption was on each kept path; the index is the path."""
        index = pd.RangeIndex(self.results.kept, name="path")
        return pd.DataFrame(self.results.inputs, index=index)

    @property
    def fan(self) -> pd.DataFrame:
        """Quantiles of the level, start = 1: entity, t, one column per quantile (0.05 ...).

        Read from counts with bins 0.5 % wide, the position within a bin by interpolation.
        """
        results = self.results
        levels = np.exp(_grid_quantiles(results.fan_counts, FAN_GRID))
        levels[:, results.fan_steps == 0] = 1.0  # a certain value, whatever its bin
        return self._fan_table(levels)

    @property
    def underwater(self) -> pd.DataFrame:
        """Quantiles of the fall below the highest level so far (positive shares), as :attr:`fan`."""
        results = self.results
        falls = _grid_quantiles(results.underwater_counts, UNDERWATER_GRID)
        falls[:, results.fan_steps == 0] = 0.0
        return self._fan_table(np.clip(falls, 0.0, 1.0))

    def _fan_table(self, quantiles: FloatArray) -> pd.DataFrame:
        """``quantiles`` (E, K, Q) with their entity and time."""
        entities, times, _ = quantiles.shape
        table: dict[str | float, Any] = {
            "entity": np.repeat(list(self.entities), times),
            "t": np.tile(self.results.times[self.results.fan_steps], entities),
        }
        for q, column in zip(FAN_QUANTILES, np.moveaxis(quantiles, 2, 0), strict=True):
            table[q] = column.reshape(-1)
        return pd.DataFrame(table)

    @property
    def baselines(self) -> dict[str, dict[str, Crash]]:
        """Real crashes measured on the grid of this run: name -> index -> crash."""
        return measured(self.scenario.steps_per_year)

    def crashes(self, entity: str) -> list[Crash]:
        """The real crashes an entity is set beside, those on the grid of the run first.

        The S&P 500 and the rest are compared with the S&P 500, all else with the NASDAQ.
        """
        index = index_of(entity)
        on_grid = [crashes[index] for crashes in self.baselines.values() if index in crashes]
        known = {crash.name for crash in on_grid}
        return on_grid + [crash for crash in remembered(index) if crash.name not in known]

    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Every statistic of every entity: entity -> statistic -> estimate."""
        return self._estimates

    @cached_property
    def _estimates(self) -> dict[str, dict[str, Estimate]]:
        return {
            entity: statistics(
                self.results,
                entity,
                {crash.name: crash.depth for crash in self.crashes(entity) if crash.same_grid},
            )
            for entity in self.entities
        }

    def summary(self) -> pd.DataFrame:
        """Every statistic with its error, tidy: entity, statistic, value, mc_error, low, high.

        ``low`` and ``high`` are a nominal 95 % interval of the simulation error alone.
        """
        rows = [
            (entity, name, found.value, found.mc_error, found.low, found.high)
            for entity, statistics_ in self.estimates().items()
            for name, found in statistics_.items()
        ]
        columns = ["entity", "statistic", "value", "mc_error", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def drivers(self, entity: str = "sp500") -> dict[str, Estimate]:
        """Mean of each cause (log, peak to trough) over the entity's worst twentieth of falls."""
        return drivers(self.results, entity)

    @property
    def verdict(self) -> str:
        """How many futures fall as far as the S&P 500 did after 2000, in a sentence."""
        crash = self.baselines["dotcom"]["sp500"]
        steps = self.scenario.steps_per_year
        title = self.label("sp500")
        return verdict(
            sample(self.results, "sp500", "max_drawdown").at_least(crash.depth),
            self.paths,
            name=title if title.lower().startswith("the ") else f"the {title}",
            depth=crash.depth,
            years=self.scenario.horizon_years,
            after="after 2000",
            closes=_CLOSES.get(steps, f"{steps}-a-year"),
        )

    def _repr_html_(self) -> str:
        """The verdict and the falls of the groups, for Jupyter."""
        names = ["median", "worst_1_in_10", "worst_1_in_20", "worst_1_in_100"]
        groups = [name for name in self.scenario.universe.groups if name in self.entities]
        table = pd.DataFrame(
            {
                name.replace("_", " "): [
                    f"{-100 * self.estimates()[group][name].value:.1f} %" for group in groups
                ]
                for name in names
            },
            index=[self.label(group) for group in groups],
        )
        return f"<p>{html.escape(self.verdict)}</p>{table.to_html(escape=True)}"

    def save(self, folder: str) -> None:
        """Write the run to a folder; see :func:`simulator.store.save_run`."""
        from simulator.store import save_run  # the store makes runs, so it imports this module

        save_run(self, folder)


def simulate(
    scenario: Scenario,
    *,
    paths: int | None = None,
    seed: int | None = None,
    workers: int = 1,
    keep_levels: bool = False,
    shocks: Literal["zero"] | None = None,
    keep_paths: int = KEEP_PATHS,
    max_memory: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Simulate a scenario.

    Parameters
    ----------
    scenario
        From :func:`simulator.load_scenario`.
    paths, seed
        Instead of the scenario's.
    workers
        Processes; the numbers do not depend on it.
    keep_levels
        Keep every level of every path in the tables (entities x steps x 8 bytes a path).
    shocks
        "zero" turns the noise off; uncertain assumptions are at their median.
    keep_paths
        Paths with a row in the tables. With more paths, statistics come from counts on a fixed
        grid, whose width their intervals include.
    max_memory
        Bytes; default half of what is available.
    progress
        Called with (paths done, paths in all) after each block.

    Raises
    ------
    RunError
        If the run needs too much memory, or a number is not finite.
    ScenarioError
        If ``paths`` or ``seed`` are not allowed.
    """
    if shocks not in (None, "zero"):
        raise UsageError(f'shocks is None or "zero", not {shocks!r}')
    if isinstance(keep_paths, bool) or not isinstance(keep_paths, int) or keep_paths < 1:
        raise UsageError(f"keep_paths must be a whole number, 1 or more, got {keep_paths!r}")
    executor = get_executor(workers)
    scenario = scenario.with_(paths=paths, seed=seed)
    n = scenario.paths
    sizes = engine.sizes(scenario)
    memory.check(
        max_memory,
        paths=n,
        keep_paths=keep_paths,
        keep_levels=keep_levels,
        workers=min(workers, -(-n // engine.BLOCK_PATHS)),
        block_paths=engine.BLOCK_PATHS,
        **sizes,
    )
    began = time.perf_counter()
    keep = engine.Keep(levels=keep_levels, shocks=shocks)
    results = engine.new_results(scenario, n, keep_paths, keep)
    compute = partial(engine.run_block, scenario, scenario.seed, keep=keep)
    blocks = range(-(-n // engine.BLOCK_PATHS))
    for block in executor.map(compute, blocks):
        results.add(block, min(engine.BLOCK_PATHS, n - results.n))
        if progress is not None:
            progress(results.n, n)
    return Run(scenario, results, shocks, time.perf_counter() - began)


def _grid_quantiles(counts: IntArray | Any, grid: Grid) -> FloatArray:
    """Quantiles (E, K, Q) of ``counts`` (E, K, bins), interpolated within their bin."""
    upto = np.cumsum(counts, axis=2, dtype=np.int64)
    n = int(upto[0, 0, -1])
    found = np.empty((*counts.shape[:2], len(FAN_QUANTILES)))
    for column, q in enumerate(FAN_QUANTILES):
        bins = np.argmax(upto >= max(q * n, 1e-9), axis=2)[..., np.newaxis]
        inside = np.take_along_axis(counts, bins, axis=2)
        before = np.take_along_axis(upto, bins, axis=2) - inside
        found[..., column] = (grid.low + grid.width * (bins + (q * n - before) / inside))[..., 0]
    return found
