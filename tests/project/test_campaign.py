"""A short form of `make campaign`; and that a campaign sees the faults that it counts."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from trials import FAMILIES
from trials.commands import Ending, Hang, at_most, call, content, shell
from trials.counting import KINDS, Fault, Skip, Trial, count
from trials.stored import Stored, differences, leftovers, outside
from trials.tampering import runs

from simulator.runs import sealed_files

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "campaign.py"
READERS = ("runs", "sweeps", "flips", "disks", "streams")
WRITERS = ("writers", "kills")  # workers and clusters take minutes: `make campaign`


@pytest.mark.slow
@pytest.mark.parametrize("families", [READERS, WRITERS], ids=["readers", "writers"])
def test_nothing_is_lost_wrong_or_torn(families: tuple[str, ...]) -> None:
    line = [sys.executable, str(SCRIPT), *families, "--short"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [row.split("|") for row in done.stdout.splitlines()[2:]]
    assert [row[1].strip() for row in rows] == list(families)
    assert [int(row[2]) for row in rows] == [FAMILIES[name].short for name in families]


# ---------------------------------------------------------------- a campaign that could not fail is none


@pytest.fixture
def stored(story: Path, folder: Path, tmp_path: Path) -> Stored:
    copy = Path(shutil.copytree(folder, tmp_path / "runs" / folder.name))
    return Stored(tmp_path, story, copy, tmp_path / "none", content(copy))


def test_a_reader_that_verifies_nothing_is_seen(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not count("runs", runs, range(12), 1, stored).faults
    monkeypatch.setattr(sealed_files, "verify", lambda *_: None)
    assert count("runs", runs, range(12), 1, stored).faults["wrong"] > 0


def test_each_kind_of_fault_has_its_column_and_is_repeated_by_its_number(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    def family(_stored: Stored) -> Trial:
        def trial(dice: random.Random, _spot: Path) -> Iterator[Fault]:
            yield Fault(dice.choice(KINDS), "seen")

        return trial

    counted = count("mine", family, range(60), 7, stored)
    err = capsys.readouterr().err
    assert sum(counted.faults.values()) == counted.trials == 60
    assert counted.faults.keys() == set(KINDS)
    kind = err.splitlines()[2 * 41].partition(":")[0]
    assert count("mine", family, [41], 7, stored).faults == {kind: 1}
    assert 'repeat: make campaign ARGS="mine --seed 7 --number 41"' in err


def test_a_family_that_cannot_be_tried_says_why(stored: Stored) -> None:
    def family(_stored: Stored) -> Trial:
        raise Skip("no such system")

    assert "| no such system |" in count("mine", family, range(3), 1, stored).row()


def test_endings_of_commands_are_judged() -> None:
    def kinds(code: int | None, err: str = "") -> list[str]:
        return [fault.kind for fault in Ending("show", code, "", err).faults(0, 4)]

    assert kinds(0) == kinds(4) == []
    assert kinds(1) == ["exit 1"]
    assert kinds(3) == ["wrong"]
    assert kinds(None) == ["hangs"]
    assert kinds(4, "Traceback (most recent call last)") == ["tracebacks"]
    assert shell("exit 3").code == 3
    assert shell("sleep 60", 0.1).code is None


def test_calls_of_functions_are_judged() -> None:
    def fail() -> None:
        raise KeyError

    assert not list(call(fail, KeyError))
    assert [fault.kind for fault in call(fail)] == ["tracebacks"]
    with pytest.raises(Hang), at_most(0.05):
        time.sleep(30)


def test_folders_are_judged(stored: Stored, tmp_path: Path) -> None:
    copy = stored.copy(stored.run_folder, tmp_path / "spot")
    assert not differences(copy, stored.plain_run) + outside(tmp_path / "spot") + leftovers(copy)
    next(copy.glob("*.npz")).write_bytes(b"")
    next(copy.glob("*.csv")).unlink()
    (copy / ".tmp-1").touch()
    (tmp_path / "spot" / "victim" / "data.txt").write_text("yours")
    assert {fault.kind for fault in differences(copy, stored.plain_run)} == {"lost", "wrong"}
    assert [fault.kind for fault in outside(tmp_path / "spot")] == ["outside"]
    assert [fault.kind for fault in leftovers(copy)] == ["wrong"]
