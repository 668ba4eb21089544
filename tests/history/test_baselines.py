"""Baselines: the shipped files, their measures on a grid, and closes of the user's own."""

import hashlib
import os
import re
import runpy
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import CommandLine
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.errors import BaselineError, UsageError
from simulator.history import baselines, prices_csv
from simulator.history.baselines import (
    baseline,
    load_baseline_csv,
    load_dfast,
    names,
    reference_depths,
    sample,
)
from simulator.history.crashes import crashes
from simulator.history.prices_csv import Closes, read_closes

DATA = Path(str(files("simulator.history"))) / "data"
SCRIPT = Path(__file__).parents[2] / "scripts" / "make_baselines.py"


# --- the shipped files -----------------------------------------------------------------------


def test_the_facts_everyone_knows() -> None:
    nasdaq, sp500 = (baseline("dotcom").fact(index) for index in ("nasdaq", "sp500"))
    assert (nasdaq.peak_date, nasdaq.peak_close) == (date(2000, 3, 10), 5048.62)
    assert (nasdaq.trough_date, nasdaq.trough_close) == (date(2002, 10, 9), 1114.11)
    assert (nasdaq.recovery_date, sp500.recovery_date) == (date(2015, 4, 23), date(2007, 5, 30))
    depths = {(name, i): fact.depth for name in names() for i, fact in baseline(name).facts.items()}
    known = {
        ("1929", "sp500"): 86.2,
        ("1973-74", "sp500"): 48.2,
        ("1973-74", "nasdaq"): 59.9,
        ("1987", "sp500"): 33.5,
        ("1987", "nasdaq"): 35.9,
        ("dotcom", "sp500"): 49.1,
        ("dotcom", "nasdaq"): 77.9,
        ("2008", "sp500"): 56.8,
        ("2008", "nasdaq"): 55.6,
        ("2020", "sp500"): 33.9,
        ("2020", "nasdaq"): 30.1,
        ("2022", "sp500"): 25.4,
        ("2022", "nasdaq"): 36.4,
    }
    assert {key: round(100 * depth, 1) for key, depth in depths.items()} == known


@pytest.mark.parametrize("name", names())
def test_every_fact_is_consistent(name: str) -> None:
    for index, fact in baseline(name).facts.items():
        assert (fact.episode, fact.index) == (name, index)
        assert fact.peak_date < fact.trough_date
        assert fact.recovery_date is not None
        assert fact.trough_date < fact.recovery_date
        assert fact.depth == pytest.approx(1 - fact.trough_close / fact.peak_close, abs=5e-7)
        assert fact.source


def percent(share: object) -> float:
    assert isinstance(share, float)
    return round(100 * share, 1)


def test_weekly_falls() -> None:
    """What a weekly series holds of the same crashes: less than the daily closes."""
    nasdaq = baseline("dotcom").measure("nasdaq", 52)
    sp500 = baseline("dotcom").measure("sp500", 52)
    assert percent(nasdaq["max_drawdown"]) == 77.4
    assert percent(sp500["max_drawdown"]) == 47.6
    assert (nasdaq["peak_date"], nasdaq["trough_date"]) == (date(2000, 3, 10), date(2002, 10, 4))
    assert nasdaq["recovery_date"] == date(2015, 4, 24)
    assert (nasdaq["peak_step"], nasdaq["trough_step"]) == (0, 134)
    assert percent(nasdaq["worst_week"]) == -25.3


@pytest.mark.parametrize("name", ["dotcom", "2008"])
@pytest.mark.parametrize("index", ["sp500", "nasdaq"])
def test_shipped_series_are_the_last_closes_of_weeks(name: str, index: str) -> None:
    series = baseline(name).levels(index)
    weeks = sample(series, 52)
    np.testing.assert_array_equal(weeks.dates, series.dates)  # no week missing, none twice
    fact, grid = baseline(name).fact(index), baseline(name).measure(index, 52)
    assert series.dates[0] < np.datetime64(fact.peak_date)
    assert isinstance(grid["max_drawdown"], float)
    assert fact.depth - 0.03 < grid["max_drawdown"] < fact.depth
    assert grid["recovery_date"] is not None


