"""Tables under figures against the paths themselves."""

import numpy as np
import pytest

from simulator import load_scenario, simulate
from simulator.plots import picture
from simulator.plots.run_plot import below


@pytest.mark.parametrize("kind", ["underwater", "fan"])
def test_the_share_of_paths_below_is_what_the_head_says(kind: str) -> None:
    story = load_scenario("deepseek", {"scenario.horizon_years": 0.5}).with_(paths=400, seed=3)
    run = simulate(story, keep_levels=True, workers=1)
    levels = np.asarray(run.levels[run.entities.index("sp500")], np.float64)  # (T+1, paths)
    if levels.shape[0] == run.paths:
        levels = levels.T
    start = levels[0]
    last = levels[-1] / (levels.max(axis=0) if kind == "underwater" else start)
    last = last - 1.0 if kind == "underwater" else last
    found = picture(kind, run)
    row = found.table.iloc[-1]
    heads = found.shown()[0]
    for level in (0.05, 0.5, 0.95):
        name = below(level)[0].removesuffix(" of paths below")
        assert below(level)[0] in heads
        share = float(np.mean(last < row[name]))
        if row[name] < -0.005 or kind == "fan":  # a new high is no fall
            assert share == pytest.approx(level, abs=0.02), (kind, level)
    assert row["5 %"] < row["50 %"] <= row["95 %"]
