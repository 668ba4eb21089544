"""Thresholds: sentences about a run that must hold, checked before anything is simulated.

    crash_is_rare  = "P(sp500.max_drawdown >= 0.49) < 0.10"
    typical_fall   = "median(sp500.max_drawdown) < 0.30"
    bad_but_liveable = "worst_1_in_20(mag7.max_drawdown) <= 0.75"

Drawdowns are positive shares, returns are signed, times are years. `49%` is 0.49. An entity may be
called by its title: `nvidia.max_drawdown` is `NVDA.max_drawdown`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import inf

from simulator.arrays import FloatArray
from simulator.errors import Problem, UsageError, plain
from simulator.schema import InvalidValue, TomlFile, suggestion
from simulator.universe import find_entity

METRICS = (
    "max_drawdown",
    "loss_from_start",
    "return_1y",
    "terminal_return",
    "worst_week",
    "worst_month",
    "time_to_trough",
)
STATISTICS = (
    "median",
    "mean",
    "worst_1_in_4",
    "worst_1_in_10",
    "worst_1_in_20",
    "worst_1_in_100",
    "expected_shortfall_1_in_20",
    "expected_shortfall_1_in_100",
)
PROBABILITY = "probability"
OPTION = "threshold_"
"""Name of a threshold of the command line, before its number."""
MOST_THRESHOLDS = 100
FORM = "P(sp500.max_drawdown >= 0.49) < 0.10, or median(sp500.max_drawdown) < 0.30"

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_VALUE = rf"{_NUMBER}(?:\s*%)?"
_SENTENCE = re.compile(
    rf"\s*(?P<statistic>\w+)\s*\(\s*(?P<what>[^\s()<>=]+(?: [^\s()<>=]+)*)\s*"
    rf"(?:(?P<comparison>>=|<=|>|<)\s*(?P<level>{_VALUE})\s*)?\)"
    rf"\s*(?P<relation>>=|<=|>|<)\s*(?P<limit>{_VALUE})\s*",
    re.ASCII,
)


_SHARES = {
    "max_drawdown": (0.0, 1.0, "a fall is a positive share"),
    "return_1y": (-1.0, inf, "a loss is negative"),
    "terminal_return": (-1.0, inf, "a loss is negative"),
    "worst_week": (-1.0, 0.0, "a loss is negative"),
    "worst_month": (-1.0, 0.0, "a loss is negative"),
}
"""Shares that a metric can be, and its sign."""
_SHORTEST = {"return_1y": 1.0}
_FEWEST_STEPS = {"worst_week": 52, "worst_month": 12}


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Horizon and steps of a run: they say which metrics there are, and how long a time can be."""

    horizon_years: float
    steps_per_year: int

    @classmethod
    def of(cls, times: FloatArray) -> TimeGrid:
        """The grid of a run with these ``times`` (T+1,) in years."""
        return cls(float(times[-1]), round(1.0 / float(times[1])))

    def missing(self, metric: str) -> str:
        """Why a run on this grid has no such ``metric``; "" if it has."""
        fewest = _FEWEST_STEPS.get(metric, 0)
        if self.steps_per_year < fewest:
            span = metric.removeprefix("worst_")
            return f"steps_per_year = {self.steps_per_year} has no {span}s: needs {fewest} or more"
        if self.horizon_years < _SHORTEST.get(metric, 0.0) - 1e-9:
            return f"horizon_years = {self.horizon_years:g} ends before the first year does"
        return ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One parsed sentence: `statistic` of `entity.metric` stands in `relation` to `limit`.

    For a probability `comparison` and `level` say of which event; otherwise they are "" and None.
    """

    name: str
    statistic: str
    entity: str
    metric: str
    comparison: str
    level: float | None
    relation: str
    limit: float
    text: str

    @property
    def title(self) -> str:
        """The name for people; thresholds of the command line have only a number."""
        number = self.name.removeprefix(OPTION)
        return f"threshold {number}" if number.isdecimal() and number != self.name else self.name


def parse_threshold(
    name: str, text: str, titles: Mapping[str, str], grid: TimeGrid | None = None
) -> Threshold:
    """Parses one sentence about an entity of these ``titles``.

    Raises InvalidValue for a form, entity or metric that is not known, a metric that a run on ``grid``
    does not have, and a value that the quantity cannot be.
    """
    match = _SENTENCE.fullmatch(text)
    if match is None:
        raise InvalidValue(f"threshold `{name}` cannot be read", FORM)
    typed, _, metric = match["what"].rpartition(".")
    entity = _check_quantity(name, typed, metric, titles, grid)
    statistic, level = match["statistic"], None
    if match["level"] is not None:
        level = _value(name, metric, match["level"], grid)
    limit = _value(name, PROBABILITY if statistic == "P" else metric, match["limit"], grid)
    if statistic == "P":
        if level is None:
            raise InvalidValue(f"threshold `{name}` gives the probability of a number", FORM)
        statistic = PROBABILITY
    elif statistic not in STATISTICS:
        hint = suggestion(statistic, ("P", *STATISTICS))
        raise InvalidValue(
            f"threshold `{name}` asks for the unknown statistic `{statistic}`",
            ", ".join(("P", *STATISTICS)),
            hint,
        )
    elif level is not None:
        raise InvalidValue(
            f"threshold `{name}` compares inside a {statistic}", FORM, "use P( ... )"
        )
    elif (
        "_1_in_" in statistic
        and metric in ("return_1y", "terminal_return")
        and limit > 0.0
        and match["relation"] in ("<", "<=")
    ):
        raise InvalidValue(
            f"threshold `{name}` wants a bad return of {match['limit']} or less: it can hardly fail",
            "a loss is negative",
            f"a loss of at most {100 * limit:g} % is `>= {-limit:g}`",
        )
    comparison, relation = match["comparison"] or "", match["relation"]
    return Threshold(
        name,
        statistic,
        entity,
        metric,
        comparison,
        level,
        relation,
        limit,
        f"{text[: match.start('what')]}{entity}.{metric}{text[match.end('what') :]}".strip(),
    )


def parse_typed(
    where: str, text: str, form: str, titles: Mapping[str, str], grid: TimeGrid | None = None
) -> Threshold:
    """As :func:`parse_threshold`, of a sentence made from an option.

    Raises UsageError that begins with ``where`` and shows ``form`` for what cannot be read.
    """
    try:
        return parse_threshold("", text, titles, grid)
    except InvalidValue as refusal:
        if refusal.expected == FORM:
            raise UsageError(f"{where} cannot be read; write it as {form}") from None
        message = refusal.message.replace("threshold ``", where)
        allowed = f"; allowed: {refusal.expected}" if refusal.expected else ""
        hint = f"; {refusal.hint}" if refusal.hint else ""
        raise UsageError(f"{message}{allowed}{hint}") from None


def _check_quantity(
    name: str, typed: str, metric: str, titles: Mapping[str, str], grid: TimeGrid | None
) -> str:
    """The entity that was typed; refuses it or a metric that is not known, or that ``grid`` does not have."""
    entity = find_entity(typed, titles)
    if entity is None:
        hint = suggestion(typed, titles)
        if typed == "portfolio":
            hint = "give the holdings: --portfolio holdings.csv"
        message = f"threshold `{name}` names the unknown entity `{plain(typed, 64)}`"
        raise InvalidValue(message, ", ".join(titles), hint)
    if metric not in METRICS:
        hint = suggestion(metric, METRICS)
        message = f"threshold `{name}` names the unknown metric `{plain(metric, 64)}`"
        raise InvalidValue(message, ", ".join(METRICS), hint)
    if grid is not None and (why := grid.missing(metric)):
        raise InvalidValue(
            f"threshold `{name}` asks for {metric}, which this run does not have: {why}"
        )
    return entity


def _value(name: str, metric: str, text: str, grid: TimeGrid | None) -> float:
    """The number, if the ``metric`` (or a probability) can be it."""
    percent = text.endswith("%")
    value = float(text.removesuffix("%")) / (100.0 if percent else 1.0)
    what = f"threshold `{name}` compares {'a probability' if metric == PROBABILITY else metric}"
    if metric == "time_to_trough":
        longest = inf if grid is None else grid.horizon_years
        if percent or not 0.0 <= value <= longest:
            upto = "" if grid is None else f" to {longest:g}, the horizon"
            raise InvalidValue(f"{what} with {text}", f"years, from 0{upto}")
        return value
    low, high, sign = _SHARES.get(metric, (0.0, 1.0, "a probability is a share"))
    in_percent = "" if percent else f"{abs(value):g} % is {'-' * (value < 0)}{abs(value) / 100:g}"
    if low <= value <= high:
        if value > 1.0 and not percent:  # a return of 5 is more often 5 % than 500 %
            hint = f"{in_percent}; {100 * value:g} % is written {100 * value:g}%"
            raise InvalidValue(f"{what} with {text}", "a share, or a number with %", hint)
        return value
    if value < 0.0 or high <= 0.0:
        right = -abs(value) if low < 0.0 else abs(value)
        if abs(value) > 1.0 and not percent:
            hint = f"{sign}: {abs(value):g} % is {right / 100:g}"
        else:
            hint = f"{sign}: {right:g}"
    elif low <= value / 100 <= high and not percent:
        hint = in_percent
    else:
        hint = sign
    upto = "or more" if high == inf else f"to {high:g}"
    raise InvalidValue(f"{what} with {text}", f"{low:g} {upto} (share)", hint)


def read_thresholds(
    file: TomlFile, titles: Mapping[str, str], grid: TimeGrid | None = None
) -> tuple[tuple[Threshold, ...], list[Problem]]:
    """The thresholds of a scenario file, and what is wrong with them."""
    thresholds: list[Threshold] = []
    problems: list[Problem] = []
    table = file.data.get("thresholds")
    given = table.items() if isinstance(table, dict) else ()
    for name, text in islice(given, MOST_THRESHOLDS):
        if not isinstance(text, str):
            continue  # the table's own check has said so
        try:
            thresholds.append(parse_threshold(name, text, titles, grid))
        except InvalidValue as refusal:
            path = ("thresholds", name)
            expected, hint = refusal.expected, refusal.hint
            problem = file.problem(path, refusal.message, expected=expected, hint=hint)
            if name.startswith(OPTION) and file.override_of(path) is not None:
                problem = replace(problem, file="--threshold", line=0, column=0, key=name)
            problems.append(problem)
    return tuple(thresholds), problems
