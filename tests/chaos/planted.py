"""
The control plane with a fault of its own: what is to be removed is said to be, and stays.

    CHAOS_BOARD=folder python -m chaos.planted serve
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

from chaos import launcher
from spacecloud.drivers.docker.pods.workloads import DockerWorkloads
from spacecloud.workloads.operations import RemoveReplica

AGAIN_SECONDS = 1
"""It is seen again, and decided again: not as fast as can be."""


def forgetting(execute: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(execute)
    async def forgets(self: DockerWorkloads, op: Any) -> None:
        if isinstance(op, RemoveReplica):
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            await execute(self, op)

    return forgets


def main() -> None:
    for owner, name, wrapper in ((DockerWorkloads, "execute", forgetting),):
        setattr(owner, name, wrapper(getattr(owner, name)))
    launcher.main()


if __name__ == "__main__":
    main()
