"""
Who may call whom, and so how every service looks from outside.

A call needs both sides: the callee's whitelist lets the caller in, and the caller's
upstreams name the callee. Identity is per service, so each side is the union over its
declared versions. A service may always call itself.

A project that is whitelisted as a whole is let in by its blocks of addresses when most of
its services may call, and by name otherwise: the face of a callee stays small, and a new
service with the default policy changes nobody else's face.
"""

import itertools
from collections.abc import Iterable, Mapping, Set
from ipaddress import IPv4Address

from spacecloud.errors import NotFound
from spacecloud.mesh.index import Index, changed
from spacecloud.model.declared import Declared, DeclaredService, DeclaredVersion, StoredDocument
from spacecloud.model.project import Project
from spacecloud.model.refs import ServiceKey
from spacecloud.model.service import ANY, Peer
from spacecloud.model.traffic import Admission, Caller, Entry, Face, HostPortAccess, VersionPort


def face(key: ServiceKey, declared: Declared) -> Face:
    """For a single look; build a ``Policy`` to ask for several."""
    return Policy(declared).face(key)


def faces(declared: Declared) -> Mapping[ServiceKey, Face]:
    return Policy(declared).faces()


def affected(before: "Policy", after: "Policy") -> frozenset[ServiceKey]:
    """Services whose face differs, those that came or went included."""
    concerned = _concerned(before, after)
    return frozenset(k for k in concerned if before.face_of(k) != after.face_of(k))


def _concerned(before: "Policy", after: "Policy") -> set[ServiceKey]:
    """
    Services whose face may differ.

    A service that is the same as a caller (it is there, it has its subnet, it names the same
    upstreams) changes no face but its own; any other those whose whitelists cover it. So a new
    image costs one comparison, and not a thousand.
    """
    differing = changed(before.declared.services, after.declared.services)
    concerned = set(differing)
    for key in differing:
        if before.as_caller(key) != after.as_caller(key):
            concerned |= before.covering(key) | after.covering(key)
    return concerned


