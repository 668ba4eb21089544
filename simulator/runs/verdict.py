"""A probability as a sentence in natural frequencies."""

from __future__ import annotations

from simulator.statistics import Estimate
from simulator.statistics.formatting import interval, natural_frequency, one_in

SENTENCES = {
    "some": "About {often} simulated futures ({interval} %) {sees} {fall}",
    "none": "None of {n} simulated futures ({bound}) sees {fall}",
    "all": "All {n} simulated futures ({bound}) see {fall}",
    "fewer": "fewer than {one_in}",
    "all_but": "all but at most {one_in}",
}
"""Forms of the verdict on several paths; the page of ``crashsim explore`` fills in the same ones."""


def fall_in_words(
    *, name: str, depth: float, years: float, after: str, closes: str, who: str = "it"
) -> str:
    """The end of every sentence: "the S&P 500 fall at least 46.0 % from its peak within 5 years, as it did ..."."""
    return f"{name} fall at least {_limit(depth, years)}, as {who} did {after} on {closes} closes."


def _limit(depth: float, years: float) -> str:
    return (
        f"{depth * 100:.1f} % from its peak within {'1 year' if years == 1 else f'{years:g} years'}"
    )


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
    history = f"{after} on {closes} closes"
    if n == 1 and chance.value > 0:
        return f"In the one simulated future {name} falls at least {_limit(depth, years)}, as it did {history}."
    if n == 1:
        return (
            f"In the one simulated future {name} falls less than {_limit(depth, years)}; "
            f"it fell that far {history}."
        )
    fall = fall_in_words(name=name, depth=depth, years=years, after=after, closes=closes)
    if 0 < chance.value < 1:
        often = natural_frequency(chance)
        sees = "sees" if often.startswith("1 in ") else "see"
        form = SENTENCES["some"]
        return form.format(often=often, interval=interval(chance), sees=sees, fall=fall)
    kind, bound, rest = (
        ("none", "fewer", chance.high) if chance.value <= 0 else ("all", "all_but", 1 - chance.low)
    )
    bound = SENTENCES[bound].format(one_in=one_in(rest)) if rest < 0.5 else f"{interval(chance)} %"
    return SENTENCES[kind].format(n=f"{n:,}", bound=bound, fall=fall)
