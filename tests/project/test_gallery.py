"""The gallery shows every figure there is, with the command that makes it."""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path

from synthetic_run import synthetic_run

from simulator.plots import KINDS
from simulator.reports.run_html import pictures

ROOT = Path(__file__).parents[2]
SCRIPT = run_path(str(ROOT / "scripts" / "make_gallery.py"))
PAGE = SCRIPT["TARGET"].read_text(encoding="utf-8")


def test_every_kind_of_figure_is_in_the_gallery() -> None:
    shown = re.findall(r"^    crashsim plot \S+ (\w+)", PAGE, re.MULTILINE)
    assert set(shown) == set(KINDS)


def test_every_picture_is_there_and_has_words() -> None:
    found = re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", PAGE)
    assert len(found) >= len(KINDS)
    for words, file in found:
        assert len(words) > 60
        assert (ROOT / "docs" / file).read_bytes().startswith(b"\x89PNG")
    files = {Path(file).name for _, file in found}
    assert {path.name for path in (ROOT / "docs" / "images").glob("gallery-*")} <= files
    assert SCRIPT["FILES"]["histogram"] in files
    assert SCRIPT["FILES"]["histogram"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_an_entry_has_its_picture_and_its_command(tmp_path: Path) -> None:
    shown = pictures(synthetic_run(tmp_path, paths=30))
    text = SCRIPT["page"](shown["fan"].source, {"fan-mag7": shown["fan-mag7"]})
    assert "](images/gallery-fan-mag7.png)" in text
    assert "crashsim plot results/deepseek-* fan --entity mag7" in text
    assert f"{shown['fan-mag7'].headline}." in text
