"""Calls that policy refused: counted per caller, shown in status, told as events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spacecloud.drivers.driver import Refusals
from spacecloud.mesh.explain import why_refused
from spacecloud.mesh.policy import Policy
from spacecloud.model.refs import ServiceKey
from spacecloud.model.status import DeniedCallView
from spacecloud.model.traffic import DeniedCall
from spacecloud.reasons.services import CallDenied
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.policy_cache import PolicyCache

TELL_AFTER = timedelta(seconds=1)
"""What is refused meanwhile is told together."""

MOST_PER_SERVICE = 50


@dataclass
class _Tally:
    count: int
    last: datetime
    permission: str


class DeniedCalls:
    def __init__(
        self,
        refusals: Refusals,
        policies: PolicyCache,
        events: EventRecorder,
        now: Callable[[], datetime],
        tell_at: Callable[[datetime], None],
    ) -> None:
        """``tell_at`` asks for ``tell`` to be called then."""
        self._refusals = refusals
        self._policies = policies
        self._events = events
        self._now = now
        self._tell_at = tell_at
        self._pending: dict[DeniedCall, int] = {}
        self._tallies: dict[ServiceKey, dict[tuple[str, int], _Tally]] = {}

    def of(self, key: ServiceKey) -> tuple[DeniedCallView, ...]:
        """The latest first."""
        views = [
            DeniedCallView(
                caller=caller, port=port, count=t.count, last=t.last, message=t.permission
            )
            for (caller, port), t in self._tallies.get(key, {}).items()
        ]
        return tuple(sorted(views, key=lambda view: view.last, reverse=True))

    @property
    def total(self) -> int:
        return sum(t.count for of_key in self._tallies.values() for t in of_key.values())

    async def listen(self) -> None:
        async for denied in self._refusals.denied_calls():
            if not self._pending:
                self._tell_at(self._now() + TELL_AFTER)
            self._pending[denied] = self._pending.get(denied, 0) + 1

    async def tell(self) -> None:
        """A flood of refused calls costs one event a second and caller."""
        policy = await self._policies.policy()
        pending, self._pending = self._pending, {}
        for denied, count in pending.items():
            self._count(policy, denied, count)

    def _count(self, policy: Policy, denied: DeniedCall, count: int) -> None:
        key = policy.addressing.at(denied.caller_address)
        caller = str(key) if key is not None else denied.caller_address
        permission = (
            why_refused(key, denied.callee, policy.authorization, policy.version_at(denied))
            if key is not None
            else "no service has this address"
        )
        tallies = self._tallies.setdefault(denied.callee, {})
        known = tallies.pop((caller, denied.port), _Tally(0, self._now(), ""))
        tallies[caller, denied.port] = _Tally(known.count + count, self._now(), permission)
        while len(tallies) > MOST_PER_SERVICE:
            del tallies[next(iter(tallies))]
        message = f"a call from {caller} to port {denied.port} was refused: {permission}"
        cause = CallDenied(caller, denied.port, count, permission)
        self._events.record(denied.callee, "Refused", message, "warning", count=count, reason=cause)
