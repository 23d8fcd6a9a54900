"""The host's rules on a real kernel: written, meddled with, mended, gone without a trace."""

import asyncio
import errno
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridged_pods import inside, listening, pods, serving, settings_of
from chaos.engine import inside as inside_network
from envoy_host import ip
from eventually import eventually
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.host import firewall as firewall_module
from spacecloud.drivers.docker.host import firewall_rules
from spacecloud.drivers.docker.host.firewall import Firewall
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.process import run
from spacecloud.errors import Transient

pytestmark = pytest.mark.docker


@pytest.fixture
def alone() -> Iterator[None]:
    """In a network namespace of its own: no other instance comes or goes, or wants to be first."""
    name = f"sc-firewall-{os.getpid()}"
    ip("netns", "add", name)
    try:
        with inside_network(name):
            for program in ("iptables", "ip6tables"):
                subprocess.run([program, "-w", "-N", "DOCKER-USER"], check=True, timeout=60)
                subprocess.run(
                    [program, "-w", "-A", "FORWARD", "-j", "DOCKER-USER"], check=True, timeout=60
                )
            yield
    finally:
        ip("netns", "del", name)


@pytest.fixture
async def networking(tmp_path: Path) -> AsyncIterator[Networking]:
    networking = networking_of(settings_of(tmp_path))
    try:
        yield networking
    finally:
        await Firewall(networking).remove()


async def mentions(networking: Networking) -> list[str]:
    """Every line on this machine that is this instance's."""
    shown = [await run("iptables-save"), await run("ip6tables-save"), await run("ip", "route")]
    marks = (networking.chain_prefix, networking.interface_prefix, str(networking.pools.vips))
    return [line for text in shown for line in text.splitlines() if any(m in line for m in marks)]


async def everything_else(networking: Networking) -> list[str]:
    shown = await run("iptables-save") + await run("ip6tables-save")
    mine = (networking.chain_prefix, "#", ":")
    # Other instances on this machine come and go; what the engine and people made stays.
    return [
        line
        for line in shown.splitlines()
        if not line.startswith(mine) and "SC-" not in line and "sc" not in line
    ]


@pytest.mark.usefixtures("alone")
async def test_rules_are_written_once_and_then_found_as_wanted(networking: Networking) -> None:
    assert await Firewall(networking).ensure() == ()
    before = await mentions(networking)

    assert await Firewall(networking).ensure() == ()

    assert await mentions(networking) == before
    found = firewall_rules.parse(await run("iptables-save"))
    assert firewall_rules.differences(firewall_rules.wanted(networking, found), found) == ()


async def test_removal_leaves_nothing_of_ours_and_touches_nothing_else(
    networking: Networking,
) -> None:
    before = await everything_else(networking)
    firewall = Firewall(networking)
    await firewall.ensure()

    await firewall.remove()
    await firewall.remove()

    assert await mentions(networking) == []
    assert await everything_else(networking) == before


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("iptables -w -t nat -F {chains}-NAT", "chain {chains}-NAT was changed"),
        ("iptables -w -D {chains}-IN 1", "chain {chains}-IN was changed"),
        ("iptables -w -A {chains}-FWD -j ACCEPT", "chain {chains}-FWD was changed"),
        ("iptables -w -D INPUT -j {chains}-IN", "jumps of filter INPUT"),
        ("iptables -w -I INPUT -i {bridges}+ -j ACCEPT", "jumps of filter INPUT"),
        (
            "iptables -w -t raw -D PREROUTING -i {bridges}+ -j {chains}-RAW",
            "jumps of raw PREROUTING",
        ),
        ("ip6tables -w -F {chains}-V6", "chain {chains}-V6 was changed"),
        ("iptables -w -I OUTPUT -j {chains}-IN", "from where none should: filter OUTPUT"),
        ("ip route del unreachable {pool}", "the route that closes {pool} was missing"),
    ],
)
@pytest.mark.usefixtures("alone")
async def test_what_was_meddled_with_is_told_and_mended(
    networking: Networking, damage: str, sentence: str
) -> None:
    names = {
        "chains": networking.chain_prefix,
        "bridges": networking.interface_prefix,
        "pool": str(networking.pools.vips),
    }
    firewall = Firewall(networking)
    await firewall.ensure()
    before = await mentions(networking)
    command = damage.format(**names).split()
    await run(*command)

    repairs = await firewall.ensure()

    assert any(sentence.format(**names) in repair for repair in repairs), repairs
    assert await firewall.ensure() == ()
    if command[-1] == "ACCEPT" and "-I" in command:
        # Not ours, so it was left; only its place was taken.
        command[command.index("-I")] = "-D"
        await run(*command)
    assert sorted(await mentions(networking)) == sorted(before)


