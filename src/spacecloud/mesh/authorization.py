"""
Who may call whom: projects and services, and no address. Every driver needs this answer.

A call needs both sides: the callee's whitelist lets the caller in, and the caller's
upstreams name the callee. Whose version a call comes from nobody can tell: a caller's upstreams
are the union over its declared versions. Which one it goes to is known, and that version's own
whitelist decides; the union of them is for questions about the service as a whole. A service may
always call itself.

A project that is whitelisted as a whole is allowed as a whole when most of its services may
call, and by name otherwise: the answer stays small, and a new service with the default
policy changes nobody else's.
"""

import itertools
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from spacecloud.mesh.index import Index, union
from spacecloud.model.declared import DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceKey
from spacecloud.model.service import ANY, Peer, callers_of


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may call a service: the outcome of both sides. Sorted."""

    named: tuple[ServiceKey, ...] = ()
    """Allowed one by one; the service itself is always among them."""

    projects: tuple[str, ...] = ()
    """Allowed as a whole, but for those in ``except_``."""

    except_: tuple[ServiceKey, ...] = ()
    """Of those projects, services whose upstreams do not name the callee."""

    def allowed(self, caller: ServiceKey) -> bool:
        """
        | caller                | allowed |
        |-----------------------|---------|
        | one of ``named``      | yes     |
        | one of ``except_``    | no      |
        | of one of ``projects``| yes     |
        | anybody else          | no      |
        """
        if caller in self.named:
            return True
        return caller.project in self.projects and caller not in self.except_


class Authorization:
    """
    The policy of everything declared, ready to be asked.

    ``former``: of an earlier moment. What has not changed since is taken over from it.
    """

    def __init__(
        self,
        services: Mapping[ServiceKey, DeclaredService],
        former: "Authorization | None" = None,
    ) -> None:
        self.services = services
        self._index: Index = (former._index if former is not None else Index()).after(services)
        self._wide: dict[tuple[str, str], frozenset[ServiceKey]] = {}

    def callers(self, callee: ServiceKey) -> Callers:
        """Nobody where the callee has no version."""
        if callee not in self._index.whitelists:
            return Callers()
        whole = self._whole_projects(callee)
        named = {callee, *self._named_callers(callee, whole)}
        projects: list[str] = []
        except_: set[ServiceKey] = set()
        for project in whole:
            allowed = self._naming(project, callee)
            left_out = self._index.live[project] - allowed - {callee}
            if len(allowed) > len(left_out):
                projects.append(project)
                except_ |= left_out
            else:
                named |= allowed
        return Callers(tuple(sorted(named)), tuple(sorted(projects)), tuple(sorted(except_)))

    def callers_by_name(self, callee: ServiceKey, whitelist: Iterable[Peer]) -> Callers:
        """Those of one version, by its own whitelist."""
        return Callers(tuple(sorted(self.every_caller_of(callee, whitelist))))

    def every_caller_of(
        self, callee: ServiceKey, whitelist: Iterable[Peer]
    ) -> frozenset[ServiceKey]:
        """Of all that any version lets in, those that this whitelist does."""
        peers = tuple(whitelist)
        every = self.every_caller(callee)
        return frozenset(c for c in every if c == callee or any(p.covers(*c) for p in peers))

    def every_caller(self, callee: ServiceKey) -> frozenset[ServiceKey]:
        """The same one by one, services that have a version."""
        if callee not in self._index.whitelists:
            return frozenset()
        whole = self._whole_projects(callee)
        by_project = (self._naming(project, callee) for project in whole)
        return frozenset({callee, *self._named_callers(callee, whole)}).union(*by_project)

    def allowed(self, caller: ServiceKey, callee: ServiceKey) -> bool:
        return caller == callee or (
            self.whitelisted(caller, callee) and caller in self._naming(caller.project, callee)
        )

    def whitelisted(self, caller: ServiceKey, callee: ServiceKey) -> bool:
        """The callee's side alone."""
        return any(peer.covers(*caller) for peer in self._index.whitelists.get(callee, ()))

    def covering(self, caller: ServiceKey) -> set[ServiceKey]:
        """Services whose whitelists let it in, its own side left aside."""
        peers = itertools.product((caller.project, ANY), (caller.service, ANY))
        return set().union(*(self._index.letting_in[peer] for peer in peers))

    def whitelist(self, key: ServiceKey) -> tuple[Peer, ...]:
        """In force for the service: sorted union over its versions."""
        return self._index.whitelists.get(key, ())

    def upstreams(self, key: ServiceKey) -> tuple[Peer, ...]:
        """In force for the service: sorted union over its versions."""
        return self._index.upstreams.get(key, ())

    def live(self, project: str) -> frozenset[ServiceKey]:
        """Services of the project that have a version."""
        return frozenset(self._index.live[project])

    def projects(self) -> tuple[str, ...]:
        """Sorted; those with such services."""
        return tuple(sorted(self._index.live.names()))

    def rule(self, callee: ServiceKey, whitelist: Iterable[Peer] | None = None) -> str:
        """The sentence that a refused caller reads; of one version, where its list is given."""
        peers = self.whitelist(callee) if whitelist is None else whitelist
        return (
            f"the whitelists of {callee} let in {named(peers)}, "
            f"and a caller's upstreams must name {callee}"
        )

    def _whole_projects(self, callee: ServiceKey) -> Set[str]:
        """Projects with services that the callee's whitelist lets in without naming one."""
        whole = {p.project_id for p in self._index.whitelists[callee] if p.service == ANY}
        projects = self._index.live.names()
        return projects if ANY in whole else whole & projects

    def _named_callers(self, callee: ServiceKey, whole: Set[str]) -> Iterable[ServiceKey]:
        for peer in self._index.whitelists[callee]:
            if peer.service == ANY:
                continue
            for key in self._index.called[peer.service]:
                wanted = peer.project_id in (ANY, key.project) and key.project not in whole
                if wanted and key in self._naming(key.project, callee):
                    yield key

    def _naming(self, project: str, callee: ServiceKey) -> frozenset[ServiceKey]:
        """Services of the project whose upstreams name the callee."""
        wide = self._naming_whole(project, callee.project)
        if len(wide) == len(self._index.live[project]):
            return wide
        return wide.union(
            self._index.naming[callee.project, callee.service, project],
            self._index.naming[ANY, callee.service, project],
        )

    def _naming_whole(self, project: str, callee_project: str) -> frozenset[ServiceKey]:
        pair = (project, callee_project)
        known = self._wide.get(pair)
        if known is None:
            known = self._wide[pair] = frozenset().union(
                self._index.naming[callee_project, ANY, project],
                self._index.naming[ANY, ANY, project],
            )
        return known


def whitelist_of(version: DeclaredVersion) -> tuple[Peer, ...]:
    """In force for one version. Sorted."""
    return union([callers_of(version.spec, version.ref.project)])


def has_differing_whitelists(service: DeclaredService) -> bool:
    return len({whitelist_of(version) for version in service.versions}) > 1


def named(peers: Iterable[Peer]) -> str:
    """``shop/*, billing/api``, or ``nobody``."""
    return ", ".join(f"{p.project_id}/{p.service}" for p in peers) or "nobody"
