"""Network namespaces on bridges: what pods are to the kernel, without an engine."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.process import run
from spacecloud.settings import Settings

CALL = Path(__file__).parent / "apps" / "echo" / "call.py"
"""The client that the echo image holds."""


def settings_of(tmp_path: Path, **given: Any) -> Settings:
    """An instance of its own, with pools and ports beside whatever else runs here."""
    return Settings.model_validate(
        {
            "instance": f"h3-{secrets.token_hex(3)}",
            "state": tmp_path,
            "run": tmp_path / "run",
            "subnet_pool": "10.130.0.0/16",
            "vip_pool": "10.131.0.0/16",
            "http_port": 31122,
            "mesh_port": 31001,
            "dns_port": 31053,
            **given,
        }
    )


class Pod:
    """A network namespace on a bridge of the instance: what a pod is to the kernel."""

    def __init__(self, name: str, bridge: str, address: str, nameserver: str) -> None:
        self.name, self.bridge, self.address = name, bridge, address
        self.nameserver = nameserver

    async def dial(self, address: str, port: int, *, source: str = "") -> str:
        """``connected``, ``refused`` within a second, or ``silence``."""
        code = (
            "import socket,sys\n"
            "s=socket.socket(); s.settimeout(1)\n"
            f"s.bind(({source!r},0)) if {source!r} else None\n"
            "try: s.connect((sys.argv[1],int(sys.argv[2]))); print('connected')\n"
            "except ConnectionRefusedError: print('refused')\n"
            "except TimeoutError: print('silence')\n"
            "except OSError as e: print(e.strerror)\n"
        )
        return (await inside(self.name, "python3", "-c", code, address, str(port))).strip()

    async def dns(self, name: str, kind: str, *options: str) -> dict[str, Any]:
        """Ask the nameserver that every pod has."""
        given = (name, kind, "--server", self.nameserver, *options)
        found = await inside(self.name, sys.executable, str(CALL), "dns", *given)
        answer: dict[str, Any] = json.loads(found)
        return answer


async def inside(namespace: str, *command: str) -> str:
    return await run("ip", "netns", "exec", namespace, *command)


@asynccontextmanager
async def pods(networking: Networking) -> AsyncIterator[tuple[Pod, Pod, Pod]]:
    """Three, each on a bridge of its own; the third's is not ours."""
    made: list[Pod] = []
    bridges = [f"{networking.interface_prefix}{n}" for n in range(2)]
    try:
        for n, bridge in enumerate([*bridges, f"x{networking.instance}"]):
            name = f"{networking.instance}-{n}"
            pod = Pod(name, bridge, f"10.130.{n}.2", str(networking.pools.dns_vip))
            made.append(pod)
            await run("ip", "netns", "add", name)
            await run("ip", "link", "add", bridge, "type", "bridge")
            await run("ip", "addr", "add", f"10.130.{n}.1/24", "dev", bridge)
            await run("ip", "link", "set", bridge, "up")
            veth = f"v{networking.instance[3:]}{n}"
            await run("ip", "link", "add", veth, "type", "veth", "peer", "eth0", "netns", name)
            await run("ip", "link", "set", veth, "master", bridge, "up")
            await inside(name, "ip", "link", "set", "lo", "up")
            await inside(name, "ip", "addr", "add", f"{pod.address}/24", "dev", "eth0")
            await inside(name, "ip", "link", "set", "eth0", "up")
            await inside(name, "ip", "route", "add", "default", "via", f"10.130.{n}.1")
        yield made[0], made[1], made[2]
    finally:
        for pod in made:
            await run("ip", "netns", "del", pod.name)
            # One of ours may be gone already, with its instance. Asked of the kernel and not of
            # /sys, which shows the links of the namespace in which it was mounted.
            if pod.bridge in {link["ifname"] for link in json.loads(await run("ip", "-j", "link"))}:
                await run("ip", "link", "del", pod.bridge)


@asynccontextmanager
async def listening(port: int, address: str = "0.0.0.0") -> AsyncIterator[list[str]]:
    """A server on the host; the list fills with the addresses of its callers."""
    callers: list[str] = []

    def came(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername")[0])
        writer.close()

    async with await asyncio.start_server(came, address, port):
        yield callers


@asynccontextmanager
async def serving(pod: Pod, port: int) -> AsyncIterator[None]:
    """Something that listens in a pod."""
    code = f"import socket,time; s=socket.create_server(('',{port})); print(1,flush=True); time.sleep(60)"
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", pod.name, "python3", "-c", code), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.wait()
