"""Correlated assumptions: the root of their matrix, and matrices that cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from scenario_texts import MINIMAL, UNCERTAIN, full_lines, load, told


def problems(folder: Path, text: str) -> str:
    return "\n".join(map(str, told(text, folder)))


def test_correlations_become_a_root(tmp_path: Path) -> None:
    keys, root = load(tmp_path, "\n".join(full_lines())).copula()
    assert keys == ("technology.annual_price_decline", "technology.elasticity")
    np.testing.assert_allclose(root @ root.T, [[1.0, 0.3], [0.3, 1.0]], atol=1e-12)
    keys, root = load(tmp_path, MINIMAL).copula()
    assert keys == ()
    assert root.shape == (0, 0)


PAIR = '\n[[correlations]]\nbetween = ["{}", "{}"]\nrho = {}\n'


def test_impossible_correlations_are_refused_and_a_possible_one_named(tmp_path: Path) -> None:
    lines = ["[technology]", *(f"{key} = {value}" for key, value in UNCERTAIN.items())]
    third = "autonomous_growth"
    text = MINIMAL + "\n" + "\n".join([*lines, f"{third} = {{ p5 = 0.1, p50 = 0.2, p95 = 0.5 }}"])
    a, b, c = "technology.elasticity", "technology.annual_price_decline", f"technology.{third}"
    text += PAIR.format(a, b, 0.9) + PAIR.format(b, c, 0.9)
    told = problems(tmp_path, text + PAIR.format(a, c, -0.9))
    mended = re.search(r"rho = (-?\d\.\d+) here", told)
    assert mended
    assert "contradict" in problems(tmp_path, text)  # the third pair, unnamed, would be 0
    assert load(tmp_path, text + PAIR.format(a, c, 0.7)).copula()[1].shape == (3, 3)
    line = int(told.split("bad.toml:")[1].split(":")[0])
    lines = (text + PAIR.format(a, c, -0.9)).splitlines()
    assert lines[line - 1].startswith("rho = ")
    lines[line - 1] = f"rho = {mended[1]}"
    assert load(tmp_path, "\n".join(lines)).copula()[1].shape == (3, 3)
    assert "twice" in problems(tmp_path, text + PAIR.format(b, a, 0.5))
    assert "itself" in problems(tmp_path, text + PAIR.format(a, a, 0.5))
    certain = problems(tmp_path, text + PAIR.format(a, "technology.price_volatility", 0.5))
    assert "not an uncertain assumption" in certain
    assert "-0.999 to 0.999" in problems(tmp_path, text + PAIR.format(a, c, 1.0))
