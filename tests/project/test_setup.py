"""Set-up: which Python is taken, and that what is installed is what the locks say, whatever was released since."""

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "scripts" / "setup.sh"
LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^([^\s=]+==\S+(?: ; .*?)?) \\$", re.MULTILINE)


def pinned(*locks: str) -> dict[str, str]:
    """Versions by name, of what the locks install on this Python."""
    pins = [Requirement(pin) for lock in locks for pin in PIN.findall((ROOT / lock).read_text())]
    here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in here}


# The locks


def test_no_package_stands_in_both_locks() -> None:
    run, dev = (set(pinned(lock)) for lock in LOCKS)
    assert len(run) > 20
    assert len(dev) > 20
    assert not run & dev


@pytest.mark.parametrize("locks", [LOCKS[:1], LOCKS], ids=["run", "dev"])
def test_locks_hold_what_their_packages_require(locks: tuple[str, ...]) -> None:
    """Walks what the installed packages say of themselves, extras included, independently of pip."""
    versions = pinned(*locks)
    wanted = [(name, "") for name in versions] + [("crashsim", "")]
    seen: set[tuple[str, str]] = set()
    while wanted:
        name, extra = wanted.pop()
        for text in importlib.metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
                continue
            child = canonicalize_name(needed.name)
            assert child in versions, f"{name} requires {text}"
            assert needed.specifier.contains(versions[child], prereleases=True), (name, text)
            new = {(child, each) for each in needed.extras} - seen
            seen |= new
            wanted += new


def test_set_up_and_readme_install_the_locks_in_the_same_way() -> None:
    flags = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    (line,) = re.findall(r"pip (install .*\$locks)", SETUP.read_text())
    assert shlex.split(line)[1:5] == flags
    readme = re.findall(r"python -m pip (install .*\.lock)", (ROOT / "README.md").read_text())
    assert [shlex.split(line) for line in readme] == [
        ["install", *flags, "-r", lock] for lock in LOCKS
    ]


# Releases made after the lock


def plant(folder: Path, name: str, version: str, requires: list[str]) -> str:
    """A wheel with metadata and no code; returns its hash."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    extras = sorted(
        {extra for text in requires for extra in re.findall(r"extra == ['\"](\S+)['\"]", text)}
    )
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Provides-Extra: {extra}" for extra in extras),
        *(f"Requires-Dist: {text}" for text in requires),
    ]
    contents = {
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{path},sha256={urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}"
        for path, text in contents.items()
    ]
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]))
    return sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose locks pin empty wheels with the real names, versions and requirements.

    ``wheels`` offers each of them, and a newer release of each.
    """
    place = tmp_path_factory.mktemp("checkout")
    wheels = place / "wheels"
    wheels.mkdir()
    versions = pinned(*LOCKS)
    hashes = {}
    for name, version in versions.items():
        requires = importlib.metadata.requires(name) or []
        hashes[name] = plant(wheels, name, version, requires)
        plant(wheels, name, f"{int(re.split('[.]', version)[0])}.9999999999", requires)
    for lock in LOCKS:
        pins = (
            f"{name}=={version} --hash=sha256:{hashes[name]}"
            for name, version in pinned(lock).items()
        )
        (place / lock).write_text("\n".join(pins))
    # The project itself: a build backend that hands pip a ready wheel.
    requires = importlib.metadata.requires("crashsim") or []
    plant(place, "crashsim", "0.1.0", requires)
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "crashsim"\nversion = "0.1.0"\n'
    )
    (place / "backend.py").write_text(
        "import pathlib, shutil\n"
        "def build_editable(wheel_directory, *options):\n"
        "    (wheel,) = pathlib.Path().glob('*.whl')\n"
        "    return pathlib.Path(shutil.copy(wheel, wheel_directory)).name\n"
    )
    return place


def set_up(
    place: Path, venv: str, locks: tuple[str, ...], script: Path = SETUP
) -> subprocess.CompletedProcess[str]:
    own = {
        key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))
    }
    offline = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(place / "wheels"),
    }
    return subprocess.run(
        ["sh", str(script), venv, sys.executable, *locks],
        cwd=place,
        env=own | offline,
        capture_output=True,
        text=True,
        check=False,
    )


def installed(venv: Path) -> dict[str, str]:
    (packages,) = venv.glob("lib/python*/site-packages")
    found = importlib.metadata.distributions(path=[str(packages)])
    by_name = {canonicalize_name(each.name): each.version for each in found}
    return {name: version for name, version in by_name.items() if name not in ("pip", "setuptools")}


@pytest.mark.slow
def test_newer_releases_change_nothing_about_what_is_installed(index: Path) -> None:
    for locks in (LOCKS[:1], LOCKS):  # the second finds the environment of the first
        done = set_up(index, "venv", locks)
        assert done.returncode == 0, done.stderr
        assert installed(index / "venv") == {**pinned(*locks), "crashsim": "0.1.0"}


@pytest.mark.slow
def test_newer_releases_stop_an_installation_that_resolves(index: Path) -> None:
    """The planted releases do harm where they can: without --no-deps pip takes one that no lock names."""
    text = SETUP.read_text()
    (index / "resolving.sh").write_text(
        text.replace("install --no-deps --require", "install --require")
    )
    assert (index / "resolving.sh").read_text() != text
    done = set_up(index, "resolved", LOCKS, index / "resolving.sh")
    assert done.returncode == 1
    assert re.search(r"--require-hashes.*\n.*coverage\[toml\]", done.stderr), done.stderr


