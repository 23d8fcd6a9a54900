"""All that Envoy holds for one service: a function of its face and its replicas."""

from collections.abc import Callable, Iterable

from spacecloud.mesh.envoy.clusters import assignment, cluster
from spacecloud.mesh.envoy.gate import NO_GATING, Gating, gate_resources
from spacecloud.mesh.envoy.listeners import entry_listener
from spacecloud.mesh.envoy.names import entry_cluster
from spacecloud.mesh.envoy.resources import Resources
from spacecloud.mesh.envoy.routes import entry_routes
from spacecloud.model.traffic import Endpoint, Face


def policy_resources(face: Face, leads_on: Callable[[str], bool]) -> Resources:
    """
    What guards a service, without its endpoints.

    ``leads_on`` says of a cluster whether Envoy has it: an entry that would lead nowhere is left
    as it is.
    """
    entries = tuple(entry for entry in face.entries if leads_on(entry_cluster(face.key, entry)))
    return Resources(
        listeners=tuple(entry_listener(face.key, e, face.sources_at(e)) for e in entries),
        routes=tuple(entry_routes(face, entry) for entry in entries if entry.protocol == "http"),
    )


def service_resources(
    face: Face, endpoints: Iterable[Endpoint], gating: Gating = NO_GATING
) -> Resources:
    replicas = tuple(endpoints)
    gates = gate_resources(face, replicas, gating)
    return gates + Resources(
        clusters=tuple(cluster(face.key, port) for port in face.ports),
        endpoints=tuple(
            assignment(face, port, replicas, gating.gate_of(face, port)) for port in face.ports
        ),
        listeners=tuple(entry_listener(face.key, e, face.sources_at(e)) for e in face.entries),
        routes=tuple(
            entry_routes(face, entry) for entry in face.entries if entry.protocol == "http"
        ),
    )
