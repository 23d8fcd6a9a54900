"""How HTTP is spoken in mesh and ingress, with no limit that nobody asked for."""

from spacecloud.mesh.envoy.access_log import FORBIDDEN, request_log
from spacecloud.mesh.envoy.clusters import FROM_XDS, HEADERS_KIB
from spacecloud.mesh.envoy.source_ranges import RBAC_FILTER
from spacecloud.model.json import Json

METADATA = "space-cloud"
"""Namespace of what a route says about itself."""

RETRIED = "connect-failure,refused-stream,reset-before-request"
"""What can be tried again because no callee has seen the request."""


def mesh_connections(routes: str) -> Json:
    """For calls between services: policy by route, requests passed on untouched."""
    return _manager(
        "mesh",
        {
            "rds": {"config_source": FROM_XDS, "route_config_name": routes},
            "http_filters": [_RBAC, _ROUTER],
            "access_log": [request_log()],
            "use_remote_address": True,
            # What a service says on behalf of its own caller is between it and the callee.
            "skip_xff_append": True,
            # What the caller did not send, the callee does not see: without a mesh it had none.
            "generate_request_id": False,
            "early_header_mutation_extensions": [_mutated(_ENVOYS_OWN)],
            "local_reply_config": {"mappers": [_REFUSED, *_CALLEE_IS_SILENT]},
        },
    )


def ingress_connections(scope_header: str, scope: str) -> Json:
    """
    For the outside: what it claims about itself is dropped, its paths are made canonical.

    ``scope`` is a format that names the scope whose routes answer a request. It is written to
    ``scope_header`` when the path is canonical, over whatever the sender wrote there.
    """
    return _manager(
        "ingress",
        {
            "scoped_routes": {
                "name": "ingress",
                "scope_key_builder": {
                    "fragments": [{"header_value_extractor": {"name": scope_header, "index": 0}}]
                },
                "rds_config_source": FROM_XDS,
                "scoped_rds": {"scoped_rds_config_source": FROM_XDS},
            },
            "http_filters": [_ROUTER],
            "use_remote_address": True,
            "early_header_mutation_extensions": [
                _mutated(_ENVOYS_OWN, *_CLAIMS, _set(scope_header, scope))
            ],
            "local_reply_config": {"mappers": [*_CALLEE_IS_SILENT, _NO_ROUTE]},
            "normalize_path": True,
            "merge_slashes": True,
            "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
        },
    )


def forward(cluster: Json) -> Json:
    """A route action without a time limit that tries again where that is safe."""
    return {
        **cluster,
        "timeout": "0s",
        "retry_policy": {
            "retry_on": RETRIED,
            "num_retries": 3,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.host."
                        "previous_hosts.v3.PreviousHostsPredicate"
                    },
                }
            ],
            "host_selection_retry_max_attempts": 3,
        },
    }


def _manager(prefix: str, more: Json) -> Json:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network."
            "http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": prefix,
            "codec_type": "AUTO",
            "stream_idle_timeout": "0s",
            "request_timeout": "0s",
            "max_request_headers_kb": HEADERS_KIB,
            "common_http_protocol_options": {"idle_timeout": "0s", "max_headers_count": 1000},
            "http_protocol_options": {
                "accept_http_10": True,
                "default_host_for_http_10": "localhost",
                "enable_trailers": True,
            },
            "http2_protocol_options": {"allow_connect": True},
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "server_header_transformation": "PASS_THROUGH",
            "preserve_external_request_id": True,
            # No address is trusted more than another: internal headers are always stripped.
            "internal_address_config": {"unix_sockets": False},
            **more,
        },
    }


_RBAC: Json = {
    "name": RBAC_FILTER,
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"},
}

_ROUTER: Json = {
    "name": "envoy.filters.http.router",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": True,
        # Of clusters, which the bootstrap's matcher keeps none of: looked up for each request.
        "dynamic_stats": False,
    },
}

_ENVOYS_OWN: Json = {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}}
"""What would steer Envoy itself."""

_CLAIMS: tuple[Json, ...] = tuple(
    {"remove": header}
    for header in (
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-forwarded-server",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
    )
)
"""What the outside says of itself, and an application might believe."""


def _set(header: str, value: str) -> Json:
    written = {"header": {"key": header, "value": value}}
    return {"append": {**written, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


def _mutated(*mutations: Json) -> Json:
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation."
            "header_mutation.v3.HeaderMutation",
            "mutations": list(mutations),
        },
    }


def _said(when: Json, sentence: str) -> Json:
    return {"filter": when, "body_format_override": {"json_format": {"error": sentence}}}


def _flags(*flags: str) -> Json:
    return {"response_flag_filter": {"flags": list(flags)}}


_CALLEE_IS_SILENT: list[Json] = [
    _said(_flags("UH", "UF", "NC", "UO"), f"%METADATA(ROUTE:{METADATA}:unavailable)%"),
    _said(_flags("UC", "UR", "UPE"), f"%METADATA(ROUTE:{METADATA}:broken)%"),
]

_REFUSED: Json = _said(
    # Of the answers that are the mesh's own, policy's is the only 403.
    {"status_code_filter": {"comparison": FORBIDDEN}},
    f"%METADATA(ROUTE:{METADATA}:refused)%",
)

_NO_ROUTE: Json = _said(
    _flags("NR"), "no ingress route leads from this host, path and method to a service"
)
