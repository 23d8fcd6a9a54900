"""
Carry out a plan's decided steps: each as soon as those it comes after have succeeded.

It chooses nothing. A step that fails takes only those that come after it with it, and every
failure is handed back with its operation.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from spacecloud.errors import SpaceCloudError
from spacecloud.workloads.operations import Op, Wait
from spacecloud.workloads.plan import Plan, Step


@dataclass(frozen=True, slots=True)
class Outcome:
    done: tuple[Op, ...] = ()
    """In the order in which they succeeded."""

    failed: tuple[tuple[Op, SpaceCloudError], ...] = ()


async def execute(plan: Plan, do: Callable[[Op], Awaitable[None]]) -> Outcome:
    steps = plan.steps[: plan.now]
    ended = [asyncio.Event() for _ in steps]
    succeeded: set[int] = set()
    done: list[Op] = []
    failed: list[tuple[Op, SpaceCloudError]] = []

    async def run(index: int, step: Step) -> None:
        try:
            for earlier in step.after:
                await ended[earlier].wait()
            if isinstance(step.op, Wait) or not succeeded.issuperset(step.after):
                return
            await do(step.op)
            succeeded.add(index)
            done.append(step.op)
        except SpaceCloudError as error:
            failed.append((step.op, error))
        finally:
            ended[index].set()

    async with asyncio.TaskGroup() as tasks:
        for index, step in enumerate(steps):
            tasks.create_task(run(index, step), name=str(step.op))
    return Outcome(tuple(done), tuple(failed))
