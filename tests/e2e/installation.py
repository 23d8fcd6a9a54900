"""A whole platform for tests: its own instance, ports and pools beside whatever else runs."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from eventually import wait_until
from lanes import lane, pools, taken_networks
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.settings import Settings

BIN = Path(sys.executable).parent
START_SECONDS = 60
STOP_SECONDS = 20
COMMAND_SECONDS = 120


@dataclass
class Installation:
    """``number`` keeps several of one run apart: 1 to 9."""

    folder: Path
    number: int
    extra: dict[str, str] = field(default_factory=dict)
    server: subprocess.Popen[bytes] | None = None
    command: tuple[str, ...] = (sys.executable, "-m", "spacecloud.server", "serve")
    """The control plane; the fault sweep starts it with a hand on its effects."""

    programs: Path = BIN
    """Where the two commands are."""

    @property
    def _place(self) -> int:
        """1 to 89: unique on this machine."""
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
    def metrics_port(self) -> int:
        return 24300 + self._place

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state" / self.instance

    @property
    def run_dir(self) -> Path:
        return self.folder / "run" / self.instance

    @property
    def password(self) -> str:
        return (self.state_dir / "admin-password").read_text().strip()

    @cached_property
    def pools(self) -> tuple[IPv4Network, IPv4Network]:
        """For subnets and for virtual addresses, the same for as long as it lives."""
        networking = networking_of(Settings(instance=self.instance))
        taken = taken_networks(networking.interface_prefix, networking.route_protocol)
        return pools(self._place, taken)

    @property
    def environment(self) -> dict[str, str]:
        subnets, addresses = self.pools
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
            "SPACE_CLOUD_METRICS_PORT": str(self.metrics_port),
            "SPACE_CLOUD_SUBNET_POOL": str(subnets),
            "SPACE_CLOUD_VIP_POOL": str(addresses),
            "SPACE_CLOUD_LISTENER_DRAIN_SECONDS": "2",
            "SPACE_CLOUD_DRAIN_SECONDS": "10",
            "SPACE_CLOUD_STOP_GRACE_SECONDS": "5",
            **self.extra,
        }

    def launch(self) -> "subprocess.Popen[bytes]":
        """As a supervisor does: without waiting for it."""
        with (self.folder / "serve.log").open("ab") as log:
            self.server = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log
            )
        return self.server

    def start(self) -> None:
        self.launch()
        wait_until(self._answers, within=START_SECONDS)

    def kill(self) -> None:
        """SIGKILL: nothing of it gets to tidy up."""
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait(STOP_SECONDS)
        self.server = None

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(STOP_SECONDS)
            self.server = None

    def down(self) -> None:
        self.stop()
        self.program("space-cloud", "down", check=True)

    def log(self) -> str:
        return (self.folder / "serve.log").read_text("utf-8", "replace")

    def metric(self, name: str) -> float:
        """As Prometheus is told of it; of one without labels."""
        told = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5).text
        families = text_string_to_metric_families(told)
        (value,) = [s.value for f in families for s in f.samples if s.name == name]
        return value

    def program(
        self, name: str, *arguments: str, given: str | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """One of the two commands, as they are installed."""
        done = subprocess.run(
            [str(self.programs / name), *arguments],
            env=self.environment,
            cwd=self.folder,
            input=given,
            text=True,
            capture_output=True,
            timeout=COMMAND_SECONDS,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def _answers(self) -> None:
        assert self.server is not None
        if self.server.poll() is not None:
            raise RuntimeError(f"it ended: {self.log()[-3000:]}")
        try:
            answer = httpx.get(f"{self.url}/v1/config/env", timeout=2)
        except httpx.HTTPError as error:
            raise AssertionError(f"{error!r}: {self.log()[-3000:]}") from error
        assert answer.status_code == 200, answer.text
