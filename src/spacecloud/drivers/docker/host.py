"""The Docker driver's Host: rules, gateway and resolver, observed and mended like any replica."""

import asyncio
import json
import logging
import os
import resource
import shutil
from pathlib import Path
from typing import Literal

import aiodocker

from spacecloud.dns import zone
from spacecloud.drivers.docker import bootstrap, labels, parts
from spacecloud.drivers.docker.engine import (
    CONFLICT,
    NOT_FOUND,
    NOT_MODIFIED,
    Engine,
    EngineRefused,
    Json,
)
from spacecloud.drivers.docker.firewall import Firewall, run
from spacecloud.drivers.docker.images.ensure import ensure
from spacecloud.drivers.docker.images.own import GATEWAY_UID
from spacecloud.drivers.docker.logs import lines
from spacecloud.drivers.docker.names import names_dir
from spacecloud.drivers.docker.pods import together
from spacecloud.drivers.docker.pulls import pull
from spacecloud.drivers.driver import HostState
from spacecloud.errors import DriverError, NotFound, Transient
from spacecloud.settings import Settings

logger = logging.getLogger(__name__)

Part = Literal["gateway", "resolver"]
MOST_FILES = 1_048_576
SETTLING_SECONDS = 0.5
"""A part that cannot run (a port is taken, an argument is wrong) has ended by then."""

LAST_LINES = 3
REMOVAL_ROUNDS = 20
REMOVAL_PAUSE_SECONDS = 0.1
HOST_RESOLV_CONF = Path("/etc/resolv.conf")


