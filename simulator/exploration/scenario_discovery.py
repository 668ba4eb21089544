"""Scenario discovery: which corner of the uncertain assumptions brings an event, from the paths of a run.

    discover(load_run("results/deepseek-3f9a12cd"), "sp500.loss_from_start >= 0.30")

Bryant and Lempert (Technological Forecasting and Social Change 77, 2010) name three measures of a box of assumptions:
density, the share of its futures that see the event; coverage, the share of all futures with the event that it
holds; and how few limits describe it. Lempert, Bryant and Bankes (RAND WR-557, 2008) find that PRIM and classification
trees both do; the leaves of a tree are the boxes here, since scikit-learn's are kept, tested and free to use,
while the Python packages with PRIM are under the GPL or bring a whole workbench along.

Half of the paths grow the tree and simplify its boxes, the other half measures them. So no number printed was chosen
for being large.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from simulator.arrays import BoolArray, FloatArray, IntArray
from simulator.errors import RunError, UsageError, plain
from simulator.runs.run import Run
from simulator.runs.samples import measured
from simulator.scenario import Threshold
from simulator.scenario.thresholds import parse_typed
from simulator.statistics import Estimate, probability
from simulator.statistics.formatting import rounded
from simulator.statistics.intervals import UNKNOWN

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

FORM = "sp500.loss_from_start >= 0.30"
MOST_BOXES = 3
FEWEST = 40
"""Paths with the event, and without it, below which nothing can be learnt."""
_LEAVES = 8
_LEAST_SUPPORT = 0.05
"""Share of the paths in the smallest box."""
_CHI_SQUARE = 20.0
"""What a split must be worth: of 20 assumptions that move nothing, the best place of the best is worth more in
fewer than 1 of 100 runs (by simulation; the law of the best place is in Miller and Siegmund, Biometrics 38, 1982)."""
_MATTERS = 0.05
"""Quasi-p-value above which a limit is dropped."""
_EVENT = re.compile(r"\s*P\s*\((?P<inside>.*)\)\s*", re.DOTALL)
_HOLDS = {">=": ge, ">": gt, "<=": le, "<": lt}


@dataclass(frozen=True)
class Limit:
    """One side of a box. ``p_value``: how likely its density is on the held-out paths if this limit did nothing."""

    key: str
    side: Literal["above", "below"]
    value: float
    p_value: float = 1.0


@dataclass(frozen=True)
class Box:
    """A corner of the assumptions, measured on the paths that did not choose it.

    ``density``: share of its futures with the event. ``coverage``: share of all futures with the event that are in it.
    ``support``: share of all futures.
    """

    limits: tuple[Limit, ...]
    density: Estimate
    coverage: Estimate
    support: Estimate

    def document(self) -> dict[str, Any]:
        """The box for JSON."""
        numbers = {
            name: getattr(self, name).as_json() for name in ("density", "coverage", "support")
        }
        return {"limits": [asdict(limit) for limit in self.limits], **numbers}


@dataclass(frozen=True)
class Discovery:
    """The boxes that stand out, in order of their density on the paths that chose them.

    ``best`` is the first of them; where none stands out, the first of those that were tried.
    ``base`` is the share of all held-out paths (there are ``held_out``) with the event. ``together`` is what all
    boxes hold, without limits of its own.
    """

    event: str
    base: Estimate
    held_out: int
    boxes: tuple[Box, ...]
    best: Box
    together: Box

    def document(self) -> dict[str, Any]:
        """The boxes for JSON."""
        return {
            "event": self.event,
            "base": self.base.as_json(),
            "held_out": self.held_out,
            "boxes": [box.document() for box in self.boxes],
            "best": self.best.document(),
            "together": self.together.document(),
        }


def discover(run: Run, event: str) -> Discovery:
    """Find the corners of the uncertain assumptions in which an event is most likely.

    Parameters
    ----------
    run
        With assumptions drawn path by path; those of the paths in its tables are used.
    event
        Such as ``"sp500.loss_from_start >= 0.30"``, or with ``P( )`` around it as in a threshold.

    Raises
    ------
    UsageError
        If the event cannot be read, no assumption is uncertain, or scikit-learn is not installed.
    RunError
        If fewer than ``FEWEST`` paths see the event, or all but so few.
    """
    threshold, text = parse_event(event, run)
    drawn = {key: np.asarray(values, np.float64) for key, values in run.results.inputs.items()}
    if not drawn:
        raise UsageError(
            f"every assumption of {run.scenario.name} is a single number: there are no corners to find"
        )
    hit = seen(run, threshold)
    if min(hits := int(hit.sum()), hit.size - hits) < FEWEST:
        raise RunError(
            f"{hits:,} of {hit.size:,} paths see {text}: at least {FEWEST} must, and as many must not"
        )
    return boxes_of(drawn, hit, text, run.seed)


def parse_event(text: str, run: Run) -> tuple[Threshold, str]:
    """The event and its text with the entity by name. Raises UsageError."""
    around = _EVENT.fullmatch(text)
    inside = around["inside"] if around else text
    where = f"--event {plain(text, 80)!r}"
    titles, grid = run.scenario.universe.titles, run.scenario.grid
    threshold = parse_typed(where, f"P({inside}) >= 0", FORM, titles, grid)
    return threshold, threshold.text.removeprefix("P(").removesuffix(") >= 0").strip()


def seen(run: Run, event: Threshold) -> BoolArray:
    """Which of the paths in the tables see the event (kept,)."""
    row = run.results.entities.index(event.entity)
    values = measured(run.results, row, event.metric, run.results.kept)
    assert event.level is not None, "the event of a probability has a level"
    return np.asarray(_HOLDS[event.comparison](values, event.level))


def boxes_of(drawn: Mapping[str, FloatArray], hit: BoolArray, event: str, seed: int) -> Discovery:
    """The boxes of assumptions ``drawn`` (key -> (paths,)) in which an event that was ``hit`` (paths,) is frequent.

    ``seed`` decides which half of the paths chooses the boxes and which measures them.
    """
    order = np.random.default_rng(seed).permutation(hit.size)
    fit, held = (_Half(drawn, hit, at) for at in (order[: hit.size // 2], order[hit.size // 2 :]))
    candidates = _leaves(fit, _CHI_SQUARE, _LEAVES) or _leaves(fit, 0.0, 2)
    simple = dict.fromkeys(_simplified(fit, limits) for limits in candidates)
    chosen = sorted(filter(None, simple), key=lambda limits: -fit.density(limits))
    base = held.share(np.ones(held.hit.size, np.bool_))
    boxes = [held.box(limits) for limits in chosen or candidates[:1]]
    out = held.apart([box for box in boxes if box.density.low > base.value])[:MOST_BOXES]
    together = np.zeros(held.hit.size, np.bool_)
    for box in out:
        together |= held.inside(box.limits)
    best = (out or boxes)[0]
    return Discovery(event, base, held.hit.size, tuple(out), best, held.measured((), together))


class _Half:
    """Half of the paths: their assumptions, and which saw the event."""

    def __init__(self, drawn: Mapping[str, FloatArray], hit: BoolArray, at: IntArray) -> None:
        self.drawn, self.hit = {key: values[at] for key, values in drawn.items()}, hit[at]

    def inside(self, limits: tuple[Limit, ...]) -> BoolArray:
        """Which paths lie within all limits."""
        within = np.ones(self.hit.size, np.bool_)
        for limit in limits:
            values = self.drawn[limit.key]
            within &= values > limit.value if limit.side == "above" else values <= limit.value
        return within

    def share(self, within: BoolArray) -> Estimate:
        """Share with the event of the paths ``within``; unknown of none."""
        n = int(within.sum())
        return probability(int(self.hit[within].sum()), n) if n else UNKNOWN

    def density(self, limits: tuple[Limit, ...]) -> float:
        """Share of the paths within the limits that saw the event."""
        return self.share(self.inside(limits)).value

    def apart(self, boxes: list[Box]) -> list[Box]:
        """The boxes without those that hold an earlier one whole or lie within it."""
        kept: list[Box] = []
        for box in boxes:
            new = self.inside(box.limits)
            olds = [self.inside(other.limits) for other in kept]
            if all((new & ~old).any() and (old & ~new).any() for old in olds):
                kept.append(box)
        return kept

    def p_value(self, limits: tuple[Limit, ...], limit: Limit) -> float:
        """How likely as many events are within ``limits`` if ``limit``, one of them, did nothing."""
        from scipy.special import bdtrc

        within = self.inside(limits)
        hits, n = int(self.hit[within].sum()), int(within.sum())
        without = self.density(tuple(other for other in limits if other != limit))
        return float(bdtrc(hits - 1, n, without)) if hits else 1.0

    def box(self, limits: tuple[Limit, ...]) -> Box:
        """The box as this half sees it."""
        named = tuple(replace(limit, p_value=self.p_value(limits, limit)) for limit in limits)
        return self.measured(named, self.inside(limits))

    def measured(self, limits: tuple[Limit, ...], within: BoolArray) -> Box:
        """Density, coverage and support of the paths ``within``."""
        n, hits = int(within.sum()), int(self.hit[within].sum())
        coverage, support = probability(hits, int(self.hit.sum())), probability(n, within.size)
        return Box(limits, self.share(within), coverage, support)


def _leaves(fit: _Half, chi_square: float, most: int) -> list[tuple[Limit, ...]]:
    """Leaves with more events than all paths have, of a tree whose splits are each worth so much."""
    p, n = float(fit.hit.mean()), fit.hit.size
    tree = _tree_class()(
        max_leaf_nodes=most,
        min_samples_leaf=max(int(_LEAST_SUPPORT * n), 1),
        min_impurity_decrease=2 * chi_square * p * (1 - p) / n,
        random_state=0,
    )
    keys = list(fit.drawn)
    nodes = tree.fit(np.column_stack(list(fit.drawn.values())), fit.hit).tree_
    leaves: list[tuple[Limit, ...]] = []
    stack: list[tuple[int, tuple[Limit, ...]]] = [(0, ())]
    while stack:
        node, limits = stack.pop()
        if nodes.children_left[node] < 0:
            if limits and fit.density(limits) > p:
                leaves.append(limits)
            continue
        key = keys[nodes.feature[node]]
        low, high = np.quantile(fit.drawn[key], [0.05, 0.95])
        value = rounded(float(nodes.threshold[node]), float(high - low))
        below, above = Limit(key, "below", value), Limit(key, "above", value)
        stack.append((int(nodes.children_left[node]), _narrowed(limits, below)))
        stack.append((int(nodes.children_right[node]), _narrowed(limits, above)))
    return leaves


def _narrowed(limits: tuple[Limit, ...], new: Limit) -> tuple[Limit, ...]:
    """The limits with a new one, which takes the place of a wider one on the same side."""
    return (*(old for old in limits if (old.key, old.side) != (new.key, new.side)), new)


def _simplified(fit: _Half, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """The limits without those that do not matter, the least of them first (Bryant and Lempert 2010); sorted."""
    while limits:
        values = {limit: fit.p_value(limits, limit) for limit in limits}
        worst = max(limits, key=values.__getitem__)
        if values[worst] <= _MATTERS:
            break
        limits = tuple(limit for limit in limits if limit != worst)
    return tuple(sorted(limits, key=lambda limit: (limit.key, limit.side)))


def _tree_class() -> Callable[..., DecisionTreeClassifier]:
    """Raises UsageError where scikit-learn is missing."""
    try:
        from sklearn.tree import DecisionTreeClassifier
    except ImportError:
        raise UsageError(
            "discover needs scikit-learn, which is not installed: pip install 'crashsim[discover]'"
        ) from None
    return cast("Callable[..., DecisionTreeClassifier]", DecisionTreeClassifier)
