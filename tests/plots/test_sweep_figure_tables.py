"""Every table under a figure of a sweep against runs of its cells."""

from __future__ import annotations

from functools import cache

import pytest
from table_cells import Table, near, numbers, rounding

from simulator import load_scenario, simulate
from simulator.plots import picture
from simulator.scenario import Design, Scenario
from simulator.sweeps import Sweep, load_sweep
from simulator.sweeps.sweep import sweep

ELASTICITY, HAZARD = "technology.elasticity", "sentiment.hazard_slope"


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sweep]:
    """Small real sweeps over two assumptions, a year long."""
    designs = {
        "grid": Design.grid({ELASTICITY: [0.7, 1.3], HAZARD: [0.1, 0.6]}),
        "oat": Design.one_at_a_time([ELASTICITY, HAZARD]),
    }
    found = {}
    for name, design in designs.items():
        parent = tmp_path_factory.mktemp(name)
        sweep(one_year(), design, parent=parent)
        found[name] = load_sweep(next(parent.iterdir()))
    return found


def one_year(**values: float) -> Scenario:
    values = {"scenario.horizon_years": 1.0, **values}
    return load_scenario("deepseek", values).with_(paths=256, seed=3)


@cache
def median_fall(*values: tuple[str, float]) -> float:
    """The median fall of the S&P 500 in a run of its own."""
    metrics = simulate(one_year(**dict(values)), workers=1).metrics
    return float(metrics.query("entity == 'sp500'")["max_drawdown"].median())


def check_sweep(of: Table) -> None:
    """Each cell against a run of its own, and its change against the base."""
    heads, rows = of
    assert heads[0] == "cell"
    assert heads[-2:] == ["median fall", "change from the base (95 % interval)"]
    for row in rows:
        keys = zip(heads[1:-2], row[1:-2], strict=True)
        value = median_fall(*((key, float(cell)) for key, cell in keys if cell != "distribution"))
        near(row[-2], -value, slack=2e-4)  # values of assumptions are shown to four digits
        change, low, high = numbers(row[-1])
        assert change == pytest.approx(-100 * (value - median_fall()), abs=rounding(row[-1]) + 0.02)
        assert low <= change <= high


@pytest.mark.parametrize(
    ("design", "kind"), [("grid", "heatmap"), ("grid", "lines"), ("oat", "tornado")]
)
def test_the_table_under_a_figure_of_a_sweep_is_what_its_cells_say(
    sweeps: dict[str, Sweep], design: str, kind: str
) -> None:
    heads, rows = picture(kind, sweeps[design], statistic="median").shown()
    check_sweep((heads, rows))
    wrong = [[*row[:-2], other[-2], other[-1]] for row, other in zip(rows, rows[::-1], strict=True)]
    with pytest.raises(AssertionError):
        check_sweep((heads, wrong))
