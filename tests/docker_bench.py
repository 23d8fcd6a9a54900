"""One service's replicas on a real engine, for tests of the Docker driver's Workloads."""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from apps.images import ensure_test_images
from docker_objects import DOCKER_HOST, Container
from eventually import eventually
from spacecloud import installation
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.fair_semaphore import FairSemaphore
from spacecloud.drivers.docker.pods.workloads import DockerWorkloads
from spacecloud.drivers.driver import WOKEN_SECONDS
from spacecloud.errors import NotFound
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.service import Service
from spacecloud.settings import Settings
from spacecloud.workloads.observed import ObservedReplica, ObservedTask
from spacecloud.workloads.operations import (
    CreateNetwork,
    CreateReplica,
    RemoveNetwork,
    RemoveReplica,
)

KEY = ServiceKey("shop", "api")
REF = ServiceRef("shop", "api", "v1")
SUBNET = "10.140.0.0/25"
GONE = 99
SECRETS: Mapping[str, Mapping[str, str]] = {
    "creds": {"TOKEN": "s3cret-in-env"},
    "conf": {"app.ini": "s3cret-in-file"},
}
"""As they are at version 1; at any later one each value ends with its number."""


async def values(project: str, id: str, version: int | None) -> Mapping[str, str]:
    if version == GONE:
        raise NotFound(f"no revision names version {version} of secret {project}/{id} any more")
    if id not in SECRETS:
        raise NotFound(f"secret({id}) not present in state")
    end = "" if version in (None, 1) else f"-{version}"
    return {key: value + end for key, value in SECRETS[id].items()}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Bench:
    engine: Engine
    settings: Settings
    workloads: DockerWorkloads
    image: str
    subnet: str = SUBNET

    def address(self, slot: int = 0) -> str:
        return str(IPv4Network(self.subnet)[slot + 2])

    def op(self, *tasks: dict[str, Any], slot: int = 0, **given: Any) -> CreateReplica:
        spec = Service.model_validate({"tasks": list(tasks) or [self.task()]})
        return CreateReplica(
            ref=REF,
            slot=slot,
            revision=given.pop("revision", "r1"),
            address=self.address(slot),
            subnet=self.subnet,
            spec=spec,
            images={task.id: self.image for task in spec.tasks},
            secrets=given.pop("secrets", ()),
        )

    def task(self, **given: Any) -> dict[str, Any]:
        return {
            "id": "main",
            "docker": {"image": self.image},
            "ports": [{"port": 8080}],
            "env": {"NAME": "api"},
            **given,
        }

    async def replica(self, workloads: DockerWorkloads | None = None) -> ObservedReplica:
        return (await (workloads or self.workloads).observe(KEY)).replicas[0]

    async def main(self) -> ObservedTask:
        return (await self.replica()).tasks[0]

    async def ready(self, *, within: float = 20) -> ObservedReplica:
        async def check() -> None:
            replica = await self.replica()
            assert replica.ready, replica

        await eventually(check, within=within)
        return await self.replica()

    async def call(self, container: str, *command: str) -> Any:
        out = await Container(self.engine, container).run("call", *command)
        return json.loads(out)

    @asynccontextmanager
    async def another(self, engine: str = DOCKER_HOST) -> AsyncIterator[DockerWorkloads]:
        """As a control plane has it that is started again."""
        async with connect(engine) as connected, self.over(connected) as workloads:
            yield workloads

    @asynccontextmanager
    async def over(self, engine: Engine) -> AsyncIterator[DockerWorkloads]:
        """The same, over a connection that somebody else opens."""
        networking = networking_of(self.settings)
        workloads = DockerWorkloads(engine, self.settings, networking, values, now)
        async with workloads.run():
            yield workloads

    @asynccontextmanager
    async def all_slots_taken(self) -> AsyncIterator[None]:
        """By a look and an operation of another service, for as long as the block is open."""
        other, hang = ServiceKey("other", "slow"), 1000.0
        looks = self.workloads.looks = FairSemaphore[ServiceKey](1, 1, hang)
        operations = self.workloads.operations = FairSemaphore[ServiceKey](1, 1, hang)
        async with looks.permit(other), operations.permit(other):
            yield

    async def containers(self) -> list[str]:
        """Ids, those of sandboxes too."""
        filters = {"label": [f"{labels.INSTANCE}={self.settings.instance}"]}
        listing = await self.engine.get("containers/json", all=True, filters=filters)
        return [item["Id"] for item in listing]


@asynccontextmanager
async def open_bench(
    folder: Path, woken_seconds: float = WOKEN_SECONDS, subnet: str = SUBNET
) -> AsyncIterator[Bench]:
    instance = f"t{secrets.token_hex(3)}"
    settings = Settings(instance=instance, state=folder, run=folder / "run", stop_grace_seconds=2)
    settings.state_dir.mkdir()
    installation.write_secret(settings, installation.new_secret())
    image = ensure_test_images()["echo"]
    async with connect(DOCKER_HOST) as engine:
        id = (await engine.get(f"images/{image}/json"))["Id"]
        workloads = DockerWorkloads(
            engine, settings, networking_of(settings), values, now, woken_seconds
        )
        async with workloads.run():
            bench = Bench(engine, settings, workloads, id, subnet)
            try:
                await workloads.execute(CreateNetwork(KEY, subnet))
                yield bench
            finally:
                for replica in (await workloads.observe(KEY)).replicas:
                    await workloads.execute(RemoveReplica(replica.ref, replica.id))
                await workloads.execute(RemoveNetwork(KEY))
    assert not await _left(instance)


async def _left(instance: str) -> list[Any]:
    async with connect(DOCKER_HOST) as engine:
        filters = {"label": [f"{labels.INSTANCE}={instance}"]}
        containers = await engine.get("containers/json", all=True, filters=filters)
        networks = await engine.get("networks", filters=filters)
        return [*containers, *networks]
