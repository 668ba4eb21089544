"""Run the commands of docs/howto/*.md and put what they print below them: python scripts/make_howto_docs.py.

A block that starts with ```console holds lines "$ command"; all else in it is output and is made anew.
The commands of a page run one after the other in a folder that sees docs/ and is thrown away; pictures that
they make, and the page shows, are kept in docs/images/.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))
_BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```$")


def page(path: Path, pictures: Path | None = None) -> str:
    """A page with the output its commands have now; its pictures go to a folder if one is named."""
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "docs").symlink_to(ROOT / "docs")

        def block(match: re.Match[str]) -> str:
            lines = []
            for line in match[1].splitlines():
                if line.startswith("$ "):
                    lines += [line, *_output(line[2:], folder).splitlines()]
            return "\n".join(["```console", *lines, "```"])

        made = _BLOCK.sub(block, text)
        for picture in re.findall(r"!\[[^]]*\]\(\.\./images/([\w.-]+)\)", text):
            if pictures is not None and (folder / picture).is_file():
                shutil.copyfile(folder / picture, pictures / picture)
    return made


def _output(command: str, folder: Path) -> str:
    """What a command prints to standard output, run in ``folder``."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": search, "COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stderr.startswith("error"):
        raise SystemExit(f"{command}\n{done.stderr}")
    return done.stdout.strip("\n")


if __name__ == "__main__":
    for one in PAGES:
        one.write_text(page(one, ROOT / "docs" / "images"), encoding="utf-8")
