"""How HTTP is spoken in mesh and ingress, with no limit that nobody asked for."""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network

from spacecloud.mesh.envoy import limits, spoofable_headers
from spacecloud.mesh.envoy.access_log import FORBIDDEN, request_log
from spacecloud.mesh.envoy.clusters import FROM_XDS, HEADERS_KIB
from spacecloud.mesh.envoy.escaped_slashes import escaped_slashes
from spacecloud.mesh.envoy.source_ranges import RBAC_FILTER
from spacecloud.mesh.envoy.spoofable_headers import Believed
from spacecloud.model.json import Json

METADATA = "space-cloud"
"""Namespace of what a route says about itself."""


def mesh_connections(routes: str) -> Json:
    """For calls between services: policy by route, requests passed on untouched."""
    more = {"access_log": [request_log()]}
    return untouched("mesh", routes, [_RBAC], more, [_REFUSED, *CALLEE_IS_SILENT])


def untouched(
    prefix: str, routes: str, filters: Iterable[Json], more: Json, said: Iterable[Json]
) -> Json:
    """What caller and callee say to each other is theirs alone; ``said`` is what Envoy may say."""
    return _manager(
        prefix,
        {
            **more,
            "rds": {"config_source": FROM_XDS, "route_config_name": routes},
            "http_filters": [*filters, _ROUTER],
            # What a service says on behalf of its own caller is between it and the callee: Envoy
            # writes over it where it takes the connection's address by itself.
            "use_remote_address": False,
            "original_ip_detection_extensions": [_OF_THE_CONNECTION],
            "skip_xff_append": True,
            # What the caller did not send, the callee does not see: without a mesh it had none.
            "generate_request_id": False,
            "early_header_mutation_extensions": [_mutated(_ENVOYS_OWN)],
            "local_reply_config": {"mappers": list(said)},
        },
    )


def platform_connections(routes: str, filters: Sequence[Json]) -> Json:
    """
    For what replicas ask of the platform itself: small requests, of which no header is passed on.

    What they may cost is bounded: a call that is not whole after some seconds is ended.
    """
    return _manager(
        "platform",
        {
            "rds": {"config_source": FROM_XDS, "route_config_name": routes},
            "http_filters": [*filters, _ROUTER],
            "use_remote_address": False,
            "original_ip_detection_extensions": [_OF_THE_CONNECTION],
            "skip_xff_append": True,
            "generate_request_id": False,
            "early_header_mutation_extensions": [_mutated(*_ALL_BUT_THE_LENGTH)],
            "local_reply_config": {
                "mappers": [*CALLEE_IS_SILENT, _TOO_LATE, _TOO_OFTEN, _TOO_LARGE]
            },
            "request_timeout": "5s",
            "stream_idle_timeout": "30s",
            "common_http_protocol_options": {"idle_timeout": "60s", "max_headers_count": 100},
            "max_request_headers_kb": 8,
            "upgrade_configs": [],
            "http2_protocol_options": {"max_concurrent_streams": 10},
        },
    )


def ingress_connections(
    scope_header: str,
    scope: str,
    trusted_proxies: Sequence[IPv4Network] = (),
    dropped: Callable[[Believed], list[Json]] = spoofable_headers.dropped,
) -> Json:
    """
    For the outside: what it claims about itself is dropped, its paths are made canonical.

    ``scope`` is a format that names the scope whose routes answer a request. It is written to
    ``scope_header`` when the path is canonical, over whatever the sender wrote there.

    ``trusted_proxies`` are given where the other end of a connection is one of them: what it says
    with ``x-forwarded-*`` is kept, and the caller is the last address there that is no proxy's.
    """
    mutations = dropped("forwarded" if trusted_proxies else "nobody")
    return _manager(
        "ingress",
        {
            **limits.TIMES,
            **_caller(trusted_proxies),
            "http2_protocol_options": limits.HTTP2,
            "scoped_routes": {
                "name": "ingress",
                "scope_key_builder": {
                    "fragments": [{"header_value_extractor": {"name": scope_header, "index": 0}}]
                },
                "rds_config_source": FROM_XDS,
                "scoped_rds": {"scoped_rds_config_source": FROM_XDS},
            },
            "http_filters": [escaped_slashes(), _ROUTER],
            # The routes write it, from the address that is believed.
            "skip_xff_append": True,
            "early_header_mutation_extensions": [_mutated(*mutations, _set(scope_header, scope))],
            "local_reply_config": {"mappers": [*CALLEE_IS_SILENT, _NO_ROUTE]},
            "normalize_path": True,
            "merge_slashes": True,
            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        },
    )


