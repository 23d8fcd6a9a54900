"""A freeze and a call at the same time, over and over, on a real engine: no call is lost."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

from docker_bench import REF, Bench
from spacecloud.errors import Transient
from spacecloud.workloads.operations import FreezeReplica

FREEZE = FreezeReplica(REF, "api--v1--0")
CALL_SECONDS = 10
LATEST_SECONDS = 0.02
"""Of both, after a try has begun: about as long as an engine takes to freeze, or to be asked."""

First = Literal["freeze", "wake"]
"""Who had it first: what was frozen is thawed, and what was woken is not frozen."""


@dataclass
class Raced:
    first: Counter[First] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    @property
    def tries(self) -> int:
        return self.first.total()


async def race(bench: Bench, tries: int, seed: str, ends_at: float = float("inf")) -> Raced:
    """
    ``bench``: of a service that is ready, whose replicas may be laid down right after a wake. Fewer
    tries where the monotonic clock is past ``ends_at``.
    """
    delays, raced = random.Random(seed), Raced()
    connector = aiohttp.TCPConnector(force_close=True)
    limit = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:
        while raced.tries < tries and time.monotonic() < ends_at:
            # What is decided now knows of every wake so far.
            await bench.workloads.observe(REF.key)
            freezes, calls = (delays.uniform(0, LATEST_SECONDS) for _ in range(2))
            async with asyncio.TaskGroup() as tasks:
                frozen = tasks.create_task(_freeze(bench, freezes))
                lost = tasks.create_task(_call(bench, session, calls))
            raced.first["freeze" if frozen.result() else "wake"] += 1
            if lost.result():
                raced.lost.append(f"{raced.tries} ({freezes:.4f}, {calls:.4f}): {lost.result()}")
    return raced


async def _freeze(bench: Bench, delay: float) -> bool:
    await asyncio.sleep(delay)
    try:
        await bench.workloads.execute(FREEZE)
    except Transient:
        return False
    return True


async def _call(bench: Bench, session: aiohttp.ClientSession, delay: float) -> str:
    """As the gate lets one through: when the version is awake. Empty where it is answered."""
    await asyncio.sleep(delay)
    try:
        await bench.workloads.wake(REF)
        async with session.get(f"http://{bench.address()}:8080/") as answer:
            return "" if answer.status == 200 else str(answer.status)
    except (aiohttp.ClientError, TimeoutError, Transient) as error:
        return repr(error)
