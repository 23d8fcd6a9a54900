"""The Docker driver's Workloads: services as networks and containers of one engine."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Never

from spacecloud.broadcast import Broadcast
from spacecloud.drivers.docker import labels, logs, ownership
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError, meaning
from spacecloud.drivers.docker.fair_semaphore import FairSemaphore
from spacecloud.drivers.docker.images.pull_queue import PullQueue
from spacecloud.drivers.docker.images.pulls import Pulls
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods import cgroups, observe
from spacecloud.drivers.docker.pods.cgroups import Process
from spacecloud.drivers.docker.pods.freezer import Freezer
from spacecloud.drivers.docker.pods.last_looks import LastLooks
from spacecloud.drivers.docker.pods.local_images import LocalImages
from spacecloud.drivers.docker.pods.networks import Networks
from spacecloud.drivers.docker.pods.observe import Container
from spacecloud.drivers.docker.pods.reclaim import Reclaim
from spacecloud.drivers.docker.pods.replicas import Pods, SecretValues
from spacecloud.drivers.docker.pods.sleepers import Sleepers
from spacecloud.drivers.docker.probes.prober import Prober
from spacecloud.drivers.driver import WOKEN_SECONDS, Hint, LogRequest
from spacecloud.errors import NotFound, SpaceCloudError, Transient
from spacecloud.model.image import parse_image
from spacecloud.model.json import Json
from spacecloud.model.load import MachineMemory, Usage
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.status import PullView
from spacecloud.model.wake import Resumed
from spacecloud.reasons.platform import ControlPlaneStarting, EngineFailed
from spacecloud.settings import Settings
from spacecloud.workloads.observed import Health, ObservedPull, ObservedWorkloads
from spacecloud.workloads.operations import (
    CancelPull,
    CreateNetwork,
    CreateReplica,
    FreezeReplica,
    KillReplica,
    PullImage,
    RemoveNetwork,
    RemoveReplica,
    RestartTask,
    StartTask,
    StopReplica,
    ThawReplica,
    WorkloadOp,
    key_of,
)

logger = logging.getLogger(__name__)

TELLING_EVENTS = ["start", "die", "destroy", "oom", "pause", "unpause", "kill"]
MOST_HINTS = 10_000
MOST_LOOKS, MOST_OPERATIONS, OF_A_SERVICE, SLOW_SECONDS = 8, 16, 8, 1.0
"""
Looks and operations at once: the engine is everybody's. What takes longer than so many seconds
counts against its own service alone.
"""

MOST_INSPECTIONS = 8
"""Of containers at once, in one look."""

RECONNECT_SECONDS = 0.5
RECLAIM_AFTER_SECONDS = 5.0


class DockerWorkloads:
    """Fulfils ``drivers.driver.Workloads`` while ``run`` is open."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        networking: Networking,
        secret_values: SecretValues,
        now: Callable[[], datetime],
        woken_seconds: float = WOKEN_SECONDS,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._secret_values = secret_values
        self._owner = Ownership.of(settings)
        self._reported_strangers: set[str] = set()
        self._networks = Networks(self._engine, networking, self._owner)
        self._images = LocalImages(self._engine)
        self._pods = Pods(self._engine, settings, secret_values, self._owner, self._images)
        self._pulls = Pulls(self._engine, settings.pull_seconds)
        self._pull_queue = PullQueue(self._pulls, self._pull_ended, now)
        self._group: asyncio.TaskGroup | None = None
        self._prober = Prober(self._engine, self._health_changed, now)
        self.sleepers = Sleepers(
            self._engine,
            self._pods,
            self._prober,
            self._look,
            settings.stop_grace_seconds,
            woken_seconds,
        )
        self._last_looks = LastLooks()
        self._services: dict[str, ServiceKey] = {}
        self._processes: dict[ServiceKey, tuple[Process, ...]] = {}
        self._volumes: dict[str, tuple[str, ...]] = {}
        self._hints: Broadcast[Hint] = Broadcast(MOST_HINTS)
        self.looks = FairSemaphore[ServiceKey](MOST_LOOKS, OF_A_SERVICE, SLOW_SECONDS)
        self.operations = FairSemaphore[ServiceKey](MOST_OPERATIONS, OF_A_SERVICE, SLOW_SECONDS)

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Listen to the engine and ask the tasks, for as long as the block is open."""
        async with asyncio.TaskGroup() as tasks:
            watches = [
                tasks.create_task(self._prober.run(), name="probes"),
                tasks.create_task(self._listen(), name="engine-events"),
                tasks.create_task(self._run_pulls(), name="pulls"),
            ]
            await asyncio.sleep(0)
            try:
                yield
            finally:
                await self.sleepers.hand_over()
            for loop in watches:
                loop.cancel()

    async def _run_pulls(self) -> None:
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()

    async def observe(self, key: ServiceKey) -> ObservedWorkloads:
        last = self._last_looks.take(key)
        if last is not None:
            return self._seen(key, last.subnet, last.containers)
        async with self.looks.slot(key):
            return await self._look(key)

    async def _look(self, key: ServiceKey) -> ObservedWorkloads:
        filters = {"label": labels.of_service(self._settings.instance, key)}
        turn, began = self.sleepers.turn(key), time.monotonic()
        changes = self._last_looks.changes(key)
        try:
            listing = await self._engine.get("containers/json", all=True, filters=filters)
            ours = [item for item in listing if self._owner.has("replica", item)]
            subnet = observe.subnet(ours, labels.network_name(self._settings.instance, key))
            if subnet is None:
                subnet = await self._networks.subnet(key)
            containers = await self._inspect([item["Id"] for item in ours])
        except EngineError as error:
            raise meaning(f"look at {key}", error) from error
        self._note_processes(key, containers)
        seen = self._seen(key, subnet, containers)
        self.sleepers.note(key, seen.replicas, containers, turn, began)
        self._last_looks.note(key, changes, subnet, containers)
        return seen

    def _seen(
        self, key: ServiceKey, subnet: str | None, containers: Sequence[Container]
    ) -> ObservedWorkloads:
        """With what is known now of its health."""
        return observe.workloads(key, subnet, containers, self._health(key, containers))

    async def observe_all(self) -> Mapping[ServiceKey, ObservedWorkloads]:
        filters = {"label": labels.of_instance(self._settings.instance)}
        try:
            subnets = await self._networks.all()
            listing = await self._engine.get("containers/json", all=True, filters=filters)
        except EngineError as error:
            raise meaning("look at everything", error) from error
        by_service: dict[ServiceKey, list[Container]] = {key: [] for key in subnets}
        self._owner.forget_all_but(listing)
        self._tell_strangers(listing)
        frozen = self.sleepers.frozen()
        for item in listing:
            container = self._listed(item)
            if container is not None:
                if container.run.container in frozen:
                    container = _frozen(container)
                by_service.setdefault(container.tag.ref.key, []).append(container)
        return {
            key: observe.workloads(key, subnets.get(key), containers, {})
            for key, containers in by_service.items()
        }

    async def images(self, references: Iterable[str]) -> Mapping[str, str | None]:
        found: dict[str, str | None] = {}
        for reference in references:
            if not _is_reference(reference):
                # Of an earlier release, which took any text; the pull that follows says why not.
                found[reference] = None
                continue
            try:
                image = await self._images.find(reference)
            except EngineError as error:
                raise meaning(f"look for image {reference}", error) from error
            found[reference] = None if image is None else image.id
            self._volumes.pop(reference, None)
            if image is not None and image.volumes:
                self._volumes |= {reference: image.volumes, image.id: image.volumes}
        return found

    def volumes(self) -> Mapping[str, tuple[str, ...]]:
        return self._volumes

    async def usage(self, key: ServiceKey) -> Mapping[str, Usage]:
        return await asyncio.to_thread(cgroups.usage, self._processes.get(key, ()))

    def machine_memory(self) -> MachineMemory:
        return cgroups.machine_memory()

    async def execute(self, op: WorkloadOp) -> None:
        key = key_of(op)
        try:
            async with self.operations.slot(key):
                self._last_looks.changed(key)
                await self._execute(op)
        except EngineError as error:
            raise meaning(str(op), error) from error
        finally:
            self._last_looks.changed(key)

    async def wake(self, ref: ServiceRef) -> Resumed:
        self._last_looks.changed(ref.key)
        try:
            return await self.sleepers.wake(ref)
        finally:
            self._last_looks.changed(ref.key)

    def hints(self) -> AsyncGenerator[Hint]:
        return self._hints.subscribe()

    async def logs(self, request: LogRequest) -> AsyncGenerator[bytes]:
        container = await self._container(request.project, request.replica, request.task)
        async for line in logs.lines(
            self._engine,
            container,
            follow=request.follow,
            tail=request.tail,
            since=request.since,
        ):
            yield line

    async def last_lines(self, project: str, replica: str, task: str, count: int) -> list[str]:
        try:
            container = await self._container(project, replica, task)
            return await logs.last_lines(self._engine, container, count)
        except (SpaceCloudError, EngineError) as error:
            logger.debug("no last lines of %s/%s: %s", replica, task, error)
            return []

    def progress(self) -> Mapping[str, PullView]:
        return self._pulls.running()

    def pulls(self, key: ServiceKey) -> tuple[ObservedPull, ...]:
        return self._pull_queue.of(key)

    async def _execute(self, op: WorkloadOp) -> None:
        match op:
            case CreateNetwork():
                await self._networks.create(op.key, op.subnet)
            case RemoveNetwork():
                await self._networks.remove(op.key)
            case PullImage() | CancelPull():
                await self._pull(op)
            case CreateReplica():
                await self._pods.create(op)
            case StartTask():
                await self._pods.start_task(op.container, f"task {op.replica}/{op.task}")
            case RestartTask():
                await self._pods.restart_task(op)
            case StopReplica() | KillReplica() | FreezeReplica() | ThawReplica():
                await self.sleepers.execute(op)
                if isinstance(op, FreezeReplica) and self._settings.reclaim_frozen:
                    self._begin_reclaim(op)
            case RemoveReplica():
                await self._pods.remove(op)

    def _begin_reclaim(self, op: FreezeReplica) -> None:
        """Behind the freeze: a wake waits for none of it."""
        its = [p for p in self._processes.get(op.ref.key, ()) if p.replica == op.replica]
        if self._group is not None and its:
            self._group.create_task(_reclaim(its), name=f"reclaim memory of {op.replica}")

    async def _pull(self, op: PullImage | CancelPull) -> None:
        if isinstance(op, CancelPull):
            self._pull_queue.cancel(op.pull)
            return
        if self._group is None:
            raise Transient(ControlPlaneStarting("nothing is pulled"))
        credentials = (
            await self._secret_values(op.ref.project, op.secret, None) if op.secret else None
        )
        self._pull_queue.start(self._group, op, credentials)

    async def _inspect(self, ids: list[str]) -> list[Container]:
        found: dict[str, Container] = {}
        inspections = asyncio.Semaphore(MOST_INSPECTIONS)

        async def one(id: str) -> None:
            async with inspections:
                item = await self._engine.find(f"containers/{id}/json")
            container = _readable(observe.inspected, item) if item is not None else None
            if container is not None:
                found[id] = _as_frozen(container)

        if len(ids) == 1:
            await one(ids[0])
        elif ids:
            failed: list[BaseException] = []
            try:
                async with asyncio.TaskGroup() as tasks:
                    for id in ids:
                        tasks.create_task(one(id))
            except* (EngineError, Transient) as group:
                failed.extend(group.exceptions)
            # Not within `except*`: Python before 3.11.4 wraps what is raised there in a group.
            match failed:
                case [EngineError() as error, *_]:
                    raise meaning("inspect a container", error) from error
                case [error, *_]:
                    raise error
        return [found[id] for id in ids if id in found]

    def _health(self, key: ServiceKey, containers: Sequence[Container]) -> dict[str, Health]:
        targets = [container.target for container in containers]
        running = {target.container for target in targets if target is not None}
        gone = {c for c in self._prober.watched() if self._services.get(c) == key} - running
        self._prober.forget(gone)
        for container in gone:
            self._services.pop(container, None)
        self._services.update(dict.fromkeys(running, key))
        frozen = {c.run.container for c in containers if c.run.frozen}
        return self._prober.health((t for t in targets if t is not None), frozen)

    def _note_processes(self, key: ServiceKey, containers: list[Container]) -> None:
        """Of tasks: a sandbox does nothing."""
        running = tuple(
            Process(c.tag.replica, c.run.container, c.pid)
            for c in containers
            if c.tag.task and c.run.state == "running" and c.pid
        )
        if running:
            self._processes[key] = running
        else:
            self._processes.pop(key, None)

    def _pull_ended(self, key: ServiceKey) -> None:
        self._hints.send(Hint(key, "pull"))

    def _health_changed(self, container: str) -> None:
        key = self._services.get(container)
        if key is not None:
            self._last_looks.judged(key)
            self._hints.send(Hint(key, "health"))

    async def _listen(self) -> Never:
        filters = {
            "type": ["container"],
            "event": TELLING_EVENTS,
            "label": [f"{labels.INSTANCE}={self._settings.instance}"],
        }
        while True:
            try:
                async with self._engine.stream("GET", "events", filters=filters) as events:
                    self._last_looks.hear_events()
                    self._hints.send(Hint(None, "the engine's events are heard from now on"))
                    async for event in events:
                        self._hear(event)
                self.sleepers.engine_gone()
            except (Transient, EngineError) as error:
                logger.warning("the engine's events are not heard: %s", error)
                self.sleepers.engine_gone()
            self._last_looks.lose_events()
            self._pods.lose_events()
            await asyncio.sleep(RECONNECT_SECONDS)

    def _hear(self, event: Json) -> None:
        """Of a stranger nothing: one that is started again and again asks for no looks."""
        container = ownership.as_listed(event)
        if self._owner.has("replica", container):
            tag = labels.read(ownership.labels_of(container))
            id = ownership.id_of(container)
            match event.get("Action"):
                case "start" if self._pods.hears_of_own_start(id):
                    return
                case "die":
                    self.sleepers.ended(id)
                case "kill":
                    self.sleepers.signalled(id)
                case _:
                    pass
            if tag is not None:
                self._last_looks.changed(tag.ref.key)
            self._hints.send(Hint(tag.ref.key if tag is not None else None, "engine"))
        elif self._owner.has("part", container):
            self._hints.send(Hint(None, f"{' '.join(ownership.names_of(container))} changed"))

    def _listed(self, item: Json) -> Container | None:
        """None where it is not ours."""
        return _readable(observe.listed, item) if self._owner.has("replica", item) else None

    def _tell_strangers(self, listing: Iterable[Json]) -> None:
        """Once each, for as long as they are there."""
        found = {
            ownership.id_of(item): " ".join(ownership.names_of(item))
            for item in listing
            if not self._owner.has_container(item)
        }
        for id in sorted(found.keys() - self._reported_strangers):
            logger.warning(
                "container %s (%s) has labels of this instance and was not made by it: left alone",
                found[id],
                id[:12],
            )
        self._reported_strangers = set(found)

    async def _container(self, project: str, replica: str, task: str) -> str:
        filters = {
            "label": [
                f"{labels.INSTANCE}={self._settings.instance}",
                f"{labels.PROJECT}={project}",
                labels.TASK,
            ]
        }
        try:
            listing = await self._engine.get("containers/json", all=True, filters=filters)
        except EngineError as error:
            raise meaning(f"look for {replica}", error) from error
        containers = [c for item in listing if (c := self._listed(item)) is not None]
        pod = [c for c in containers if c.tag.replica == replica]
        if not pod:
            raise NotFound(f"there is no replica {replica} in project {project}")
        wanted = task or pod[0].tag.expected_tasks[0]
        for container in pod:
            if container.tag.task == wanted:
                return container.run.container
        raise NotFound(
            f"replica {replica} has no task {wanted}: it has {', '.join(pod[0].tag.expected_tasks)}"
        )


async def _reclaim(processes: Iterable[Process]) -> None:
    """Nothing of what is thawed again in the first seconds, as something slipped past its gate."""
    await asyncio.sleep(RECLAIM_AFTER_SECONDS)
    for process in processes:
        given = await asyncio.to_thread(Reclaim(process.container, process.pid).run)
        logger.debug("%s gave %d bytes back", process.replica, given)


def _as_frozen(container: Container) -> Container:
    """The engine may take one that the kernel holds for one that runs."""
    run = container.run
    if not container.tag.task or run.state != "running" or run.frozen or not container.pid:
        return container
    is_frozen = Freezer(run.container, container.pid).state() == "frozen"
    return _frozen(container) if is_frozen else container


def _frozen(container: Container) -> Container:
    return replace(container, run=replace(container.run, frozen=container.run.state == "running"))


def _readable(read: Callable[[Json], Container | None], item: Json) -> Container | None:
    """One of ours that the engine tells nothing sensible of is not one that is missing."""
    try:
        return read(dict(item))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        id = ownership.id_of(item)[:12]
        words = "it is in no known form"
        raise Transient(EngineFailed(f"read what is shown of container {id}", words)) from error


def _is_reference(text: str) -> bool:
    try:
        parse_image(text)
    except ValueError:
        return False
    return True
