"""What a user does with an installation: through its API, and with ``space-cli``."""

import subprocess
from dataclasses import dataclass
from typing import Any

import httpx

from e2e.installation import Installation
from eventually import wait_until

REQUEST_SECONDS = 10
SETTLED_SECONDS = 60


@dataclass
class User:
    installation: Installation
    images: dict[str, str]
    """Of the tests, name to reference in the engine."""

    _token: str = ""

    @property
    def token(self) -> str:
        """Of the administrator, who logs in when it is asked for first."""
        if not self._token:
            self.log_in()
        return self._token

    def log_in(self) -> None:
        body = {"user": "admin", "key": self.installation.password}
        answer = httpx.post(f"{self.installation.url}/v1/config/login", json=body)
        assert answer.status_code == 200, answer.text
        self._token = str(answer.json()["token"])

    def cli(
        self, *arguments: str, given: str | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        return self.installation.program("space-cli", *arguments, given=given, check=check)

    def request(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        url = self.installation.url + path
        return httpx.request(method, url, json=body, headers=headers, timeout=REQUEST_SECONDS)

    def apply(self, project: str, service: str, version: str = "v1", **spec: Any) -> int:
        """
        Generation of what was accepted. Without tasks: the echo service. Confirmed as soon as it
        serves, unless a test is about that.
        """
        spec.setdefault("tasks", [self.task(service)])
        spec.setdefault("rollout", {"confirmSeconds": 0})
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

    def gateway_of(self, project: str, service: str) -> str:
        """The first address of its network."""
        address: str = self.status(project, service)["replicas"][0]["address"]
        head, _, last = address.rpartition(".")
        return f"{head}.{int(last) // 128 * 128 + 1}"

    def wait_until_ready(
        self, project: str, *services: str, version: str = "v1", within: float = SETTLED_SECONDS
    ) -> None:
        """In the generation that was declared last."""

        def check() -> None:
            for service in services:
                is_in_state("ready", self.status(project, service, version))

        wait_until(check, within=within)

    def wait_until_failed(
        self, project: str, service: str, *, within: float = SETTLED_SECONDS
    ) -> str:
        """What its status says of it."""
        wait_until(lambda: is_in_state("failed", self.status(project, service)), within=within)
        return str(self.status(project, service)["message"])

    def wait_until_gone(
        self, project: str, *services: str, within: float = SETTLED_SECONDS
    ) -> None:
        def check() -> None:
            left = {s["serviceId"] for s in self.statuses(project)} & set(services)
            assert not left

        wait_until(check, within=within)

    def events(self, project: str, service: str) -> list[dict[str, Any]]:
        answer = self.request("GET", f"/v1/config/events?project={project}&service={service}")
        result: list[dict[str, Any]] = answer.json()["result"]
        return result


def is_in_state(state: str, status: dict[str, Any]) -> None:
    assert status["observedGeneration"] == status["generation"], status
    assert status["state"] == state, (status["state"], status["message"], status)
