"""What a machine goes through: a power loss, and a second installation beside the first."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.stage import Stage
from e2e.supervised_installation import control_plane, installed, left, run_dir, start, supervisor
from eventually import wait_until
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.settings import Settings

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def stage(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with installed(tmp_path_factory.mktemp("first"), 4, images) as stage:
        deploy(stage)
        yield stage


@pytest.fixture(scope="module")
def other(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with installed(tmp_path_factory.mktemp("second"), 5, images) as stage:
        deploy(stage)
        yield stage


def deploy(stage: Stage) -> None:
    stage.user.apply("shop", "web")
    stage.user.apply("shop", "api")
    stage.user.wait_until_ready("shop", "web", "api")


def reaches(stage: Stage) -> None:
    answer = stage.machine.call("shop", "web", "http", "http://api:8080/")
    assert answer["ok"], answer


def address(stage: Stage, service: str) -> str:
    """Of the replica, as the kernel has it in the namespace of its task."""
    shown = Path(f"/proc/{stage.machine.pid('shop', service)}/net/fib_trie").read_text()
    ours = {line.split()[-1] for line in shown.splitlines() if "|-- 10." in line}
    return ",".join(sorted(ours))


def virtual_address(stage: Stage, service: str) -> list[str]:
    answer = stage.machine.call("shop", "web", "resolve", service)
    assert answer["ok"], answer
    return list(answer["addresses"])


def lose_power(stage: Stage) -> None:
    """As the kernel and the disk are after it: nothing runs, no rule stands, /run is empty."""
    os.kill(supervisor(stage), signal.SIGKILL)
    os.kill(control_plane(stage), signal.SIGKILL)
    ids = stage.machine.containers()
    subprocess.run(["docker", "stop", "-t", "0", *ids], check=True, capture_output=True, timeout=60)
    inspected = stage.installation.program(
        "space-cloud", "inspect", "-o", "json", check=True
    ).stdout
    forget_rules(stage)
    shutil.rmtree(run_dir(stage))
    assert f'"{stage.installation.instance}"' in inspected


def forget_rules(stage: Stage) -> None:
    prefix = networking_of(Settings(instance=stage.installation.instance)).chain_prefix
    for program in ("iptables", "ip6tables"):
        saved = subprocess.run(
            [f"{program}-save"], text=True, capture_output=True, check=True, timeout=60
        )
        kept = [line for line in saved.stdout.splitlines() if prefix not in line]
        removed = [line for line in saved.stdout.splitlines() if prefix in line]
        assert removed, kept
        table = ""
        chains: list[tuple[str, str]] = []
        for line in saved.stdout.splitlines():
            table = line[1:] if line.startswith("*") else table
            if line.startswith(f":{prefix}"):
                chains.append((table, line.split()[0][1:]))
            elif line.startswith("-A") and prefix in line and f"-A {prefix}" not in line:
                fields = line.split()
                subprocess.run(
                    [program, "-w", "-t", table, "-D", *fields[1:]], check=True, timeout=60
                )
        for table, chain in chains:
            subprocess.run([program, "-w", "-t", table, "-F", chain], check=True, timeout=60)
        for table, chain in chains:
            subprocess.run([program, "-w", "-t", table, "-X", chain], check=True, timeout=60)
    pool = stage.installation.environment["SPACE_CLOUD_VIP_POOL"]
    subprocess.run(["ip", "route", "del", "unreachable", pool], check=True, timeout=60)


def test_after_a_power_loss_one_command_brings_the_same_services_back(stage: Stage) -> None:
    before = {name: (address(stage, name), virtual_address(stage, name)) for name in ("web", "api")}
    lose_power(stage)
    assert stage.machine.containers() == []

    start(stage)
    stage.user.wait_until_ready("shop", "web", "api", within=60)
    wait_until(lambda: reaches(stage), within=30)

    after = {name: (address(stage, name), virtual_address(stage, name)) for name in ("web", "api")}
    assert after == before
    examined = stage.installation.program("space-cloud", "doctor")
    assert examined.returncode == 0, examined.stdout


def test_two_installations_share_nothing(stage: Stage, other: Stage) -> None:
    for here, there in ((stage, other), (other, stage)):
        reaches(here)
        stranger = address(there, "api").split(",")[0]
        (virtual,) = virtual_address(there, "api")
        for target in (stranger, virtual):
            answer = here.machine.call(
                "shop", "web", "http", f"http://{target}:8080/", "--timeout", "3", timeout=20
            )
            assert not answer["ok"], (target, answer)


def test_one_installation_is_taken_away_and_the_other_does_not_notice(
    stage: Stage, other: Stage
) -> None:
    started = {id: _started(id) for id in stage.machine.containers()}
    log = stage.installation.state_dir / "space-cloud.log"
    said_before = log.stat().st_size

    other.installation.program("space-cloud", "down", check=True)

    assert left(other) == []
    reaches(stage)
    assert {id: _started(id) for id in stage.machine.containers()} == started
    examined = stage.installation.program("space-cloud", "doctor")
    assert examined.returncode == 0, examined.stdout
    assert "repaired" not in log.read_bytes()[said_before:].decode()

    start(other)
    other.user.wait_until_ready("shop", "web", "api")
    wait_until(lambda: reaches(other), within=30)


def _started(container: str) -> str:
    command = ["docker", "inspect", "-f", "{{.State.StartedAt}}", container]
    return subprocess.run(
        command, text=True, capture_output=True, check=True, timeout=60
    ).stdout.strip()