def _caller(trusted_proxies: Sequence[IPv4Network]) -> Json:
    """How the address is found from which a request comes."""
    if not trusted_proxies:
        return {"use_remote_address": True}
    cidrs = [
        {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
        for network in trusted_proxies
    ]
    detection = {
        "name": "envoy.http.original_ip_detection.xff",
        "typed_config": {
            "@type": "type.googleapis.com/"
            "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
            "xff_trusted_cidrs": {"cidrs": cidrs},
            "skip_xff_append": True,
        },
    }
    return {"use_remote_address": False, "original_ip_detection_extensions": [detection]}


_OF_THE_CONNECTION: Json = {
    "name": "envoy.http.original_ip_detection.custom_header",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig",
        # One that never arrives: where no header tells it, the address is the connection's.
        "header_name": "x-envoy-nobody",
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
                "ignore_http_11_upgrade": [_regex(other) for other in _OTHERS_THAN_WEBSOCKET],
            },
            "http2_protocol_options": {"allow_connect": True},
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            # Whether it wants the body is the callee's to say.
            "proxy_100_continue": True,
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


def _regex(expression: str) -> Json:
    return {"safe_regex": {"regex": expression}}


def _others_than(word: str) -> str:
    """An expression for all texts but this one: RE2 has no other way to say it."""
    first, rest = word[0], word[1:]
    return f"([^{first}].*)?|{first}({_others_than(rest) if rest else '.+'})"


def _not_beginning_with(word: str) -> str:
    first, rest = word[0], word[1:]
    return f"([^{first}].*)?" + (f"|{first}({_not_beginning_with(rest)})" if rest else "")


_OTHERS_THAN_WEBSOCKET = (
    f"(?i){_not_beginning_with('webs')}",
    f"(?i)webs({_others_than('ocket')})",
)
"""
RFC 9110: a server ignores the upgrade to a protocol that it does not speak. In two, for the size
that an expression may have.
"""


_ALL_BUT_THE_LENGTH: list[Json] = [
    {"remove_on_match": {"key_matcher": _regex(expression)}}
    for expression in ("[^:c].*|c[^o].*|co[^n].*|con[^t].*", "content-[^l].*")
]
"""``content-length`` frames the message. In two, as above."""


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


def said(when: Json, sentence: str) -> Json:
    return {"filter": when, "body_format_override": {"json_format": {"error": sentence}}}


def _status(number: int) -> Json:
    return {"op": "EQ", "value": {"default_value": number, "runtime_key": "unused"}}


def _flags(*flags: str) -> Json:
    return {"response_flag_filter": {"flags": list(flags)}}


CALLEE_IS_SILENT: list[Json] = [
    said(_flags("UH", "UF", "NC", "UO"), f"%METADATA(ROUTE:{METADATA}:unavailable)%"),
    said(_flags("UC", "UR", "UPE"), f"%METADATA(ROUTE:{METADATA}:broken)%"),
]

_REFUSED: Json = said(
    # Of the answers that are the mesh's own, policy's is the only 403.
    {"status_code_filter": {"comparison": FORBIDDEN}},
    f"%METADATA(ROUTE:{METADATA}:refused)%",
)

_TOO_LATE: Json = said(_flags("UT"), f"%METADATA(ROUTE:{METADATA}:unavailable)%")

_TOO_OFTEN: Json = {
    **said(
        {"status_code_filter": {"comparison": _status(429)}},
        "a lease lasts for up to an hour: take it less often",
    ),
    "headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
}

_TOO_LARGE: Json = said(
    {"status_code_filter": {"comparison": _status(413)}}, "no body is read here: send none"
)

_NO_ROUTE: Json = said(
    _flags("NR"), "no ingress route leads from this host, path and method to a service"
)
