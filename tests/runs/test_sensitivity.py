"""Which assumption moves which result: rank correlations, their intervals, the weakest link."""

from __future__ import annotations

import json
from dataclasses import replace
from math import asin, inf, pi
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_run import synthetic_run

from simulator.arrays import FloatArray
from simulator.runs import sensitivity
from simulator.runs.run import Run
from simulator.schema.parameters import Strength
from simulator.schema.sources import Source
from simulator.statistics.intervals import Estimate
from simulator.statistics.rank_correlation import rank_correlation, ranks

KEY = "technology.elasticity"


def spearman(x: FloatArray, y: FloatArray) -> Estimate:
    return rank_correlation(ranks(x), ranks(y))


def sensitivities(run: Run) -> pd.DataFrame:
    return sensitivity.sensitivities(run.scenario, run.results)


def weakest_link(run: Run) -> str:
    return sensitivity.weakest_link(run.scenario, run.results)


def document(run: Run) -> list[dict[str, Any]]:
    return sensitivity.document(run.scenario, run.results)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("sensitivity"))


def moved(run: Run, drawn: FloatArray, strength: Strength = "D") -> Run:
    """The run as if its uncertain assumption had been drawn so, on evidence of this strength."""
    sources = {KEY: Source(source="a test", strength=strength)}
    return replace(
        run,
        results=replace(run.results, inputs={KEY: drawn}),
        scenario=replace(run.scenario, sources=sources),
    )


def falls(run: Run, entity: str = "sp500") -> FloatArray:
    row = run.entities.index(entity)
    return np.asarray(run.results.measures["max_drawdown"][row], np.float64)


@pytest.mark.parametrize("decimals", [6, 1, 0])
@pytest.mark.parametrize("n", [10, 501, 20_000])
def test_it_is_spearman_with_and_without_ties(n: int, decimals: int) -> None:
    random = np.random.default_rng(n)
    x = random.standard_normal(n)
    y = np.round(0.5 * x + random.standard_normal(n), decimals)
    found = spearman(np.round(x, decimals), y)
    assert found.value == pytest.approx(
        stats.spearmanr(np.round(x, decimals), y).statistic, abs=1e-12
    )
    assert -1 <= found.low < found.value < found.high <= 1


def test_a_monotone_effect_is_seen_in_full_and_a_constant_is_not_called_harmless() -> None:
    x = np.linspace(0.1, 3.0, 50)
    assert spearman(x, np.exp(x)).value == 1.0
    assert spearman(x, -(x**3)).value == -1.0
    unknown = spearman(x, np.ones(50))
    assert (unknown.value, unknown.mc_error, unknown.low, unknown.high) == (0.0, inf, -1.0, 1.0)


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.6, 0.9])
def test_intervals_hold_the_truth_in_95_of_100(rho: float) -> None:
    """On bivariate normals, whose rank correlation is 6 / pi asin(rho / 2)."""
    random, n, times = np.random.default_rng(1), 300, 2_000
    truth, hits = 6 / pi * asin(rho / 2), 0
    for _ in range(times):
        x = random.standard_normal(n)
        y = rho * x + np.sqrt(1 - rho**2) * random.standard_normal(n)
        found = spearman(x, y)
        hits += found.low <= truth <= found.high
    assert 0.935 <= hits / times <= 0.965


def test_intervals_hold_where_noise_grows_and_the_effect_bends() -> None:
    """As falls do: bounded, skewed, noisier where deeper. The truth comes from a large sample."""
    random = np.random.default_rng(2)

    def sample(n: int) -> tuple[FloatArray, FloatArray]:
        x = random.triangular(0.6, 1.0, 1.6, n)
        return x, np.clip(0.2 * x**2 * np.exp(0.6 * x * random.standard_normal(n)), 0.0, 1.0)

    truth = spearman(*sample(1_000_000)).value
    hits = sum(
        found.low <= truth <= found.high for found in (spearman(*sample(400)) for _ in range(1_500))
    )
    assert 0.93 <= hits / 1_500 <= 0.97


