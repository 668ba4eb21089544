"""discover: planted corners are found and measured rightly, and noise has none."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import TINY, CommandLine
from scipy.stats import binom

from simulator.errors import RunError, UsageError
from simulator.exploration.scenario_discovery import Discovery, boxes_of, discover
from simulator.reports.scenario_discovery_text import corner_lines
from simulator.runs.load import load_run
from simulator.runs.runner import simulate
from simulator.scenario.scenario import load_scenario

SEEDS = 2000 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 100
EVENT = "NVDA.max_drawdown >= 0.25"


def planted(
    seed: int, inside: float, outside: float, paths: int = 6000
) -> tuple[Discovery, pd.DataFrame]:
    """A corner k3 <= 0.3 and k7 > 0.5 of twelve assumptions, with these chances of the event in it and elsewhere."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"k{number}": rng.random(paths) for number in range(12)})
    corner = (frame["k3"] <= 0.3) & (frame["k7"] > 0.5)
    hit = rng.random(paths) < np.where(corner, inside, outside)
    drawn = {str(key): frame[key].to_numpy() for key in frame}
    return boxes_of(drawn, hit, "event", seed), frame.assign(hit=hit)


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_corner_is_found_with_its_limits_density_coverage_and_support(seed: int) -> None:
    result, _ = planted(seed, 0.7, 0.1)
    (box,) = result.boxes
    limits = {(limit.key, limit.side): limit for limit in box.limits}
    assert limits.keys() == {("k3", "below"), ("k7", "above")}
    assert limits["k3", "below"].value == pytest.approx(0.3, abs=0.03)
    assert limits["k7", "above"].value == pytest.approx(0.5, abs=0.04)
    assert all(limit.p_value < 1e-6 for limit in box.limits)
    base = 0.15 * 0.7 + 0.85 * 0.1
    # Limits that lie a little off cost up to a tenth of the corner beside the error of the paths.
    for of, exact in ((box.density, 0.7), (box.coverage, 0.105 / base), (box.support, 0.15)):
        assert abs(of.value - exact) <= 4 * of.mc_error + 0.1 * exact
    assert abs(result.base.value - base) <= 4 * result.base.mc_error


def test_a_corner_is_measured_on_the_half_of_the_paths_that_did_not_choose_it() -> None:
    result, frame = planted(7, 0.6, 0.2)
    held = frame.iloc[np.random.default_rng(7).permutation(len(frame))[len(frame) // 2 :]]
    (box,) = result.boxes
    inside = pd.Series(True, held.index)
    for limit in box.limits:
        values = held[limit.key]
        inside &= values.gt(limit.value) if limit.side == "above" else values.le(limit.value)
    assert result.base.value == held["hit"].mean()
    assert box.density.value == held.loc[inside, "hit"].mean()
    assert box.coverage.value == inside[held["hit"]].mean()
    assert box.support.value == inside.mean()
    for limit in box.limits:
        others = [other for other in box.limits if other != limit]
        wider = held[np.logical_and.reduce([
            held[o.key].gt(o.value) if o.side == "above" else held[o.key].le(o.value) for o in others
        ])]  # fmt: skip
        hits, n = int(held.loc[inside, "hit"].sum()), int(inside.sum())
        assert limit.p_value == pytest.approx(binom.sf(hits - 1, n, wider["hit"].mean()), rel=1e-6)


def test_assumptions_that_move_nothing_have_a_corner_in_fewer_than_5_of_100_runs() -> None:
    corners, detected = 0, 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        drawn = {f"k{number}": rng.random(1200) for number in range(20)}
        corners += bool(boxes_of(drawn, rng.random(1200) < 0.3, "event", seed).boxes)
        hit = rng.random(1200) < np.where(drawn["k3"] < 0.5, 0.5, 0.1)
        detected += any(
            limit.key == "k3"
            for box in boxes_of(drawn, hit, "event", seed).boxes
            for limit in box.limits
        )
    assert corners <= binom.ppf(0.999, SEEDS, 0.025)
    assert detected == SEEDS


def test_boxes_are_the_same_when_they_are_made_again() -> None:
    assert planted(3, 0.5, 0.2)[0] == planted(3, 0.5, 0.2)[0]


def test_no_printed_corner_holds_another() -> None:
    """A chance that falls steadily has a whole nest of corners; only the densest is shown."""
    rng = np.random.default_rng(0)
    drawn = {"slope": rng.random(20_000), "noise": rng.random(20_000)}
    result = boxes_of(drawn, rng.random(20_000) < 1.0 - drawn["slope"], "event", 0)
    assert [len(box.limits) for box in result.boxes] == [1]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("discover")
    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")
    simulate(folder / "tiny.toml", paths=2048).save(folder / "run")
    return folder / "run"


def test_the_command_says_what_the_function_does_and_the_base_is_that_of_the_paths(
    stored: Path, tmp_path: Path, crashsim: CommandLine
) -> None:
    code, out, err = crashsim(
        "discover", stored, "--event", f"P({EVENT})", "--json", "-o", tmp_path / "a.json"
    )
    assert code == 0, err
    document = json.loads(out)
    assert json.loads((tmp_path / "a.json").read_text("utf-8")).items() <= document.items()
    run = load_run(stored)
    result = discover(run, EVENT)
    assert document.items() >= result.document().items()
    nvidia = run.metrics.query("entity == 'NVDA'").set_index("path")
    held = np.random.default_rng(run.seed).permutation(2048)[1024:]
    assert result.base.value == (nvidia.loc[held, "max_drawdown"] >= 0.25).mean()
    code, out, err = crashsim("discover", stored, "--event", EVENT)
    assert code == 0
    assert out.splitlines() == [line.text for line in corner_lines(result, run.scenario, 100)]
    assert "next: crashsim explain technology.elasticity --run" in err


def test_a_corner_and_its_absence_are_sentences() -> None:
    story = load_scenario("calm")
    text = " ".join(line.text for line in corner_lines(planted(1, 0.7, 0.1)[0], story, 10_000))
    assert "When k3 is below 0." in text
    assert " and k7 is above 0." in text
    assert "of all such futures" in text
    text = " ".join(line.text for line in corner_lines(planted(1, 0.2, 0.2)[0], story, 10_000))
    assert "No corner of the assumptions stands out: the best one has " in text


def test_what_cannot_be_discovered_is_refused_with_the_reason(
    stored: Path, folder: Path, crashsim: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for event, code, said in (
        ("NVDA.max_drawdown", 2, "cannot be read; write it as sp500.loss"),
        ("NVDA.max_drawdwn >= 0.2", 2, "did you mean"),
        (
            "NVDA.max_drawdown >= 0.99",
            4,
            "0 of 2,048 paths see NVDA.max_drawdown >= 0.99: at least 40",
        ),
        ("NVDA.max_drawdown >= 0", 4, "2,048 of 2,048 paths"),
    ):
        got, out, err = crashsim("discover", stored, "--event", event)
        assert (got, out) == (code, ""), err
        assert said in err
    with pytest.raises(RunError, match="of 64 paths"):
        discover(load_run(folder), EVENT)
    with pytest.raises(UsageError, match="single number"):
        discover(simulate("calm", paths=64), EVENT)
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    code, _, err = crashsim("discover", stored, "--event", EVENT)
    assert code == 2
    assert "pip install 'crashsim[discover]'" in err
