"""What is installed: public names, the lock file, and a wheel that works away from its sources."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import grimp
import pytest
import tomli

import simulator

ROOT = Path(__file__).parents[2]
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text())
LOCKS = [(ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock")]


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


# Public names


def test_every_public_name_loads() -> None:
    assert all(getattr(simulator, name) is not None for name in simulator.__all__)
    assert set(simulator.__all__) <= set(dir(simulator))
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        simulator.simulat  # noqa: B018


def test_type_checkers_see_the_names_that_load() -> None:
    tree = ast.parse(Path(simulator.__file__).read_text())
    declared = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert declared == simulator._HOME


def test_importing_the_package_loads_no_arrays() -> None:
    code = "import sys, simulator; sys.exit('numpy' in sys.modules or 'pandas' in sys.modules)"
    assert run(sys.executable, "-c", code).returncode == 0


def test_version_stands_in_one_place() -> None:
    assert simulator.__version__ == importlib.metadata.version("crashsim")
    assert simulator.__version__ == PROJECT["project"]["version"]


# Dependencies and the lock file


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9-]", requirement)[0].lower() for requirement in requirements}


def test_imports_are_declared() -> None:
    graph = grimp.build_graph("simulator", include_external_packages=True, cache_dir=None)
    imported = {module for module in graph.modules if not module.startswith("simulator")}
    imported -= set(sys.stdlib_module_names)
    imported -= {"pydantic_core"}  # pydantic pins its own core
    packages = importlib.metadata.packages_distributions()
    imported = {name for module in imported for name in packages[module]}
    extras = [one for of in PROJECT["project"]["optional-dependencies"].values() for one in of]
    declared = names([*PROJECT["project"]["dependencies"], *extras])
    # Of Dask its distributed is imported; notebooks need a kernel, which the code does not.
    assert {name.lower() for name in imported} | {"dask", "ipykernel"} == declared


def locked(lock: str) -> list[tuple[str, str]]:
    """Each pinned package with its lines; one that differs by Python has two entries."""
    entries = re.split(r"\n(?=\S)", lock.strip())
    return [(re.split("==", entry)[0].lower(), entry) for entry in entries]


def test_locks_pin_every_requirement_with_hashes() -> None:
    run = names([*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"]])
    dev = names(PROJECT["dependency-groups"]["dev"])
    assert {"numpy", "typer", "hatchling"} <= run
    assert {"import-linter", "pytest-xdist"} <= dev
    for required, lock in zip((run, dev), LOCKS, strict=True):
        assert required <= {name for name, _ in locked(lock)}
        assert all("--hash=sha256:" in entry for _, entry in locked(lock))


def test_build_backend_stands_in_its_group() -> None:
    assert PROJECT["dependency-groups"]["build"] == PROJECT["build-system"]["requires"]


def test_newer_pythons_are_not_shut_out() -> None:
    assert PROJECT["project"]["requires-python"] == ">=3.11"


@pytest.mark.parametrize("lock", LOCKS, ids=["run", "dev"])
def test_lock_names_no_index(lock: str) -> None:
    assert not re.search(r"://|--index-url|--find-links|--trusted-host| @ ", lock)


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def install(source: Path, home: Path) -> Path:
    """``bin`` of a new environment that holds the source and can reach the locked packages, not the checkout."""
    venv.create(home, with_pip=False, symlinks=True)
    # Packages come from here by a path file, which does not follow this environment's own
    # path files: the editable install stays out of reach.
    paths = {"base": str(home), "platbase": str(home)}
    target = Path(sysconfig.get_path("purelib", vars=paths))
    (target / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed"]
    done = run(*pip, "install", *offline, source)
    assert done.returncode == 0, done.stderr
    return home / "bin"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("elsewhere") / "venv")


def files(folder: Path, pattern: str = "*") -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_wheel_carries_code_data_and_scenarios(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    wanted = {f"simulator/{name}" for name in files(ROOT / "simulator")}
    wanted |= {f"simulator/_shipped/scenarios/{name}" for name in files(ROOT / "scenarios")}
    assert wanted <= carried
    for kind in (
        "simulator/py.typed",
        "simulator/_shipped/scenarios/deepseek.toml",
        "simulator/_shipped/scenarios/universes/us-2025-01.toml",
        "simulator/history/data/SOURCES.md",
    ):
        assert kind in carried
    assert any(name.endswith(".html") for name in carried)
    assert {name.split("/")[0] for name in carried} <= {
        "simulator",
        f"crashsim-{simulator.__version__}.dist-info",
    }


@pytest.mark.slow
def test_wheel_is_used_and_not_the_sources(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed / "python", "-c", "import simulator; print(simulator.__file__)", cwd=tmp_path
    )
    assert Path(done.stdout.strip()).is_relative_to(installed.parent), done.stderr


@pytest.mark.slow
def test_installed_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    for command in ([installed / "crashsim"], [installed / "python", "-m", "simulator"]):
        done = run(*command, "--version", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"crashsim {simulator.__version__}\n"), (
            done.stderr
        )


@pytest.mark.slow
def test_installed_command_runs_a_shipped_scenario(installed: Path, tmp_path: Path) -> None:
    done = run(
        installed / "crashsim", "run", "deepseek", "--paths", "64", "-o", tmp_path, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("deepseek-")
    assert "<html" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_pip_installs_the_checkout_into_a_bare_environment(tmp_path: Path) -> None:
    commands = install(ROOT, tmp_path / "venv")
    line = ["run", "deepseek", "--paths", "64", "-o", "results"]
    done = run(commands / "crashsim", *line, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    where = run(
        commands / "python", "-c", "import simulator; print(simulator.__file__)", cwd=tmp_path
    )
    assert Path(where.stdout.strip()).is_relative_to(tmp_path)


@pytest.mark.slow
def test_installed_command_knows_history(installed: Path, tmp_path: Path) -> None:
    done = run(installed / "crashsim", "baseline", "dotcom", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "5048.62" in done.stdout
