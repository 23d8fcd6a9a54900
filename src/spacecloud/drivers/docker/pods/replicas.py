"""Make, start, stop and remove the containers of one replica. Every step may run twice."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from spacecloud.drivers.docker import labels, ownership
from spacecloud.drivers.docker.concurrent import together
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import (
    CONFLICT,
    NO_COMMAND,
    NO_INIT,
    NO_LOCAL_IMAGE,
    NOT_FOUND,
    NOT_MODIFIED,
    EngineError,
    meaning,
    row_of,
)
from spacecloud.drivers.docker.images.archive import architecture
from spacecloud.drivers.docker.images.ensure import ensure
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods import containers, observe
from spacecloud.drivers.docker.pods.local_images import LocalImages
from spacecloud.errors import NotFound, SpaceCloudError, Terminal, Transient
from spacecloud.files import FOR_ALL, write_durably
from spacecloud.model.lines import message
from spacecloud.model.secret import SecretFacts
from spacecloud.model.task import Probe, Task
from spacecloud.reasons.images import ImageVanished, OtherArchitecture
from spacecloud.reasons.platform import HostFailed, NameTaken, SecretMissing, SecretNotWritten
from spacecloud.reasons.tasks import NoCommand
from spacecloud.settings import Settings
from spacecloud.workloads.operations import (
    CreateReplica,
    FreezeReplica,
    KillReplica,
    RemoveReplica,
    RestartTask,
    StopReplica,
    ThawReplica,
)

SecretValues = Callable[[str, str, int | None], Awaitable[Mapping[str, str]]]
"""Project, secret id and version to values, unsealed. None: the latest version."""


async def values_of(
    secret_values: SecretValues, project: str, id: str, version: int | None
) -> Mapping[str, str]:
    """``Transient`` where there are none: they may be declared again."""
    try:
        return await secret_values(project, id, version)
    except NotFound as error:
        raise Transient(SecretMissing(project, id, version)) from error


DEFAULT_STOP_SIGNAL = "SIGTERM"

OfReplica = StopReplica | KillReplica | FreezeReplica | ThawReplica | RemoveReplica
"""What is done to one that is there."""


class EngineWithoutInit(Transient):
    """It was asked to start a task with one."""


class Pods:
    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        secret_values: SecretValues,
        owner: Ownership,
        images: LocalImages,
        sandbox_image: str = "",
    ) -> None:
        """``sandbox_image``: its id, where it is known; else it is built when it is needed."""
        self._engine = engine
        self._settings = settings
        self._defaults = containers.PodDefaults(settings.instance, settings.restrict)
        self._secret_values = secret_values
        self._owner = owner
        self._images = images
        self._sandbox_image = sandbox_image
        self._engine_init = True
        """Until the engine says that it has none."""

        self._being_started: set[str] = set()
        """Containers that ``create`` starts, whose event has not come yet."""

    async def create(self, op: CreateReplica) -> None:
        """
        What is missing of it; all tasks start together once their sandbox runs.

        They are made while it starts: that is the longer of the two by far.
        """
        probes = await self._check_images(op)
        values = {secret.id: await self._values(secret) for secret in op.secrets}
        resolv = await asyncio.to_thread(self._resolv_conf, op.ref.project)
        sandbox_id = await self._sandbox(op, resolv)
        made: dict[str, str] = {}

        async def make(task: Task) -> None:
            made[task.id] = await self._task(op, task, sandbox_id, resolv, values)

        making = (make(self._startable(task)) for task in _probed(op, probes))
        self._being_started.add(sandbox_id)
        await together((self._start(sandbox_id, f"pod {op.replica}"), *making))
        self._being_started.update(made.values())
        await together(self.start_task(made[id], f"task {op.replica}/{id}") for id in made)

    def hears_of_own_start(self, container: str) -> bool:
        """Is the event that a container has started one of ``create``? Its end says as much."""
        is_own = container in self._being_started
        self._being_started.discard(container)
        return is_own

    def lose_events(self) -> None:
        """Those of its starts may be among what is not heard."""
        self._being_started.clear()

    async def start_task(self, container: str, what: str) -> None:
        """On an engine without an init it is removed, and the next look makes it without."""
        try:
            await self._start(container, what)
        except EngineWithoutInit:
            self._engine_init = False
            await self._remove(container)
            raise

    async def kill_task(self, container: str) -> None:
        await self._engine.post(
            f"containers/{container}/kill", ok=(NOT_FOUND, CONFLICT), signal="SIGKILL"
        )

    async def restart_task(self, op: RestartTask) -> None:
        grace = op.grace_seconds
        if grace is None:
            grace = int(self._settings.stop_grace_seconds)
        try:
            await self._engine.post(f"containers/{op.container}/restart", t=grace)
        except EngineError as error:
            raise meaning(str(op), error, "start") from error

    async def running(self, op: OfReplica) -> list[str]:
        """Ids of its tasks' containers that run, frozen or not."""
        return [
            c["Id"]
            for c in await self._of(op)
            if c["State"] in ("running", observe.PAUSED) and labels.TASK in ownership.labels_of(c)
        ]

    async def remove(self, op: RemoveReplica) -> None:
        """Tasks before the sandbox whose namespace they are in."""
        found = await self._of(op)
        tasks = [c["Id"] for c in found if labels.TASK in ownership.labels_of(c)]
        await together(self._remove(id) for id in tasks)
        await together(self._remove(c["Id"]) for c in found if c["Id"] not in tasks)

    async def _of(self, op: OfReplica) -> list[dict[str, Any]]:
        slot = op.replica.rpartition("--")[2]
        wanted = [
            *labels.of_service(self._settings.instance, op.ref.key),
            f"{labels.VERSION}={op.ref.version}",
            f"{labels.SLOT}={slot}",
        ]
        listing: list[dict[str, Any]] = await self._engine.get(
            "containers/json", all=True, filters={"label": wanted}
        )
        return [container for container in listing if self._owner.has("replica", container)]

    async def _values(self, secret: SecretFacts) -> Mapping[str, str]:
        """Of the version that the revision names, whatever was written since."""
        return await values_of(self._secret_values, secret.project, secret.id, secret.version)

    async def _check_images(self, op: CreateReplica) -> dict[str, Probe | None]:
        """Task id to the probe that its image brings. One that has gone since is seen later."""
        probes = {}
        for task in op.spec.tasks:
            image = await self._images.by_id(op.images[task.id])
            if image is None:
                raise Transient(ImageVanished(task.docker.image))
            theirs = image.architecture
            if theirs != architecture():
                raise Terminal(OtherArchitecture(task.docker.image, theirs, architecture()))
            probes[task.id] = image.probe
        return probes

    async def _sandbox(self, op: CreateReplica, resolv: str) -> str:
        name = labels.container_name(self._settings.instance, op.ref, op.slot, "")
        network = labels.network_name(self._settings.instance, op.ref.key)
        image = await self._image_of_sandbox()
        body = containers.sandbox(self._defaults, op, image, network, resolv)
        try:
            return await self._made(name, op, body)
        except Transient:
            # Somebody may have removed the image: the next try looks, and builds it.
            self._sandbox_image = ""
            raise

    async def _task(
        self,
        op: CreateReplica,
        task: Task,
        sandbox_id: str,
        resolv: str,
        values: containers.Values,
    ) -> str:
        name = labels.container_name(self._settings.instance, op.ref, op.slot, task.id)
        body = containers.task(self._defaults, op, task, sandbox_id, resolv, values)
        container = await self._made(name, op, body)
        files = containers.files(task, op.secrets, values)
        if files is not None:
            # Into one that was there too: who made it may not have come to this.
            await self._put_files(container, files, task.id)
        return container

    async def _made(self, name: str, op: CreateReplica, body: dict[str, Any]) -> str:
        """The container of that name and revision. Asked for first: mostly there is none yet."""
        try:
            return await self._create(name, body)
        except EngineError as error:
            if error.status != CONFLICT:
                raise create_failure(name, error, op) from None
        same = await self._same(name, op, body)
        if same is not None:
            return same
        try:
            return await self._create(name, body)
        except EngineError as error:
            raise create_failure(name, error, op) from None

    async def _put_files(self, container: str, files: bytes, task: str) -> None:
        try:
            await self._engine.put_archive(container, files)
        except EngineError as error:
            # A task without its secrets must never be started.
            await self._remove(container)
            raise _write_failure(task, error) from error

    async def _same(self, name: str, op: CreateReplica, body: dict[str, Any]) -> str | None:
        """The container of that name when it is of this revision and pod; else it is removed."""
        container = await self._engine.find(f"containers/{name}/json")
        if container is None:
            return None
        its = ownership.labels_of(container)
        if not self._owner.has("replica", container) or labels.read_key(its) != op.ref.key:
            raise Terminal(NameTaken("container", name))
        mode = body["HostConfig"]["NetworkMode"]
        if (
            its.get(labels.REVISION) == op.revision
            and its.get(labels.ADDRESS) == op.address
            and container["HostConfig"]["NetworkMode"] == mode
        ):
            return str(container["Id"])
        await self._remove(container["Id"])
        return None

    async def _create(self, name: str, body: dict[str, Any]) -> str:
        marked = {**body, "Labels": self._owner.marked("replica", name, body["Labels"])}
        made = await self._engine.post("containers/create", marked, name=name)
        return str(made["Id"])

    async def _start(self, container: str, what: str) -> None:
        try:
            await self._engine.post(f"containers/{container}/start", ok=(NOT_MODIFIED,))
        except EngineError as error:
            failure = meaning(f"start {what}", error, "start")
            if row_of("start", error).reason == NO_INIT:
                raise EngineWithoutInit(failure.reason) from error
            raise failure from error

    def _startable(self, task: Task) -> Task:
        """As this engine can start it."""
        if self._engine_init or not task.docker.init:
            return task
        docker = task.docker.model_copy(update={"init": False})
        return task.model_copy(update={"docker": docker})

    async def stop_task(self, container: str) -> None:
        """Ask it to end; nobody waits here."""
        shown = await self._engine.find(f"containers/{container}/json")
        if shown is None:
            return
        signal = shown["Config"].get("StopSignal") or DEFAULT_STOP_SIGNAL
        await self._engine.post(
            f"containers/{container}/kill", ok=(NOT_FOUND, CONFLICT), signal=signal
        )

    async def _remove(self, container: str) -> None:
        """``CONFLICT``: somebody is removing it already."""
        await self._engine.delete(
            f"containers/{container}", ok=(NOT_FOUND, CONFLICT), force=True, v=True
        )

    async def _image_of_sandbox(self) -> str:
        if not self._sandbox_image:
            self._sandbox_image = await ensure(self._engine, "pause")
        return self._sandbox_image

    def _resolv_conf(self, project: str) -> str:
        """Its path on the host. A pod that runs keeps the file that it has mounted."""
        path = self._settings.state_dir / "resolv" / f"{project}.conf"
        wanted = containers.resolv_conf(str(self._settings.pools.dns_vip), project)
        try:
            if not path.exists() or path.read_text("utf-8", "replace") != wanted:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_durably(path, wanted, FOR_ALL)
        except OSError as error:
            raise Transient(HostFailed(f"write {path}", str(error.strerror))) from error
        return str(path)


