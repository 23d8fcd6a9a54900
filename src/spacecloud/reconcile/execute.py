"""
Carry out a plan's decided steps: each as soon as those it comes after have succeeded.

It chooses nothing. A step that fails takes only those that come after it with it. When time is
over nothing more is begun: what runs goes on, and the next look decides anew.
"""

import asyncio
from collections.abc import Callable

from spacecloud.workloads.operations import Wait
from spacecloud.workloads.plan import Plan, Step


async def execute(
    plan: Plan, begin: Callable[[Step], "asyncio.Future[None]"], seconds: float
) -> None:
    """``begin`` starts an operation; how it ended is in the future that it gives."""
    steps = plan.steps[: plan.now]
    ended = [asyncio.Event() for _ in steps]
    succeeded: set[int] = set()

    async def run(index: int, step: Step) -> None:
        try:
            for earlier in step.after:
                await ended[earlier].wait()
            if isinstance(step.op, Wait) or not succeeded.issuperset(step.after):
                return
            future = begin(step)
            await asyncio.wait({future})
            if future.exception() is None:
                succeeded.add(index)
        finally:
            ended[index].set()

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            for index, step in enumerate(steps):
                tasks.create_task(run(index, step), name=str(step.op))
    except TimeoutError:
        pass
