"""The table of what refusals mean, against what this engine says."""

import io
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apps.images import ensure_test_images
from docker_objects import DOCKER_HOST, Container, create
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.engine_errors import EngineError, Operation, row_of
from spacecloud.drivers.docker.images.ensure import ensure_recipe
from spacecloud.drivers.docker.images.interpreter import PYTHON_PATH
from spacecloud.drivers.docker.images.recipe import Folder, Recipe
from spacecloud.drivers.docker.pods.replicas import create_failure
from spacecloud.errors import Terminal
from spacecloud.model.refs import ServiceRef
from spacecloud.model.service import Service
from spacecloud.reasons.tasks import NoCommand
from spacecloud.workloads.operations import CreateReplica

pytestmark = pytest.mark.docker

NETWORK, SUBNET, ADDRESS = "sc-test-refusals", "10.199.77.0/29", "10.199.77.4"
SLEEP = {"Entrypoint": [PYTHON_PATH, "-c", "import time; time.sleep(600)"]}


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with connect(DOCKER_HOST) as engine:
        yield engine


@pytest.fixture
async def network(engine: Engine) -> AsyncIterator[str]:
    await engine.post("networks/create", _network(NETWORK))
    yield NETWORK
    await engine.delete(f"networks/{NETWORK}")


def _network(name: str) -> dict[str, Any]:
    return {"Name": name, "CheckDuplicate": True, "IPAM": {"Config": [{"Subnet": SUBNET}]}}


def _config(**given: Any) -> dict[str, Any]:
    host = {"NetworkMode": "none", **given.pop("host", {})}
    return {"Image": ensure_test_images()["echo"], "HostConfig": host, **given}


async def refusal(engine: Engine, config: dict[str, Any]) -> tuple[Operation, EngineError]:
    """Of a container that is made and started."""
    try:
        container = await create(engine, config)
    except EngineError as error:
        return "create", error
    try:
        await container.start()
    except EngineError as error:
        return "start", error
    finally:
        await engine.delete(f"containers/{container.id}", force=True, v=True)
    raise AssertionError("it was started")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"Image": "sc-test/none:1"}, "no such image"),
        ({"Image": "UPPER:1"}, "bad request"),
        ({"Env": ["=x"]}, "bad request"),
        ({"host": {"Memory": 1000}}, "bad request"),
        ({"Entrypoint": ["nope"]}, "no such program"),
        ({"Entrypoint": ["/no/such"]}, "no such program"),
        ({"Entrypoint": ["/etc/passwd"]}, "no such program"),
        ({"User": "nosuch"}, "unknown user"),
        ({"User": "0:nosuch"}, "unknown user"),
        ({"User": "99999999999"}, "unknown user"),
        ({"Volumes": {"/proc": {}}}, "volume in /proc"),
        ({"Volumes": {"/proc/x": {}}}, "volume in /proc"),
        ({"Volumes": {"/etc/passwd": {}}}, "volume on a file"),
        ({"host": {"Binds": ["/tmp:relative"]}}, "bad mount"),
        ({"WorkingDir": "/etc/passwd"}, "bad working directory"),
        ({"host": {"NetworkMode": "sc-test-none"}}, "failure"),
    ],
    ids=str,
)
async def test_a_container_that_cannot_be(
    engine: Engine, given: dict[str, Any], reason: str
) -> None:
    operation, error = await refusal(engine, _config(**given))

    assert row_of(operation, error).reason == reason, f"{operation}: {error.status} {error}"


async def test_an_image_that_says_nothing_of_what_to_run_asks_for_docker_cmd(
    engine: Engine,
) -> None:
    image = await ensure_recipe(engine, Recipe("sc-test/no-command", (Folder("/tmp", 0o1777),)))
    spec = {"tasks": [{"id": "main", "docker": {"image": "shop/empty:1"}}]}
    op = CreateReplica(
        *(ServiceRef("shop", "empty", "v1"), 0, "r", "10.199.77.2", SUBNET),
        *(Service.model_validate(spec), {"main": image}, ()),
    )

    operation, error = await refusal(engine, {"Image": image})

    assert (operation, row_of(operation, error).reason) == ("create", "no command")
    failure = create_failure("empty--v1--0--main", error, op)
    assert isinstance(failure, Terminal)
    assert failure.reason == NoCommand("shop/empty:1")
    assert failure.reason.fix.startswith("give docker.cmd")


async def test_what_was_removed_or_does_not_run(engine: Engine) -> None:
    container = await create(engine, _config(**SLEEP), "sc-test-refused")
    try:
        with pytest.raises(EngineError) as taken:
            await create(engine, _config(), "sc-test-refused")
        with pytest.raises(EngineError) as not_running:
            await container.kill("TERM")
        joining = {"NetworkMode": f"container:{container.id}"}
        operation, not_joined = await refusal(engine, _config(host=joining))
    finally:
        await container.delete()
    with pytest.raises(EngineError) as gone:
        await container.start()

    assert row_of("create", taken.value).reason == "failure"
    assert row_of("other", not_running.value).reason == "failure"
    assert row_of(operation, not_joined).reason == "failure"
    assert row_of("start", gone.value).reason == "no such container"


async def test_what_somebody_else_has(engine: Engine, network: str) -> None:
    ours = {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": ADDRESS}}}}
    config = _config(**SLEEP, NetworkingConfig=ours, host={"NetworkMode": network})
    holder: Container = await create(engine, config)
    try:
        await holder.start()
        operation, address_in_use = await refusal(engine, config)
        with pytest.raises(EngineError) as network_in_use:
            await engine.delete(f"networks/{network}")
        with pytest.raises(EngineError) as name_in_use:
            await engine.post("networks/create", _network(network))
        with pytest.raises(EngineError) as pool_in_use:
            await engine.post("networks/create", _network(f"{network}-2"))
    finally:
        await holder.delete()

    assert row_of(operation, address_in_use).reason == "failure"
    assert row_of("remove network", network_in_use.value).reason == "network in use"
    assert row_of("create network", name_in_use.value).reason == "no network"
    assert row_of("create network", pool_in_use.value).reason == "no network"


async def test_files_below_a_file_cannot_be_written(engine: Engine) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("etc/passwd/app/app.ini"))
    container = await create(engine, _config())
    try:
        with pytest.raises(EngineError) as refused:
            await engine.put_archive(container.id, archive.getvalue())
    finally:
        await container.delete()

    assert row_of("write files", refused.value).reason == "no such folder", str(refused.value)