def test_every_assumption_with_every_group(run: Run) -> None:
    table = sensitivities(moved(run, falls(run, "mag7")))
    assert list(table["entity"]) == list(run.scenario.universe.groups)
    assert set(table["key"]) == {KEY}
    assert table.loc[table["moves_most"], "entity"].tolist() == ["mag7"]
    assert table.set_index("entity").loc["mag7", "rank_correlation"] == 1.0
    assert set(table["strength"]) == {"D"}


@pytest.mark.parametrize(
    ("sign", "strength", "says"),
    [
        (1, "D", ("judgement (D)", "deeper falls")),
        (-1, "C", ("evidence is thin (C)", "milder falls")),
        (1, "A", ("measured (A)", "+")),
    ],
)
def test_the_weakest_link_is_named(
    run: Run, sign: int, strength: Strength, says: tuple[str, ...]
) -> None:
    noise = np.random.default_rng(3).standard_normal(run.paths) * 0.1
    text = weakest_link(moved(run, sign * falls(run) + noise, strength))
    assert text.startswith(f"The weakest link is {KEY}: ")
    assert "the largest fall of the S&P 500" in text
    for words in says:
        assert words in text


def test_no_link_is_named_where_there_is_none(run: Run) -> None:
    noise = np.random.default_rng(4).permutation(falls(run))
    assert "These paths cannot tell" in weakest_link(moved(run, noise))
    fixed = replace(run, results=replace(run.results, inputs={}))
    assert "a single number" in weakest_link(fixed)
    assert document(fixed) == []
    assert sensitivities(fixed).empty


@pytest.mark.parametrize(
    ("r", "named"), [(0.03, False), (0.05, False), (0.15, True), (-0.15, True)]
)
def test_an_assumption_that_moves_little_is_not_named_however_sure_it_is(
    tmp_path: Path, r: float, named: bool
) -> None:
    """The rank correlation by scipy: 4,000 paths know .05 to .016, and it still moves next to nothing."""
    run = synthetic_run(tmp_path, paths=4_000)
    depth = falls(run)
    scores = stats.norm.ppf(stats.rankdata(depth) / (depth.size + 1))
    noise = np.random.default_rng(8).standard_normal(depth.size)
    drawn = (
        2 * np.sin(np.pi * r / 6) * scores + np.sqrt(1 - (2 * np.sin(np.pi * r / 6)) ** 2) * noise
    )
    assert stats.spearmanr(drawn, depth).statistic == pytest.approx(r, abs=0.03)
    text = weakest_link(moved(run, drawn))
    assert (KEY in text) == named
    assert ("No single uncertain assumption" in text) == (not named)


def test_doubt_counts_as_well_as_effect(run: Run) -> None:
    """Of two, the one with more effect but better evidence may be the stronger link."""
    noise = np.random.default_rng(6).standard_normal((2, run.paths))
    other = "sentiment.contagion"
    inputs = {KEY: falls(run) + 0.10 * noise[0], other: falls(run) + 0.12 * noise[1]}
    both = replace(run, results=replace(run.results, inputs=inputs))
    cases: list[tuple[dict[str, Strength], str]] = [
        ({KEY: "A", other: "D"}, other),
        ({KEY: "D", other: "A"}, KEY),
    ]
    for grades, winner in cases:
        sources = {key: Source(source="a test", strength=grade) for key, grade in grades.items()}
        scenario = replace(both.scenario, sources=sources)
        file = replace(scenario.file, data={**scenario.file.data, "sentiment": {"contagion": 0.3}})
        assert f"The weakest link is {winner}" in weakest_link(
            replace(both, scenario=replace(scenario, file=file))
        )


def test_one_path_and_the_document(tmp_path: Path, run: Run) -> None:
    one = synthetic_run(tmp_path, paths=1)
    assert "These paths cannot tell" in weakest_link(one)
    (row,) = json.loads(json.dumps(one.document(), allow_nan=False))["assumptions"]
    assert row["rank_correlation"]["sp500"] == {
        "value": 0.0,
        "mc_error": None,
        "low": -1.0,
        "high": 1.0,
    }
    (row,) = document(run)
    assert row["key"] == KEY
    assert row["moves_most"] in run.scenario.universe.groups
    assert set(row["rank_correlation"]) == set(run.scenario.universe.groups)
    assert run.document()["weakest_link"] == weakest_link(run)
