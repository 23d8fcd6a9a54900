"""
What a service lives through, in a project of its own; every chapter ends where it is declared.

| chapter | what is declared or done to it                         | replicas after it |
|---------|--------------------------------------------------------|-------------------|
| create  | a secret, the service, an ingress route                | 1                 |
| roll    | another environment: a new revision, new before old    | 1                 |
| relapse | a revision that ends a second after it listens         | 1, the old one    |
| grow    | two replicas                                           | 2                 |
| policy  | whom it lets in and whom it calls; a second route      | 2                 |
| mend    | a task is killed, another one says that it is not well | 2                 |
| shrink  | one replica                                            | 1                 |
| sleep   | it is frozen and then stopped, called, frozen, called  | 1                 |
| complete| another service, which is done after a moment          | 1                 |
| restart | whom it lets in, of a control plane that just begins   | 1                 |
| delete  | all of it                                              | 0                 |

``roll`` to ``restart`` lead back to where they began, so they can be told again and again.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import httpx

from chaos import world
from chaos.plane import Plane, WrongRequest
from chaos.world import World
from eventually import holds_within
from spacecloud.model.gate_limits import ANSWER_SECONDS

Chapter = Literal[
    "create",
    "roll",
    "relapse",
    "grow",
    "policy",
    "mend",
    "shrink",
    "sleep",
    "complete",
    "restart",
    "delete",
]
ROUND: tuple[Chapter, ...] = (
    "roll",
    "relapse",
    "grow",
    "policy",
    "mend",
    "shrink",
    "sleep",
    "complete",
    "restart",
)
CHAPTERS: tuple[Chapter, ...] = ("create", *ROUND, "delete")
WARM: tuple[Chapter, ...] = ("roll", "grow", "policy", "shrink", "complete")
"""In these no request may be lost: nobody has hurt the replicas themselves, and they are awake."""

OPTIONAL: tuple[Chapter, ...] = ("relapse", "mend", "sleep", "complete", "restart")
"""Whoever leaves one out is where it would have led."""

OPERATIONS: Mapping[Chapter, frozenset[str]] = {
    "sleep": frozenset(
        {"FreezeReplica", "ThawReplica", "StopReplica", "KillReplica", "PublishTraffic", "wake"}
    ),
    "complete": frozenset({"RecordCompletion"}),
    "restart": frozenset({"PublishPolicy"}),
}
"""What is hurt there alone: the rest of them is as in the others."""

RECORD_SCALING = "store - record"
"""What ``sleep`` is hurt at, too: how many are wanted, and how deep they sleep."""

SERVICE, JOB = "web", "job"
ASLEEP_SECONDS = 90
"""Five seconds after a wake nothing is laid down, and what is asked to end may take five more."""

SLEEPY: Mapping[str, Any] = {
    "replicas": 1,
    "minReplicas": 0,
    "maxReplicas": 1,
    "sleep": {"freezeAfter": "never", "stopAfter": "never"},
}
COLD_SECONDS = 2 * ANSWER_SECONDS
CONFIRM_SECONDS, RELAPSE_CONFIRM_SECONDS, RELAPSE_SECONDS = 0.5, 10, 1
PROBE = {
    "type": "http",
    "path": "/health",
    "intervalSeconds": 1,
    "failures": 1,
    "timeoutSeconds": 5,
    # A control plane that was killed takes a young task that is not well for one that still starts,
    # and gives it that long.
    "graceSeconds": 15,
}


class Scenario:
    def __init__(self, plane: Plane, project: str, image: str) -> None:
        self.project = project
        self._plane = plane
        self._image = image
        self._revision = 0
        self._replicas = 1
        self._closed = False
        self.refused: list[str] = []
        """Calls that met a closed gate, and were told so in time: who is hurt may say no."""

    @property
    def url(self) -> str:
        return f"{self._plane.installation.url}/{self.project}"

    def tell(self, chapter: Chapter) -> None:
        """Returns when the user has been answered, not when it is so."""
        chapters: dict[Chapter, Callable[[], None]] = {
            "create": self._create,
            "roll": self._roll,
            "relapse": self._relapse,
            "grow": self._grow,
            "policy": self._policy,
            "mend": self._mend,
            "shrink": self._shrink,
            "sleep": self._sleep,
            "complete": self._complete,
            "restart": self._restart,
            "delete": self._delete,
        }
        chapters[chapter]()

    def settle(self, chapter: Chapter, wanted: World | None) -> World:
        """The world when it is as declared by every account; ``wanted``: as it must look."""
        found: World = ()

        def check() -> None:
            nonlocal found
            self._is_told(chapter)
            found = world.of_project(self._plane, self.project, [SERVICE, JOB])
            if wanted is not None:
                assert not (difference := world.difference(wanted, found)), difference

        self._plane.until(check)
        return found

    def _is_told(self, chapter: Chapter) -> None:
        if chapter == "delete":
            assert self._plane.statuses(self.project) == []
            projects = self._plane.ask("GET", f"/v1/config/projects/{self.project}")
            assert projects.status_code == 404, projects.text
            return
        if chapter == "complete":
            assert JOB not in {s["serviceId"] for s in self._plane.statuses(self.project)}
        if chapter == "relapse":
            self._plane.is_rolled_back(self.project, SERVICE, self._replicas)
        else:
            self._plane.is_ready(self.project, SERVICE, self._replicas)
        there = world.addresses(self._plane, self.project)
        assert world.served(self._plane, self.project) == there
        assert len(there) == self._replicas
        self._answers(self.url)
        if self._closed:
            self._answers(f"{self.url}-too")

    def _answers(self, url: str) -> None:
        """From every replica, and what was declared last."""
        for _ in range(2 * self._replicas):
            try:
                answer = httpx.get(url, timeout=5)
            except httpx.HTTPError as error:
                raise AssertionError(f"{url}: {error!r}") from error
            assert answer.status_code == 200, answer.text
            assert answer.json()["name"] == f"r{self._revision}", answer.text

    # ------------------------------------------------------------------ the chapters

    def _create(self) -> None:
        secret = {"type": "file", "rootPath": "/etc/app", "data": {"key": "a secret"}}
        self._declare("POST", f"/v1/runner/{self.project}/secrets/file", secret)
        self._apply()
        self._ingress("web", self.project)

    def _roll(self) -> None:
        self._revision += 1
        self._apply()

    def _relapse(self) -> None:
        """What serves in the end is what was declared before."""
        env = {"NAME": "relapse", "DIE_SECONDS": str(RELAPSE_SECONDS)}
        self._apply(env, RELAPSE_CONFIRM_SECONDS)

    def _grow(self) -> None:
        self._replicas = 2
        self._apply()

    def _policy(self) -> None:
        self._closed = not self._closed
        self._apply()
        if self._closed:
            self._ingress("too", f"{self.project}-too")
        else:
            self._declare("DELETE", f"{self._routes}/too")

    def _mend(self) -> None:
        """Of two replicas one ends and must be started; the other hangs and must be restarted."""
        killed, *_ = tasks = sorted(self._tasks())
        _docker("kill", killed)
        _docker("exec", tasks[1], "call", "http", "http://127.0.0.1:8080/fail")

    def _shrink(self) -> None:
        self._replicas = 1
        self._apply()

    def _sleep(self) -> None:
        """It does not hear a SIGTERM, so that it has to be killed to be stopped."""
        self._apply({"NAME": f"r{self._revision}", "IGNORE_TERM": "yes"}, scale=SLEEPY)
        self._plane.until(lambda: self._is_told("sleep"))
        self._fall_asleep("frozen")
        self._fall_asleep("stopped")
        self._plane.until(self._wakes)
        self._fall_asleep("frozen")
        self._plane.until(self._wakes)
        self._apply()

    def _fall_asleep(self, depth: str) -> None:
        path = f"/v1/runner/{self.project}/scaling/{SERVICE}/v1"
        self._declare("POST", path, {"asleep": depth})
        self._plane.until(
            lambda: self._plane.is_asleep(self.project, SERVICE, depth), within=ASLEEP_SECONDS
        )

    def _wakes(self) -> None:
        """
        A call that comes when nobody is there to wake it, or cannot, is refused, and in time. All
        others are answered.
        """
        began = time.monotonic()
        try:
            answer = httpx.get(self.url, timeout=COLD_SECONDS)
        except httpx.HTTPError as error:
            took = time.monotonic() - began
            raise WrongRequest(f"a call of what sleeps, after {took:.0f} s: {error!r}") from error
        if answer.status_code == 503:
            self.refused.append(answer.text)
            raise AssertionError(answer.text)
        if answer.status_code != 200 or answer.json()["name"] != f"r{self._revision}":
            raise WrongRequest(f"a call of what sleeps: {answer.status_code} {answer.text}")

    def _complete(self) -> None:
        docker = {"image": self._image, "imagePullPolicy": "always", "cmd": ["-c", "pass"]}
        spec = {"tasks": [{"id": "main", "docker": docker, "restart": "never"}]}
        self._declare("POST", f"/v1/runner/{self.project}/services/{JOB}/v1", spec)
        self._plane.until(lambda: self._plane.is_completed(self.project, JOB))
        self._declare("DELETE", f"/v1/runner/{self.project}/services/{JOB}/v1")

    def _restart(self) -> None:
        """
        Policy is told before anybody knows which replicas may serve: the task does not answer its
        probe for so long.
        """
        tasks, starts = self._tasks(), self._plane.starts
        _docker("kill", "-s", "STOP", *tasks)
        try:
            self._plane.restart()
            assert holds_within(lambda: self._plane.starts > starts, 60), "it does not end"
            self._policy()
        finally:
            _docker("kill", "-s", "CONT", *tasks)

    def _delete(self) -> None:
        self._declare("DELETE", f"/v1/runner/{self.project}/services/{SERVICE}/v1")
        self._declare("DELETE", f"{self._routes}/web")
        if self._closed:
            self._declare("DELETE", f"{self._routes}/too")
        self._plane.until(lambda: self._has_no_service())
        self._declare("DELETE", f"/v1/runner/{self.project}/secrets/file")
        self._declare("DELETE", f"/v1/config/projects/{self.project}")

    def _has_no_service(self) -> None:
        assert self._plane.statuses(self.project) == []

    @property
    def _routes(self) -> str:
        return f"/v1/config/projects/{self.project}/routing/ingress"

    def _apply(
        self,
        env: dict[str, str] | None = None,
        confirm_seconds: float = CONFIRM_SECONDS,
        scale: Mapping[str, Any] | None = None,
    ) -> None:
        task = self._plane.user.task(
            SERVICE,
            env=env or {"NAME": f"r{self._revision}"},
            secrets=["file"],
            docker={"image": self._image, "imagePullPolicy": "always"},
            probe=PROBE,
        )
        spec: dict[str, Any] = {
            "tasks": [task],
            "rollout": {"confirmSeconds": confirm_seconds},
            "scale": scale
            or {
                "replicas": self._replicas,
                "minReplicas": self._replicas,
                "maxReplicas": self._replicas,
            },
        }
        if self._closed:
            spec |= {"whitelists": [], "upstreams": []}
        self._declare("POST", f"/v1/runner/{self.project}/services/{SERVICE}/v1", spec)

    def _ingress(self, id: str, path: str) -> None:
        body = {
            "source": {"hosts": ["*"], "url": f"/{path}", "type": "prefix", "rewrite": "/"},
            "targets": [{"host": f"{SERVICE}.{self.project}.svc.cluster.local", "port": 8080}],
        }
        self._declare("POST", f"{self._routes}/{id}", body)

    def _declare(self, method: str, path: str, body: Any = None) -> None:
        self._plane.declare(method, path, body)

    def _tasks(self) -> list[str]:
        return self._plane.machine.containers(f"project={self.project}", "task")


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], text=True, capture_output=True, check=True, timeout=60)
