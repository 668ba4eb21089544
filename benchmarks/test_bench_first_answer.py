"""How soon `crashsim run` answers, against the imports and the engine that it cannot do without.

``make bench`` runs this file, alone on the machine; ``first_answer.py`` prints every part.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from first_answer import repeated

GOAL = 1.6
"""Seconds of the command over those of (imports of numpy, pandas and scipy + half of the engine)."""
REACHED = {"first numbers": 1.3, "summary": 1.5}
"""The same in processor seconds of the command's own process, which other work hardly changes: about 1.0 and 1.25."""
ANSWERS = ("first numbers", "summary")
"""Up to the verdict, and up to the end of the text with the three other worlds."""


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists() or len(os.sched_getaffinity(0)) < 2,
    reason="reads /proc; two processes share the work",
)
def test_the_first_answer_comes_soon_after_what_it_cannot_do_without(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = repeated("deepseek", 5, bytecode=True)
    middle = {name: float(np.median(values)) for name, values in figures.items()}
    with capsys.disabled():
        print(f"\n{'over the floor':16s} {'median':>8s} {'least':>8s} {'most':>8s} {'CPU':>8s}")
        for name in ANSWERS:
            ratios = figures[f"{name} / floor"]
            columns = (np.median(ratios), min(ratios), max(ratios), middle[f"{name} / floor, CPU"])
            print(f"{name:16s} " + " ".join(f"{value:8.2f}" for value in columns))
    for name, bound in REACHED.items():
        assert middle[f"{name} / floor, CPU"] <= bound, name
    missed = [name for name in ANSWERS if middle[f"{name} / floor"] > GOAL]
    if missed:
        pytest.xfail(f"the goal of {GOAL} is missed by {' and '.join(missed)}")
