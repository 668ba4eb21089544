#!/bin/sh
# Resolve pyproject.toml into locks, each for all platforms and Python 3.11 and newer, wheels
# only, with hashes and without the address of any index:
#   requirements.lock      what the project needs to be installed and to run
#   requirements-dev.lock  what tests and checks need on top; it names no package of the first
#   benchmarks/requirements.lock  what the benchmarks' peers need on top of the first
# Versions that stand in a lock are kept, unless uv is told to upgrade.
# Usage: lock.sh PYTHON [uv options such as --upgrade]
set -eu

python=$1
shift
[ -x .venv-lock/bin/uv ] || {
    "$python" -m venv .venv-lock
    .venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: uv
}

resolve() {
    .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: \
        --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
        "$@" >/dev/null
}

resolve pyproject.toml --group build --output-file requirements.lock "$@"

# "name==1.0 ; marker \" becomes "--no-emit-package name"
omit=$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock | sort -u)
# shellcheck disable=SC2086
resolve pyproject.toml --group build --group dev --constraint requirements.lock $omit \
    --output-file requirements-dev.lock "$@"
# shellcheck disable=SC2086
resolve benchmarks/requirements.txt --constraint requirements.lock $omit \
    --output-file benchmarks/requirements.lock "$@"

for lock in requirements.lock requirements-dev.lock benchmarks/requirements.lock; do
    if grep -n '://' "$lock"; then
        echo "lock: $lock must hold no address" >&2
        exit 1
    fi
done

# The Pythons that the tests run on, and the next one, find a wheel of every package.
for version in 3.11 3.12 3.13 3.14; do
    .venv-lock/bin/uv pip install --quiet --dry-run --target .venv-lock/none --python-version $version --no-deps \
        --require-hashes --only-binary :all: -r requirements.lock -r requirements-dev.lock
done
