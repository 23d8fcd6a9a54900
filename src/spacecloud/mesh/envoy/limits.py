"""
What the public listener may cost, so that the outside cannot close the inside (ADR 34).

Calls between services have none of these limits: a service has a name and an owner.
"""

from spacecloud.model.json import Json

SHARE_OF_FILES = 6
"""Of so many parts of the gateway's descriptors each public filter chain may have one."""

HEADERS_SECONDS = 30
"""From the first byte of a request to the end of its headers."""

IDLE_SECONDS = 300
"""A connection without a request; longer than the pools of the usual proxies in front."""

SILENCE_SECONDS = 3600
"""A request, its answer or a WebSocket over which no byte moves in either direction."""

BUFFER_BYTES = 64 << 10
"""Of a connection, in each direction, before reading from its other side pauses."""

STREAMS = 100
STREAM_WINDOW_BYTES, CONNECTION_WINDOW_BYTES = 256 << 10, 1 << 20

TIMES: Json = {
    "request_headers_timeout": f"{HEADERS_SECONDS}s",
    "stream_idle_timeout": f"{SILENCE_SECONDS}s",
    "common_http_protocol_options": {"idle_timeout": f"{IDLE_SECONDS}s", "max_headers_count": 1000},
}

HTTP2: Json = {
    "allow_connect": True,
    "max_concurrent_streams": STREAMS,
    "initial_stream_window_size": STREAM_WINDOW_BYTES,
    "initial_connection_window_size": CONNECTION_WINDOW_BYTES,
    # Envoy's own limits against floods of frames, written down so that no release moves them.
    "max_outbound_frames": 10_000,
    "max_outbound_control_frames": 1_000,
    "max_consecutive_inbound_frames_with_empty_payload": 1,
    "max_inbound_priority_frames_per_stream": 100,
    "max_inbound_window_update_frames_per_data_frame_sent": 10,
}

CHAINS = 3
"""Public filter chains at the most: of the host itself, trusted proxies and strangers."""

NOT_SHED: Json = {"bypass_overload_manager": True}
"""Of the listeners of the inside."""

STATISTICS = (
    "connection_limit.",
    "listener.ingress.downstream_cx_overload_reject",
)
"""Prefixes of the statistics of what is refused."""

REFUSED = r"\.(limited_connections|downstream_cx_overload_reject)$"
"""An expression for their names; of other listeners they are not kept."""


def most_connections(wanted: int, files: int) -> int:
    """
    Of one public filter chain.

    A connection may need another one to a service: twice ``CHAINS`` of such shares is all there
    is, and it takes all of them, each with a request under way, to leave nothing for the inside.
    """
    return min(wanted, max(1, files // SHARE_OF_FILES))


def connection_limit(name: str, most: int) -> Json:
    """What is more is closed at once, before a byte of it is read."""
    return {
        "name": "envoy.filters.network.connection_limit",
        "typed_config": {
            "@type": "type.googleapis.com/"
            "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
            "stat_prefix": name,
            "max_connections": most,
        },
    }


def overload_manager(heap_bytes: int) -> Json:
    """Sheds what does not bypass it, the public listener, before memory is short."""
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": HEAP,
                "typed_config": {
                    "@type": "type.googleapis.com/"
                    "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": heap_bytes,
                },
            },
        ],
        "actions": [
            _action("shrink_heap", 0.85),
            _action("disable_http_keepalive", 0.90),
            _action("stop_accepting_requests", 0.95),
            _action("reject_incoming_connections", 0.98),
        ],
    }


HEAP = "envoy.resource_monitors.fixed_heap"


def _action(name: str, heap: float) -> Json:
    trigger = {"name": HEAP, "threshold": {"value": heap}}
    return {"name": f"envoy.overload_actions.{name}", "triggers": [trigger]}
