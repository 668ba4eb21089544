"""``crashsim run`` and what the story adds: order, option, folder, JSON."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.cli.app import invoke
from simulator.errors import RunError, StoreError
from simulator.runs import load_run, story
from simulator.runs.run import Run

ARGUMENTS = ["run", "glut", "--paths", "200", "--set", "scenario.horizon_years=1", "-q"]


def folder_in(parent: Path) -> Path:
    (folder,) = parent.iterdir()
    return folder


def test_the_plain_answer_is_printed_before_other_worlds_are_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    work: Callable[..., object] = story.contributions

    def watched(*args: object, **options: object) -> object:
        seen.append(capsys.readouterr().out)
        return work(*args, **options)

    monkeypatch.setattr(story, "contributions", watched)
    assert invoke([*ARGUMENTS, "-o", str(tmp_path)]) == 0
    assert len(seen) == 1
    assert "simulated futures" in seen[0]
    rest = capsys.readouterr().out
    assert rest.startswith("Without an AI boom")
    assert "simulated futures" not in rest
    run = load_run(folder_in(tmp_path))
    assert run.story is not None
    assert "What the story adds" in (folder_in(tmp_path) / "report.html").read_text(
        encoding="utf-8"
    )


def test_it_is_left_out_on_request_and_added_by_the_next_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*ARGUMENTS, "-o", str(tmp_path)]
    assert invoke([*command, "--no-counterfactual"]) == 0
    assert "this story" not in capsys.readouterr().out
    folder = folder_in(tmp_path)
    assert load_run(folder).story is None
    assert "What the story adds" not in (folder / "report.html").read_text(encoding="utf-8")
    assert invoke(command) == 0
    said = capsys.readouterr().out
    assert "this story" in said
    assert "What the story adds" in (folder / "report.html").read_text(encoding="utf-8")
    assert invoke(command) == 0
    assert capsys.readouterr().out == said


def test_json_has_the_parts_and_they_add_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([*ARGUMENTS, "-o", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    stored = json.loads((folder_in(tmp_path) / "summary.json").read_text(encoding="utf-8"))
    assert document["contributions"] == stored["contributions"]
    for statistics in document["contributions"].values():
        for of in statistics.values():
            parts = sum(of[part]["value"] for part in ("chance", "boom", "story"))
            assert abs(parts - of["total"]["value"]) < 1e-12


def test_a_world_that_fails_costs_a_warning_not_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RunError("not finite")

    monkeypatch.setattr(story, "group_falls", fails)
    assert invoke([*ARGUMENTS, "-o", str(tmp_path)]) == 0
    assert "what the story adds could not be worked out: not finite" in capsys.readouterr().err
    assert load_run(folder_in(tmp_path)).story is None


def test_a_run_whose_words_fail_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(story, "contributions", fails)
    assert invoke([*ARGUMENTS, "-o", str(tmp_path)]) == 130
    assert load_run(folder_in(tmp_path)).paths == 200


@pytest.mark.slow
def test_workers_change_no_file_and_no_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written, printed = [], []
    for workers in ("1", "2"):
        parent = tmp_path / workers
        assert invoke([*ARGUMENTS, "-o", str(parent), "--workers", workers]) == 0
        printed.append(capsys.readouterr().out.replace(str(parent), "PARENT"))
        folder = folder_in(parent)
        files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
        written.append({
            str(name): path.read_bytes()
            for name, path in files.items()
            if name.name not in ("manifest.json", ".lock")  # when and how it was made
        })  # fmt: skip
    assert printed[0] == printed[1]
    assert written[0] == written[1]
    assert {"report.html", "figures/fan.svg", "story.csv"} <= written[0].keys()


@pytest.mark.slow
def test_the_summary_needs_no_pandas_and_no_figures() -> None:
    code = (
        "import sys\nfrom simulator import simulate\n"
        "from dataclasses import replace\n"
        "from simulator.reports.run_text import summary_lines\n"
        "from simulator.runs.story import contributions, other_worlds\n"
        "run = simulate('glut', paths=200)\n"
        "summary_lines(replace(run, contributions=contributions(run, other_worlds(run))))\n"
        "print(sorted({'pandas', 'matplotlib', 'jinja2', 'scipy.stats'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_what_scipy_imports_of_numpy_in_vain_is_loaded_when_it_is_used() -> None:
    code = (
        "import sys, simulator.cli.lazy_numpy, scipy.special, numpy as np\n"
        "inner = {'numpy.testing._private.utils', 'numpy.polynomial.chebyshev', 'numpy.f2py.rules'}\n"
        "print(sorted(inner & {*sys.modules}))\n"
        "np.testing.assert_allclose(np.polynomial.Polynomial([1, 2])(3), 7)\n"
        "from numpy.f2py import get_include\n"
        "print(inner <= {*sys.modules}, 'f2py' in get_include())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nTrue True\n"


def test_results_are_said_to_be_in_a_folder_only_when_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise StoreError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(Run, "save", full_disk)
        assert invoke([*ARGUMENTS, "-o", str(tmp_path)]) == 4
    printed = capsys.readouterr()
    assert "The weakest link" in printed.out or "uncertain assumption" in printed.out
    assert "results and report.html" not in printed.out
    assert "no space" in printed.err
    assert invoke([*ARGUMENTS, "-o", str(tmp_path)]) == 0
    again = capsys.readouterr().out
    assert again.startswith(printed.out)
    where = "".join(again.split())  # a long path goes over several lines
    assert f"resultsandreport.htmlin{folder_in(tmp_path)}" in where
