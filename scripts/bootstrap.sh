#!/usr/bin/env bash
#
# Makes a bare Debian machine able to run Space Cloud, or finds in a moment that it is.
#
#   scripts/bootstrap.sh python   .venv with all packages of the lock; needs no root
#   scripts/bootstrap.sh demo     what runs the platform: engine, iptables, resolver, .venv
#   scripts/bootstrap.sh test     the same and what the tests need
#
# What is there is used and never replaced: an engine that answers, whoever installed it, stays.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly wanted="${1:?usage: scripts/bootstrap.sh python|demo|test}"
readonly venv=.venv
readonly socket=/var/run/docker.sock
readonly engine_log=/var/log/space-cloud-dockerd.log
export PATH="$PATH:/usr/sbin:/sbin"

main() {
    # Two runs at a time would install into each other.
    exec 9<"$0"
    flock 9

    case "$wanted" in
    python)
        install_python dev
        ;;
    demo)
        install_programs
        install_engine
        install_python runtime
        ;;
    test)
        install_programs musl-gcc gcc
        install_engine
        install_python dev
        ;;
    *) fail "unknown part: $wanted" "use python, demo or test" ;;
    esac
}

# ---------------------------------------------------------------- programs of the distribution

package_of() {
    case "$1" in
    ip) echo iproute2 ;;
    dnsmasq) echo dnsmasq-base ;;
    # Holds the server too; the package redis-server would start one on this machine.
    redis-check-rdb) echo redis-tools ;;
    musl-gcc) echo musl-tools ;;
    gcc) echo "gcc libc6-dev" ;;
    /usr/bin/python3) echo python3 ;;
    *) echo "$1" ;;
    esac
}

install_programs() {
    local missing=() program
    for program in iptables ip conntrack dnsmasq redis-check-rdb /usr/bin/python3 "$@"; do
        command -v "$program" >/dev/null || missing+=("$(package_of "$program")")
    done
    # shellcheck disable=SC2068  # one word of the list may name two packages
    [ ${#missing[@]} -eq 0 ] || apt_install ${missing[@]}
}

apt_install() {
    need_root "install $*"
    command -v apt-get >/dev/null ||
        fail "this is not Debian or Ubuntu, and these are missing: $*" \
            "install them with your package manager and run make again"
    [ -n "${lists_are_read:-}" ] || step "reading the package lists" apt_quietly update
    lists_are_read=yes
    step "installing $*" apt_quietly install --yes --no-install-recommends "$@"
}

apt_quietly() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"
}

# ---------------------------------------------------------------- Docker Engine

install_engine() {
    engine_answers && return
    if ! command -v dockerd >/dev/null; then
        command -v docker >/dev/null && docker version >/dev/null 2>&1 &&
            fail "the Docker Engine that \`docker\` talks to is not at $socket" \
                "run on the engine's own machine, or point its context at unix://$socket"
        apt_install docker.io
    fi
    engine_answers && return
    need_root "start the Docker Engine"
    mount_cgroups
    step "starting the Docker Engine" start_engine
}

# Where systemd does not run, perhaps nobody has mounted what the engine limits containers with.
mount_cgroups() {
    [ ! -d /run/systemd/system ] || return 0
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || return 0
    ! mountpoint -q /sys/fs/cgroup/devices || return 0
    command -v cgroupfs-mount >/dev/null || apt_install cgroupfs-mount
    step "mounting the control groups" cgroupfs-mount
}

engine_answers() {
    [ -S "$socket" ] || return
    if ! { [ -r "$socket" ] && [ -w "$socket" ]; }; then
        fail "$socket is not yours to use" "run as root: sudo make ${MAKECMDGOALS:-demo}"
    fi
    # Bash has no unix sockets, and neither curl nor the docker client need be there.
    /usr/bin/python3 - "$socket" <<'PYTHON'
import socket, sys
engine = socket.socket(socket.AF_UNIX)
engine.settimeout(5)
try:
    engine.connect(sys.argv[1])
    engine.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
    sys.exit(0 if b" 200 " in engine.recv(64) else 1)
except OSError:
    sys.exit(1)
PYTHON
}

start_engine() {
    local engine=""
    if [ -d /run/systemd/system ]; then
        systemctl start docker
    else
        forget_dead_engine
        setsid dockerd >>"$engine_log" 2>&1 </dev/null 9<&- &
        engine=$!
    fi
    local deadline=$((SECONDS + 30))
    while [ "$SECONDS" -lt "$deadline" ]; do
        engine_answers && return
        [ -z "$engine" ] || kill -0 "$engine" 2>/dev/null || break
        sleep 0.2
    done
    echo "it does not answer on $socket"
    if [ -d /run/systemd/system ]; then
        journalctl --unit docker --lines 15 --no-pager
    else
        tail -n 15 "$engine_log"
    fi
    return 1
}

# A machine that was switched off leaves the number of a process that is another one now.
forget_dead_engine() {
    local file=/var/run/docker.pid
    [ -f "$file" ] || return 0
    [ "$(cat "/proc/$(cat "$file")/comm" 2>/dev/null)" = dockerd ] || rm -f "$file"
}

# ---------------------------------------------------------------- Python

install_python() {
    local set="$1" lock key
    lock="requirements/$set.txt"
    make_venv
    key="$(sha256sum "$lock" pyproject.toml | sha256sum | cut -c1-16)"
    [ "$(cat "$venv/.installed-$set" 2>/dev/null)" = "$key" ] && return
    # Everything of the runtime is in dev, at the same version.
    if [ "$set" = runtime ] && [ "$(cat "$venv/.installed-dev" 2>/dev/null)" = "$(
        sha256sum requirements/dev.txt pyproject.toml | sha256sum | cut -c1-16
    )" ]; then
        return
    fi
    step "installing Python packages ($lock)" \
        pip_install --require-hashes --no-deps --requirement "$lock"
    step "linking the package itself" pip_install --no-deps --no-build-isolation --editable .
    echo "$key" >"$venv/.installed-$set"
}

pip_install() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --progress-bar off "$@"
}

