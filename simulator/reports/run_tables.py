"""The tables of a run as rows of text, with the digits their errors support.

The summary for the terminal and the report for the browser are both filled from these rows,
so they cannot disagree. A cell is a value and its "±" (see :mod:`simulator.statistics.formatting`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from simulator.errors import plain
from simulator.history import INDEXES
from simulator.history.baselines import baseline
from simulator.portfolio import PORTFOLIO
from simulator.runs.run_words import DOTCOM, exact, is_exact, label
from simulator.runs.statistic_catalogue import BELOW, WORST
from simulator.runs.statistic_labels import CAUSE_NAMES
from simulator.runs.summary import evaluate_threshold
from simulator.scenario import PROBABILITY, Threshold
from simulator.statistics import Estimate
from simulator.statistics.formatting import (
    UNKNOWN_TEXT,
    dollar_parts,
    format_error,
    format_interval,
    format_log,
    format_share,
    format_years,
    percent,
)
from simulator.statistics.intervals import UNKNOWN, enough_paths

if TYPE_CHECKING:
    from simulator.runs import Run

STRENGTHS = {
    "A": "A, measured",
    "B": "B, several agree",
    "C": "C, weak: thin or derived",
    "D": "D, weakest: judgement",
}
WEAK = ("C", "D")
FALLS = (*WORST, "mean")
"""Statistics in the table of largest falls."""
LOSSES = ("median", "worst_1_in_20", "worst_1_in_100")
"""Statistics in the table of dollars below today's value."""
ENDS = ("worst_1_in_20", "median", "best_1_in_20")
"""Statistics of the change from the start to the horizon."""


Cell = tuple[str, str]
"""A value and its standard error; the second is empty where the value is exact or unknown."""


@dataclass(frozen=True)
class FallRow:
    """Largest falls of one entity: a cell for each statistic of FALLS."""

    entity: str
    name: str
    short: str  # for narrow tables: firms by their ticker first
    cells: list[Cell]


@dataclass(frozen=True)
class History:
    """The dot-com crash of an index, on the grid of the run and on daily closes."""

    fall: str
    daily: str


@dataclass(frozen=True)
class ExceedanceRow:
    """How often an entity falls as far as a real crash did."""

    name: str
    crash: str
    fall: str  # on the grid of the run
    chance: str


@dataclass(frozen=True)
class RealCrash:
    """A real crash of one index."""

    name: str
    index: str
    fall: str  # on the grid of the run
    daily: str
    peak: str
    trough: str
    recovered: str
    is_dotcom: bool


@dataclass(frozen=True)
class LossRow:
    """Dollars below today's value at the lowest point: number, error and unit for each statistic of LOSSES."""

    entity: str
    name: str
    cells: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Driver:
    """The mean of one cause over the worst twentieth of paths, in log points."""

    cause: str
    name: str
    points: str
    error: str


@dataclass(frozen=True)
class Entry:
    """One assumption of the ledger."""

    key: str
    value: str
    priced_in: str
    unit: str
    evidence: str
    is_weak: bool
    is_default: bool
    is_uncertain: bool
    source: str
    weakness: str


@dataclass(frozen=True)
class ThresholdRow:
    """A threshold of the scenario, its value in this run, and whether it holds."""

    name: str
    rule: str
    value: str
    passed: bool
    doubt: str = ""  # where the interval contains the limit, or too few paths know the value


def estimates(run: Run, entity: str) -> dict[str, Estimate]:
    """The statistics of an entity as they may be printed.

    Without noise there is no error. A quantile so rare that no path is expected beyond it is unknown.
    """
    values = {name: exact(run, of) for name, of in run.estimates_of(entity).items()}
    if is_exact(run):
        return values
    rare = {name for name, q in WORST.items() if not enough_paths(run.paths, q)}
    return {
        name: UNKNOWN if name.removeprefix("loss_from_start_") in rare else of
        for name, of in values.items()
    }


def thresholds(run: Run) -> list[ThresholdRow]:
    """Every threshold of the scenario against this run."""
    rows = []
    for threshold in run.scenario.thresholds:
        result = evaluate_threshold(run.results, threshold)
        text = threshold_value(threshold, exact(run, result.estimate))
        doubt = "" if result.sure or is_exact(run) else result.doubt
        rows.append(
            ThresholdRow(
                plain(threshold.title), plain(threshold.text, 200), text, result.passed, doubt
            )
        )
    return rows


