"""An installation for this run of the bench alone, in its lane; removed at the end."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import httpx

from bench import images
from bench.caller import resolve
from bench.engine import SOCKET, Images, call
from bench.lane import lane
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.settings import Settings

BIN = Path(sys.executable).parent
PROJECT = "bench"
SERVE = (sys.executable, "-m", "spacecloud.server", "serve")

START_SECONDS = 60.0
PR_SET_PDEATHSIG = 1


class NotStarted(Exception):
    """The text is the log's end."""


class Instance:
    def __init__(self, folder: Path, server: Images) -> None:
        self.folder = folder
        self.lane = lane()
        self.url = f"http://127.0.0.1:{self.lane.http_port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.api = httpx.Client(base_url=self.url, timeout=60)
        self._images = server
        self._log = folder / "serve.log"
        settings = Settings(instance=self.lane.name, vip_pool=IPv4Network(self.lane.vip_pool))
        self._dns_vip = str(settings.pools.dns_vip)
        self.chain_prefix = networking_of(settings).chain_prefix

    @property
    def state_dir(self) -> Path:
        return self.folder / "state" / self.lane.name

    @property
    def admin_socket(self) -> Path:
        return self.folder / "run" / self.lane.name / "gateway" / "admin.sock"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("SPACE_CLOUD_")},
            "HOME": str(self.folder),
            "SPACE_CLOUD_URL": self.url,
            "SPACE_CLOUD_DOCKER_HOST": f"unix://{SOCKET}",
            "SPACE_CLOUD_INSTANCE": self.lane.name,
            "SPACE_CLOUD_STATE": str(self.folder / "state"),
            "SPACE_CLOUD_RUN": str(self.folder / "run"),
            "SPACE_CLOUD_HTTP_PORT": str(self.lane.http_port),
            "SPACE_CLOUD_MESH_PORT": str(self.lane.http_port + 1),
            "SPACE_CLOUD_DNS_PORT": str(self.lane.http_port + 2),
            "SPACE_CLOUD_METRICS_PORT": str(self.lane.http_port + 3),
            "SPACE_CLOUD_SUBNET_POOL": self.lane.subnet_pool,
            "SPACE_CLOUD_SUBNET_PREFIX": "27",
            "SPACE_CLOUD_VIP_POOL": self.lane.vip_pool,
            "SPACE_CLOUD_DRAIN_SECONDS": "1",
            "SPACE_CLOUD_STOP_GRACE_SECONDS": "1",
        }

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        self._start(*SERVE)

    def start_supervised(self) -> None:
        """Started again whenever it ends, as ``space-cloud start`` has it."""
        lock = self.folder / "run" / self.lane.name / "supervisor.lock"
        self._start(
            sys.executable, "-m", "spacecloud.supervisor", str(lock), str(self._log), *SERVE
        )

    def _start(self, *command: str) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=log,
                # Ctrl-C is ours to answer: it is needed until all is removed.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        wait_until(self.answers, within=START_SECONDS, every=0.01)
        if "authorization" not in self.api.headers:
            self._log_in()

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process = None

    def down(self) -> None:
        self.stop()
        self.api.close()
        self.remove()

    def remove(self) -> None:
        """What this run made, or one before it that was killed."""
        # From a session of its own: an impatient Ctrl-C must not end the tidying up.
        subprocess.run(
            [str(BIN / "space-cloud"), "down"],
            env=self.environment,
            check=True,
            capture_output=True,
            start_new_session=True,
            timeout=60,
        )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def names(self, service: str, project: str = PROJECT) -> Callable[[], str | None]:
        """What the platform's resolver answers now; to be asked by a caller."""
        name = f"{service}.{project}.svc.cluster.local"
        return lambda: resolve(name, self._dns_vip)

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise NotStarted(self.log()[-2000:])
        try:
            return self.api.get("/v1/config/env", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def _log_in(self) -> None:
        password = (self.state_dir / "admin-password").read_text().strip()
        answer = self.api.post("/v1/config/login", json={"user": "admin", "key": password})
        answer.raise_for_status()
        self.api.headers["authorization"] = f"Bearer {answer.json()['token']}"

    # ------------------------------------------------------------------ what is asked of it

    def apply(self, service: str, *, project: str = PROJECT, **given: Any) -> int:
        """
        The generation. ``given``: of the service; without tasks it is the server's. It is
        confirmed as soon as it serves: what is measured is how long that takes.
        """
        given.setdefault("tasks", [self.task()])
        given.setdefault("rollout", {"confirmSeconds": 0})
        answer = self.api.post(f"/v1/runner/{project}/services/{service}/v1", json=given)
        answer.raise_for_status()
        return int(answer.json()["generation"])

    def task(self, answer: str = "a") -> dict[str, Any]:
        return {
            "id": "main",
            "docker": {"image": self._images.server, "cmd": images.command(answer)},
            "ports": [
                {"name": "http", "port": images.HTTP_PORT, "protocol": "http"},
                {"name": "tcp", "port": images.TCP_PORT, "protocol": "tcp"},
            ],
            # A whole core's weight, which is what the bare script's containers have too.
            "resources": {"cpu": 1000, "memory": 64},
        }

    def slow_task(self) -> dict[str, Any]:
        """Of a program that answers after ``?ms=``, and speaks first on its port of TCP."""
        return {**self.task(), "docker": {"image": self._images.slow}}

    def statuses(self, project: str = PROJECT) -> list[dict[str, Any]]:
        answer = self.api.get(f"/v1/runner/{project}/services/status")
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["result"]
        return found

    def settle(self, *services: str, project: str = PROJECT, within: float = 60) -> None:
        """Until these are ready, as last declared."""

        def settled() -> bool:
            states = {
                s["serviceId"]: s["state"]
                for s in self.statuses(project)
                if s["observedGeneration"] == s["generation"]
            }
            return all(states.get(service) == "ready" for service in services)

        wait_until(settled, within=within)

    def delete(self, *services: str, project: str = PROJECT, within: float = 60) -> None:
        """And wait until nothing of them is left, so that they disturb nobody."""
        for service in services:
            self.api.delete(f"/v1/runner/{project}/services/{service}/v1").raise_for_status()

        def gone() -> bool:
            return not {s["serviceId"] for s in self.statuses(project)} & set(services)

        wait_until(gone, within=within)

    def containers(self, **labels: str) -> list[dict[str, Any]]:
        """Those that do not run too."""
        found: list[dict[str, Any]] = call("GET", "/containers/json?all=1")
        wanted = {"space-cloud.io/instance": self.lane.name}
        wanted |= {f"space-cloud.io/{name}": value for name, value in labels.items()}
        return [c for c in found if wanted.items() <= (c["Labels"] or {}).items()]

    def task_pid(self, service: str) -> int:
        """Of the process that its first task is."""
        (found, *_) = self.containers(service=service, task="main")
        return int(call("GET", f"/containers/{found['Id']}/json")["State"]["Pid"])

    def confine_gateway(self, cores: set[int]) -> None:
        """Started anew on these cores: it has a worker for each that it may run on."""
        container = f"/containers/space-cloud-{self.lane.name}-gateway"
        call("POST", f"{container}/update", {"CpusetCpus": ",".join(map(str, sorted(cores)))})
        call("POST", f"{container}/restart?t=1")
        wait_until(self.answers, within=START_SECONDS)

    def gateway_pid(self) -> int:
        state = call("GET", f"/containers/space-cloud-{self.lane.name}-gateway/json")["State"]
        return int(state["Pid"])


def _end_with_parent() -> None:
    """Even if the bench is killed: nobody else would end it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def instance(server: Images) -> Iterator[Instance]:
    folder = Path(tempfile.mkdtemp(prefix="space-cloud-bench-"))
    folder.chmod(0o755)
    opened = Instance(folder, server)
    try:
        opened.remove()
        opened.start()
        yield opened
    finally:
        # A second Ctrl-C would leave networks and rules behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                opened.down()
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            signal.signal(signal.SIGINT, before)


def wait_until(check: Callable[[], bool], *, within: float, every: float = 0.05) -> None:
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {within:g} s: {check.__qualname__}")
        time.sleep(every)
