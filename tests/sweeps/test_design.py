"""Designs of a sweep: what a spec means, which cells follow, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenario_texts import MINIMAL, load, told
from scipy.stats import spearmanr

from simulator.errors import ScenarioError, UsageError
from simulator.scenario.scenario import Scenario
from simulator.scenario.sweep_design import Design, Value, parse_vary
from simulator.sweeps.design import design_cells, resolve_design, scenario_design
from simulator.sweeps.design_file import read_design, samples

PRICE, ELASTIC = "technology.annual_price_decline", "technology.elasticity"
UNCERTAIN = f"""{MINIMAL}
[technology]
elasticity = {{ p5 = 0.7, p50 = 1.1, p95 = 1.8 }}
annual_price_decline = {{ dist = "uniform", low = 0.5, high = 0.9 }}

[[correlations]]
between = ["{ELASTIC}", "{PRICE}"]
rho = 0.8
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    return load(tmp_path, UNCERTAIN)


def values(spec: Any) -> tuple[Value, ...] | None:
    return Design.grid({ELASTIC: spec}).axes[0].values


def test_specs() -> None:
    assert values("0.6, 1,1.4") == (0.6, 1, 1.4)
    assert values([0.6, 1.0]) == (0.6, 1.0)
    assert values(np.array([0.6, 1.0])) == (0.6, 1.0)
    assert values(0.7) == (0.7,)
    assert values("0.5:0.98:9") == (0.5, 0.56, 0.62, 0.68, 0.74, 0.8, 0.86, 0.92, 0.98)
    assert values("log:1:1000:4") == (1.0, 10.0, 100.0, 1000.0)
    assert values("-1e-3,+2") == (-0.001, 2)


def test_a_range_gives_the_numbers_that_a_list_would() -> None:
    # 0.5 + 0.12 is 0.62 to a reader and 0.6199999999999999 to a machine: one cell, not two.
    assert set(values("0.1:0.9:9") or ()) == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}


@pytest.mark.parametrize(
    "spec",
    [
        *("", "a,b", "1,,2", "nan", "inf", "0x10", "1_0", "1,1"),
        *("1:2", "1:2:3:4", "1:2:1", "1:2:2.5", "1:2:1000001", "log:0:1:3", "log:1:2"),
        *([True], [None], []),
    ],
)
def test_specs_that_are_refused(spec: Any) -> None:
    with pytest.raises(UsageError, match=r"technology\.elasticity"):
        values(spec)


def test_a_grid_has_every_combination_the_last_key_fastest(scenario: Scenario) -> None:
    design = resolve_design(Design.grid({ELASTIC: "0.6,1.0", PRICE: "0.5:0.7:3"}), scenario)
    cells = list(design_cells(design, scenario))
    assert len(design) == len(cells) == 6
    assert cells[:2] == [{ELASTIC: 0.6, PRICE: 0.5}, {ELASTIC: 0.6, PRICE: 0.6}]
    assert len({tuple(cell.values()) for cell in cells}) == 6


def test_a_zip_goes_through_its_lists_together(scenario: Scenario) -> None:
    design = resolve_design(Design.zip({ELASTIC: [0.6, 1.0], PRICE: [0.7, 0.8]}), scenario)
    assert list(design_cells(design, scenario)) == [
        {ELASTIC: 0.6, PRICE: 0.7},
        {ELASTIC: 1.0, PRICE: 0.8},
    ]
    with pytest.raises(UsageError, match="differ in length"):
        Design.zip({ELASTIC: [0.6, 1.0], PRICE: [0.7]})


def test_one_at_a_time_takes_low_median_and_high(scenario: Scenario) -> None:
    design = resolve_design(Design.one_at_a_time(), scenario)
    cells = list(design_cells(design, scenario))
    assert len(design) == len(cells) == 6
    assert [cell[ELASTIC] for cell in cells if ELASTIC in cell] == pytest.approx([0.7, 1.1, 1.8])
    assert [cell[PRICE] for cell in cells if PRICE in cell] == pytest.approx([0.52, 0.7, 0.88])
    own = resolve_design(Design.one_at_a_time({ELASTIC: "0.9,1.2"}), scenario)
    assert list(design_cells(own, scenario)) == [{ELASTIC: 0.9}, {ELASTIC: 1.2}]


