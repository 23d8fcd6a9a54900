#!/usr/bin/env bash
# setup, start, stop, a crash, an engine's restart, a power cut and destroy where systemd is PID 1.
#
# A Debian of its own is unpacked under build/ (with debootstrap, some minutes the first time) and
# booted in namespaces of its own: its systemd, its Docker Engine, its network. Needs root, the
# network for the packages, and control groups of version 1, which are what it was tried on.
set -euo pipefail
cd "$(dirname "$0")/.."

machine=$PWD/build/systemd
packages=systemd-sysv,dbus,docker.io,iptables,iproute2,conntrack,dnsmasq-base,redis-tools
packages+=,ca-certificates,python3,python3-venv,git,make
controllers=(cpu cpuacct cpuset memory devices freezer blkio pids systemd)
group=space-cloud-systemd
init="/lib/systemd/systemd --log-target=console"

say() { echo "==> $*"; }
fail() { echo "error: $*" >&2; exit 1; }

own_group() {
    awk -F: -v c="$1" '$2 == c || $2 == "name=" c { print $3 }' /proc/self/cgroup
}

unpack() {
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] ||
        fail "this machine has control groups of version 2: boot the project in systemd-nspawn there"
    if [ ! -e "$machine/unpacked" ]; then
        say "unpacking a Debian into $machine"
        rm -rf "$machine"
        mkdir -p build
        debootstrap --variant=minbase --include="$packages" bookworm "$machine" > "$machine.log" 2>&1 ||
            fail "debootstrap failed, see $machine.log"
        touch "$machine/unpacked"
    fi
    # Of an earlier run that was cut off.
    (cd "$machine" && rm -rf var/lib/docker var/lib/space-cloud root/.space-cloud \
        etc/systemd/system/space-cloud* etc/systemd/system/*/space-cloud*)
    say "copying this checkout, and what it is made of"
    mkdir -p "$machine/srv/space-cloud"
    git ls-files -z --cached --others --exclude-standard |
        tar --null --files-from=- --create | tar --extract --directory "$machine/srv/space-cloud"
    cp /etc/resolv.conf "$machine/etc/resolv.conf"
    cp -L /etc/ssl/certs/ca-certificates.crt "$machine/etc/ssl/certs/"
    chroot "$machine" bash -c "cd /srv/space-cloud && scripts/bootstrap.sh python"
}

# Becomes the first process of the machine.
boot_here() {
    mount --make-rprivate /
    mount --bind "$machine" "$machine"
    mount -t proc proc "$machine/proc"
    mount -t sysfs sysfs "$machine/sys"
    mount -t tmpfs -o mode=755 cgroup "$machine/sys/fs/cgroup"
    for controller in "${controllers[@]}"; do
        mkdir "$machine/sys/fs/cgroup/$controller"
        options=$controller
        [ "$controller" != systemd ] || options=none,name=systemd
        mount -t cgroup -o "$options" cgroup "$machine/sys/fs/cgroup/$controller"
    done
    mount -t tmpfs tmpfs "$machine/run"
    mount -t tmpfs tmpfs "$machine/tmp"
    ip link set lo up
    # A default route that leads nowhere.
    ip link add up0 type veth peer name up1
    ip addr add 198.51.100.2/24 dev up0
    ip link set up0 up
    ip link set up1 up
    ip route add default via 198.51.100.1
    cd "$machine"
    mkdir -p old
    pivot_root . old
    umount --lazy /old
    # shellcheck disable=SC2086  # several words
    exec env -i container=space-cloud PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb $init
}

boot() {
    say "booting"
    (
        for controller in "${controllers[@]}"; do
            place=/sys/fs/cgroup/$controller$(own_group "$controller")/$group
            mkdir -p "$place"
            if [ "$controller" = cpuset ]; then
                cat "$place/../cpuset.cpus" > "$place/cpuset.cpus"
                cat "$place/../cpuset.mems" > "$place/cpuset.mems"
                echo 1 > "$place/cgroup.clone_children"
            fi
            echo "$BASHPID" > "$place/cgroup.procs"
        done
        exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child \
            bash "$0" boot-here > "$machine.log" 2>&1
    ) &
    outer=$!
    for _ in $(seq 100); do
        first=$(pgrep --parent "$outer" || true)
        [ -n "$first" ] && [ "$(within systemctl is-system-running 2> /dev/null)" = running ] && return
        sleep 0.2
    done
    tail -n 20 "$machine.log" >&2
    fail "systemd does not boot"
}

within() {
    nsenter --target "$first" --mount --pid --net --uts --ipc --cgroup --root \
        env -i PATH=/srv/space-cloud/.venv/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb HOME=/root \
        LC_ALL=C.UTF-8 bash -c 'cd / && exec "$@"' - "$@"
}

cut_the_power() {
    [ -n "${first:-}" ] || return 0
    kill -9 "$first" 2> /dev/null || true
    wait "$outer" 2> /dev/null || true
    first=
    for controller in "${controllers[@]}"; do
        find "/sys/fs/cgroup/$controller$(own_group "$controller")/$group" -depth -type d \
            -exec rmdir {} + 2> /dev/null || true
    done
}

answers_within() {
    local deadline=$((SECONDS + $1))
    until within python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:4122/report.json", timeout=2)' 2> /dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || { within journalctl -u space-cloud -n 20 --no-pager; fail "the shop does not answer within $1 s"; }
        sleep 0.1
    done
}

all_ready_within() {
    local deadline=$((SECONDS + $1))
    until within space-cli get services 2> /dev/null |
        awk 'NR > 1 && $3 != "ready" { wrong = 1 } END { exit wrong || NR < 4 }'; do
        [ "$SECONDS" -lt "$deadline" ] || { within space-cli get services; fail "not all services are ready within $1 s"; }
        sleep 0.1
    done
}

is() {
    local found
    found=$(within systemctl show --property "$1" --value space-cloud)
    [ "$found" = "$2" ] || fail "$1 is $found, not $2"
}

if [ "${1:-}" = boot-here ]; then
    boot_here
fi

unpack
trap cut_the_power EXIT
boot

say "setup"
within space-cloud setup
is ActiveState active
is UnitFileState enabled
within bash -c "cd /srv/space-cloud && python scripts/demo.py" | grep --after-context=5 "web →"

say "the control plane is killed"
killed=$(within systemctl show --property MainPID --value space-cloud)
within bash -c "kill -9 $killed"
answers_within 1
all_ready_within 20
is NRestarts 1

say "the engine is restarted"
within systemctl restart docker
answers_within 30
# Until the next look the status is that of before.
sleep 3
all_ready_within 30

say "stop, start, and a setting that changes"
within space-cloud stop
is ActiveState inactive
answers_within 1
within space-cloud start
is ActiveState active
! within space-cloud start --expose-api || fail "start took a setting that the unit does not have"
within space-cloud setup --expose-api
within systemctl cat space-cloud | grep --quiet SPACE_CLOUD_EXPOSE_API=true
within space-cloud doctor

say "a power cut"
cut_the_power
boot
answers_within 60
is ActiveState active
all_ready_within 60

say "destroy"
within space-cloud destroy --yes --purge
# shellcheck disable=SC2016  # for the shell within
within bash -c '
    set -e
    [ -z "$(docker ps --all --quiet)" ]
    [ -z "$(docker network ls --quiet --filter name=space-cloud)" ]
    ! iptables-save | grep SC-
    ! ip6tables-save | grep SC-
    ! ip route | grep unreachable
    ! ls /etc/systemd/system | grep space-cloud
    ! systemctl list-units --all | grep space-cloud
    [ ! -e /var/lib/space-cloud/default ] && [ ! -e /run/space-cloud/default ]
' || fail "something is left"
say "all of it held"
