"""
What is on the machine, told by its own programs, in a form that two moments share.

What is ours there is found by the names that our own functions give to it: a name that is wrong
in both moments is no difference.

Ids, addresses, slots and the names of projects differ from run to run and are written as letters.
Lines are kept as often as they occur: a duplicate is a difference.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx

from chaos.plane import Plane
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.pods.networks import interface
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.mesh.envoy.host_ports import host_port_listener
from spacecloud.mesh.envoy.names import gate_of, owner_of
from spacecloud.model.refs import HOST, ServiceKey

World = tuple[str, ...]


def of_project(plane: Plane, project: str, services: Sequence[str]) -> World:
    """Everything that bears the project's name, and all that hangs on its services' bridges."""
    bridges = {
        interface(networking_of(plane.settings), ServiceKey(project, service)): f"BRIDGE-{service}"
        for service in services
    }
    scope = f"{labels.scope(plane.installation.instance)}-{project}--"
    found = [f"container {line}" for line in _containers() if line.startswith(scope)]
    found += [f"network {line}" for line in _networks() if line.startswith(scope)]
    found += [f"{source} {line}" for source, line in _kernel(bridges)]
    found += [f"names {line}" for line in _names(plane, project)]
    found += [f"gateway {line}" for line in _gateway(plane, project)]
    for bridge, word in bridges.items():
        found = [line.replace(bridge, word) for line in found]
    found = [line.replace(scope, "").replace(project, "PROJECT") for line in found]
    return tuple(sorted(map(_plain, found)))


def of_instance(plane: Plane) -> World:
    """All that is of this instance, whatever it belongs to; and what is nobody's."""
    networking = networking_of(plane.settings)
    scope = f"{labels.scope(plane.installation.instance)}-"
    ours = {networking.interface_prefix: "", networking.chain_prefix: "", _pool(plane): ""}
    found = [f"container {line}" for line in _containers() if line.startswith(scope)]
    found += [f"network {line}" for line in _networks() if line.startswith(scope)]
    found += [f"{source} {line}" for source, line in _kernel(ours)]
    found += [f"route {line}" for line in _run("ip", "route").splitlines() if _vips(plane) in line]
    found += [f"names {path.name}" for path in RunDirectory(plane.settings.run_dir).names.iterdir()]
    return tuple(sorted(map(_without_numbers, found)))


def difference(wanted: World, found: World) -> str:
    """In words; empty when there is none."""
    missing, more = list(wanted), list[str]()
    for line in found:
        if line in missing:
            missing.remove(line)
        else:
            more.append(line)
    lines = [f"missing: {line}" for line in missing] + [f"too much: {line}" for line in more]
    return "; ".join(lines)


def addresses(plane: Plane, project: str) -> list[str]:
    """Of the replicas, as the engine has them."""
    ids = plane.machine.containers(f"project={project}")
    if not ids:
        return []
    inspected = json.loads(_run("docker", "inspect", *ids))
    networks = [n for c in inspected for n in c["NetworkSettings"]["Networks"].values()]
    return sorted(n["IPAddress"] for n in networks if n["IPAddress"])


def served(plane: Plane, project: str) -> list[str]:
    """Addresses of the replicas, as the gateway has them; once, though a service has ports."""
    found = {
        host["address"]["socket_address"]["address"]
        for cluster in _clusters(plane)
        if cluster["name"].startswith(f"{project}/")
        for host in cluster.get("host_statuses", ())
        # The gate's is a pipe.
        if "socket_address" in host["address"]
    }
    return sorted(found)


def host_ports(plane: Plane) -> list[int]:
    """Ports of the host that the gateway leads to."""
    names = [cluster["name"] for cluster in _clusters(plane)]
    return sorted(host_port_listener(name) for name in names if owner_of(name) == HOST)


def _containers() -> list[str]:
    """
    With their state: an orphan that does not run is one all the same. Whether one that runs is
    frozen the engine need not know; that is told by the API, and by who is answered.
    """
    listing = _run("docker", "ps", "-a", "--format", "{{.Names}} {{.State}}")
    return listing.replace(" paused", " running").splitlines()


def _networks() -> list[str]:
    return _run("docker", "network", "ls", "--format", "{{.Name}} {{.Driver}}").splitlines()


def _kernel(marks: Iterable[str]) -> list[tuple[str, str]]:
    """Rules of both families and links with one of the marks in their line."""
    found = []
    for program in ("iptables-save", "ip6tables-save"):
        lines = [line.split(" [")[0] for line in _run(program).splitlines()]
        found += [(program, line) for line in lines if any(mark in line for mark in marks)]
    for link in json.loads(_run("ip", "-json", "link")):
        its = (link["ifname"], link.get("master", ""))
        for mark in marks:
            if its[0].startswith(mark):
                found.append(("link", its[0]))
            elif its[1].startswith(mark):
                found.append(("link", f"veth of {its[1]}"))
    return found


def _names(plane: Plane, project: str) -> list[str]:
    folder = RunDirectory(plane.settings.run_dir).names
    return [
        f"{path.name} {line}"
        for path in folder.glob(f"{project}.*")
        for line in _text(path).splitlines()
    ]


def _text(path: Path) -> str:
    """Of a file that may go while the folder is read."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _gateway(plane: Plane, project: str) -> list[str]:
    """Without gates: one that is not needed any more goes with the process that made it."""
    return [
        f"{cluster['name']} {len(cluster.get('host_statuses', ()))} endpoints"
        for cluster in _clusters(plane)
        if cluster["name"].startswith(f"{project}/") and gate_of(cluster["name"]) is None
    ]


def _clusters(plane: Plane) -> list[dict[str, Any]]:
    transport = httpx.HTTPTransport(uds=str(RunDirectory(plane.settings.run_dir).admin_socket))
    with httpx.Client(transport=transport, timeout=10) as client:
        answer = client.get("http://envoy/clusters?format=json")
    assert answer.status_code == 200, f"the gateway's admin: {answer.status_code} {answer.text}"
    found: list[dict[str, Any]] = answer.json().get("cluster_statuses", [])
    return found


def _vips(plane: Plane) -> str:
    return plane.installation.environment["SPACE_CLOUD_VIP_POOL"]


def _pool(plane: Plane) -> str:
    return plane.installation.environment["SPACE_CLOUD_SUBNET_POOL"].rpartition(".0.0/")[0] + "."


def _plain(line: str) -> str:
    line = re.sub(r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS", line)
    line = re.sub(r"--v1--\d+", "--v1--N", line)
    line = re.sub(r"\bbr-[0-9a-f]{12}\b", "br-X", line)
    return re.sub(r"\b[0-9a-f]{64}\b", "ID", line)


def _without_numbers(line: str) -> str:
    """A bridge keeps its name, which says whose it is."""
    return re.sub(r"\b[0-9a-f]{64}\b", "ID", line)


def digest(world: World) -> str:
    return hashlib.sha256("\n".join(world).encode()).hexdigest()[:12]


def _run(*command: str) -> str:
    """An ``AssertionError`` when it fails, as where a container went while it was looked at."""
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout
