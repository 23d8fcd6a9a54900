"""
The metrics, as Prometheus wants them: on a port of their own, which loopback alone reaches.

No token is asked for, as by any exporter on this machine: they tell names and numbers of services,
and nothing that was declared. A page in a browser gets nothing, as at the API.
"""

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from spacecloud.api.access import Access, AccessMiddleware
from spacecloud.model.metrics import Metrics

PATH = "/metrics"


def by_port(api: ASGIApp, others: Mapping[int, ASGIApp]) -> ASGIApp:
    """One server for all: an application by the port of ours that was asked, and else the API."""

    async def chosen(scope: Scope, receive: Receive, send: Send) -> None:
        _, port = scope.get("server") or ("", None)
        app = others.get(port, api) if port else api
        await app(scope, receive, send)

    return chosen


def metrics_app(read: Callable[[], Metrics]) -> Starlette:
    async def metrics(request: Request) -> Response:
        return Response(render(read()), media_type=CONTENT_TYPE_LATEST)

    async def elsewhere(request: Request) -> Response:
        return PlainTextResponse(f"there is nothing but {PATH} here\n", 404)

    return Starlette(
        routes=[Route(PATH, metrics), Route("/{path:path}", elsewhere)],
        middleware=[Middleware(AccessMiddleware, access=Access(exposed=False))],
    )


def render(told: Metrics) -> bytes:
    """In Prometheus' text format."""
    registry = CollectorRegistry()
    numbers = {
        "services": ("Services that were looked at", told.services),
        "refused_calls": ("Calls that policy refused", told.refused_calls),
        "refused_connections": (
            "Connections that the public port closed because of its limits",
            told.refused_connections,
        ),
        "longest_hold_seconds": (
            "For which a look held its key, at most since the control plane started",
            told.longest_hold_seconds,
        ),
    }
    for name, (says, number) in numbers.items():
        Gauge(f"space_cloud_{name}", says, registry=registry).set(number)
    replicas = Gauge(
        "space_cloud_replicas", "Replicas on the engine", ("project", "service"), registry=registry
    )
    for key, count in told.replicas.items():
        replicas.labels(*key).set(count)
    return generate_latest(registry) + told.scaling
