"""Whether the checks have power: faults planted in model and measures, each caught by a check of this suite.

A mutant is a line of the source, changed and compiled anew. A check is a test that stands elsewhere.

1. sign of the elasticity            8. loss beyond 90 % clipped
2. annual taken for monthly rate     9. running maximum without the start
3. correlation transposed           10. float32 accumulation
4. horizon off by one               11. share of a member above 1
5. one stream for all blocks        12. interval half as wide
6. sqrt(dt) lost                    13. percentile from the wrong end
7. -sigma^2/2 lost                  14. assumptions drawn anew with the noise
"""

from __future__ import annotations
import __future__

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import test_attribution
import test_drawdown
import test_engine
import test_gbm_limit
import test_hindcast
import test_intervals
import test_reference
import test_shipped_scenarios
import test_streams
import test_summary
from scenario_texts import MINIMAL, load

from simulator.engine import attribution, block_simulation, factors, simulation
from simulator.engine.streams import addresses
from simulator.model import market, sentiment, technology
from simulator.runs import summary
from simulator.scenario import scenario
from simulator.scenario.scenario import load_scenario
from simulator.statistics import drawdown, intervals
from simulator.validation import block_history


@dataclass(frozen=True)
class Mutant:
    """``old`` becomes ``new`` in ``module.name``; ``check`` gets a folder to write in."""

    module: ModuleType
    name: str
    old: str
    new: str
    check: Callable[[Path], object]


def fair(folder: Path) -> None:
    test_engine.test_prices_are_fair_in_calm(
        load(folder, MINIMAL, test_engine.CALM | test_engine.YEAR)
    )


MUTANTS = {
    "sign of the elasticity": Mutant(
        technology,
        "TechnologyProcess._move_demand",
        "s.response -= elasticity * fall",
        "s.response += elasticity * fall",
        lambda folder: test_engine.test_knife_edge(folder, 0.7, 0.95),
    ),
    "annual taken for monthly rate": Mutant(
        sentiment,
        "SentimentProcess.expect",
        "-hazard * dt",
        "-hazard / 12.0",
        lambda _: (
            test_shipped_scenarios.test_the_ai_basket_crashes_within_two_years_as_often_as_after_other_run_ups()
        ),
    ),
    "correlation transposed": Mutant(
        simulation,
        "draw_assumptions",
        "root[row, j] * scores[j] for j in range(row + 1)",
        "root[j, row] * scores[j] for j in range(len(keys))",
        test_streams.test_correlated_assumptions_share_a_gaussian_copula,
    ),
    "horizon off by one": Mutant(
        scenario,
        "Scenario.steps",
        "round(self.horizon_years * self.steps_per_year)",
        "round(self.horizon_years * self.steps_per_year) - 1",
        lambda _: test_gbm_limit.test_spitzers_identity(0.0),
    ),
    "one stream for all blocks": Mutant(
        addresses,
        "address",
        "crc32(name.encode()), block",
        "crc32(name.encode()), 0",
        test_streams.test_blocks_in_any_order_alone_or_together,
    ),
    "sqrt(dt) lost": Mutant(
        market,
        "MarketProcess.__init__",
        "step = np.sqrt(dt)",
        "step = dt",
        lambda _: test_gbm_limit.test_lognormal_moments("SPREST"),
    ),
    "-sigma^2/2 lost": Mutant(
        factors,
        "factor_loadings",
        "-0.5 * beta**2",
        "0.0 * beta**2",
        fair,
    ),
    "loss beyond 90 % clipped": Mutant(
        drawdown,
        "DrawdownMeter.table",
        "1.0 - self._lowest",
        "np.minimum(1.0 - self._lowest, 0.9)",
        lambda _: test_drawdown.test_conformance([1, 3, 0, 0], 1.0, (1, 2, -1, 2)),
    ),
    "running maximum without the start": Mutant(
        drawdown,
        "DrawdownMeter.__init__",
        "self.high = start.copy()",
        "self.high = np.full_like(start, 1e-300)",
        lambda _: test_drawdown.test_a_first_loss_that_other_libraries_miss(),
    ),
    "float32 accumulation": Mutant(
        market,
        "MarketProcess.run",
        "last = np.stack([s.factor, s.variance, s.sector, s.firm_variance])",
        "last = np.stack([s.factor, s.variance, s.sector, s.firm_variance]).astype(np.float32)",
        lambda _: test_reference.assert_equal(
            load_scenario("calm", {"scenario.horizon_years": 0.25})
        ),
    ),
    "share of a member above 1": Mutant(
        attribution,
        "mean_ratio",
        "(growth + still) / (rise + still)",
        "np.maximum((growth + still) / (rise + still), 0.9)",
        lambda _: (
            test_attribution.test_an_index_takes_its_members_causes_by_logarithmic_mean_weights()
        ),
    ),
    "interval half as wide": Mutant(
        intervals,
        "_mean",
        "centre = len(values), float(values.mean())",
        "centre = 4 * len(values), float(values.mean())",
        lambda _: test_intervals.test_coverage_of_a_mean(test_intervals.LAWS["like depths"]),
    ),
    "percentile from the wrong end": Mutant(
        summary,
        "Paths.quantile",
        "quantile(self.values, q, self.support)",
        "quantile(self.values, 1 - q, self.support)",
        lambda _: test_summary.test_statistics_of_paths_are_numpys(),
    ),
    "assumptions drawn anew with the noise": Mutant(
        block_history,
        "BranchedShocks.assumption",
        "self._world.assumption(key)",
        "self._once('assumption:' + key)",
        lambda _: test_hindcast.test_share_of_assumptions_on_a_gaussian_toy(1.0, 2.0),
    ),
}


def plant(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    """Compile the changed source in its module and put it in the place of the original."""
    *path, name = mutant.name.split(".")
    owner: Any = mutant.module
    for part in path:
        owner = getattr(owner, part)
    original = vars(owner)[name]
    is_property = isinstance(original, property)
    source = textwrap.dedent(inspect.getsource(original.fget if is_property else original))
    assert source.count(mutant.old) == 1, f"the line of this mutant is gone from {mutant.name}"
    changed: dict[str, Any] = {}
    flags = __future__.annotations.compiler_flag
    code = compile(source.replace(mutant.old, mutant.new), mutant.name, "exec", flags)
    exec(code, vars(mutant.module), changed)
    monkeypatch.setattr(owner, name, changed[name])
    if owner is mutant.module:  # a function may have been imported by its name
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", {}).get(name) is original:
                monkeypatch.setattr(module, name, changed[name])


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Nothing that was worked out by a mutant, or before it, is used again."""

    def forget() -> None:
        for cached in (
            test_gbm_limit.log_levels,
            test_shipped_scenarios.block,
            test_shipped_scenarios.planned,
        ):
            cached.cache_clear()
        vars(block_simulation._per_thread).clear()

    forget()
    yield
    forget()


@pytest.mark.parametrize("name", MUTANTS)
@pytest.mark.usefixtures("forgetful")
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    plant(monkeypatch, mutant)
    with pytest.raises(AssertionError):
        mutant.check(tmp_path)


@pytest.mark.parametrize("name", MUTANTS)
@pytest.mark.usefixtures("forgetful")
def test_the_original_passes(name: str, tmp_path: Path) -> None:
    """A check that always fails catches nothing."""
    MUTANTS[name].check(tmp_path)
