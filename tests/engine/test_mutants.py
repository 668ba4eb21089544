"""Whether the checks have power: faults planted in model and measures, each caught by a check of this suite.

A mutant replaces a function or method by a wrong one. A check is a test that stands elsewhere.

1. sign of the elasticity            8. loss beyond 90 % clipped
2. annual taken for monthly rate     9. running maximum without the start
3. correlation transposed           10. float32 accumulation
4. horizon off by one               11. share of a member above 1
5. one stream for all blocks        12. interval half as wide
6. sqrt(dt) lost                    13. percentile from the wrong end
7. -sigma^2/2 lost                  14. assumptions drawn anew with the noise
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scenario_texts import MINIMAL, load

from simulator.engine import attribution, factors
from simulator.engine.streams import BlockShocks, addresses
from simulator.model.market import MarketProcess
from simulator.model.sentiment import SentimentProcess
from simulator.model.technology import TechnologyProcess
from simulator.runs.samples import Paths
from simulator.scenario import Scenario
from simulator.scenario.scenario import load_scenario
from simulator.statistics import intervals
from simulator.statistics.drawdown import DrawdownMeter
from simulator.validation.block_history import BranchedShocks

Wrong = Callable[..., Any]
"""Takes the right function, then its arguments."""


def wrong_elasticity(init: Any, self: Any, params: Any, *rest: Any) -> None:
    init(self, params, *rest)
    ends = {key: -getattr(params, key) for key in ("elasticity", "saturation_elasticity")}
    self.params = params.model_copy(update=ends)


def monthly_hazard(expect: Any, self: Any, *args: Any) -> None:
    expect(self, *args)
    self._chance = 1.0 - (1.0 - self._chance) ** (1 / (12 * self.dt))


def step_without_root(init: Any, self: Any, params: Any, table: Any, dt: float, *rest: Any) -> None:
    init(self, params, table, dt, *rest)
    self._common[0] *= np.sqrt(dt)


def drift_without_variance(loadings: Any, *args: Any) -> Any:
    kept = [name != "variance" for _, name in factors.FACTORS]
    return loadings(*args) * kept


def maximum_without_start(init: Any, self: Any, *args: Any) -> None:
    init(self, *args)
    self.high[...] = 1e-300


def narrow_accumulation(run: Any, self: Any, state: Any, *args: Any) -> Any:
    for name in ("factor", "variance", "sector", "firm_variance"):
        setattr(state, name, getattr(state, name).astype(np.float32))
    return run(self, state, *args)


def half_as_wide(mean: Any, values: Any) -> Any:
    found = mean(values)
    ends = {end: (found.value + getattr(found, end)) / 2 for end in ("low", "high")}
    return replace(found, **ends)


@dataclass(frozen=True)
class Mutant:
    """``wrong`` in place of ``owner.name``; ``check`` is a test's name and arguments, "folder" for a new one."""

    owner: Any
    name: str
    wrong: Wrong
    check: tuple[Any, ...]