make_venv() {
    # A folder that was moved or copied holds scripts that start the interpreter of the old place.
    if "$venv/bin/python" -c 'import pip' 2>/dev/null &&
        head -n 1 "$venv/bin/pip" | grep -qF "#!$PWD/$venv/"; then
        return
    fi
    local python="${PYTHON:-python3}"
    command -v "$python" >/dev/null || apt_install python3 python3-venv
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$python is $("$python" --version 2>&1), and 3.11 or newer is needed" \
            "name a newer one: make PYTHON=python3.12 ${MAKECMDGOALS:-demo}"
    "$python" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    step "making $venv" "$python" -m venv --clear "$venv"
}

# ---------------------------------------------------------------- words

# Says what is done, keeps the noise, and shows it only if it failed.
step() {
    local text="$1" log started=$SECONDS
    shift
    log="$(mktemp)"
    printf '==> %s …\n' "$text"
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" | sed 's/^/    /' >&2
        rm -f "$log"
        fail "$text failed, see above" "$(fix_for "$1")"
    fi
    rm -f "$log"
    local seconds=$((SECONDS - started))
    [ "$seconds" -lt 2 ] || printf '    done in %d s\n' "$seconds"
}

fix_for() {
    case "$1" in
    apt_quietly) echo "check that the package mirror in /etc/apt can be reached, then run make again" ;;
    pip_install) echo "check that the Python package index can be reached (pip config list), then run make again" ;;
    start_engine) echo "mend what the engine complains of, then run make again" ;;
    *) echo "mend it and run make again" ;;
    esac
}

need_root() {
    [ "$(id -u)" -eq 0 ] ||
        fail "root is needed to $1: Space Cloud makes networks and firewall rules on this machine" \
            "run as root: sudo make ${MAKECMDGOALS:-demo}"
}

fail() {
    printf 'error: %s\n  fix: %s\n' "$1" "$2" >&2
    exit 1
}

main
