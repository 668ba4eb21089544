"""A disk that gets full at some point of a command, then has room again."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from trials.commands import Forked, content, here
from trials.counting import Fault, Trial
from trials.stored import TIMED, Stored, differences, leftovers


def disks(stored: Stored) -> Trial:
    """A file system of too few bytes, or a limit of a file's size where mounting is not allowed."""
    limit = small_disk if _may_mount(stored.place) else small_files

    def trial(dice: random.Random, spot: Path) -> Iterator[Fault]:
        share = dice.uniform(0.0, 0.95)
        case = dice.choice((_new_folder, _new_folder, _again, _new_story))
        for fault in case(stored, dice, spot / "disk", share, limit):
            yield fault._replace(text=f"{case.__name__}, {share:.2f} of its bytes: {fault.text}")

    return trial


Limit = Callable[[Path, int, int], "contextlib.AbstractContextManager[Disk]"]
"""Of a folder: for its own bytes, so that so many more fit, in files of at most so many."""


class Disk:
    """A place with little room; ``grow`` gives it as much as is needed."""

    def __init__(self, grow: Callable[[], object], largest_file: int | None = None) -> None:
        self.grow, self._largest_file = grow, largest_file

    def full(self, *line: object) -> Iterator[Fault]:
        """Faults of a command for which there is no room."""
        ending = Forked(*line, largest_file=self._largest_file).wait()
        yield from ending.faults(0, 4)
        if ending.code == 4 and "No space left" not in ending.err + "File too large":
            yield Fault("wrong", f"no word of the disk: {ending.err}")


def _may_mount(place: Path) -> bool:
    try:
        with small_disk(place / "mounted", 4096, 0):
            return True
    except PermissionError:
        return False


@contextlib.contextmanager
def small_disk(place: Path, size: int, _largest: int) -> Iterator[Disk]:
    """A file system of ``size`` bytes. Raises PermissionError where mounting is not allowed."""
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={max(size, 4096)}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        raise PermissionError(done.stderr.decode())
    try:
        room = ["mount", "-o", "remount,size=1G", str(place)]
        yield Disk(lambda: subprocess.run(room, check=True))
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def small_files(place: Path, _size: int, largest: int) -> Iterator[Disk]:
    """A folder for which files of ``largest`` bytes are too large."""
    place.mkdir(parents=True)
    yield Disk(lambda: None, largest)


def _bytes(files: dict[str, bytes], share: float) -> tuple[int, int]:
    sizes = [len(whole) for whole in files.values()]
    return int(share * sum(sizes)), int(share * max(sizes))


def _new_folder(
    stored: Stored, dice: random.Random, disk: Path, share: float, limit: Limit
) -> Iterator[Fault]:
    """Nothing torn is left, and with room the command goes on and gives what it always gives."""
    kind = dice.choice(("run", "sweep"))
    whole = stored.plain_run if kind == "run" else content(stored.sweep_folder)
    line = (stored.run if kind == "run" else stored.sweep)(disk)
    with limit(disk, *_bytes(whole, share)) as small:
        yield from small.full(*line)
        yield from leftovers(disk)
        yield from _torn(disk, whole, finished=False)
        small.grow()
        yield from here(*line).faults(0)
        yield from _torn(disk, whole, finished=True)


def _torn(disk: Path, expected: dict[str, bytes], *, finished: bool) -> Iterator[Fault]:
    """Files that do not hold what they should; the plan of an unfinished sweep says that it is."""
    skipped = TIMED if finished else {*TIMED, "sweep.json"}
    for folder in disk.iterdir():
        for fault in differences(folder, expected, skipped):
            if finished or fault.kind != "lost":
                yield fault


def _again(
    stored: Stored, _dice: random.Random, disk: Path, share: float, limit: Limit
) -> Iterator[Fault]:
    """A finished run stays as it is where there is no room to simulate it again."""
    size, largest = _bytes(stored.plain_run, share)
    before = content(stored.run_folder)
    room = sum(-(-len(whole) // 4096) * 4096 for whole in before.values())
    with limit(disk, room + size, largest) as small:
        shutil.copytree(stored.run_folder, disk / stored.run_folder.name)
        yield from small.full(*stored.run(disk, "--force"))
        yield from leftovers(disk)
        yield from _torn(disk, before, finished=True)
        yield from here("show", disk / stored.run_folder.name).faults(0)
        small.grow()
        yield from here(*stored.run(disk, "--force")).faults(0)
        yield from _torn(disk, before, finished=True)


def _new_story(
    stored: Stored, _dice: random.Random, disk: Path, share: float, limit: Limit
) -> Iterator[Fault]:
    """No file without its content."""
    size = stored.story.stat().st_size
    with limit(disk, int(share * size), int(share * size)) as small, contextlib.chdir(disk):
        (disk / "other").write_bytes(b"1" * 4096)
        line = ("new", "mine", "--from", stored.story)
        yield from small.full(*line)
        if [path.name for path in disk.iterdir()] != ["other"]:
            yield Fault("wrong", f"left: {list(disk.iterdir())}")
        (disk / "other").unlink()
        small.grow()
        yield from here(*line).faults(0)
