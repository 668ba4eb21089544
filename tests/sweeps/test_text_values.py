"""Sweeps over texts: universes, and the kind and firm of an event."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import CommandLine
from scenario_texts import load
from trials.commands import content, only

from simulator import load_scenario, load_sweep, simulate, sweep
from simulator.errors import ScenarioError, UsageError
from simulator.scenario.scenario_schema import ScenarioFile
from simulator.scenario.sweep_design import Design, is_text_key
from simulator.sweeps.design import resolve_design, scenario_design
from simulator.sweeps.sweep import make_plan

UNIVERSE, KIND, FIRM = "scenario.universe", "events.0.kind", "events.1.firm"
SLOPE = "sentiment.hazard_slope"
OLD, NOW = "us-2000-03", "us-2025-01"

HEAD = """\
format_version = 1

[scenario]
name = "texts"
title = "Half a year"
universe = "{universe}"
as_of = {as_of}
horizon_years = 0.5
steps_per_year = 12
paths = 128
seed = 7

[sentiment]
hazard_slope = {slope}
"""
CUT = """
[[events]]
kind = "price_cut"
name = "news"
cut = {{ dist = "uniform", low = 0.8, high = 0.9 }}
exposed = 0.9
half_life_years = 0.1
"""
GAIN = """
[[events]]
kind = "efficiency_gain"
name = "news"
half_life_years = 0.1
"""
LOSS = """
[[events]]
kind = "competition"
firm = "{firm}"
share_lost_per_year = 0.5
"""
SOURCE = '[sources]\n"events.0.cut" = {{ source = "a test", strength = "D" }}\n'


def story(
    events: str = "",
    universe: str = NOW,
    as_of: str = "2025-01-24",
    slope: float = 1.5,
    firm: str = "GOOGL",
) -> str:
    return (HEAD + events).format(universe=universe, as_of=as_of, slope=slope, firm=firm)


def falls(table: pd.DataFrame, cell: int) -> pd.Series:
    """Mean and median falls of a cell of a sweep, by entity and statistic."""
    rows = table[(table["cell"] == cell) & table["statistic"].isin(["mean", "median"])]
    return rows.set_index(["entity", "statistic"])["value"]


def falls_of_a_run(text: str, folder: Path) -> pd.Series:
    """The same of a run of the scenario with this text."""
    rows = simulate(load(folder, text)).summary()
    rows = rows[rows["statistic"].isin(["mean", "median"])]
    return rows.set_index(["entity", "statistic"])["value"]


def agree(table: pd.DataFrame, cell: int, text: str, folder: Path) -> bool:
    """Whether a cell has the entities and, within its bins of 0.01 points, the falls of a run."""
    one, other = falls(table, cell), falls_of_a_run(text, folder)
    return set(one.index) == set(other.index) and np.allclose(
        one, other[one.index], rtol=0, atol=1.01e-4
    )


@pytest.fixture(scope="module")
def universes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep over two universes and two slopes."""
    place = tmp_path_factory.mktemp("universes")
    sweep(load(place, story()), {UNIVERSE: [NOW, OLD], SLOPE: [0.5, 2.5]}, parent=place / "out")
    return only(place / "out")


def test_text_keys_are_the_texts_of_the_schema_that_change_what_is_simulated() -> None:
    events = ScenarioFile.model_json_schema()["$defs"]
    kinds = [each for each in events.values() if "kind" in each.get("properties", {})]
    texts = {
        f"events.0.{key}"
        for each in kinds
        for key, of in each["properties"].items()
        if of.get("type") == "string"
    }
    table = events["ScenarioTable"]["properties"]
    texts |= {f"scenario.{key}" for key, of in table.items() if of.get("type") == "string"}
    labels = {"events.0.name", "scenario.name", "scenario.title"}
    assert {key for key in texts if is_text_key(key)} == texts - labels


def test_a_cell_of_a_universe_is_a_run_of_it(universes: Path, tmp_path: Path) -> None:
    table = load_sweep(universes).table
    places = [(NOW, "2025-01-24"), (OLD, "2000-03-10")]
    for cell, ((name, day), slope) in enumerate(itertools.product(places, [0.5, 2.5]), 1):
        head = table[table["cell"] == cell].iloc[0]
        assert (head[UNIVERSE], head[SLOPE]) == (name, slope)
        assert agree(table, cell, story(universe=name, as_of=day, slope=slope), tmp_path)
    assert not agree(table, 1, story(universe=OLD, as_of="2000-03-10", slope=0.5), tmp_path)


