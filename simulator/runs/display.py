"""How runs and sweeps show themselves in a notebook.

The figures lie above runs and sweeps, which have them as methods all the same: this module alone
reaches up, by name and only when a figure is drawn, as pandas reaches its plotting library.
"""

from __future__ import annotations

import base64
import html
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

PLOTS = "simulator.plots"
MOST_ROWS = 20
"""Of a table under a sentence."""


def plot(source: Any, kind: str, ax: Axes | None, **choice: Any) -> Axes | NDArray[np.object_]:
    """Draw a figure of a run or sweep into ``ax``, or into a figure of its own; its axes.

    ``choice`` and errors are those of :func:`simulator.plots.picture` and :func:`simulator.plots.draw_on`.
    """
    plots = import_module(PLOTS)
    kind = kind or next(iter(plots.available(source, choice["entity"])), plots.kinds(source)[0])
    of = plots.picture(kind, source, **choice)
    if ax is not None:
        drawn: Axes = plots.draw_on(of, ax)
        return drawn
    axes: list[Axes] = plots.draw(of).axes
    return axes[0] if of.panels is None else np.array(axes).reshape(of.panels[:2])


def page(source: Any, line: str, table: pd.DataFrame | None = None, sentence: str = "") -> str:
    """HTML for Jupyter: a sentence, a line below it, a table, a figure.

    Without a sentence and a table they are those of the figure. All text is escaped, and
    left alone by MathJax; nothing is fetched.
    """
    import pandas as pd  # late: slow to import

    plots = import_module(PLOTS)
    parts, kinds = [line], plots.available(source)
    of = plots.picture(kinds[0], source) if kinds else None
    if of is not None and table is None:
        columns, rows = of.shown()
        table, sentence = pd.DataFrame(rows[:MOST_ROWS], columns=columns), f"{of.headline}."
        if len(rows) > MOST_ROWS:
            parts.append(f"The first {MOST_ROWS} of {len(rows)} rows:")
    text = "".join(f"<p>{html.escape(part)}</p>" for part in [sentence, *parts] if part)
    if table is not None:
        with pd.option_context("display.max_colwidth", None):
            text += table.to_html(index=False, border=0)
    if of is not None:
        image = base64.b64encode(plots.render(plots.draw(of), "png", 100)).decode("ascii")
        text += f'<img alt="{html.escape(of.headline)}" src="data:image/png;base64,{image}">'
    return f'<div class="tex2jax_ignore mathjax_ignore">{text}</div>'