def test_reference_depths() -> None:
    weekly = reference_depths(52)
    assert list(weekly) == names()
    assert weekly["dotcom"]["nasdaq"] == pytest.approx((0.779324, 0.774216), abs=1e-6)
    assert weekly["1929"] == {"sp500": (0.861896, None)}
    monthly = reference_depths(12)["dotcom"]["nasdaq"][1]
    assert monthly is not None
    assert monthly < 0.774216  # a coarser grid sees less
    assert reference_depths(252)["dotcom"]["nasdaq"] == (0.779324, None)  # finer than the closes


def test_checksums() -> None:
    """SOURCES.md says where each file comes from and what its bytes are."""
    text = (DATA / "SOURCES.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\S+\.csv) \|.*\| `([0-9a-f]{64})` \|$", text, re.MULTILINE))
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in DATA.glob("*.csv")}
    assert listed == found
    assert len(found) == 5


def test_the_script_makes_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("arch", reason="the source of the series is a development dependency")
    script = runpy.run_path(str(SCRIPT))
    script["main"](tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in DATA.glob("*.csv")}


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="did you mean dotcom"):
        baseline("dotcon")
    with pytest.raises(UsageError, match="only its facts are known"):
        baseline("1929").levels("sp500")
    with pytest.raises(UsageError, match="knows sp500, not 'nasdaq'"):
        baseline("1929").fact("nasdaq")


def test_shared_closes_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        baseline("dotcom").levels("nasdaq").closes[0] = 1.0


# --- the grid --------------------------------------------------------------------------------


def closes(days: list[str], levels: list[float]) -> Closes:
    return Closes(np.array(days, dtype="datetime64[D]"), np.array(levels))


def test_a_series_that_falls_in_its_first_week_has_fallen_on_weekly_closes(tmp_path: Path) -> None:
    path = tmp_path / "week.csv"
    path.write_text("date,close\n2021-01-04,100\n2021-01-05,90\n2021-01-07,75\n2021-01-08,76\n")
    measured = load_baseline_csv(path).measure("week", 52)
    assert measured["max_drawdown"] == pytest.approx(0.24)
    assert (measured["peak_date"], measured["recovery_date"]) == (date(2021, 1, 4), None)


