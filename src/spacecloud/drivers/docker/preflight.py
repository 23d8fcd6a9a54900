"""What a machine must have before anything is started, each lack with its fix."""

import json
import os
import shutil
import socket
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import aiodocker

from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine, EngineRefused
from spacecloud.drivers.docker.firewall import run
from spacecloud.errors import Transient
from spacecloud.settings import Settings

PROGRAMS = {"iptables": "iptables", "ip6tables": "iptables", "ip": "iproute2"}


async def preflight(docker: aiodocker.Docker, settings: Settings) -> tuple[str, ...]:
    """Empty when the machine is ready."""
    found = [*_rights(), *_programs(), *_forwarding()]
    engine = Engine(docker)
    try:
        found += _engine(await engine.get("info"), await engine.get("version"))
        found += await _overlaps(engine, settings)
        found += await _ports(engine, settings)
    except Transient as error:
        found.append(f"{error}: start it (systemctl start docker), or set SPACE_CLOUD_DOCKER_HOST")
    except EngineRefused as error:
        found.append(f"the Docker Engine refuses to tell about itself: {error}")
    return tuple(found)


def _rights() -> Iterable[str]:
    if os.geteuid() != 0:
        yield "root is needed for networks and firewall rules: run it with sudo"


def _programs() -> Iterable[str]:
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            yield f"the program {program} is missing: apt-get install {package}"


def _forwarding() -> Iterable[str]:
    try:
        if Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() != "1":
            yield (
                "net.ipv4.ip_forward is off, so pods reach nothing: sysctl -w net.ipv4.ip_forward=1"
            )
    except OSError as error:
        yield f"net.ipv4.ip_forward cannot be read: {error.strerror}"


def _engine(info: dict[str, Any], version: dict[str, Any]) -> Iterable[str]:
    names = " ".join(str(part.get("Name", "")) for part in version.get("Components") or [])
    if "podman" in names.lower():
        yield "the engine is Podman, which lacks what is needed: use Docker Engine 20.10 or later"
    if any("rootless" in option for option in info.get("SecurityOptions") or []):
        yield "the engine is rootless and cannot set firewall rules: use a rootful Docker Engine"
    if "docker desktop" in str(info.get("OperatingSystem", "")).lower():
        yield "Docker Desktop runs its engine in a machine of its own: use Docker Engine on Linux"
    if info.get("OSType", "linux") != "linux":
        yield f"the engine runs {info.get('OSType')} containers: Linux ones are needed"


async def _overlaps(engine: Engine, settings: Settings) -> list[str]:
    """Routes and networks of others inside our pools: what they lead to would be cut off."""
    ours = {
        config.get("Subnet")
        for network in await engine.get("networks")
        if (network.get("Labels") or {}).get(labels.INSTANCE) == settings.instance
        for config in network["IPAM"]["Config"] or []
    }
    routes = json.loads(await run("ip", "-4", "-json", "route", "show", "table", "main"))
    said = []
    for variable, pool in (
        ("SPACE_CLOUD_SUBNET_POOL", settings.subnet_pool),
        ("SPACE_CLOUD_VIP_POOL", settings.vip_pool),
    ):
        for route in routes:
            destination = str(route.get("dst", "default"))
            if destination == "default" or destination in ours:
                continue
            if route.get("type") == "unreachable" and destination == str(settings.vip_pool):
                continue
            if IPv4Network(destination, strict=False).overlaps(pool):
                by = f" (via {route['dev']})" if "dev" in route else ""
                said.append(
                    f"the pool {pool} overlaps the route {destination}{by}: choose another "
                    f"with {variable}"
                )
    if settings.subnet_pool.overlaps(settings.vip_pool):
        said.append(
            f"the pools {settings.subnet_pool} and {settings.vip_pool} overlap: choose others "
            "with SPACE_CLOUD_SUBNET_POOL and SPACE_CLOUD_VIP_POOL"
        )
    return said


async def _ports(engine: Engine, settings: Settings) -> list[str]:
    """Ports that somebody else has. Our own gateway and resolver may run already."""
    filters = {"label": [f"{labels.INSTANCE}={settings.instance}"]}
    running = await engine.get("containers/json", filters=filters)
    own = {c["Labels"].get(labels.PREFIX + "part") for c in running}
    wanted = [
        ("SPACE_CLOUD_HTTP_PORT", settings.http_port, "gateway", socket.SOCK_STREAM),
        ("SPACE_CLOUD_MESH_PORT", settings.mesh_port, "gateway", socket.SOCK_STREAM),
        ("SPACE_CLOUD_DNS_PORT", settings.dns_port, "resolver", socket.SOCK_STREAM),
        ("SPACE_CLOUD_DNS_PORT", settings.dns_port, "resolver", socket.SOCK_DGRAM),
    ]
    return [
        f"port {port} is taken{_by_whom(port)}: stop that, or choose another with {variable}"
        for variable, port, part, kind in wanted
        if part not in own and _is_taken(port, kind)
    ]


def _is_taken(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


def _by_whom(port: int) -> str:
    """`` by nginx (process 4711)``; empty where it cannot be told."""
    inodes = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] in ("0A", "07"):
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and inodes & set(_sockets(process)):
            try:
                return f" by {(process / 'comm').read_text().strip()} (process {process.name})"
            except OSError:
                continue
    return ""


def _sockets(process: Path) -> Iterable[str]:
    try:
        for entry in (process / "fd").iterdir():
            try:
                yield str(entry.readlink())
            except OSError:
                continue
    except OSError:
        return
