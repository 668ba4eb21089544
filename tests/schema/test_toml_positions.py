"""The locator against documents whose writer noted where each key went."""

from __future__ import annotations

import random
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from simulator.schema.toml_positions import Path, line_and_column, locate

VALUES = [
    "1",
    "-2.5e3",
    "true",
    '"text"',
    "'literal'",
    '"a = 1 # [not.a.table]"',
    '"quote \\" = 3"',
    "2025-01-24",
    "1979-05-27 07:32:00",
    '"""\nfake = 1\n[fake]\n  "" two quotes ""\n"""',
    "'''\nother = 2 # no\n'''",
    '""""quoted""""',
]


class Writer:
    """Writes random TOML, and notes where every key and value goes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.text = ""
        self.keys: dict[Path, tuple[int, int]] = {}
        self.values: dict[Path, tuple[int, int]] = {}
        self.names = 0

    def here(self) -> tuple[int, int]:
        return self.text.count("\n") + 1, len(self.text) - self.text.rfind("\n")

    def name(self) -> str:
        self.names += 1
        return f"k{self.names}"

    def written(self, name: str) -> str:
        forms = [name, f'"{name}"', f"'{name}'", '"\\u006b' + name[1:] + '"']
        return self.random.choice(forms)

    def blank(self) -> None:
        self.text += self.random.choice(["", "\n", "# x = [1\n", "  # 'open\n\n", "\t"])

    def pair(self, table: Path, depth: int = 0) -> None:
        parts = [self.name() for _ in range(self.random.choice([1, 1, 1, 2, 3]))]
        path = table
        for index, part in enumerate(parts):
            self.text += self.random.choice(["", " ", " . "]) if index == 0 else ""
            if index == 0:
                self.text = self.text.removesuffix(" . ")
            else:
                self.text += self.random.choice([".", " . "])
            path = (*path, part)
            self.keys[path] = self.here()
            self.text += self.written(part)
        self.text += self.random.choice([" = ", "=", "  =\t"])
        self.value(path, depth)

    def value(self, path: Path, depth: int) -> None:
        self.values[path] = self.here()
        kind = self.random.random()
        if depth < 3 and kind < 0.15:
            self.text += "["
            for index in range(self.random.randrange(4)):
                self.text += self.random.choice(["", " ", "\n  ", " # ] , no\n"])
                self.keys[(*path, index)] = self.here()
                self.value((*path, index), depth + 1)
                self.text += self.random.choice([",", ", ", "\n,"])
            self.text += self.random.choice(["]", "\n]"])
        elif depth < 3 and kind < 0.3:
            self.text += "{"
            for index in range(self.random.randrange(3)):
                self.text += ", " if index else " "
                self.pair(path, depth + 1)
            self.text += " }"
        else:
            self.text += self.random.choice(VALUES)

    def body(self, path: Path) -> None:
        for _ in range(self.random.randrange(5)):
            self.blank()
            self.pair(path)
            self.text += self.random.choice(["\n", "  # end\n", "\n\n"])

    def document(self) -> str:
        self.body(())
        for _ in range(self.random.randrange(4)):
            name = self.name()
            if self.random.random() < 0.5:
                self.text += "["
                self.keys[(name,)] = self.here()
                self.text += f"{self.written(name)}]\n"
                self.body((name,))
                continue
            for index in range(self.random.randrange(1, 4)):
                self.text += "[["
                self.keys[(name, index)] = self.here()
                self.keys.setdefault((name,), self.here())
                self.text += f"{name}]]  # one more\n"
                self.body((name, index))
                if self.random.random() < 0.4:
                    inner = self.name()
                    self.text += f"[{name}."
                    self.keys[(name, index, inner)] = self.here()
                    self.text += f"{inner}]\n"
                    self.body((name, index, inner))
        return self.text


def paths_of(value: Any, path: Path = ()) -> set[Path]:
    found = {path}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items if isinstance(value, dict | list) else ():
        found |= paths_of(item, (*path, key)) if isinstance(item, dict | list) else {(*path, key)}
    return found


@pytest.mark.parametrize("seed", range(300))
def test_every_key_and_value_is_where_it_was_written(seed: int) -> None:
    writer = Writer(seed)
    text = writer.document()
    data = tomli.loads(text)
    places = locate(text)
    assert paths_of(data) == set(places)
    for path, expected in writer.keys.items():
        assert line_and_column(text, places[path].key) == expected, path
    for path, expected in writer.values.items():
        assert line_and_column(text, places[path].value) == expected, path


def test_the_comparison_sees_a_shifted_line() -> None:
    text = "a = 1\nb = 2\n"
    assert line_and_column(text, locate(text)[("b",)].key) == (2, 1)
    assert line_and_column("\n" + text, locate("\n" + text)[("b",)].key) == (3, 1)


def test_crlf_does_not_move_lines() -> None:
    text = 'a = 1\r\n[t]\r\nb = """x\r\ny"""\r\nc = 3\r\n'
    assert line_and_column(text, locate(text)[("t", "c")].key)[0] == 5


@given(st.text(alphabet="ab=[]{}.,#\"'\\ \n1-", max_size=60))
def test_no_text_makes_it_fail_or_hang(text: str) -> None:
    places = locate(text)
    assert () in places
    assert all(
        0 <= place.key <= len(text) and 0 <= place.value <= len(text) for place in places.values()
    )


@pytest.mark.parametrize(
    "text",
    [
        "a=" + "[" * 100_000,
        "a={" * 50_000,
        ".".join("a" * 60_000) + "=1",
        "[" * 100_000,
        "a=1\n" * 60_000,
    ],
    ids=["lists", "tables", "dots", "brackets", "lines"],
)
def test_bombs_are_read_in_linear_time_and_little_memory(text: str) -> None:
    assert len(locate(text)) < 70_000
