"""Numbers as words and digits: no more digits than the error supports.

Everywhere in crashsim "±" is one Monte Carlo standard error, and brackets hold a 95 % interval. A
number whose interval has no finite end is "?": too few paths know it. One that is exact has neither.
"""

from __future__ import annotations

from math import floor, isfinite, isnan, log10

from simulator.statistics.intervals import Estimate

MINUS = "\N{MINUS SIGN}"
UNKNOWN_TEXT = "?"
"""What stands for a number that too few paths know."""


def is_known(of: Estimate) -> bool:
    """Whether the number and both ends of its interval are finite."""
    return all(map(isfinite, (of.value, of.low, of.high)))


def percent(share: float, decimals: int = 0) -> str:
    """A share as text with a true minus sign: -0.279 is "−28 %"; NaN is "?"."""
    if isnan(share):
        return UNKNOWN_TEXT
    body = f"{abs(share) * 100:.{decimals}f}"
    if abs(share) < 1.0 <= float(body) / 100:  # almost all is not all
        body = f"{100 - 10**-decimals:.{decimals}f}"
    return f"{MINUS if share < 0 and float(body) else ''}{body} %"


def signed(value: float, places: int) -> str:
    """A number with its sign, never a signed zero: "+0.12", "−3", "0.0"."""
    body = f"{abs(value):,.{places}f}"
    if not float(body.replace(",", "")):
        return body
    return f"{MINUS if value < 0 else '+'}{body}"


def often(share: Estimate, n: int) -> str:
    """A share of ``n`` paths in words: "3 in 10", "2 of 500", "none of 500", "all 500"."""
    if share.value <= 0 or share.value >= 1:
        return f"{'none of' if share.value <= 0 else 'all'} {n:,}"
    words = natural_frequency(share)
    too_fine = int(words.split(" in ")[1].replace(",", "")) > n  # "3 in 10,000" of 3,000 paths
    return f"{round(share.value * n):,} of {n:,}" if too_fine else words


def decimals(error: float, most: int = 1) -> int:
    """Decimals that a number with this standard error has earned: none finer than the error to one digit."""
    if not isfinite(error):
        return 0
    return most if error <= 0 else min(max(-floor(log10(float(f"{error:.1g}"))), 0), most)


def rounded(value: float, width: float) -> float:
    """A value with no more digits than a hundredth of the ``width`` of its interval, or of what it is drawn from."""
    return round(value, 2 - floor(log10(width))) if width > 0.0 else value


def format_share(share: Estimate, *, sign: int = 1, most: int = 1) -> str:
    """An estimated share in percent, cut to its error; ``sign`` -1 shows a depth as the fall it is."""
    if not is_known(share):
        return UNKNOWN_TEXT
    return percent(sign * share.value, decimals(100 * share.mc_error, most))


def format_interval(share: Estimate, *, sign: int = 1) -> str:
    """A share with its 95 % interval: "13.4 % (12.7 to 14.1)"; ``sign`` as in :func:`format_share`."""
    if not is_known(share):
        return f"{UNKNOWN_TEXT} (too few paths)"
    value = percent(sign * share.value, _places(share))
    return value if share.low == share.high else f"{value} ({interval(share, sign=sign)})"


def interval(share: Estimate, *, sign: int = 1) -> str:
    """The ends of a 95 % interval in percent, with the digits of :func:`format_interval`: "12.7 to 14.1"."""
    ends = sorted(sign * end for end in (share.low, share.high))
    low, high = (percent(end, _places(share)).removesuffix(" %") for end in ends)
    return f"{low} to {high}"


def _places(share: Estimate) -> int:
    exact_end = share.mc_error <= 0 and share.value in (0.0, 1.0)
    return 0 if exact_end else decimals(100 * share.mc_error, 1 if abs(share.value) >= 0.01 else 3)


def format_years(span: Estimate) -> str:
    """A time with its 95 % interval: "2.3 years (2.2 to 2.4)"."""
    if not is_known(span):
        return f"{UNKNOWN_TEXT} (too few paths)"
    places = decimals(span.mc_error, 2)
    return f"{span.value:.{places}f} years ({span.low:.{places}f} to {span.high:.{places}f})"


def format_error(of: Estimate) -> str:
    """One standard error in points of percent, to one digit: "±0.3"; nothing where the number is exact or unknown."""
    points = 100 * of.mc_error
    if points <= 0 or not is_known(of):
        return ""
    digit = max(float(f"{points:.1g}"), 0.01)
    return f"±{digit:.{min(max(-floor(log10(digit)), 0), 2)}f}"


def format_log(cause: Estimate, most: int = 1) -> str:
    """A log in points (hundredths), cut to its error: "−31", "+2.4". Logs add up; percentages would not."""
    if not is_known(cause):
        return UNKNOWN_TEXT
    return signed(100 * cause.value, decimals(100 * cause.mc_error, most))


_UNITS = {"trillion": 1e3, "billion": 1.0, "million": 1e-3, "thousand": 1e-6}
"""USD billion in each."""


def format_dollars(amount: Estimate) -> str:
    """An amount in USD billion, cut to its error: "$440 billion", "$12.4 trillion", "$86 thousand"."""
    return " ".join(part for part in dollar_parts(amount)[::2] if part)


def dollar_parts(amount: Estimate) -> tuple[str, str, str]:
    """An amount in USD billion as number, standard error and unit: "$12.4", "±0.3", "trillion".

    The error has one digit, none finer than the number; it is empty where the number is exact or unknown.
    """
    if not is_known(amount):
        return UNKNOWN_TEXT, "", ""
    if not amount.value:
        return "$0", "", ""
    usable = 0 < amount.mc_error < abs(amount.value)
    digit = floor(log10(amount.mc_error if usable else abs(amount.value) / 100))
    value = round(amount.value, -digit)
    unit = next((name for name, scale in _UNITS.items() if abs(value) >= scale), "thousand")
    places = decimals(10.0**digit / _UNITS[unit])
    error = max(amount.mc_error / _UNITS[unit], 10.0**-places)
    shown = f"±{float(f'{error:.1g}'):g}" if amount.mc_error > 0 else ""
    return f"${value / _UNITS[unit]:,.{places}f}", shown, unit


def natural_frequency(chance: Estimate) -> str:
    """``3 in 10``: the smallest power of ten at which the nearest whole number lies in the interval.

    So the words never say more than the paths know. Raises ValueError for a chance of 0 or 1.
    """
    if not 0 < chance.value < 1:
        raise ValueError(f"no frequency for a chance of {chance.value}")
    base = 10
    while True:
        hits = round(chance.value * base)
        if 0 < hits < base and chance.low <= hits / base <= chance.high:
            return f"{hits:,} in {base:,}"
        base *= 10


def one_in(share: float) -> str:
    """``1 in 2,700``, two digits, rounded so that the share is not understated."""
    number = 1 / share
    scale = 10 ** max(0, floor(log10(number)) - 1)
    return f"1 in {floor(number / scale + 1e-9) * scale:,}"
