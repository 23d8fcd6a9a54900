"""The real resolver: what pods ask and what they are told, while files come and go."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from bridged_pods import Pod, inside, pods, settings_of
from docker_objects import DOCKER_HOST, Container
from eventually import eventually
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.host import firewall_rules
from spacecloud.drivers.docker.host.dns import DnsmasqNames
from spacecloud.drivers.docker.host.firewall import Firewall
from spacecloud.drivers.docker.host.host import DockerHost
from spacecloud.drivers.docker.run_directory import RESOLVER_UID, RunDirectory
from spacecloud.model.refs import ServiceKey
from spacecloud.settings import Settings

pytestmark = pytest.mark.docker

API = ServiceKey("shop", "api")
NAMES = (
    ("api-v1-internal.shop.svc.cluster.local", "10.131.1.1"),
    ("api.shop.svc.cluster.local", "10.131.1.0"),
)
UPSTREAM_PORT = 31054
TXT = b"\x05hello"
SRV = struct.pack(">HHH", 1, 2, 443) + b"\x06target\x07example\x00"


@dataclass
class Upstream:
    """A resolver of the outside: it has one answer per type, and remembers the questions."""

    asked: list[str] = field(default_factory=list)

    def answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        (kind,) = struct.unpack_from(">H", query, at + 1)
        self.asked.append(".".join(labels))
        content = {1: b"\xc0\x00\x02\x07", 16: TXT, 33: SRV}.get(kind)
        count = int(content is not None)
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, count, 0, 0)
        record = b""
        if content is not None:
            record = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(content)) + content
        return head + question + record


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    answers = Upstream()

    class Datagrams(asyncio.DatagramProtocol):
        transport: asyncio.DatagramTransport

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(answers.answer(data), addr)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack(">H", await reader.readexactly(2))
        answer = answers.answer(await reader.readexactly(size))
        writer.write(struct.pack(">H", len(answer)) + answer)
        await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", UPSTREAM_PORT))
    async with await asyncio.start_server(stream, "127.0.0.1", UPSTREAM_PORT):
        yield answers
    transport.close()


@dataclass
class Scene:
    settings: Settings
    names: DnsmasqNames
    pod: Pod
    other: Pod
    upstream: Upstream
    engine: Engine

    async def answers(self, name: str, kind: str = "A") -> list[str]:
        """Rcode and number of answers."""
        answer = await self.pod.dns(name, kind)
        return [answer["rcode"], str(answer["answers"])]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    settings = settings_of(tmp_path, upstream_dns=(f"127.0.0.1#{UPSTREAM_PORT}",))
    networking = networking_of(settings)
    async with connect(DOCKER_HOST) as engine, upstream() as outside, pods(networking) as two:
        host = DockerHost(engine, settings, networking)
        try:
            state = await host.ensure()
            assert state.parts["resolver"] == "running", state
            names = DnsmasqNames(RunDirectory(settings.run_dir))
            yield Scene(settings, names, two[0], two[1], outside, engine)
        finally:
            await host.remove()


async def test_names_are_known_from_the_moment_they_are_published(scene: Scene) -> None:
    domain = NAMES[1][0]
    assert await scene.answers(domain) == ["NXDOMAIN", "0"]

    await scene.names.publish(API, NAMES)

    async def known() -> None:
        assert await scene.answers(domain) == ["NOERROR", "1"]

    await eventually(known, within=30)
    assert (await scene.pod.dns(domain, "A"))["raw"].endswith("0a830100")
    assert await scene.answers(domain.upper()) == ["NOERROR", "1"]
    assert await scene.answers(domain, "AAAA") == ["NOERROR", "0"]
    assert await scene.answers(NAMES[0][0]) == ["NOERROR", "1"]
    over_tcp = await scene.pod.dns(domain, "A", "--tcp")
    assert (over_tcp["rcode"], over_tcp["answers"]) == ("NOERROR", 1)
    assert await scene.names.published() == {API: NAMES}
    assert scene.upstream.asked == []


async def test_a_change_and_a_withdrawal_are_seen(scene: Scene) -> None:
    domain = NAMES[1][0]
    await scene.names.publish(API, NAMES)
    await scene.names.publish(API, ((domain, "10.131.7.7"),))

    async def changed() -> None:
        assert (await scene.pod.dns(domain, "A"))["raw"].endswith("0a830707")
        assert await scene.answers(NAMES[0][0]) == ["NXDOMAIN", "0"]

    await eventually(changed, within=30)

    await scene.names.publish(API, ())

    async def gone() -> None:
        assert await scene.answers(domain) == ["NXDOMAIN", "0"]

    await eventually(gone, within=30)
    assert await scene.names.published() == {}


async def test_host_and_platform_have_names(scene: Scene) -> None:
    pools = scene.settings.pools
    for label, vip in (("host", pools.host_vip), ("platform", pools.platform_vip)):
        answer = await scene.pod.dns(f"{label}.space-cloud.svc.cluster.local", "A")
        assert answer["raw"].endswith(vip.packed.hex())
        assert (await scene.answers(vip.reverse_pointer, "PTR"))[0] == "NOERROR"


async def test_an_unknown_name_of_the_mesh_is_never_asked_outside(scene: Scene) -> None:
    for kind in ("A", "AAAA", "TXT", "SRV"):
        assert await scene.answers("nobody.shop.svc.cluster.local", kind) == ["NXDOMAIN", "0"]

    assert scene.upstream.asked == []


@pytest.mark.parametrize("options", [(), ("--tcp",)])
async def test_names_of_the_outside_are_answered_by_the_outside(
    scene: Scene, options: tuple[str, ...]
) -> None:
    text = await scene.pod.dns("example.com", "TXT", *options)
    service = await scene.pod.dns("_https._tcp.example.com", "SRV", *options)
    address = await scene.pod.dns("example.com", "A", *options)
    nothing = await scene.pod.dns("example.com", "AAAA", *options)

    assert text["raw"].endswith(TXT.hex())
    assert service["raw"].endswith(SRV.hex())
    assert address["raw"].endswith("c0000207")
    assert (nothing["rcode"], nothing["answers"]) == ("NOERROR", 0)
    assert set(scene.upstream.asked) == {"example.com", "_https._tcp.example.com"}


async def test_the_host_and_strangers_cannot_use_the_resolver(scene: Scene) -> None:
    await Firewall(networking_of(scene.settings)).remove()

    async def answer() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.settings.dns_port)
        try:
            return (await reader.read(1)).decode()
        finally:
            writer.close()

    async with asyncio.timeout(30):
        with suppress(ConnectionError):
            assert await answer() == ""


async def test_the_resolver_is_nobody_and_may_nothing(scene: Scene) -> None:
    name = labels.part_name(scene.settings.instance, "resolver")

    shown = await Container(scene.engine, name).show()

    assert shown["Config"]["User"] == f"{RESOLVER_UID}:{RESOLVER_UID}"
    host = shown["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"]
    status = Path(f"/proc/{shown['State']['Pid']}/status").read_text()
    capabilities = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
    assert set(capabilities) == {"0000000000000000"}
    assert "Uid:\t65534" in status


HOLDING = """
import socket, sys, time
held = []
for _ in range(int(sys.argv[2])):
    held.append(socket.socket())
    held[-1].settimeout(2)
    try:
        held[-1].connect((sys.argv[1], 53))
    except OSError:
        held.pop()
