"""
The control plane as it is, with a hand on every effect that it has on the world.

    CHAOS_BOARD=folder python -m chaos.launcher serve

Nothing of the product knows of this: public functions that do things are replaced from outside by
ones that do the same and, where a fault is armed, fail. A hang is one of the thing that is
asked, not of the adapter: the adapter's own time limit is what ends it.
"""

import asyncio
import functools
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from chaos.faults import HOST, Fault, Injector, engine_call
from spacecloud import server
from spacecloud.drivers.docker import engine, factory, logs, process
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.host import dns, firewall, host
from spacecloud.drivers.docker.images import ensure
from spacecloud.drivers.docker.pods.freezer import Freezer
from spacecloud.drivers.docker.pods.workloads import DockerWorkloads
from spacecloud.drivers.docker.xds import ads
from spacecloud.drivers.docker.xds.stream import Stream
from spacecloud.errors import Transient, Unavailable
from spacecloud.model.refs import PLATFORM_PROJECT, ServiceKey, ServiceRef
from spacecloud.reasons.platform import GatewayUnavailable, HostFailed
from spacecloud.reconcile import services
from spacecloud.reconcile.services import ServiceReconciler
from spacecloud.store.database import Database

CALL_SECONDS, SLOW_CALL_SECONDS, COMMAND_SECONDS, STORE_SECONDS = 4.0, 8.0, 3, 2.0
FOREVER_SECONDS = 3600
T = TypeVar("T")

board = Path(os.environ["CHAOS_BOARD"])
injector = Injector(board)
project: ContextVar[str] = ContextVar("project", default=HOST)
operation: ContextVar[str] = ContextVar("operation", default="-")
owner_of_push: ContextVar[ServiceKey | None] = ContextVar("owner", default=None)


async def around(
    point: str,
    of: str,
    effect: Callable[[], Awaitable[Any]],
    fail: Callable[[], Exception],
    hang: Callable[[], Awaitable[Any]],
    late: Callable[[], Awaitable[Any]] | None = None,
) -> Any:
    """``hang``: instead of the effect. ``late``: after it; None where it is the same."""
    fault: Fault | None = injector.at(of, point)
    if fault == "kill-before":
        die()
    if fault == "fail":
        raise fail()
    if fault == "hang":
        return await hang()
    answer = await effect()
    if fault == "kill-after":
        die()
    if fault == "late":
        await (late or hang)()
    return answer


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(FOREVER_SECONDS)


async def for_ever() -> None:
    """Whoever asked has a time limit."""
    await asyncio.sleep(FOREVER_SECONDS)


async def fails_slowly(error: Exception) -> None:
    await asyncio.sleep(STORE_SECONDS)
    raise error


@contextmanager
def known(what: ContextVar[T], value: T) -> Iterator[None]:
    token = what.set(value)
    try:
        yield
    finally:
        what.reset(token)


# ---------------------------------------------------------------------- who is at what


def reconciling(
    look: Callable[[ServiceReconciler, ServiceKey], Awaitable[Any]],
) -> Callable[[ServiceReconciler, ServiceKey], Awaitable[Any]]:
    @functools.wraps(look)
    async def of_project(self: ServiceReconciler, key: ServiceKey) -> Any:
        with known(project, key.project):
            return await look(self, key)

    return of_project


