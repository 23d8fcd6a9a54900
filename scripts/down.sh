#!/usr/bin/env bash
# Stops the demo's instance and takes away everything it made.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x .venv/bin/space-cloud ]; then
    echo "nothing to stop: nothing was installed here (no .venv)"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    printf 'error: root is needed to remove networks and firewall rules\n  fix: sudo make down\n' >&2
    exit 1
fi
exec .venv/bin/space-cloud down
