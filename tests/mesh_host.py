"""A mesh on a miniature host: declared services, replicas that answer, callers that call."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import pytest

from envoy_host import EnvoyHost, envoy_host, inside
from spacecloud.drivers.docker.gateway.traffic import EnvoyTraffic
from spacecloud.drivers.docker.netlink import open_netlink
from spacecloud.mesh.policy import Policy
from spacecloud.model.declared import Declarations
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import Endpoint

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Mesh:
    host: EnvoyHost
    traffic: EnvoyTraffic
    stack: AsyncExitStack
    world: Declarations = field(default_factory=lambda: Declarations({}))
    endpoints: dict[ServiceKey, tuple[Endpoint, ...]] = field(default_factory=dict)

    async def apply(self, world: Declarations) -> int:
        """Publish what differs from what was published last; how many services that were."""
        self.world, published = world, 0
        policy = Policy(world)
        for key in world.services:
            self.host.network(world.addresses.services[key].subnet)
            face, replicas = policy.face(key), self.endpoints.get(key, ())
            known = self.traffic.view(key).published
            if known is None or (known.face, known.endpoints) != (face, replicas):
                await self.traffic.publish(face, replicas)
                published += 1
        return published

    async def publish(self, name: str, *gated: str, gates: tuple[str, ...] = ("v1",)) -> None:
        """One service whose versions may sleep, and calls of the ``gated`` ones pass the gate."""
        key = ServiceKey.parse(name)
        face = replace(Policy(self.world).face(key), gates=gates)
        await self.traffic.publish(face, self.endpoints.get(key, ()), gated)

    async def close_revoked(self) -> int:
        return await self.traffic.close_revoked(Policy(self.world).faces())

    def subnet(self, name: str) -> IPv4Network:
        return self.world.addresses.services[ServiceKey.parse(name)].subnet

    def vip(self, name: str) -> str:
        return str(self.world.addresses.services[ServiceKey.parse(name)].vip)

    def bind(self, name: str, port: int, *, host: int = 3) -> socket.socket:
        """A replica's listening socket. The next ``apply`` tells the gateway of it."""
        key = ServiceKey.parse(name)
        listening = self.host.listen(self.subnet(name), host, port)
        replica = Endpoint("v1", str(self.subnet(name)[host]))
        self.endpoints[key] = tuple(sorted({*self.endpoints.get(key, ()), replica}))
        return listening

    async def serve(self, name: str, port: int, answer: Serve, *, host: int = 3) -> None:
        listening = self.bind(name, port, host=host)
        await self.stack.enter_async_context(serving(listening, answer))

    async def dial(self, caller: str, callee: str, port: int) -> socket.socket:
        connection = await self.host.connect(self.subnet(caller), self.vip(callee), port)
        self.stack.callback(connection.close)
        return connection

    async def get(
        self, caller: str, callee: str, port: int = 8080, path: str = "/", **headers: str
    ) -> Answer:
        return await get(await self.dial(caller, callee, port), path, **headers)

    async def in_flight(self) -> Mapping[str, int]:
        """Of an interval that begins from now on."""
        began = utc_now()
        async with asyncio.timeout(30):
            while True:
                last = (await self.traffic.in_flight())[-1]
                if last.since >= began:
                    return last.replicas
                await asyncio.sleep(0.02)


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def mesh(**changes: Any) -> AsyncIterator[Mesh]:
    """With Envoy running and connected."""
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(envoy_host(**changes))
        traffic = traffic_of(host)
        await stack.enter_async_context(traffic.serve())
        await host.start_envoy()
        yield Mesh(host, traffic, stack)


def traffic_of(host: EnvoyHost) -> EnvoyTraffic:
    return EnvoyTraffic(
        host.settings, utc_now, lambda family: inside(host.name, lambda: open_netlink(family))
    )


async def get(connection: socket.socket, path: str = "/", **headers: str) -> Answer:
    """``x_y`` is the header ``x-y``; ``method`` is the method."""
    method, given = headers.pop("method", "GET"), {"host": "api", **headers}
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{k.replace('_', '-')}: {v}" for k, v in given.items()),
    ]
    reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 20)
    try:
        async with asyncio.timeout(30):
            writer.write("\r\n".join([*lines, "", ""]).encode())
            return await read_answer(reader)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(head[0].split()[1]), headers, body)


async def echo_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An HTTP service that answers with what it was asked."""
    while True:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = first.split()
        headers = dict(line.split(": ", 1) for line in lines if line)
        body = json.dumps({"method": method, "path": path, "headers": headers}).encode()
        large = headers.get("x-large", "").encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-large: %s\r\n\r\n"
        writer.write(head % (len(body), large) + body)
        await writer.drain()


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A TCP service that speaks first, and then says what it hears."""
    writer.write(b"hello\n")
    while heard := await reader.read(1000):
        writer.write(heard)
        await writer.drain()


def in_two_parts(go_on: asyncio.Event) -> Serve:
    """A streamed response: ``one``, and ``two`` when it may go on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await go_on.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        await writer.drain()

    return serve


async def receive(connection: socket.socket, within: float = 3) -> bytes:
    """Nothing where the other side has closed, or refused."""
    try:
        async with asyncio.timeout(within):
            return await asyncio.get_running_loop().sock_recv(connection, 1000)
    except ConnectionError:
        return b""


async def send(connection: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, data)


async def eventually(holds: Callable[[], Awaitable[bool]], within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(listening: socket.socket, answer: Serve) -> AsyncIterator[None]:
    """Answer every connection until the block ends; a peer that goes away is no error."""
    streams: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        streams.add(task)
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*gone):
            try:
                await answer(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()
        streams.discard(task)

    server = await asyncio.start_server(serve, sock=listening, limit=1 << 20)
    try:
        yield
    finally:
        server.close()
        for stream in tuple(streams):
            stream.cancel()
        if streams:
            await asyncio.wait(streams)
