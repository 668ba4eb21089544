"""What each command does, on a tiny run."""

from __future__ import annotations

import csv
import json
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from cli_runs import TINY, CommandLine

from simulator.runs import atomic_files
from simulator.runs.load import load_run
from simulator.runs.storage import read_manifest

# ---------------------------------------------------------------- check


def test_check_tells_what_each_assumption_says_and_where_it_comes_from(
    crashsim: CommandLine, story: Path
) -> None:
    code, out, _ = crashsim("check", story)
    assert code == 0
    assert max(map(len, out.split("\n"))) <= 100
    says = out[out.index("WHAT THIS SCENARIO SETS") : out.index("WHAT IT LEAVES")]
    line = TINY.split("\n").index(next(x for x in TINY.split("\n") if "elasticity = {" in x)) + 1
    assert "elasticity = uniform low 0.6, high 1.6" in says
    assert "priced in 1" in says
    assert f"tiny.toml:{line}" in says
    assert "D: a test (2025-01-24); but: invented" in says
    assert "NVDA" in out
    assert "are judgement" in out
    defaults = out[out.index("WHAT IT LEAVES") : out.index("FIRMS")]
    assert re.search(r"\n  calm_sd = [\d.]+ .*\n      [A-D]: ", defaults)


def test_check_in_full_cuts_nothing(crashsim: CommandLine, story: Path) -> None:
    _, brief, _ = crashsim("check", story)
    _, full, _ = crashsim("check", story, "--full")
    assert re.search(r"\.\.\.$", brief, re.MULTILINE)
    assert not re.search(r"\.\.\.$", full, re.MULTILINE)
    assert "adoption_loading" not in brief
    assert "adoption_loading" in full


def test_every_value_of_the_ledger_is_shown(crashsim: CommandLine, story: Path) -> None:
    _, out, _ = crashsim("check", story, "--json")
    _, text, _ = crashsim("check", story)
    for row in json.loads(out)["ledger"]:
        assert re.search(rf"^  {row['key'].rpartition('.')[2]} = ", text, re.MULTILINE), row["key"]


# ---------------------------------------------------------------- run folders


def test_the_same_run_again_is_verified_not_simulated(
    crashsim: CommandLine, story: Path, results: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "simulator.runs.runner.simulate", lambda *_, **__: pytest.fail("simulated again")
    )
    code, out, err = crashsim("run", story, "-o", results)
    assert code == 0
    assert "verified" in err
    assert out == crashsim("show", folder)[1]


def test_a_damaged_folder_is_found(crashsim: CommandLine, story: Path, tmp_path: Path) -> None:
    assert crashsim("run", story, "-o", tmp_path, "--workers", 1)[0] == 0
    (folder,) = tmp_path.iterdir()
    damaged = folder / "summary.csv"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    for arguments in (["run", story, "-o", tmp_path], ["show", folder], ["plot", folder]):
        code, out, err = crashsim(*arguments)
        assert (code, out) == (4, "")
        assert "summary.csv" in err
    assert crashsim("run", story, "-o", tmp_path, "--workers", 1, "--force")[0] == 0
    assert crashsim("show", folder)[0] == 0


def test_options_change_the_run_and_are_recorded(
    crashsim: CommandLine, story: Path, tmp_path: Path
) -> None:
    changed = ["--seed", 8, "--paths", 32, "--set", "technology.elasticity=0.8"]
    assert crashsim("run", story, "-o", tmp_path, "--workers", 1, *changed)[0] == 0
    assert crashsim("run", story, "-o", tmp_path, "--workers", 1, "--deterministic")[0] == 0
    manifests = [read_manifest(folder) for folder in sorted(tmp_path.iterdir())]
    by_paths = {manifest["paths"]: manifest for manifest in manifests}
    assert set(by_paths) == {1, 32}
    assert by_paths[1]["shocks"] == "zero"
    assert by_paths[32]["seed"] == 8
    assert [one["key"] for one in by_paths[32]["overrides"]] == ["technology.elasticity"]


