"""The notebook that ``crashsim new --notebook`` writes: load, run, look, change an assumption, sweep."""

from __future__ import annotations

import json
from string import Template
from typing import Any

_CELLS = (
    """# $name

Edit `$file`, run this again. `pip install "crashsim[notebook]"` brings what it needs.
Simulated from stated assumptions; nobody knows the true odds. Not financial advice.""",
    """import matplotlib.pyplot as plt

from simulator import load_scenario, simulate, sweep

scenario = load_scenario("$file")
run = simulate(scenario, paths=2_000, seed=1, keep_levels=True)
run""",
    """figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
run.plot("fan", ax=axes[0])
run.plot("exceedance", ax=axes[1]);""",
    """run.summary().query("entity == 'sp500'")""",
    """Change an assumption; with the same seed both runs share their noise.""",
    """changed = simulate(load_scenario("$file", overrides={"technology.elasticity": 1.4}), paths=2_000, seed=1)
print(run.verdict, changed.verdict, sep="\\n")""",
    """Sweep it. Cells are kept in the folder `results`: what is there is not computed again.""",
    """swept = sweep(scenario, {"technology.elasticity": [0.7, 1.0, 1.3]}, paths=512, seed=1)
swept.plot("lines").figure""",
)
_PROSE = (0, 4, 6)


def notebook(name: str, file: str) -> bytes:
    """A Jupyter notebook (format 4.5) without outputs, about the scenario ``name`` in ``file``."""
    cells = [
        _cell(place, Template(text).substitute(name=name, file=file))
        for place, text in enumerate(_CELLS)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode()


def _cell(place: int, text: str) -> dict[str, Any]:
    cell = {"id": f"cell-{place + 1}", "metadata": {}, "source": text.splitlines(keepends=True)}
    if place in _PROSE:
        return {"cell_type": "markdown", **cell}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **cell}
