"""Keep gateway and resolver running: made, made anew, started, unpaused, and seen to stay."""

import asyncio
from pathlib import Path
from typing import Literal

from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import (
    CONFLICT,
    NOT_FOUND,
    NOT_MODIFIED,
    EngineError,
    meaning,
)
from spacecloud.drivers.docker.gateway import bootstrap
from spacecloud.drivers.docker.gateway.resource_limits import heap_bytes, most_files
from spacecloud.drivers.docker.host import system_specs
from spacecloud.drivers.docker.images.ensure import ensure
from spacecloud.drivers.docker.images.platform_images import DNSMASQ_PATH
from spacecloud.drivers.docker.images.pulls import Pulls
from spacecloud.drivers.docker.logs import last_lines
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership, labels_of
from spacecloud.drivers.docker.process import run
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.errors import NotFound, Transient
from spacecloud.model.json import Json
from spacecloud.model.lines import message
from spacecloud.reasons.images import ImageVanished
from spacecloud.reasons.platform import NameTaken, PartEnded
from spacecloud.settings import Settings

Part = Literal["gateway", "resolver"]
SETTLING_SECONDS = 0.5
"""A part that cannot run (a port is taken, an argument is wrong) has ended by then."""

SETTLING_LOOKS = 10
KILLED = 137
LAST_LINES = 3


class SystemContainers:
    def __init__(self, engine: Engine, settings: Settings, networking: Networking) -> None:
        self._engine = engine
        self._settings = settings
        self._networking = networking
        self._run = RunDirectory(settings.run_dir)
        self._owner = Ownership.of(settings)
        self._seen: set[Part] = set()
        self._restarts: dict[str, int] = {}
        """Container id to how often the engine had started it again when we looked last."""

        self._images: dict[Part, str] = {}
        self._known_options = ""
        """Of the resolver's program, in its own words."""

    async def ensure(self, part: Part) -> list[str]:
        """What had to be mended. ``Transient`` with the part's own words when it cannot run."""
        body = self._body(part, await self._image(part))
        name = labels.part_name(self._settings.instance, part)
        try:
            return await self._make_so(part, name, body)
        except EngineError as error:
            raise meaning(name, error) from error

    async def _make_so(self, part: Part, name: str, body: Json) -> list[str]:
        found = await self._engine.find(f"containers/{name}/json")
        first = part not in self._seen
        self._seen.add(part)
        if found is not None and await self._is_other(name, found, body):
            await self._engine.delete(
                f"containers/{found['Id']}", ok=(NOT_FOUND, CONFLICT), force=True
            )
            found, first = None, True
        if found is None:
            body = self._body(part, await self._image_that_is_here(part))
            # Not part of the hash: a part that an earlier release made goes on without it.
            marked = {**body, "Labels": self._owner.marked("part", name, body["Labels"])}
            made = await self._engine.post("containers/create", marked, name=name)
            await self._engine.post(f"containers/{made['Id']}/start", ok=(NOT_MODIFIED,))
            await self._see_it_stay(made["Id"])
            return [] if first else [f"the {part} was gone and was made again"]
        repairs = await self._keep_running(part, found)
        return [] if first else repairs

    async def _is_other(self, name: str, found: Json, body: Json) -> bool:
        """Made from another configuration than the one wanted now?"""
        if not self._owner.has("part", found):
            raise Transient(NameTaken("container", name))
        if labels_of(found).get(labels.CONFIG) != body["Labels"][labels.CONFIG]:
            return True
        # What a newer release adds waits until nothing is lost by it.
        return not found["State"]["Running"] and found["Config"]["Cmd"] != body["Cmd"]

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
            repair = f"the {part} was started again: its folder had been removed and made anew"
        else:
            repair = f"the {part} did not run and was started again"
        # A restart and not a start: the engine's own back-off would make it wait.
        await self._engine.post(f"containers/{id}/restart", t=0)
        await self._see_it_stay(id)
        return [repair]

    def _sees_our_folder(self, part: Part, pid: int) -> bool:
        """A folder that was removed lives on in who has mounted it, and gets nothing new."""
        folder = self._run.gateway if part == "gateway" else self._run.names
        try:
            return Path(f"/proc/{pid}/root{folder}").samefile(folder)
        except OSError:
            return False

    async def _see_it_stay(self, container: str) -> None:
        """Started is not yet running: say at once why it ends, if it does."""
        found = None
        for _ in range(SETTLING_LOOKS):
            await asyncio.sleep(SETTLING_SECONDS / SETTLING_LOOKS)
            found = await self._engine.find(f"containers/{container}/json")
            if found is None or _was_killed(found):
                # Not by itself: the look that this event has asked for starts it again.
                return
        if found is None or (found["State"]["Running"] and not found["RestartCount"]):
            return
        try:
            output = await last_lines(self._engine, container, LAST_LINES)
        except NotFound:
            return
        code = found["State"]["ExitCode"]
        raise Transient(PartEnded(code, message(" / ".join(output))))

    def _body(self, part: Part, image: str) -> Json:
        if part == "resolver":
            return system_specs.resolver(self._networking, self._run, image, self._known_options)
        settings = self._settings
        told = (settings.listener_drain_seconds, settings.log_level)
        return system_specs.gateway(
            self._networking,
            self._run,
            image,
            bootstrap.arguments(self._networking, self._run, *told),
            bootstrap.arguments(self._networking, self._run, *told, heap_bytes()),
            most_files(),
        )

    async def _image(self, part: Part) -> str:
        if part == "gateway" and self._settings.gateway_image:
            return await self._configured(self._settings.gateway_image)
        known = self._images.get(part, "")
        if not known:
            known = self._images[part] = await ensure(self._engine, part)
            if part == "resolver":
                # The image is made of this machine's own.
                self._known_options = await run(DNSMASQ_PATH, "--help")
        return known

    async def _image_that_is_here(self, part: Part) -> str:
        """Asked for only when it is needed: this is looked at every few seconds."""
        known = self._images.get(part, "")
        if known and await self._engine.find(f"images/{known}/json") is None:
            del self._images[part]
        return await self._image(part)

    async def _configured(self, image: str) -> str:
        """Its id, so that a tag that moves is a change; pulled where it is not here."""
        found = await self._engine.find(f"images/{image}/json")
        if found is None:
            await Pulls(self._engine).pull(image, None)
            found = await self._engine.find(f"images/{image}/json")
        if found is None:
            raise Transient(ImageVanished(image))
        return str(found["Id"])


def _was_killed(found: Json) -> bool:
    state = found["State"]
    ended = not state["Running"] or state["Restarting"]
    return bool(ended and state["ExitCode"] == KILLED)