def test_a_run_that_fails_leaves_nothing(
    crashsim: CommandLine, story: Path, tmp_path: Path
) -> None:
    code, out, err = crashsim("run", story, "-o", tmp_path, "--max-memory", "1MB")
    assert (code, out) == (4, "")
    assert "memory" in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused(
    crashsim: CommandLine, story: Path, results: Path, folder: Path
) -> None:
    script = (
        "import sys, pathlib; from simulator.runs import atomic_files as disk\n"
        "with disk.lock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        code, out, err = crashsim("run", story, "-o", results, "--force")
        holder.stdin.close()
    assert (code, out) == (6, "")
    assert "in use" in err
    with atomic_files.lock(folder):
        pass


def test_failing_threshold_is_99_after_the_summary(
    crashsim: CommandLine, story: Path, tmp_path: Path
) -> None:
    arguments = ["run", story, "-o", tmp_path, "--workers", 1]
    arguments += ["--set", 'thresholds.no_ruin="P(sp500.max_drawdown >= 0.0) < 0.5"']
    for _ in range(2):  # simulated, and read again
        code, out, err = crashsim(*arguments)
        assert code == 99
        assert "FAIL" in out
        assert "next:" in err


def test_list_shows_the_newest_first_and_warns_of_damage(
    crashsim: CommandLine, story: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{", encoding="utf-8")
    assert crashsim("run", story, "-o", tmp_path, "--workers", 1)[0] == 0
    code, out, err = crashsim("list", tmp_path)
    assert code == 0
    assert folder.name in out
    assert "other" not in out
    assert "broken" in err
    code, out, err = crashsim("list", tmp_path / "nowhere")
    assert (code, out) == (2, "")


def test_a_run_is_found_by_the_start_of_its_name(
    crashsim: CommandLine, results: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.parent)
    assert crashsim("show", "tin")[0] == 0
    code, _, err = crashsim("show", "nothing")
    assert code == 2
    assert "crashsim list" in err
    twin = folder.with_name(folder.name + "x")
    twin.mkdir()
    (twin / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    try:
        code, _, err = crashsim("show", "tin")
    finally:
        (twin / "manifest.json").unlink()
        twin.rmdir()
    assert "the newest of 2" in err


# ---------------------------------------------------------------- figures, report, path


@pytest.mark.parametrize("kind", ["histogram", "fan", "exceedance", "underwater"])
def test_plot_writes_into_the_folder_which_still_verifies(
    crashsim: CommandLine, folder: Path, kind: str
) -> None:
    code, out, _ = crashsim("plot", folder, kind, "--entity", "NVDA")
    assert code == 0
    assert Path(out.strip()) == folder / "figures" / f"{kind}-NVDA.svg"
    assert Path(out.strip()).read_bytes().startswith(b"<?xml")
    assert crashsim("show", folder)[0] == 0


def test_plot_to_a_file(crashsim: CommandLine, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "fan.png"
    assert crashsim("plot", folder, "fan", "-o", target)[0] == 0
    assert target.read_bytes().startswith(b"\x89PNG")
    for wrong in (
        ["-o", tmp_path / "fan.gif"],
        ["-o", target, "--format", "svg"],
        ["-o", tmp_path],
    ):
        assert crashsim("plot", folder, "fan", *wrong)[0] == 2
    code, _, err = crashsim("plot", folder, "fan", "--entity", "NVDIA")
    assert code == 2
    assert "NVDA" in err
    assert crashsim("plot", folder, "pie")[0] == 2


def test_report_is_made_again(crashsim: CommandLine, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    assert crashsim("report", folder, "-o", target)[0] == 0
    assert target.read_bytes() == (folder / "report.html").read_bytes()


def test_path_replays_the_path_of_the_run(crashsim: CommandLine, folder: Path) -> None:
    code, out, _ = crashsim("path", folder, 3)
    assert code == 0
    rows = list(csv.DictReader(out.splitlines()))
    results = load_run(folder).results
    assert [float(row["t"]) for row in rows] == results.times.tolist()
    for entity in ("sp500", "NVDA"):
        levels = [float(row[f"level.{entity}"]) for row in rows]
        kept = results.sample_levels[results.entities.index(entity), :, 3]
        np.testing.assert_allclose(levels, kept, rtol=1e-6)
    code, out, err = crashsim("path", folder, 64)
    assert (code, out) == (2, "")
    assert "0 to 63" in err


# ---------------------------------------------------------------- beginning a scenario


def test_new_copies_with_comments_and_never_overwrites(
    crashsim: CommandLine, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = crashsim("new", "mine", "--from", story)
    assert code == 0
    text = Path("mine.toml").read_text(encoding="utf-8")
    assert text == TINY.replace('"tiny"', '"mine"')
    assert "next: crashsim check mine.toml" in err
    assert crashsim("check", "mine.toml")[0] == 0
    code, out, err = crashsim("new", "mine", "--from", story)
    assert (code, out) == (2, "")
    assert "exists" in err
    Path("scenarios").mkdir()
    assert crashsim("new", "mine", "--from", story)[0] == 0
    assert Path("scenarios/mine.toml").is_file()


def test_new_writes_a_notebook_that_runs(
    crashsim: CommandLine, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scenarios").mkdir()
    code, out, _ = crashsim("new", "mine", "--from", story, "--notebook", "--json")
    assert code == 0
    made = json.loads(out)
    assert (made["file"], made["notebook"]) == ("scenarios/mine.toml", "mine.ipynb")
    nbformat.validate(nbformat.read("mine.ipynb", as_version=4))
    names: dict[str, Any] = {}
    for cell in json.loads(Path("mine.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"]).replace("2_000", "64").replace("512", "64")
            exec(source, names)
    assert names["run"].scenario.name == names["swept"].scenario.name == "mine"
    assert len(names["axes"][0].lines) > 1
    names["plt"].close("all")


def test_new_overwrites_no_notebook_and_then_leaves_no_scenario(
    crashsim: CommandLine, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.ipynb").write_text("mine", encoding="utf-8")
    code, _, err = crashsim("new", "mine", "--from", story, "--notebook")
    assert (code, "mine.ipynb exists" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.ipynb"]
    assert Path("mine.ipynb").read_text(encoding="utf-8") == "mine"


def test_new_on_a_full_disk_leaves_no_file(
    crashsim: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        code, _, err = crashsim("new", "mine")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert code == 4, err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a b", "", ".x", "CON", "x" * 65, "a\x1b[31m"])
def test_new_refuses_bad_names(
    crashsim: CommandLine, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert crashsim("new", name, "--from", story)[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_schema_is_a_json_schema(crashsim: CommandLine) -> None:
    _, out, _ = crashsim("schema")
    schema = json.loads(out)
    assert "2020-12" in schema["$schema"]
    assert "elasticity" in out


# ---------------------------------------------------------------- history


def test_baseline(crashsim: CommandLine) -> None:
    _, out, _ = crashsim("baseline")
    for name in ("1929", "1973-74", "1987", "dotcom", "2008", "2020", "2022"):
        assert re.search(rf"^{name} ", out, re.MULTILINE)
    _, out, _ = crashsim("baseline", "dotcom")
    for told in ("5,048.62", "1,114.11", "-77.9%", "-77.4%", "-49.1%"):
        assert told in out
    code, _, err = crashsim("baseline", "dotcm")
    assert code == 2
    assert "did you mean dotcom" in err


def test_baseline_of_ones_own(crashsim: CommandLine, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("date,close\n2020-01-03,100\n2020-01-10,50\n2020-01-17,80\n2020-01-24,100\n")
    code, out, _ = crashsim("baseline", "--csv", own)
    assert code == 0
    assert "-50.0%" in out
    own.write_text("date,close\n2020-01-03,100\n2020-01-10,minus five\n")
    code, out, err = crashsim("baseline", "--csv", own)
    assert (code, out) == (3, "")
    assert f"{own}:3:" in err
    assert crashsim("baseline", "dotcom", "--csv", own)[0] == 2
    assert crashsim("baseline", "--csv", tmp_path / "missing.csv")[0] == 3


def test_a_run_that_is_refused_leaves_the_holder_its_lock(
    crashsim: CommandLine, story: Path, tmp_path: Path
) -> None:
    assert crashsim("run", story, "-o", tmp_path, "--workers", 1)[0] == 0
    (folder,) = tmp_path.iterdir()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    holder = (
        "from pathlib import Path; from simulator.runs import atomic_files as disk\n"
        f"with disk.lock(Path({str(folder)!r})): print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for _ in range(2):  # the second would get in, had the first taken the lock away
            assert crashsim("run", story, "-o", tmp_path, "--workers", 1)[0] == 6
            assert (folder / ".lock").exists()
        other.communicate(b"\n")
