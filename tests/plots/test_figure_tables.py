"""Every table under a figure of a run against its paths, reckoned again with pandas, numpy and scipy.

The texts that a reader sees are read back: heads say what is expected, cells are compared with it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from table_cells import Numbers, Table, near, numbers, rounding

from simulator import Run, baseline, load_scenario, simulate
from simulator.engine.block_simulation import run_block
from simulator.engine.recorder import Keep
from simulator.engine.results import DRIVERS
from simulator.plots import KINDS, picture
from simulator.runs.statistic_labels import CAUSE_NAMES
from simulator.runs.story import contributions, other_worlds, world

PATHS, SEED = 700, 3


@cache
def run() -> Run:
    scenario = load_scenario("deepseek").with_(paths=PATHS, seed=SEED)
    made = simulate(scenario, keep_levels=True, workers=1)
    return replace(made, contributions=contributions(made, other_worlds(made)))


def levels(entity: str = "sp500") -> Any:
    """Levels of one entity: a row a week, a column a path."""
    return pd.DataFrame(run().levels.sel(entity=entity).to_numpy().astype(np.float64))


def drawdowns(entity: str = "sp500") -> Any:
    of = levels(entity)
    return of / of.cummax() - 1


def depths(entity: str = "sp500") -> Any:
    return -drawdowns(entity).min()


def losses(entity: str = "sp500") -> Any:
    """Lowest level of each path against its start, as a positive share."""
    of = levels(entity)
    return (1 - of.min() / of.iloc[0]).clip(lower=0)


def peaks_and_troughs(entity: str = "sp500") -> Any:
    """The weeks of the peak and trough of the largest fall of each path."""
    of = levels(entity)
    trough = drawdowns(entity).idxmin()
    peak = {path: of[path].iloc[: trough[path] + 1].idxmax() for path in of}
    return pd.DataFrame({"peak": pd.Series(peak), "trough": trough})


def share_interval(hits: int, n: int) -> Numbers:
    """A share with its 95 % interval: Wilson's, or Clopper and Pearson's for rare events."""
    share = hits / n
    method: Literal["exact", "wilson"] = "exact" if n * share * (1 - share) < 10 else "wilson"
    ends = stats.binomtest(hits, n).proportion_ci(0.95, method=method)
    return [share, ends.low, ends.high]


def median_interval(values: Any) -> Numbers:
    """The median with its interval between order statistics."""
    ordered, n = np.sort(values), len(values)
    low, high = (int(stats.binom.ppf(q, n, 0.5)) for q in (0.025, 0.975))
    return [float(np.median(ordered)), ordered[low - 1], ordered[high]]


def near_quantile(cell: str, level: float, values: Any, slack: float) -> None:
    """A cell holds a quantile, up to the step to the next path on either side."""
    (shown,) = numbers(cell)
    low, high = (
        float(values.quantile(min(max(level + step, 0), 1)))
        for step in (-1 / len(values), 1 / len(values))
    )
    margin = rounding(cell) + slack
    assert low - margin <= shown <= high + margin, (cell, level, low, high)


def level_of(head: str) -> float:
    """The level of a head such as "35 % of paths below"."""
    match = re.match(r"(\d+) % of paths below", head)
    assert match, head
    return float(match[1]) / 100


def check_fan(table: Table, entity: str = "sp500") -> None:
    heads, rows = table
    of = levels(entity)
    for year, *cells in rows:
        week = round(float(year) * 52)
        for head, cell in zip(heads[1:], cells, strict=True):
            near_quantile(cell, level_of(head), of.loc[week] / of.loc[0], slack=0.006 * float(cell))


def check_underwater(table: Table, entity: str = "sp500") -> None:
    heads, rows = table
    for year, *cells in rows:
        now = drawdowns(entity).loc[round(float(year) * 52)]
        for head, cell in zip(heads[1:], cells, strict=True):
            near_quantile(cell, level_of(head), now, slack=0.002)


def check_histogram(table: Table) -> None:
    heads, rows = table
    assert heads == ["fall from", "to", "paths", "share", "share below today"]
    fall, lost = depths(), losses()
    assert sum(int(row[2].replace(",", "")) for row in rows) == PATHS
    for start, end, paths, share, below in rows:
        low, high = -numbers(start)[0], -numbers(end)[0]
        near(below, float(((lost >= low) & (lost < high)).mean()))
        inside = int(((fall >= low) & (fall < high)).sum())
        assert numbers(paths) == [inside]
        near(share, inside / PATHS)


def check_exceedance(table: Table) -> None:
    heads, rows = table
    assert heads == ["fall of at least", "share of paths (95 % interval)", "so far below today"]
    for fall, share, below in rows:
        near(below, float((losses() >= numbers(fall)[0] - 1e-9).mean()))
        hits = int((depths() >= numbers(fall)[0]).sum())
        expected = share_interval(hits, PATHS)
        near(share, expected if hits < PATHS or "(" in share else expected[:1], slack=0.0006)


def check_waterfall(table: Table) -> None:
    heads, rows = table
    assert heads == ["cause", "log points", "± one standard error", "95 % interval"]
    weeks, fall = peaks_and_troughs(), depths()
    worst = fall.nlargest(PATHS // 20).index
    of = levels()
    logs = pd.Series(
        {
            path: np.log(of.loc[weeks.trough[path], path] / of.loc[weeks.peak[path], path])
            for path in of
        }
    )
    by_name = {row[0]: row for row in rows}
    near(by_name["the whole fall"][1], 100 * logs[worst].mean(), slack=0.1)
    metrics = run().metrics.query("entity == 'sp500'").set_index("path").loc[worst]
    causes = metrics.filter(like="cause_").mean()
    for key, (name, _) in CAUSE_NAMES.items():
        if f"cause_{key}" in causes and name in by_name:
            near(by_name[name][1], 100 * causes[f"cause_{key}"], slack=0.05)
    sales = [
        row for name, row in by_name.items() if name.endswith("sales") or name == "cloud rental"
    ]
    near_sum = sum(numbers(row[1])[0] for row in sales)
    assert near_sum == pytest.approx(100 * causes["cause_revenue"], abs=0.3)
    draw = np.random.default_rng(1)
    again = [
        logs[sample := draw.integers(0, PATHS, PATHS)]
        .iloc[np.argsort(-fall[sample].to_numpy())[: PATHS // 20]]
        .mean()
        for _ in range(400)
    ]
    assert numbers(by_name["the whole fall"][2])[0] == pytest.approx(100 * np.std(again), rel=0.35)
    for _, value, error, ends in rows:
        if error:
            low, high = numbers(ends)
            middle, half = numbers(value)[0], 1.96 * numbers(error)[0]
            assert (low + high) / 2 == pytest.approx(middle, abs=2 * rounding(value))
            assert (high - low) / 2 == pytest.approx(half, rel=0.4, abs=0.15)


def check_overlay(table: Table) -> None:
    heads, rows = table
    weeks, fall, of = peaks_and_troughs(), depths(), levels()
    followed = fall.index[(fall >= 0.30) & (weeks.peak + 156 <= 260)]
    for year, *cells in rows:
        lag = round(float(year) * 52)
        since = pd.Series(
            {path: of.loc[weeks.peak[path] + lag, path] / of.loc[weeks.peak[path], path] - 1
             for path in followed}
        )  # fmt: skip
        for head, cell in zip(heads[1:], cells, strict=True):
            if "2000-02" in head:
                continue
            if "interval" in head:
                near(cell, median_interval(since) if "(" in cell else 0.0, slack=0.011)
            else:
                near_quantile(cell, level_of(head), since, slack=0.011)
    crash = {head: [numbers(row[heads.index(head)])[0] for row in rows] for head in heads[-2:]}
    assert min(crash["S&P 500 2000-02"]) == pytest.approx(-0.476, abs=0.03)
    assert min(crash["NASDAQ 2000-02"]) == pytest.approx(-0.774, abs=0.05)


def check_trough(table: Table) -> None:
    heads, rows = table
    assert heads[2:5] == ["5 % sooner than", "25 %", "median years (95 % interval)"]
    weeks, fall = peaks_and_troughs(), depths()
    years = (weeks.trough - weeks.peak) / 52
    simulated = [row for row in rows if row[1] != "real"]
    assert len(simulated) >= 5
    for name, paths, q5, q25, q50, q75, q95 in simulated:
        low, high = (-number for number in numbers(name))
        inside = years[(fall >= low) & (fall < high)]
        assert numbers(paths) == [len(inside)]
        for cell, q in ((q5, 0.05), (q25, 0.25), (q75, 0.75), (q95, 0.95)):
            near(cell, float(inside.quantile(q)))
        near(q50, median_interval(inside), slack=0.005)


def recovery(which: Any) -> Any:
    """Weeks from the peak until the old high is back, censored at the end of the path."""
    weeks, of = peaks_and_troughs(), levels()
    back: list[int] = []
    censored: list[int] = []
    for path in which:
        high, after = of.loc[weeks.peak[path], path], of[path].iloc[weeks.trough[path] :]
        regained = after.index[after >= high]
        (back if len(regained) else censored).append(
            (regained[0] if len(regained) else 260) - weeks.peak[path]
        )
    return stats.ecdf(stats.CensoredData(uncensored=back, right=censored))


def check_recovery(table: Table) -> None:
    heads, rows = table
    assert heads[1:] == ["recovered (95 % interval)", "falls of 30 % or more (95 % interval)"]
    fall = depths()
    for column, which in ((1, fall.index), (2, fall.index[fall >= 0.30])):
        curve = recovery(which).sf
        with warnings.catch_warnings():  # undefined where nobody has recovered yet
            warnings.simplefilter("ignore", RuntimeWarning)
            ends = curve.confidence_interval(0.95, method="log-log")
        for row in rows:
            if "S&P" in row[1]:
                continue
            week = round(float(row[0]) * 52)
            low, high = ends.low.evaluate(week), ends.high.evaluate(week)
            share = 1 - float(curve.evaluate(week))
            expected = [share, 1 - float(high), 1 - float(low)] if "(" in row[column] else share
            near(row[column], expected, slack=0.0006)


def check_firms(table: Table) -> None:
    heads, rows = table
    medians = []
    for name, middle, *cells in rows:
        fall = depths(name.rpartition("(")[2].rstrip(")"))
        medians.append(-float(fall.median()))
        near(middle, medians[-1], slack=0.0002)
        for head, cell in zip(heads[2:], cells, strict=True):
            low, high = (-number for number in numbers(head))
            near(cell, float(((fall >= low) & (fall < high + (high == 1))).mean()))
    assert medians == sorted(medians)
    assert len(rows) == len(run().scenario.universe.firms)


def check_elasticity(table: Table) -> None:
    heads, rows = table
    assert heads[3:6] == ["5 % deeper than", "median (95 % interval)", "5 % less deep than"]
    drawn = pd.Series(run().results.inputs["technology.elasticity"])
    classes = pd.qcut(drawn.rank(method="first"), 10, labels=False)
    dotcom = next(crash.depth for crash in run().crashes("sp500") if crash.name == "dotcom")
    for number, (start, end, paths, deep, middle, mild, reach) in enumerate(rows):
        inside = classes == number
        fall = depths()[inside]
        near(start, drawn[inside].min())
        near(end, drawn[inside].max())
        assert numbers(paths) == [inside.sum()]
        near(deep, -float(fall.quantile(0.95)))
        value, low, high = median_interval(fall)
        near(middle, [-value, -high, -low])
        near(mild, -float(fall.quantile(0.05)))
        near(reach, share_interval(int((fall >= dotcom).sum()), len(fall)))


def check_drivers(table: Table) -> None:
    heads, rows = table
    assert heads[:2] == ["driver", "years"]
    block = run_block(run().scenario, SEED, 0, Keep(**dict.fromkeys(Keep.__annotations__, True)))
    assert block.driver_bins is not None
    logs = -30.0 + 0.02 * (block.driver_bins[:, :, :PATHS] + 0.5)  # the grid of the recorder
    titles = dict(zip(DRIVERS, dict.fromkeys(row[0] for row in rows), strict=True))
    times = run().results.times[run().results.driver_steps]
    for place, name in enumerate(DRIVERS):
        of = [row for row in rows if row[0] == titles[name]]
        assert len(of) == 6
        for _, year, *cells in of:
            values = pd.Series(np.exp(logs[place, int(np.abs(times - float(year)).argmin())]))
            for head, cell in zip(heads[2:-1], cells[:-1], strict=True):
                if not float(year):
                    values = pd.Series(np.ones(PATHS))  # known, whatever its bin
                near_quantile(cell, level_of(head), values, slack=0.06 * numbers(cell)[0])


def check_uncertainty(table: Table) -> None:
    heads, rows = table
    assert heads[1:] == ["assumptions, at least (95 % interval)", "chance, at most"]
    drawn = [values for values in run().results.inputs.values() if np.ptp(values) > 0]
    ranks = [(stats.rankdata(values) - 1) / (PATHS - 1) * 2 - 1 for values in drawn]
    design = np.column_stack([np.ones(PATHS), *ranks, *(rank**2 for rank in ranks)])
    fall = depths().to_numpy()

    def adjusted(which: Any) -> Any:
        x, y = design[which], fall[which]
        left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        return 1 - float(left @ left) / (len(y) - x.shape[1]) / float(y.var(ddof=1))

    share = adjusted(np.arange(PATHS))
    without = [adjusted(np.flatnonzero(np.arange(PATHS) % 32 != group)) for group in range(32)]
    half = 1.96 * np.sqrt(31 / 32 * np.square(np.array(without) - np.mean(without)).sum())
    row = next(row for row in rows if row[0] == "S&P 500")
    ends = [max(share + side * half, 0.0) for side in (-1, 1)]  # no variance has a negative share
    near(row[1], [share, *ends], slack=0.002)
    assert row[1].endswith("noise") == (share - half <= 0)
    near(row[2], min(1 - share, 1.0), slack=0.001)


DOTCOM = float(baseline("dotcom").measure(52)["max_drawdown"].iloc[0])
"""The S&P 500's fall, weekly."""


