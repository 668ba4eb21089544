"""The names of statistics for people, and their numbers with the sign and the digits readers expect.

Falls are positive shares inside the program and negative percentages for readers. A change of a
fall, a chance or a return is given in points, hundredths of the whole: a fall that gets deeper changes by
a negative number of points.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite, isnan, log10

from simulator.runs.statistic_catalogue import WORST
from simulator.statistics import Estimate
from simulator.statistics.formatting import (
    UNKNOWN_TEXT,
    decimals,
    format_dollars,
    format_share,
    is_known,
    signed,
)

HEADLINES = (*WORST, "mean", "reach_dotcom", "below_30")
"""The statistics of a table that shows only some."""

_MEASURES = {
    "loss_from_start": "lowest against today",
    "time_to_trough": "time to the trough",
    "time_underwater": "longest time under water",
    "dollars_lost": "dollars lost from peak to trough",
    "return_1y": "return after a year",
    "terminal_return": "return to the end",
    "worst_week": "worst week",
    "worst_month": "worst month",
}


@dataclass(frozen=True)
class Unit:
    """How a change of a statistic is shown: times ``scale``, in units of ``name``."""

    name: str
    scale: float

    def signed(self, value: float, places: int) -> str:
        """A change with its sign, never a signed nought."""
        return signed(value * self.scale, places)


FALL, POINTS = Unit("points", -100.0), Unit("points", 100.0)
YEARS, DOLLARS = Unit("years", 1.0), Unit("USD billion", 1.0)


def unit_of(statistic: str) -> Unit:
    """The unit in which a change of a statistic is shown."""
    if statistic.startswith("dollars_lost"):
        return DOLLARS
    if statistic.startswith("time_"):
        return YEARS
    fall = statistic.removeprefix("loss_from_start_")
    if fall in WORST or fall in ("mean", "expected_shortfall_1_in_20"):
        return FALL
    return POINTS


def title(statistic: str) -> str:
    """A statistic in words: "1-in-20 worst fall"."""
    if statistic == "mean":
        return "mean fall"
    if statistic == "expected_shortfall_1_in_20":
        return "mean fall of the worst twentieth"
    if statistic.startswith("reach_"):
        return f"chance to fall as in {_crash(statistic)}"
    if statistic.startswith("below_"):
        return f"chance to be {statistic.removeprefix('below_')} % below today"
    if statistic.startswith("recovered_"):
        return f"chance to regain the peak in {statistic[len('recovered_') : -1]} years"
    for measure, words in _MEASURES.items():
        if statistic.startswith(f"{measure}_"):
            return f"{words}, {short(statistic.removeprefix(f'{measure}_'))}"
    return f"{short(statistic)} fall"


def short(statistic: str) -> str:
    """A statistic for the head of a column: "1-in-20 worst"."""
    if statistic.startswith("reach_"):
        return f"as {_crash(statistic).removeprefix('the ').removesuffix(' crash')}"
    if statistic.startswith("below_"):
        return f"{statistic.removeprefix('below_')} % below today"
    if statistic.startswith("worst_1_in_"):
        return f"1-in-{statistic.removeprefix('worst_1_in_')} worst"
    if statistic.startswith("best_1_in_"):
        return f"1-in-{statistic.removeprefix('best_1_in_')} best"
    return statistic.replace("_", " ")


def _crash(statistic: str) -> str:
    name = statistic.removeprefix("reach_")
    return "the dot-com crash" if name == "dotcom" else name


def number(estimate: Estimate, statistic: str) -> str:
    """A statistic's value, cut to its error."""
    unit = unit_of(statistic)
    if unit is DOLLARS:
        return format_dollars(estimate)
    if unit is YEARS and not is_known(estimate):
        return UNKNOWN_TEXT
    if unit is YEARS:
        return f"{estimate.value:.{decimals(estimate.mc_error, 2)}f} years"
    return format_share(estimate, sign=-1 if unit is FALL else 1)


UNKNOWN = "?"


@dataclass(frozen=True)
class FormattedChange:
    """A change as text: "−1.2", the ends of its 95 % interval "−1.8" and "−0.6", its error "0.3"."""

    value: str
    low: str
    high: str
    error: str

    def __str__(self) -> str:
        if self.value == UNKNOWN:
            return UNKNOWN
        return f"{self.value} ({self.low} to {self.high})" if self.low else f"{self.value} (?)"

    @property
    def brief(self) -> str:
        """With the standard error: "−1.2 ±0.3"."""
        return UNKNOWN if self.value == UNKNOWN else f"{self.value} ±{self.error}"


def format_change(change: Estimate, statistic: str, places: int | None = None) -> FormattedChange:
    """A change in the statistic's unit, cut to its error, or to so many ``places``; "?" for NaN."""
    if isnan(change.value):
        return FormattedChange(UNKNOWN, "", "", UNKNOWN)
    unit = unit_of(statistic)
    shown = places_of(change, statistic) if places is None else places
    error = abs(unit.scale) * change.mc_error
    value = unit.signed(change.value, shown)
    if not isfinite(error):
        return FormattedChange(value, "", "", "?")
    ends = sorted((change.low, change.high), key=lambda end: end * unit.scale)
    low, high = (unit.signed(end, shown) for end in ends)
    return FormattedChange(value, low, high, f"{error:,.{shown}f}")


def places_of(change: Estimate, statistic: str) -> int:
    """Decimals that show the first digit of a change's error, two at most."""
    error = abs(unit_of(statistic).scale) * change.mc_error
    return min(max(-floor(log10(error)), 0), 2) if error > 0 and isfinite(error) else 1


CAUSE_NAMES = {
    "revenue": ("sales", "revenue below what was priced in"),
    "revenue_core": (
        "core sales",
        "revenue of what firms sold before AI, below what was priced in",
    ),
    "revenue_chips": ("chip sales", "revenue of AI chips and systems, below what was priced in"),
    "revenue_rental": ("cloud rental", "revenue of rented-out computing, below what was priced in"),
    "revenue_models": ("model sales", "revenue of AI models, below what was priced in"),
    "margin": ("margins", "operating margins below what was priced in"),
    "expectations": (
        "expected growth",
        "slower growth makes investors pay less for the same profit",
    ),
    "ai_expectations": (
        "AI expectations",
        "the premium marked to what AI's sellers earn, against what was priced in",
    ),
    "sentiment": ("AI premium", "the premium built up in the run-up, lost when the mood turns"),
    "news": ("news", "AI news of the day, until it shows in profits"),
    "rates": ("interest rates", "higher rates, by how far away the profits lie"),
    "market": ("whole market", "the market factor: stress, volatility, shocks to all"),
    "contagion": ("contagion", "the rest falls with the AI stocks"),
    "firm": ("single firms", "noise and jumps of single names"),
    "growth": (
        "required growth",
        "the return investors ask for, and corrections that keep noise fair",
    ),
}
"""The causes of docs/model.md, section 3: short name, and what it is."""
