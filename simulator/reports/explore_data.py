"""What the page of ``crashsim explore`` is made from: paths, their drawn assumptions and results.

Columns are 32-bit floats, as the paths themselves are; ranges are whole steps of a decimal number.
So a choice on the page is the same set of paths as the same comparison in pandas.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.arrays import FloatArray
from simulator.errors import UsageError, plain
from simulator.portfolio import PORTFOLIO
from simulator.reports.run_tables import ledger
from simulator.runs import official
from simulator.runs.run_words import DOTCOM, closes, label
from simulator.runs.sensitivity import sensitivities
from simulator.runs.verdict import fall_in_words
from simulator.schema import toml_value
from simulator.statistics.formatting import percent, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.history import Crash
    from simulator.runs import Run
    from simulator.scenario import Scenario

MOST_PATHS = 20_000
"""Paths in a page: more would make it larger than a mail takes."""
FEW = 200
"""Chosen futures below which the page gives no probability."""
MOST_CONTROLS = 8
ENTITIES = ("sp500", "mag7", "nasdaq", "ai_basket", PORTFOLIO)
MEASURES = {
    "max_drawdown": "Largest fall from a peak",
    "loss_from_start": "Lowest level against today",
    "terminal_return": "Value at the end against today",
}
NAMED = {
    "technology.annual_price_decline": "Fall of the price of language models",
    "technology.elasticity": "Price elasticity of demand",
    "concentration.mag7_share_of_gains": "Magnificent Seven’s share of gains",
    "sentiment.hazard_level": "Hazard of the end of the boom",
}
"""Assumptions that are always shown; the hazard stands for the share of gains that it follows from."""
_STEPS = 100
_ENDS = {
    "max_drawdown": (0.2, 0.3, 0.4, 0.5),
    "loss_from_start": (0.1, 0.2, 0.3, 0.4, 0.5),
    "terminal_return": (0.0, -0.3, -0.5),
}
_TRUNCATED = ("normal", "lognormal", "uniform")
"""Distributions that a scenario can cut to a range by ``low`` and ``high``."""


@dataclass(frozen=True, eq=False)
class Control:
    """The range of one uncertain assumption: ``count`` steps of ``step`` from ``low``, over 10**digits."""

    key: str
    name: str
    what: str
    unit: str
    moves: str
    """How it goes with the falls, in words."""
    low: int
    step: int
    count: int
    digits: int
    support: tuple[float, float]
    truncated: str
    """TOML of the distribution without its limits; "" where limits do not cut it."""
    values: FloatArray
    """What was drawn, by path."""

    def nearest(self, value: float) -> int:
        """The position nearest to a number."""
        position: int = round((value * 10**self.digits - self.low) / self.step)
        return min(max(position, 0), self.count)

    def at(self, position: int) -> float:
        """The number at a position of the control."""
        return float((self.low + position * self.step) / 10**self.digits)

    def shown(self, position: int) -> str:
        """The number with the digits of the control."""
        return f"{self.at(position):.{self.digits}f}"


@dataclass(frozen=True)
class Fixed:
    """A named assumption that is one number in this run, and how to make it vary."""

    key: str
    name: str
    value: str
    remedy: str


def check(scenario: Scenario) -> None:
    """Raise UsageError for a scenario that leaves nothing to choose."""
    if not scenario.uncertain():
        raise UsageError(
            "every assumption of this scenario is one number, so no range can be chosen: give one a "
            f"distribution, such as {_remedy(scenario, 'technology.elasticity')}"
        )


def controls(run: Run, also: Sequence[str] = ()) -> list[Control]:
    """The named assumptions, the strongest rank correlations with the fall of a group, and those in ``also``."""
    table = sensitivities(run.scenario, run.results)
    strongest = table[table["moves_most"]].set_index("key")
    size = strongest["rank_correlation"].abs().sort_values(ascending=False, kind="stable")
    correlation = {str(key): float(r) for key, r in strongest["rank_correlation"].items()}
    most = {str(key): str(entity) for key, entity in strongest["entity"].items()}
    named = [key for key in _shown(run) if key in size.index]
    others = [str(key) for key in size.index if key not in named]
    rows = {row.key: row for row in run.scenario.ledger()}
    found = []
    for key in dict.fromkeys([*[*named, *others][:MOST_CONTROLS], *also]):
        r, entity = correlation[key], most[key]
        row = rows[key]
        found.append(
            _control(
                key,
                np.asarray(run.results.inputs[key][: paths(run)], np.float32),
                row.value,
                name=NAMED.get(key) or _short(row.doc),
                what=plain(row.doc, 200),
                unit="" if row.unit == "1" else plain(row.unit),
                moves=f"Rank correlation with the fall of {label(run, entity)}: {signed(r, 2)}",
            )
        )
    return found


def _shown(run: Run) -> list[str]:
    """Keys of the three named assumptions: the share of gains where it varies, else the hazard."""
    decline, elasticity, share, hazard = NAMED
    varies = run.results.inputs
    return [decline, elasticity, hazard if hazard in varies and share not in varies else share]


def _short(doc: str) -> str:
    """The first phrase of what an assumption is."""
    phrase = plain(re.split("[;:,(]", doc)[0].strip(), 80)
    return phrase[:1].upper() + phrase[1:]


def _control(key: str, drawn: FloatArray, value: Any, **words: str) -> Control:
    low, high = float(drawn.min()), float(drawn.max())
    width = max(high - low, abs(high) * 1e-6, 1e-9) / _STEPS
    power = floor(log10(width))
    step = next(x for x in (1, 2, 5, 10) if x * 10.0**power >= width * (1 - 1e-9))
    digits, step = (-power, step) if power < 0 else (0, step * 10**power)
    first = floor(low * 10**digits / step)
    limits = value.model_dump(by_alias=True)
    shape = {name: x for name, x in limits.items() if name not in ("low", "high")}
    return Control(
        key=key,
        low=first * step,
        step=step,
        count=max(ceil(high * 10**digits / step) - first, 1),
        digits=digits,
        support=value.support(),
        truncated=", ".join(f"{name} = {toml_value(x)}" for name, x in shape.items())
        if limits.get("dist") in _TRUNCATED
        else "",
        values=drawn,
        **words,
    )


def fixed(run: Run) -> list[Fixed]:
    """The named assumptions that do not vary in this run."""
    values = {row.key: row.value for row in ledger(run)}
    return [
        Fixed(key, NAMED[key], values.get(key, "none"), _remedy(run.scenario, key))
        for key in _shown(run)
        if key not in run.results.inputs
    ]


def _remedy(scenario: Scenario, key: str) -> str:
    """A ``--set`` that makes an assumption vary around what it is."""
    row = next((row for row in scenario.ledger() if row.key == key), None)
    if row is None or not isinstance(row.value, int | float):
        return f"give {key} a distribution in the scenario"
    spread = 0.2 * abs(row.value) or 0.1
    ends = (row.value - spread, row.value + spread)
    low, high = (min(max(end, row.low or 0.0), row.high or end) for end in ends)
    return f"--set '{key}={{ dist = \"uniform\", low = {low:.3g}, high = {high:.3g} }}'"


def paths(run: Run) -> int:
    """How many of the run's paths are in the page: the first."""
    return min(run.results.kept, MOST_PATHS)


