"""Runs that would not fit are refused before they start."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from simulator.engine import memory
from simulator.errors import RunError

SIZES: dict[str, Any] = {
    "entities": 20,
    "steps": 260,
    "fan_times": 61,
    "inputs": 40,
    "block_paths": 4096,
    "workers": 1,
    "task_paths": 8192,
    "keep_levels": False,
}


def test_a_table_of_100_000_paths_costs_little_more_than_2_kB_a_path() -> None:
    sizes = SIZES | {"inputs": 0}
    rows = memory.needed(kept=100_000, **sizes) - memory.needed(kept=0, **sizes)
    assert 1_600 < rows / 100_000 < 2_150


def test_a_million_paths_fit_in_630_MB() -> None:
    memory.check(630_000_000, paths=1_000_000, keep_paths=100_000, **SIZES | {"inputs": 10})


@pytest.mark.parametrize("paths", [10**5, 10**8, 10**18])
def test_refusal_names_the_number_that_fits(paths: int) -> None:
    began = time.perf_counter()
    with pytest.raises(RunError, match=r"paths need about .* GB of memory") as caught:
        memory.check(10**9, paths=paths, keep_paths=10**18, **SIZES | {"keep_levels": True})
    assert time.perf_counter() - began < 1
    found = re.search(r"([\d,]+) paths in the tables would fit", str(caught.value))
    assert found is not None
    fit = int(found[1].replace(",", ""))
    fitting = SIZES | {"keep_levels": True, "keep_paths": 10**18}
    memory.check(10**9, paths=fit, **fitting)
    with pytest.raises(RunError):
        memory.check(10**9, paths=fit + 1, **fitting)
    assert caught.value.exit_code == 4


def test_a_budget_below_the_fixed_part() -> None:
    with pytest.raises(RunError, match="not one path would fit"):
        memory.check(1000, paths=1, keep_paths=1, **SIZES)


def test_the_default_budget_is_half_of_what_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 4_000_000_000)
    memory.check(None, paths=10_000, keep_paths=10_000, **SIZES)
    with pytest.raises(RunError, match=r"2\.00 GB are allowed"):
        memory.check(None, paths=10**8, keep_paths=10**8, **SIZES)


def test_available_is_a_plausible_number() -> None:
    assert 10**7 < memory.available() < 10**14
