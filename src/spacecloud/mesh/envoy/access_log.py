"""Access logs that carry refused attempts, and nothing else, to the control plane."""

from spacecloud.mesh.envoy.names import CONTROL_CLUSTER
from spacecloud.mesh.envoy.source_ranges import RBAC_FILTER
from spacecloud.model.gate_limits import HELD_SECONDS
from spacecloud.model.json import Json

LOG_NAME = "refusals"

GATE_LOG_NAME = "gate"
"""
Of connections that arrived at a gate, each when it begins, now and then while it may be held, and
when it ends.
"""

FLUSH_INTERVAL = "1s"
"""A timer of each worker, which runs whether anything was refused or not."""

FORBIDDEN: Json = {"op": "EQ", "value": {"default_value": 403, "runtime_key": "unused"}}

DENIED_BY_POLICY: Json = {
    "and_filter": {
        "filters": [
            {"status_code_filter": {"comparison": FORBIDDEN}},
            {
                "metadata_filter": {
                    "matcher": {
                        "filter": RBAC_FILTER,
                        "path": [{"key": "enforced_engine_result"}],
                        "value": {"string_match": {"exact": "denied"}},
                    },
                    "match_if_key_not_found": False,
                }
            },
        ]
    }
}
"""True of a request that policy refused, false of a 403 that the callee itself answered."""


def request_log() -> Json:
    return {
        "name": "envoy.access_loggers.http_grpc",
        "filter": DENIED_BY_POLICY,
        "typed_config": {
            "@type": "type.googleapis.com/"
            "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": _SINK,
        },
    }


def connection_log(flush_interval: str = FLUSH_INTERVAL) -> Json:
    return _connections({**_SINK, "buffer_flush_interval": flush_interval})


def gate_log() -> Json:
    """Sent with each connection: the wake that it asks for does not wait for a second one."""
    log = _connections({**_SINK, "log_name": GATE_LOG_NAME, "buffer_size_bytes": 0})
    return {**log, "filter": _MAY_BE_HELD}


_MAY_BE_HELD: Json = {
    "or_filter": {
        "filters": [
            {"log_type_filter": {"types": ["TcpPeriodic"], "exclude": True}},
            {
                "duration_filter": {
                    "comparison": {
                        "op": "LE",
                        "value": {"default_value": 1000 * HELD_SECONDS, "runtime_key": "unused"},
                    }
                }
            },
        ]
    }
}
"""What is open for longer has a replica: of such a one nothing is told until it ends."""


def _connections(sink: Json) -> Json:
    return {
        "name": "envoy.access_loggers.tcp_grpc",
        "typed_config": {
            "@type": "type.googleapis.com/"
            "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
            "common_config": sink,
        },
    }


_SINK: Json = {
    "log_name": LOG_NAME,
    "transport_api_version": "V3",
    "grpc_service": {"envoy_grpc": {"cluster_name": CONTROL_CLUSTER}},
    "buffer_flush_interval": FLUSH_INTERVAL,
}