@pytest.mark.parametrize("kind", ["lhs", "sobol"])
def test_samples_follow_the_distributions_and_their_correlation(
    kind: str, scenario: Scenario
) -> None:
    design = resolve_design(Design.of(kind, {}, size=256, seed=3), scenario)
    cells = list(design_cells(design, scenario))
    assert design.keys == (PRICE, ELASTIC)
    drawn = np.array([[cell[key] for key in design.keys] for cell in cells])
    low, middle, high = np.quantile(drawn[:, 1], [0.05, 0.5, 0.95])
    assert (low, middle, high) == pytest.approx((0.7, 1.1, 1.8), abs=0.06)
    assert np.quantile(drawn[:, 0], [0.25, 0.75]) == pytest.approx([0.6, 0.8], abs=0.02)
    together = spearmanr(drawn[:, 0], drawn[:, 1]).statistic
    assert together == pytest.approx(0.79, abs=0.08)  # of scores correlated by 0.8
    assert list(design_cells(design, scenario)) == cells
    other = resolve_design(Design.of(kind, {}, size=256, seed=4), scenario)
    assert list(design_cells(other, scenario)) != cells


def test_samples_without_the_correlation_are_independent(tmp_path: Path) -> None:
    scenario = load(tmp_path, UNCERTAIN.split("[[correlations]]")[0])
    design = resolve_design(Design.lhs(256), scenario)
    drawn = np.array([list(cell.values()) for cell in design_cells(design, scenario)])
    assert abs(spearmanr(drawn[:, 0], drawn[:, 1]).statistic) < 0.2


def test_every_stratum_of_a_hypercube_is_hit_once(scenario: Scenario) -> None:
    design = resolve_design(
        Design.lhs(20), scenario
    )  # the correlation changes the order, not the strata
    drawn = np.array([cell[PRICE] for cell in design_cells(design, scenario)])
    assert sorted(((drawn - 0.5) / 0.4 * 20).astype(int)) == list(range(20))


