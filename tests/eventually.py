"""Wait for the world, never for the clock."""

import asyncio
import inspect
import subprocess
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO

BUSY = 10
"""So many times what is promised may pass on a machine that does other work; `make bench` judges."""

NOT_YET = (AssertionError, LookupError, ValueError)
"""What a check raises while the world is not there yet: what it unpacks or looks up is missing."""


@dataclass
class Wait:
    """How long something may take; ``failed`` raises when that is over."""

    within: float
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def failed(self, error: Exception) -> None:
        if self.seconds > self.within:
            raise error


async def eventually(
    check: Callable[[], Awaitable[None] | None], *, within: float = 30.0, every: float = 0.05
) -> None:
    """Until it raises none of ``NOT_YET``; the last one is raised when time is over."""
    wait = Wait(within)
    while True:
        try:
            answer = check()
            if inspect.isawaitable(answer):
                await answer
        except NOT_YET as error:
            wait.failed(error)
        else:
            return
        await asyncio.sleep(every)


def wait_until(check: Callable[[], object], *, within: float = 30.0, every: float = 0.1) -> float:
    """The same in a thread without an event loop; how many seconds it took."""
    wait = Wait(within)
    while True:
        try:
            check()
        except NOT_YET as error:
            wait.failed(error)
        else:
            return wait.seconds
        time.sleep(every)


def holds_within(check: Callable[[], bool], seconds: float, *, every: float = 0.05) -> bool:
    """Does it come true in that time?"""
    wait = Wait(seconds)
    while not check():
        if wait.seconds > seconds:
            return False
        time.sleep(every)
    return True


async def stays(
    check: Callable[[], Awaitable[None] | None], seconds: float, *, every: float = 0.05
) -> None:
    """It is so now, and at each look until then; what the first bad look raises is raised."""
    wait = Wait(seconds)
    while wait.seconds <= seconds:
        answer = check()
        if inspect.isawaitable(answer):
            await answer
        await asyncio.sleep(every)


def next_line(
    process: "subprocess.Popen[str]", stream: IO[str] | None = None, *, within: float = 30.0
) -> str:
    """Of its output, or of its other stream. It is killed where none comes in time."""
    stream = stream or process.stdout
    assert stream is not None
    with ThreadPoolExecutor(1) as reader:
        line = reader.submit(stream.readline)
        try:
            return line.result(within)
        except TimeoutError:
            process.kill()
            raise
