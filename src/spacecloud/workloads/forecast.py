"""
Plan: what would happen, from here to the end.

The first look's steps are decided, the same that an execution carries out. Each further look
is forecast: the world is imagined to have answered as expected, and decided upon again.
"""

from dataclasses import replace
from functools import reduce

from spacecloud.workloads.decide import decide
from spacecloud.workloads.plan import Plan, Step
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Situation

MOST_LOOKS = 64
"""A bound on the forecast; a rollout takes about eight."""


def plan(situation: Situation) -> Plan:
    decided = decide(situation)
    steps = list(decided.steps)
    previous, latest = range(0), decided
    for _ in range(MOST_LOOKS):
        if not latest.steps:
            break
        previous = range(len(steps) - len(latest.steps), len(steps))
        situation = reduce(simulate, (step.op for step in latest.steps), situation)
        latest = decide(situation)
        steps += _moved(latest.steps, previous)
    return replace(decided, steps=tuple(steps))


def _moved(steps: tuple[Step, ...], previous: range) -> list[Step]:
    """A later look's steps: numbered on, and its first ones come after the look before."""
    offset = previous.stop
    return [
        replace(s, after=tuple(i + offset for i in s.after) if s.after else tuple(previous))
        for s in steps
    ]
