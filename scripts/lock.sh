#!/bin/sh
# Resolve pyproject.toml into requirements.lock: one file for all platforms and Python 3.11
# and newer, wheels only, with hashes and without the address of any index.
# Usage: lock.sh PYTHON [uv options such as --upgrade]
set -eu

python=$1
shift
[ -x .venv-lock/bin/uv ] || {
    "$python" -m venv .venv-lock
    .venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: uv
}
.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: \
    --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
    --group dev --output-file requirements.lock "$@" pyproject.toml >/dev/null
if grep -n '://' requirements.lock; then
    echo "lock: requirements.lock must hold no address" >&2
    exit 1
fi
