"""A probability as a sentence in natural frequencies."""

from __future__ import annotations

from simulator.statistics import Estimate
from simulator.statistics.formatting import interval, natural_frequency, one_in


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
        bound = (
            f"fewer than {one_in(chance.high)}" if chance.high < 0.5 else f"{interval(chance)} %"
        )
        return f"None of {n:,} simulated futures ({bound}) sees {fall}"
    if chance.value >= 1:
        rest = 1 - chance.low
        bound = f"all but at most {one_in(rest)}" if rest < 0.5 else f"{interval(chance)} %"
        return f"All {n:,} simulated futures ({bound}) see {fall}"
    often = natural_frequency(chance)
    sees = "sees" if often.startswith("1 in ") else "see"
    return f"About {often} simulated futures ({interval(chance)} %) {sees} {fall}"
