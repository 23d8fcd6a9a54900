"""
The bare script that ours is compared with: the engine's API with nothing in between.

Its calls go straight to the socket, without a program's start for each: as fast as a script
can be. Everything it makes carries its lane's label and is removed by it.
"""

import contextlib
import http.client
import json
import os
import socket
import urllib.parse
from dataclasses import dataclass
from typing import Any

from bench.lane import lane

SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
CALL_SECONDS = 60.0


class EngineError(Exception):
    """It refused; the text is its own."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CALL_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CALL_SECONDS)
        self.sock.connect(self._path)


def call(method: str, path: str, body: Any = None) -> Any:
    with contextlib.closing(UnixConnection(SOCKET)) as connection:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    if answer.status >= 400:
        raise EngineError(f"{method} {path}: {content.decode(errors='replace').strip()}")
    return json.loads(content) if content.strip().startswith((b"{", b"[")) else None


@dataclass(frozen=True, slots=True)
class Images:
    pause: str
    server: str
    slow: str


def network(name: str, subnet: str) -> str:
    body = {
        "Name": name,
        "CheckDuplicate": True,
        "IPAM": {"Config": [{"Subnet": subnet}]},
        "Labels": {lane().label: ""},
    }
    return str(call("POST", "/networks/create", body)["Id"])


def container(name: str, image: str, mode: str, address: str = "", *command: str) -> str:
    """Made and started. ``mode``: a network, ``container:<id>`` or ``host``."""
    body: dict[str, Any] = {
        "Image": image,
        "Labels": {lane().label: ""},
        "HostConfig": {"NetworkMode": mode},
    }
    if address:
        body["NetworkingConfig"] = {
            "EndpointsConfig": {mode: {"IPAMConfig": {"IPv4Address": address}}}
        }
    if command:
        body["Cmd"] = list(command)
    id = str(call("POST", f"/containers/create?name={name}", body)["Id"])
    call("POST", f"/containers/{id}/start")
    return id


def replica(name: str, images: Images, net: str, address: str) -> None:
    """The same two containers that a replica of one task is."""
    pause = container(name, images.pause, net, address)
    container(f"{name}-main", images.server, f"container:{pause}")


def pid(container_id: str) -> int:
    return int(call("GET", f"/containers/{container_id}/json")["State"]["Pid"])


def remove_container(name: str) -> None:
    with contextlib.suppress(EngineError):
        call("DELETE", f"/containers/{name}?force=1&v=1")


def remove_all() -> None:
    """Whatever carries the label, of this run or of one that was killed."""
    labelled = urllib.parse.quote(json.dumps({"label": [lane().label]}))
    found = call("GET", f"/containers/json?all=1&filters={labelled}")
    for item in sorted(found, key=lambda c: not c["HostConfig"]["NetworkMode"].startswith("cont")):
        remove_container(item["Id"])
    for item in call("GET", f"/networks?filters={labelled}"):
        with contextlib.suppress(EngineError):
            call("DELETE", f"/networks/{item['Id']}")
