"""
Work that may outlast the look that began it: nobody holds a key for it, and its end is a hint.

What it raises, a bug too, is kept in its future for whoever looks next.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, Never, TypeVar

from spacecloud.errors import Transient
from spacecloud.reasons.platform import ControlPlaneStarting

K = TypeVar("K", contravariant=True)
T = TypeVar("T")


class Background(Generic[K]):
    def __init__(self, enqueue: Callable[[K], None]) -> None:
        """``enqueue`` asks for another look at a key."""
        self.enqueue = enqueue
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> Never:
        """Until it is cancelled, and all work with it."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()
        raise AssertionError("it waits for ever")

    def start(
        self, work: Coroutine[Any, Any, T], name: str, at_end: Callable[[], None]
    ) -> "asyncio.Future[T]":
        """``at_end`` is called when the future is done. Cancelling the future cancels the work."""
        if self._group is None:
            work.close()
            raise Transient(ControlPlaneStarting("nothing is begun"))
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                result = await work
            except Exception as error:  # noqa: BLE001 - kept for the next look
                if not future.done():
                    future.set_exception(error)
                    # Asked for here, so that nobody is told that it never was.
                    future.exception()
            else:
                if not future.done():
                    future.set_result(result)
            at_end()

        running = run()
        try:
            task = self._group.create_task(running, name=name)
        except RuntimeError:
            # The group is being cancelled: this process ends.
            running.close()
            work.close()
            raise Transient(ControlPlaneStarting("nothing is begun")) from None
        # Of a task that is cancelled before its first step nobody has begun the work.
        task.add_done_callback(lambda _: work.close())
        future.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
        return future

    def begin(self, key: K, work: Coroutine[Any, Any, T], name: str) -> "Begun[T]":
        """Its end is a hint for the key, if a look at that has ended without it."""

        def at_end() -> None:
            if begun.is_late:
                self.enqueue(key)

        begun = Begun(self.start(work, name, at_end))
        return begun


@dataclass(slots=True)
class Begun(Generic[T]):
    """Work that one look begins and a later one may take in."""

    future: "asyncio.Future[T]"
    is_late: bool = False
    """A look has ended without it: its end is a hint."""

    is_joined: bool = False
    """A later look came while it ran, maybe because of something that it did not see."""

    def join(self) -> None:
        self.is_joined = self.is_joined or not self.future.done()

    async def ended(self, seconds: float) -> bool:
        """Is it, at the latest after so many seconds? It goes on where it is not."""
        if not self.future.done():
            await asyncio.wait({self.future}, timeout=seconds)
        self.is_late = not self.future.done()
        return self.future.done()
