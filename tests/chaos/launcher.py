"""
The control plane as it is, with a hand on every effect that it has on the world.

    CHAOS_BOARD=folder python -m chaos.launcher serve

Nothing of the product knows of this: the functions that do things are replaced from outside by
ones that do the same and, where a fault is armed, hurt. A hang is one of the thing that is
asked, not of the adapter: the adapter's own time limit is what ends it.
"""

import asyncio
import functools
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chaos.faults import GROUND, Fault, Injector, engine_call
from spacecloud import server
from spacecloud.drivers.docker import engine
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.host import dns, firewall, host
from spacecloud.drivers.docker.images import ensure
from spacecloud.drivers.docker.pods import logs
from spacecloud.drivers.docker.xds import ads
from spacecloud.drivers.docker.xds.stream import Stream
from spacecloud.errors import Transient, Unavailable
from spacecloud.model.refs import PLATFORM_PROJECT, ServiceKey
from spacecloud.reconcile.services import ServiceReconciler
from spacecloud.store.database import Database

CALL_SECONDS, SLOW_CALL_SECONDS, COMMAND_SECONDS, STORE_SECONDS = 4.0, 8.0, 3, 2.0
FOREVER_SECONDS = 3600

board = Path(os.environ["CHAOS_BOARD"])
injector = Injector(board)
project: ContextVar[str] = ContextVar("project", default=GROUND)
operation: ContextVar[str] = ContextVar("operation", default="-")


async def around(
    point: str,
    of: str,
    effect: Callable[[], Awaitable[Any]],
    fail: Callable[[], Exception],
    hang: Callable[[], Awaitable[Any]],
) -> Any:
    fault = before(of, point)
    if fault == "fail":
        raise fail()
    if fault == "hang":
        return await hang()
    answer = await effect()
    if fault == "kill-after":
        die()
    if fault == "late":
        return await hang()
    return answer


def before(of: str, point: str) -> Fault | None:
    fault = injector.at(of, point)
    if fault == "kill-before":
        die()
    return fault


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(FOREVER_SECONDS)


# ---------------------------------------------------------------------- who is at what


def reconciling(
    look: Callable[[ServiceReconciler, ServiceKey], Awaitable[Any]],
) -> Callable[[ServiceReconciler, ServiceKey], Awaitable[Any]]:
    @functools.wraps(look)
    async def known(self: ServiceReconciler, key: ServiceKey) -> Any:
        token = project.set(key.project)
        try:
            return await look(self, key)
        finally:
            project.reset(token)

    return known


