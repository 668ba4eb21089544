#!/bin/sh
# Make a virtual environment with the packages of the locks and this project in it.
# Usage: setup.sh VENV PYTHON LOCK...; with PYTHON "" the newest tested one is taken, else a newer one.
set -eu

venv=$1
wanted=$2
shift 2

supported() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

tested() { # a Python that the tests run on
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

choose() { # CHECK CANDIDATE...: the first candidate that passes the check and has venv
    check=$1
    shift
    for candidate; do
        "$check" "$candidate" || continue
        if has_venv "$candidate"; then
            python=$candidate
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    return 1
}

find_python() {
    without_venv=
    if [ -n "$wanted" ]; then
        choose supported "$wanted" && return
    else
        choose tested python3.13 python3.12 python3.11 python3 python && return
        choose supported python3.14 python3.15 python3.16 python3.17 python3 python && return
    fi
    if [ -n "$without_venv" ]; then
        fail "$without_venv (Python $(version "$without_venv")) has no venv module." \
            "Install it (Debian, Ubuntu: apt install python$(version "$without_venv")-venv)," \
            "or name another Python: make PYTHON=/path/to/python3.12 ..."
    fi
    if [ -n "$wanted" ]; then
        fail "PYTHON=$wanted is not a Python 3.11 or newer."
    fi
    fail "found no Python 3.11 or newer (looked for python3.11 to python3.17, python3 and python)." \
        "Install one, or name it: make PYTHON=/path/to/python3.12 ..."
}

# An environment that works is kept, unless another Python was asked for.
if ! { [ -x "$venv/bin/python" ] && supported "$venv/bin/python"; } ||
    { [ -n "$wanted" ] && [ "$(version "$venv/bin/python")" != "$(version "$wanted" 2>/dev/null)" ]; }; then
    find_python
    echo "setup: making $venv with $python (Python $(version "$python"))" >&2
    tested "$python" || echo "setup: Python $(version "$python") is untested: the tests run on 3.11 to 3.13" >&2
    "$python" -m venv --clear "$venv"
fi

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        return 1
    }
}

echo "setup: installing the packages of $* into $venv" >&2
log=$venv/setup.log
locks=
for lock; do locks="$locks -r $lock"; done
# The locks are complete, so nothing is resolved: a release made since cannot change what is installed.
# What is never imported need not be compiled.
# shellcheck disable=SC2086
if ! pip install --no-deps --require-hashes --only-binary :all: --no-compile $locks; then
    missing=$(sed -n 's/.*No matching distribution found for \([A-Za-z0-9._-]*==[^ ]*\).*/\1/p' "$log" | head -n 1)
    platform=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_platform())')
    if [ -n "$missing" ]; then
        fail "no wheel of $missing for Python $(version "$venv/bin/python") on $platform was found." \
            "If the package index can be reached, try another Python: make PYTHON=python3.12 ..."
    fi
    fail "pip could not install $* (its output is above and in $log)." \
        "If it could not reach a package index, check the network or pip's index settings."
fi
pip install --no-deps --no-build-isolation -e . ||
    fail "could not install the project itself (pip's output is above and in $log)."
pip check ||
    fail "the packages in $venv do not fit together (pip's output is above)." \
        "Something else was installed into it, or a lock was changed by hand: try again after make clean."
