"""Gateway, resolver and rules of one host: made, broken, mended, and gone without a trace."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridged_pods import listening, settings_of
from docker_objects import DOCKER_HOST, Container, create
from eventually import eventually
from spacecloud import installation
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.host.host import DockerHost
from spacecloud.drivers.docker.images.ensure import ensure
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods.networks import Networks
from spacecloud.drivers.docker.process import run
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.errors import Transient
from spacecloud.model.refs import ServiceKey
from spacecloud.reasons.platform import PartDown
from spacecloud.settings import Settings

pytestmark = pytest.mark.docker

RUNNING = {"gateway": "running", "resolver": "running"}


@dataclass
class Scene:
    settings: Settings
    engine: Engine
    host: DockerHost

    def container(self, part: str) -> Any:
        return Container(self.engine, labels.part_name(self.settings.instance, part))

    async def shown(self, part: str) -> Any:
        return await self.container(part).show()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    settings = settings_of(tmp_path)
    settings.state_dir.mkdir()
    installation.write_secret(settings, installation.new_secret())
    async with connect(DOCKER_HOST) as engine:
        host = DockerHost(engine, settings, networking_of(settings))
        try:
            yield Scene(settings, engine, host)
        finally:
            await host.remove()


async def test_a_bare_host_is_made_ready_and_left_alone_after_that(scene: Scene) -> None:
    first = await scene.host.ensure()
    before = [(await scene.shown(part))["Id"] for part in RUNNING]

    again = await DockerHost(scene.engine, scene.settings, networking_of(scene.settings)).ensure()

    assert first.parts == again.parts == RUNNING
    assert first.problems == again.problems == ()
    assert first.repaired == again.repaired == ()
    assert [(await scene.shown(part))["Id"] for part in RUNNING] == before


@pytest.mark.parametrize("part", ["gateway", "resolver"])
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("delete", "was gone and was made again"),
        ("stop", "did not run and was started again"),
        ("pause", "was paused and goes on"),
        ("end", "ended, and the engine started it again"),
    ],
)
async def test_a_part_that_is_broken_is_mended_and_told(
    scene: Scene, part: str, damage: str, sentence: str
) -> None:
    await scene.host.ensure()
    await scene.host.ensure()
    container = scene.container(part)
    match damage:
        case "delete":
            await container.delete()
        case "stop":
            await container.stop()
        case "pause":
            await container.pause()
        case "end":
            pid = (await container.show())["State"]["Pid"]
            assert pid > 0, "it does not run"
            await run("kill", "-9", str(pid))

            async def back() -> None:
                assert (await container.show())["State"]["Pid"] not in (0, pid)

            await eventually(back)

    mended = await scene.host.ensure()

    assert mended.repaired == (f"the {part} {sentence}",)
    assert mended.parts == RUNNING
    state = (await scene.shown(part))["State"]
    assert (state["Running"], state["Paused"]) == (True, False)
    assert (await scene.host.ensure()).repaired == ()


async def test_a_folder_that_was_removed_and_made_anew_is_mounted_again(scene: Scene) -> None:
    await scene.host.ensure()
    names = RunDirectory(scene.settings.run_dir).names
    names.rename(scene.settings.run_dir / "elsewhere")

    mended = await scene.host.ensure()

    assert [s for s in mended.repaired if "its folder had been removed" in s]
    pid = (await scene.shown("resolver"))["State"]["Pid"]
    assert Path(f"/proc/{pid}/root{names}").samefile(names)


async def test_another_configuration_makes_the_part_anew(scene: Scene) -> None:
    await scene.host.ensure()
    before = (await scene.shown("resolver"))["Id"]
    changed = scene.settings.model_copy(update={"upstream_dns": ("127.0.0.1#5",)})

    state = await DockerHost(scene.engine, changed, networking_of(changed)).ensure()

    after = await scene.shown("resolver")
    assert state.parts == RUNNING
    assert after["Id"] != before
    assert "--server=127.0.0.1#5" in after["Config"]["Cmd"]


@pytest.mark.parametrize("part", ["gateway", "resolver"])
async def test_a_part_that_cannot_run_is_down_with_its_own_words(scene: Scene, part: str) -> None:
    port = {"gateway": scene.settings.mesh_port, "resolver": scene.settings.dns_port}[part]
    async with listening(port):
        state = await scene.host.ensure()

        assert state.parts[part] == "down"
        problem = next(p for p in state.problems if isinstance(p, PartDown) and p.part == part)
        assert "in use" in str(problem).lower()
        name = state.fixes[part].removeprefix("docker logs ")
        labels = (await scene.engine.get(f"containers/{name}/json"))["Config"]["Labels"]
        assert labels["space-cloud.io/instance"] == scene.settings.instance

    async def up() -> None:
        assert (await scene.host.ensure()).parts == RUNNING

    await eventually(up)


async def test_the_gateway_may_nothing_and_is_not_root(scene: Scene) -> None:
    await scene.host.ensure()

    shown = await scene.shown("gateway")

    status = Path(f"/proc/{shown['State']['Pid']}/status").read_text()
    capabilities = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
    assert set(capabilities) == {"0000000000000000"}
    assert "Uid:\t0" not in status
    assert not any("docker.sock" in bind for bind in shown["HostConfig"]["Binds"])
    assert shown["HostConfig"]["RestartPolicy"]["Name"] == "always"


async def test_removal_takes_all_that_is_ours_and_nothing_else(scene: Scene) -> None:
    await scene.host.ensure()
    instance = scene.settings.instance
    pause = await ensure(scene.engine, "pause")
    await Networks(
        scene.engine, networking_of(scene.settings), Ownership.of(scene.settings)
    ).create(ServiceKey("shop", "api"), "10.130.64.0/25")
    labelled: dict[str, Any] = {
        "Image": pause,
        "Labels": {labels.INSTANCE: instance, labels.TASK: "main"},
    }
    theirs: dict[str, Any] = {"Image": pause, "Labels": {labels.INSTANCE: f"not-{instance}"}}
    foreign = [
        await create(scene.engine, labelled, name=f"{instance}-labelled"),
        await create(scene.engine, theirs, name=f"{instance}-theirs"),
    ]
    await foreign[0].start()
    await run(
        "ip",
        "link",
        "add",
        f"{networking_of(scene.settings).interface_prefix}left",
        "type",
        "bridge",
    )
    try:
        stranger = DockerHost(scene.engine, scene.settings, networking_of(scene.settings))
        await stranger.remove()
        await stranger.remove()

        shown = [
            *(await run("docker", "ps", "-a", "--format", "{{.Names}}")).split(),
            *(await run("docker", "network", "ls", "--format", "{{.Name}}")).split(),
        ]
        left = {name for name in shown if instance in name}
        assert left == {f"{instance}-labelled", f"{instance}-theirs"}
        machine = await run("iptables-save") + await run("ip6tables-save") + await run("ip", "addr")
        assert networking_of(scene.settings).chain_prefix not in machine
        assert networking_of(scene.settings).interface_prefix not in machine
        assert str(scene.settings.vip_pool) not in await run("ip", "route")
    finally:
        for container in foreign:
            await container.delete()


async def test_a_stranger_on_our_network_is_told_and_holds_up_nothing_else(scene: Scene) -> None:
    await scene.host.ensure()
    key = ServiceKey("shop", "api")
    await Networks(
        scene.engine, networking_of(scene.settings), Ownership.of(scene.settings)
    ).create(key, "10.130.65.0/25")
    network = labels.network_name(scene.settings.instance, key)
    config: dict[str, Any] = {
        "Image": await ensure(scene.engine, "pause"),
        "HostConfig": {"NetworkMode": network},
    }
    stranger = await create(scene.engine, config, name=f"{scene.settings.instance}-x")
    await stranger.start()
    try:
        with pytest.raises(Transient, match=f"network {network} cannot be removed"):
            await scene.host.remove()

        assert (await stranger.show())["State"]["Running"]
        assert networking_of(scene.settings).chain_prefix not in await run("iptables-save")
    finally:
        await stranger.delete()


async def test_a_container_of_a_parts_name_that_is_not_ours_is_left_alone(scene: Scene) -> None:
    name = labels.part_name(scene.settings.instance, "resolver")
    pause = await ensure(scene.engine, "pause")
    foreign = await create(scene.engine, {"Image": pause}, name=name)
    try:
        state = await scene.host.ensure()

        assert state.parts == {"gateway": "running", "resolver": "down"}
        assert any("is not ours" in str(problem) for problem in state.problems)
        assert (await foreign.show())["Id"] == foreign.id
    finally:
        await foreign.delete()


async def test_an_image_of_the_users_own_choice_is_used_and_asked_for(
    scene: Scene,
) -> None:
    missing = f"127.0.0.1:1/no-such-envoy:{secrets.token_hex(3)}"
    changed = scene.settings.model_copy(update={"gateway_image": missing})

    state = await DockerHost(scene.engine, changed, networking_of(changed)).ensure()

    assert state.parts["gateway"] == "down"
    assert any(missing in str(problem) for problem in state.problems)
    own = await ensure(scene.engine, "gateway")
    chosen = scene.settings.model_copy(update={"gateway_image": own})
    assert (await DockerHost(scene.engine, chosen, networking_of(chosen)).ensure()).parts == RUNNING
