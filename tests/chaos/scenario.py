"""
What a service lives through, in a project of its own; every chapter ends where it is declared.

| chapter | what is declared or done to it                         | replicas after it |
|---------|--------------------------------------------------------|-------------------|
| create  | a secret, the services, an ingress route               | 1                 |
| roll    | another environment: a new revision, new before old    | 1                 |
| relapse | a revision that ends a second after it listens         | 1, the old one    |
| grow    | two replicas                                           | 2                 |
| policy  | whom it lets in and whom it calls; a second route      | 2                 |
| mend    | a task is killed, another one says that it is not well | 2                 |
| shrink  | one replica                                            | 1                 |
| freeze  | the second service is to sleep, frozen                 | 1                 |
| stop    | the second service is to sleep, stopped                | 1                 |
| wake    | the second service is woken                            | 1                 |
| delete  | all of it                                              | 0                 |

Replicas are those of the first service; of the second one, which nobody calls, there is always one.
``roll`` to ``wake`` lead back to where they began, so they can be told again and again.
"""

import subprocess
from collections.abc import Callable
from typing import Any, Literal

import httpx

from chaos import world
from chaos.plane import Plane
from chaos.world import World

Chapter = Literal[
    "create",
    "roll",
    "relapse",
    "grow",
    "policy",
    "mend",
    "shrink",
    "freeze",
    "stop",
    "wake",
    "delete",
]
ROUND: tuple[Chapter, ...] = (
    "roll",
    "relapse",
    "grow",
    "policy",
    "mend",
    "shrink",
    "freeze",
    "stop",
    "wake",
)
CHAPTERS: tuple[Chapter, ...] = ("create", *ROUND, "delete")
WARM: tuple[Chapter, ...] = ("roll", "grow", "policy", "shrink")
"""In these no request may be lost: nobody has hurt the replicas themselves."""

SERVICE, SLEEPER = "web", "sleeper"
ASLEEP: dict[Chapter, str] = {"freeze": "frozen", "stop": "stopped"}
NOT_BY_ITSELF = {"freezeAfter": 86_400, "stopAfter": 86_400}
CONFIRM_SECONDS, RELAPSE_CONFIRM_SECONDS, RELAPSE_SECONDS = 0.5, 10, 1
PROBE = {
    "type": "http",
    "path": "/health",
    "intervalSeconds": 1,
    "failures": 1,
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
            "freeze": lambda: self._sleep("frozen"),
            "stop": lambda: self._sleep("stopped"),
            "wake": lambda: self._sleep(None),
            "delete": self._delete,
        }
        chapters[chapter]()

    def settle(self, chapter: Chapter, wanted: World | None) -> World:
        """The world when it is as declared by every account; ``wanted``: as it must look."""
        found: World = ()

        def check() -> None:
            nonlocal found
            self._is_told(chapter)
            found = world.of_project(self._plane, self.project, [SERVICE, SLEEPER])
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
        if chapter == "relapse":
            self._plane.is_rolled_back(self.project, SERVICE, self._replicas)
        else:
            self._plane.is_ready(self.project, SERVICE, self._replicas)
        if chapter in ASLEEP:
            self._plane.is_asleep(self.project, SLEEPER, ASLEEP[chapter])
        else:
            self._plane.is_ready(self.project, SLEEPER, 1)
        there = world.addresses(self._plane, self.project)
        assert world.served(self._plane, self.project) == there
        assert len(there) == self._replicas + 1
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
        self._apply_sleeper()
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

    def _sleep(self, depth: str | None) -> None:
        path = f"/v1/runner/{self.project}/scaling/{SLEEPER}/v1"
        self._declare("POST", path, {"asleep": depth})

    def _delete(self) -> None:
        for service in (SERVICE, SLEEPER):
            self._declare("DELETE", f"/v1/runner/{self.project}/services/{service}/v1")
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
        self, env: dict[str, str] | None = None, confirm_seconds: float = CONFIRM_SECONDS
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
            "scale": {
                "replicas": self._replicas,
                "minReplicas": self._replicas,
                "maxReplicas": self._replicas,
            },
        }
        if self._closed:
            spec |= {"whitelists": [], "upstreams": []}
        self._declare("POST", f"/v1/runner/{self.project}/services/{SERVICE}/v1", spec)

    def _apply_sleeper(self) -> None:
        spec = {
            "tasks": [self._plane.user.task(SLEEPER, docker={"image": self._image})],
            "rollout": {"confirmSeconds": CONFIRM_SECONDS},
            "autoScale": {"minReplicas": 0, "sleep": NOT_BY_ITSELF},
        }
        self._declare("POST", f"/v1/runner/{self.project}/services/{SLEEPER}/v1", spec)

    def _ingress(self, id: str, path: str) -> None:
        body = {
            "source": {"hosts": ["*"], "url": f"/{path}", "type": "prefix", "rewrite": "/"},
            "targets": [{"host": f"{SERVICE}.{self.project}.svc.cluster.local", "port": 8080}],
        }
        self._declare("POST", f"{self._routes}/{id}", body)

    def _declare(self, method: str, path: str, body: Any = None) -> None:
        self._plane.declare(method, path, body)

    def _tasks(self) -> list[str]:
        its = (f"project={self.project}", f"service={SERVICE}", "task")
        return self._plane.machine.containers(*its)


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], text=True, capture_output=True, check=True, timeout=60)
