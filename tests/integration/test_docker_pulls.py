"""Images from a registry: had, refused, lost on the way, for another machine."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from docker_objects import DOCKER_HOST
from engine_proxy import engine_proxy
from eventually import BUSY, eventually
from registry import Registry, a_registry
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.engine_errors import EngineError, row_of
from spacecloud.drivers.docker.images.pull_queue import PullQueue
from spacecloud.drivers.docker.images.pulls import Pulls, registry_of, split
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods.local_images import LocalImages
from spacecloud.drivers.docker.pods.replicas import Pods
from spacecloud.errors import Terminal, Transient
from spacecloud.model.refs import ServiceRef
from spacecloud.model.service import Service
from spacecloud.model.status import PullView
from spacecloud.reasons.images import NoSpaceForImage, RegistryDenied, RegistryNotResolved
from spacecloud.reasons.platform import EngineUnavailable
from spacecloud.settings import Settings
from spacecloud.workloads.operations import CreateReplica, PullImage

DIGEST = "sha256:" + "12" * 32

pytestmark = pytest.mark.docker


@pytest.fixture
def registry() -> Iterator[Registry]:
    with a_registry() as registry:
        yield registry


@pytest.fixture
async def engine(registry: Registry) -> AsyncIterator[Engine]:
    async with connect(DOCKER_HOST) as engine:
        yield engine
        for image in await engine.get("images/json"):
            for tag in image["RepoTags"] or []:
                if tag.startswith(f"127.0.0.1:{registry.port}/"):
                    await engine.delete(f"images/{tag}", force=True)


async def test_an_image_is_pulled(engine: Engine, registry: Registry) -> None:
    reference = registry.push("plain", size=3_000_000)

    await Pulls(engine).pull(reference, None)

    assert await engine.find(f"images/{reference}/json") is not None


async def test_a_tag_that_is_not_there_is_hopeless_at_once(
    engine: Engine, registry: Registry
) -> None:
    registry.push("plain")
    began = time.monotonic()

    with pytest.raises(Terminal, match=r"plain:2 cannot be pulled: .*check its name and tag"):
        await Pulls(engine).pull(f"127.0.0.1:{registry.port}/plain:2", None)

    assert time.monotonic() - began < 1 * BUSY


async def test_a_registry_that_wants_a_login_is_hopeless_without_one(
    engine: Engine, registry: Registry
) -> None:
    reference = registry.push("private")
    registry.login = "me:secret"

    with pytest.raises(Terminal, match=r"wants a login: .*: name one in docker\.secret") as denied:
        await Pulls(engine).pull(reference, None)
    assert isinstance(denied.value.reason, RegistryDenied)
    assert "docker.secret" in denied.value.reason.fix
    with pytest.raises(Terminal) as refused:
        await Pulls(engine).pull(reference, {"username": "me", "password": "wr0ng-pass", "url": ""})
    assert "wr0ng-pass" not in str(refused.value)
    url = f"127.0.0.1:{registry.port}"
    await Pulls(engine).pull(reference, {"username": "me", "password": "secret", "url": url})


async def test_a_registry_whose_name_dns_does_not_know_is_told_so(engine: Engine) -> None:
    with pytest.raises(Terminal) as failed:
        await Pulls(engine).pull("no-such-registry.invalid/web:1", None)

    reason = failed.value.reason
    assert isinstance(reason, RegistryNotResolved), reason
    assert "DNS gives no address of its registry no-such-registry.invalid" in str(reason)
    assert "getent hosts no-such-registry.invalid" in reason.fix
    assert "tag" not in reason.fix


async def test_neither_a_full_disk_nor_a_lost_engine_is_blamed_on_the_registry(
    tmp_path: Path,
) -> None:
    async with (
        engine_proxy(DOCKER_HOST, tmp_path / "engine.sock") as proxy,
        connect(proxy.address) as engine,
    ):
        words = "write /var/lib/docker/tmp/GetImageBlob1: no space left on device"
        proxy.refusals["POST /v[0-9.]+/images/create"] = (500, words)
        with pytest.raises(Terminal) as full:
            await Pulls(engine).pull("far.example/web:1", None)
    async with connect(f"unix://{tmp_path}/nobody.sock") as engine:
        with pytest.raises(Transient) as lost:
            await Pulls(engine).pull("far.example/web:1", None)

    assert full.value.reason == NoSpaceForImage("far.example/web:1", words)
    assert isinstance(lost.value.reason, EngineUnavailable)


async def test_a_layer_that_is_lost_is_told_after_three_tries(
    engine: Engine, registry: Registry
) -> None:
    reference = registry.push("broken")
    (lost,) = registry.lose_layers()
    began = time.monotonic()

    with pytest.raises(Terminal) as failed:
        await Pulls(engine).pull(reference, None)

    layer = lost.removeprefix("sha256:")[:12]
    assert f"image {reference} cannot be pulled: 3 tries failed" in str(failed.value)
    assert row_of("pull", EngineError(500, str(failed.value))).reason == "no such layer"
    assert f"(layer {layer})" in str(failed.value)
    assert time.monotonic() - began > 1
    assert sum("GET" in each and lost in each for each in registry.asked) >= 3


async def test_how_far_a_pull_is_can_be_asked_while_it_runs(
    engine: Engine, registry: Registry
) -> None:
    reference = registry.push(f"growing-{registry.port}", size=4_000_000, layers=3)
    registry.bytes_per_second = 2_000_000
    pulls, seen = Pulls(engine), list[PullView]()

    pulling = asyncio.create_task(pulls.pull(reference, None))
    while not pulling.done():
        seen += pulls.running().values()
        await asyncio.sleep(0.1)
    await pulling

    done = [view.bytes_done for view in seen]
    assert done == sorted(done)
    assert len({n for n in done if 0 < n < 12_000_000}) >= 5
    assert (seen[-1].layers, seen[-1].bytes // 1_000_000) == (3, 12)
    assert any(str(v).startswith(f"pulling {reference}: 0 of 3 layers, ") for v in seen)
    assert pulls.running() == {}


async def test_a_pull_that_is_cancelled_ends_at_once(engine: Engine, registry: Registry) -> None:
    reference = registry.push("slow")
    registry.stuck.set()
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await Pulls(engine).pull(reference, None)

    assert time.monotonic() - began < 1 * BUSY


async def test_a_pull_that_goes_on_talking_is_given_up_in_the_end(
    engine: Engine, registry: Registry
) -> None:
    reference = registry.push(f"endless-{registry.port}", size=20_000_000)
    registry.bytes_per_second = 1_000_000

    with pytest.raises(Terminal, match=r"was not here after 2 s \(SPACE_CLOUD_PULL_SECONDS\)"):
        await asyncio.wait_for(Pulls(engine, limit_seconds=2).pull(reference, None), 10)


def a_pull(image: str, service: str = "api") -> PullImage:
    return PullImage(ServiceRef("shop", service, "v1"), image, "", 1)


@pytest.fixture
async def queue(engine: Engine) -> AsyncIterator[tuple[PullQueue, asyncio.TaskGroup]]:
    async with asyncio.TaskGroup() as group:
        running: list[asyncio.Task[None]] = []

        class Group(asyncio.TaskGroup):
            def create_task(self, *given: Any, **named: Any) -> asyncio.Task[Any]:
                running.append(group.create_task(*given, **named))
                return running[-1]

        yield PullQueue(Pulls(engine), lambda key: None, lambda: datetime.now(UTC)), Group()
        for task in running:
            task.cancel()


async def test_a_registry_that_is_silent_keeps_its_own_pulls_waiting_and_no_other(
    queue: tuple[PullQueue, asyncio.TaskGroup], registry: Registry
) -> None:
    pulls, group = queue
    registry.silent.set()
    for number in range(20):
        image = f"127.0.0.1:{registry.port}/never:{number}"
        pulls.start(group, a_pull(image, f"slow{number}"), None)
    with a_registry() as other:
        good = a_pull(other.push(f"good-{other.port}"))
        pulls.start(group, good, None)

        async def done() -> None:
            assert [p.state for p in pulls.of(good.ref.key)] == ["done"]

        await eventually(done, within=60)
    registry.silent.clear()


async def test_a_cancelled_pull_makes_room_for_the_next(
    queue: tuple[PullQueue, asyncio.TaskGroup], registry: Registry
) -> None:
    pulls, group = queue
    registry.silent.set()
    never = [a_pull(f"127.0.0.1:{registry.port}/never:{n}", f"slow{n}") for n in range(4)]
    for op in never:
        pulls.start(group, op, None)
    good = a_pull(registry.push(f"next-{registry.port}"))
    pulls.start(group, good, None)
    registry.silent.clear()

    for op in never:
        pulls.cancel(op)

    async def done() -> None:
        assert [p.state for p in pulls.of(good.ref.key)] == ["done"]

    await eventually(done, within=60)
    assert all(pulls.of(op.ref.key) == () for op in never)


async def test_an_image_for_another_machine_is_hopeless_and_names_both(
    engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    reference = registry.push("foreign", architecture="arm64")
    await Pulls(engine).pull(reference, None)
    image = await engine.find(f"images/{reference}/json")
    assert image is not None

    async def no_secrets(project: str, id: str, version: int | None) -> dict[str, str]:
        return {}

    settings = Settings(instance="pulls", state=tmp_path)
    owner = Ownership.of(settings)
    pods = Pods(engine, settings, no_secrets, owner, LocalImages(engine))
    spec = Service.model_validate({"tasks": [{"id": "main", "docker": {"image": reference}}]})
    ref = ServiceRef("shop", "foreign", "v1")
    images = {"main": image["Id"]}
    op = CreateReplica(ref, 0, "r", "10.0.0.2", "10.0.0.0/24", spec, images, ())

    with pytest.raises(Terminal, match=r"built for arm64 and this machine is amd64"):
        await pods.create(op)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("nginx", "latest")),
        ("nginx:1.27", ("nginx", "1.27")),
        ("localhost:5000/a/b", ("localhost:5000/a/b", "latest")),
        ("localhost:5000/a/b:2", ("localhost:5000/a/b", "2")),
        (f"a/b@{DIGEST}", ("a/b", DIGEST)),
        (f"a/b:1@{DIGEST}", ("a/b", DIGEST)),
    ],
)
def test_a_reference_is_a_name_and_a_tag(image: str, parts: tuple[str, str]) -> None:
    assert split(image) == parts


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nginx:1.27", "docker.io"),
        ("library/nginx", "docker.io"),
        ("localhost/a:1", "localhost"),
        ("127.0.0.1:5000/a/b:2", "127.0.0.1:5000"),
        ("ghcr.io/a/b@sha256:12", "ghcr.io"),
    ],
)
def test_the_registry_of_a_reference_is_its_host(image: str, registry: str) -> None:
    assert registry_of(image) == registry
