"""Numbers as words and digits: no more digits than the error supports."""

from __future__ import annotations

from math import ceil, floor, isfinite, isnan, log10

from simulator.statistics.intervals import Estimate

MINUS = "\N{MINUS SIGN}"


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
    words = natural_frequency(share)
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


def natural_frequency(chance: Estimate) -> str:
    """``3 in 10``: the smallest round base whose nearest whole number lies in the interval.

    So the words never say more than the paths know. A chance of 0 or 1 has no such number and is
    a ValueError.
    """
    if not 0 < chance.value < 1:
        raise ValueError(f"no frequency for a chance of {chance.value}")
    base = 10
    while True:
        hits = round(chance.value * base)
        if 0 < hits < base and chance.low <= hits / base <= chance.high:
            return f"{hits:,} in {base:,}"
        base *= 10


def percentages(chance: Estimate) -> str:
    """``28-31 %``: the interval rounded outward, with the digits its width supports."""
    width = (chance.high - chance.low) * 100
    decimals = max(0, ceil(-log10(width) - 1e-9)) if width > 0 else 2
    scale = 10**decimals
    # Rounding before the outward step keeps 28.000000000000004 at 28.
    low = floor(round(chance.low * 100 * scale, 6)) / scale
    high = ceil(round(chance.high * 100 * scale, 6)) / scale
    return f"{low:.{decimals}f}-{high:.{decimals}f} %"


def one_in(share: float) -> str:
    """``1 in 2,700``, two digits, rounded so that the share is not understated."""
    number = 1 / share
    scale = 10 ** max(0, floor(log10(number)) - 1)
    return f"1 in {floor(number / scale + 1e-9) * scale:,}"