MUTANTS = {
    "sign of the elasticity": Mutant(
        TechnologyProcess,
        "__init__",
        wrong_elasticity,
        ("test_engine.test_knife_edge", "folder", 0.7, 0.95),
    ),
    "annual taken for monthly rate": Mutant(
        SentimentProcess,
        "expect",
        monthly_hazard,
        (
            "test_shipped_scenarios."
            "test_the_ai_basket_crashes_within_two_years_as_often_as_after_other_run_ups",
        ),
    ),
    "correlation transposed": Mutant(
        Scenario,
        "copula",
        lambda copula, self: (copula(self)[0], copula(self)[1].T),
        ("test_streams.test_correlated_assumptions_share_a_gaussian_copula", "folder"),
    ),
    "horizon off by one": Mutant(
        Scenario,
        "steps",
        lambda steps, self: steps(self) - 1,
        ("test_gbm_limit.test_spitzers_identity", 0.0),
    ),
    "one stream for all blocks": Mutant(
        addresses,
        "address",
        lambda address, seed, name, block: address(seed, name, 0),  # noqa: ARG005
        ("test_streams.test_blocks_in_any_order_alone_or_together", "folder"),
    ),
    "sqrt(dt) lost": Mutant(
        MarketProcess,
        "__init__",
        step_without_root,
        ("test_gbm_limit.test_lognormal_moments", "SPREST"),
    ),
    "-sigma^2/2 lost": Mutant(
        factors,
        "factor_loadings",
        drift_without_variance,
        ("test_engine.test_prices_are_fair_in_calm", "calm year"),
    ),
    "loss beyond 90 % clipped": Mutant(
        DrawdownMeter,
        "table",
        lambda table, self: table(self)._replace(
            max_drawdown=np.minimum(table(self).max_drawdown, 0.9)
        ),
        ("test_drawdown.test_conformance", [1, 3, 0, 0], 1.0, (1, 2, -1, 2)),
    ),
    "running maximum without the start": Mutant(
        DrawdownMeter,
        "__init__",
        maximum_without_start,
        ("test_drawdown.test_a_first_loss_that_other_libraries_miss",),
    ),
    "float32 accumulation": Mutant(
        MarketProcess,
        "run",
        narrow_accumulation,
        ("test_reference.assert_equal", "calm quarter"),
    ),
    "share of a member above 1": Mutant(
        attribution,
        "mean_ratio",
        lambda ratio, *args: np.maximum(ratio(*args), 0.9),
        ("test_attribution.test_an_index_takes_its_members_causes_by_logarithmic_mean_weights",),
    ),
    "interval half as wide": Mutant(
        intervals,
        "mean",
        half_as_wide,
        ("test_intervals.test_coverage_of_a_mean", "LAWS"),
    ),
    "percentile from the wrong end": Mutant(
        Paths,
        "quantile",
        lambda quantile, self, q: quantile(self, 1 - q),
        ("test_summary.test_statistics_of_paths_are_numpys",),
    ),
    "assumptions drawn anew with the noise": Mutant(
        BranchedShocks,
        "assumption",
        lambda _, self, key: BlockShocks.assumption(self, key),
        ("test_hindcast.test_share_of_assumptions_on_a_gaussian_toy", 1.0, 2.0),
    ),
}


def plant(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    """Put the wrong function in the place of the right one, wherever it was imported by its name."""
    right = vars(mutant.owner)[mutant.name]
    if isinstance(right, property):
        getter = right.fget
        planted: Any = property(lambda self: mutant.wrong(getter, self))
    else:

        def planted(*args: Any, **named: Any) -> Any:
            return mutant.wrong(right, *args, **named)

    monkeypatch.setattr(mutant.owner, mutant.name, planted)
    if isinstance(mutant.owner, ModuleType):
        for name, module in list(sys.modules.items()):
            if name.startswith("simulator.") and vars(module).get(mutant.name) is right:
                monkeypatch.setattr(module, mutant.name, planted)


def run_check(monkeypatch: pytest.MonkeyPatch, mutant: Mutant, folder: Path) -> None:
    """Run a check with nothing left of an earlier one: its module is imported anew, its thread is new."""
    place, *args = mutant.check
    module, _, name = place.partition(".")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module, fresh)
    spec.loader.exec_module(fresh)
    special: dict[str, Callable[[], Any]] = {
        "folder": lambda: folder,
        "calm year": lambda: load(folder, MINIMAL, fresh.CALM | fresh.YEAR),
        "calm quarter": lambda: load_scenario("calm", {"scenario.horizon_years": 0.25}),
        "LAWS": lambda: fresh.LAWS["like depths"],
    }
    given = [special[arg]() if isinstance(arg, str) and arg in special else arg for arg in args]
    with ThreadPoolExecutor(1) as thread:
        thread.submit(getattr(fresh, name), *given).result()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    plant(monkeypatch, mutant)
    with pytest.raises(AssertionError):
        run_check(monkeypatch, mutant, tmp_path)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_check_of_a_mutant_passes_without_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A check that always fails catches nothing."""
    run_check(monkeypatch, MUTANTS[name], tmp_path)
