"""Whose connections are open to which version, where the gateway knows addresses alone."""

from collections.abc import Iterable, Mapping

from spacecloud.model.load import OpenConnection
from spacecloud.model.refs import ServiceRef
from spacecloud.model.traffic import Face


def answering(
    connections: Mapping[OpenConnection, int], faces: Iterable[Face]
) -> Mapping[ServiceRef, Mapping[str, int]]:
    """
    Version that answers where a connection was dialled, to the callers' addresses with how many
    each of them holds. A version that has none is not in it.

    Of a service's own domain that is the version that answers there now: a TCP connection may be
    older, and be with the one before.
    """
    versions = {
        (entry.vip, entry.port): ServiceRef(face.key.project, face.key.service, entry.version)
        for face in faces
        for entry in face.entries
    }
    found: dict[ServiceRef, dict[str, int]] = {}
    for (caller, vip, port), count in connections.items():
        ref = versions.get((vip, port))
        if ref is not None:
            callers = found.setdefault(ref, {})
            callers[caller] = callers.get(caller, 0) + count
    return found
