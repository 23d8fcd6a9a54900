"""What a machine must have before anything is started, each lack with its fix."""

import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import time_ns
from typing import Any

from spacecloud import installation
from spacecloud.drivers.docker import labels, releases
from spacecloud.drivers.docker.doctor import pool_conflicts
from spacecloud.drivers.docker.doctor.port_owners import owners_of
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.process import run
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.errors import Transient
from spacecloud.settings import Settings

PROGRAMS = {
    "iptables-save": "iptables",
    "iptables-restore": "iptables",
    "ip6tables-save": "iptables",
    "ip6tables-restore": "iptables",
    "ip": "iproute2",
}
LEAST_DISK_MIB = 200
"""For the database, the log and the images of gateway and resolver."""

LONGEST_SOCKET_PATH = 107
"""The kernel's limit for the path of a unix socket."""

CLOCK_TOLERANCE_SECONDS = 60.0

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


async def preflight(engine: Engine, settings: Settings, networking: Networking) -> tuple[str, ...]:
    """Empty when the machine is ready."""
    problems = [*rights(), *missing_programs(), *forwarding(), *disk(settings), *folders(settings)]
    try:
        routes, rules = await run(*pool_conflicts.LIST_ROUTES), await run("iptables-save")
    except Transient as error:
        problems.append(f"routes and rules of this machine cannot be listed: {error}")
        routes = rules = ""
    try:
        problems += engine_problems(await engine.get("info"), await engine.get("version"))
        problems += await of_a_lost_folder(engine, settings)
        problems += pool_conflicts.conflicts(
            networking, await engine.get("networks"), routes, rules
        )
        problems += taken_ports(networking, await own_processes(engine, settings))
    except Transient as error:
        problems.append(
            f"{error}: start it (systemctl start docker), or set SPACE_CLOUD_DOCKER_HOST"
        )
    except EngineError as error:
        problems.append(f"the Docker Engine refuses to tell about itself: {error}")
    return tuple(problems)


def rights() -> Iterable[str]:
    if os.geteuid() != 0:
        yield "root is needed for networks and firewall rules: run it with sudo"


def missing_programs(path: str | None = None) -> Iterable[str]:
    """``path``: where to look for them; None: where this process does."""
    lacking = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    for package in dict.fromkeys(PROGRAMS[program] for program in lacking):
        names = ", ".join(program for program in lacking if PROGRAMS[program] == package)
        yield f"{names} cannot be found: apt-get install {package}"


def forwarding() -> Iterable[str]:
    try:
        if IP_FORWARD.read_text().strip() != "1":
            yield (
                "net.ipv4.ip_forward is off, so pods reach nothing: sysctl -w net.ipv4.ip_forward=1"
            )
    except OSError as error:
        yield f"net.ipv4.ip_forward cannot be read: {error.strerror}"


def disk(settings: Settings) -> Iterable[str]:
    """Of the folder that holds what must survive, or of what it will be made in."""
    folder = settings.state_dir
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    free_mib = shutil.disk_usage(folder).free // 2**20
    if free_mib < LEAST_DISK_MIB:
        yield (
            f"only {free_mib} MiB are free below {folder}, {LEAST_DISK_MIB} are needed: make room, "
            "or choose another folder with SPACE_CLOUD_STATE"
        )


def folders(settings: Settings) -> Iterable[str]:
    longest = RunDirectory(settings.run_dir).admin_socket
    if len(os.fsencode(longest)) > LONGEST_SOCKET_PATH:
        yield (
            f"the path {longest} is too long for a socket ({LONGEST_SOCKET_PATH} bytes): choose a "
            "shorter one with SPACE_CLOUD_RUN"
        )


def clock(settings: Settings) -> Iterable[str]:
    """Tokens expire and delays end by it: one that was put back is worth a word."""
    try:
        written = max(path.stat().st_mtime for path in settings.state_dir.glob("store.db*"))
    except (ValueError, OSError):
        return
    behind = written - time_ns() / 1e9
    if behind > CLOCK_TOLERANCE_SECONDS:
        yield f"the clock is {behind:.0f} s behind what was last written: set it (timedatectl)"


