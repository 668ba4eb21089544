"""A probability as a sentence in natural frequencies."""

from __future__ import annotations

from math import ceil, floor, log10

from simulator.intervals import Estimate


def frequency(chance: Estimate) -> str:
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


def verdict(
    chance: Estimate,
    n: int,
    *,
    name: str,
    depth: float,
    years: float,
    after: str,
    closes: str,
) -> str:
    """The one sentence of a run: how many of ``n`` futures fall as far as a real crash.

    ``chance`` is that of a fall of ``depth`` (a positive share) or more; ``name`` has its article,
    ``after`` says when it happened ("after 2000"), ``closes`` on what grid ("weekly").
    """
    span = "1 year" if years == 1 else f"{years:g} years"
    limit = f"{depth * 100:.1f} % from its peak within {span}"
    history = f"{after} on {closes} closes"
    if n == 1 and chance.value > 0:
        return f"In the one simulated future {name} falls at least {limit}, as it did {history}."
    if n == 1:
        return f"In the one simulated future {name} falls less than {limit}; it fell that far {history}."
    fall = f"{name} fall at least {limit}, as it did {history}."
    if chance.value <= 0:
        bound = f"fewer than {one_in(chance.high)}" if chance.high < 0.5 else percentages(chance)
        return f"None of {n:,} simulated futures ({bound}) sees {fall}"
    if chance.value >= 1:
        rest = 1 - chance.low
        bound = f"all but at most {one_in(rest)}" if rest < 0.5 else percentages(chance)
        return f"All {n:,} simulated futures ({bound}) see {fall}"
    often = frequency(chance)
    sees = "sees" if often.startswith("1 in ") else "see"
    return f"About {often} simulated futures ({percentages(chance)}) {sees} {fall}"
