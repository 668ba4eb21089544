"""Which corners of the assumptions bring an event, for the page of ``crashsim explore``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from string import ascii_uppercase
from typing import TYPE_CHECKING

from simulator.errors import RunError, UsageError
from simulator.exploration import discover
from simulator.exploration.scenario_discovery import parse_event
from simulator.reports.explore_data import ENTITIES, MEASURES, Control, dotcom
from simulator.reports.scenario_discovery_text import limits_text, share_text
from simulator.runs.run_words import label
from simulator.statistics.formatting import percent

if TYPE_CHECKING:
    from simulator.exploration import Box, Discovery
    from simulator.runs import Run

MISSING = "Corners that bring it need scikit-learn: pip install 'crashsim[discover]'."


@dataclass(frozen=True)
class Corner:
    """A corner under its letter: limits in words, the choice as an address, density and coverage."""

    letter: str
    words: str
    address: str
    density: str
    coverage: str


@dataclass(frozen=True)
class EventCorners:
    """What is said of one event: its share of all futures, and ``together`` what all its corners hold.

    ``why_none`` says why there is no corner to show.
    """

    event: str
    base: str
    corners: tuple[Corner, ...]
    together: str = ""
    why_none: str = ""


@dataclass(frozen=True)
class Mark:
    """Where a corner ends on an assumption."""

    key: str
    letter: str
    value: float


def discoveries(run: Run, events: Sequence[str]) -> list[tuple[str, Discovery | str]]:
    """Words of each event with its corners, or with the reason why there are none.

    Without ``events`` those of the S&P 500: 30 % below today, and a fall as after 2000. What keeps these
    from an answer is said on the page; of events that were asked for it is an error.

    Raises
    ------
    UsageError, RunError
        As :func:`simulator.exploration.discover`, for one of ``events``.
    """
    if events:
        return [(event, discover(run, event)) for event in events]
    depth, name = dotcom(run, "sp500").depth, label(run, "sp500")
    usual = {
        f"{name} 30 % below today at some time": "sp500.loss_from_start >= 0.30",
        f"{name} falls as after 2000 ({percent(-depth, 1)} or more)": f"sp500.max_drawdown >= {depth:.6f}",
    }
    return [(words, _tried(run, event)) for words, event in usual.items()]


def _tried(run: Run, event: str) -> Discovery | str:
    if find_spec("sklearn") is None:
        return MISSING
    try:
        return discover(run, event)
    except (RunError, UsageError) as error:
        return f"No corners: {error}."


def boxes_by_letter(found: Iterable[tuple[str, Discovery | str]]) -> list[tuple[str, Box]]:
    """The boxes of all events, lettered in their order."""
    boxes = [box for _, corners in found if not isinstance(corners, str) for box in corners.boxes]
    return list(zip(ascii_uppercase, boxes, strict=False))


def marks(found: Iterable[tuple[str, Discovery | str]]) -> list[Mark]:
    """Every limit of every box."""
    return [
        Mark(limit.key, letter, limit.value)
        for letter, box in boxes_by_letter(found)
        for limit in box.limits
    ]


def sections(
    run: Run, found: Sequence[tuple[str, Discovery | str]], controls: Sequence[Control]
) -> list[EventCorners]:
    """What the page says of each event."""
    letters = {id(box): letter for letter, box in boxes_by_letter(found)}
    units = {row.key: row.unit for row in run.scenario.ledger()}
    rows = []
    for words, corners in found:
        if isinstance(corners, str):
            rows.append(EventCorners(words, "", (), why_none=corners))
            continue
        shown = tuple(
            Corner(
                letters[id(box)],
                limits_text(box, units),
                _address(run, corners.event, box, controls),
                share_text(box.density),
                share_text(box.coverage),
            )
            for box in corners.boxes
        )
        best, all_of = (share_text(of) for of in (corners.best.density, corners.together.coverage))
        none = "" if shown else f"No corner stands out: the best one has {best}."
        together = f"Together they hold {all_of} of all that do." if len(shown) > 1 else ""
        rows.append(EventCorners(words, share_text(corners.base), shown, together, none))
    return rows


def _address(run: Run, event: str, box: Box, controls: Iterable[Control]) -> str:
    """The end of the page's address that chooses a box, its limits at the nearest steps of the controls."""
    threshold = parse_event(event, run)[0]
    words = []
    if threshold.entity in ENTITIES and threshold.metric in MEASURES:
        words += [f"entity={threshold.entity}", f"measure={threshold.metric}"]
    words.append(f"axis={box.limits[0].key}")
    for control in controls:
        sides = {limit.side: limit.value for limit in box.limits if limit.key == control.key}
        if sides:
            low = control.nearest(sides["above"]) if "above" in sides else 0
            high = control.nearest(sides["below"]) if "below" in sides else control.count
            words.append(f"{control.key}={control.shown(low)}..{control.shown(high)}")
    return "#" + "&".join(words)
