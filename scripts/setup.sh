#!/bin/sh
# Make a virtual environment with exactly the packages of requirements.lock, and this
# project in it. Usage: setup.sh VENV [PYTHON]; without PYTHON the newest fitting one is used.
set -eu

venv=$1
wanted=${2:-}

fits() { # a Python the lock is made for
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

has_venv() { # Debian splits venv and ensurepip off
    "$1" -c 'import venv, ensurepip' 2>/dev/null
}

version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

find_python() {
    without_venv=
    for candidate in ${wanted:-python3.13 python3.12 python3.11 python3 python}; do
        fits "$candidate" || continue
        if has_venv "$candidate"; then
            python=$candidate
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -n "$without_venv" ]; then
        fail "$without_venv (Python $(version "$without_venv")) has no venv module." \
            "Install it (Debian, Ubuntu: apt install python$(version "$without_venv")-venv)," \
            "or name another Python: make PYTHON=/path/to/python3.12 ..."
    fi
    if [ -n "$wanted" ]; then
        fail "PYTHON=$wanted is not a Python 3.11, 3.12 or 3.13."
    fi
    fail "found no Python 3.11, 3.12 or 3.13 (looked for python3.13, python3.12, python3.11, python3)." \
        "Install one, or name it: make PYTHON=/path/to/python3.12 ..."
}

# An environment that works is kept, unless another Python was asked for.
if ! { [ -x "$venv/bin/python" ] && fits "$venv/bin/python"; } ||
    { [ -n "$wanted" ] && [ "$(version "$venv/bin/python")" != "$(version "$wanted" 2>/dev/null)" ]; }; then
    find_python
    echo "setup: making $venv with $python (Python $(version "$python"))" >&2
    "$python" -m venv --clear "$venv"
fi

echo "setup: installing the packages of requirements.lock into $venv" >&2
log=$venv/setup.log
if ! "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes \
    --only-binary :all: -r requirements.lock >"$log" 2>&1; then
    cat "$log" >&2
    missing=$(sed -n 's/.*No matching distribution found for \([A-Za-z0-9._-]*==[^ ]*\).*/\1/p' "$log" | head -n 1)
    platform=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_platform())')
    if [ -n "$missing" ]; then
        fail "no wheel of $missing for Python $(version "$venv/bin/python") on $platform was found." \
            "If the package index can be reached, try another Python: make PYTHON=python3.12 ..."
    fi
    fail "pip could not install requirements.lock (its output is above and in $log)." \
        "If it could not reach a package index, check the network or pip's index settings."
fi
if ! "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps \
    --no-build-isolation -e . >"$log" 2>&1; then
    cat "$log" >&2
    fail "could not install the project itself (pip's output is above and in $log)."
fi
