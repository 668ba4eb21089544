"""Hold the results of this checkout against those of an earlier commit: python scripts/same_results.py COMMIT.

Every shipped scenario with three seeds, a sweep of twenty cells and a rare event are computed by both; each
file of a run folder is compared byte by byte, arrays element by element. For a change that should move
nothing. Differences of the report are printed, for a change of wording moves it. The exit code is 1 if a
number differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
VARY = ("technology.elasticity=0.6:1.4:5", "technology.annual_price_decline=0.8:0.95:4")
EVENT = "sp500.max_drawdown >= 0.8"
_CHANGES = {"timings", "created", "versions", "command", "sha256", "seconds"}
"""What a manifest says of the computation, not of the result."""


def crashsim(checkout: Path, *arguments: str) -> str:
    """What a command prints, run by the sources of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "NO_COLOR": "1", "COLUMNS": "100"}
    command = [sys.executable, "-P", "-m", "simulator", *arguments]
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=True
    ).stdout


def compute(checkout: Path, into: Path, paths: int, seeds: int) -> None:
    """Every run, the sweep and the rare event of one checkout."""
    names = sorted(path.stem for path in (checkout / "scenarios").glob("*.toml"))
    for name in names:
        for seed in range(1, seeds + 1):
            crashsim(
                checkout, "run", name, "-n", str(paths), "--seed", str(seed), "-o", str(into / f"seed{seed}"), "-q",
            )  # fmt: skip
    vary = [argument for spec in VARY for argument in ("--vary", spec)]
    crashsim(checkout, "sweep", "deepseek", "-n", "512", *vary, "-o", str(into / "sweep"), "-q")
    answer = crashsim(
        checkout,
        "rare",
        "deepseek",
        "--event",
        EVENT,
        "--rel-error",
        "0.5",
        "--max-seconds",
        "900",
        "--json",
    )
    document = json.loads(answer)
    document.pop("seconds", None)
    (into / "rare.json").write_text(json.dumps(document, indent=1))


def differences(before: Path, after: Path) -> Iterator[tuple[str, str]]:
    """File and what differs in it, for every file of either folder."""
    files = {
        path.relative_to(folder)
        for folder in (before, after)
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"  # who holds a folder is no result
    }
    for file in sorted(files):
        old, new = before / file, after / file
        if not (old.exists() and new.exists()):
            yield str(file), "only " + ("before" if old.exists() else "after")
        elif file.suffix == ".npz":
            yield from ((str(file), name) for name in _arrays(old, new))
        elif file.name in ("manifest.json", "sweep.json"):
            if _kept(old) != _kept(new):
                yield str(file), "content"
        elif old.read_bytes() != new.read_bytes():
            yield str(file), "bytes"


def _arrays(old: Path, new: Path) -> list[str]:
    with np.load(old) as before, np.load(new) as after:
        if set(before) != set(after):
            return [f"arrays {sorted(set(before) ^ set(after))}"]
        return [
            f"array {name}"
            for name in before
            if before[name].dtype != after[name].dtype
            or before[name].tobytes() != after[name].tobytes()
        ]


def _kept(path: Path) -> object:
    def kept(node: object) -> object:
        if isinstance(node, dict):
            return {key: kept(value) for key, value in node.items() if key not in _CHANGES}
        return [kept(item) for item in node] if isinstance(node, list) else node

    document = json.loads(path.read_text())
    document.pop("files", None)  # their hashes; the files themselves are compared
    return kept(document)


def main() -> int:
    """Print what differs; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--paths", type=int, default=4096)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        earlier = Path(scratch) / "earlier"
        subprocess.run(
            ["git", "worktree", "add", "--detach", "--quiet", str(earlier), options.commit], cwd=ROOT, check=True
        )  # fmt: skip
        try:
            before, after = Path(scratch) / "before", Path(scratch) / "after"
            for checkout, into in ((earlier, before), (ROOT, after)):
                into.mkdir()
                compute(checkout, into, options.paths, options.seeds)
            found = list(differences(before, after))
            files = sum(path.is_file() for path in after.rglob("*"))
            for file, what in found:
                print(f"{file}: {what}")
            pages = [file for file, _ in found if file.endswith(".html")]
            for file in pages[:1]:
                old, new = ((folder / file).read_text().splitlines() for folder in (before, after))
                print(*unified_diff(old, new, "before", "after", lineterm="", n=0), sep="\n")
            numbers = [file for file, _ in found if not file.endswith(".html")]
            print(
                f"{files} files compared, {len(numbers)} with numbers differ, {len(pages)} pages differ"
            )
            return int(bool(numbers))
        finally:
            subprocess.run(
                ["git", "worktree", "remove", "--force", str(earlier)], cwd=ROOT, check=True
            )


if __name__ == "__main__":
    sys.exit(main())