def test_an_entity_of_some_universes_has_rows_in_their_cells_only(universes: Path) -> None:
    found = load_sweep(universes)
    table = found.table
    cells = table.groupby("entity")["cell"].agg(lambda of: sorted(set(of)))
    assert cells["NVDA"] == [0, 1, 2]
    assert cells["CSCO"] == [3, 4]
    assert cells["sp500"] == [0, 1, 2, 3, 4]
    assert table.loc[table["entity"] == "CSCO", "change"].isna().all()  # the base has none
    assert table.loc[table["entity"] == "sp500", "change"].notna().all()
    assert found.titles["CSCO"] == "Cisco Systems"
    assert found.base == {UNIVERSE: NOW, SLOPE: 1.5}


def test_a_sweep_folder_holds_the_universes_of_its_cells(universes: Path) -> None:
    held = {path.name for path in (universes / "universes").iterdir()}
    assert held == {f"{NOW}.toml", f"{OLD}.toml"}


def test_the_same_universe_as_the_base_is_the_base(tmp_path: Path) -> None:
    scenario = load(tmp_path, story(as_of="2025-01-31"))
    plan = make_plan(scenario, resolve_design(Design.grid({UNIVERSE: [NOW, OLD]}), scenario))
    assert plan.id_of(0) == plan.id_of(1) != plan.id_of(2)  # a date within a month of it stays


def test_a_universe_with_nan_in_its_name_keeps_it(tmp_path: Path) -> None:
    shipped = load_scenario("glut").universe.path.read_text(encoding="utf-8")
    (tmp_path / "universes").mkdir()
    for name in ("finance", "NA"):
        text = shipped.replace(f'name = "{NOW}"', f'name = "{name}"')
        (tmp_path / "universes" / f"{name}.toml").write_text(text, encoding="utf-8")
    sweep(
        load(tmp_path, story()).with_(paths=16),
        {UNIVERSE: ["finance", "NA"]},
        parent=tmp_path / "out",
    )
    table = load_sweep(only(tmp_path / "out")).table
    assert list(table.drop_duplicates("cell")[UNIVERSE]) == [NOW, "finance", "NA"]


def test_holdings_are_mapped_to_the_universe_of_each_cell(tmp_path: Path) -> None:
    holdings = tmp_path / "mine.csv"
    holdings.write_text("ticker,value\nSPY,600\nQQQ,400\n", encoding="utf-8")
    path = tmp_path / "story.toml"
    path.write_text(story(), encoding="utf-8")
    table = sweep(
        load_scenario(path, portfolio=holdings), {UNIVERSE: [NOW, OLD]}, parent=tmp_path / "out"
    ).table
    path.write_text(story(universe=OLD, as_of="2000-03-10"), encoding="utf-8")
    run = simulate(load_scenario(path, portfolio=holdings)).summary()
    mine = run[(run["entity"] == "portfolio") & (run["statistic"] == "mean")]["value"].item()
    assert falls(table, 2)["portfolio", "mean"] == pytest.approx(mine, abs=1.01e-4)
    assert falls(table, 1)["portfolio", "mean"] != pytest.approx(mine, abs=1e-3)


def test_an_event_of_another_kind_keeps_what_both_kinds_have(tmp_path: Path) -> None:
    scenario = load(tmp_path, story(CUT + SOURCE))
    design = Design.grid({KIND: ["price_cut", "efficiency_gain"]})
    table = sweep(scenario, design, parent=tmp_path / "out").table
    assert agree(table, 1, story(CUT), tmp_path)
    assert agree(table, 2, story(GAIN), tmp_path)
    again = scenario.overlaid({KIND: "efficiency_gain"}).overlaid({KIND: "price_cut"})
    assert again.events == scenario.events


def test_keys_of_the_new_kind_vary_with_it(tmp_path: Path) -> None:
    table = sweep(
        load(tmp_path, story(CUT)),
        Design.zip({KIND: ["efficiency_gain"] * 1, "events.0.gain": [30.0]}),
        parent=tmp_path / "out",
    ).table
    assert agree(table, 1, story(f"{GAIN}gain = 30.0\n"), tmp_path)


