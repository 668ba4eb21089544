"""Bad and hostile scenario files: told at the right line, all at once, never a traceback."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from scenario_texts import MINIMAL, full_lines, told

from simulator.errors import plain
from simulator.model.technology import Technology

LINES = full_lines()


def test_the_file_the_faults_are_planted_in_is_sound(tmp_path: Path) -> None:
    assert told("\n".join(LINES), tmp_path) == ()


# Each fault changes one line of a sound file and returns the number (from 0) of the line to be told.
Fault = Callable[[list[str], random.Random], int]


def numeric_lines(lines: list[str]) -> list[int]:
    """Lines `key = 1.5` of the model's tables."""
    start = lines.index("[technology]")
    found = []
    for index in range(start, len(lines)):
        _, equals, value = lines[index].partition(" = ")
        try:
            float(value)
        except ValueError:
            continue
        if equals and not lines[index].startswith("rho"):
            found.append(index)
    return found


def value_fault(value: str) -> Fault:
    def plant(lines: list[str], rng: random.Random) -> int:
        index = rng.choice(numeric_lines(lines))
        lines[index] = f"{lines[index].partition(' = ')[0]} = {value}"
        return index

    plant.__name__ = f"value {value}"
    return plant


def misspelt_key(lines: list[str], rng: random.Random) -> int:
    index = rng.choice([i for i in numeric_lines(lines) if len(lines[i].partition(" = ")[0]) > 4])
    key, _, value = lines[index].partition(" = ")
    at = rng.randrange(1, len(key) - 1)
    lines[index] = f"{key[:at]}{key[at + 1 :]}x = {value}"
    return index


def misspelt_table(lines: list[str], rng: random.Random) -> int:
    names = (
        "[sentiment]",
        "[market]",
        "[firms]",
        "[valuation]",
        "[technology.consensus]",
        "[thresholds]",
    )
    index = lines.index(rng.choice(names))
    lines[index] = lines[index].replace("s", "z", 1).replace("m", "n", 1).replace("v", "w", 1)
    return index


def distribution_fault(table: str) -> Fault:
    def plant(lines: list[str], rng: random.Random) -> int:
        end = lines.index("[technology.consensus]")
        key = rng.choice([name for name, spec in Technology.specs().items() if spec.uncertain])
        index = next(i for i in range(end) if lines[i].startswith(f"{key} = "))
        lines[index] = f"{key} = {table}"
        return index

    plant.__name__ = f"distribution {table}"
    return plant


def distribution_where_none_belongs(lines: list[str], rng: random.Random) -> int:
    end = lines.index("[technology.consensus]")
    key = rng.choice([name for name, spec in Technology.specs().items() if not spec.uncertain])
    index = next(i for i in range(end) if lines[i].startswith(f"{key} = "))
    lines[index] = f'{key} = {{ dist = "uniform", low = 0.1, high = 0.2 }}'
    return index


def uncertain_consensus(lines: list[str], rng: random.Random) -> int:
    start = lines.index("[technology.consensus]") + 1
    index = start + rng.randrange(len(Technology.specs()))
    key = lines[index].partition(" = ")[0]
    lines[index] = f"{key} = {{ p5 = 0.1, p50 = 0.2, p95 = 0.3 }}"
    return index


def duplicate_key(lines: list[str], rng: random.Random) -> int:
    index = rng.choice(numeric_lines(lines))
    lines.insert(index + 1, lines[index])
    return index + 1


def duplicate_table(lines: list[str], rng: random.Random) -> int:
    name = rng.choice(["[market]", "[technology]", "[sources]"])
    lines.append(name)
    return len(lines) - 1


def syntax_fault(change: Callable[[str], str]) -> Fault:
    def plant(lines: list[str], rng: random.Random) -> int:
        index = rng.choice(numeric_lines(lines))
        lines[index] = change(lines[index])
        return index

    return plant


def replaced(start: str, new: str) -> Fault:
    def plant(lines: list[str], rng: random.Random) -> int:
        index = rng.choice([i for i, line in enumerate(lines) if line.startswith(start)])
        lines[index] = new
        return index

    plant.__name__ = new
    return plant


def added(after: str, new: str) -> Fault:
    def plant(lines: list[str], rng: random.Random) -> int:
        index = rng.choice([i for i, line in enumerate(lines) if line.startswith(after)])
        lines.insert(index + 1, new)
        return index + 1

    plant.__name__ = new
    return plant


