"""A run: what a scenario came to, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from simulator.engine import Results
from simulator.errors import plain, plural
from simulator.history import Crash, crashes, index_of
from simulator.runs import (
    display,
    excel,
    path_tables,
    storage,
    story_text,
)
from simulator.runs.contributions import Contributions
from simulator.runs.digest import run_digest
from simulator.runs.document import document
from simulator.runs.fan import fan, underwater
from simulator.runs.run_words import closes
from simulator.runs.samples import sample
from simulator.runs.summary import ThresholdResult, drivers, evaluate_threshold, statistics
from simulator.runs.verdict import verdict
from simulator.statistics import Estimate

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from simulator.scenario import Scenario


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The result of a scenario. The same scenario, seed and paths give the same numbers.

    Depths are positive shares, times years from the as-of date, money USD billion, causes logs.
    """

    scenario: Scenario
    results: Results
    shocks: Literal["zero"] | None = None
    seconds: float = 0.0  # the simulation took; not part of the result
    until: str | None = None  # what decided the number of paths; not part of the result
    tail: pd.DataFrame | None = None
    """Rarer falls than the paths can tell, by splitting, where a stored run has them."""
    contributions: Contributions | None = None
    """What chance, boom and story contribute to the headlines, where it has been worked out."""

    def __repr__(self) -> str:
        name, paths = self.scenario.name, self.paths
        return f"<Run {name}: {plural(paths, 'path')}, seed {self.seed}, digest {self.digest}>"

    @property
    def seed(self) -> int:
        """Seed of all draws."""
        return self.scenario.seed

    @property
    def digest(self) -> str:
        """Identity of the run; see :func:`run_digest`."""
        return run_digest(self.scenario, self.shocks, self.results.keep_paths)

    @property
    def paths(self) -> int:
        """Number of simulated paths."""
        return self.results.n

    @property
    def entities(self) -> tuple[str, ...]:
        """Groups, then firms: the order of every table and of the first axis of ``levels``."""
        return self.results.entities

    @property
    def levels(self) -> xarray.DataArray:
        """Values in USD billion, labelled by entity, t (years, 0 included) and path.

        :meth:`levels_frame` gives them as a tidy table, which needs no xarray.

        Raises
        ------
        UsageError
            If the run was not made with ``keep_levels=True``, or xarray is not installed.
        """
        return path_tables.levels(self.results)

    def levels_frame(self, *entities: str) -> pd.DataFrame:
        """:attr:`levels` as a tidy table: entity, path, t, level; of all entities if none is named.

        Raises
        ------
        UsageError
            If the run was not made with ``keep_levels=True``, or does not have an entity.
        """
        return path_tables.levels_frame(self.results, entities or self.entities)

    def label(self, entity: str) -> str:
        """An entity's name in full."""
        return self.scenario.universe.title_of(entity)

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per path and entity, paths outermost, for the paths kept in the tables.

        Columns: path, entity, max_drawdown (positive share), peak_t, trough_t, recovery_t (years;
        NaN while under water), underwater_t (longest spell, years), loss_from_start (positive share: the lowest level
        against that at t = 0, at least 0), loss_from_start_t (years), worst_week, worst_month,
        return_1y, terminal_return (simple returns), dollars_lost (USD billion), cause_* (logs; they sum to
        log(trough / peak)).
        """
        return path_tables.metrics(self.scenario, self.results)

    @property
    def inputs(self) -> pd.DataFrame:
        """What each uncertain assumption was on each kept path; the index is the path."""
        import pandas as pd  # late: slow to import

        index = pd.RangeIndex(self.results.kept, name="path")
        return pd.DataFrame(self.results.inputs, index=index)

    @property
    def fan(self) -> pd.DataFrame:
        """Quantiles of the level over its start, tidy: entity, t (years), quantile (0.05 ...), level."""
        return self.wide_fan.melt(["entity", "t"], var_name="quantile", value_name="level")

    @property
    def underwater(self) -> pd.DataFrame:
        """Quantiles of the fall below the highest level so far (positive shares), tidy as :attr:`fan`.

        Columns: entity, t, quantile, fall. The quantile 0.95 is the fall that 5 % of the paths are
        beyond: deeper, not higher.
        """
        return self.wide_underwater.melt(["entity", "t"], var_name="quantile", value_name="fall")

    @cached_property
    def wide_fan(self) -> pd.DataFrame:
        """:attr:`fan` with one column per quantile, as fan.csv has it."""
        return fan(self.results)

    @cached_property
    def wide_underwater(self) -> pd.DataFrame:
        """:attr:`underwater` with one column per quantile."""
        return underwater(self.results)

    def crashes(self, entity: str) -> tuple[Crash, ...]:
        """The real crashes an entity is set beside, the dot-com crash first.

        The S&P 500 and the rest are compared with the S&P 500, all else with the NASDAQ.
        """
        return crashes(index_of(entity), self.scenario.steps_per_year)

    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Every statistic of every entity: entity -> statistic -> estimate."""
        return {entity: self.estimates_of(entity) for entity in self.entities}

    def estimates_of(self, entity: str) -> dict[str, Estimate]:
        """Every statistic of an entity: statistic -> estimate."""
        if entity not in self._estimates:
            depths = {crash.name: crash.depth for crash in self.crashes(entity) if crash.same_grid}
            self._estimates[entity] = self._exact(statistics(self.results, entity, depths))
        return self._estimates[entity]

    @cached_property
    def _estimates(self) -> dict[str, dict[str, Estimate]]:
        return {}  # of the entities that were needed: a summary needs a few of twenty

    def _exact(self, estimates: dict[str, Estimate]) -> dict[str, Estimate]:
        """The estimates, without errors if the run is one path without noise."""
        if self.shocks != "zero":
            return estimates
        return {name: estimate.without_noise() for name, estimate in estimates.items()}

    def summary(self) -> pd.DataFrame:
        """Every statistic with its error, tidy: entity, statistic, value, mc_error, low, high.

        ``low`` and ``high`` are a nominal 95 % interval of the simulation error alone.
        """
        import pandas as pd  # late: slow to import

        rows = [
            (entity, name, found.value, found.mc_error, found.low, found.high)
            for entity, statistics_ in self.estimates().items()
            for name, found in statistics_.items()
        ]
        columns = ["entity", "statistic", "value", "mc_error", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def drivers(self, entity: str = "sp500") -> dict[str, Estimate]:
        """Mean of each cause (log, peak to trough) over the entity's worst twentieth of falls."""
        return self._exact(drivers(self.results, entity))

    def threshold_results(self) -> list[ThresholdResult]:
        """Each threshold of the scenario, held against this run."""
        results = [evaluate_threshold(self.results, one) for one in self.scenario.thresholds]
        if self.shocks != "zero":
            return results
        return [replace(result, estimate=result.estimate.without_noise()) for result in results]

    @property
    def verdict(self) -> str:
        """How many futures fall as far as the S&P 500 did after 2000, in a sentence."""
        crash = next(crash for crash in self.crashes("sp500") if crash.name == "dotcom")
        title = self.label("sp500")
        return verdict(
            sample(self.results, "sp500", "max_drawdown").at_least(crash.depth),
            self.paths,
            name=title if title.lower().startswith("the ") else f"the {title}",
            depth=crash.depth,
            years=self.scenario.horizon_years,
            after="after 2000",
            closes=closes(self) if crash.same_grid else "daily",
        )

    @property
    def story(self) -> pd.DataFrame | None:
        """What the story adds, as :func:`simulator.what_the_story_adds` returns it, where it has been worked out."""
        return None if self.contributions is None else self.contributions.table

    @property
    def story_sentences(self) -> list[str]:
        """What stands beside the verdict: how much comes without the boom, and what boom and story add."""
        return story_text.sentences(self.contributions)

    def document(self) -> dict[str, Any]:
        """The run as one JSON document: ``summary.json``, and ``run --json`` but for the folder.

        Infinite ends and errors (one path knows no error) are null.
        """
        return document(self)

    def _story_files(self) -> dict[str, bytes]:
        return {} if self.story is None else {storage.STORY: storage.csv_bytes(self.story)}

    def plot(
        self, kind: str = "", entity: str = "sp500", *, ax: Axes | None = None
    ) -> Axes | NDArray[np.object_]:
        """Draw a figure, such as "fan"; the matplotlib axes it is drawn in.

        Parameters
        ----------
        kind
            One of ``simulator.plots.available(run, entity)``; by default the first.
        entity
            A group or ticker.
        ax
            Axes to draw into. By default the figure gets axes of its own, outside of pyplot; a
            notebook shows its ``.figure``, and figures of several panels give an array of axes.

        Raises
        ------
        UsageError
            For an unknown kind or entity, a figure the run cannot give, or one of several panels with ``ax``.
        """
        return display.plot(self, kind, ax, entity=entity)

    def _repr_html_(self) -> str:
        """The verdict, the falls of the groups and a figure, for Jupyter."""
        line = f"{plain(self.scenario.title, 200)}: {plural(self.paths, 'path')}, seed {self.seed}."
        return display.page(self, line, self._falls(), self.verdict)

    def _falls(self) -> pd.DataFrame:
        """The largest falls of the groups, as text."""
        import pandas as pd  # late: slow to import

        names = ["median", "worst_1_in_10", "worst_1_in_20", "worst_1_in_100"]
        groups = [name for name in self.scenario.universe.groups if name in self.entities]
        falls = {
            name.replace("_", " "): [
                f"{-100 * self.estimates_of(group)[name].value:.1f} %" for group in groups
            ]
            for name in names
        }
        return pd.DataFrame({"largest fall": [self.label(group) for group in groups], **falls})

    def to_excel(self, path: str | Path) -> None:
        """Write an Excel workbook: the verdict, summary, fan, thresholds and assumptions, a sheet each.

        It needs openpyxl (``pip install "crashsim[excel]"``); errors as :func:`write_workbook`.
        """
        excel.write_workbook(path, excel.sheets(self))

    def save(
        self,
        folder: str | Path,
        extras: Mapping[str, bytes] | None = None,
        command: list[str] | None = None,
    ) -> None:
        """Write the run to its own ``folder``, which is made if missing; other files are left alone.

        Parameters
        ----------
        folder
            The run's own folder.
        extras
            More files by name relative to the folder, such as ``report.html``.
        command
            Arguments to note in the manifest; default those of this process.

        Raises
        ------
        StoreError
            If the folder cannot be written; nothing half-written is left under a final name.
        LockedError
            If another process is writing the folder.
        """
        scenario, results = self.scenario, self.results
        storage.save_run(
            Path(folder),
            storage.data_files(
                scenario,
                results,
                document=self.document(),
                summary=self.summary(),
                fan=self.wide_fan,
            ),
            results,
            storage.describe(
                scenario,
                results,
                self.digest,
                shocks=self.shocks,
                until=self.until,
                seconds=self.seconds,
            ),
            extras={**(extras or {}), **self._story_files()},
            command=command,
        )


def add_story(run: Run, folder: str | Path) -> None:
    """Write what a run's story adds into its finished folder."""
    storage.add_files(folder, {**run._story_files(), **storage.summary_file(run.document())})