def test_sample_takes_the_last_close_of_each_period() -> None:
    # 2024-01-05 is a Friday, the 7th a Sunday, the 8th a Monday
    days = ["2024-01-05", "2024-01-07", "2024-01-08", "2024-01-31", "2024-02-01", "2024-04-30"]
    series = closes(days, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    with pytest.raises(BaselineError, match="too few for 52 steps a year"):
        sample(series, 52)
    short = Closes(series.dates[:3], series.closes[:3])
    assert sample(short, 52).closes.tolist() == [2.0, 3.0]
    with pytest.raises(BaselineError, match="try a coarser grid"):
        sample(series, 12)  # no close in March
    assert sample(series, 4).closes.tolist() == [5.0, 6.0]
    for steps in (0, -1, 5, 24):
        with pytest.raises(UsageError, match="divisor of 52 or 12"):
            sample(series, steps)


def test_a_missing_period_repeats_the_close_before() -> None:
    weeks = np.arange(
        np.datetime64("2024-01-05"), np.datetime64("2024-06-01"), np.timedelta64(7, "D")
    )
    levels = np.arange(1.0, weeks.size + 1)
    kept = np.delete(np.arange(weeks.size), 5)
    found = sample(Closes(weeks[kept], levels[kept]), 52)
    assert found.closes.size == weeks.size
    assert found.closes[5] == found.closes[4] == 5.0


@pytest.mark.parametrize(("steps", "rule"), [(12, "ME"), (52, "W-SUN")])
@pytest.mark.parametrize("index", ["sp500", "nasdaq"])
def test_on_a_grid_start_and_all_are_the_closes_of_that_grid(
    index: str, steps: int, rule: str
) -> None:
    stored = baseline("dotcom").levels(index)
    ends = pd.Series(stored.closes, pd.DatetimeIndex(stored.dates)).resample(rule).last().ffill()
    by_pandas = float((1 - ends / ends.cummax()).max())
    found = baseline("dotcom").measure(index, steps)
    assert found["max_drawdown"] == pytest.approx(by_pandas, abs=1e-12)
    assert found["peak_step"] == 0


def test_a_peak_within_a_month_is_not_on_the_monthly_grid(tmp_path: Path) -> None:
    rows = "2024-01-31,100\n2024-02-15,200\n2024-02-29,110\n2024-03-28,88\n2024-04-30,111\n"
    path = write(tmp_path, f"date,close\n{rows}")
    found = load_baseline_csv(path).measure("mine", 12)
    assert found["max_drawdown"] == pytest.approx(0.2)  # 110 to 88, not 200 to 88
    assert str(found["peak_date"]) == "2024-02-29"
    assert str(found["recovery_date"]) == "2024-04-30"
    assert found["worst_week"] is None
    with pytest.raises(BaselineError, match=r"mine\.csv"):
        load_baseline_csv(path).measure("mine", 52)


# --- closes of the user's own ----------------------------------------------------------------

GOOD = "date,close\n2024-01-05,100\n2024-01-12,60.5\n2024-01-19,121\n2024-01-26,1.1e2\n"


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "mine.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GOOD, id="plain"),
        pytest.param("\ufeff" + GOOD, id="byte order mark"),
        pytest.param(GOOD.replace("\n", "\r\n"), id="windows"),
        pytest.param(GOOD.rstrip() + "\n\n \n", id="blank lines at the end"),
        pytest.param(GOOD.replace("date,close", '"Date", "Close"'), id="quoted header"),
        pytest.param(re.sub(r"(\S+),(\S+)", r'"\1","\2"', GOOD), id="all quoted"),
        pytest.param(GOOD.replace("date,close", "Day,Price"), id="other names"),
        pytest.param(GOOD.replace(",", ";"), id="semicolons"),
        pytest.param(GOOD.replace("\n2024-01-19", "\n\n2024-01-19"), id="blank line"),
        pytest.param(GOOD.encode("utf-16"), id="UTF-16"),
        pytest.param(GOOD.replace("60.5", "$60.50"), id="currency"),
        pytest.param(GOOD.replace("2024-01-26", "2024-01-20,.\n2024-01-26"), id="a day without"),
        pytest.param(re.sub("2024-01-(..)", r"01/\1/2024", GOOD), id="US dates"),
        pytest.param(re.sub("2024-01-(..)", r"\1.01.2024", GOOD), id="German dates"),
        pytest.param(
            re.sub("2024-01-(..)", r"Jan \1, 2024", GOOD)
            .replace("Jan", '"Jan')
            .replace("2024,", '2024",'),
            id="months in words",
        ),
        pytest.param(re.sub("2024-01-..", r"\g<0> 00:00:00-05:00", GOOD), id="zoned timestamps"),
        pytest.param(
            "Prices of mine\n" + GOOD + '"Downloaded today, by me"\n', id="title and footer"
        ),
        pytest.param(
            "".join([GOOD[:11], *reversed(GOOD[11:].splitlines(keepends=True))]), id="newest first"
        ),
        pytest.param(
            "Price,Close,High\nTicker,X,X\nDate,,\n"
            + re.sub(r"\n(?=.)", ",9\n", GOOD[11:]).rstrip()
            + ",9\n",
            id="yfinance",
        ),
    ],
)
def test_a_good_file(tmp_path: Path, content: str | bytes) -> None:
    mine = load_baseline_csv(write(tmp_path, content))
    assert mine.levels("mine").closes.tolist() == [100.0, 60.5, 121.0, 110.0]
    fact = mine.fact("mine")
    assert (fact.peak_date, fact.trough_date) == (date(2024, 1, 5), date(2024, 1, 12))
    assert fact.depth == pytest.approx(0.395)
    assert fact.recovery_date == date(2024, 1, 19)
    measures = mine.measure("mine", 52)
    assert measures["max_drawdown"] == fact.depth
    assert (measures["recovery_step"], measures["worst_month"]) == (2, None)


