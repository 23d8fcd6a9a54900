"""
How much of the chaos tests is run, and for how long.

    CHAOS_SAMPLE=10   so many cases of all sweeps' cases, chosen by a seed; other tests not at all
    CHAOS_SEED=text   to choose the same again; without it a random one is printed
    CHAOS_SECONDS=n   after that no test and no case is begun; what was not run is told

What the hour holds, and how long each part takes, is in ``CONTRIBUTING.md``.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

SECONDS = 3000
"""What has begun may take a while longer: ``make chaos`` ends within the hour."""

SHARES = {"failed": 5, "killed": 3, "host": 2}
"""Of the sweeps' cases, roughly: of a sample, each sweep has its part."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Of one session."""

    ends_at: float
    """On the monotonic clock."""

    seed: str = ""
    sample: int | None = None

    def share(self, sweep: str) -> int | None:
        """How many cases of this sweep; None: all. The first has what division leaves."""
        if self.sample is None:
            return None
        shares = {name: self.sample * part // sum(SHARES.values()) for name, part in SHARES.items()}
        left = self.sample - sum(shares.values())
        return shares[sweep] + (left if sweep == next(iter(SHARES)) else 0)


def sampling_of(environment: Mapping[str, str], now: float) -> Sampling:
    ends_at = now + float(environment.get("CHAOS_SECONDS") or SECONDS)
    if not environment.get("CHAOS_SAMPLE"):
        return Sampling(ends_at)
    seed = environment.get("CHAOS_SEED") or secrets.token_hex(4)
    return Sampling(ends_at, seed, int(environment["CHAOS_SAMPLE"]))
