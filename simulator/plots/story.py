"""The figure of what the story adds: each headline as a bar of chance, boom and story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from simulator.plots.plot import Margins
from simulator.plots.run_plot import RunPlot
from simulator.plots.style import BLUES, GREY, INK, MEDIAN, name_rows, note, percent_axis
from simulator.runs.story_text import STATISTICS, effect, points
from simulator.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulator.runs import Run

SHOWN = {"chance": "by chance", "boom": "boom", "story": "this story"}
_COLOURS = {"chance": "#bdbdbd", "boom": BLUES[2], "story": MEDIAN}


class Story(RunPlot):
    """Chance, boom and story one after the other to the whole; what takes away goes back."""

    kind = "story"
    question = "What does the story add?"
    size = (5.4, 4.9)
    margins = Margins(left=1.75, right=0.35)

    @classmethod
    def missing(cls, run: Run, entity: str) -> str:
        """What the story adds is worked out for groups, and not in every run."""
        if run.contributions is None:
            return "what the story adds has not been worked out; crashsim run without --no-counterfactual does"
        known = run.contributions.entities
        if entity not in known:
            return f"what the story adds is known of {', '.join(known)}"
        return ""

    @cached_property
    def _parts(self) -> dict[str, Mapping[str, Estimate]]:
        assert self.run.contributions is not None, "see missing"
        known = {name: self.run.contributions.of(self.entity, name) for name in STATISTICS}
        return {name: of for name, of in known.items() if of}

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each headline and part: its value, error and interval, and where its bar begins and ends."""
        rows = []
        for name, of in self._parts.items():
            at = 0.0
            for part, one in of.items():
                begin = at if part in SHOWN else 0.0
                rows.append((STATISTICS[name], part, *astuple(one), begin, begin + one.value))
                at += one.value if part in SHOWN else 0.0
        columns = ["headline", "part", "value", "mc_error", "low", "high", "begin", "end"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def headline(self) -> str:
        """What boom and story do to the chance to be 30 % below today."""
        of = self._parts["below_30"]
        return (
            f"{points(of['total'])} in 100 futures are 30 % below today at some time: {points(of['chance'])} by "
            f"chance; {effect('the boom', of['boom'])}, {effect('this story', of['story'])}"
        )

    @property
    def subtitle(self) -> str:
        """The worlds and the sign of the parts."""
        assert self.run.contributions is not None, "see missing"
        return (
            "Grey: what any market does without boom and story. The bars add up to the mark; a hatched one takes "
            "away, and leads back to it. ± is one Monte Carlo standard error. Same draws in every world; "
            f"{self.run.contributions.paths:,} paths without boom, without story and without either."
        )

    def shown(self) -> tuple[list[str], list[list[str]]]:
        """Every headline with its parts and errors, in percent."""
        head = ["", "this run", *SHOWN.values(), "as priced in"]
        names = ("total", *SHOWN, "as_priced_in")
        return head, [
            [STATISTICS[name], *(points(of[part]) for part in names)]
            for name, of in self._parts.items()
        ]

    def draw(self, axes: Axes) -> None:
        """One bar a headline."""
        for k, of in enumerate(self._parts.values()):
            reach, total = _bars(axes, k, of), of["total"].value
            axes.plot([total, total], [k - 0.4, k + 0.4], color=INK, linewidth=1.6)
            note(axes, f"{points(of['total'])} %", (max(reach, total), k), (5, 0))
        name_rows(axes, [_wrapped(STATISTICS[name]) for name in self._parts])
        axes.axvline(0, color=GREY, linewidth=0.8)
        ends = self.table[["begin", "end"]].to_numpy()
        axes.set_xlim(min(1.1 * float(ends.min()), 0.0), 1.25 * float(ends.max()) + 1e-9)
        percent_axis(axes.xaxis)
        axes.set_xlabel("Share of futures; of means, share of the value")
        _legend(axes)


def _bars(axes: Axes, k: int, of: Mapping[str, Estimate]) -> float:
    """The parts of one headline; a negative one is thin and hatched, over what it takes from. How far they reach."""
    ends = [0.0]
    for part in SHOWN:
        value, begin, colour = of[part].value, ends[-1], _COLOURS[part]
        ends.append(begin + value)
        if value >= 0:
            axes.barh(k, value, left=begin, height=0.62, color=colour)
        else:
            look: Any = {"facecolor": "white", "edgecolor": colour, "hatch": "////"}
            axes.barh(k, value, left=begin, height=0.34, **look)
    return max(ends)


def _legend(axes: Axes) -> None:
    from matplotlib.patches import Patch

    low, high = sorted(axes.get_ylim())
    axes.set_ylim(high, low - 0.55)  # room above the first bar
    keys = [Patch(color=_COLOURS[part], label=name) for part, name in SHOWN.items()]
    axes.legend(
        handles=keys, loc="upper left", borderaxespad=0.0, ncols=3, frameon=False, fontsize=9
    )


def _wrapped(name: str) -> str:
    """A headline on two lines."""
    words = name.split()
    half = (len(words) + 1) // 2
    return f"{' '.join(words[:half])}\n{' '.join(words[half:])}"
