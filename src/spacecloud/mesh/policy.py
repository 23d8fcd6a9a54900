"""
How every service looks from outside: who may call it, and the addresses that this means.

``authorization`` says who, ``addressing`` where their calls come from; what both say of one
service, with its names and entries, is its face.
"""

from collections.abc import Iterable, Mapping

from spacecloud.errors import NotFound
from spacecloud.mesh.addressing import Addressing
from spacecloud.mesh.authorization import Authorization, has_differing_whitelists, whitelist_of
from spacecloud.mesh.index import changed
from spacecloud.model.addresses import Allocation
from spacecloud.model.declared import Declarations, DeclaredService
from spacecloud.model.refs import ServiceKey
from spacecloud.model.scale import may_sleep
from spacecloud.model.traffic import (
    DeniedCall,
    Entry,
    Face,
    SourceRanges,
    VersionPort,
    VersionSources,
)


def face(key: ServiceKey, declared: Declarations) -> Face:
    """For a single look; build a ``Policy`` to ask for several."""
    return Policy(declared).face(key)


def faces(declared: Declarations) -> Mapping[ServiceKey, Face]:
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
    was, now = before.declared, after.declared
    differing = changed(was.services, now.services)
    if was.addresses is not now.addresses:
        differing |= changed(was.addresses.services, now.addresses.services)
    concerned = set(differing)
    for key in differing:
        if before.as_caller(key) != after.as_caller(key):
            concerned |= before.authorization.covering(key) | after.authorization.covering(key)
    return concerned


class Policy:
    """
    Everything declared, ready to be asked; faces are built when asked for.

    ``former``: of an earlier moment. What has not changed since is taken over from it.
    """

    def __init__(self, declared: Declarations, former: "Policy | None" = None) -> None:
        self.declared = declared
        known = former.authorization if former is not None else None
        self.authorization: Authorization = Authorization(declared.services, known)
        self.addressing = _addressing(declared, former)
        self._faces: dict[ServiceKey, Face] = {}
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

    def faces(self) -> Mapping[ServiceKey, Face]:
        return {key: self.face(key) for key in self.declared.services}

    def version_at(self, denied: DeniedCall) -> str:
        """Which version was called; empty where none answers there any more."""
        face = self.face_of(denied.callee)
        dialled = denied.vip, denied.port
        entries = face.entries if face is not None else ()
        return next((e.version for e in entries if (e.vip, e.port) == dialled), "")

    def as_caller(self, key: ServiceKey) -> object:
        """All of a service that other services' faces depend on; equal means: the same to them."""
        service = self.declared.services.get(key)
        if service is None:
            return None
        allocation = self.declared.addresses.services.get(key)
        subnet = allocation.subnet if allocation is not None else None
        return (bool(service.versions), subnet, self.authorization.upstreams(key))

    def _face(self, service: DeclaredService) -> Face:
        key = service.key
        if not service.versions:
            return Face(key, entries=(), ports=(), sources=SourceRanges(), names=())
        allocation = self.declared.addresses.services[key]
        entries = tuple(sorted(_entries(service, allocation)))
        return Face(
            key=key,
            of_versions=tuple(sorted(self._of_versions(service))),
            entries=entries,
            ports=tuple(sorted(_ports(service, entries))),
            sources=self.addressing.ranges(self.authorization.callers(key)),
            names=tuple(sorted(_names(service, allocation))),
            rule=self.authorization.rule(key),
            gates=tuple(sorted(v.ref.version for v in service.versions if may_sleep(v.running))),
        )

    def _of_versions(self, service: DeclaredService) -> Iterable[VersionSources]:
        if not has_differing_whitelists(service):
            return
        for version in service.versions:
            whitelist = whitelist_of(version)
            sources = self.addressing.ranges(
                self.authorization.callers_by_name(service.key, whitelist)
            )
            rule = self.authorization.rule(service.key, whitelist)
            yield VersionSources(version.ref.version, sources, rule)


def _addressing(declared: Declarations, former: Policy | None) -> Addressing:
    if former is None:
        return Addressing(declared.addresses)
    if former.declared.addresses is declared.addresses:
        return former.addressing
    return Addressing(declared.addresses, former.addressing)


def _entries(service: DeclaredService, allocation: Allocation) -> Iterable[Entry]:
    """The service's own domain is answered by the oldest version that declares the port."""
    general: set[int] = set()
    for version in sorted(service.versions, key=lambda v: v.order):
        name = version.ref.version
        for port in version.running.ports:
            yield Entry(str(allocation.versions[name]), port.port, port.protocol, name)
            if port.port not in general:
                general.add(port.port)
                vip = str(allocation.vip)
                yield Entry(vip, port.port, port.protocol, name, of_service=True)


def _ports(service: DeclaredService, entries: Iterable[Entry]) -> Iterable[VersionPort]:
    for version in service.versions:
        for port in version.running.ports:
            yield VersionPort(version.ref.version, port.port, port.protocol)
    for entry in entries:
        if entry.of_service and entry.protocol == "tcp":
            yield VersionPort("", entry.port, entry.protocol)


def _names(service: DeclaredService, allocation: Allocation) -> Iterable[tuple[str, str]]:
    yield service.key.domain, str(allocation.vip)
    for version in service.versions:
        yield version.ref.domain, str(allocation.versions[version.ref.version])