def test_a_design_file_with_texts(tmp_path: Path, crashsim: CommandLine) -> None:
    path, design = tmp_path / "story.toml", tmp_path / "design.csv"
    path.write_text(story(CUT + LOSS), encoding="utf-8")
    rows = f"{UNIVERSE},{FIRM},{SLOPE}\n{NOW},META,0.5\n{OLD},CSCO,2.5\n"
    design.write_text(rows, encoding="utf-8")
    code, out, err = crashsim("sweep", path, "--design", design, "-o", tmp_path / "out")
    assert code == 0, err
    assert f"{OLD}           CSCO" in out
    table = load_sweep(only(tmp_path / "out")).table
    assert agree(table, 1, story(CUT + LOSS, slope=0.5, firm="META"), tmp_path)
    old = story(CUT + LOSS, OLD, "2000-03-10", 2.5, "CSCO")
    assert agree(table, 2, old, tmp_path)

    design.write_text(rows.replace(OLD, "us-2000-3"), encoding="utf-8")
    path.write_text(story(CUT + LOSS), encoding="utf-8")
    code, _, err = crashsim("sweep", path, "--design", design, "-o", tmp_path / "out")
    assert code == 3
    assert "design.csv:3" in err
    assert f"did you mean `{OLD}`?" in err


def test_workers_and_a_second_call_change_nothing(tmp_path: Path, crashsim: CommandLine) -> None:
    path = tmp_path / "story.toml"
    path.write_text(story(CUT), encoding="utf-8")
    vary = ["--vary", f"universe={OLD}", "--vary", f"{KIND}=rate_rise"]
    for workers in (1, 2):
        output = tmp_path / f"out{workers}"
        assert crashsim("sweep", path, *vary, "-o", output, "--workers", workers)[0] == 0
    whole = content(only(tmp_path / "out1"))
    assert content(only(tmp_path / "out2")) == whole
    _, _, err = crashsim("sweep", path, *vary, "-o", tmp_path / "out1")
    assert "2 are there, 0 to compute" in err
    assert content(only(tmp_path / "out1")) == whole
    assert f"<td>{OLD}</td>" in whole["report.html"].decode()


def test_a_sweep_table_with_texts_points_at_its_line(tmp_path: Path) -> None:
    text = f'{story(CUT)}\n[sweep.vary]\n"{UNIVERSE}" = ["{NOW}", "us-2000-3"]\nevents.0.kind = "price_cut,rat_rise"\n'
    scenario = load(tmp_path, text)
    design = scenario_design(scenario)
    assert design == Design.grid({UNIVERSE: [NOW, "us-2000-3"], KIND: ["price_cut", "rat_rise"]})
    with pytest.raises(ScenarioError) as caught:
        resolve_design(design, scenario)
    lines = text.splitlines()
    places = {(lines[p.line - 1].split(" ")[0], p.hint) for p in caught.value.problems}
    assert places == {
        (f'"{UNIVERSE}"', f"did you mean `{OLD}`?"),
        ("events.0.kind", "did you mean `rate_rise`?"),
    }
    assert all(OLD in p.expected or "rate_rise" in p.expected for p in caught.value.problems)


@pytest.mark.parametrize(
    ("vary", "code", "says"),
    [
        (f"{UNIVERSE}={NOW},us-2000-3", 3, f"allowed: us-1996-12, us-1998-12, {OLD}, {NOW}"),
        (f"{UNIVERSE}=../{NOW}", 3, "never a path"),
        (f"{KIND}=price_cut,competiton", 3, "did you mean `competition`?"),
        ("events.1.firm=GOOGLE", 3, "did you mean `GOOGL`?"),
        ("events.7.kind=price_cut", 3, "there is no events.7"),
        (f"{UNIVERSE}={NOW},{NOW}", 2, f"{UNIVERSE} has {NOW} twice"),
        (f"{UNIVERSE}={NOW},", 2, "is not a text"),
        (f"{UNIVERSE}", 2, "needs values"),
        ("technology.elasticity=low,high", 2, "'low' is not a number"),
        ("scenario.name=a,b", 2, "it names the sweep"),
    ],
)
def test_texts_that_are_refused(
    vary: str, code: int, says: str, tmp_path: Path, crashsim: CommandLine
) -> None:
    path = tmp_path / "story.toml"
    path.write_text(story(CUT + LOSS), encoding="utf-8")
    got, _, err = crashsim("sweep", path, "--vary", vary, "-o", tmp_path / "out")
    assert (got, says in err) == (code, True), err


def test_a_text_is_not_drawn_from_a_distribution() -> None:
    with pytest.raises(UsageError, match="takes the values of"):
        Design.of("lhs", {UNIVERSE: [NOW]}, size=4)
