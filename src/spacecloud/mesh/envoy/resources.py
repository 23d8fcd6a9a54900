"""Envoy resources in their JSON form, by kind. The order of the kinds is that of sending."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from spacecloud.model.json import Json

Kind = Literal["clusters", "endpoints", "listeners", "scopes", "routes"]

KINDS: tuple[Kind, ...] = ("clusters", "endpoints", "listeners", "scopes", "routes")
"""Each refers only to those before it, but for listeners, which wait for their routes."""

TYPES: dict[Kind, str] = {
    "clusters": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "endpoints": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listeners": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "scopes": "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration",
    "routes": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}


@dataclass(frozen=True, slots=True)
class Resources:
    clusters: tuple[Json, ...] = ()
    endpoints: tuple[Json, ...] = ()
    listeners: tuple[Json, ...] = ()
    scopes: tuple[Json, ...] = ()
    routes: tuple[Json, ...] = ()

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(*(getattr(self, kind) + getattr(other, kind) for kind in KINDS))

    def __iter__(self) -> Iterator[tuple[Kind, str, Json]]:
        """(kind, name, resource) of all, in the order of sending."""
        for kind in KINDS:
            for resource in getattr(self, kind):
                name = resource["cluster_name" if kind == "endpoints" else "name"]
                yield kind, name, resource


def typed(kind: Kind, fields: Json) -> Json:
    return {"@type": TYPES[kind], **fields}
