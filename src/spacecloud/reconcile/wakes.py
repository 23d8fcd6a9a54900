"""The wakes of each version since the control plane started, as its page tells them."""

from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.scaling_view import WakesView, WakeView


class Wakes:
    def __init__(self) -> None:
        self._of: dict[ServiceRef, WakesView] = {}

    def of(self, ref: ServiceRef) -> WakesView:
        return self._of.get(ref, WakesView())

    def woken(self, ref: ServiceRef, wake: WakeView) -> None:
        known = self.of(ref)
        self._of[ref] = WakesView(count=known.count + 1, failed=known.failed, last=wake)

    def failed(self, ref: ServiceRef) -> None:
        known = self.of(ref)
        self._of[ref] = WakesView(count=known.count, failed=known.failed + 1, last=known.last)

    def forget(self, key: ServiceKey) -> None:
        """It is deleted."""
        for ref in [ref for ref in self._of if ref.key == key]:
            del self._of[ref]
