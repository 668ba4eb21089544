"""docs/tutorial.ipynb: its cells run, and what is stored below them is what they show now."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"


def cells() -> list[dict[str, Any]]:
    """The cells with code."""
    read: list[dict[str, Any]] = json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in read if cell["cell_type"] == "code"]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; the value of its last line, unless a semicolon follows."""
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        exec(source, names)
        return None
    exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    return None if source.endswith(";") else value


def stored(cell: dict[str, Any], kind: str) -> str:
    """The text stored below a cell: what it printed, or its last value."""
    return "".join(
        "".join(out.get("text") or out["data"]["text/plain"])
        for out in cell["outputs"]
        if out["output_type"] == kind
    )


@pytest.mark.slow
def test_its_cells_run_and_show_what_is_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # the notebook goes elsewhere; this brings the test back
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells():
        value = run_cell("".join(cell["source"]), names)
        assert capsys.readouterr().out == stored(cell, "stream"), cell["id"]
        if value is not None and not isinstance(value, list):
            assert repr(value) == stored(cell, "execute_result"), cell["id"]
    plt.close("all")


def test_it_is_stored_with_outputs_and_without_traces_of_a_machine() -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    assert [cell["execution_count"] for cell in cells()] == list(range(1, len(cells()) + 1))
    outputs = [out for cell in cells() for out in cell["outputs"]]
    assert not [out for out in outputs if out.get("name") == "stderr"]
    assert sum("image/png" in out.get("data", {}) for out in outputs) == 3
    assert sum("data:image/png;base64," in str(out.get("data")) for out in outputs) == 2
    for trace in ("/tmp", "/home", "/root", "/work", "iopub", "0x7f"):
        assert f"{trace}/" not in text, trace
        assert f"{trace}." not in text, trace
