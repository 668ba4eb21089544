"""Numbers as words and digits: no more digits than the error supports."""

from __future__ import annotations

from math import floor, isfinite, isnan, log10

from simulator.intervals import Estimate
from simulator.verdict import frequency

MINUS = "\N{MINUS SIGN}"

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


def percent(share: float, decimals: int = 0) -> str:
    """A share as text with a true minus sign: -0.279 is "−28 %". What too few paths know is "?"."""
    if isnan(share):
        return "?"
    body = f"{abs(share) * 100:.{decimals}f}"
    if abs(share) < 1.0 <= float(body) / 100:  # almost all is not all
        body = f"{100 - 10**-decimals:.{decimals}f}"
    return f"{MINUS if share < 0 and float(body) else ''}{body} %"


def often(share: Estimate, n: int) -> str:
    """A share of ``n`` paths in words: "3 in 10", "2 of 500", "none of 500", "all 500"."""
    if share.value <= 0 or share.value >= 1:
        return f"{'none of' if share.value <= 0 else 'all'} {n:,}"
    words = frequency(share)
    too_fine = int(words.split(" in ")[1].replace(",", "")) > n  # "3 in 10,000" of 3,000 paths
    return f"{round(share.value * n):,} of {n:,}" if too_fine else words


def decimals(error: float, most: int = 1) -> int:
    """How many decimals a number with this standard error has earned: none finer than the error to one digit."""
    if not isfinite(error):
        return 0
    return most if error <= 0 else min(max(-floor(log10(float(f"{error:.1g}"))), 0), most)


def format_share(share: Estimate, *, sign: int = 1, most: int = 1) -> str:
    """An estimated share in percent, cut to its error; ``sign`` -1 shows a depth as the fall it is."""
    return percent(sign * share.value, decimals(100 * share.mc_error, most))


def format_interval(share: Estimate, *, sign: int = 1) -> str:
    """A share with its 95 % interval: "13.4 % (12.7 to 14.1)"; ``sign`` as in :func:`format_share`."""
    if isnan(share.value):
        return "? (too few paths)"
    places = decimals(100 * share.mc_error, 1 if abs(share.value) >= 0.01 else 3)
    ends = sorted(sign * end for end in (share.low, share.high))
    low, high = (percent(end, places).removesuffix(" %") for end in ends)
    return f"{percent(sign * share.value, places)} ({low} to {high})"


def format_years(span: Estimate) -> str:
    """A time with its 95 % interval: "2.3 years (2.2 to 2.4)"."""
    places = decimals(span.mc_error, 2)
    return f"{span.value:.{places}f} years ({span.low:.{places}f} to {span.high:.{places}f})"


def format_error(share: Estimate) -> str:
    """A standard error in points of percent, to one digit; "?" where one path cannot tell."""
    error = 100 * share.mc_error
    if not isfinite(error):
        return "±?"
    digit = max(float(f"{error:.1g}"), 0.01 if error > 0 else 0.0)
    return f"±{digit:.{min(max(-floor(log10(digit)), 0), 2) if digit else 0}f}"


def format_log(cause: Estimate, most: int = 1) -> str:
    """A log in points (hundredths), cut to its error: "−31", "+2.4". Logs add up; percentages would not."""
    places = decimals(100 * cause.mc_error, most)
    body = f"{abs(cause.value) * 100:.{places}f}"
    return f"{'' if not float(body) else MINUS if cause.value < 0 else '+'}{body}"


def dollar_unit(amount: float) -> tuple[float, str]:
    """The unit for an amount in USD billion: how many billion it is, and its name."""
    units = ((1e3, "trillion"), (1.0, "billion"), (1e-3, "million"))
    return next((unit for unit in units if abs(amount) >= unit[0]), (1e-6, "thousand"))


def format_dollars_error(amount: Estimate) -> str:
    """The standard error of an amount in the unit that :func:`format_dollars` gives it: "±0.3"."""
    if not isfinite(amount.mc_error):
        return "±?"
    body, unit = format_dollars(amount).removeprefix("$").split(" ")
    scale = next(one for one in (1e3, 1.0, 1e-3, 1e-6) if dollar_unit(one)[1] == unit)
    error = max(
        amount.mc_error / scale, 10.0 ** -len(body.partition(".")[2])
    )  # no finer than the amount
    return f"±{float(f'{error:.1g}'):g}"


def format_dollars(amount: Estimate) -> str:
    """An amount in USD billion, cut to its error: "$440 billion", "$12.4 trillion", "$86 thousand"."""
    unknown = min(1.0, abs(amount.value) / 10) or 1.0
    error = amount.mc_error if 0 < amount.mc_error < amount.value else unknown
    value = round(amount.value, -floor(log10(error)))
    scale, unit = dollar_unit(value)
    return f"${value / scale:,.{decimals(error / scale)}f} {unit}"