print(len(held), flush=True)
sys.stdin.read()
"""


@pytest.mark.attack
async def test_no_replica_takes_all_tcp_connections_of_the_resolver(scene: Scene) -> None:
    await scene.names.publish(API, NAMES)
    holding = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", scene.pod.name, "python3", "-c", HOLDING),
        *(scene.pod.nameserver, "40"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holding.stdout is not None
    try:
        async with asyncio.timeout(120):
            held = int(await holding.stdout.readline())
        answer = await scene.other.dns("api.shop.svc.cluster.local", "A", "--tcp")
    finally:
        holding.kill()
        await holding.wait()

    assert held == firewall_rules.DNS_CONNECTIONS
    assert (answer["rcode"], answer["answers"]) == ("NOERROR", 1)


CHAOS = """
import socket, struct, sys
for name in ("version", "servers", "cachesize", "hits"):
    asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asked.settimeout(5)
    labels = b"".join(bytes([len(l)]) + l.encode() for l in (name, "bind")) + bytes(1)
    head = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0)
    asked.sendto(head + labels + struct.pack(">HH", 16, 3), (sys.argv[1], 53))
    print(struct.unpack(">H", asked.recv(2000)[6:8])[0])
"""


@pytest.mark.attack
async def test_the_resolver_tells_nothing_of_itself(scene: Scene) -> None:
    before = list(scene.upstream.asked)

    told = await inside(scene.pod.name, "python3", "-c", CHAOS, scene.pod.nameserver)

    assert told.split() == ["0"] * 4
    assert scene.upstream.asked == before