def doing(do: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(do)
    async def known(self: ServiceReconciler, key: ServiceKey, op: Any) -> None:
        token = operation.set(type(op).__name__)
        injector.carries_out(key.project, type(op).__name__)
        try:
            await do(self, key, op)
        finally:
            operation.reset(token)

    return known


# ---------------------------------------------------------------------- the effects


def engine_calls(query: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(query)
    async def hurt(self: engine.Engine, method: str, path: str, **given: Any) -> Any:
        call = engine_call(method, path, dict(given.get("params") or {}))
        return await around(
            f"engine {operation.get()} {call}",
            project.get(),
            lambda: query(self, method, path, **given),
            lambda: EngineError(500, "this fault was asked for"),
            lambda: asyncio.sleep(FOREVER_SECONDS),
        )

    return hurt


def rule_changes(run: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    @functools.wraps(run)
    async def hurt(*command: str, given: str | None = None) -> str:
        def refuse() -> Exception:
            return Transient(f"{command[0]}: this fault was asked for")

        async def hang() -> str:
            return await run("sleep", str(FOREVER_SECONDS))

        words = " ".join(word for word in command[:4] if not word[:1].isdigit())
        answer: str = await around(
            f"rules {operation.get()} {words}",
            GROUND,
            lambda: run(*command, given=given),
            refuse,
            hang,
        )
        return answer

    return hurt


def bringing(bring: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(bring)
    async def hurt(self: Stream, kind: Any, wanted: Mapping[str, Any]) -> None:
        if all(self.held[kind].get(name) == m.version for name, m in wanted.items()):
            return await bring(self, kind, wanted)
        return await push(f"bring-{kind}", lambda: bring(self, kind, wanted))

    return hurt


def removing(remove: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(remove)
    async def hurt(self: Stream, kind: Any, names: Any) -> None:
        gone = tuple(names)
        if not gone:
            return await remove(self, kind, gone)
        return await push(f"remove-{kind}", lambda: remove(self, kind, gone))

    return hurt


owner_of_push: ContextVar[ServiceKey | None] = ContextVar("owner", default=None)


async def push(what: str, effect: Callable[[], Awaitable[None]]) -> None:
    owner = owner_of_push.get()
    platform = owner is None or owner.project == PLATFORM_PROJECT
    await around(
        f"xds {operation.get()} {what}" + (f" {owner.service}" if platform and owner else ""),
        GROUND if platform or owner is None else owner.project,
        effect,
        lambda: Transient("the gateway ended the conversation: this fault was asked for"),
        lambda: asyncio.sleep(FOREVER_SECONDS),
    )


def owned(apply: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(apply)
    async def known(self: ads.Ads, owner: ServiceKey, wanted: Any) -> None:
        token = owner_of_push.set(owner)
        try:
            await apply(self, owner, wanted)
        finally:
            owner_of_push.reset(token)

    return known


class Carried:
    """Work for the store's thread, with what only the event loop knows."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work, self.operation = work, operation.get()
        self.method = _method(work)
        self.project = project.get() or _project_in(work)

    def __call__(self, session: Any) -> Any:
        return self.work(session)


def _method(work: Callable[[Any], Any]) -> str:
    return getattr(work, "__qualname__", "check").split(".<locals>")[0].split(".")[-1]


def _project_in(work: Callable[[Any], Any]) -> str:
    """A write of the API's: whose it is stands in what it closes over."""
    for cell, name in zip(
        getattr(work, "__closure__", None) or (),
        getattr(getattr(work, "__code__", None), "co_freevars", ()),
        strict=False,
    ):
        value = cell.cell_contents
        if name == "project" and isinstance(value, str):
            return value
        if name == "id" and isinstance(value, str) and _method(work).endswith("_project"):
            return value
        if isinstance(its := getattr(value, "project", None), str):
            return its
    return GROUND


def queued(write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(write)
    async def carry(self: Database, work: Callable[[Any], Any]) -> Any:
        return await write(self, Carried(work))

    return carry


def store_writes(write: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(write)
    def hurt(self: Database, work: Any) -> Any:
        if not isinstance(work, Carried):
            return write(self, work)
        fault = before(work.project, f"store {work.operation} {work.method}")
        if fault == "hang":
            time.sleep(STORE_SECONDS)
        if fault in ("fail", "hang"):
            raise Unavailable("the database failed: this fault was asked for")
        answer = write(self, work)
        if fault == "kill-after":
            die()
        if fault == "late":
            time.sleep(STORE_SECONDS)
        return answer

    return hurt


def name_files(write: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(write)
    def hurt(self: Any, key: ServiceKey, wanted: Any) -> None:
        what = "write" if wanted else "unlink"
        fault = before(key.project, f"names {operation.get()} {what}")
        if fault == "hang":
            time.sleep(STORE_SECONDS)
        if fault in ("fail", "hang"):
            raise Transient(f"cannot write the names of {key}: this fault was asked for")
        write(self, key, wanted)
        if fault == "kill-after":
            die()
        if fault == "late":
            time.sleep(STORE_SECONDS)

    return hurt


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
    vars(logs)["CALL_SECONDS"], vars(ensure)["_BUILD_TIMEOUT_SECONDS"] = (
        CALL_SECONDS,
        SLOW_CALL_SECONDS,
    )
    firewall.COMMAND_SECONDS = COMMAND_SECONDS
    for owner, name, wrapper in (
        (ServiceReconciler, "__call__", reconciling),
        (ServiceReconciler, "_do", doing),
        (engine.Engine, "_request", engine_calls),
        (Stream, "bring", bringing),
        (Stream, "remove", removing),
        (ads.Ads, "apply", owned),
        (Database, "write", queued),
        (Database, "_write", store_writes),
        (dns.DnsmasqNames, "_write", name_files),
        (firewall, "run", rule_changes),
    ):
        setattr(owner, name, wrapper(getattr(owner, name)))
    vars(host)["run"] = firewall.run
    server.utc_now = shifted_now
    server.main()


if __name__ == "__main__":
    main()
