"""Containers that tests make and look at by themselves, on the engine that the product uses."""

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.logs import frames
from spacecloud.settings import Settings

DOCKER_HOST = Settings().docker_host


@dataclass(frozen=True)
class Container:
    engine: Engine
    id: str
    """Or its name."""

    async def show(self) -> dict[str, Any]:
        shown: dict[str, Any] = await self.engine.get(f"containers/{self.id}/json")
        return shown

    async def start(self) -> None:
        await self.engine.post(f"containers/{self.id}/start")

    async def stop(self, grace_seconds: int = 0) -> None:
        await self.engine.post(f"containers/{self.id}/stop", t=grace_seconds)

    async def restart(self) -> None:
        await self.engine.post(f"containers/{self.id}/restart", t=0)

    async def pause(self) -> None:
        await self.engine.post(f"containers/{self.id}/pause")

    async def kill(self, signal: str) -> None:
        await self.engine.post(f"containers/{self.id}/kill", signal=signal)

    async def wait(self) -> int:
        """Its exit code."""
        return int((await self.engine.post(f"containers/{self.id}/wait"))["StatusCode"])

    async def delete(self) -> None:
        await self.engine.delete(f"containers/{self.id}", force=True)

    async def processes(self) -> list[list[str]]:
        top = await self.engine.get(f"containers/{self.id}/top", ps_args="-eo pid,args")
        processes: list[list[str]] = top["Processes"]
        return processes

    async def output(self) -> str:
        """What it has printed until now."""
        path, options = f"containers/{self.id}/logs", {"stdout": True, "stderr": True}
        async with self.engine.content("GET", path, params=options) as content:
            return b"".join([piece async for _, piece in frames(content)]).decode()

    async def run(self, *command: str) -> str:
        """What a command in it prints."""
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        made = await self.engine.post(f"containers/{self.id}/exec", body)
        plain = {"Detach": False, "Tty": False}
        path = f"exec/{made['Id']}/start"
        async with self.engine.content("POST", path, body=plain) as content:
            return b"".join([piece async for _, piece in frames(content)]).decode()

    async def files(self) -> tarfile.TarFile:
        path = f"containers/{self.id}/archive"
        async with self.engine.content("GET", path, params={"path": "/"}) as content:
            pieces = []
            while piece := await content.read(2**16):
                pieces.append(piece)
        return tarfile.open(fileobj=io.BytesIO(b"".join(pieces)))


async def create(engine: Engine, config: Mapping[str, Any], name: str | None = None) -> Container:
    made = await engine.post("containers/create", dict(config), name=name)
    return Container(engine, made["Id"])
