"""What the machine shows of an installation: told by the engine and the kernel, not by us."""

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from e2e.installation import Installation
from eventually import next_line
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.settings import Settings

COMMAND_SECONDS = 30
BRIDGE = re.compile("sc[0-9a-f]{3}-|br-")
"""Of a service, whosever it is, and of any other network of an engine."""


@dataclass
class Machine:
    installation: Installation

    def containers(self, *labels: str) -> list[str]:
        """Ids of ours that run; ``labels`` as in ``project=shop``."""
        wanted = [f"instance={self.installation.instance}", *labels]
        filters = [word for one in wanted for word in ("-f", f"label=space-cloud.io/{one}")]
        return output("docker", "ps", "-q", "--no-trunc", *filters).split()

    def task_container(
        self, project: str, service: str, task: str = "main", version: str = "v1"
    ) -> str:
        found = self.containers(
            f"project={project}", f"service={service}", f"task={task}", f"version={version}"
        )
        assert found, f"no container of {project}/{service}/{task}"
        return found[0]

    def pid(self, project: str, service: str) -> int:
        """Of a task, on the host."""
        return pid_of(self.task_container(project, service))

    def call(
        self, project: str, service: str, *command: str, timeout: float = 30
    ) -> dict[str, Any]:
        """From inside a task: the answer of ``call`` (see tests/apps/echo/call.py)."""
        container = self.task_container(project, service)
        return in_container(container, "call", *command, timeout=timeout)

    def calling(self, project: str, service: str, *command: str) -> "subprocess.Popen[str]":
        """The same for what holds a connection, which it does when this returns; ``end`` tells."""
        container = self.task_container(project, service)
        process = subprocess.Popen(
            ["docker", "exec", container, "call", *command],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert next_line(process, process.stderr) == "holding\n"
        return process

    def left_behind(self) -> list[str]:
        """What is there of this installation; nothing once it was taken away."""
        instance = self.installation.instance
        networking = networking_of(Settings(instance=instance))
        label = f"label=space-cloud.io/instance={instance}"
        found = output("docker", "ps", "-aq", "-f", label).splitlines()
        found += output("docker", "network", "ls", "-q", "-f", label).splitlines()
        marks = (networking.interface_prefix, networking.chain_prefix)
        for command in (("iptables-save",), ("ip6tables-save",), ("ip", "link")):
            lines = output(*command).splitlines()
            found += [line for line in lines if any(mark in line for mark in marks)]
        return found


def host_addresses() -> list[str]:
    """Of links that stay: the bridges of other tests' services may go at any moment."""
    links = json.loads(output("ip", "-json", "-4", "address", "show", "scope", "global"))
    return [
        its["local"]
        for link in links
        if not BRIDGE.match(link["ifname"])
        for its in link["addr_info"]
    ][:4]


def end(process: "subprocess.Popen[str]", within: float) -> dict[str, Any]:
    """The answer of a ``calling`` that ends by itself."""
    with process:
        output, _ = process.communicate(timeout=within)
    answer: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return answer


def output(*command: str) -> str:
    return subprocess.run(
        command, text=True, capture_output=True, check=True, timeout=COMMAND_SECONDS
    ).stdout


def pid_of(container: str) -> int:
    """On the host. Never 0, which to a signal means everybody here."""
    pid = int(output("docker", "inspect", "-f", "{{.State.Pid}}", container))
    assert pid > 0, f"{container} does not run"
    return pid


def in_container(container: str, *command: str, timeout: float = 30) -> dict[str, Any]:
    done = subprocess.run(
        ["docker", "exec", container, *command], text=True, capture_output=True, timeout=timeout
    )
    assert done.stdout.strip(), done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def engine_is_silent() -> bool:
    """
    Since release 28 (API 1.48) the engine itself drops what is dialled past a network's edge.

    It does so in the raw table, before any rule of ours: a caller waits instead of being refused.
    """
    shown = output("docker", "version", "-f", "{{.Server.APIVersion}}")
    return tuple(map(int, shown.strip().split("."))) >= (1, 48)


@contextlib.contextmanager
def listening_on(port: int, address: str = "0.0.0.0") -> Iterator[socket.socket]:
    """A stranger who has a port already."""
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((address, port))
        stranger.listen()
        yield stranger
