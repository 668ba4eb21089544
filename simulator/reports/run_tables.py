"""What a run found, as rows of text with the digits their error supports.

The summary for the terminal and the report for the browser are both filled from these rows,
so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from simulator.errors import plain
from simulator.history import INDEXES
from simulator.history.baselines import baseline
from simulator.plots.causes import Waterfall
from simulator.plots.run_plot import DOTCOM, label
from simulator.portfolio import PORTFOLIO
from simulator.runs.statistic_labels import CAUSE_NAMES
from simulator.runs.summary import WORST, evaluate_threshold
from simulator.scenario import PROBABILITY
from simulator.statistics.formatting import (
    format_dollars,
    format_dollars_error,
    format_error,
    format_interval,
    format_log,
    format_share,
    format_years,
    percent,
)

if TYPE_CHECKING:
    from simulator.runs import Run

STRENGTHS = {
    "A": "A, measured",
    "B": "B, several agree",
    "C": "C, weak: thin or derived",
    "D": "D, weakest: judgement",
}
WEAK = ("C", "D")


@dataclass(frozen=True)
class FallRow:
    """Largest falls of one entity, as text: a cell per statistic of WORST, the mean, and their errors."""

    entity: str
    name: str
    short: str  # for narrow tables: firms by their ticker first
    cells: tuple[str, ...]
    mean: str
    error: str
    errors: tuple[str, ...] = ()  # of the cells


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
    """Dollars lost from peak to trough."""

    entity: str
    name: str
    median: str
    worst_1_in_20: str
    worst_1_in_100: str
    errors: tuple[str, ...] = ()  # of the three, in their units


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
    """A threshold of the scenario and what the run says to it."""

    name: str
    rule: str
    value: str
    passed: bool
    doubt: str = ""  # said where the interval reaches across the limit


def thresholds(run: Run) -> list[ThresholdRow]:
    """Every threshold of the scenario against this run."""
    rows = []
    for one in run.scenario.thresholds:
        result = evaluate_threshold(run.results, one)
        years = one.metric == "time_to_trough" and one.statistic != PROBABILITY
        fall = one.metric == "max_drawdown" and one.statistic != PROBABILITY
        found = (
            format_years(result.estimate)
            if years
            else format_interval(result.estimate, sign=-1 if fall else 1)
        )
        doubt = "" if result.sure else result.doubt
        rows.append(
            ThresholdRow(plain(one.name), plain(one.text, 200), found, result.passed, doubt)
        )
    return rows


def falls(run: Run, entities: Iterable[str] | None = None) -> list[FallRow]:
    """The table of largest falls, in the order of the run's entities."""
    rows = []
    width = 1 + max(len(entity) for entity in run.scenario.universe.tickers)
    for entity in run.entities if entities is None else entities:
        found = run.estimates()[entity]
        cells = tuple(format_share(found[name], sign=-1) for name in WORST)
        mean = format_share(found["mean"], sign=-1)
        name = label(run, entity)
        short = name if entity in groups(run) else f"{entity:<{width}}{name}"
        errors = tuple(format_error(found[name]) for name in WORST)
        rows.append(FallRow(entity, name, short, cells, mean, format_error(found["mean"]), errors))
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
            format_interval(run.estimates()[entity][f"reach_{crash.name}"]),
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
    """Dollars lost from peak to trough."""
    rows = []
    portfolio = run.scenario.portfolio
    for entity in entities:
        if entity == PORTFOLIO and portfolio is not None and portfolio.value is None:
            continue  # its holdings are known as shares only
        found = run.estimates()[entity]
        names = ("median", "worst_1_in_20", "worst_1_in_100")
        amounts = [found[f"dollars_lost_{name}"] for name in names]
        median, bad, worst = map(format_dollars, amounts)
        errors = tuple(map(format_dollars_error, amounts))
        rows.append(LossRow(entity, label(run, entity), median, bad, worst, errors))
    return rows


def drivers(run: Run, entity: str) -> list[Driver]:
    """The causes of the worst twentieth of an entity's paths, the most harmful first.

    Those that play no part at all are left out.
    """
    causes = {name: one for name, one in run.drivers(entity).items() if one.value or one.mc_error}
    return [
        Driver(name, CAUSE_NAMES[name][0], format_log(causes[name]), format_error(causes[name]))
        for name in sorted(causes, key=lambda name: causes[name].value)
    ]


@dataclass(frozen=True)
class DriverTable:
    """Causes of the worst twentieth of several entities side by side, by the harm to the first."""

    names: list[str]
    rows: list[tuple[str, str, list[str]]]  # name, what it is, log points of each entity
    totals: list[str]


def driver_table(run: Run) -> DriverTable:
    """The causes of the leaders' worst twentieth, with errors, and the sum of each column."""
    entities = leaders(run)
    found = [{row.cause: row for row in drivers(run, entity)} for entity in entities]
    causes = dict.fromkeys(cause for each in found for cause in each)
    totals = [Waterfall(run, entity).whole for entity in entities]
    return DriverTable(
        [label(run, entity) for entity in entities],
        [
            (
                *CAUSE_NAMES[cause],
                [
                    f"{each[cause].points} {each[cause].error}" if cause in each else "none"
                    for each in found
                ],
            )
            for cause in causes
        ],
        [f"{format_log(total)} {format_error(total)}" for total in totals],
    )


def groups(run: Run) -> list[str]:
    """The groups among the run's entities."""
    return [entity for entity in run.entities if entity in run.scenario.universe.groups]


def leaders(run: Run) -> list[str]:
    """The entities whose causes are told: the index, and the AI stocks where the universe has them."""
    return [entity for entity in ("sp500", "nasdaq", "ai_basket") if entity in run.entities]


def ledger(run: Run) -> list[Entry]:
    """Every assumption with its value, evidence and source."""
    return [
        Entry(
            key=one.key,
            value=_value(one.value),
            priced_in="" if one.priced_in is None else _value(one.priced_in),
            unit=plain(one.unit),
            evidence=STRENGTHS.get(one.strength, plain(one.strength)),
            is_weak=one.strength in WEAK,
            is_default=one.origin == "default",
            is_uncertain=isinstance(one.value, BaseModel),
            source=plain(f"{one.source}{f', {one.date}' if one.date else ''}", 700),
            weakness=plain(one.weakness, 700),
        )
        for one in run.scenario.ledger()
        if one.value is not None
    ]


_POINTS = ("p5", "p50", "p95", "median", "mean", "sigma", "sd", "a", "b", "low", "mode", "high")
"""The order in which the points of a distribution are told."""


def _value(value: object) -> str:
    """A number, a word, or a distribution with its points."""
    if isinstance(value, BaseModel):
        points = value.model_dump(exclude_none=True)
        shape = points.pop("dist", "quantiles")
        ordered = sorted(points, key=_POINTS.index)
        return f"{shape}: {', '.join(f'{name} {points[name]:g}' for name in ordered)}"
    return f"{value:g}" if isinstance(value, int | float) else plain(str(value))
