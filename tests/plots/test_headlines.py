"""Headlines of figures, held against the paths they summarise."""

import re
from dataclasses import replace

import numpy as np
import pytest
from synthetic_run import synthetic_run

from simulator.arrays import FloatArray
from simulator.plots import picture
from simulator.plots.causes import _shown_share
from simulator.plots.drivers import Elasticity
from simulator.runs.run import Run
from simulator.statistics import Estimate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("headlines"), paths=600)


def test_a_cause_is_a_share_of_what_pulls_down_not_of_a_sum_with_offsets(run: Run) -> None:
    """Causes of -60, -30 and +40 log points: the first is two thirds of what pulls down, not 120 % of the fall."""
    causes = np.zeros_like(run.results.causes)
    causes[:, :3] = np.array([-0.6, -0.3, 0.4])[:, None]
    of = picture("waterfall", replace(run, results=replace(run.results, causes=causes)))
    assert " makes 67 % of what pulls down" in of.headline
    assert "+40 push up" in of.subtitle
    assert "fall of −" not in of.headline + of.subtitle


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Estimate(0.03, 0.02, -0.01, 0.07), "3 % (0 to 7), noise"),
        (Estimate(-0.01, 0.02, -0.05, 0.03), "0 % (0 to 3), noise"),
        (Estimate(0.30, 0.02, 0.26, 0.34), "30 % (26 to 34)"),
    ],
)
def test_a_share_of_variance_is_never_below_nothing(share: Estimate, text: str) -> None:
    assert _shown_share(share) == text


@pytest.mark.parametrize("moved", [False, True])
def test_elasticity_is_said_to_matter_only_where_its_ends_differ(run: Run, moved: bool) -> None:
    row = run.entities.index("sp500")
    depth = np.asarray(run.results.measures["max_drawdown"][row], float)
    rng = np.random.default_rng(3)
    drawn = np.argsort(np.argsort(depth)) if moved else rng.permutation(depth.size)
    inputs: dict[str, FloatArray] = {Elasticity.key: 0.5 + drawn / depth.size}
    of = picture("elasticity", replace(run, results=replace(run.results, inputs=inputs)))
    ends = of.table.iloc[[0, -1]][["reach low", "reach high"]].to_numpy()
    overlap = ends[0, 0] <= ends[1, 1] and ends[1, 0] <= ends[0, 1]
    assert overlap != moved
    assert ("too little" in of.headline) == overlap


def test_no_text_for_people_has_a_fall_with_a_minus_sign(run: Run) -> None:
    """A fall of -65 % would be a rise."""
    from summary_text import terminal_summary

    from simulator.reports.run_html import html_report

    negative = re.compile(
        r"\b(falls?|fell|lose|loses|lost|declines?) (of|by|at least|at least by) [−-]\d"
    )
    pages = (html_report(run), terminal_summary(run, full=True))
    for page in pages:
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
        assert not negative.search(text)
    assert negative.search("a fall of −65 %")
