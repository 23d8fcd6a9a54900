"""What a gateway does while nobody calls."""

import asyncio
from collections import Counter
from pathlib import Path

from mesh_host import mesh, needs_root
from mesh_world import a_spec, a_world

pytestmark = needs_root

SECONDS = 4
FEW = 8
"""
Of a second: the date of answers is renewed twice, refused calls are told once. The watchdogs and
the timer of refused calls that Envoy has by default woke each worker 17 times.
"""


async def test_a_worker_hardly_wakes_while_nobody_calls() -> None:
    async with mesh() as live:
        await live.apply(a_world({"shop/api": a_spec(8080, "tcp:5432"), "shop/web": a_spec()}))
        assert live.host.process is not None
        process = live.host.process.pid
        before = waits(process)
        await asyncio.sleep(SECONDS)
        after = waits(process)

    per_second = {name: (after[name] - before[name]) / SECONDS for name in after}
    idle = {n: often for n, often in per_second.items() if n.startswith(("wrk:", "dog:"))}
    assert len(idle) == 4, per_second
    assert max(idle.values()) < FEW, per_second


def waits(process: int) -> Counter[str]:
    """How often each thread has gone to sleep, by its name."""
    counts: Counter[str] = Counter()
    for thread in Path(f"/proc/{process}/task").iterdir():
        status = dict(line.split(":\t") for line in (thread / "status").read_text().splitlines())
        counts[status["Name"]] += int(status["voluntary_ctxt_switches"])
    return counts
