"""What the story adds, in words: every number is one of the table that :mod:`simulator.runs.story` makes.

A sentence says that something adds or takes away only where the paired 95 % interval excludes 0.
"""

from __future__ import annotations

from typing import Any

from simulator.runs.contributions import Contributions
from simulator.statistics import Estimate
from simulator.statistics.formatting import MINUS, decimals, format_error, interval

STATISTICS = {
    "reach_dotcom": "falls as after 2000",
    "below_30": "30 % or more below today at some time",
    "mean": "mean largest fall",
    "loss_from_start_mean": "mean lowest against today",
}
"""What each headline is, for people."""


def document(story: Contributions) -> dict[str, dict[str, Any]]:
    """What the story adds, for JSON: entity -> statistic -> part -> estimate."""
    split: dict[str, dict[str, Any]] = {}
    for (entity, statistic), parts in story.headlines.items():
        split.setdefault(entity, {})[statistic] = {
            part: estimate.as_json() for part, estimate in parts.items()
        }
    return split


def points(of: Estimate) -> str:
    """A share in hundredths with its error, cut to it: "8.7±0.4"."""
    return f"{number(of)}{format_error(of)}"


def number(of: Estimate) -> str:
    """A share in hundredths, cut to its error; never a negative zero."""
    body = f"{abs(100 * of.value):.{decimals(100 * of.mc_error)}f}"
    return f"{MINUS}{body}" if of.value < 0 and float(body) else body


def is_sure(of: Estimate) -> bool:
    """Whether the interval excludes 0."""
    return of.low > 0 or of.high < 0


def effect(who: str, of: Estimate) -> str:
    """What a part does, or that its sign is not known: "the boom adds 8.1±0.4"."""
    if not is_sure(of):
        return f"{who} does too little to tell ({interval(of)})"
    size = Estimate(abs(of.value), of.mc_error, *sorted((abs(of.low), abs(of.high))))
    return f"{who} {'adds' if of.value > 0 else 'takes away'} {points(size)}"


def base_rate(story: Contributions) -> str:
    """What stands beside the verdict: the same chance without the boom, and as priced in."""
    of = story.of("sp500", "reach_dotcom")
    if not of:
        return ""
    return (
        f"Without an AI boom (± Monte Carlo standard error) {points(of['chance'])} in 100 do, "
        f"{points(of['as_priced_in'])} if all goes as priced in; "
        f"{effect('the boom', of['boom'])}, {effect('this story', of['story'])}."
    )


def from_today(story: Contributions) -> str:
    """The same of the chance that the S&P 500 is 30 % below today."""
    of = story.of("sp500", "below_30")
    if not of:
        return ""
    return (
        f"30 % below today at some time: {points(of['total'])} in 100; {points(of['chance'])} without an AI boom, "
        f"{points(of['as_priced_in'])} as priced in; "
        f"{effect('the boom', of['boom'])}, {effect('this story', of['story'])}."
    )


def sentences(story: Contributions | None) -> list[str]:
    """Both, where they are known."""
    if story is None:
        return []
    return [text for text in (base_rate(story), from_today(story)) if text]
