"""A whole platform for tests: its own instance, ports and pools beside whatever else runs."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from lanes import lane

BIN = Path(sys.executable).parent
START_SECONDS = 60


@dataclass
class Stage:
    """``number`` keeps several of one run apart: 1 to 9."""

    folder: Path
    number: int
    images: dict[str, str]
    extra: dict[str, str] = field(default_factory=dict)
    server: subprocess.Popen[bytes] | None = None
    token: str = ""
    command: tuple[str, ...] = (sys.executable, "-m", "spacecloud.server", "serve")
    """The control plane; the fault sweep starts it with a hand on its effects."""

    @property
    def _place(self) -> int:
        """1 to 49: unique on this machine."""
        return lane() * 10 + self.number

    @property
    def instance(self) -> str:
        return f"e2e{self._place}"

    @property
    def http_port(self) -> int:
        return 24000 + self._place

    @property
    def mesh_port(self) -> int:
        return 24100 + self._place

    @property
    def dns_port(self) -> int:
        return 24200 + self._place

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state" / self.instance

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("SPACE_CLOUD_")},
            "HOME": str(self.folder),
            "SPACE_CLOUD_DOCKER_HOST": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"),
            "SPACE_CLOUD_URL": self.url,
            "SPACE_CLOUD_INSTANCE": self.instance,
            "SPACE_CLOUD_STATE": str(self.folder / "state"),
            "SPACE_CLOUD_RUN": str(self.folder / "run"),
            "SPACE_CLOUD_HTTP_PORT": str(self.http_port),
            "SPACE_CLOUD_MESH_PORT": str(self.mesh_port),
            "SPACE_CLOUD_DNS_PORT": str(self.dns_port),
            "SPACE_CLOUD_SUBNET_POOL": f"10.{200 + self._place}.0.0/17",
            "SPACE_CLOUD_VIP_POOL": f"10.{200 + self._place}.128.0/17",
            "SPACE_CLOUD_LISTENER_DRAIN_SECONDS": "2",
            "SPACE_CLOUD_DRAIN_SECONDS": "10",
            "SPACE_CLOUD_STOP_GRACE_SECONDS": "5",
            **self.extra,
        }

    # ------------------------------------------------------------------ life

    def launch(self) -> "subprocess.Popen[bytes]":
        """As a supervisor does: without waiting for it."""
        with (self.folder / "serve.log").open("ab") as log:
            self.server = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log
            )
        return self.server

    def start(self) -> None:
        self.launch()
        self.wait_until(self._answers, within=START_SECONDS)
        if not self.token:
            password = (self.state_dir / "admin-password").read_text().strip()
            body = {"user": "admin", "key": password}
            answer = httpx.post(f"{self.url}/v1/config/login", json=body)
            assert answer.status_code == 200, answer.text
            self.token = answer.json()["token"]

    def kill(self) -> None:
        """SIGKILL: nothing of it gets to tidy up."""
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        self.server = None

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(20)
            self.server = None

    def down(self) -> None:
        self.stop()
        self.program("space-cloud", "down", check=True)

    def log(self) -> str:
        return (self.folder / "serve.log").read_text("utf-8", "replace")

    def _answers(self) -> None:
        assert self.server is not None
        if self.server.poll() is not None:
            raise RuntimeError(f"it ended: {self.log()[-3000:]}")
        try:
            answer = httpx.get(f"{self.url}/v1/config/env", timeout=2)
        except httpx.HTTPError as error:
            raise AssertionError(f"{error!r}: {self.log()[-3000:]}") from error
        assert answer.status_code == 200, answer.text

    # ------------------------------------------------------------------ what a user does

    def program(
        self, name: str, *arguments: str, given: str | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BIN / name), *arguments],
            env=self.environment,
            cwd=self.folder,
            input=given,
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def cli(
        self, *arguments: str, given: str | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        return self.program("space-cli", *arguments, given=given, check=check)

    def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.request(method, self.url + path, json=body, headers=headers, timeout=10)

    def apply(self, project: str, service: str, version: str = "v1", **spec: Any) -> int:
        """Generation of what was accepted. Without tasks: the echo service."""
        spec.setdefault("tasks", [self.task(service)])
        answer = self.request("POST", f"/v1/runner/{project}/services/{service}/{version}", spec)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["generation"])

    def task(self, name: str, **given: Any) -> dict[str, Any]:
        """An echo that also speaks TCP, both ways round, and HTTP/2."""
        given = dict(given)
        env = {"NAME": name, "BANNER_PORT": "5001", "ECHO_PORT": "5002", **given.pop("env", {})}
        ports = [
            {"name": "http", "port": 8080, "protocol": "http"},
            {"name": "tcp-banner", "port": 5001, "protocol": "tcp"},
            {"name": "tcp-echo", "port": 5002, "protocol": "tcp"},
        ]
        return {
            "id": "main",
            "docker": {"image": self.images["echo"]},
            "ports": ports,
            "env": env,
            "resources": {"cpu": 100, "memory": 64},
            **given,
        }

    def ingress(self, project: str, id: str, url: str, target: str, **source: Any) -> None:
        body = {
            "source": {"hosts": ["*"], "url": url, "type": "prefix", **source},
            "targets": [{"host": f"{target}.{project}.svc.cluster.local", "port": 8080}],
        }
        answer = self.request("POST", f"/v1/config/projects/{project}/routing/ingress/{id}", body)
        assert answer.status_code == 200, answer.text

    def delete(self, project: str, service: str, version: str = "v1") -> None:
        answer = self.request("DELETE", f"/v1/runner/{project}/services/{service}/{version}")
        assert answer.status_code == 200, answer.text

    def statuses(self, project: str) -> list[dict[str, Any]]:
        answer = self.request("GET", f"/v1/runner/{project}/services/status")
        assert answer.status_code == 200, answer.text
        result: list[dict[str, Any]] = answer.json()["result"]
        return result

    def status(self, project: str, service: str, version: str = "v1") -> dict[str, Any]:
        for status in self.statuses(project):
            if (status["serviceId"], status["version"]) == (service, version):
                return status
        raise AssertionError(f"no status of {project}/{service}@{version}")

    def settle(
        self,
        project: str,
        *services: str,
        version: str = "v1",
        state: str = "ready",
        within: float = 60,
    ) -> list[dict[str, Any]]:
        def check() -> None:
            for service in services:
                status = self.status(project, service, version)
                assert status["observedGeneration"] == status["generation"], status
                assert status["state"] == state, (status["state"], status["message"], status)

        self.wait_until(check, within=within)
        return [self.status(project, service, version) for service in services]

    def gone(self, project: str, *services: str, within: float = 60) -> None:
        def check() -> None:
            left = {s["serviceId"] for s in self.statuses(project)} & set(services)
            assert not left

        self.wait_until(check, within=within)

    def events(self, project: str, service: str) -> list[dict[str, Any]]:
        answer = self.request("GET", f"/v1/config/events?project={project}&service={service}")
        result: list[dict[str, Any]] = answer.json()["result"]
        return result

    # ------------------------------------------------------------------ what the world shows

    def containers(self, *labels: str) -> list[str]:
        """Ids of ours that run; ``labels`` as in ``project=shop``."""
        filters = [f"label=space-cloud.io/{label}" for label in labels]
        command = ["docker", "ps", "-q", "--no-trunc", "-f"]
        command.append(f"label=space-cloud.io/instance={self.instance}")
        for one in filters:
            command += ["-f", one]
        return subprocess.run(command, text=True, capture_output=True, check=True).stdout.split()

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
        """The same, going on while the test does."""
        container = self.task_container(project, service)
        return subprocess.Popen(
            ["docker", "exec", container, "call", *command], text=True, stdout=subprocess.PIPE
        )

    def wait_until(
        self, check: Callable[[], None], *, within: float = 30, every: float = 0.1
    ) -> None:
        deadline = time.monotonic() + within
        while True:
            try:
                check()
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(every)
            else:
                return


def pid_of(container: str) -> int:
    """On the host. Never 0, which to a signal means everybody here."""
    command = ["docker", "inspect", "-f", "{{.State.Pid}}", container]
    pid = int(subprocess.run(command, text=True, capture_output=True, check=True).stdout)
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
    command = ["docker", "version", "-f", "{{.Server.APIVersion}}"]
    shown = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    return tuple(map(int, shown.strip().split("."))) >= (1, 48)


def left_behind(instance: str, interface_prefix: str, chain_prefix: str) -> list[str]:
    """What is still on the machine, told by the machine and not by us."""
    label = f"label=space-cloud.io/instance={instance}"
    commands: Sequence[Sequence[str]] = (
        ("docker", "ps", "-aq", "-f", label),
        ("docker", "network", "ls", "-q", "-f", label),
    )
    found = [line for c in commands for line in _lines(c)]
    for command in (("iptables-save",), ("ip6tables-save",), ("ip", "link")):
        found += [
            line for line in _lines(command) if interface_prefix in line or chain_prefix in line
        ]
    return found


def _lines(command: Sequence[str]) -> list[str]:
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout.splitlines()


@contextlib.contextmanager
def listening_on(port: int, address: str = "0.0.0.0") -> Iterator[socket.socket]:
    """A stranger who has a port already."""
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((address, port))
        stranger.listen()
        yield stranger
