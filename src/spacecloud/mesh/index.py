"""
Who is declared, whom each lets in and whom each names, ordered for quick answers.

An index follows from that of an earlier moment and shares with it all that is the same: a change
of one among a thousand services costs what the change costs. What was made is never changed.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Set
from typing import Generic, TypeVar

from spacecloud.model.declared import DeclaredService
from spacecloud.model.refs import ServiceKey
from spacecloud.model.service import Peer, callees_of, callers_of

NOBODY: frozenset[ServiceKey] = frozenset()

T = TypeVar("T", bound=Hashable)


class Groups(Generic[T]):
    """Services by something that they have in common; no group is empty."""

    def __init__(self, members: Mapping[T, set[ServiceKey]] | None = None) -> None:
        self._members = dict(members or {})
        self._own: set[T] = set()
        """Those that no copy has: they may be written to."""

    def copy(self) -> "Groups[T]":
        self._own = set()
        return Groups(self._members)

    def __getitem__(self, group: T) -> Set[ServiceKey]:
        return self._members.get(group, NOBODY)

    def names(self) -> Set[T]:
        return self._members.keys()

    def add(self, group: T, key: ServiceKey) -> None:
        self._writable(group).add(key)

    def remove(self, group: T, key: ServiceKey) -> None:
        members = self._writable(group)
        members.discard(key)
        if not members:
            del self._members[group]

    def _writable(self, group: T) -> set[ServiceKey]:
        if group not in self._own or group not in self._members:
            self._members[group] = set(self[group])
            self._own.add(group)
        return self._members[group]


class Index:
    """As made, of nothing; ``after`` gives one of what is declared."""

    def __init__(self) -> None:
        self.services: Mapping[ServiceKey, DeclaredService] = {}
        self.whitelists: dict[ServiceKey, tuple[Peer, ...]] = {}
        """In force for a live service: sorted union over its versions."""

        self.upstreams: dict[ServiceKey, tuple[Peer, ...]] = {}
        """In force for a live service: sorted union over its versions."""

        self.live = Groups[str]()
        """By project, those with a version."""

        self.called = Groups[str]()
        """By service id, those with a version."""

        self.letting_in = Groups[tuple[str, str]]()
        """By project and service as they are written in a whitelist."""

        self.naming = Groups[tuple[str, str, str]]()
        """By project and service as they are written in an upstream, and their own project."""

    def after(self, services: Mapping[ServiceKey, DeclaredService]) -> "Index":
        index = Index()
        index.services = services
        index.whitelists, index.upstreams = self.whitelists.copy(), self.upstreams.copy()
        index.live, index.called = self.live.copy(), self.called.copy()
        index.letting_in, index.naming = self.letting_in.copy(), self.naming.copy()
        was, now = self.services, services
        differing = changed(was, now)
        for key in differing & was.keys():
            index._take_out(was[key])
        for key in differing & now.keys():
            index._put_in(now[key])
        return index

    def _take_out(self, service: DeclaredService) -> None:
        key = service.key
        if not service.versions:
            return
        self.live.remove(key.project, key)
        self.called.remove(key.service, key)
        for peer in self.whitelists.pop(key):
            self.letting_in.remove((peer.project_id, peer.service), key)
        for peer in self.upstreams.pop(key):
            self.naming.remove((peer.project_id, peer.service, key.project), key)

    def _put_in(self, service: DeclaredService) -> None:
        key = service.key
        if not service.versions:
            return
        self.live.add(key.project, key)
        self.called.add(key.service, key)
        self.whitelists[key] = union(callers_of(v.spec, key.project) for v in service.versions)
        self.upstreams[key] = union(callees_of(v.spec, key.project) for v in service.versions)
        for peer in self.whitelists[key]:
            self.letting_in.add((peer.project_id, peer.service), key)
        for peer in self.upstreams[key]:
            self.naming.add((peer.project_id, peer.service, key.project), key)


def changed(was: Mapping[ServiceKey, object], now: Mapping[ServiceKey, object]) -> set[ServiceKey]:
    """Those that came, went or are not the same object any more."""
    there = {key for key, value in now.items() if was.get(key) is not value}
    return there | (was.keys() - now.keys())


def union(lists: Iterable[Collection[Peer]]) -> tuple[Peer, ...]:
    """Sorted, each once."""
    pairs = {(p.project_id, p.service): p for peers in lists for p in peers}
    return tuple(pairs[pair] for pair in sorted(pairs))