BAD: list[Any] = [
    # content, line, what the message says
    pytest.param(GOOD[11:], 1, "expected date,close", id="no header"),
    pytest.param(GOOD.replace("2024-01-12", "12.01.2024"), 3, "is not a date", id="date order"),
    pytest.param(GOOD.replace("2024-01-12", "2024-02-30"), 3, "is not a date", id="no such day"),
    pytest.param(GOOD.replace("2024-01-12", "20240112"), 3, "is not a date", id="short date"),
    pytest.param(GOOD.replace("2024-01-12", "٢٠٢٤-٠١-١٢"), 3, "is not a date", id="other digits"),
    pytest.param(GOOD.replace("2024-01-19", "2024-01-08"), 4, "after 2024-01-12", id="unsorted"),
    pytest.param(GOOD.replace("2024-01-19", "2024-01-12"), 4, "is there twice", id="duplicate"),
    pytest.param(GOOD.replace("60.5", "0"), 3, "number above 0", id="zero"),
    pytest.param(GOOD.replace("60.5", "-3"), 3, "number above 0", id="negative"),
    pytest.param(GOOD.replace("60.5", "NaN"), 3, "number above 0", id="nan"),
    pytest.param(GOOD.replace("60.5", "1e999"), 3, "number above 0", id="overflow"),
    pytest.param(GOOD.replace("60.5", "x"), 3, "number above 0", id="a word"),
    pytest.param(GOOD.replace("60.5", "1_000"), 3, "number above 0", id="underscore"),
    pytest.param(GOOD.replace("60.5", "1,060.5"), 3, "has 3 fields", id="thousands"),
    pytest.param("", 0, "is empty", id="empty"),
    pytest.param(" \n\n", 0, "is empty", id="blank"),
    pytest.param("date,close\n", 1, "at least two", id="header only"),
    pytest.param("date,close\n2024-01-05,1\n", 2, "at least two", id="one row"),
    pytest.param(b"\x00" * 100, 0, "is not text", id="zeros"),
    pytest.param(
        GOOD.replace("close", "open,high").replace("0\n", "0,1\n"), 1, "--column", id="no close"
    ),
    pytest.param(
        "date;close\n2024-01-05;1.000\n2024-01-12;2.000\n", 2, "1.000 or 1000", id="thousands?"
    ),
    pytest.param(
        "date,close\n01/02/2024,1\n02/03/2024,2\n", 2, "2024-01-02 or 2024-02-01", id="day or month"
    ),
    pytest.param('date,close\n2024-01-05,"1\n', 2, "quotation mark", id="quote"),
]


@pytest.mark.parametrize(("content", "line", "says"), BAD)
def test_a_bad_file(tmp_path: Path, content: str | bytes, line: int, says: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(BaselineError) as caught:
        load_baseline_csv(path)
    error = caught.value
    assert (error.file, error.line, error.exit_code) == (str(path), line, 3)
    assert says in str(error)
    assert str(error).startswith(f"{path}:{line}: " if line else f"{path}: ")


def test_a_file_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prices_csv.LARGEST_FILE == 20_000_000
    path = write(tmp_path, GOOD)
    monkeypatch.setattr(prices_csv, "LARGEST_FILE", len(GOOD))
    load_baseline_csv(path)
    monkeypatch.setattr(prices_csv, "LARGEST_FILE", len(GOOD) - 1)
    with pytest.raises(BaselineError, match="is over"):
        load_baseline_csv(path)


def test_a_file_too_long(tmp_path: Path) -> None:
    path = write(tmp_path, "date,close\n" + "2024-01-05,1\n" * 100_001)
    with pytest.raises(BaselineError, match="has 100002 rows: expected at most 100000"):
        load_baseline_csv(path)


def test_no_file(tmp_path: Path) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # to open it would wait for a writer
    for path in (tmp_path / "absent.csv", tmp_path, tmp_path / "pipe", "x" * 5_000, "\0"):
        with pytest.raises(BaselineError):
            load_baseline_csv(path)


PIECES = ["date,close", "2024-01-05", "2024-01-12", "9999-12-31", "0001-01-01", "1", "1e308"]
PIECES += ["1e-320", "-", "nan", "\u0663", "\ufeff", "\x00", "\x1b", "\u2028", *'\n\r,;" ']


@given(
    st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
)
@example("date,close\n0001-01-01,1e308\n9999-12-31,1e-320")
@example("date,close\n2024-01-05,1\n2024-01-12,1e308")
def test_any_file_is_a_baseline_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    path = write(tmp_path_factory.getbasetemp(), content)
    said = ""
    try:
        load_baseline_csv(path).measure("mine", 52)
    except BaselineError as error:
        said = str(error)
    assert "\x1b" not in said
    assert len(said) < 12_000


def test_every_fault_of_a_file_at_once(tmp_path: Path) -> None:
    text = "date,close\n2024-01-05,x\n2024-13-05,1\n2024-01-12,-2\n2024-01-12,3\n"
    with pytest.raises(BaselineError) as caught:
        load_baseline_csv(write(tmp_path, text))
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in str(caught.value).split("\n")] == [
        "2",
        "3",
        "4",
        "5",
    ]