def create_failure(name: str, error: EngineError, op: CreateReplica) -> SpaceCloudError:
    """The engine's words may repeat what it was sent: not told where that held secrets."""
    row = row_of("create", error)
    if row.reason == NO_COMMAND:
        return Terminal(NoCommand(_image_of(name, op) or name))
    image = _image_of(name, op)
    if row.reason == NO_LOCAL_IMAGE and image is not None:
        return Transient(ImageVanished(image))
    if not op.secrets:
        return meaning(f"create {name}", error, "create")
    text = f"the Docker Engine refuses it (code {error.status})"
    return row.failure(f"create {name}", text)


def _image_of(name: str, op: CreateReplica) -> str | None:
    """Of the task that the container of that name is; None for a sandbox."""
    images = (t.docker.image for t in op.spec.tasks if name.endswith(f"--{t.id}"))
    return next(images, None)


def _write_failure(task: str, error: EngineError) -> SpaceCloudError:
    """The engine names the file, never what is in it."""
    row = row_of("write files", error)
    if row.fix:
        return meaning(f"task {task}: its file secrets cannot be written", error, "write files")
    return row.outcome(SecretNotWritten(task, message(str(error))))


def _probed(op: CreateReplica, probes: Mapping[str, Probe | None]) -> Iterable[Task]:
    """A task that declares no probe has its image's; a job has none, and runs until it is done."""
    for task in op.spec.tasks:
        is_complete = task.probe is not None or task.is_job
        yield task if is_complete else task.model_copy(update={"probe": probes[task.id]})
