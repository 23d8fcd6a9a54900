#!/usr/bin/env bash
# The tests that need an engine, against other releases of it than the installed one.
#
#   scripts/test-engines.sh [release …]      26.1.5 28.5.1 29.8.1 unless told
#   TESTS="tests/e2e/test_secrets.py …"      these tests only
#   ROWS="rules …"                           these rows of the bench instead
#
# A release is built from its Go module and runs beside the installed engine, in a network
# namespace of its own. Needs root, Go, containerd and runc (they come with docker.io).
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# != 1 ]; then
    [ $# != 0 ] || set -- 26.1.5 28.5.1 29.8.1
    failed=()
    for release in "$@"; do "$0" "$release" || failed+=("$release"); done
    [ ${#failed[@]} = 0 ] || { echo "error: these failed: ${failed[*]}" >&2; exit 1; }
    exit
fi

release=$1
home=$PWD/build/engines/$release
namespace=space-cloud-engine
link=sc-engine
socket=$home/run/docker.sock
tests=(
    tests/contract/test_driver.py
    tests/integration/test_docker_*.py tests/integration/test_host_*.py
    tests/e2e/test_lifecycle.py tests/e2e/test_secrets.py tests/e2e/test_network_*.py
)

say() { echo "==> $*"; }

fail() {
    echo "error: $*" >&2
    exit 1
}

build() {
    if [ ! -x "$home/bin/dockerd" ]; then
        # From 29 on the engine is a module of another name, with a numbering of its own.
        local path=github.com/docker/docker version=v$release+incompatible
        case $release in
            29.8.1) path=github.com/moby/moby/v2 version=v2.0.0-beta.24 ;;
            29.*) fail "say in this script which version of github.com/moby/moby/v2 is $release" ;;
        esac
        go_build "Docker Engine $release" "$path@$version" dockerd ./cmd/dockerd \
            -ldflags "-X $path/dockerversion.Version=$release"
    fi
    if [[ $release = 29.* ]] && [ ! -x "$home/bin/runc" ]; then
        # It gives every container a time namespace, of which Debian 12's runc does not know.
        pkg-config --exists libseccomp 2> /dev/null ||
            fail "runc is built with libseccomp: install it (apt-get install libseccomp-dev pkg-config gcc)"
        go_build "runc 1.3.6" github.com/opencontainers/runc@v1.3.6 runc . -tags seccomp
    fi
}

# go_build <what> <module> <program> <package> <option>…
go_build() {
    local what=$1 module=$2 program=$3 package=$4 found
    shift 4
    command -v go > /dev/null || fail "Go builds it: install it (apt-get install golang)"
    say "building $what (some minutes)"
    found=$(go mod download -json "$module" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
    rm -rf "$home/source"
    mkdir -p "$home/bin"
    cp -r "$found" "$home/source"
    chmod -R u+w "$home/source"
    (
        cd "$home/source"
        [ ! -f vendor.mod ] || cp vendor.mod go.mod
        [ ! -f vendor.sum ] || cp vendor.sum go.sum
        [ "$program" = runc ] || export CGO_ENABLED=0
        go build -mod=mod -o "$home/bin/$program" "$@" "$package"
    )
    rm -rf "$home/source"
}

take_turn() {
    # Every run has the same namespace; whatever is started in it must not keep the lock.
    exec 9> /tmp/space-cloud-tests-engines
    flock --timeout 1800 9 || fail "another run has been at it for too long"
}

start() {
    # A default route that leads nowhere: what leaves the machine is no part of these tests.
    ip netns add "$namespace"
    ip link add "$link" type veth peer name up0 netns "$namespace"
    ip link set "$link" up
    ip -n "$namespace" link set lo up
    ip -n "$namespace" addr add 198.51.100.2/24 dev up0
    ip -n "$namespace" link set up0 up
    ip -n "$namespace" route add default via 198.51.100.1
    answer_names
    # An engine that has to turn forwarding on drops what is forwarded between others' bridges, too.
    nsenter --net="/run/netns/$namespace" sysctl --quiet --write net.ipv4.ip_forward=1
    mkdir -p "$home/run"
    # What the release needs and the installed one lacks is found before that.
    PATH=$home/bin:$PATH nsenter --net="/run/netns/$namespace" "$home/bin/dockerd" --host "unix://$socket" \
        --data-root "$home/data" --exec-root "$home/run/exec" --pidfile "$home/run/pid" \
        --userland-proxy=false > "$home/log" 2>&1 9>&- &
    engine=$!
    for _ in $(seq 100); do
        docker --host "unix://$socket" version > /dev/null 2>&1 && return
        kill -0 "$engine" 2> /dev/null || break
        sleep 0.2
    done
    tail -n 20 "$home/log" >&2
    echo "error: Docker Engine $release does not start" >&2
    exit 1
}

# A name server at the address of the machine's, which knows no name: it is not to be reached from
# there, and an engine that nobody answers takes minutes to give up a pull.
answer_names() {
    local server options=()
    for server in $(awk '$1 == "nameserver" && $2 ~ /^[0-9.]+$/ { print $2 }' /etc/resolv.conf); do
        ip -n "$namespace" addr add "$server/32" dev lo
        options+=("--listen-address=$server")
    done
    nsenter --net="/run/netns/$namespace" dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= \
        --user=root --bind-interfaces "${options[@]}" --no-resolv --no-hosts "--local=/#/" 9>&- &
    names=$!
}

stop() {
    trap - EXIT
    [ -z "${names:-}" ] || { kill "$names" 2> /dev/null && wait "$names" 2> /dev/null; } || true
    [ -z "${engine:-}" ] || { kill "$engine" 2> /dev/null && wait "$engine" 2> /dev/null; } || true
    ip link del "$link" 2> /dev/null || true
    ip netns del "$namespace" 2> /dev/null || true
    umount --lazy "$home"/run/exec/netns/* 2> /dev/null || true
    rm -rf "$home/data" "$home/run"
}

build
take_turn
trap stop EXIT
[ -z "${TESTS:-}" ] || read -ra tests <<< "$TESTS"
start
export DOCKER_HOST=unix://$socket SPACE_CLOUD_DOCKER_HOST=unix://$socket
say "testing against $(docker version --format 'Docker Engine {{.Server.Version}}, API {{.Server.APIVersion}}')"
if [ -n "${ROWS:-}" ]; then
    # shellcheck disable=SC2086  # several words
    nsenter --net="/run/netns/$namespace" .venv/bin/python -m bench $ROWS
    exit
fi
PYTHONPATH=tests nsenter --net="/run/netns/$namespace" .venv/bin/python -m apps.images
nsenter --net="/run/netns/$namespace" .venv/bin/pytest -q "${tests[@]}"
