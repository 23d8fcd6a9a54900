"""What Prometheus is told of the control plane, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from spacecloud.model.refs import ServiceKey


@dataclass(frozen=True, slots=True)
class Metrics:
    services: int = 0
    """That were looked at."""

    replicas: Mapping[ServiceKey, int] = field(default_factory=dict)
    """On the engine."""

    refused_calls: int = 0
    refused_connections: int = 0
    longest_hold_seconds: float = 0.0
    scaling: bytes = b""
    """In Prometheus' text format: what is counted of wakes and decisions is so by its client."""
