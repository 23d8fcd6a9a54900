"""The Docker driver's Host: rules, gateway and resolver, observed and mended like any replica."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Literal

from spacecloud.dns import zone
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.concurrent import together
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import CONFLICT, NOT_FOUND, EngineError
from spacecloud.drivers.docker.gateway.api_listener import share_with_gateway
from spacecloud.drivers.docker.host.firewall import Firewall
from spacecloud.drivers.docker.host.system_containers import Part, SystemContainers
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership, labels_of
from spacecloud.drivers.docker.process import run
from spacecloud.drivers.docker.run_directory import GATEWAY_UID, RunDirectory
from spacecloud.errors import DriverError, Transient
from spacecloud.files import FOR_ALL, write_atomically
from spacecloud.model.json import Json
from spacecloud.model.refs import HOST
from spacecloud.model.status import HostState
from spacecloud.reasons.platform import PartDown
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
                problems.append(PartDown(part, str(error), name))
        return HostState(tuple(repaired), tuple(problems), running, fixes)

    async def remove(self) -> None:
        """
        All that we made, in whatever state it is; what only carries our labels stays.

        What cannot be removed is told when the rest is gone: ``Transient``.
        """
        try:
            await self._remove_containers()
            left = await self._remove_networks()
        except EngineError as error:
            raise Transient(f"remove what is left: {error}") from error
        await self._firewall.remove()
        if left:
            raise Transient("; ".join(left))
        await self._remove_bridges()
        for folder in (self._run.names, self._run.staging, self._run.upstreams):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _remove_containers(self) -> None:
        """Tasks before the sandboxes they are in; again, until those are gone that were going."""
        for _ in range(REMOVAL_ROUNDS):
            listed = await self._engine.get("containers/json", all=True, filters=self._ours)
            found = [c for c in listed if self._owner.has_container(c)]
            if not found:
                return
            tasks = [c["Id"] for c in found if labels.TASK in labels_of(c)]
            await together(self._remove(id) for id in tasks)
            await together(self._remove(c["Id"]) for c in found if c["Id"] not in tasks)
            await asyncio.sleep(BETWEEN_ROUNDS_SECONDS)

    async def _remove_networks(self) -> list[str]:
        left = []
        for network in await self._engine.get("networks", filters=self._ours):
            if not self._owner.has("network", network):
                continue
            try:
                await self._engine.delete(f"networks/{network['Id']}")
            except EngineError as error:
                left.append(f"network {network['Name']} cannot be removed: {error}")
        return left

    @property
    def _ours(self) -> Json:
        return {"label": [f"{labels.INSTANCE}={self._networking.instance}"]}

    async def _remove_bridges(self) -> None:
        """
        Of networks that an engine forgot when it crashed.

        An engine that is still removing networks lists them no more, and takes their bridges and
        rules away one after the other: as long as there are fewer each time, it is waited for.
        """
        left = await self._bridges()
        before = len(left) + 1
        while 0 < len(left) < before:
            before = len(left)
            await asyncio.sleep(BRIDGE_SECONDS)
            left = await self._bridges()
        for name in left:
            try:
                await run("ip", "link", "delete", name)
            except Transient:
                if name in await self._bridges():
                    raise

    async def _bridges(self) -> list[str]:
        shown = json.loads(await run("ip", "-json", "link", "show", "type", "bridge") or "[]")
        names = [str(link.get("ifname", "")) for link in shown]
        return [name for name in names if name.startswith(self._networking.interface_prefix)]

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
            names = zone.hosts_file(zone.platform_names(str(self._networking.pools.host_vip)))
            _write(run.names / zone.file_name(HOST), names, run.staging)
            upstream = HOST_RESOLV_CONF.read_bytes() if HOST_RESOLV_CONF.exists() else b""
            _write(run.upstream_resolv_conf, upstream.decode("utf-8", "replace"), run.staging)
        except OSError as error:
            raise Transient(f"the folder {run.path} cannot be used: {error}") from error


def _write(path: Path, text: str, staging: Path) -> None:
    if path.exists() and path.read_text("utf-8", "replace") == text:
        return
    write_atomically(path, text, FOR_ALL, staging)