def base64_floats(values: FloatArray) -> str:
    """Little-endian 32-bit floats."""
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode("ascii")


def results(run: Run) -> dict[str, dict[str, Any]]:
    """By entity and measure: the values of the paths (32-bit), bins, and events with their marks."""
    measured = run.results.measures
    return {
        entity: {
            measure: {
                "values": base64_floats(values := _values(run, entity, measure)),
                "edges": edges(values, measure),
                "events": events(run, entity, measure),
            }
            for measure in MEASURES
            if measure in measured
        }
        for entity in ENTITIES
        if entity in run.entities
    }


def _values(run: Run, entity: str, measure: str) -> FloatArray:
    row = run.entities.index(entity)
    return np.asarray(run.results.measures[measure][row, : paths(run)], np.float32)


def edges(values: FloatArray, measure: str) -> list[float]:
    """Edges of the histogram: two points of a fall each; of returns some forty, the last without an end."""
    if measure != "terminal_return":
        return [k / 50 for k in range(51)]
    reach = float(np.quantile(values, 0.99)) + 1
    width = next(w for w in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 1e3) if 40 * w >= reach)
    return [round(k * width - 1, 2) for k in range(max(ceil(reach / width), 4) + 1)]


def events(run: Run, entity: str, measure: str) -> list[dict[str, Any]]:
    """What the page gives probabilities of: a level, its words, and what marks it in the histogram.

    ``below`` says that a value at or below the level counts, instead of one at or above it.
    """
    below = measure == "terminal_return"
    found: list[dict[str, Any]] = [
        {"at": at, "words": _words(measure, at), "below": below} for at in _ENDS[measure]
    ]
    if below:
        found.append({"at": 1.0, "words": "Ends at twice today’s value or more"})
    if measure == "max_drawdown":
        crash = dotcom(run, entity)
        index = label(run, crash.index) if crash.index in run.entities else crash.index
        depth = percent(-crash.depth, 1)
        words = f"Falls as the {index} did after 2000 ({depth} or more)"
        found.append({"at": crash.depth, "words": words, "mark": f"dot-com {depth}", "real": True})
    for known, _chance in official.reached(run.scenario, run.results):
        if known.entity == entity and known.measure == measure and known.fall is not None:
            depth, who = percent(-known.fall), plain(known.short)
            words = f"{plain(known.who)}, {plain(known.title)} ({depth} or more)"
            found.append({"at": known.fall, "words": words, "mark": f"{who} {depth}"})
    return found


def dotcom(run: Run, entity: str) -> Crash:
    """The dot-com crash of the index that an entity is set beside."""
    return next(crash for crash in run.crashes(entity) if crash.name == DOTCOM)


def _words(measure: str, at: float) -> str:
    if measure == "max_drawdown":
        return f"Falls {at:.0%} or more from a peak".replace("%", " %")
    if measure == "loss_from_start":
        return f"Is {at:.0%} or more below today at some time".replace("%", " %")
    return f"Ends {-at:.0%} or more below today".replace("%", " %") if at else "Ends below today"


def falls(run: Run) -> dict[str, dict[str, Any]]:
    """The verdict's event for each entity: a depth, and the end of the sentence."""
    found = {}
    for entity in (name for name in ENTITIES if name in run.entities):
        crash = dotcom(run, entity)
        words = fall_in_words(
            name=_with_article(run, entity),
            depth=crash.depth,
            years=run.scenario.horizon_years,
            after="after 2000",
            closes=closes(run) if crash.same_grid else "daily",
            who="it" if crash.index == entity else _with_article(run, crash.index),
        )
        found[entity] = {"depth": crash.depth, "words": words}
    return found


def _with_article(run: Run, entity: str) -> str:
    if entity == PORTFOLIO:
        return "the portfolio"
    title = label(run, entity)
    return title if title.lower().startswith("the ") else f"the {title}"