@cache
def worlds() -> list[Any]:
    """Levels of the S&P 500 without either, with the boom alone, with the story alone, with both."""
    found = []
    for number in range(3):
        made = simulate(world(run().scenario, number), keep_levels=True)
        found.append(pd.DataFrame(np.asarray(made.levels[0], np.float64)))
    return [*found, levels()]


def story(shown: Table) -> None:
    heads, rows = shown
    assert heads == ["", "this run", "by chance", "boom", "this story", "as priced in"]
    falls = [-(of / of.cummax() - 1).min() for of in worlds()]
    lost = [(1 - of.min() / of.iloc[0]).clip(lower=0) for of in worlds()]
    expected = {
        "falls as after 2000": [(x >= DOTCOM).mean() for x in falls],
        "30 % or more below today at some time": [(x >= 0.3).mean() for x in lost],
        "mean largest fall": [x.mean() for x in falls],
        "mean lowest against today": [x.mean() for x in lost],
    }
    assert [row[0] for row in rows] == list(expected)
    for row, (neither, boom, told, both) in zip(rows, expected.values(), strict=True):
        parts = (
            both,
            neither,
            (boom - neither + both - told) / 2,
            (told - neither + both - boom) / 2,
            boom,
        )
        for cell, part in zip(row[1:], parts, strict=True):
            value, _, error = cell.replace("\N{MINUS SIGN}", "-").partition("\N{PLUS-MINUS SIGN}")
            assert abs(float(value) - 100 * part) <= 0.06 + 0.5 * (float(error or 1) >= 0.95)


