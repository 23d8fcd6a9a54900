"""What containers print without end, on a real engine: nothing of it is held."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from apps.images import ensure_test_images
from docker_objects import DOCKER_HOST, Container, create
from eventually import BUSY, eventually
from spacecloud.drivers.docker import logs
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.images.interpreter import PYTHON_PATH
from spacecloud.drivers.docker.probes.probe import ProbeRunner
from spacecloud.drivers.docker.probes.target import Target
from spacecloud.model.lines import CUT, LONGEST_LINE
from spacecloud.model.refs import ServiceKey
from spacecloud.model.task import Probe
from spacecloud.reasons.tasks import ProbeReason

pytestmark = [pytest.mark.docker, pytest.mark.attack]

KEY = ServiceKey("shop", "api")

FLOOD = "import sys\nwhile True: sys.stdout.write('x' * 100_000)"
MOST_GROWTH_BYTES = 8_000_000
PIECES = 500


def now() -> datetime:
    return datetime.now(UTC)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def bounded() -> AsyncIterator[None]:
    """This process grows by few MB at most, and its loop is never held up for long."""
    before, most, longest = resident_bytes(), 0, 0.0

    async def watch() -> None:
        nonlocal most, longest
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.02)
            longest = max(longest, time.perf_counter() - asked)
            most = max(most, resident_bytes() - before)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        yield
        watching.cancel()
    assert most < MOST_GROWTH_BYTES
    assert longest < 1


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with connect(DOCKER_HOST) as engine:
        yield engine


@asynccontextmanager
async def a_container(engine: Engine, program: str) -> AsyncIterator[str]:
    config = {"Image": ensure_test_images()["echo"], "Cmd": ["-c", program]}
    container = await create(engine, config)
    try:
        await container.start()
        yield container.id
    finally:
        await container.delete()


async def ask(engine: Engine, container: str, program: str, seconds: float) -> ProbeReason | None:
    async with aiohttp.ClientSession() as session:
        probe = Probe.model_validate(
            {
                "type": "exec",
                "command": [PYTHON_PATH, "-c", program],
                "timeoutSeconds": seconds,
            }
        )
        target = Target(container, now(), "", 0, (), probe, KEY)
        return await ProbeRunner(engine, session, now).ask(target, probe)


async def test_a_probe_that_prints_without_end_is_a_failure_and_costs_no_memory(
    engine: Engine,
) -> None:
    async with a_container(engine, "import time; time.sleep(600)") as container:
        async with bounded():
            reason = await ask(engine, container, FLOOD, seconds=5)

        assert str(reason) == "no answer to its exec probe within 5 s"

        async def its_process_is_gone() -> None:
            assert not (await Container(engine, container).show())["ExecIDs"]

        await eventually(its_process_is_gone, within=BUSY)


async def test_a_probe_that_prints_much_and_ends_is_judged_by_its_code(
    engine: Engine,
) -> None:
    async with a_container(engine, "import time; time.sleep(600)") as container, bounded():
        prints = "print('x' * 5_000_000)"
        assert await ask(engine, container, prints, seconds=20) is None
        reason = await ask(engine, container, f"{prints}; raise SystemExit(3)", seconds=20)
        assert str(reason).endswith("ended with code 3")


async def test_a_line_without_end_is_cut_in_linear_time(engine: Engine) -> None:
    program = f"""
import sys, time
for _ in range({PIECES}): sys.stdout.write("x" * 100_000)
print("\\nlast", flush=True)
time.sleep(600)
"""
    async with a_container(engine, program) as container:
        async with asyncio.timeout(60):
            while await logs.last_lines(engine, container, 1) != ["last"]:
                await asyncio.sleep(0.5)
        async with bounded():
            began = time.perf_counter()
            found = [
                line
                async for line in logs.lines(engine, container, follow=False, tail=None, since=None)
            ]
        assert found[-1] == b"last\n"
        assert all(len(line) <= LONGEST_LINE + len(CUT.encode()) + 1 for line in found)
        assert len(found) < 10
        # 50 MB, most of it read from the engine's own files.
        assert time.perf_counter() - began < 60


async def test_a_probed_answer_without_end_is_not_read() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 100_000)
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    probe = Probe(type="http", port=port)
    target = Target("c", now(), "127.0.0.1", 0, (port,), probe, KEY)
    async with server, connect(DOCKER_HOST) as engine, aiohttp.ClientSession() as session:
        asker = ProbeRunner(engine, session, now)
        async with bounded():
            for _ in range(20):
                assert await asker.ask(target, probe) is None
