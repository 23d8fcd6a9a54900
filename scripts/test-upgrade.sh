#!/usr/bin/env bash
# An upgrade of a running installation to this checkout, from an older release of it.
#
#   scripts/test-upgrade.sh [commit]      the oldest one that is promised unless told
#
# The older release is taken out of this checkout's history into build/upgrade, with its own Python
# packages. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

commit=$(git rev-parse --verify --quiet "${1:-326a7a5}^{commit}") || {
    echo "error: ${1:-326a7a5} is not in this checkout's history: git fetch --unshallow" >&2
    exit 1
}
older=$PWD/build/upgrade/$commit

if [ ! -e "$older/made" ]; then
    echo "==> unpacking $commit into $older"
    rm -rf "$older"
    mkdir -p "$older"
    git archive "$commit" | tar --extract --directory "$older"
    (cd "$older" && scripts/bootstrap.sh demo)
    touch "$older/made"
fi
UPGRADE_FROM=$older/.venv/bin exec .venv/bin/pytest -q -s tests/upgrade
