"""Freeze and thaw containers by the engine, and see to it that the kernel agrees."""

from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError, meaning
from spacecloud.drivers.docker.pods.freezer import Freezer
from spacecloud.errors import Transient
from spacecloud.model.json import Json
from spacecloud.reasons.platform import EngineFailed


async def freeze(engine: Engine, container: str) -> None:
    """One that has ended has nothing to freeze."""
    shown = await engine.find(f"containers/{container}/json")
    if shown is None or not shown["State"]["Running"]:
        return
    freezer = Freezer(container, shown["State"]["Pid"])
    refusal = await _ask(engine, container, "pause")
    if freezer.state() == "frozen":
        return
    # The engine may say of what runs that it is frozen already: then it is made so.
    status = await _status(engine, container)
    is_frozen = status == "paused" and (freezer.state() == "unknown" or freezer.freeze())
    if status in ("running", "paused") and not is_frozen:
        raise _failure("freeze", container, refusal)


async def thaw(engine: Engine, container: str, pid: int) -> None:
    """
    ``pid``: of its first process, as it was seen last. ``Transient`` for one that has ended: it is
    no more what was frozen.
    """
    freezer = Freezer(container, pid)
    refusal = await _ask(engine, container, "unpause")
    state = freezer.state()
    if state == "frozen" and freezer.thaw():
        return
    if refusal is None and state != "frozen":
        return
    match await _status(engine, container):
        case "paused" if state == "running" and freezer.freeze():
            # It runs, and the engine does not know: it is told so once more, of one that is frozen.
            try:
                await _ask(engine, container, "unpause")
            finally:
                freezer.thaw()
        case "running" if state != "frozen":
            pass
        case _:
            raise _failure("thaw", container, refusal)


async def _ask(engine: Engine, container: str, what: str) -> EngineError | None:
    """How the engine refused. It tells by different codes what is so already."""
    try:
        await engine.post(f"containers/{container}/{what}")
    except EngineError as error:
        return error
    return None


async def _status(engine: Engine, container: str) -> str:
    """In the engine's words; empty where there is none."""
    shown: Json | None = await engine.find(f"containers/{container}/json")
    return str(shown["State"]["Status"]) if shown is not None else ""


def _failure(what: str, container: str, refusal: EngineError | None) -> Exception:
    doing = f"{what} container {container[:12]}"
    if refusal is not None:
        return meaning(doing, refusal)
    return Transient(EngineFailed(doing, "the kernel has not done it"))
