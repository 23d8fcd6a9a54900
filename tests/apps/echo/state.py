"""What all connections share: the name, the health, and who is in the middle of something."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

Serve = Callable[["State", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class State:
    name: str
    healthy: bool = True
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    """Requests and TCP connections in flight."""

    served: int = 0

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        self.busy += 1
        self.served += 1
        try:
            yield
        finally:
            self.busy -= 1

    async def idle(self, within_seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self.busy:
                    await asyncio.sleep(0.02)

    def tracked(self, serve: Serve) -> Callable[..., Awaitable[None]]:
        """A client that goes away is not an error."""

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(self, reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            finally:
                writer.close()

        return one