@pytest.mark.parametrize(
    ("column", "closes"), [(None, [4.0, 8.0]), ("Adj Close", [5.0, 9.0]), ("open", [1.0, 6.0])]
)
def test_the_column_of_the_prices(column: str | None, closes: list[float]) -> None:
    raw = b"Date,Open,High,Low,Close,Adj Close\n2024-01-05,1,2,3,4,5\n2024-01-08,6,7,7,8,9\n"
    assert read_closes(raw, "x.csv", column).series.closes.tolist() == closes


def test_a_german_file() -> None:
    raw = "Datum;Schlusskurs\n05.01.2024;1.012,50\n08.01.2024;998,75\n".encode("cp1252")
    series = read_closes(raw, "x.csv").series
    assert series.closes.tolist() == [1012.5, 998.75]
    assert series.dates.astype(str).tolist() == ["2024-01-05", "2024-01-08"]


# --- beside the shipped crashes --------------------------------------------------------------


def test_own_prices_are_among_the_crashes_only_while_they_are_beside(tmp_path: Path) -> None:
    own = load_baseline_csv(write(tmp_path, GOOD))
    before = crashes("sp500", 52)
    with baselines.beside(own):
        names_ = [crash.name for crash in crashes("sp500", 52)]
        mine = next(crash for crash in crashes("nasdaq", 52) if crash.name == "mine")
        assert baseline("mine").fact("sp500").trough_date == date(2024, 1, 12)
    assert names_[0] == "dotcom"
    assert mine.depth == pytest.approx(0.395)
    assert mine.same_grid
    assert crashes("sp500", 52) == before
    with pytest.raises(UsageError):
        baseline("mine")


DFAST = """\
Scenario Name,Date,Real GDP growth,Dow Jones Total Stock Market Index (Level),Market Volatility Index (Level)
Supervisory Severely Adverse,2025 Q1,-5.0,40000,60
Supervisory Severely Adverse,2025 Q2,-4.5,30000,57
Supervisory Severely Adverse,2025 Q3,-4.0,26000,54
Supervisory Severely Adverse,2025 Q4,-3.5,41000,51
"""


def test_the_market_of_a_stress_test(tmp_path: Path) -> None:
    own = load_dfast(write(tmp_path, DFAST))
    fact = own.fact("mine")
    assert fact.depth == pytest.approx(0.35)
    assert (fact.peak_date, fact.trough_date) == (date(2025, 3, 31), date(2025, 9, 30))
    assert own.measure("mine", 4)["recovery_step"] == 3
    with baselines.beside(own):  # quarters are no weeks
        assert not next(c for c in crashes("sp500", 52) if c.name == "mine").same_grid
    with pytest.raises(BaselineError, match="no quarters"):
        load_dfast(write(tmp_path, GOOD))


def test_the_command_reads_a_stress_test(tmp_path: Path, crashsim: CommandLine) -> None:
    code, out, _ = crashsim("baseline", "--dfast", write(tmp_path, DFAST))
    assert code == 0
    assert "ON QUARTERLY CLOSES" in out
    assert "-35.0%" in out
    code, _, err = crashsim("baseline", "dotcom", "--dfast", tmp_path / "mine.csv")
    assert (code, "one of NAME" in err) == (2, True)