# What the parser itself refuses hides the rest of the file; everything else must be told at once.
PARSER_FAULTS: list[Fault] = [
    duplicate_key,
    duplicate_table,
    syntax_fault(lambda line: line.replace(" = ", " ")),
    syntax_fault(lambda line: line + " 7"),
    syntax_fault(lambda line: line.replace(" = ", ' = "')),
    syntax_fault(lambda line: f"[{line}"),
    syntax_fault(lambda line: f"{line} # \u202e hidden"),
    syntax_fault(lambda line: f"{line} # \x1b[2J"),
]
FAULTS: list[Fault] = [
    *map(
        value_fault,
        ['"0.5"', "true", "nan", "inf", "-inf", "1e300", "-1e300", "[0.5]", "1e400", "2025-01-24"],
    ),
    value_fault("9" * 400),
    value_fault('"\\u001b[31m"'),
    misspelt_key,
    misspelt_table,
    *map(
        distribution_fault,
        [
            '{ dist = "norml", mean = 1, sd = 1 }',
            '{ dist = "normal", mean = 1 }',
            '{ dist = "normal", mean = 1, sd = -1 }',
            '{ dist = "normal", mean = "1", sd = 1 }',
            '{ dist = "triangular", low = 0.3, mode = 0.2, high = 0.4 }',
            '{ dist = "uniform", low = 0.3, high = 0.2 }',
            '{ dist = "uniform", low = -1e9, high = 1e9 }',
            "{ p5 = 0.3, p50 = 0.2, p95 = 0.4 }",
            "{ p5 = 0.1, p50 = 0.2 }",
            "{ p5 = 0.1, p50 = 0.2, p95 = nan }",
            "{ low = 0.1, high = 0.2 }",
            "{}",
            "{ dist = { dist = 1 } }",
        ],
    ),
    distribution_where_none_belongs,
    uncertain_consensus,
    replaced("kind = ", 'kind = "price_cutt"'),
    replaced("kind = ", "kind = 3"),
    replaced("firm = ", 'firm = "GOOG"'),
    replaced("at_years = ", "at_years = -1"),
    replaced("name = ", 'name = "../x"'),
    replaced("name = ", 'name = "CON"'),
    replaced("universe = ", 'universe = "/etc/passwd"'),
    replaced("universe = ", 'universe = "us-2025-10"'),
    replaced("paths = ", "paths = 1_000_000_000_000"),
    replaced("paths = ", "paths = 1000.0"),
    replaced("seed = ", "seed = -1"),
    replaced("seed = ", "seed = true"),
    replaced("as_of = ", 'as_of = "2025-01-24"'),
    replaced("title = ", f'title = "{"x" * 300}"'),
    replaced("steps_per_year = ", "steps_per_year = 253"),
    replaced("format_version = ", "format_version = 2"),
    replaced("typical = ", 'typical = "median(sp500.max_drawdwn) < 0.9"'),
    replaced("typical = ", "typical = 0.9"),
    replaced("events.0 = ", "events.0 = 3"),
    replaced("events.0 = ", 'events.0 = { source = "x", strength = "E" }'),
    added("[scenario]", "output = '/etc'"),
]


def test_a_hundred_planted_faults_are_told_at_their_lines(tmp_path: Path) -> None:
    rng = random.Random(2025)
    kinds = FAULTS + PARSER_FAULTS
    places = set()
    for number in range(100):
        lines = list(LINES)
        kind = kinds[number % len(kinds)]
        line = kind(lines, rng) + 1
        problems = told("\n".join(lines), tmp_path)
        context = f"fault {number} ({kind.__name__}): {lines[line - 1][:100]}"
        assert [problem.line for problem in problems] == [line], f"{context}\n{problems}"
        problem = problems[0]
        places.add(problem.line)
        assert problem.source_line == lines[line - 1], context
        assert 1 <= problem.column <= len(problem.source_line) + 1, context
        assert problem.message, context
        assert kind in PARSER_FAULTS or problem.expected or problem.hint, context
    assert len(places) > 40  # negative control: the faults were spread over the file


def test_faults_are_told_all_at_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    # An event of unknown kind has no keys to check, an unknown universe no firms.
    once = [fault for fault in FAULTS if not fault.__name__.startswith(("universe", "kind"))]
    for _ in range(10):
        lines = list(LINES)
        lines_told: set[int] = set()
        for fault in rng.sample(once, 12):
            trial = list(lines)
            line = fault(trial, rng) + 1
            if len(trial) != len(lines) or fault is misspelt_table or line in lines_told:
                continue  # would move, hide or replace the others
            lines = trial
            lines_told.add(line)
        found = {problem.line for problem in told("\n".join(lines), tmp_path)}
        form = {
            line for line in lines_told if "u001b" in lines[line - 1] or "xxxx" in lines[line - 1]
        }
        assert found == (form or lines_told)  # faults of form are told before any of meaning


def test_a_message_shows_place_line_caret_range_and_suggestion(tmp_path: Path) -> None:
    lines = [*MINIMAL.splitlines(), "[technology]", "annual_price_decline = 1.5", "elastcity = 1.0"]
    text = "\n\n".join(map(str, told("\n".join(lines), tmp_path)))
    assert (
        text
        == f"""error: annual_price_decline = 1.5 is outside the allowed range
  --> {tmp_path}/bad.toml:10:24
   |
10 | annual_price_decline = 1.5
   |                        ^
   = allowed: 0 to 0.999 (share per year)
   = try: 1.5 % is 0.015

error: unknown key `elastcity` in technology
  --> {tmp_path}/bad.toml:11:1
   |
11 | elastcity = 1.0
   | ^
   = try: did you mean `elasticity`?"""
    )


def test_plain_text_has_no_control_characters_and_an_end() -> None:
    assert plain("a\x1b[31m\u202eb\tc\n") == "a?[31m?b c?"
    assert len(plain("x" * 1_000)) == 160
