"""
Freeze and thaw containers: by the kernel's freezer where that may be, else by the engine (ADR 46).

The kernel takes a tenth of a millisecond, the engine ten: it starts a process for each. But what
the engine does not know to be frozen it ends like all else, by SIGTERM and then SIGKILL; on cgroup
v1 that ends a frozen process only since runc 1.1, which thaws it.

The engine's own flag may be wrong for as long as a container runs, also where the engine freezes:
it is set by the call, and again by containerd's event of it, which may come after the next call.
Then ``/unpause`` says that it is not paused, and it is. So the kernel is asked what is so.
"""

import asyncio
import time
from pathlib import Path

from spacecloud.drivers.docker import releases
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError, meaning
from spacecloud.drivers.docker.pods.cgroups import CGROUPS, is_v2
from spacecloud.drivers.docker.pods.freezer import Freezer
from spacecloud.errors import Transient
from spacecloud.model.json import Json
from spacecloud.reasons.platform import EngineFailed

WHOLE_SECONDS, POLL_SECONDS = 1.0, 0.002


class Freezing:
    def __init__(self, engine: Engine, cgroups: Path = CGROUPS) -> None:
        self._engine = engine
        self._cgroups = cgroups
        self._kernel_may: bool | None = None
        """None: the engine was not asked yet what ends its containers."""

    async def freeze(self, container: str) -> bool:
        """Has the engine paused it? One that has ended has nothing to freeze."""
        shown = await self._engine.find(f"containers/{container}/json")
        if shown is None or not shown["State"]["Running"]:
            return False
        freezer = Freezer(container, shown["State"]["Pid"], self._cgroups)
        if await self._may_kernel(shown) and freezer.freeze():
            await self._until_whole(freezer)
            return bool(shown["State"]["Paused"])
        await self._pause(freezer)
        return True

    async def thaw(self, container: str, pid: int, *, is_paused: bool) -> None:
        """
        ``pid``: of its first process; ``is_paused``: by the engine; both as they were seen last.
        ``Transient`` for one that has ended: it is no more what was frozen.
        """
        if is_paused or not self.thaw_by_kernel(container, pid):
            await self._unpause(Freezer(container, pid, self._cgroups))

    def is_frozen(self, container: str, pid: int) -> bool:
        """By the kernel's word; False where it says nothing."""
        return Freezer(container, pid, self._cgroups).state() == "frozen"

    def thaw_by_kernel(self, container: str, pid: int) -> bool:
        """False where it has ended, and where the machine's cgroups are not there."""
        return Freezer(container, pid, self._cgroups).thaw()

    async def hand_over(self, container: str, pid: int) -> None:
        """From now on the engine holds what the kernel holds, and ends it as it should be ended."""
        freezer = Freezer(container, pid, self._cgroups)
        if freezer.thaw():
            await self._pause(freezer)

    async def _may_kernel(self, shown: Json) -> bool:
        if self._kernel_may is None:
            self._kernel_may = may_kernel(await self._engine.get("version"), self._cgroups)
        its_own = is_v2(self._cgroups) or releases.RUNC in str(
            shown["HostConfig"].get("Runtime", "")
        )
        return self._kernel_may and its_own

    async def _until_whole(self, freezer: Freezer) -> None:
        """Asked again meanwhile, as runc does: one that forks may have got away."""
        ends = time.monotonic() + WHOLE_SECONDS
        while not freezer.is_whole():
            if freezer.state() == "unknown":
                return
            if time.monotonic() > ends:
                freezer.thaw()
                words = f"a process of it cannot be frozen within {WHOLE_SECONDS:.0f} s"
                raise Transient(EngineFailed(_doing("freeze", freezer.container), words))
            await asyncio.sleep(POLL_SECONDS)
            freezer.freeze()

    async def _pause(self, freezer: Freezer) -> None:
        refusal = await self._ask(freezer.container, "pause")
        if freezer.state() == "frozen":
            return
        # The engine may say of what runs that it is frozen already: then it is made so.
        status = await self._status(freezer.container)
        is_frozen = status == "paused" and (freezer.state() == "unknown" or freezer.freeze())
        if status in ("running", "paused") and not is_frozen:
            raise _failure("freeze", freezer.container, refusal)

    async def _unpause(self, freezer: Freezer) -> None:
        refusal = await self._ask(freezer.container, "unpause")
        state = freezer.state()
        if state == "frozen" and freezer.thaw():
            return
        if refusal is None and state != "frozen":
            return
        match await self._status(freezer.container):
            case "paused" if state == "running" and freezer.freeze():
                # It runs, and the engine does not know: it is told so once more, of one that is
                # frozen.
                try:
                    await self._ask(freezer.container, "unpause")
                finally:
                    freezer.thaw()
            case "running" if state != "frozen":
                pass
            case _:
                raise _failure("thaw", freezer.container, refusal)

    async def _ask(self, container: str, what: str) -> EngineError | None:
        """How the engine refused. It tells by different codes what is so already."""
        try:
            await self._engine.post(f"containers/{container}/{what}")
        except EngineError as error:
            return error
        return None

    async def _status(self, container: str) -> str:
        """In the engine's words; empty where there is none."""
        shown: Json | None = await self._engine.find(f"containers/{container}/json")
        return str(shown["State"]["Status"]) if shown is not None else ""


def may_kernel(version: Json, cgroups: Path = CGROUPS) -> bool:
    """
    Does what it freezes end when the engine ends it? On v2 the kernel itself sees to that.
    ``version``: as the engine tells of it.
    """
    return is_v2(cgroups) or releases.thaws_what_it_kills(version)


def _failure(what: str, container: str, refusal: EngineError | None) -> Exception:
    doing = _doing(what, container)
    if refusal is not None:
        return meaning(doing, refusal)
    return Transient(EngineFailed(doing, "the kernel has not done it"))


def _doing(what: str, container: str) -> str:
    return f"{what} container {container[:12]}"
