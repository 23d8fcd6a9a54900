"""What somebody does to the machine behind the platform's back: by hand, by a tool, by chance."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Literal

from chaos.plane import Plane
from eventually import holds_within
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.factory import networking_of

Part = Literal["gateway", "resolver"]
PROGRAMS = ("iptables", "ip6tables")


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def part(plane: Plane, name: Part) -> str:
    return labels.part_name(plane.settings.instance, name)


def containers(plane: Plane, project: str, *more: str) -> list[str]:
    """Names of those that run."""
    wanted = [f"instance={plane.installation.instance}", f"project={project}", *more]
    filters = [word for one in wanted for word in ("-f", f"label={labels.PREFIX}{one}")]
    return sorted(docker("ps", *filters, "--format", "{{.Names}}").split())


def kill_process(container: str) -> float:
    """SIGKILL to the process itself, as the kernel does when memory is short; when it was dead."""
    process = int(docker("inspect", "-f", "{{.State.Pid}}", container))
    assert process, f"{container} does not run"
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    gone = holds_within(lambda: not Path(f"/proc/{process}/root").exists(), 20, every=0.001)
    assert gone, f"{container} does not die"
    return time.monotonic()


def flush_rules(plane: Plane) -> None:
    """Ours alone, in both families: what ``iptables -F`` and a firewall's reload leave."""
    prefix = networking_of(plane.settings).chain_prefix
    for program in PROGRAMS:
        table, lines, chains = "", list[str](), list[str]()
        text: list[str] = []
        for line in _run(f"{program}-save").splitlines():
            if line.startswith("*"):
                table, lines, chains = line[1:], [], []
            elif line.startswith(f":{prefix}"):
                chains.append(line.split()[0][1:])
            elif line.startswith("-A") and f"-j {prefix}" in line:
                lines.append(f"-D {line.removeprefix('-A ')}")
            elif line == "COMMIT" and (lines or chains):
                lines += [f"-F {chain}" for chain in chains] + [f"-X {chain}" for chain in chains]
                text += [f"*{table}", *lines, "COMMIT"]
        assert text, f"there are no {program} rules to flush"
        _restore(program, text)


ABOVE = ("INPUT", "DOCKER-USER")
"""Where a rule above ours would open the host, and other services' replicas, to every pod."""


def insert_rule_above(plane: Plane) -> None:
    lines = [f"-I {chain} 1 {_by_hand(plane)}" for chain in ABOVE]
    _restore("iptables", ["*filter", *lines, "COMMIT"])


def remove_rule_above(plane: Plane) -> None:
    """It is not ours, so the platform leaves it where it has become harmless."""
    lines = [f"-D {chain} {_by_hand(plane)}" for chain in ABOVE]
    _restore("iptables", ["*filter", *lines, "COMMIT"])


def _by_hand(plane: Plane) -> str:
    """It names our bridges: those of other instances are not to be opened."""
    return f"-i {networking_of(plane.settings).interface_prefix}+ -m comment --comment by-hand -j ACCEPT"


def remove_route(plane: Plane) -> None:
    _run(
        "ip",
        "route",
        "del",
        "unreachable",
        plane.installation.environment["SPACE_CLOUD_VIP_POOL"],
    )


def _restore(program: str, lines: list[str]) -> None:
    subprocess.run(
        [f"{program}-restore", "--noflush", "--wait", "5"],
        input="\n".join([*lines, ""]),
        text=True,
        check=True,
        capture_output=True,
        timeout=60,
    )


def _run(*command: str) -> str:
    return subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout
