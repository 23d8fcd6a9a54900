"""Put services to sleep, prove that they do, and ask them once."""

import contextlib
import http.client
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from bench.caller import OK
from bench.engine import call
from bench.images import HTTP_PORT
from bench.instance import PROJECT, Instance, wait_until
from spacecloud.drivers.docker.pods.freezer import Freezer

Depth = Literal["frozen", "stopped"]

MAY_SLEEP: Mapping[str, Any] = {
    "minReplicas": 0,
    "triggers": [],
    # Nothing falls asleep by itself while it is measured.
    "sleep": {"freezeAfter": 36_000, "stopAfter": 72_000},
}
ASLEEP_SECONDS = 120.0
FIRST_SECONDS = 60.0


class NotAsleep(Exception):
    """What was to be measured was not there."""


class NotFirst(Exception):
    """The first request was not answered with 200."""


@dataclass(frozen=True, slots=True)
class First:
    """The answer to a first request."""

    seconds: float
    held_ms: float | None
    """What the gate says of it; None: it was not held."""


class Tasks:
    """Containers of services' tasks, found once: they are the same, asleep and awake."""

    def __init__(self, stage: Instance, services: Iterable[str]) -> None:
        found = {
            c["Labels"]["space-cloud.io/service"]: str(c["Id"])
            for c in stage.containers(task="main")
        }
        self._of = {service: found[service] for service in services}

    def prove(self, service: str, depth: Depth) -> None:
        """By the engine's word, and by the kernel's of what runs."""
        state = call("GET", f"/containers/{self._of[service]}/json")["State"]
        freezer = Freezer(self._of[service], state["Pid"])
        if not (freezer.is_whole() if depth == "frozen" else state["Status"] == "exited"):
            said = f"the engine says {state['Status']}, the kernel {freezer.state()}"
            raise NotAsleep(f"{service} is to be {depth}; {said}")


@contextmanager
def sleepers(stage: Instance, *services: str, **given: Any) -> Iterator[Tasks]:
    """Services that may sleep, and are awake."""
    for service in services:
        stage.apply(service, autoScale=MAY_SLEEP, **given)
    stage.settle(*services, within=FIRST_SECONDS + len(services))
    try:
        yield Tasks(stage, services)
    finally:
        stage.delete(*services, within=FIRST_SECONDS + len(services))


def put_to_sleep(stage: Instance, depth: Depth, *services: str) -> None:
    """Returns when all of them are so by the platform's word."""
    for service in services:
        path = f"/v1/runner/{PROJECT}/scaling/{service}/v1"
        stage.api.post(path, json={"asleep": depth}).raise_for_status()
    wanted = set(services)

    def asleep() -> bool:
        return all(view["state"] == depth for view in scaling(stage) if view["serviceId"] in wanted)

    wait_until(asleep, within=ASLEEP_SECONDS, every=0.2)


def wake(stage: Instance, *services: str) -> None:
    for service in services:
        path = f"/v1/runner/{PROJECT}/scaling/{service}/v1"
        stage.api.post(path, json={"asleep": None}).raise_for_status()


def scaling(stage: Instance, service: str | None = None) -> list[dict[str, Any]]:
    asked = {"serviceId": service} if service is not None else {}
    answer = stage.api.get(f"/v1/runner/{PROJECT}/scaling", params=asked)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["result"]
    return found


def first(find: Callable[[], str | None], port: int, host: str, path: str = "/") -> First:
    """One request on a new connection, from the question for the name to the end of its 200."""
    began = time.perf_counter()
    address = find()
    if address is None:
        raise NotFirst(f"{host} has no name")
    connection = http.client.HTTPConnection(address, port, timeout=FIRST_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host, "Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
    ended = time.perf_counter()
    if answer.status != OK:
        raise NotFirst(f"{host}{path}: {answer.status} {body.decode(errors='replace')}")
    held = answer.getheader("space-cloud-wake-ms")
    return First(ended - began, float(held) if held is not None else None)


def route(stage: Instance, service: str) -> str:
    """The path of a URL that leads to it."""
    path = f"/{service}"
    body = {
        "source": {"hosts": ["*"], "url": path, "type": "prefix"},
        "targets": [{"host": f"{service}.{PROJECT}.svc.cluster.local", "port": HTTP_PORT}],
    }
    where = f"/v1/config/projects/{PROJECT}/routing/ingress/{service}"
    stage.api.post(where, json=body).raise_for_status()
    return path


def remove_route(stage: Instance, service: str) -> None:
    where = f"/v1/config/projects/{PROJECT}/routing/ingress/{service}"
    stage.api.delete(where).raise_for_status()
