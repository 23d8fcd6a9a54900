"""The Docker driver's Workloads: services as networks and containers of one engine."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import datetime

from spacecloud.broadcast import Broadcast
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError, meaning
from spacecloud.drivers.docker.fair_semaphore import FairSemaphore
from spacecloud.drivers.docker.images.pull_queue import PullQueue
from spacecloud.drivers.docker.images.pulls import Pulls
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods import observe
from spacecloud.drivers.docker.pods.engine_events import EngineEvents
from spacecloud.drivers.docker.pods.inspect import frozen, inspect, listed
from spacecloud.drivers.docker.pods.last_looks import LastLooks
from spacecloud.drivers.docker.pods.local_images import LocalImages
from spacecloud.drivers.docker.pods.networks import Networks
from spacecloud.drivers.docker.pods.observe import Container
from spacecloud.drivers.docker.pods.replicas import Pods, SecretValues, values_of
from spacecloud.drivers.docker.pods.resources import CgroupResources
from spacecloud.drivers.docker.pods.sleep_and_wake import SleepAndWake
from spacecloud.drivers.docker.pods.strangers import Strangers
from spacecloud.drivers.docker.pods.task_logs import TaskLogs
from spacecloud.drivers.docker.probes.prober import Prober
from spacecloud.drivers.driver import WOKEN_SECONDS, Hint
from spacecloud.errors import Transient
from spacecloud.model.image import parse_image
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.status import PullView
from spacecloud.model.wake import Resumed
from spacecloud.reasons.platform import ControlPlaneStarting
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

MOST_HINTS = 10_000
MOST_LOOKS, MOST_OPERATIONS, OF_A_SERVICE, SLOW_SECONDS = 8, 16, 8, 1.0
"""
Looks and operations at once: the engine is everybody's. What takes longer than so many seconds
counts against its own service alone.
"""


class DockerWorkloads:
    """Fulfils ``Workloads`` and ``Images`` while ``run`` is open."""

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
        self._strangers = Strangers(self._owner)
        self._networks = Networks(self._engine, networking, self._owner)
        self._images = LocalImages(self._engine)
        self._pods = Pods(self._engine, settings, secret_values, self._owner, self._images)
        self._pulls = Pulls(self._engine, settings.pull_seconds)
        self._pull_queue = PullQueue(self._pulls, self._pull_ended, now)
        self._group: asyncio.TaskGroup | None = None
        self._prober = Prober(self._engine, self._health_changed, now)
        self.sleep_and_wake = SleepAndWake(
            self._engine,
            self._pods,
            self._prober,
            self._look,
            settings.stop_grace_seconds,
            woken_seconds,
        )
        self.resources = CgroupResources()
        self.logs = TaskLogs(self._engine, settings.instance, self._owner)
        self._last_looks = LastLooks()
        self._services: dict[str, ServiceKey] = {}
        self._volumes: dict[str, tuple[str, ...]] = {}
        self._hints: Broadcast[Hint] = Broadcast(MOST_HINTS)
        self._events = EngineEvents(
            self._engine,
            settings.instance,
            self._owner,
            self._pods,
            self.sleep_and_wake,
            self._last_looks,
            self._hints,
        )
        self.looks = FairSemaphore[ServiceKey](MOST_LOOKS, OF_A_SERVICE, SLOW_SECONDS)
        self.operations = FairSemaphore[ServiceKey](MOST_OPERATIONS, OF_A_SERVICE, SLOW_SECONDS)

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Listen to the engine and ask the tasks, for as long as the block is open."""
        async with asyncio.TaskGroup() as tasks:
            watches = [
                tasks.create_task(self._prober.run(), name="probes"),
                tasks.create_task(self._events.listen(), name="engine-events"),
                tasks.create_task(self._run_pulls(), name="pulls"),
            ]
            await asyncio.sleep(0)
            try:
                yield
            finally:
                await self.sleep_and_wake.hand_over()
            for loop in watches:
                loop.cancel()

    async def _run_pulls(self) -> None:
        with closing(self.resources):
            async with asyncio.TaskGroup() as self._group:
                await asyncio.Event().wait()

    async def observe(self, key: ServiceKey) -> ObservedWorkloads:
        last = self._last_looks.take(key)
        if last is not None:
            return self._seen(key, last.subnet, last.containers)
        async with self.looks.permit(key):
            return await self._look(key)

    async def _look(self, key: ServiceKey) -> ObservedWorkloads:
        filters = {"label": labels.of_service(self._settings.instance, key)}
        turn, began = self.sleep_and_wake.turn(key), time.monotonic()
        changes = self._last_looks.changes(key)
        try:
            listing = await self._engine.get("containers/json", all=True, filters=filters)
            ours = [item for item in listing if self._owner.has("replica", item)]
            subnet = observe.subnet(ours, labels.network_name(self._settings.instance, key))
            if subnet is None:
                subnet = await self._networks.subnet(key)
            containers = await inspect(self._engine, [item["Id"] for item in ours])
        except EngineError as error:
            raise meaning(f"look at {key}", error) from error
        self.resources.note(key, containers)
        seen = self._seen(key, subnet, containers)
        self.sleep_and_wake.note(key, seen.replicas, containers, turn, began)
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
        self._strangers.tell(listing)
        laid_down = self.sleep_and_wake.frozen()
        for item in listing:
            container = listed(item, self._owner)
            if container is not None:
                if container.run.container in laid_down:
                    container = frozen(container)
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

    async def execute(self, op: WorkloadOp) -> None:
        key = key_of(op)
        try:
            async with self.operations.permit(key):
                self._last_looks.changed(key)
                await self._execute(op)
        except EngineError as error:
            raise meaning(str(op), error) from error
        finally:
            self._last_looks.changed(key)

    async def wake(self, ref: ServiceRef) -> Resumed:
        self._last_looks.changed(ref.key)
        try:
            return await self.sleep_and_wake.wake(ref)
        finally:
            self._last_looks.changed(ref.key)

    def hints(self) -> AsyncGenerator[Hint]:
        return self._hints.subscribe()

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
                await self.sleep_and_wake.execute(op)
                if isinstance(op, FreezeReplica):
                    self._begin_reclaim(op)
            case RemoveReplica():
                await self._pods.remove(op)

    def _begin_reclaim(self, op: FreezeReplica) -> None:
        if self._settings.reclaim_frozen and self._group is not None:
            self.resources.begin_reclaim(self._group, op.ref.key, op.replica)

    async def _pull(self, op: PullImage | CancelPull) -> None:
        if isinstance(op, CancelPull):
            self._pull_queue.cancel(op.pull)
            return
        if self._group is None:
            raise Transient(ControlPlaneStarting("nothing is pulled"))
        credentials = (
            await values_of(self._secret_values, op.ref.project, op.secret, None)
            if op.secret
            else None
        )
        self._pull_queue.start(self._group, op, credentials)

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

    def _pull_ended(self, key: ServiceKey) -> None:
        self._hints.send(Hint(key, "pull"))

    def _health_changed(self, container: str) -> None:
        key = self._services.get(container)
        if key is not None:
            self._last_looks.judged(key)
            self._hints.send(Hint(key, "health"))


def _is_reference(text: str) -> bool:
    try:
        parse_image(text)
    except ValueError:
        return False
    return True