def engine_problems(info: Mapping[str, Any], version: Mapping[str, Any]) -> Iterable[str]:
    """From what the engine says of itself."""
    names = " ".join(str(part.get("Name", "")) for part in version.get("Components") or [])
    if "podman" in names.lower():
        yield (
            "the engine is Podman, which lacks what is needed: use Docker Engine "
            f"{releases.OLDEST} or later"
        )
        return
    if any("rootless" in option for option in info.get("SecurityOptions") or []):
        yield "the engine is rootless and cannot set firewall rules: use a rootful Docker Engine"
    if "docker desktop" in str(info.get("OperatingSystem", "")).lower():
        yield "Docker Desktop runs its engine in a machine of its own: use Docker Engine on Linux"
    if info.get("OSType", "linux") != "linux":
        yield f"the engine runs {info.get('OSType')} containers: Linux ones are needed"
    if releases.sets_nftables(info):
        yield (
            "the engine sets its rules by nftables, which ours cannot stand above: put "
            '"firewall-backend": "iptables" into /etc/docker/daemon.json and restart it'
        )
    if releases.is_too_old(version):
        yield (
            f"Docker Engine {version.get('Version', '')} (API {version['ApiVersion']}) is too old: "
            f"use {releases.OLDEST} or later"
        )


async def own_processes(engine: Engine, settings: Settings) -> frozenset[int]:
    """Of our gateway and resolver, where they run already."""
    filters = {"label": [f"{labels.INSTANCE}={settings.instance}", labels.PART]}
    ids = set()
    owner = Ownership.of(settings)
    for container in await engine.get("containers/json", filters=filters):
        if not owner.has("part", container):
            continue
        shown = await engine.find(f"containers/{container['Id']}/json")
        ids.add(int(shown["State"]["Pid"]) if shown is not None else 0)
    return frozenset(ids - {0})


async def of_a_lost_folder(engine: Engine, settings: Settings) -> tuple[str, ...]:
    """What an installation has left whose state folder is gone: a new one would not know it."""
    if installation.is_known(settings):
        return ()
    owner = Ownership.of(settings)
    filters = {"label": [f"{labels.INSTANCE}={settings.instance}"]}
    listing = await engine.get("containers/json", all=True, filters=filters)
    left = sum(owner.has_container(container) for container in listing)
    if not left:
        return ()
    return (
        f"{left} containers of instance {settings.instance} are on this machine, and "
        f"{settings.state_dir} does not know them: restore that folder from a backup, or remove "
        "them with space-cloud down",
    )


def taken_ports(networking: Networking, own: frozenset[int]) -> Iterable[str]:
    """Ports that somebody else has."""
    wanted = (
        ("SPACE_CLOUD_HTTP_PORT", networking.http_port, socket.SOCK_STREAM),
        ("SPACE_CLOUD_MESH_PORT", networking.mesh_port, socket.SOCK_STREAM),
        ("SPACE_CLOUD_DNS_PORT", networking.dns_port, socket.SOCK_STREAM),
        ("SPACE_CLOUD_DNS_PORT", networking.dns_port, socket.SOCK_DGRAM),
    )
    yield from _same_ports(networking)
    for variable, port, kind in wanted:
        if not _is_taken(port, kind):
            continue
        owners = owners_of(port, kind)
        strangers = [owner for owner in owners if owner.id not in own]
        if strangers or not own:
            by = f" by {', '.join(str(owner) for owner in strangers)}" if strangers else ""
            name = "UDP port" if kind == socket.SOCK_DGRAM else "port"
            yield f"{name} {port} is taken{by}: stop that, or choose another with {variable}"


def _same_ports(networking: Networking) -> Iterable[str]:
    http, mesh, dns = networking.http_port, networking.mesh_port, networking.dns_port
    ports = (http, mesh, dns, *([networking.metrics_port] if networking.metrics_port else []))
    if len(set(ports)) < len(ports):
        yield (
            f"the ports for HTTP, the mesh, DNS and metrics must differ, and are {http}, {mesh}, "
            f"{dns} and {networking.metrics_port}: choose others with SPACE_CLOUD_HTTP_PORT, "
            "SPACE_CLOUD_MESH_PORT, SPACE_CLOUD_DNS_PORT and SPACE_CLOUD_METRICS_PORT"
        )


def _is_taken(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False