CHECKS: dict[str, Callable[[Table], None]] = {
    "story": story,
    "fan": check_fan,
    "underwater": check_underwater,
    "histogram": check_histogram,
    "exceedance": check_exceedance,
    "waterfall": check_waterfall,
    "overlay": check_overlay,
    "trough": check_trough,
    "recovery": check_recovery,
    "firms": check_firms,
    "elasticity": check_elasticity,
    "drivers": check_drivers,
    "uncertainty": check_uncertainty,
}


def test_every_kind_of_figure_is_checked() -> None:
    assert set(CHECKS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_under_a_figure_is_what_the_paths_say(kind: str) -> None:
    CHECKS[kind](picture(kind, run()).shown())


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_with_two_columns_exchanged_is_found_out(kind: str) -> None:
    """As in the fault that this file is for: the heads of an underwater table stood the wrong way round."""
    heads, rows = picture(kind, run()).shown()
    first, last = {"uncertainty": (1, 2), "trough": (2, 3), "drivers": (2, 3)}.get(kind, (1, 0))
    if last == 0:
        first, last = (1, 2) if len(heads) > 2 else (0, 1)
    wrong = [list(row) for row in rows]
    for row in wrong:
        row[first], row[last] = row[last], row[first]
    with pytest.raises((AssertionError, ValueError)):
        CHECKS[kind]((heads, wrong))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"firms", "drivers"}))
def test_the_table_of_another_entity_is_found_out(kind: str) -> None:
    heads, rows = picture(kind, run(), "ai_basket").shown()
    rows = [["S&P 500" if cell == "AI basket" else cell for cell in row] for row in rows]
    if kind == "uncertainty":  # it shows all groups: these are the numbers of another
        rows = [row for row in rows if row[0] != "S&P 500"] + [["S&P 500", *rows[-1][1:]]]
    with pytest.raises(AssertionError):
        CHECKS[kind]((heads, rows))
