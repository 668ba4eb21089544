"""Thresholds: sentences about a run that must hold, checked before anything is simulated.

    crash_is_rare  = "P(sp500.max_drawdown >= 0.49) < 0.10"
    typical_fall   = "median(sp500.max_drawdown) < 0.30"
    bad_but_liveable = "worst_1_in_20(mag7.max_drawdown) <= 0.75"

Drawdowns are positive shares, returns are signed, times are years.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from simulator.complaints import nearest
from simulator.distributions import Refusal
from simulator.errors import Problem
from simulator.toml_file import TomlFile

METRICS = (
    "max_drawdown",
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
MOST_THRESHOLDS = 100
FORM = "P(sp500.max_drawdown >= 0.49) < 0.10, or median(sp500.max_drawdown) < 0.30"

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_SENTENCE = re.compile(
    rf"\s*(?P<statistic>\w+)\s*\(\s*(?P<what>[\w.-]+)\s*"
    rf"(?:(?P<comparison>>=|<=|>|<)\s*(?P<level>{_NUMBER})\s*)?\)"
    rf"\s*(?P<relation>>=|<=|>|<)\s*(?P<limit>{_NUMBER})\s*",
    re.ASCII,
)


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


def parse_threshold(name: str, text: str, entities: Iterable[str]) -> Threshold:
    """Parses one sentence; raises Refusal for a form, entity or metric that is not known."""
    match = _SENTENCE.fullmatch(text)
    if match is None:
        raise Refusal(f"threshold `{name}` cannot be read", FORM)
    entity, _, metric = match["what"].rpartition(".")
    known = tuple(entities)
    if entity not in known:
        hint = nearest(entity, known)
        if entity == "portfolio":
            hint = "give the holdings: --portfolio holdings.csv"
        raise Refusal(
            f"threshold `{name}` names the unknown entity `{entity}`", ", ".join(known), hint
        )
    if metric not in METRICS:
        hint = nearest(metric, METRICS)
        raise Refusal(
            f"threshold `{name}` names the unknown metric `{metric}`", ", ".join(METRICS), hint
        )
    statistic, limit = match["statistic"], float(match["limit"])
    level = None if match["level"] is None else float(match["level"])
    if statistic == "P":
        if level is None:
            raise Refusal(f"threshold `{name}` gives the probability of a number", FORM)
        if not 0.0 <= limit <= 1.0:
            raise Refusal(
                f"threshold `{name}` compares a probability with {limit:g}", "0 to 1 (share)"
            )
        statistic = PROBABILITY
    elif statistic not in STATISTICS:
        hint = nearest(statistic, ("P", *STATISTICS))
        raise Refusal(
            f"threshold `{name}` asks for the unknown statistic `{statistic}`",
            ", ".join(("P", *STATISTICS)),
            hint,
        )
    elif level is not None:
        raise Refusal(f"threshold `{name}` compares inside a {statistic}", FORM, "use P( ... )")
    return Threshold(
        name,
        statistic,
        entity,
        metric,
        match["comparison"] or "",
        level,
        match["relation"],
        limit,
        text.strip(),
    )


def read_thresholds(
    file: TomlFile, entities: Iterable[str]
) -> tuple[tuple[Threshold, ...], list[Problem]]:
    """The thresholds of a scenario file, and what is wrong with them."""
    thresholds: list[Threshold] = []
    known = tuple(entities)
    problems: list[Problem] = []
    table = file.data.get("thresholds")
    given = table.items() if isinstance(table, dict) else ()
    for name, text in islice(given, MOST_THRESHOLDS):
        if not isinstance(text, str):
            continue  # the table's own check has said so
        try:
            thresholds.append(parse_threshold(name, text, known))
        except Refusal as refusal:
            path = ("thresholds", name)
            problems.append(
                file.problem(path, refusal.message, expected=refusal.expected, hint=refusal.hint)
            )
    return tuple(thresholds), problems
