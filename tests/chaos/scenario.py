"""
What a service lives through, in a project of its own; every chapter ends where it is declared.

It is created, then lives through the paths of ``ROUND``, each of which leads back to where it
began, so that they can be told again and again, and is deleted.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from chaos import damage, world
from chaos.plane import PATIENCE_SECONDS, Plane, WrongRequest
from chaos.world import World
from eventually import holds_within
from spacecloud.model.gate_limits import ANSWER_SECONDS

SERVICE, JOB = "web", "job"
RECORD_SCALING = "store - record"
"""How many are wanted, and how deep they sleep."""

WITHDRAW_GATE = "xds WithdrawTraffic remove-listeners"
"""Only where there is a gate: of what may sleep."""

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
        """Calls that met a closed gate, and were told so in time: one that a fault meets may say no."""

    @property
    def url(self) -> str:
        return f"{self._plane.installation.url}/{self.project}"

    def tell(self, chapter: "Chapter") -> None:
        """Returns when the user has been answered, not when it is so."""
        chapter.tell(self)

    def settle(self, chapter: "Chapter", wanted: World | None) -> World:
        """The world when it is as declared by every account; ``wanted``: as it must look."""
        found: World = ()

        def check() -> None:
            nonlocal found
            chapter.is_told(self)
            found = world.of_project(self._plane, self.project, [SERVICE, JOB])
            if wanted is not None:
                assert not (difference := world.difference(wanted, found)), difference

        self._plane.until(check, within=chapter.within)
        return found

    # ------------------------------------------------------------------ where a chapter ends

    def serves(self) -> None:
        self._plane.is_ready(self.project, SERVICE, self._replicas)
        self._is_reached()

    def serves_as_before(self) -> None:
        self._plane.is_rolled_back(self.project, SERVICE, self._replicas)
        self._is_reached()

    def serves_alone(self) -> None:
        assert [s["serviceId"] for s in self._plane.statuses(self.project)] == [SERVICE]
        self.serves()

    def is_frozen(self) -> None:
        self._plane.is_asleep(self.project, SERVICE, "frozen")

    def is_stopped(self) -> None:
        self._plane.is_asleep(self.project, SERVICE, "stopped")

    def is_gone(self) -> None:
        self._has_no_service()
        projects = self._plane.ask("GET", f"/v1/config/projects/{self.project}")
        assert projects.status_code == 404, projects.text

    def _is_reached(self) -> None:
        there = world.addresses(self._plane, self.project)
        assert world.served(self._plane, self.project) == there
        assert len(there) == self._replicas
        self._answers(self.url)
        if self._closed:
            self._answers(f"{self.url}-too")

    def _answers(self, url: str) -> None:
        """From every replica, and what was declared last."""
        for _ in range(2 * self._replicas):
            answer = httpx.get(url, timeout=5)
            assert answer.status_code == 200, answer.text
            assert answer.json()["name"] == f"r{self._revision}", answer.text

    # ------------------------------------------------------------------ the chapters

    def create(self) -> None:
        """A secret, the service, an ingress route."""
        secret = {"type": "file", "rootPath": "/etc/app", "data": {"key": "a secret"}}
        self._declare("POST", f"/v1/runner/{self.project}/secrets/file", secret)
        self._apply()
        self._ingress("web", self.project)

    def roll(self) -> None:
        """Another environment: a new revision, new before old."""
        self._revision += 1
        self._apply()

    def relapse(self) -> None:
        """A revision that ends a second after it listens: the one before it serves in the end."""
        env = {"NAME": "relapse", "DIE_SECONDS": str(RELAPSE_SECONDS)}
        self._apply(env, RELAPSE_CONFIRM_SECONDS)

    def grow(self) -> None:
        self._replicas = 2
        self._apply()

    def policy(self) -> None:
        """Whom it lets in and whom it calls; a second route."""
        self._closed = not self._closed
        self._apply()
        if self._closed:
            self._ingress("too", f"{self.project}-too")
        else:
            self._declare("DELETE", f"{self._routes}/too")

    def mend(self) -> None:
        """Of two replicas one ends and must be started; the other hangs and must be restarted."""
        tasks = sorted(self._tasks())
        assert len(tasks) == 2, tasks
        killed, hanging = tasks
        damage.docker("kill", killed)
        damage.docker("exec", hanging, "call", "http", "http://127.0.0.1:8080/fail")

    def shrink(self) -> None:
        self._replicas = 1
        self._apply()

    def doze(self) -> None:
        """It may sleep, and does not hear a SIGTERM: it has to be killed to be stopped."""
        self._apply({"NAME": f"r{self._revision}", "IGNORE_TERM": "yes"}, scale=SLEEPY)

    def freeze(self) -> None:
        self._fall_asleep("frozen")

    def stop(self) -> None:
        """What is frozen is thawed to be asked to end."""
        self._fall_asleep("stopped")

    def wake(self) -> None:
        self._plane.until(self._wakes)

    def stay_awake(self) -> None:
        """It may not sleep any more."""
        self._apply()

    def _fall_asleep(self, depth: str) -> None:
        path = f"/v1/runner/{self.project}/scaling/{SERVICE}/v1"
        self._declare("POST", path, {"asleep": depth})

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

    def complete(self) -> None:
        """Another service, which is done after a moment."""
        docker = {"image": self._image, "imagePullPolicy": "always", "cmd": ["-c", "pass"]}
        spec = {"tasks": [{"id": "main", "docker": docker, "restart": "never"}]}
        self._declare("POST", f"/v1/runner/{self.project}/services/{JOB}/v1", spec)
        self._plane.until(lambda: self._plane.is_completed(self.project, JOB))
        self._declare("DELETE", f"/v1/runner/{self.project}/services/{JOB}/v1")

    def restart(self) -> None:
        """
        Whom it lets in, of a control plane that just begins: policy is told before anybody knows
        which replicas may serve. The task does not answer its probe for so long.
        """
        tasks, starts = self._tasks(), self._plane.starts
        damage.docker("kill", "-s", "STOP", *tasks)
        try:
            self._plane.restart()
            assert holds_within(lambda: self._plane.starts > starts, 60), "it does not end"
            self.policy()
        finally:
            damage.docker("kill", "-s", "CONT", *tasks)

    def delete(self) -> None:
        self._declare("DELETE", f"/v1/runner/{self.project}/services/{SERVICE}/v1")
        self._declare("DELETE", f"{self._routes}/web")
        if self._closed:
            self._declare("DELETE", f"{self._routes}/too")
        self._plane.until(self._has_no_service)
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


@dataclass(frozen=True, slots=True)
class Chapter:
    name: str
    tell: Callable[[Scenario], None]
    is_told: Callable[[Scenario], None] = Scenario.serves
    warm: bool = False
    """No request may be lost: no fault has met the replicas themselves, and they are awake."""

    leads_back: bool = False
    """Whoever leaves it out is where it would have led."""

    only: frozenset[str] | None = None
    """Operations, or points, that faults meet: the rest of them is as in the others. None: all."""

    within: float = PATIENCE_SECONDS


TRAFFIC = "PublishTraffic"
WAKE = frozenset({"wake", TRAFFIC})

CREATE = Chapter("create", Scenario.create)
DELETE = Chapter("delete", Scenario.delete, Scenario.is_gone)
DOZE = Chapter("doze", Scenario.doze, only=frozenset({TRAFFIC}))
DELETE_DOZING = Chapter(
    "delete dozing", Scenario.delete, Scenario.is_gone, only=frozenset({WITHDRAW_GATE})
)
FREEZE = Chapter(
    "freeze",
    Scenario.freeze,
    Scenario.is_frozen,
    only=frozenset({"FreezeReplica", TRAFFIC, RECORD_SCALING}),
    within=ASLEEP_SECONDS,
)
MEND = Chapter("mend", Scenario.mend, leads_back=True)
ROLL = Chapter("roll", Scenario.roll, warm=True, leads_back=True)

ROUND: tuple[tuple[Chapter, ...], ...] = (
    (ROLL,),
    (Chapter("relapse", Scenario.relapse, Scenario.serves_as_before, leads_back=True),),
    (
        Chapter("grow", Scenario.grow, warm=True),
        Chapter("policy", Scenario.policy, warm=True, leads_back=True),
        MEND,
        Chapter("shrink", Scenario.shrink, warm=True),
    ),
    (
        DOZE,
        FREEZE,
        Chapter(
            "stop",
            Scenario.stop,
            Scenario.is_stopped,
            only=frozenset({"ThawReplica", "StopReplica", "KillReplica", TRAFFIC}),
            within=ASLEEP_SECONDS,
        ),
        Chapter("start", Scenario.wake, only=WAKE),
        FREEZE,
        Chapter("thaw", Scenario.wake, only=WAKE),
        Chapter("stay awake", Scenario.stay_awake, warm=True, only=frozenset()),
    ),
    (
        Chapter(
            "complete",
            Scenario.complete,
            Scenario.serves_alone,
            warm=True,
            leads_back=True,
            only=frozenset({"RecordCompletion"}),
        ),
    ),
    (Chapter("restart", Scenario.restart, leads_back=True, only=frozenset({"PublishPolicy"})),),
)
"""Paths, each of which leads back to where it began."""

WHOLE: tuple[Chapter, ...] = (CREATE, *(chapter for path in ROUND for chapter in path), DELETE)
SHORT: tuple[tuple[Chapter, ...], ...] = ((CREATE, DELETE), (CREATE, DOZE, DELETE_DOZING))
"""The shortest way to each end."""
