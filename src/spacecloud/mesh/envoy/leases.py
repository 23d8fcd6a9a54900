"""
Where a replica says that it works: one path at the platform's own virtual IP (ADR 43).

Who says it is told by the connection's address alone. Nothing of a request goes on to the API's
socket but its method, its query and how long its body is.
"""

from spacecloud.mesh.envoy.http import platform_connections
from spacecloud.mesh.envoy.listeners import virtual_listener
from spacecloud.mesh.envoy.names import API_CLUSTER
from spacecloud.mesh.envoy.public import written
from spacecloud.mesh.envoy.resources import Resources, typed
from spacecloud.mesh.envoy.retries import UNANSWERED, forward
from spacecloud.mesh.envoy.routes import sentences
from spacecloud.model.api import LEASE_HEADER, LEASE_PATH
from spacecloud.model.json import Json
from spacecloud.model.refs import PLATFORM

PORT = 80
LISTENER = f"{PLATFORM}|leases"

CALLER = "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"
"""Of the connection, whatever a header says."""

METHODS = ("GET", "PUT", "DELETE")

OF_ONE_REPLICA: Json = {"max_tokens": 10, "tokens_per_fill": 1, "fill_interval": "1s"}
"""Lease calls: one is meant for a minute. What is more is answered by the gateway (429)."""

OF_ONE_SERVICE: Json = {"max_tokens": 100, "tokens_per_fill": 20, "fill_interval": "1s"}
"""So that the replicas of one do not take what there is for all."""

OF_ALL: Json = {"max_tokens": 500, "tokens_per_fill": 100, "fill_interval": "1s"}
"""A hundred writes a second are a part of what the store can."""

MOST_BUCKETS = 10_000
"""Of replicas and services that have called lately: the oldest is forgotten."""

MOST_BYTES = 1024
"""Of a body, which nobody reads."""


def lease_resources(platform_vip: str, subnet_prefix: int) -> Resources:
    """``subnet_prefix``: length of a service's subnet."""
    chain = {"name": "requests", "filters": [platform_connections(LISTENER, [_LIMIT, _BODY])]}
    listener = virtual_listener(LISTENER, platform_vip, PORT, {"filter_chains": [chain]})
    return Resources(listeners=(listener,), routes=(_routes(subnet_prefix),))


def _routes(subnet_prefix: int) -> Json:
    return typed(
        "routes",
        {
            "name": LISTENER,
            "virtual_hosts": [
                {
                    "name": "platform",
                    "domains": ["*"],
                    "routes": [_lease(subnet_prefix), _OTHER_METHODS, _OTHER_PATHS],
                }
            ],
        },
    )


def _lease(subnet_prefix: int) -> Json:
    down = "the control plane does not answer: try again in some seconds"
    to_api = forward({"cluster": API_CLUSTER}, UNANSWERED)
    return {
        "name": "lease",
        "match": {
            "path": LEASE_PATH,
            "headers": [
                {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(METHODS)}}}
            ],
        },
        "route": {
            **to_api,
            "timeout": "10s",
            # A control plane that is started again answers within these.
            "retry_policy": {
                **to_api["retry_policy"],
                "num_retries": 10,
                "retry_back_off": {"base_interval": "0.25s", "max_interval": "1s"},
            },
        },
        "request_headers_to_add": [written(LEASE_HEADER, CALLER)],
        "metadata": sentences(unavailable=down, broken=down),
        "typed_per_filter_config": {_LIMIT["name"]: _limits(subnet_prefix)},
    }


def _limits(subnet_prefix: int) -> Json:
    whole: Json = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        **_LIMIT["typed_config"],
        "token_bucket": OF_ALL,
        "filter_enabled": whole,
        "filter_enforced": whole,
        "max_dynamic_descriptors": MOST_BUCKETS,
        "rate_limits": [
            {"actions": [{"remote_address": {}}]},
            {"actions": [{"masked_remote_address": {"v4_prefix_mask_len": subnet_prefix}}]},
        ],
        # A key without a value: a bucket for each.
        "descriptors": [
            {"entries": [{"key": "remote_address"}], "token_bucket": OF_ONE_REPLICA},
            {"entries": [{"key": "masked_remote_address"}], "token_bucket": OF_ONE_SERVICE},
        ],
    }


_LIMIT: Json = {
    "name": "envoy.filters.http.local_ratelimit",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "leases",
    },
}

_BODY: Json = {
    "name": "envoy.filters.http.buffer",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
        "max_request_bytes": MOST_BYTES,
    },
}


def _answer(status: int, error: str, code: str, **headers: str) -> Json:
    given = {"content-type": "application/json", **headers}
    return {
        "direct_response": {
            "status": status,
            "body": {"inline_string": f'{{"error": "{error}", "code": "{code}"}}'},
        },
        "response_headers_to_add": [written(name, value) for name, value in given.items()],
    }


_ABOUT = f"a lease is taken by PUT {LEASE_PATH}?seconds=300"

_OTHER_METHODS: Json = {
    "name": "method",
    "match": {"path": LEASE_PATH},
    **_answer(
        405,
        f"{_ABOUT}, looked at by GET and given back by DELETE",
        "method_not_allowed",
        allow=", ".join(METHODS),
    ),
}

_OTHER_PATHS: Json = {
    "name": "path",
    "match": {"prefix": "/"},
    **_answer(404, f"there is nothing but {LEASE_PATH} here: {_ABOUT}", "not_found"),
}
