"""Resources as bytes on the wire, each with a version that follows from its content."""

import hashlib
from collections.abc import Mapping
from importlib import import_module

import orjson
from envoy.service.discovery.v3.discovery_pb2 import Resource
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any

from spacecloud.mesh.envoy.resources import Kind, Resources
from spacecloud.model.json import Json

_NAMED_IN_JSON = (
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "envoy.config.route.v3.route_pb2",
    "envoy.config.route.v3.scoped_route_pb2",
    "envoy.extensions.access_loggers.grpc.v3.als_pb2",
    "envoy.extensions.common.matching.v3.extension_matcher_pb2",
    "envoy.extensions.filters.common.matcher.action.v3.skip_action_pb2",
    "envoy.extensions.filters.http.buffer.v3.buffer_pb2",
    "envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2",
    "envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2",
    "envoy.extensions.filters.http.lua.v3.lua_pb2",
    "envoy.extensions.filters.http.rbac.v3.rbac_pb2",
    "envoy.extensions.filters.http.router.v3.router_pb2",
    "envoy.extensions.filters.network.connection_limit.v3.connection_limit_pb2",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2",
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2",
    "envoy.extensions.http.original_ip_detection.custom_header.v3.custom_header_pb2",
    "envoy.extensions.http.original_ip_detection.xff.v3.xff_pb2",
    "envoy.extensions.matching.common_inputs.network.v3.network_inputs_pb2",
    "envoy.extensions.matching.input_matchers.ip.v3.ip_pb2",
    "envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2",
    "envoy.extensions.upstreams.http.v3.http_protocol_options_pb2",
    "envoy.type.matcher.v3.http_inputs_pb2",
    "google.protobuf.wrappers_pb2",
    "xds.type.v3.typed_struct_pb2",
)

for _module in _NAMED_IN_JSON:
    # A message type can be named in JSON once its module is loaded.
    import_module(_module)


class Message:
    """Equal when name and version are. Encoded when first sent, and kept in that form only."""

    __slots__ = ("_encoded", "_resource", "name", "version")

    def __init__(self, name: str, resource: Json) -> None:
        self.name = name
        self.version = _version(resource)
        self._resource = resource
        self._encoded: Resource | None = None

    def encoded(self) -> Resource:
        """Raises ``json_format.ParseError`` for a field or a value that Envoy does not have."""
        if self._encoded is None:
            body = json_format.ParseDict(self._resource, Any())
            self._encoded = Resource(name=self.name, version=self.version, resource=body)
            self._resource = {}
        return self._encoded

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self.name, self.version) == (other.name, other.version)

    def __hash__(self) -> int:
        return hash((self.name, self.version))


Messages = Mapping[Kind, Mapping[str, Message]]


def messages(resources: Resources) -> Messages:
    by_kind: dict[Kind, dict[str, Message]] = {
        "clusters": {},
        "endpoints": {},
        "listeners": {},
        "scopes": {},
        "routes": {},
    }
    for kind, name, resource in resources:
        by_kind[kind][name] = Message(name, resource)
    return by_kind


def _version(resource: Json) -> str:
    """Equal in every process, unlike the bytes of a protobuf message."""
    text = orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]
