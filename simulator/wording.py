"""Numbers as words and digits: no more digits than the error supports."""

from __future__ import annotations

from math import floor, isfinite, log10

from simulator.intervals import Estimate
from simulator.verdict import frequency

MINUS = "\N{MINUS SIGN}"


def percent(share: float, decimals: int = 0) -> str:
    """A share as text with a true minus sign: -0.279 is "−28 %"."""
    body = f"{abs(share) * 100:.{decimals}f}"
    return f"{MINUS if share < 0 and float(body) else ''}{body} %"


def often(share: Estimate, n: int) -> str:
    """A share of ``n`` paths in words: "3 in 10", "none of 500", "all 500"."""
    if 0 < share.value < 1:
        return frequency(share)
    return f"{'none of' if share.value <= 0 else 'all'} {n:,}"


def decimals(error: float, most: int = 1) -> int:
    """How many decimals a number with this standard error has earned: none finer than the error's first digit."""
    if not isfinite(error):
        return 0
    return most if error <= 0 else min(max(-floor(log10(error)), 0), most)


def format_share(share: Estimate, *, sign: int = 1, most: int = 1) -> str:
    """An estimated share in percent, cut to its error; ``sign`` -1 shows a depth as the fall it is."""
    return percent(sign * share.value, decimals(100 * share.mc_error, most))


def format_interval(share: Estimate, *, most: int = 1) -> str:
    """A probability with its 95 % interval: "13.4 % (12.7 to 14.1)"."""
    places = decimals(100 * share.mc_error, most)
    ends = (f"{100 * end:.{places}f}" for end in (share.low, share.high))
    return f"{percent(share.value, places)} ({' to '.join(ends)})"


def format_error(share: Estimate) -> str:
    """A standard error in points of percent, to one digit; "?" where one path cannot tell."""
    error = 100 * share.mc_error
    if not isfinite(error):
        return "±?"
    places = max(-floor(log10(error)), 0) if error > 0 else 0
    return f"±{error:.{min(places, 2)}f}"


def format_log(cause: Estimate, most: int = 1) -> str:
    """A log in points (hundredths), cut to its error: "−31", "+2.4". Logs add up; percentages would not."""
    places = decimals(100 * cause.mc_error, most)
    body = f"{abs(cause.value) * 100:.{places}f}"
    return f"{'' if not float(body) else MINUS if cause.value < 0 else '+'}{body}"


def format_dollars(amount: Estimate) -> str:
    """An amount in USD billion, cut to its error: "$820 billion", "$12.4 trillion"."""
    scale, unit = (1000, "trillion") if abs(amount.value) >= 1000 else (1, "billion")
    places = decimals(amount.mc_error / scale, 1)
    return f"${amount.value / scale:,.{places}f} {unit}"