async def test_a_look_at_rules_that_nobody_touched_starts_no_program(
    networking: Networking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every few seconds, for as long as the platform runs: it has to be cheap."""
    started: list[str] = []

    async def counted(*command: str, given: str | None = None) -> str:
        started.append(command[0])
        return await run(*command, given=given)

    monkeypatch.setattr(firewall_module, "run", counted)
    firewall = Firewall(networking)
    await firewall.ensure()

    # Another instance on this machine may write rules at the same time.
    async def nobody_touched_them() -> None:
        started.clear()
        assert await firewall.ensure() == ()
        assert started == []

    await eventually(nobody_touched_them)
    await run("iptables", "-w", "-F", f"{networking.chain_prefix}-IN")

    assert await firewall.ensure() != ()
    assert "iptables-restore" in started


@pytest.mark.usefixtures("alone")
async def test_two_instances_do_not_fight_over_the_first_place(tmp_path: Path) -> None:
    one = networking_of(settings_of(tmp_path))
    two = networking_of(settings_of(tmp_path, vip_pool="10.133.0.0/16"))
    first, second = Firewall(one), Firewall(two)
    try:
        await first.ensure()
        await second.ensure()

        assert await first.ensure() == ()
        assert await second.ensure() == ()
        await second.remove()
        assert any(one.chain_prefix in line for line in await mentions(one))
    finally:
        await second.remove()
        await first.remove()


async def test_a_pool_that_another_instance_closed_is_not_taken_from_it(
    networking: Networking, tmp_path: Path
) -> None:
    other = Firewall(networking_of(settings_of(tmp_path)))
    await Firewall(networking).ensure()
    try:
        with pytest.raises(Transient, match="SPACE_CLOUD_VIP_POOL"):
            await other.ensure()
    finally:
        await other.remove()

    assert any("unreachable" in line for line in await mentions(networking))


async def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(Transient, match="iptables-restore --nonsense"):
        await run("iptables-restore", "--nonsense")
    with pytest.raises(Transient, match="no-such-program cannot be run"):
        await run("no-such-program")


# --------------------------------------------------------------- what packets do


async def test_a_pod_reaches_the_mesh_and_the_public_port_and_no_other_of_the_host(
    networking: Networking,
) -> None:
    await Firewall(networking).ensure()
    async with (
        pods(networking) as (pod, _, _),
        listening(31001) as mesh,
        listening(31122) as public,
        listening(31999) as private,
    ):
        assert await pod.dial("10.131.4.4", 5432) == "connected"
        assert mesh == [pod.address]
        assert await pod.dial("10.130.0.1", 31122) == "connected"
        assert public == [pod.address]
        for gateway in ("10.130.0.1", "10.130.1.1"):
            assert await pod.dial(gateway, 31001) == "refused"
            assert await pod.dial(gateway, 31999) == "refused"
            assert await pod.dial(gateway, 31053) == "refused"
            assert await pod.dial(gateway, 22) == "refused"
        assert await pod.dial("169.254.169.254", 80) == "refused"
        assert private == []
        assert len(mesh) == 1


async def test_a_pod_is_reached_by_the_host_and_by_no_other_network(networking: Networking) -> None:
    await Firewall(networking).ensure()
    async with pods(networking) as (pod, other, foreign), serving(other, 8080):
        _, writer = await asyncio.open_connection(other.address, 8080)
        writer.close()

        assert await pod.dial(other.address, 8080) == "refused"
        assert await foreign.dial(other.address, 8080) == "refused"
        assert await other.dial(other.address, 8080) == "connected"


async def test_raw_rules_of_others_are_met_by_what_goes_to_pods_alone(
    networking: Networking,
) -> None:
    """The engine, from 28 on, has one for each container of the machine: a list walked by packet."""
    await Firewall(networking).ensure()
    async with (
        pods(networking) as (pod, other, _),
        listening(31001) as mesh,
        serving(other, 8080),
        rule_below_ours(networking) as packets,
    ):
        assert await pod.dial("10.131.4.4", 80) == "connected"
        assert mesh == [pod.address]
        _, writer = await asyncio.open_connection(other.address, 8080)
        writer.close()
        assert await packets() == 0

        assert await pod.dial(other.address, 8080) == "refused"
        assert await packets() > 0


@asynccontextmanager
async def rule_below_ours(networking: Networking) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Counts, at the end of raw PREROUTING, what came from bridges of the instance."""
    mark = f"below-{networking.instance}"
    rule = (
        "PREROUTING",
        "-i",
        f"{networking.interface_prefix}+",
        "-m",
        "comment",
        "--comment",
        mark,
    )
    raw = ("iptables", "-w", "-t", "raw")

    async def packets() -> int:
        shown = await run(*raw, "-nvxL", "PREROUTING")
        (line,) = (line for line in shown.splitlines() if mark in line)
        return int(line.split()[0])

    await run(*raw, "-A", *rule)
    try:
        yield packets
    finally:
        await run(*raw, "-D", *rule)


async def test_an_address_of_another_bridge_is_not_believed(networking: Networking) -> None:
    await Firewall(networking).ensure()
    async with pods(networking) as (pod, other, _), listening(31001) as mesh:
        await inside(pod.name, "ip", "addr", "add", f"{other.address}/32", "dev", "lo")

        assert await pod.dial("10.131.4.4", 80, source=other.address) == "silence"
        assert await pod.dial("10.131.4.4", 80, source=pod.address) == "connected"
        assert mesh == [pod.address]


async def test_the_inner_ports_are_closed_to_the_host_itself(networking: Networking) -> None:
    await Firewall(networking).ensure()
    async with listening(31001), listening(31053):
        for port in (31001, 31053):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(OSError) as failed:
            await asyncio.open_connection("10.131.4.4", 80)
        assert failed.value.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)
