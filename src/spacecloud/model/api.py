"""What the API and those who bring requests to it must agree on."""

API_PATHS = ("/v1/config", "/v1/runner", "/v1/api", "/docs", "/openapi.json")
"""Where the API answers, to callers on loopback before any ingress route."""

CALLER_HEADER = "x-space-cloud-caller"
"""Tells the API the address at the other end of the connection; nobody else can set it."""
