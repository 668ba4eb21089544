"""A run: what a scenario came to, and what can be asked of it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulator.engine import Results
from simulator.errors import UsageError, plural
from simulator.history import Crash, crashes, index_of
from simulator.runs import official, portfolio_risk, sensitivity, storage, story_text
from simulator.runs.digest import run_digest
from simulator.runs.fan import fan, underwater
from simulator.runs.samples import sample
from simulator.runs.summary import ThresholdResult, drivers, evaluate_threshold, statistics
from simulator.runs.verdict import verdict
from simulator.statistics import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from simulator.scenario import Scenario


SCHEMA_VERSION = 1
"""Of the JSON document; a change of meaning or a lost key raises it."""

_CLOSES = {12: "monthly", 52: "weekly", 252: "daily"}


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
    story: pd.DataFrame | None = None
    """What the story adds, from :func:`simulator.what_the_story_adds`, where it has been worked out."""

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
    def levels(self) -> NDArray[np.floating]:
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
        NaN while under water), underwater_t (longest spell, years), loss_from_start (positive share: the lowest level
        against that at t = 0, at least 0), loss_from_start_t (years), worst_week, worst_month,
        return_1y, terminal_return (simple returns), dollars_lost (USD billion), cause_* (logs; they sum to
        log(trough / peak)).
        """
        import pandas as pd  # late: slow to import

        results = self.results
        entities, kept = len(results.entities), results.kept

        def rows(values: Any) -> Any:
            numbers = np.asarray(values).T.reshape(-1)
            return numbers.astype(np.float64) if numbers.dtype == np.float32 else numbers

        def years(steps: Any) -> Any:
            return rows(results.times[np.maximum(steps, 0)])

        measures = results.measures
        table = {
            "path": np.repeat(np.arange(kept), entities),
            "entity": pd.Categorical.from_codes(
                np.tile(np.arange(entities), kept), categories=pd.Index(results.entities)
            ),
            "max_drawdown": rows(measures["max_drawdown"]),
            "peak_t": years(measures["peak_step"]),
            "trough_t": years(measures["trough_step"]),
            "recovery_t": np.where(
                rows(measures["recovery_step"]) < 0, np.nan, years(measures["recovery_step"])
            ),
            "underwater_t": years(measures["underwater_steps"]),
        }
        table["loss_from_start"] = rows(measures["loss_from_start"])
        table["loss_from_start_t"] = years(measures["lowest_step"])
        returns = ("worst_week", "worst_month", "return_1y", "terminal_return")
        names = [name for name in returns if not self.scenario.grid.missing(name)]
        table |= {
            name: rows(measures[name]) for name in (*names, "dollars_lost") if name in measures
        }
        for c, cause in enumerate(results.cause_names):
            table[f"cause_{cause}"] = rows(results.causes[:, c])
        return pd.DataFrame(table)

    @property
    def inputs(self) -> pd.DataFrame:
        """What each uncertain assumption was on each kept path; the index is the path."""
        import pandas as pd  # late: slow to import

        index = pd.RangeIndex(self.results.kept, name="path")
        return pd.DataFrame(self.results.inputs, index=index)

    @property
    def fan(self) -> pd.DataFrame:
        """Quantiles of the level, start = 1: entity, t, one column per quantile (0.05 ...)."""
        return self._fan.copy()

    @property
    def underwater(self) -> pd.DataFrame:
        """Quantiles of the fall below the highest level so far (positive shares), as :attr:`fan`.

        The column 0.95 is the fall that 5 % of the paths are beyond: deeper, not higher.
        """
        return self._underwater.copy()

    @cached_property
    def _fan(self) -> pd.DataFrame:
        return fan(self.results)

    @cached_property
    def _underwater(self) -> pd.DataFrame:
        return underwater(self.results)

    def crashes(self, entity: str) -> tuple[Crash, ...]:
        """The real crashes an entity is set beside, the dot-com crash first.

        The S&P 500 and the rest are compared with the S&P 500, all else with the NASDAQ.
        """
        return crashes(index_of(entity), self.scenario.steps_per_year)

    def estimates(self) -> dict[str, dict[str, Estimate]]:
        """Every statistic of every entity: entity -> statistic -> estimate."""
        return self._estimates

    @cached_property
    def _estimates(self) -> dict[str, dict[str, Estimate]]:
        return {
            entity: self._exact(
                statistics(
                    self.results,
                    entity,
                    {crash.name: crash.depth for crash in self.crashes(entity) if crash.same_grid},
                )
            )
            for entity in self.entities
        }

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
        steps = self.scenario.steps_per_year
        return verdict(
            sample(self.results, "sp500", "max_drawdown").at_least(crash.depth),
            self.paths,
            name=title if title.lower().startswith("the ") else f"the {title}",
            depth=crash.depth,
            years=self.scenario.horizon_years,
            after="after 2000",
            closes=_CLOSES.get(steps, f"{steps}-a-year") if crash.same_grid else "daily",
        )

    @property
    def story_sentences(self) -> list[str]:
        """What stands beside the verdict: how much comes without the boom, and what boom and story add."""
        return story_text.sentences(self.story)

    def document(self) -> dict[str, Any]:
        """The run as one JSON document: ``summary.json``, and ``run --json`` but for the folder.

        Infinite ends and errors (one path knows no error) are null.
        """
        held = portfolio_risk.document(self.scenario, self.results)
        portfolio = {"portfolio": held} if held else {}
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.scenario.name,
            "title": self.scenario.title,
            "digest": self.digest,
            "seed": self.seed,
            "paths": self.paths,
            "verdict": self.verdict,
            "entities": {
                entity: {name: found.as_json() for name, found in found_all.items()}
                for entity, found_all in self.estimates().items()
            },
            "drivers": {
                entity: {name: found.as_json() for name, found in self.drivers(entity).items()}
                for entity in self.entities
            },
            "baselines": self._baselines(),
            "official": {
                one.name: {
                    "fall": one.fall,
                    "entity": one.entity,
                    "measure": one.measure,
                    "reached": chance.as_json(),
                }
                for one, chance in official.reached(self.scenario, self.results)
            },
            "thresholds": [
                {
                    "name": result.threshold.name,
                    "text": result.threshold.text,
                    "passed": result.passed,
                    "sure": result.sure,
                    "estimate": result.estimate.as_json(),
                }
                for result in self.threshold_results()
            ],
            "assumptions": sensitivity.document(self.scenario, self.results),
            "weakest_link": sensitivity.weakest_link(self.scenario, self.results),
            **portfolio,
            **self._contributions(),
        }

    def _contributions(self) -> dict[str, Any]:
        if self.story is None:
            return {}
        parts = story_text.document(self.story)
        return {"contributions": parts, "contributions_in_words": self.story_sentences}

    def _story_files(self) -> dict[str, bytes]:
        return {} if self.story is None else {storage.STORY: storage.csv_bytes(self.story)}

    def _baselines(self) -> dict[str, Any]:
        """Real crashes by name and index, and the chance that an entity falls as far."""
        found: dict[str, Any] = {}
        for index in ("sp500", "nasdaq"):
            for crash in self.crashes(index):
                found.setdefault(crash.name, {})[index] = {
                    "max_drawdown": crash.depth,
                    "max_drawdown_daily": crash.daily_depth,
                    "same_grid": crash.same_grid,
                }
        for name, entry in found.items():
            reached = {
                entity: statistics_[f"reach_{name}"].as_json()
                for entity, statistics_ in self.estimates().items()
                if f"reach_{name}" in statistics_
            }
            if reached:
                entry["reached"] = reached
        return found

    def _repr_html_(self) -> str:
        """The verdict and the falls of the groups, for Jupyter."""
        import pandas as pd  # late: slow to import

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
                fan=self.fan,
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


def add_story(run: Run, folder: str | Path, story: pd.DataFrame) -> Run:
    """The run with what its story adds, which is written into its finished folder too."""
    complete = replace(run, story=story)
    storage.add_files(
        folder, {**complete._story_files(), **storage.summary_file(complete.document())}
    )
    return complete
