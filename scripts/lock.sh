#!/usr/bin/env bash
# Writes requirements/*.txt: every package with version and hashes, for every platform.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=.venv/bin/uv
[ -x "$uv" ] || .venv/bin/python -m pip install --quiet uv

compile() {
    local output="requirements/$1.txt"
    shift
    echo "locking $output"
    "$uv" pip compile --quiet --universal --generate-hashes --no-annotate \
        --python-version 3.11 --custom-compile-command "make lock" \
        --no-emit-index-url --no-emit-find-links \
        --output-file "$output" "$@" pyproject.toml requirements/build.in
}

compile runtime
compile dev --extra dev --constraint requirements/runtime.txt

# A lock names packages, never the place that this machine happens to get them from.
if grep -nE '(https?|file)://|--(extra-)?index-url|--find-links|--trusted-host' requirements/*.txt; then
    echo "the lines above tie the lock to this machine; remove their source and lock again" >&2
    exit 1
fi