def threshold_value(threshold: Threshold, value: Estimate) -> str:
    """The number of a threshold with its 95 % interval; a largest fall with its minus sign."""
    if threshold.statistic == PROBABILITY:
        return format_interval(value)
    if threshold.metric == "time_to_trough":
        return format_years(value)
    return format_interval(value, sign=-1 if threshold.metric == "max_drawdown" else 1)


def falls(run: Run, entities: Iterable[str] | None = None) -> list[FallRow]:
    """The table of largest falls, in the order of the run's entities."""
    rows = []
    width = 1 + max(len(entity) for entity in run.scenario.universe.tickers)
    for entity in run.entities if entities is None else entities:
        values = estimates(run, entity)
        cells = [_fall(values[name]) for name in FALLS]
        name = label(run, entity)
        short = (
            name
            if entity in groups(run)
            else f"{entity:<{width}}{name.replace(' of the ', ' of ')}"
        )
        rows.append(FallRow(entity, name, short, cells))
    return rows


def history(run: Run) -> dict[str, History]:
    """The dot-com crash beside the indexes it happened to, by entity; none on a grid it is not known on."""
    return {
        entity: History(percent(-crash.depth, 1), percent(-crash.daily_depth, 1))
        for entity in INDEXES
        for crash in run.crashes(entity)
        if crash.name == DOTCOM and crash.same_grid
    }


def reaches(run: Run, entities: Iterable[str]) -> list[ExceedanceRow]:
    """The chance that each entity falls as far as each crash measured on the run's own grid."""
    return [
        ExceedanceRow(
            label(run, entity),
            plain(crash.title),
            percent(-crash.depth, 1),
            format_interval(estimates(run, entity)[f"reach_{crash.name}"]),
        )
        for entity in entities
        for crash in run.crashes(entity)
        if crash.same_grid
    ]


def crashes(run: Run) -> list[RealCrash]:
    """Every known crash of both indexes, on daily closes and, where a series is shipped, on the run's grid."""
    rows = []
    for index in INDEXES:
        for crash in run.crashes(index):
            fact = baseline(crash.name).fact(index)
            regained = fact.recovery_date
            rows.append(
                RealCrash(
                    " ".join([*crash.title.split("dot-com"), baseline(crash.name).title]).strip(),
                    label(run, index).split(" Composite")[0],
                    percent(-crash.depth, 1) if crash.same_grid else "not known",
                    percent(-crash.daily_depth, 1),
                    fact.peak_date.isoformat(),
                    fact.trough_date.isoformat(),
                    regained.isoformat() if regained else "not yet",
                    crash.name == DOTCOM,
                )
            )
    return rows


def losses(run: Run, entities: Iterable[str]) -> list[LossRow]:
    """Dollars below today's value at the lowest point; none of runs that did not measure it."""
    rows = []
    portfolio = run.scenario.portfolio
    for entity in entities:
        if entity == PORTFOLIO and portfolio is not None and portfolio.value is None:
            continue  # its holdings are known as shares only
        values = estimates(run, entity)
        today = float(run.results.start_levels[run.entities.index(entity)])
        known = [values.get(f"loss_from_start_{name}") for name in LOSSES]
        cells = [dollar_parts(_times(of, today)) for of in known if of is not None]
        if cells:
            rows.append(LossRow(entity, label(run, entity), cells))
    return rows


def _times(of: Estimate, scale: float) -> Estimate:
    return Estimate(*(scale * part for part in (of.value, of.mc_error, of.low, of.high)))


def drivers(run: Run, entity: str) -> list[Driver]:
    """The causes of the worst twentieth of an entity's paths, the most harmful first.

    Those that play no part at all are left out.
    """
    causes = {name: exact(run, of) for name, of in run.drivers(entity).items()}
    return [
        Driver(name, CAUSE_NAMES[name][0], format_log(causes[name]), format_error(causes[name]))
        for name in sorted(causes, key=lambda name: causes[name].value)
        if causes[name].value or causes[name].mc_error
    ]


@dataclass(frozen=True)
class DriverTable:
    """Causes of the worst twentieth of several entities side by side, by the harm to the first."""

    names: list[str]
    rows: list[tuple[str, str, list[Cell]]]  # name, what it is, log points of each entity
    totals: list[Cell]


