"""How soon `crashsim run` answers, against the imports and the engine that it cannot do without.

``make bench`` runs this file, alone on the machine; ``first_answer.py`` prints every part.
"""

from __future__ import annotations

import os

import pytest
from first_answer import ENDS, repeated

FIRST_NUMBERS, SUMMARY = 1.6, 2.6
"""Seconds to the verdict, and to the whole text with the three other worlds, over (imports of numpy, pandas and
scipy + half of the engine's seconds)."""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two processes share the work")
def test_the_first_answer_comes_soon_after_what_it_cannot_do_without(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = {name: min(values) for name, values in repeated("deepseek", 5, bytecode=True).items()}
    ratio = {name: times[name] / times["floor"] for name in ENDS}
    with capsys.disabled():
        print(f"\n{'the fastest of five':24s} {'seconds':>8s} {'ratio':>8s}")
        print(f"{'imports + engine / 2':24s} {times['floor']:8.2f}")
        for name in ENDS:
            print(f"{name:24s} {times[name]:8.2f} {ratio[name]:8.2f}")
    assert ratio["first numbers"] <= FIRST_NUMBERS
    assert ratio["summary"] <= SUMMARY
