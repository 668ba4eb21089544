"""Sentences of what the story adds, held against the table they summarise."""

import re
from dataclasses import replace

import pytest
from summary_text import terminal_summary
from synthetic_run import synthetic_run

from simulator.reports.run_html import html_report
from simulator.reports.run_text import opening_lines, story_lines, table_lines
from simulator.reports.story_tables import story as story_rows
from simulator.runs.contributions import PARTS, Contributions
from simulator.runs.run import Run
from simulator.runs.story_text import base_rate, effect, from_today
from simulator.statistics import Estimate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return synthetic_run(tmp_path_factory.mktemp("story"), paths=600)


def split(statistic: str, **values: float) -> Contributions:
    """Parts of one headline of the S&P 500 with an error of .01 each."""
    parts = {
        part: Estimate(value, 0.01, value - 0.0196, value + 0.0196)
        for part, value in values.items()
    }
    return Contributions({("sp500", statistic): parts}, 500)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"(\d+(?:\.\d+)?)±", text)]


def test_the_sentence_beside_the_verdict_has_the_numbers_of_the_table() -> None:
    of = split("reach_dotcom", total=0.24, chance=0.13, boom=0.08, story=0.03, as_priced_in=0.2)
    assert base_rate(of) == (
        "Without an AI boom (± Monte Carlo standard error) 13±1 in 100 do, 20±1 if all goes as priced in; the boom "
        "adds 8±1, this story adds 3±1."
    )


def test_the_sentence_of_losses_from_today_has_the_numbers_of_the_table() -> None:
    of = split("below_30", total=0.09, chance=0.17, boom=0.05, story=-0.13, as_priced_in=0.25)
    assert from_today(of) == (
        "30 % below today at some time: 9±1 in 100; 17±1 without an AI boom, 25±1 as priced in; the boom adds 5±1, "
        "this story takes away 13±1."
    )


@pytest.mark.parametrize("value", [0.019, 0.0, -0.019])
def test_what_cannot_be_told_from_nothing_is_given_no_sign(value: float) -> None:
    of = split("reach_dotcom", total=0.24, chance=0.13, boom=value, story=value, as_priced_in=0.2)
    assert not re.search(r"adds|takes away", base_rate(of))
    assert base_rate(of).count("too little to tell") == 2


@pytest.mark.parametrize(("value", "verb"), [(0.02, "adds"), (-0.02, "takes away")])
def test_an_effect_outside_its_error_is_named(value: float, verb: str) -> None:
    assert effect("it", Estimate(value, 0.01, value - 0.0196, value + 0.0196)) == f"it {verb} 2±1"


def test_sentences_and_rows_of_a_run_are_those_of_its_table(run: Run) -> None:
    assert run.contributions is not None
    for text, statistic in zip(run.story_sentences, ("reach_dotcom", "below_30"), strict=True):
        of = {
            part: abs(100 * one.value)
            for part, one in run.contributions.of("sp500", statistic).items()
        }
        for number in numbers(text):
            assert (
                min(abs(number - value) for value in of.values())
                <= 0.051 + 0.5 * number.is_integer()
            )
    for row in story_rows(run):
        parts = run.contributions.of(row.entity, row.statistic)
        for (cell, _), part in zip(row.cells, PARTS, strict=True):
            assert float(cell.replace("−", "-")) == pytest.approx(100 * parts[part].value, abs=0.51)


def test_terminal_and_report_say_the_same_below_the_verdict(run: Run) -> None:
    from html import unescape

    page = " ".join(unescape(re.sub(r"<[^>]+>", " ", html_report(run))).split())
    text = " ".join(terminal_summary(run, full=True).split())
    for sentence in run.story_sentences:
        assert sentence in page
        assert sentence.replace("−", "-").replace(" %", "%") in text
    assert "WHAT THE STORY ADDS" in text


def test_ten_lines_hold_the_verdict_and_both_sentences(run: Run) -> None:
    first = [line.text for line in (*opening_lines(run), *story_lines(run), *table_lines(run))][:10]
    said = " ".join(" ".join(first).split())
    for sentence in run.story_sentences:
        assert sentence.replace("−", "-").replace(" %", "%") in said
    for line in first:
        assert len(line) <= 80


def test_a_run_without_other_worlds_says_nothing_of_them(run: Run) -> None:
    plain = replace(run, contributions=None)
    assert plain.story_sentences == []
    assert "story" not in terminal_summary(plain)
    assert "What the story adds" not in html_report(plain)


def test_the_plain_answer_stands_before_the_story(run: Run) -> None:
    assert opening_lines(run) == opening_lines(replace(run, contributions=None))
    assert any("simulated futures" in line.text for line in opening_lines(run))
