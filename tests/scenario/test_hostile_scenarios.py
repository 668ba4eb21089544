"""Files meant to hang, crash, escape or mislead: refused, in little time, with a clean message."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from scenario_texts import MINIMAL, told

from simulator.errors import ScenarioError
from simulator.scenario.scenario import load_scenario

SECONDS = 2.0
BIG = 255 * 1024
HOSTILE: dict[str, str | bytes] = {
    "deep lists": "a = " + "[" * 100_000,
    "closed deep lists": "a = " + "[" * 300 + "]" * 300,
    "deep inline tables": "a = " + "{a=" * 5_000,
    "moderately deep tables": "a = " + "{a=" * 100 + "1" + "}" * 100,
    "dotted bomb": ".".join("a" * (BIG // 2)) + " = 1",
    "many dotted bombs": "\n".join(f"{'a.' * 900}k{i} = 1" for i in range(140)),
    "deep headers": "\n".join(f"[{'b.' * 990}k{i}]" for i in range(120)),
    "many tables": "\n".join(f"[t{i}]" for i in range(25_000)),
    "many keys": "\n".join(f"k{i}=1" for i in range(25_000)),
    "many unknown keys": MINIMAL
    + "\n[technology]\n"
    + "\n".join(f"elasticitx{i}=1" for i in range(14_000)),
    "many events": MINIMAL + '\n[[events]]\nkind="price_cut"' * 8_000,
    "many thresholds": MINIMAL
    + "\n[thresholds]\n"
    + "\n".join(f't{i}="median(sp50.x)<1"' for i in range(9_000)),
    "many sources": MINIMAL
    + "\n[sources]\n"
    + "\n".join(f'"technology.x{i}"={{source="s"}}' for i in range(6_500)),
    "many correlations": MINIMAL + '\n[[correlations]]\nbetween=["a","b"]\nrho=0.1' * 5_000,
    "many numbers": "a = [" + "1," * 120_000 + "]",
    "huge integer": MINIMAL + "\n[technology]\nelasticity = " + "9" * 200_000,
    "integer of 4000 digits": MINIMAL + "\n[technology]\nelasticity = " + "9" * 4_000,
    "huge hexadecimal": MINIMAL + "\n[technology]\nelasticity = 0x" + "f" * 200_000,
    "huge float": MINIMAL + "\n[technology]\nelasticity = 1e400",
    "long float": MINIMAL + "\n[technology]\nelasticity = 0." + "1" * 200_000 + "e999",
    "long key": "a" * BIG + " = 1",
    "long quoted key": '"' + "\\u0061" * 40_000 + '" = 1',
    "long string": "a = '" + "x" * BIG + "'",
    "unclosed string": 'a = """' + '\\"' * 100_000,
    "null byte": MINIMAL + "\n# \0",
    "escape": MINIMAL + "\n# \x1b]0;owned\x07",
    "escaped escape": MINIMAL.replace("newcomer", "") + '\n[thresholds]\n"\\u001b[2J" = "x"',
    "bidi": MINIMAL.replace("every", "\u202eevery"),
    "escaped bidi": MINIMAL.replace("every", "\\u202eevery"),
    "byte order mark inside": MINIMAL + "\n# \ufeff",
    "latin 1": MINIMAL.replace("every", "\u00e9very").encode("latin-1"),
    "utf 16": MINIMAL.encode("utf-16"),
    "too large": "#" * (256 * 1024 + 1),
    "too many paths": MINIMAL + "\npaths = 1_000_000_000_000",
    "far too many paths": MINIMAL + "\npaths = 1" + "0" * 1_000,
    "too many steps": MINIMAL + "\nhorizon_years = 50.0\nsteps_per_year = 252",
    "parent": MINIMAL.replace('"full"', '"../x"'),
    "absolute": MINIMAL.replace('"full"', '"/etc/passwd"'),
    "device": MINIMAL.replace('"full"', '"CON"'),
    "device with suffix": MINIMAL.replace('"full"', '"nul.toml"'),
    "stream": MINIMAL.replace('"full"', '"a:b"'),
    "backslash": MINIMAL.replace('"full"', '"..\\\\x"'),
    "trailing newline in name": MINIMAL.replace('"full"', '"full\\n"'),
    "universe in the parent": MINIMAL.replace('"us-2025-01"', '"../universes/us-2025-01"'),
    "universe with suffix": MINIMAL.replace('"us-2025-01"', '"us-2025-01.toml"'),
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_quickly(name: str, tmp_path: Path) -> None:
    text = HOSTILE[name]
    start = time.process_time()  # a busy machine is not the file's fault
    problems = told(text, tmp_path)
    seconds = time.process_time() - start
    assert problems
    assert seconds < SECONDS
    assert all(len(str(problem)) < 3_000 for problem in problems)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    for path in (
        pipe,
        loop,
        tmp_path,
        Path("/dev/zero"),
        tmp_path / ("x" * 5_000),
        Path("a\0b.toml"),
    ):
        start = time.perf_counter()
        with pytest.raises(ScenarioError):
            load_scenario(path)
        assert time.perf_counter() - start < SECONDS
