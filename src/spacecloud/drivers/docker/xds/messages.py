"""Resources as bytes on the wire, each with a version that follows from its content."""

import hashlib
import json
from dataclasses import dataclass

# Imported for their side effect: a message type can be named in JSON once its module is loaded.
import envoy.config.cluster.v3.cluster_pb2
import envoy.config.endpoint.v3.endpoint_pb2
import envoy.config.listener.v3.listener_pb2
import envoy.config.route.v3.route_pb2
import envoy.extensions.access_loggers.grpc.v3.als_pb2
import envoy.extensions.filters.http.rbac.v3.rbac_pb2
import envoy.extensions.filters.http.router.v3.router_pb2
import envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2
import envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2
import envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2
import envoy.extensions.matching.common_inputs.network.v3.network_inputs_pb2
import envoy.extensions.matching.input_matchers.ip.v3.ip_pb2
import envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2
import envoy.extensions.upstreams.http.v3.http_protocol_options_pb2
import google.protobuf.wrappers_pb2  # noqa: F401
from envoy.service.discovery.v3.discovery_pb2 import Resource
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any

from spacecloud.mesh.envoy.resources import Json


@dataclass(frozen=True, slots=True)
class Message:
    name: str
    version: str
    resource: Json

    def encoded(self) -> Resource:
        """Raises ``json_format.ParseError`` for a field that Envoy does not have: a bug of ours."""
        body = json_format.ParseDict(self.resource, Any())
        return Resource(name=self.name, version=self.version, resource=body)


def message(name: str, resource: Json) -> Message:
    text = json.dumps(resource, sort_keys=True, separators=(",", ":"))
    return Message(name, hashlib.sha256(text.encode()).hexdigest()[:16], resource)
