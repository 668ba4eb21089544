"""The hindcast: the model held against history, row by row, failures included.

Targets are those the model was built to meet (before it ran, but for rows marked fitted) and every
figure history has for more. A row that fails stays in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from simulator.engine.streams import BLOCK_PATHS
from simulator.errors import UsageError
from simulator.runs import Run, simulate
from simulator.scenario import Scenario, list_scenarios, load_scenario
from simulator.validation.block_history import BlockHistory, simulate_block_history
from simulator.validation.calm_targets import calm_rows, calm_run, exact_rows, firm_rows
from simulator.validation.crisis_targets import (
    day_rows,
    day_run,
    default_rows,
    dotcom_rows,
    early_rows,
)
from simulator.validation.parting import parting_rows, placebo_rows
from simulator.validation.response_targets import direction_rows, elasticity_rows, share_rows
from simulator.validation.target_table import Row, Table

PATHS = 10_000
"""Of the runs that rows are judged on; paired runs and shares of variance take less."""
FEWEST = 100
STAGES = 12
EARLY = ("dotcom-1996", "dotcom-1998", "dotcom")


@dataclass(frozen=True)
class Hindcast:
    """All rows, and the runs that figures are drawn from."""

    rows: tuple[Row, ...]
    paths: int
    runs: dict[str, Run]

    @property
    def groups(self) -> list[str]:
        """Names of the groups, in order."""
        return list(dict.fromkeys(row.group for row in self.rows))

    def of(self, group: str) -> list[Row]:
        """The rows of a group."""
        return [row for row in self.rows if row.group == group]

    def count(self) -> dict[str, int]:
        """Number of rows by verdict, the most frequent first."""
        verdicts = [row.verdict for row in self.rows]
        return {v: verdicts.count(v) for v in sorted(set(verdicts), key=verdicts.count)[::-1]}


def hindcast(paths: int = PATHS, progress: Callable[[int, int], None] | None = None) -> Hindcast:
    """Simulate everything and judge it.

    Parameters
    ----------
    paths
        Paths of the main runs; at most so many for the others.
    progress
        Called with (stages done, stages in all).

    Raises
    ------
    UsageError
        For fewer than ``FEWEST`` paths, on which no row could be judged.
    """
    if paths < FEWEST:
        raise UsageError(f"a hindcast needs {FEWEST} paths or more, got {paths}")
    runs: dict[str, Run] = {}
    rows: list[Row] = []
    for done, table in enumerate(_tables(paths, runs), start=1):
        rows += table.rows
        if progress is not None:
            progress(min(done, STAGES), STAGES)
    return Hindcast(tuple(rows), paths, runs)


def _tables(paths: int, runs: dict[str, Run]) -> Iterator[Table]:
    """The groups, each simulated when its turn comes."""
    pairs = min(paths, 4 * BLOCK_PATHS)
    yield exact_rows()
    runs["calm"] = calm_run(paths)
    yield calm_rows(runs["calm"], _seen(runs["calm"].scenario, paths))
    yield firm_rows(runs["calm"])
    known = set(list_scenarios())
    if "dotcom" in known:
        runs["dotcom"] = simulate(load_scenario("dotcom"), paths=paths)
        yield dotcom_rows(runs["dotcom"], _seen(runs["dotcom"].scenario, paths))
    two_years = {"scenario.horizon_years": 2.0}
    early = [name for name in EARLY if name in known]
    if early:
        yield early_rows(
            {name: simulate(load_scenario(name, two_years), paths=paths) for name in early}
        )
    yield day_rows(day_run(paths))
    runs["deepseek"] = simulate(load_scenario("deepseek"), paths=paths)
    short = simulate(load_scenario("deepseek", two_years), paths=paths)
    yield default_rows(runs["deepseek"], short, _seen(runs["deepseek"].scenario, paths))
    if "dotcom" in known:
        yield placebo_rows(pairs)
    yield parting_rows(pairs)
    yield direction_rows(pairs)
    yield elasticity_rows(pairs)
    yield share_rows(
        tuple(name for name in ("deepseek", "dotcom") if name in known), -(-pairs // BLOCK_PATHS)
    )


def _seen(scenario: Scenario, paths: int) -> list[BlockHistory]:
    """Two blocks at most, watched: 50 MB each."""
    return [
        simulate_block_history(scenario, block) for block in range(min(-(-paths // BLOCK_PATHS), 2))
    ]
