"""What the API and those who bring requests to it must agree on."""

from typing import Literal

ClusterType = Literal["docker", "istio", "none"]
"""What runs the services. ``none``: nothing does, as with the memory driver."""

API_PATHS = ("/v1/config", "/v1/runner", "/v1/api", "/docs", "/openapi.json")
"""Where the API answers, to callers on loopback before any ingress route."""

PRIVATE_PATHS = (
    "/v1/config/batch-apply",
    "/v1/config/check",
    "/v1/config/cluster",
    "/v1/config/credentials",
    "/v1/config/env",
    "/v1/config/events",
    "/v1/config/export",
    "/v1/config/integrations",
    "/v1/config/login",
    "/v1/config/permissions",
    "/v1/config/plan",
    "/v1/config/projects",
    "/v1/config/refresh-token",
    "/v1/runner",
)
"""
Of these, where a client sends a password or a token. From outside they lead to the API where it
is exposed, to a service where an ingress route is for them, and never to one by a wider route.
"""

LEASE_PATH = "/v1/lease"
"""Of the platform's own domain: where a replica says that it works."""

LEASE_HEADER = "x-space-cloud-lease-caller"
"""
Of a request to the platform's own domain: the replica's address. The gateway writes it there, and
nobody else can: such a request reaches nothing but leases, and no other one reaches those.
"""

CALLER_HEADER = "x-space-cloud-caller"
"""Tells the API the address at the other end of the connection; nobody else can set it."""
