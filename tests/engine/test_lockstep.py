"""Scenarios that share their draws: to the last bit what each is by itself."""

import numpy as np
import pytest

from simulator.engine import Keep, run_block
from simulator.engine.lockstep import group_falls
from simulator.engine.streams import BLOCK_PATHS, SharedShocks
from simulator.errors import NotFinite
from simulator.runs.story import BOOM, STORY, world
from simulator.scenario import load_scenario


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("deepseek", {}),  # events, correlated assumptions
        ("glut", {"scenario.horizon_years": 2.1}),  # the last part of a quarter is short
        ("glut", {"scenario.steps_per_year": 12}),
    ],
)
def test_falls_are_those_of_each_scenario_alone(name: str, overrides: dict[str, float]) -> None:
    scenario = load_scenario(name, overrides)
    worlds = [world(scenario, number) for number in range(BOOM | STORY)]
    groups = [0, 3, 2]
    falls = group_falls(worlds, groups, 3, 1, count=2)
    for alone, (depth, loss) in zip(worlds, falls, strict=True):
        block = run_block(alone, 3, 1, Keep(pictures=False), count=2)
        assert depth.shape[1] == 2 * BLOCK_PATHS
        np.testing.assert_array_equal(depth, block.measures["max_drawdown"][groups])
        np.testing.assert_array_equal(loss, block.measures["loss_from_start"][groups])


def test_the_scenario_that_is_not_finite_is_named_as_when_alone(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from simulator.engine.simulation import Simulation

    scenario = load_scenario("deepseek")
    assert scenario.events
    calm = world(scenario, BOOM)
    whole = Simulation.advance_firms

    def broken(self, k, log_price, own):  # type: ignore[no-untyped-def]
        whole(self, k, log_price, own)
        if k == 40 and self.scenario.events:
            self.state.valuation.known[2, 7] = np.nan
            log_price[2, 7] = np.float32(1e4)  # its exponential overflows

    monkeypatch.setattr(Simulation, "advance_firms", broken)
    messages = []
    for simulate in (
        lambda: run_block(scenario, 1, 0),
        lambda: group_falls([calm, scenario], [0], 1, 0),
    ):
        with pytest.raises(NotFinite) as caught:
            simulate()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "valuation.known on path 7 (block 0, step 40)" in messages[0]


class Counting:
    paths, precision = 3, np.float32

    def __init__(self) -> None:
        self.calls = 0

    def firms(self) -> int:
        self.calls += 1
        return self.calls


def test_every_reader_gets_the_same_draw_before_the_next_is_made() -> None:
    source = Counting()
    shared = SharedShocks(source, 3)  # type: ignore[arg-type]
    assert [shared.firms() for _ in range(7)] == [1, 1, 1, 2, 2, 2, 3]
    assert source.calls == 3