class DockerHost:
    """Fulfils ``drivers.driver.Host``."""

    def __init__(self, docker: aiodocker.Docker, settings: Settings) -> None:
        self._engine = Engine(docker)
        self._settings = settings
        self._firewall = Firewall(settings)
        self._seen: set[Part] = set()
        self._restarts: dict[str, int] = {}
        """Container id to how often the engine had started it again when we looked last."""

        self._images: dict[Part, str] = {}

    async def ensure(self) -> HostState:
        repaired: list[str] = []
        problems: list[str] = []
        running: dict[str, Literal["running", "down"]] = {}
        try:
            await asyncio.to_thread(self._folders)
            repaired += await self._firewall.ensure()
        except DriverError as error:
            problems.append(str(error))
        part: Part
        for part in ("gateway", "resolver"):
            try:
                repaired += await self._ensure_part(part)
                running[part] = "running"
            except DriverError as error:
                running[part] = "down"
                problems.append(f"the {part} does not run: {error}")
        return HostState(tuple(repaired), tuple(problems), running)

    async def remove(self) -> None:
        """
        All that carries our label, whoever made it and in whatever state it is.

        What cannot be removed is told when the rest is gone: ``Transient``.
        """
        try:
            await self._remove_containers()
            left = await self._remove_networks()
        except EngineRefused as error:
            raise Transient(f"remove what is left: {error}") from error
        await self._firewall.remove()
        if left:
            raise Transient("; ".join(left))
        await self._remove_bridges()
        for name in ("names", "names.new", "upstreams"):
            await asyncio.to_thread(
                shutil.rmtree, self._settings.run_dir / name, ignore_errors=True
            )

    async def _remove_containers(self) -> None:
        """Tasks before the pauses they are in; again, until those are gone that were going."""
        for _ in range(REMOVAL_ROUNDS):
            found = await self._engine.get("containers/json", all=True, filters=self._ours)
            if not found:
                return
            tasks = [c["Id"] for c in found if labels.TASK in c["Labels"]]
            await together(self._remove(id) for id in tasks)
            await together(self._remove(c["Id"]) for c in found if c["Id"] not in tasks)
            await asyncio.sleep(REMOVAL_PAUSE_SECONDS)

    async def _remove_networks(self) -> list[str]:
        left = []
        for network in await self._engine.get("networks", filters=self._ours):
            try:
                await self._engine.delete(f"networks/{network['Id']}")
            except EngineRefused as error:
                left.append(f"network {network['Name']} cannot be removed: {error}")
        return left

    @property
    def _ours(self) -> Json:
        return {"label": [f"{labels.INSTANCE}={self._settings.instance}"]}

    async def _remove_bridges(self) -> None:
        """Of networks that an engine forgot when it crashed."""
        shown = json.loads(await run("ip", "-json", "link", "show", "type", "bridge") or "[]")
        for link in shown:
            if str(link.get("ifname", "")).startswith(self._settings.interface_prefix):
                await run("ip", "link", "delete", link["ifname"])

    async def _ensure_part(self, part: Part) -> list[str]:
        body = await self._body(part)
        name = parts.name(self._settings, part)
        try:
            return await self._make_so(part, name, body)
        except EngineRefused as error:
            raise Transient(f"{name}: {error}") from error

    async def _make_so(self, part: Part, name: str, body: Json) -> list[str]:
        found = await self._engine.find(f"containers/{name}/json")
        first = part not in self._seen
        self._seen.add(part)
        if found is not None and await self._is_other(name, found, body):
            await self._remove(found["Id"])
            found, first = None, True
        if found is None:
            made = await self._engine.post("containers/create", body, name=name)
            await self._engine.post(f"containers/{made['Id']}/start", ok=(NOT_MODIFIED,))
            await self._see_it_stay(made["Id"])
            return [] if first else [f"the {part} was gone and was made again"]
        said = await self._keep_running(part, found)
        return [] if first else said

    async def _is_other(self, name: str, found: Json, body: Json) -> bool:
        """Made from another configuration than the one wanted now?"""
        its = found["Config"]["Labels"] or {}
        if its.get(labels.INSTANCE) != self._settings.instance:
            raise Transient(f"a container of this name is not ours: docker rm -f {name}")
        return bool(its.get(parts.CONFIG) != body["Labels"][parts.CONFIG])

    async def _keep_running(self, part: Part, found: Json) -> list[str]:
        id, state = found["Id"], found["State"]
        if state["Paused"]:
            await self._engine.post(f"containers/{id}/unpause")
            return [f"the {part} was paused and goes on"]
        if state["Running"] and not state["Restarting"]:
            if await asyncio.to_thread(self._sees_our_folder, part, state["Pid"]):
                before = self._restarts.get(id, found["RestartCount"])
                self._restarts = {**self._restarts, id: found["RestartCount"]}
                ended = found["RestartCount"] > before
                return [f"the {part} ended, and the engine started it again"] if ended else []
            said = f"the {part} was started again: its folder had been removed and made anew"
        else:
            said = f"the {part} did not run and was started again"
        # A restart and not a start: the engine's own back-off would make it wait.
        await self._engine.post(f"containers/{id}/restart", t=0)
        await self._see_it_stay(id)
        return [said]

    def _sees_our_folder(self, part: Part, pid: int) -> bool:
        """A folder that was removed lives on in who has mounted it, and gets nothing new."""
        gateway_dir = bootstrap.gateway_dir(self._settings)
        folder = gateway_dir if part == "gateway" else names_dir(self._settings)
        try:
            return Path(f"/proc/{pid}/root{folder}").samefile(folder)
        except OSError:
            return False

    async def _see_it_stay(self, container: str) -> None:
        """Started is not yet running: say at once why it ends, if it does."""
        await asyncio.sleep(SETTLING_SECONDS)
        found = await self._engine.find(f"containers/{container}/json")
        if found is None or (found["State"]["Running"] and not found["RestartCount"]):
            return
        last = lines(self._engine.docker, container, follow=False, tail=LAST_LINES, since=None)
        try:
            said = [line.decode("utf-8", "replace").strip() async for line in last]
        except NotFound:
            return
        code = found["State"]["ExitCode"]
        raise Transient(f"it ended with code {code}: {' / '.join(said) or 'it said nothing'}")

    async def _body(self, part: Part) -> Json:
        image = await self._image(part)
        if part == "resolver":
            return parts.resolver(self._settings, image)
        return parts.gateway(self._settings, image, most_files())

    async def _image(self, part: Part) -> str:
        if part == "gateway" and self._settings.gateway_image:
            return await self._configured(self._settings.gateway_image)
        known = self._images.get(part, "")
        if not known or await self._engine.find(f"images/{known}/json") is None:
            known = self._images[part] = await ensure(self._engine.docker, part)
        return known

    async def _configured(self, image: str) -> str:
        """Its id, so that a tag that moves is a change; pulled where it is not here."""
        found = await self._engine.find(f"images/{image}/json")
        if found is None:
            await pull(self._engine, image, None)
            found = await self._engine.find(f"images/{image}/json")
        if found is None:
            raise Transient(f"image {image} was pulled and is gone again")
        return str(found["Id"])

    async def _remove(self, container: str) -> None:
        await self._engine.delete(
            f"containers/{container}", ok=(NOT_FOUND, CONFLICT), force=True, v=True
        )

    def _folders(self) -> None:
        """They may be gone after a reboot."""
        settings = self._settings
        try:
            sockets = bootstrap.gateway_dir(settings)
            for folder in (sockets, names_dir(settings), parts.upstreams_dir(settings)):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o755)
            os.chown(sockets, GATEWAY_UID, GATEWAY_UID)
            sockets.chmod(0o700)
            names = zone.hosts_file(zone.platform_names(str(settings.pools.host_vip)))
            _write(names_dir(settings) / zone.file_name(zone.PLATFORM), names)
            upstream = HOST_RESOLV_CONF.read_bytes() if HOST_RESOLV_CONF.exists() else b""
            _write(
                parts.upstreams_dir(settings) / "resolv.conf", upstream.decode("utf-8", "replace")
            )
        except OSError as error:
            raise Transient(f"the folder {settings.run_dir} cannot be used: {error}") from error


def most_files() -> int:
    """As many as the engine may give without asking for more than this machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text("utf-8", "replace") == text:
        return
    draft = path.parent.parent / f".{path.name}.new"
    draft.write_text(text, "utf-8")
    draft.chmod(0o644)
    draft.replace(path)
