"""Runs that go on until a number is known well enough."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import CommandLine

from simulator import load_scenario, simulate
from simulator.arrays import FloatArray
from simulator.engine.executors import Processes
from simulator.errors import UsageError
from simulator.runs import runner
from simulator.runs.load import load_run
from simulator.runs.run import Run
from simulator.runs.stopping_rule import Goal, SequentialStopping, half_width, parse_goal
from simulator.runs.storage import read_manifest
from simulator.scenario.scenario import Scenario
from simulator.statistics.intervals import Estimate, mean, probability, quantile
from simulator.worker_pool import WorkerPool

FALL = "P(sp500.max_drawdown >= 0.2)"
FIRST, STEP = 4096, 2048


def goal(text: str) -> Goal:
    return parse_goal(text, {"sp500": "S&P 500", "NVDA": "NVIDIA"})


@lru_cache
def quarter() -> Scenario:
    return load_scenario("deepseek", overrides={"scenario.horizon_years": 0.25})


@lru_cache
def run(text: str = f"{FALL} +-0.6pp", **options: int) -> Run:
    return simulate(quarter(), until=text, **options)  # type: ignore[arg-type]


# --- the sentence ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "width", "relative"),
    [
        (f"{FALL} +-0.5pp", 0.005, False),
        ("P(sp500.max_drawdown>=.2)+-5%", 0.05, True),
        (" median( NVDA.max_drawdown ) ± 0.2pp ", 0.002, False),
        ("mean(sp500.time_to_trough) +/- 0.01", 0.01, False),
        ("worst_1_in_20(sp500.max_drawdown) +- 1 %", 0.01, True),
    ],
)
def test_goals(text: str, width: float, relative: bool) -> None:
    found = goal(text)
    assert found.width == pytest.approx(width)
    assert found.relative is relative
    assert found.text == text.strip()
    assert found.threshold.metric in ("max_drawdown", "terminal_return", "time_to_trough")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read; write it as P(sp500.max_drawdown >= 0.49) +-0.5pp"),
        (FALL, "cannot be read"),
        (f"{FALL} +-0pp", "a width of 0 is never reached"),
        (f"{FALL} +--1pp", "cannot be read"),
        ("P(sp501.max_drawdown >= 0.2) +-1pp", "unknown entity `sp501`"),
        ("mode(sp500.max_drawdown) +-1pp", "unknown statistic `mode`"),
        ("P(sp500.max_drawdown) +-1pp", "write it as P(sp500.max_drawdown >= 0.49) +-0.5pp"),
        (f"{FALL} < 0.1 +-1pp", "cannot be read"),
    ],
)
def test_goals_that_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        goal(text)
    assert said in str(error.value)
    assert "threshold" not in str(error.value)


# --- the rule -------------------------------------------------------------------------------


def follow(rule: SequentialStopping, estimate: Callable[[int], Estimate]) -> tuple[Estimate, int]:
    """Look as a run does, ``estimate(n)`` being what it knows after ``n`` paths."""
    while True:
        n = rule.next
        if rule.enough(found := estimate(n), n):
            return found, n


def hits_of(p: float, rng: np.random.Generator) -> Callable[[int], Estimate]:
    seen = [0, 0]

    def estimate(n: int) -> Estimate:
        seen[1] += int(rng.binomial(n - seen[0], p))
        seen[0] = n
        return probability(seen[1], n)

    return estimate


@pytest.mark.parametrize(
    ("p", "width"), [(0.2, "0.5pp"), (0.02, "20%"), (0.001, "50%"), (0.01, "0.3pp"), (0.5, "2%")]
)
def test_coverage_of_probabilities(p: float, width: str) -> None:
    """2,000 runs with stopping: the printed interval holds the truth, the wanted width surely does."""
    rng = np.random.default_rng(1)
    wanted = goal(f"{FALL} +-{width}")
    printed = within = 0
    needed = []
    for _ in range(2000):
        found, n = follow(SequentialStopping(wanted, FIRST, STEP, 10**7), hits_of(p, rng))
        printed += found.low <= p <= found.high
        within += abs(found.value - p) <= wanted.wanted(found)
        assert half_width(found) <= wanted.wanted(found)
        needed.append(n)
    assert 0.925 <= printed / 2000 <= 0.98
    assert within / 2000 >= 0.95
    assert max(needed) < 20 * min(needed), "it does not run away"


def test_what_the_rule_is_for() -> None:
    """Negative control, on skewed numbers: looking all the time is wrong far more often than 5 %."""
    wanted = goal("mean(sp500.max_drawdown) +-40%")
    truth, rng = float(np.exp(1.5**2 / 2)), np.random.default_rng(2)
    eager = ruled = 0
    for _ in range(300):
        drawn = np.exp(1.5 * rng.standard_normal(200_000))
        n = 20
        while half_width(found := mean(drawn[:n])) > wanted.wanted(found):
            n += 10
        eager += not found.low <= truth <= found.high
        found, _ = follow(SequentialStopping(wanted, 20, 10, 10**5), lambda n, x=drawn: mean(x[:n]))  # type: ignore[misc]
        ruled += abs(found.value - truth) > wanted.wanted(found)
    assert eager / 300 > 0.10
    assert ruled / 300 < 0.07


@pytest.mark.parametrize(
    "text", ["median(sp500.max_drawdown) +-2%", "worst_1_in_20(sp500.max_drawdown) +-3%"]
)
def test_coverage_of_quantiles(text: str) -> None:
    wanted = goal(text)
    q = 0.5 if "median" in text else 0.95
    truth = {0.5: 1.0, 0.95: float(np.exp(0.5 * 1.6448536269514722))}[q]
    rng, printed, within = np.random.default_rng(3), 0, 0
    for _ in range(400):
        drawn = [np.empty(0)]

        def estimate(n: int, drawn: list[np.ndarray] = drawn) -> Estimate:
            more = np.exp(0.5 * rng.standard_normal(n - drawn[0].size))
            drawn[0] = np.append(drawn[0], more)
            return quantile(drawn[0], q)

        found, _ = follow(SequentialStopping(wanted, FIRST, STEP, 10**7), estimate)
        printed += found.low <= truth <= found.high
        within += abs(found.value - truth) <= wanted.wanted(found)
    assert 0.92 <= printed / 400 <= 0.98
    assert within / 400 >= 0.95


def test_looks_are_at_whole_steps_and_end_at_the_most() -> None:
    rule = SequentialStopping(goal(f"{FALL} +-1%"), FIRST, STEP, 100_000)
    places = []
    while True:
        places.append(rule.next)
        if rule.enough(Estimate(0.5, 0.1, 0.3, 0.7), rule.next):
            break
    assert places[0] == FIRST
    assert places[-1] == 100_000
    assert all(place % STEP == 0 for place in places[:-1])
    assert len(places) < 6
    never = SequentialStopping(goal(f"{FALL} +-1%"), FIRST, STEP, 9000)
    assert follow(never, lambda _: Estimate(0.0, 0.1, 0.0, 0.3))[1] == 9000, "0 +-1 % is 0"


# --- the run --------------------------------------------------------------------------------


def test_the_run_is_that_of_so_many_paths(tmp_path: Path) -> None:
    found = run()
    assert found.paths > FIRST
    assert found.paths % STEP == 0
    plain = simulate(quarter(), paths=found.paths)
    assert found.digest == plain.digest
    pd.testing.assert_frame_equal(found.metrics, plain.metrics, check_exact=True)
    found.save(tmp_path / "until")
    plain.save(tmp_path / "plain")
    manifests = [read_manifest(tmp_path / name) for name in ("until", "plain")]
    assert manifests[0]["files"] == manifests[1]["files"], "the same bytes"
    assert [manifest["until"] for manifest in manifests] == [f"{FALL} +-0.6pp", None]
    again = load_run(tmp_path / "until")
    assert (again.until, again.digest) == (f"{FALL} +-0.6pp", plain.digest)


def test_with_fewer_paths_in_the_tables() -> None:
    found = run(keep_paths=3000)
    plain = simulate(quarter(), paths=found.paths, keep_paths=3000)
    assert found.results.kept == plain.results.kept == 3000
    pd.testing.assert_frame_equal(found.summary(), plain.summary(), check_exact=True)
    assert found.paths >= run().paths


@pytest.mark.slow
def test_the_workers_do_not_matter() -> None:
    one, two = run(), run(workers=2)
    assert one.paths == two.paths
    pd.testing.assert_frame_equal(one.metrics, two.metrics, check_exact=True)


@pytest.mark.slow
def test_workers_that_start_at_a_later_look_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    text, story = f"{FALL} +-0.3pp", quarter()
    one = run(text)
    # More than the blocks of the first look, and no more than those of the second.
    rows = story.steps * len(story.universe.entities)
    monkeypatch.setattr(runner, "_WORTH_A_WORKER", 5 * rows)
    given: list[range] = []
    give = WorkerPool.submit

    def remember(self: WorkerPool[range, Any], item: range) -> None:
        given.append(item)
        give(self, item)

    monkeypatch.setattr(WorkerPool, "submit", remember)
    two = simulate(story, until=text, workers=2)
    assert given
    assert min(blocks.start for blocks in given) >= 4
    assert one.paths == two.paths
    pd.testing.assert_frame_equal(one.metrics, two.metrics, check_exact=True)


def test_the_error_shrinks_until_it_is_small_enough() -> None:
    told: list[tuple[int, float, float]] = []
    ticks: list[tuple[int, int]] = []
    found = simulate(
        quarter(),
        until=f"{FALL} +-0.6pp",
        progress=lambda done, of: ticks.append((done, of)),
        look=lambda n, e, wanted: told.append((n, half_width(e), wanted)),
    )
    assert told[-1][0] == found.paths
    assert told[-1][1] <= told[-1][2] == 0.006
    widths = [width for _, width, _ in told]
    assert widths == sorted(widths, reverse=True)
    assert all(done <= of for done, of in ticks)
    assert ticks[-1] == (found.paths, found.paths)


def test_the_cap() -> None:
    found = run(f"{FALL} +-0.001pp", paths=5000)
    assert found.paths == 5000
    plain = simulate(quarter(), paths=5000)
    pd.testing.assert_frame_equal(found.metrics, plain.metrics, check_exact=True)
    with pytest.raises(UsageError, match="no error to narrow"):
        simulate(quarter(), until=f"{FALL} +-1pp", shocks="zero")


def test_command(crashsim: CommandLine, story: Path, tmp_path: Path) -> None:
    text = f"{FALL} +-2pp"
    arguments = ("run", story, "-o", tmp_path, "--workers", 1, "--until", text)
    code, out, err = crashsim(*arguments, "--json")
    assert code == 0
    first = json.loads(out)
    assert first["paths"] >= FIRST
    assert f"{first['paths']:,} paths: " in err
    assert "wanted 0.02" in err
    code, out, err = crashsim(*arguments, "--json")
    assert code == 0
    assert "there already" in err
    assert json.loads(out)["folder"] == first["folder"]
    code, _, err = crashsim(*arguments[:-1], f"{FALL} +-0.001pp", "--paths", 4500)
    assert code == 4
    assert (
        "warning: P(sp500.max_drawdown >= 0.2) +-0.001pp was not reached after 4,500 paths" in err
    )
    assert crashsim(*arguments[:-1], "nonsense")[0] == 2
    assert crashsim(*arguments, "--deterministic")[0] == 2


@pytest.mark.slow
def test_workers_that_are_stopped_half_way_do_not_hang_the_run() -> None:
    """What is under way when a run has enough is dropped, even in the middle of a result."""
    for _ in range(12):
        results = Processes(2).map(np.zeros, [2_000_000] * 50)
        with closing(_each(results)) as computed:
            assert next(computed).size == 2_000_000


def _each(results: Iterator[FloatArray]) -> Generator[FloatArray]:
    yield from results