@pytest.mark.slow
def test_an_incomplete_lock_is_named(index: Path) -> None:
    text = (index / LOCKS[0]).read_text()
    (index / "short.lock").write_text(re.sub(r"^mdurl==.*\n", "", text, flags=re.MULTILINE))
    done = set_up(index, "short", ("short.lock",))
    assert done.returncode == 1
    assert "markdown-it-py" in done.stderr
    assert "mdurl, which is not installed" in done.stderr
    assert "do not fit together" in done.stderr


# Which Python is taken

FAKE = """#!/bin/sh
# Python {version}; {real} does what it is asked.
case "$1 ${{2:-}}" in
"-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
"-m pip") ;;
*) exec {real} -c "import sys
sys.version_info = (*map(int, '{version}'.split('.')), 0, 'final', 0)
sys.modules.update({missing})
$2" ;;
esac
"""


def choose(
    place: Path, offered: dict[str, str], wanted: str = "", without_venv: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run set-up where only these commands exist: Python versions by name."""
    commands = place / "commands"
    commands.mkdir()
    for tool in ("sh", "mkdir", "cp", "cat", "sed", "head"):
        (commands / tool).symlink_to(shutil.which(tool) or "")
    for name, version in offered.items():
        missing = "venv=None" if name in without_venv else ""
        fake = FAKE.format(version=version, real=sys.executable, missing=missing)
        (commands / name).write_text(fake)
        (commands / name).chmod(0o755)
    return subprocess.run(
        [commands / "sh", SETUP, ".venv", wanted, "requirements.lock"],
        cwd=place,
        env={"PATH": str(commands)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ({"python3.14": "3.14", "python3.12": "3.12", "python3.11": "3.11"}, "python3.12"),
        ({"python3.14": "3.14", "python3": "3.11"}, "python3"),
        ({"python3.15": "3.15", "python3.14": "3.14", "python3": "3.15"}, "python3.14"),
        ({"python3": "3.19"}, "python3"),
        ({"python3": "3.10", "python": "3.16"}, "python"),
    ],
)
def test_the_newest_tested_python_is_taken_else_a_newer_one(
    tmp_path: Path, offered: dict[str, str], taken: str
) -> None:
    done = choose(tmp_path, offered)
    assert done.returncode == 0, done.stderr
    assert f"with {taken} (Python {offered[taken]})" in done.stderr
    untested = offered[taken] > "3.13"
    assert (f"Python {offered[taken]} is untested" in done.stderr) == untested


def test_the_python_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    done = choose(tmp_path, {"python3.14": "3.14", "python3.13": "3.13"}, wanted="python3.14")
    assert done.returncode == 0, done.stderr
    assert "with python3.14 (Python 3.14)" in done.stderr


def test_an_older_python_is_refused(tmp_path: Path) -> None:
    done = choose(tmp_path, {"python3": "3.10", "python3.13": "3.13"}, wanted="python3")
    assert done.returncode == 1
    assert "PYTHON=python3 is not a Python 3.11 or newer" in done.stderr


def test_no_python_says_what_was_looked_for(tmp_path: Path) -> None:
    done = choose(tmp_path, {"python3": "3.9"})
    assert done.returncode == 1
    assert "found no Python 3.11 or newer" in done.stderr


def test_a_python_without_venv_is_passed_over_or_named(tmp_path: Path) -> None:
    two = {"python3.13": "3.13", "python3.12": "3.12"}
    (tmp_path / "a").mkdir()
    done = choose(tmp_path / "a", two, without_venv=("python3.13",))
    assert "with python3.12" in done.stderr
    (tmp_path / "b").mkdir()
    done = choose(tmp_path / "b", {"python3.13": "3.13"}, without_venv=("python3.13",))
    assert done.returncode == 1
    assert "apt install python3.13-venv" in done.stderr


# When make sets up

STUB = """#!/bin/sh
echo "$@" >>calls
mkdir -p "$1/bin"
printf '#!/bin/sh\\n' | tee "$1/bin/crashsim" >"$1/bin/python"
chmod +x "$1/bin/crashsim" "$1/bin/python"
"""


def test_make_installs_what_a_target_needs_once(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "setup.sh").write_text(STUB)
    for name in ("Makefile", "pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    calls = tmp_path / "calls"
    run, dev = ".venv  requirements.lock\n", ".venv  requirements.lock requirements-dev.lock\n"

    def make(*words: str) -> str:
        """What set-up is called with."""
        calls.write_text("")
        subprocess.run(["make", *words], cwd=tmp_path, capture_output=True, check=True)
        return calls.read_text()

    assert make("run") == run
    assert make("run") == ""
    assert make("test") == dev
    assert make("test") == ""
    assert make("run") == ""
    assert make("run", "PYTHON=python3.12") == dev.replace("  ", " python3.12 ")
    later = (tmp_path / ".venv" / ".ready-dev").stat().st_mtime + 10
    os.utime(tmp_path / "requirements.lock", (later, later))
    assert make("run") == dev, "an environment that has all is kept up to date as a whole"
