"""What the story adds: exact sums, known answers, errors that cover, worlds that are what they say."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.errors import UsageError
from simulator.model.concentration import net_run_up, premium
from simulator.runs import load_run, simulate
from simulator.runs.contributions import PARTS
from simulator.runs.run import Run, add_story
from simulator.runs.story import (
    BOOM,
    STORY,
    contributions,
    headlines,
    other_worlds,
    split,
    what_the_story_adds,
    without_boom,
    without_story,
    world,
)
from simulator.scenario import load_scenario
from simulator.statistics import Estimate
from simulator.statistics.intervals import mean

SMALL = 1024


@pytest.fixture(scope="module")
def glut() -> Run:
    run = simulate("glut", paths=2 * SMALL)
    return replace(run, contributions=contributions(run, other_worlds(run, SMALL)))


@pytest.fixture(scope="module")
def jevons() -> Run:
    run = simulate("jevons", paths=SMALL)
    return replace(run, contributions=contributions(run, other_worlds(run)))


def of(run: Run, entity: str, statistic: str) -> dict[str, Estimate]:
    parts = run.document()["contributions"][entity][statistic]
    return {name: Estimate(**estimate) for name, estimate in parts.items()}


@pytest.mark.parametrize("name", ["glut", "jevons"])
def test_chance_boom_and_story_add_up_to_what_the_run_says(
    name: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(name)
    assert run.story is not None
    value = run.story.pivot_table(index=["entity", "statistic"], columns="part", values="value")
    assert len(value) == 4 * 4
    assert np.abs(value["chance"] + value["boom"] + value["story"] - value["total"]).max() < 1e-12
    whole = run.summary().set_index(["entity", "statistic"])["value"]
    assert (value["total"] == whole.reindex(value.index)).all()


def test_the_glut_makes_losses_from_today_likelier_and_jevons_rarer(glut: Run, jevons: Run) -> None:
    for entity in ("sp500", "mag7", "nasdaq", "ai_basket"):
        assert of(glut, entity, "below_30")["story"].low > 0.02
        assert of(jevons, entity, "below_30")["story"].high < -0.02
        assert of(glut, entity, "below_30")["boom"].low > 0.0


def test_the_parts_are_those_of_four_runs_made_one_by_one(jevons: Run) -> None:
    """With as many paths everywhere nothing is carried over: plain means of whole runs."""
    runs = [simulate(world(jevons.scenario, number)) for number in range(4)]
    lost = [run.metrics.query("entity == 'mag7'")["loss_from_start"].to_numpy() for run in runs]
    neither, boom, story, both = ((x >= 0.30).mean() for x in lost)
    found = of(jevons, "mag7", "below_30")
    assert found["chance"].value == pytest.approx(neither, abs=1e-12)
    assert found["as_priced_in"].value == pytest.approx(boom, abs=1e-12)
    assert found["boom"].value == pytest.approx((boom - neither + both - story) / 2, abs=1e-12)
    assert found["story"].value == pytest.approx((story - neither + both - boom) / 2, abs=1e-12)


def test_the_worlds_are_without_what_they_lack() -> None:
    scenario = load_scenario("deepseek")
    plain = without_story(scenario)
    assert plain.technology == scenario.consensus
    assert plain.events == ()
    assert plain.correlations == ()  # of two assumptions that are gone
    assert plain.concentration == scenario.concentration
    assert plain.sentiment == scenario.sentiment
    calm = without_boom(scenario)
    assert calm.technology == scenario.technology
    assert calm.correlations == scenario.correlations
    assert calm.sentiment.hazard_scale == 0.0
    assert float(premium(calm.concentration)) == 0.0
    assert float(net_run_up(calm.concentration)) == 0.0
    assert world(scenario, BOOM | STORY) is scenario
    assert world(scenario, 0) == without_boom(without_story(scenario))


def test_a_run_of_what_is_priced_in_has_no_story() -> None:
    run = simulate("consensus", paths=SMALL)
    parts = replace(run, contributions=contributions(run, other_worlds(run)))
    for statistic in headlines(run, "sp500"):
        assert of(parts, "sp500", statistic)["story"].value == 0.0
    assert not any("this story adds" in text for text in parts.story_sentences)


def test_a_run_without_a_boom_has_none() -> None:
    run = simulate("calm", paths=SMALL)
    parts = replace(run, contributions=contributions(run, other_worlds(run)))
    found = of(parts, "sp500", "below_30")
    assert found["boom"].low <= 0.0 <= found["boom"].high
    assert found["chance"].value == pytest.approx(found["total"].value, abs=0.01)


def test_a_run_without_chance_is_refused() -> None:
    with pytest.raises(UsageError, match="100 paths or more"):
        what_the_story_adds(simulate("glut", shocks="zero"))
    with pytest.raises(UsageError, match="100 paths or more"):
        what_the_story_adds(simulate("glut", paths=99))


@pytest.mark.slow
@pytest.mark.parametrize("shares", [True, False])
def test_errors_cover_a_known_answer(shares: bool) -> None:
    """A toy with four normal worlds: each interval holds the truth in 93 to 97 of 100 repetitions."""
    from scipy.stats import norm

    random = np.random.default_rng(11)
    shift, m, n, level = np.array([0.0, 0.5, 0.2, 1.0]), 300, 900, 1.2
    truth = norm.sf(level - shift) if shares else shift
    parts = {
        "chance": truth[0],
        "boom": (truth[1] - truth[0] + truth[3] - truth[2]) / 2,
        "story": (truth[2] - truth[0] + truth[3] - truth[1]) / 2,
        "as_priced_in": truth[1],
    }
    repetitions = 1_000
    held = dict.fromkeys(parts, 0)
    for _ in range(repetitions):
        common = random.standard_normal(n)
        worlds = 0.8 * common + 0.6 * random.standard_normal((4, n)) + shift[:, None]
        values = (worlds >= level).astype(float) if shares else worlds
        found = split(values[:, :m], mean(values[3]), n, shares=shares)
        assert list(found) == list(PARTS)
        for part, true in parts.items():
            held[part] += found[part].low <= true <= found[part].high
    for part, hits in held.items():
        assert 0.93 <= hits / repetitions <= 0.97, (part, hits)


def test_carrying_over_to_all_paths_narrows_the_error() -> None:
    random = np.random.default_rng(3)
    common = random.standard_normal(4_000)
    worlds = common + 0.1 * random.standard_normal((4, 4_000))
    few = split(worlds[:, :400], mean(worlds[3, :400]), 400, shares=False)
    more = split(worlds[:, :400], mean(worlds[3]), 4_000, shares=False)
    assert more["chance"].mc_error < 0.5 * few["chance"].mc_error


def test_no_change_among_few_paths_is_not_taken_for_certain() -> None:
    same = np.tile((np.arange(200) < 30).astype(float), (4, 1))
    found = split(same, mean(same[3]), 200, shares=True)
    assert found["story"].value == 0.0
    assert found["story"].low < -0.005 < 0.005 < found["story"].high


def test_a_stored_run_keeps_it_to_the_last_bit(glut: Run, tmp_path) -> None:  # type: ignore[no-untyped-def]
    plain = replace(glut, contributions=None)
    plain.save(tmp_path / "run")
    assert "contributions" not in plain.document()
    assert load_run(tmp_path / "run").story is None
    assert glut.story is not None
    add_story(replace(plain, contributions=glut.contributions), tmp_path / "run")
    again = load_run(tmp_path / "run")  # verified: what was added is sealed
    assert again.document() == glut.document()
    glut.save(tmp_path / "whole")
    name = "story.csv"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_paths_beyond_the_tables_count_in_the_total_and_the_parts_still_add_up() -> None:
    run = simulate("glut", paths=2 * SMALL, keep_paths=SMALL)
    parts = replace(run, contributions=contributions(run, other_worlds(run)))
    assert parts.story is not None
    assert set(parts.story["paths"]) == {SMALL}
    for statistic in headlines(run, "mag7"):
        found = of(parts, "mag7", statistic)
        whole = found["total"].value
        assert whole == run.estimates()["mag7"][statistic].value
        assert abs(sum(found[p].value for p in ("chance", "boom", "story")) - whole) < 1e-12


def test_a_portfolio_is_split_too(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "holdings.csv"
    file.write_text("ticker,value\nNVDA,600\nMSFT,400\n", encoding="utf-8")
    run = simulate(load_scenario("glut", portfolio=file), paths=SMALL)
    parts = replace(run, contributions=contributions(run, other_worlds(run)))
    found = of(parts, "portfolio", "below_30")
    assert found["story"].low > 0.0
    assert (
        abs(
            found["chance"].value
            + found["boom"].value
            + found["story"].value
            - found["total"].value
        )
        < 1e-12
    )
