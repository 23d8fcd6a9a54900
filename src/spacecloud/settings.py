"""Every knob of the control plane, read once at start and passed down from there."""

import os
from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from spacecloud.model import defaults
from spacecloud.model.addresses import Pools


class Settings(BaseSettings):
    """Environment: ``SPACE_CLOUD_`` and the field's name, as in ``SPACE_CLOUD_HTTP_PORT``."""

    model_config = SettingsConfigDict(
        env_prefix="SPACE_CLOUD_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    instance: str = Field(
        default=defaults.INSTANCE, pattern=r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$"
    )
    """Name of this installation. Two on one host share nothing but the engine."""

    state: Path = Path(defaults.STATE)
    """Folder of what must survive: database, key, admin password. One sub-folder per instance."""

    run: Path = Path("/run/space-cloud")
    """Folder of sockets and resolver files. One sub-folder per instance."""

    docker_host: str = "unix:///var/run/docker.sock"
    driver: Literal["docker", "memory"] = "docker"

    http_port: int = Field(default=defaults.HTTP_PORT, ge=1, le=65535)
    """Ingress, public; the API's paths answer on it for loopback callers."""

    mesh_port: int = Field(default=15001, ge=1, le=65535)
    """Where NAT brings calls to virtual IPs. Closed to the outside."""

    dns_port: int = Field(default=15053, ge=1, le=65535)
    """Where NAT brings the pods' DNS. Closed to the outside."""

    metrics_port: int = Field(default=4123, ge=0, le=65535)
    """On loopback alone: ``/metrics`` for Prometheus, without a token. 0: nowhere."""

    expose_api: bool = False
    """Answer the API's paths to callers that are not on loopback too."""

    trusted_proxies: tuple[IPv4Network, ...] = ()
    """
    Addresses of the proxies in front, as in ``["10.0.0.5/32"]``: their ``X-Forwarded-*`` is
    believed. Only of a proxy that writes these headers itself and can be reached by no way round.
    """

    public_connections: int = Field(default=10_000, ge=1)
    """
    Most connections to the public port at the same time from outside, as many again from trusted
    proxies, and as many from this host; a sixth of the gateway's descriptors where that is less.
    What is more is closed at once, and told by an event.
    """

    api_names: tuple[str, ...] = ()
    """Names under which callers reach an API that is exposed, beside this machine's own and its
    addresses: a request whose Host is another one is refused."""

    api_origins: tuple[str, ...] = ()
    """Origins whose pages may use the API beside its own, as in ``https://console.example.com``."""

    login_days: float = Field(default=30, gt=0, le=3650)
    """How long tokens of one login can be refreshed; then the password is asked for again."""

    subnet_pool: IPv4Network = IPv4Network("10.180.0.0/14")
    subnet_prefix: int = Field(default=25, ge=20, le=29)
    vip_pool: IPv4Network = IPv4Network("10.184.0.0/16")
    upstream_dns: tuple[str, ...] = ()
    """Resolvers for outside names, ``address`` or ``address#port``; empty: the host's own."""

    gateway_image: str = ""
    """Use this Envoy image instead of the one made on the spot."""

    drain_seconds: float = Field(default=30, ge=0)
    """How long a replica that is replaced may finish what it has."""

    stop_grace_seconds: float = Field(default=10, ge=0)
    """Between SIGTERM and SIGKILL."""

    listener_drain_seconds: int = Field(default=600, ge=1)
    """Envoy's --drain-time-s. Tests set 2, so that a wrongly rewritten listener is seen."""

    pull_seconds: float = Field(default=1800, gt=0)
    """How long an image may take from its registry, with all tries, before its pull is given up."""

    ack_timeout_seconds: float = 10
    resync_seconds: float = 30
    """How often everything is looked at even if nothing seems to have changed."""

    restrict: Literal["default", "restricted"] = "default"
    """``restricted`` drops every capability of the tasks."""

    reclaim_frozen: bool = False
    """
    Give the memory of frozen replicas back to the machine: it goes to swap, and a wake reads it
    from there. Needs swap (zram counts) and cgroup v2 of Linux 5.19.
    """

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def own_ports(self) -> frozenset[int]:
        """Of the host, where the platform itself listens."""
        return frozenset({self.http_port, self.mesh_port, self.dns_port, self.metrics_port}) - {0}

    @property
    def pools(self) -> Pools:
        return Pools(self.subnet_pool, self.subnet_prefix, self.vip_pool)

    @property
    def state_dir(self) -> Path:
        return self.state / self.instance

    @property
    def run_dir(self) -> Path:
        return self.run / self.instance

    @property
    def is_root(self) -> bool:
        return os.geteuid() == 0
