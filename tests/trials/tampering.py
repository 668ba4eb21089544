"""Folders from strangers: spoiled in many ways, some of them sealed again, and single flipped bits."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simulator import load_run, load_sweep
from simulator.errors import StoreError
from simulator.runs import sealed_files, storage
from simulator.sweeps import sweep
from trials.commands import Ending, call, here
from trials.counting import Fault, Trial
from trials.stored import Stored, outside


def reseal(manifest: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """Change a manifest, and give it fingerprints and a seal that are right."""
    whole = json.loads(manifest.read_text())
    for name in whole["files"]:
        path = manifest.parent / name
        if path.is_file() and not path.is_symlink():
            whole["files"][name] = sealed_files.fingerprint_of(path.read_bytes())
    change(whole)
    manifest.write_bytes(sealed_files.sealed(whole))


WRONG: tuple[Any, ...] = (
    *(None, -1, 0, 1e300, 2**80, True, "x" * 5000, "\ud800\x1b[31m"),
    *([], {}, [[[[1]]]], {"a": {}}),
)
OUTSIDE = (
    *("../../victim/data.txt", "../victim", "{}", ".lock", ""),
    *("a//b", "a\0b", "cells/../..", "C:\\x"),
)
SEALS = ("manifest.json", "sweep.json", "cell.json")


class Spoiler:
    """Ways to tamper with a folder; each method is one."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.folder, self.dice = folder, dice
        self.victim = folder.parents[1] / "victim"
        every = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
        self.files = sorted(path for path in every if path.stat().st_size)
        self.path = dice.choice(self.files)
        self.seal = dice.choice([path for path in self.files if path.name in SEALS])

    def flip(self) -> None:
        flip_bit(self.path, self.dice)

    def cut(self) -> None:
        self.path.write_bytes(
            self.path.read_bytes()[: self.dice.randrange(self.path.stat().st_size)]
        )

    def missing(self) -> None:
        self.path.unlink()

    def link(self) -> None:
        self.path.unlink()
        self.path.symlink_to(self.victim / "data.txt")

    def device(self) -> None:
        self.path.unlink()
        self.path.symlink_to("/dev/zero")

    def pipe(self) -> None:
        self.path.unlink()
        os.mkfifo(self.path)

    def folder_link(self) -> None:
        place = self.folder / self.dice.choice(("figures", "universes", "cells"))
        shutil.rmtree(place, ignore_errors=True)
        place.symlink_to(self.victim)

    def sealed_name(self) -> None:
        name = self.dice.choice(OUTSIDE).format(self.victim / "data.txt")
        reseal(self.seal, lambda m: m["files"].update({name: next(iter(m["files"].values()))}))

    def sealed_type(self) -> None:
        wrong = self.dice.choice(WRONG)
        reseal(self.seal, lambda m: m.update({self.dice.choice(sorted(m)): wrong}))

    def sealed_text(self) -> None:
        tables = (path for path in self.files if path.suffix in (".csv", ".json"))
        path = self.dice.choice([path for path in tables if path.name not in SEALS])
        words = path.read_bytes().split(b",")
        wrong = (b"NaN", b"[" * 5000, b"", b"x", b'"', b"1e999")
        words[self.dice.randrange(len(words))] = self.dice.choice(wrong)
        path.write_bytes(b",".join(words))
        self._seal_again(path)

    def sealed_array(self) -> None:
        path = self.dice.choice([path for path in self.files if path.suffix == ".npz"])
        with np.load(path) as archive:
            arrays = dict(archive)
        spoil_arrays(arrays, self.dice)
        (np.savez_compressed if self.dice.random() < 0.1 else np.savez)(path, **arrays)
        self._seal_again(path)

    def _seal_again(self, path: Path) -> None:
        for folder in (path.parent, self.folder):
            for name in SEALS:
                if (folder / name).exists():
                    reseal(folder / name)