class Policy:
    """
    Everything declared, ready to be asked; faces are built when asked for.

    ``former``: of an earlier moment. What has not changed since is taken over from it.
    """

    def __init__(self, declared: Declared, former: "Policy | None" = None) -> None:
        self.declared = declared
        self._index: Index = (former._index if former is not None else Index()).after(declared)
        self._prefixes = sorted({prefix for _, prefix in self._index.subnets})
        self._faces: dict[ServiceKey, Face] = {}
        self._known_callers: dict[ServiceKey, Caller] = {}
        self._wide: dict[tuple[str, str], frozenset[ServiceKey]] = {}
        if former is not None and former._faces:
            self._faces = former._faces.copy()
            for key in _concerned(former, self):
                self._faces.pop(key, None)

    def face(self, key: ServiceKey) -> Face:
        """Raises ``NotFound`` for what is not declared; one on its way out has no entries."""
        known = self._faces.get(key)
        if known is None:
            service = self.declared.services.get(key)
            if service is None:
                raise NotFound(f"there is no service {key}")
            known = self._faces[key] = self._face(service)
        return known

    def face_of(self, key: ServiceKey) -> Face | None:
        """None for what is not declared."""
        return self.face(key) if key in self.declared.services else None

    def covering(self, caller: ServiceKey) -> set[ServiceKey]:
        """Services whose whitelists let it in, its own side left aside."""
        peers = itertools.product((caller.project, ANY), (caller.service, ANY))
        return set().union(*(self._index.letting_in[peer] for peer in peers))

    def as_caller(self, key: ServiceKey) -> object:
        """All of a service that other services' faces depend on; equal means: the same to them."""
        service = self.declared.services.get(key)
        if service is None:
            return None
        return (bool(service.versions), service.allocation.subnet, self.upstreams(key))

    def faces(self) -> Mapping[ServiceKey, Face]:
        return {key: self.face(key) for key in self.declared.services}

    def allows(self, caller: ServiceKey, callee: ServiceKey) -> bool:
        return caller == callee or (
            self.lets_in(callee, caller) and caller in self._callers_naming(caller.project, callee)
        )

    def lets_in(self, callee: ServiceKey, caller: ServiceKey) -> bool:
        """The callee's side alone."""
        return any(peer.covers(*caller) for peer in self._index.whitelists.get(callee, ()))

    def whitelist(self, key: ServiceKey) -> tuple[Peer, ...]:
        """In force for the service: sorted union over its versions."""
        return self._index.whitelists.get(key, ())

    def upstreams(self, key: ServiceKey) -> tuple[Peer, ...]:
        """In force for the service: sorted union over its versions."""
        return self._index.upstreams.get(key, ())

    def callers(self, callee: ServiceKey) -> frozenset[ServiceKey]:
        """Every service that may call, itself included."""
        if callee not in self._index.whitelists:
            return frozenset()
        whole = self._whole_projects(callee)
        by_project = (self._callers_naming(project, callee) for project in whole)
        return frozenset({callee, *self._named_callers(callee, whole)}).union(*by_project)

    def live(self, project: str) -> frozenset[ServiceKey]:
        """Services of the project that have a version."""
        return frozenset(self._index.live[project])

    def projects(self) -> tuple[str, ...]:
        """Sorted; those with such services."""
        return tuple(sorted(self._index.live.names()))

    def at(self, address: str) -> ServiceKey | None:
        """Whose replica has this address."""
        number = int(IPv4Address(address))
        for prefix in self._prefixes:
            found = self._index.subnets.get((number >> (32 - prefix) << (32 - prefix), prefix))
            if found is not None:
                return found
        return None

    def _face(self, service: DeclaredService) -> Face:
        return Face(
            key=service.key,
            entries=tuple(sorted(_entries(service))),
            ports=tuple(
                sorted(
                    VersionPort(version.ref.version, port.port, port.protocol)
                    for version in service.versions
                    for port in version.spec.ports
                )
            ),
            admission=self._admission(service) if service.versions else Admission(),
            names=tuple(sorted(_names(service))),
        )

    def _admission(self, service: DeclaredService) -> Admission:
        key = service.key
        whole = self._whole_projects(key)
        callers = {key, *self._named_callers(key, whole)}
        refused: set[ServiceKey] = set()
        blocks: set[str] = set()
        for project in whole:
            admitted = self._callers_naming(project, key)
            left_out = self._index.live[project] - admitted - {key}
            if len(admitted) > len(left_out):
                blocks.update(str(block) for block in self.declared.blocks.get(project, ()))
                refused |= left_out
            else:
                callers |= admitted
        return Admission(
            callers=self._callers(callers),
            blocks=tuple(sorted(blocks)),
            refused=self._callers(refused),
            rule=rule(key, self._index.whitelists[key]),
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
                if wanted and key in self._callers_naming(key.project, callee):
                    yield key

    def _callers_naming(self, project: str, callee: ServiceKey) -> frozenset[ServiceKey]:
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

    def _callers(self, keys: Iterable[ServiceKey]) -> tuple[Caller, ...]:
        return tuple(self._caller(key) for key in sorted(keys))

    def _caller(self, key: ServiceKey) -> Caller:
        known = self._known_callers.get(key)
        if known is None:
            subnet = self.declared.services[key].allocation.subnet
            known = self._known_callers[key] = Caller(str(key), str(subnet))
        return known


def host_ports(
    declared: Declared, projects: Iterable[StoredDocument]
) -> tuple[HostPortAccess, ...]:
    """Host ports that projects ask for with ``egress``, each with the addresses of who asked."""
    blocks: dict[int, set[str]] = {}
    for document in projects:
        for access in Project.model_validate(document.document).egress:
            asked = declared.blocks.get(document.id, ())
            blocks.setdefault(access.port, set()).update(str(block) for block in asked)
    return tuple(HostPortAccess(port, tuple(sorted(blocks[port]))) for port in sorted(blocks))


def named(peers: Iterable[Peer]) -> str:
    """``shop/*, billing/api``, or ``nobody``."""
    return ", ".join(f"{p.project_id}/{p.service}" for p in peers) or "nobody"


def rule(callee: ServiceKey, whitelist: tuple[Peer, ...]) -> str:
    """The sentence that a refused caller reads."""
    return (
        f"the whitelists of {callee} let in {named(whitelist)}, "
        f"and a caller's upstreams must name {callee}"
    )


def default_version(service: DeclaredService, port: int) -> DeclaredVersion | None:
    """Who answers the service's own domain on a port: the oldest version that declares it."""
    for version in sorted(service.versions, key=lambda v: v.order):
        if any(p.port == port for p in version.spec.ports):
            return version
    return None


def _entries(service: DeclaredService) -> Iterable[Entry]:
    general: set[int] = set()
    for version in sorted(service.versions, key=lambda v: v.order):
        name = version.ref.version
        for port in version.spec.ports:
            yield Entry(str(version.vip), port.port, port.protocol, name)
            if port.port not in general:
                general.add(port.port)
                yield Entry(str(service.allocation.vip), port.port, port.protocol, name)


def _names(service: DeclaredService) -> Iterable[tuple[str, str]]:
    if service.versions:
        yield service.key.domain, str(service.allocation.vip)
    for version in service.versions:
        yield version.ref.domain, str(version.vip)
