"""Whoever answers the gate's questions, as a test has it."""

import asyncio
from dataclasses import dataclass, field

from spacecloud.model.gate_calls import CallRefused, HeldCall, Passed


@dataclass
class Waker:
    """Wakes when it is told to, and keeps what it was asked."""

    passed: Passed = field(default_factory=lambda: Passed(7))
    refused: CallRefused | None = None
    asked: list[HeldCall] = field(default_factory=list)
    awake: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, call: HeldCall) -> Passed | CallRefused:
        self.asked.append(call)
        await self.awake.wait()
        return self.refused or self.passed
