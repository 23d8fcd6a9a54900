"""The Docker driver's Host: rules, gateway and resolver, observed and mended like any replica."""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import Literal

from spacecloud.dns import zone
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import CONFLICT, NOT_FOUND, EngineError, meaning
from spacecloud.drivers.docker.gateway.api_socket import share_with_gateway
from spacecloud.drivers.docker.host.firewall import Firewall
from spacecloud.drivers.docker.host.system_containers import Part, SystemContainers
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership, labels_of, names_of
from spacecloud.drivers.docker.process import run
from spacecloud.drivers.docker.run_directory import GATEWAY_UID, RunDirectory
from spacecloud.errors import DriverError, Transient
from spacecloud.files import FOR_ALL, write_atomically
from spacecloud.model.json import Json
from spacecloud.model.refs import HOST
from spacecloud.model.status import HostState
from spacecloud.reasons.platform import EngineFailed, HostFailed, NotRemoved, PartDown
from spacecloud.reasons.union import FailureReason
from spacecloud.settings import Settings

REMOVAL_ROUNDS = 20
BRIDGE_SECONDS = 1.0
"""Longer than an engine takes to remove a network."""

BETWEEN_ROUNDS_SECONDS = 0.1
HOST_RESOLV_CONF = Path("/etc/resolv.conf")


