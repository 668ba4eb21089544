"""The summary in the terminal: 80 columns whatever comes, errors beside estimates, sparing colour."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hostile import HOSTILE
from rich.cells import cell_len
from summary_text import terminal_summary
from synthetic_run import synthetic_run, titled

from simulator.cli import console
from simulator.errors import plain
from simulator.reports import run_tables
from simulator.reports.run_text import summary_lines
from simulator.reports.text_lines import WIDTH, Line, number
from simulator.runs.load import load_run
from simulator.runs.run import Run
from simulator.runs.statistic_catalogue import WORST
from simulator.statistics.formatting import format_error, format_share
from simulator.statistics.intervals import Estimate

SECTIONS = (
    "simulated futures",
    "THRESHOLDS",
    "LARGEST FALL",
    "CHANCE",
    "BELOW TODAY'S VALUE",
    "TWENTIETH",
    "results/walk",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("terminal"))


def widest(text: str) -> int:
    return max(cell_len(line) for line in text.splitlines())


def named(run: Run, name: str) -> Run:
    """The run with every firm, group and threshold under another name."""
    universe = run.scenario.universe
    firms = tuple(firm.model_copy(update={"name": name}) for firm in universe.firms)
    titles = dict.fromkeys(universe.group_titles, name)
    limits = tuple(replace(one, name=name, text=name) for one in run.scenario.thresholds)
    wide = replace(universe, firms=firms, group_titles=titles)
    return replace(run, scenario=replace(run.scenario, universe=wide, thresholds=limits))


def test_sections_in_order_and_plain(run: Run) -> None:
    text = terminal_summary(run, "results/walk-0123456789ab", full=True)
    places = [text.index(word) for word in SECTIONS]
    assert places == sorted(places)
    assert text.replace("±", "").replace("\n", "").isascii()
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("title", ["A walk", "x" * 200, "word " * 40, "日本語の題名" * 30])
@pytest.mark.parametrize("paths", [1, 2, 7, 400])
@pytest.mark.parametrize("full", [False, True])
def test_it_fits_eighty_columns(title: str, paths: int, full: bool, tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, paths=paths)
    text = terminal_summary(
        named(titled(run, title), title), f"results/{'deep/' * 30}walk", full=full
    )
    assert widest(text) <= WIDTH


def test_hostile_names_fit_and_are_shown_as_they_are(run: Run) -> None:
    for name in HOSTILE:
        text = terminal_summary(named(titled(run, name), name), "results/walk", full=True)
        assert widest(text) <= WIDTH, name
        assert text.replace("\n", "").isprintable(), name
        shown = " ".join(plain(name, 200).split())
        head = text.splitlines()[0]
        assert head == shown if cell_len(shown) <= WIDTH else shown.startswith(head[:-1])


def table_below(text: str, head: str) -> list[str]:
    """The lines of the table that starts so, to its end."""
    lines = text[text.index(head) :].splitlines()
    return lines[: lines.index("")]


def test_every_fall_has_its_error_beside_it(run: Run) -> None:
    """-27.9±0.3: the digits of the report, and one digit of the standard error."""
    lines = table_below(terminal_summary(run, full=True), "LARGEST FALL (")
    for entity, row in zip(run.entities, run_tables.falls(run), strict=True):
        line = next(one for one in lines if one.startswith(f" {row.short[:18]}"))
        cells = line[20:].split()
        assert len(cells) == 6
        for cell, (told, _), name in zip(cells, row.cells, [*WORST, "mean"], strict=True):
            estimate = run.estimates()[entity][name]
            value, _, error = cell.partition("±")
            assert value == told.replace("−", "-").removesuffix(" %")
            assert -float(value) / 100 == pytest.approx(
                estimate.value, abs=max(0.5 * estimate.mc_error, 0.0005) + 1e-9
            )
            assert float(error) == pytest.approx(100 * estimate.mc_error, rel=0.5, abs=0.01)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (0.0031, "±0.3"),
        (0.0096, "±1"),
        (0.25, "±20"),
        (0.0004, "±.04"),
        (1e-6, "±.01"),
        (0, ""),
    ],
)
def test_an_error_is_one_digit_in_three_columns(error: float, shown: str) -> None:
    of = Estimate(0.4, error, 0.3, 0.5)
    text = number((format_share(of, sign=-1), format_error(of)))
    assert text.endswith(shown)
    assert ("±" in text) == (error > 0)
    assert len(text) <= 9


def test_the_dotcom_crash_stands_below_both_indexes(run: Run) -> None:
    lines = table_below(terminal_summary(run, full=True), "LARGEST FALL (")
    for name, weekly, daily in (("S&P 500", "-47.6", "-49.1%"), ("NASDAQ", "-77.4", "-77.9%")):
        above = next(n for n, line in enumerate(lines) if line.startswith(f" {name}"))
        assert "dot-com crash" in lines[above + 1]
        assert weekly in lines[above + 1]
        assert f"(daily {daily})" in lines[above + 1]


def test_thresholds_say_pass_or_fail_and_whether_it_is_sure(run: Run) -> None:
    text = " ".join(terminal_summary(run, full=True).split())
    assert "FAIL rare: P(sp500.max_drawdown >= 0.30) < 0.05" in text
    assert "pass typical:" in text
    assert "more paths would tell" not in text
    estimate = next(one for one in run.threshold_results()).estimate
    rule = replace(run.scenario.thresholds[0], limit=estimate.value - 1e-6)
    close = replace(run, scenario=replace(run.scenario, thresholds=(rule,)))
    assert "more paths would tell" in " ".join(terminal_summary(close, full=True).split())
    without = replace(run, scenario=replace(run.scenario, thresholds=()))
    assert "THRESHOLDS" not in terminal_summary(without)


def test_a_stored_run_gives_the_same_summary(run: Run, tmp_path: Path) -> None:
    run.save(tmp_path / "stored")
    assert terminal_summary(load_run(tmp_path / "stored"), full=True) == terminal_summary(
        run, full=True
    )


def test_one_path(tmp_path: Path) -> None:
    text = terminal_summary(synthetic_run(tmp_path, paths=1), full=True)
    assert "In the one simulated future" in text
    assert "?: too few paths" in text
    assert "nan" not in text


def test_no_control_or_direction_character_goes_through(run: Run) -> None:
    hidden = "\x1b\x9b\u202e\u200b\x00\u2028"
    text = terminal_summary(titled(run, f"before{hidden}after"), f"results/{hidden}")
    assert not set(hidden) & set(text)
    assert "before" in text
    assert "after" in text


class Stream:
    """A stand-in for stdout that may be a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        self.terminal, self.text = terminal, ""

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def printed(
    lines: list[Line], monkeypatch: pytest.MonkeyPatch, *, terminal: bool = True, **env: str
) -> str:
    stream = Stream(terminal=terminal)
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", stream)
    console.Screen().lines(lines)
    monkeypatch.undo()
    return stream.text


def test_colour_is_sparing_and_only_where_it_is_wanted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = summary_lines(titled(run, "\x1b[31mred\x1b[0m"), full=True)
    wanted = terminal_summary(titled(run, "\x1b[31mred\x1b[0m"), full=True) + "\n"
    assert printed(lines, monkeypatch, terminal=False) == wanted
    assert printed(lines, monkeypatch, NO_COLOR="1") == wanted
    assert printed(lines, monkeypatch, TERM="dumb") == wanted
    coloured = printed(lines, monkeypatch)
    assert set(re.findall(r"\x1b\[([0-9;]*)m", coloured)) == {"", "0", "1", "32", "1;31"} - {""}
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == wanted
    assert coloured.count("\x1b[1;31m") == sum(
        line.startswith("  FAIL") for line in wanted.splitlines()
    )
    marked = sum(line.startswith("\x1b") for line in coloured.splitlines())
    assert marked < len(lines) / 3