@pytest.mark.parametrize(
    ("kind", "vary", "size", "message"),
    [
        ("cube", {ELASTIC: "1,2"}, None, "no design is called cube"),
        ("grid", {ELASTIC: None}, None, "needs values"),
        ("grid", {}, None, "needs a key"),
        ("lhs", {ELASTIC: "1,2"}, 8, "its own distribution"),
        ("lhs", {}, None, "needs a number of cells"),
        ("grid", {ELASTIC: "1,2"}, 8, "say how many cells"),
        ("sobol", {}, 12, "power of 2"),
        ("grid", {"scenario.paths": "10,20"}, None, "cannot vary"),
    ],
)
def test_designs_that_are_refused(
    kind: str, vary: dict[str, Any], size: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Design.of(kind, vary, size=size)


def test_what_the_scenario_has_no_distribution_for(scenario: Scenario) -> None:
    with pytest.raises(UsageError, match=r"technology.elasticty has no distribution.*elasticity"):
        resolve_design(Design.lhs(8, ["technology.elasticty"]), scenario)


def test_values_that_are_not_allowed_are_all_named(scenario: Scenario) -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve_design(Design.grid({ELASTIC: [-5, 1.0], PRICE: [0.7, 7]}), scenario)
    assert len(caught.value.problems) == 2
    with pytest.raises(ScenarioError, match="elastisity"):
        resolve_design(Design.grid({"technology.elastisity": [1.0]}), scenario)


def test_too_many_cells_are_refused(scenario: Scenario) -> None:
    with pytest.raises(UsageError, match="cells; a sweep has"):
        resolve_design(Design.grid({ELASTIC: "0.6:1.6:1001", PRICE: "0.5:0.9:1001"}), scenario)


def test_documents_go_round(scenario: Scenario) -> None:
    for design in (Design.grid({ELASTIC: "0.6,1"}), Design.lhs(8), Design.one_at_a_time([PRICE])):
        whole = resolve_design(design, scenario)
        assert Design.from_document(whole.document()) == whole


def test_vary_options() -> None:
    assert parse_vary("a.b=1,2") == ("a.b", "1,2")
    assert parse_vary(" a.b ") == ("a.b", None)
    for text in ("", "=1", "a="):
        with pytest.raises(UsageError, match="expected KEY="):
            parse_vary(text)


def test_the_sweep_table_of_a_file(tmp_path: Path) -> None:
    text = UNCERTAIN + (
        '\n[sweep]\ndesign = "grid"\n[sweep.vary]\ntechnology.elasticity = [0.6, 1.0]\n'
        f'"{PRICE}" = "0.6:0.8:3"\n'
    )
    scenario = load(tmp_path, text)
    assert scenario_design(scenario) == Design.grid({ELASTIC: [0.6, 1.0], PRICE: "0.6:0.8:3"})
    assert scenario.digest == load(tmp_path, UNCERTAIN).digest  # a run takes no notice of it
    assert scenario_design(load(tmp_path, UNCERTAIN)) is None
    drawn = load(tmp_path, f'{UNCERTAIN}\n[sweep]\ndesign = "lhs"\ncells = 4\n')
    assert scenario_design(drawn) == Design.lhs(4)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('design = "cube"', "cube"),
        ('design = "sobol"\ncells = 3', "power of 2"),
        ('vary = { "technology.elasticity" = "1:2" }', "range"),
        ("cells = 0", "0"),
        ("colour = 1", "colour"),
        ("", "needs a key"),
    ],
)
def test_bad_sweep_tables(table: str, message: str, tmp_path: Path) -> None:
    found = told(f"{UNCERTAIN}\n[sweep]\n{table}\n", tmp_path)
    assert found
    assert message in " ".join(map(str, found))
    assert all(problem.key.startswith("sweep") for problem in found)


def test_a_design_file_has_a_row_a_cell(tmp_path: Path, scenario: Scenario) -> None:
    path = tmp_path / "design.csv"
    path.write_text(f"{ELASTIC},{PRICE}\n0.7,0.5\n0.7,0.9\n1,0.5\n", encoding="utf-8")
    design = resolve_design(read_design(path), scenario)
    assert list(design_cells(design, scenario)) == [
        {ELASTIC: 0.7, PRICE: 0.5},
        {ELASTIC: 0.7, PRICE: 0.9},
        {ELASTIC: 1, PRICE: 0.5},
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{ELASTIC}\n", "rows of values"),
        (f"{ELASTIC}\nx\n0.5,1\n", "design.csv:2: `x` is not a number\n"),
        (f"{ELASTIC}\n0.5\n0.5\n", "the same values"),
        (f"{ELASTIC},{ELASTIC}\n0.5,1\n", "each key once"),
        ("scenario.paths\n5\n", "cannot vary"),
        (f'{ELASTIC}\n"1\n', "quotation mark"),
    ],
)
def test_a_design_file_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "design.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_design(path)
    assert says in str(caught.value)


def test_samples_of_a_salib_problem() -> None:
    problem = {"num_vars": 2, "names": [ELASTIC, PRICE], "bounds": [[0.5, 2], [0.5, 0.9]]}
    design = samples(problem, np.array([[0.6, 0.5], [0.6, 0.8]]))
    assert [axis.values for axis in design.axes] == [(0.6, 0.6), (0.5, 0.8)]
    with pytest.raises(UsageError, match=r"is 0\.95 in sample 1: expected 0\.5 to 0\.9"):
        samples(problem, [[0.6, 0.5], [0.6, 0.95]])
    with pytest.raises(UsageError, match="do not fit 2 names"):
        samples(problem, [[0.6]])