class DockerHost:
    """Fulfils ``drivers.driver.Host``."""

    def __init__(self, engine: Engine, settings: Settings, networking: Networking) -> None:
        self._engine = engine
        self._networking = networking
        self._run = RunDirectory(settings.run_dir)
        self._owner = Ownership.of(settings)
        self._firewall = Firewall(networking)
        self._system = SystemContainers(self._engine, settings, networking)

    async def ensure(self) -> HostState:
        repaired: list[str] = []
        problems: list[FailureReason] = []
        running: dict[str, Literal["running", "down"]] = {}
        try:
            await asyncio.to_thread(self._folders)
            repaired += await self._firewall.ensure()
        except DriverError as error:
            problems.append(error.reason)
        part: Part
        fixes: dict[str, str] = {}
        for part in ("gateway", "resolver"):
            fixes[part] = f"docker logs {labels.part_name(self._networking.instance, part)}"
            try:
                repaired += await self._system.ensure(part)
                running[part] = "running"
            except DriverError as error:
                running[part] = "down"
                name = labels.part_name(self._networking.instance, part)
                problems.append(PartDown(part, error.reason, name))
        return HostState(tuple(repaired), tuple(problems), running, fixes)

    async def remove(self) -> None:
        """
        All that we made, in whatever state it is; what only carries our labels stays.

        Whatever cannot be removed holds up nothing else: it is told at the end, ``Transient`` with
        ``NotRemoved``. At once where the engine is not reached.
        """
        containers = await self._remove_containers()
        networks, in_use = await self._remove_networks()
        left = [*containers, *networks]
        for step in (self._firewall.remove(), self._remove_bridges(in_use)):
            try:
                await step
            except DriverError as error:
                left.append(error.reason)
        for folder in (self._run.names, self._run.staging, self._run.upstreams):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if left:
            raise Transient(NotRemoved(tuple(left)))

    async def _remove_containers(self) -> list[FailureReason]:
        """Tasks before the sandboxes they are in; again, until those are gone that were going."""
        for _ in range(REMOVAL_ROUNDS):
            found = await self._containers()
            if not found:
                return []
            tasks = [c["Id"] for c in found if labels.TASK in labels_of(c)]
            failed = [
                *await _failures(self._remove(id) for id in tasks),
                *await _failures(self._remove(c["Id"]) for c in found if c["Id"] not in tasks),
            ]
            await asyncio.sleep(BETWEEN_ROUNDS_SECONDS)
        names = [" ".join(names_of(container)) for container in await self._containers()]
        still_there = [EngineFailed(f"remove container {name}", "still there") for name in names]
        return [*(failed or still_there)] if names else []

    async def _containers(self) -> list[Json]:
        try:
            listed = await self._engine.get("containers/json", all=True, filters=self._ours)
        except EngineError as error:
            raise meaning("list containers", error) from error
        return [c for c in listed if self._owner.has_container(c)]

    async def _remove_networks(self) -> tuple[list[FailureReason], frozenset[str]]:
        """What failed, and the bridges of those networks."""
        try:
            listed = await self._engine.get("networks", filters=self._ours)
        except EngineError as error:
            raise meaning("list networks", error) from error
        failed: list[FailureReason] = []
        in_use = set()
        for network in listed:
            if not self._owner.has("network", network):
                continue
            try:
                await self._engine.delete(f"networks/{network['Id']}", ok=(NOT_FOUND,))
            except EngineError as error:
                action = f"remove network {network['Name']}"
                failed.append(meaning(action, error, "remove network").reason)
                in_use.add(str((network.get("Options") or {}).get(labels.BRIDGE_NAME)))
        return failed, frozenset(in_use)

    @property
    def _ours(self) -> Json:
        return {"label": [f"{labels.INSTANCE}={self._networking.instance}"]}

    async def _remove_bridges(self, in_use: frozenset[str]) -> None:
        """
        Of networks that an engine forgot when it crashed; not of those that it keeps.

        An engine that is still removing networks lists them no more, and takes their bridges and
        rules away one after the other: as long as there are fewer each time, it is waited for.
        """
        left = await self._bridges(in_use)
        before = len(left) + 1
        while 0 < len(left) < before:
            before = len(left)
            await asyncio.sleep(BRIDGE_SECONDS)
            left = await self._bridges(in_use)
        for name in left:
            try:
                await run("ip", "link", "delete", name)
            except Transient:
                if name in await self._bridges(in_use):
                    raise

    async def _bridges(self, in_use: frozenset[str]) -> list[str]:
        shown = json.loads(await run("ip", "-json", "link", "show", "type", "bridge") or "[]")
        names = {str(link.get("ifname", "")) for link in shown} - in_use
        return sorted(name for name in names if name.startswith(self._networking.interface_prefix))

    async def _remove(self, container: str) -> None:
        await self._engine.delete(
            f"containers/{container}", ok=(NOT_FOUND, CONFLICT), force=True, v=True
        )

    def _folders(self) -> None:
        """They may be gone after a reboot."""
        run = self._run
        try:
            run.gateway.mkdir(parents=True, exist_ok=True)
            share_with_gateway(run.path, 0o750)
            os.chown(run.gateway, GATEWAY_UID, GATEWAY_UID)
            run.gateway.chmod(0o700)
            for folder in (run.names, run.staging, run.upstreams):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755)
            names = zone.hosts_file(zone.platform_names(self._networking.pools))
            _write(run.names / zone.file_name(HOST), names, run.staging)
            upstream = HOST_RESOLV_CONF.read_bytes() if HOST_RESOLV_CONF.exists() else b""
            _write(run.upstream_resolv_conf, upstream.decode("utf-8", "replace"), run.staging)
        except OSError as error:
            raise Transient(HostFailed(f"use the folder {run.path}", str(error))) from error


async def _failures(works: Iterable[Awaitable[None]]) -> list[FailureReason]:
    """All at once, and why which of them failed."""
    failed: list[FailureReason] = []

    async def run(work: Awaitable[None]) -> None:
        try:
            await work
        except EngineError as error:
            failed.append(meaning("remove a container", error).reason)
        except DriverError as error:
            failed.append(error.reason)

    async with asyncio.TaskGroup() as tasks:
        for work in works:
            tasks.create_task(run(work))
    return failed


def _write(path: Path, text: str, staging: Path) -> None:
    if path.exists() and path.read_text("utf-8", "replace") == text:
        return
    write_atomically(path, text, FOR_ALL, staging)
