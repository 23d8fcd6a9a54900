"""What is remembered of a service between two looks."""

from spacecloud.model.refs import ServiceKey
from spacecloud.reconcile.service_state import ServiceState
from spacecloud.workloads.observed import ObservedWorkloads

KEY = ServiceKey("shop", "api")
SEEN = ObservedWorkloads(KEY, None)


def test_what_was_seen_is_kept_for_one_look() -> None:
    state = ServiceState(KEY)

    state.cache(SEEN, state.changes)

    assert state.take_cached() == SEEN
    assert state.take_cached() is None


def test_a_change_that_was_told_during_a_look_is_looked_for() -> None:
    """A task that became ready right after it was looked at was seen 30 s later."""
    state = ServiceState(KEY)
    changes = state.changes

    state.invalidate()
    state.cache(SEEN, changes)

    assert state.take_cached() is None
