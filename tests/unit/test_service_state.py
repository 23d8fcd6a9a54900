"""What is remembered of a service between two looks."""

from builders import WEB, a_situation, a_version, changed, settled
from spacecloud.reconcile.service_state import ServiceState
from spacecloud.workloads.observed import ObservedWorkloads
from spacecloud.workloads.plan import Plan


def test_a_service_differs_until_it_was_looked_at_and_when_a_listing_shows_more() -> None:
    state = ServiceState(WEB)
    situation = a_situation(a_version())
    listed = situation.observed.workloads
    assert state.differs_from(listed, None)

    state.remember(situation, Plan())

    assert not state.differs_from(listed, None)
    assert not state.differs_from(None, None)
    assert state.differs_from(ObservedWorkloads(WEB, "10.180.0.0/25"), None)


def test_a_service_differs_when_a_listing_shows_that_a_replica_was_frozen_or_thawed() -> None:
    state = ServiceState(WEB)
    situation = settled(a_situation(a_version()))
    state.remember(situation, Plan())
    frozen = changed(situation, task={"frozen": True})

    listed, published = situation.observed.workloads, situation.observed.published
    state.names = situation.observed.names

    assert not state.differs_from(listed, published)
    assert state.differs_from(frozen.observed.workloads, published)


def test_what_was_cached_is_good_for_one_look_and_not_after_a_change() -> None:
    state = ServiceState(WEB)
    nothing = ObservedWorkloads(WEB, None)

    state.cache(nothing, state.changes)
    assert [state.take_cached(), state.take_cached()] == [nothing, None]
    state.cache(nothing, state.changes)
    state.invalidate()
    assert state.take_cached() is None


def test_a_change_that_was_told_during_a_look_is_looked_for() -> None:
    """A task that became ready right after it was looked at was seen 30 s later."""
    state = ServiceState(WEB)
    changes = state.changes

    state.invalidate()
    state.cache(ObservedWorkloads(WEB, None), changes)

    assert state.take_cached() is None