OPEN = ("flip", "cut", "missing", "link", "device", "pipe")
"""Ways that a seal shows: a folder spoiled so is never read as if it were whole."""
SEALED = ("sealed_name", "sealed_text", "sealed_type", "sealed_array")
WAYS = (*OPEN, "folder_link", *SEALED, "sealed_type", "sealed_array")


def flip_bit(path: Path, dice: random.Random) -> None:
    """Flip one bit of a file."""
    raw = bytearray(path.read_bytes())
    raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    path.write_bytes(raw)


def spoil_arrays(arrays: dict[str, Any], dice: random.Random) -> None:
    """Give an array another shape, type or values, or take it out."""
    name = dice.choice(sorted(arrays))
    values = arrays[name]
    arrays[name] = dice.choice((
        lambda: values[..., :-1] if values.ndim else values,
        lambda: values.astype("U8"),
        lambda: np.full(values.shape, np.nan),
        lambda: -values if values.dtype.kind in "if" else values[:0],
        lambda: values[np.newaxis],
        lambda: np.zeros(0),
    ))()  # fmt: skip
    if dice.random() < 0.2:
        del arrays[name]


# ---------------------------------------------------------------- families


def runs(stored: Stored) -> Trial:
    """Tampered run folders, read, listed, drawn, and written into."""
    return _tampered(stored, "run")


def sweeps(stored: Stored) -> Trial:
    """Tampered sweep folders, read, listed, drawn, resumed and written into."""
    return _tampered(stored, "sweep")


def _tampered(stored: Stored, kind: str) -> Trial:
    original = stored.run_folder if kind == "run" else stored.sweep_folder
    add = storage.add_files if kind == "run" else sweep.add_files

    def trial(dice: random.Random, spot: Path) -> Iterator[Fault]:
        folder = stored.copy(original, spot)
        way = dice.choice(WAYS)
        getattr(Spoiler(folder, dice), way)()
        ending, read = _read(stored, kind, folder, dice)
        for fault in ending.faults(0, 4, *((3,) if not read else ())):
            yield fault._replace(text=f"{way}: {fault.text}")
        if read and way in OPEN and ending.code == 0:
            yield Fault("wrong", f"{way} was not noticed by {ending.line}")
        if re.search(r"\bnan\b|\x1b", ending.out):
            yield Fault("wrong", f"{way}: {ending.out[:2000]}")
        extras = {"figures/new.svg": b"<svg/>", "universes/new.toml": b""}
        yield from call(partial(add, folder, extras), StoreError)
        yield from outside(spot)
        if (left := {path.name for path in folder.parent.iterdir()}) != {folder.name}:
            yield Fault("outside", f"{way}: {left}")

    return trial


def _read(stored: Stored, kind: str, folder: Path, dice: random.Random) -> tuple[Ending, bool]:
    """A command on a folder, and whether it has to verify all of it."""
    again = (stored.run if kind == "run" else stored.sweep)(folder.parent)
    lines: dict[tuple[object, ...], float] = {
        ("show", folder): 10,
        ("show", folder, "--json"): 2,
        ("list", folder.parent): 6,
        ("plot", folder, "histogram" if kind == "run" else "lines"): 1,
        again: 0.3,
    }
    if kind == "run":
        lines |= {("path", folder, 1): 1, (*again, "--force"): 0.2}
    (line,) = dice.choices(list(lines), list(lines.values()))
    return here(*line), line[0] in ("show", "plot")


def flips(stored: Stored) -> Trial:
    """One bit of one file of a run or a sweep, which loading must see."""
    kinds = ((stored.run_folder, load_run), (stored.sweep_folder, load_sweep))

    def trial(dice: random.Random, _spot: Path) -> Iterator[Fault]:
        folder, load = dice.choice(kinds)
        path = Spoiler(folder, dice).path
        whole, seen = path.read_bytes(), list[str]()
        flip_bit(path, dice)

        def read() -> None:
            try:
                load(folder)
            except StoreError as error:
                seen.append(str(error))

        yield from call(read)
        path.write_bytes(whole)
        if not seen or path.name not in seen[0]:
            yield Fault("wrong", f"a flipped bit of {path} was not named: {seen}")

    return trial