def driver_table(run: Run) -> DriverTable:
    """The causes of the leaders' worst twentieth, with errors, and the sum of each column."""
    from simulator.plots.causes import Waterfall  # late: it imports pandas

    entities = leaders(run)
    columns = [{row.cause: row for row in drivers(run, entity)} for entity in entities]
    causes = dict.fromkeys(cause for column in columns for cause in column)
    totals = [Waterfall(run, entity).whole for entity in entities]
    return DriverTable(
        [label(run, entity) for entity in entities],
        [
            (
                *CAUSE_NAMES[cause],
                [
                    (column[cause].points, column[cause].error) if cause in column else ("none", "")
                    for column in columns
                ],
            )
            for cause in causes
        ],
        [(format_log(total), format_error(total)) for total in totals],
    )


def lowest(run: Run, entities: Iterable[str] | None = None) -> list[FallRow]:
    """Lowest level of each group against today: median, 1-in-20 worst, chances to be so far below."""
    rows = []
    for entity in groups(run) if entities is None else entities:
        values = estimates(run, entity)
        losses = ("loss_from_start_median", "loss_from_start_worst_1_in_20")
        shares = (f"below_{share}" for share in BELOW)
        cells = [_fall(values[name]) for name in losses] + [_share(values[name]) for name in shares]
        name = label(run, entity)
        rows.append(FallRow(entity, name, name, cells))
    return rows


def overview(run: Run, entities: Iterable[str]) -> list[FallRow]:
    """Both tails of each entity.

    Median and 1-in-20 worst fall, the chance to fall as after 2000, and the change at the horizon: ``ENDS``.
    """
    rows = []
    for entity in entities:
        values = estimates(run, entity)
        cells = [_fall(values[name]) for name in ("median", "worst_1_in_20")]
        names = (f"reach_{DOTCOM}", *(f"terminal_return_{name}" for name in ENDS))
        cells += [_share(values[name]) if name in values else ("", "") for name in names]
        name = label(run, entity)
        rows.append(FallRow(entity, name, name, cells))
    return rows


def _fall(of: Estimate) -> Cell:
    return format_share(of, sign=-1), format_error(of)


def _share(of: Estimate) -> Cell:
    return format_share(of), format_error(of)


def groups(run: Run) -> list[str]:
    """The groups among the run's entities."""
    return [entity for entity in run.entities if entity in run.scenario.universe.groups]


def leaders(run: Run) -> list[str]:
    """The entities whose causes are shown: the indexes, and the AI stocks where the universe has them."""
    return [entity for entity in ("sp500", "nasdaq", "ai_basket") if entity in run.entities]


def has_unknown(rows: Iterable[Iterable[Sequence[str]]]) -> bool:
    """Whether a cell of a table is unknown, so that its legend must explain the "?"."""
    return any(cell[0] == UNKNOWN_TEXT for cells in rows for cell in cells)


def ledger(run: Run) -> list[Entry]:
    """Every assumption with its value, evidence and source."""
    return [
        Entry(
            key=row.key,
            value=_value(row.value),
            priced_in="" if row.priced_in is None else _value(row.priced_in),
            unit="" if row.unit == "1" else plain(row.unit),
            evidence=STRENGTHS.get(row.strength, plain(row.strength)),
            is_weak=row.strength in WEAK,
            is_default=row.origin == "default",
            is_uncertain=isinstance(row.value, BaseModel),
            source=plain(f"{row.source}{f', {row.date}' if row.date else ''}", 700),
            weakness=plain(row.weakness, 700),
        )
        for row in run.scenario.ledger()
        if row.value is not None
    ]


_POINTS = ("p5", "p50", "p95", "median", "mean", "sigma", "sd", "a", "b", "low", "mode", "high")
"""The order in which the points of a distribution are printed."""


def _value(value: object) -> str:
    """A number, a word, or a distribution with its points."""
    if isinstance(value, BaseModel):
        points = value.model_dump(exclude_none=True)
        shape = points.pop("dist", "quantiles")
        ordered = sorted(points, key=_POINTS.index)
        return f"{shape}: {', '.join(f'{name} {points[name]:g}' for name in ordered)}"
    return f"{value:g}" if isinstance(value, int | float) else plain(str(value))