def executing(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Each operation of a plan, in the words of ``workloads/operations.py``."""

    @functools.wraps(execute)
    async def of_operation(plan: Any, begin: Callable[[Any], Any], seconds: float) -> Any:
        def named(step: Any) -> Any:
            name = type(step.op).__name__
            injector.carries_out(project.get(), name)
            # What is begun here runs in a task of its own, which takes this context with it.
            with known(operation, name):
                return begin(step)

        return await execute(plan, named, seconds)

    return of_operation


def waking(wake: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """No operation of a plan: it goes straight to the driver."""

    @functools.wraps(wake)
    async def of_call(self: DockerWorkloads, ref: ServiceRef) -> T:
        with known(project, ref.project), known(operation, "wake"):
            return await wake(self, ref)

    return of_call


# ---------------------------------------------------------------------- the effects


def connecting(connect: Callable[..., Any]) -> Callable[[str], Any]:
    return lambda url: connect(url, engine_calls)


async def engine_calls(
    request: aiohttp.ClientRequest, call: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    path = re.sub(r"^/v[0-9.]+/", "/", request.url.path)
    name = engine_call(request.method, path, dict(request.url.query))
    answer: aiohttp.ClientResponse = await around(
        f"engine {operation.get()} {name}",
        project.get(),
        lambda: call(request),
        lambda: EngineError(500, "this fault was asked for"),
        for_ever,
    )
    return answer


def rule_changes(run: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    @functools.wraps(run)
    async def faulty(*command: str, given: str | None = None) -> str:
        shown = " ".join(word for word in command[:4] if not word[:1].isdigit())
        answer: str = await around(
            f"rules {operation.get()} {shown}",
            HOST,
            lambda: run(*command, given=given),
            lambda: Transient(HostFailed(command[0], "this fault was asked for")),
            lambda: run("sleep", str(FOREVER_SECONDS)),
        )
        return answer

    return faulty


def bringing(bring: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(bring)
    async def faulty(self: Stream, kind: Any, wanted: Mapping[str, Any]) -> None:
        if all(self.held[kind].get(name) == m.version for name, m in wanted.items()):
            return await bring(self, kind, wanted)
        return await push(f"bring-{kind}", lambda: bring(self, kind, wanted))

    return faulty


def removing(remove: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(remove)
    async def faulty(self: Stream, kind: Any, names: Any) -> None:
        gone = tuple(names)
        if not gone:
            return await remove(self, kind, gone)
        return await push(f"remove-{kind}", lambda: remove(self, kind, gone))

    return faulty


async def push(what: str, effect: Callable[[], Awaitable[None]]) -> None:
    owner = owner_of_push.get()
    platform = owner is None or owner.project == PLATFORM_PROJECT
    await around(
        f"xds {operation.get()} {what}" + (f" {owner.service}" if platform and owner else ""),
        HOST if platform or owner is None else owner.project,
        effect,
        lambda: Transient(GatewayUnavailable("this fault was asked for")),
        for_ever,
    )


def owned(apply: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(apply)
    async def of_owner(self: ads.Ads, owner: ServiceKey, wanted: Any) -> None:
        with known(owner_of_push, owner):
            await apply(self, owner, wanted)

    return of_owner


def store_writes(write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A transaction that fails or hangs never began; one that is late is durable."""

    @functools.wraps(write)
    async def faulty(self: Database, work: Callable[[Any], Any]) -> Any:
        given = work.keywords if isinstance(work, functools.partial) else {}
        function = work.func if isinstance(work, functools.partial) else work
        name = getattr(function, "__name__", "check")
        return await around(
            f"store {operation.get()} {name}",
            project.get() or project_of(given),
            lambda: write(self, work),
            lambda: Unavailable("the database failed: this fault was asked for"),
            lambda: fails_slowly(Unavailable("the database hung: this fault was asked for")),
            lambda: asyncio.sleep(STORE_SECONDS),
        )

    return faulty


def project_of(given: Mapping[str, Any]) -> str:
    """A write of the API's: whose it is stands in what it is given."""
    if isinstance(name := given.get("project"), str):
        return name
    for value in given.values():
        if isinstance(name := getattr(value, "project", None), str):
            return name
    return str(given.get("id", HOST))


def name_files(publish: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(publish)
    async def faulty(self: Any, key: ServiceKey, names: Any) -> None:
        what = "write" if names else "unlink"
        error = Transient(HostFailed(f"write the names of {key}", "this fault was asked for"))
        await around(
            f"names {operation.get()} {what}",
            key.project,
            lambda: publish(self, key, names),
            lambda: error,
            lambda: fails_slowly(error),
            lambda: asyncio.sleep(STORE_SECONDS),
        )

    return faulty


def freezer_writes(write: Callable[[Freezer], bool]) -> Callable[[Freezer], bool]:
    """One word into a file of the kernel's: it is written, or it cannot be."""

    @functools.wraps(write)
    def faulty(self: Freezer) -> bool:
        fault = injector.at(project.get(), f"freezer {operation.get()} {write.__name__}")
        if fault == "kill-before":
            die()
        if fault in ("fail", "hang"):
            return False
        written = write(self)
        if fault == "kill-after":
            die()
        return written

    return faulty


# ---------------------------------------------------------------------- the clock


def shifted_now() -> datetime:
    """By as many seconds as the file says, while it runs."""
    try:
        seconds = float((board / "clock").read_text() or 0)
    except OSError:
        seconds = 0.0
    return datetime.now(UTC) + timedelta(seconds=seconds)


def main() -> None:
    engine.CALL_SECONDS, engine.SLOW_CALL_SECONDS = CALL_SECONDS, SLOW_CALL_SECONDS
    # Constants that others have imported, too.
    vars(logs)["CALL_SECONDS"], vars(ensure)["BUILD_TIMEOUT_SECONDS"] = (
        CALL_SECONDS,
        SLOW_CALL_SECONDS,
    )
    process.COMMAND_SECONDS = COMMAND_SECONDS
    for owner, name, wrapper in (
        (ServiceReconciler, "__call__", reconciling),
        (services, "execute", executing),
        (DockerWorkloads, "wake", waking),
        (factory, "connect", connecting),
        (Stream, "bring", bringing),
        (Stream, "remove", removing),
        (ads.Ads, "apply", owned),
        (ads.Ads, "amend", owned),
        (Database, "write", store_writes),
        (dns.DnsmasqNames, "publish", name_files),
        (process, "run", rule_changes),
        (Freezer, "freeze", freezer_writes),
        (Freezer, "thaw", freezer_writes),
    ):
        setattr(owner, name, wrapper(getattr(owner, name)))
    vars(firewall)["run"] = vars(host)["run"] = process.run
    server.utc_now = shifted_now
    server.main()


if __name__ == "__main__":
    main()
