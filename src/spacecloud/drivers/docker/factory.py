"""The Docker driver put together: one engine, one Envoy, one resolver, one host."""

import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from spacecloud.drivers.docker import adoption
from spacecloud.drivers.docker.doctor import checks
from spacecloud.drivers.docker.doctor import inventory as stock
from spacecloud.drivers.docker.doctor import preflight as requirements
from spacecloud.drivers.docker.engine import connect
from spacecloud.drivers.docker.gateway.api_socket import listen
from spacecloud.drivers.docker.gateway.traffic import EnvoyTraffic
from spacecloud.drivers.docker.host.dns import DnsmasqNames
from spacecloud.drivers.docker.host.host import DockerHost
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.pods.replicas import SecretValues
from spacecloud.drivers.docker.pods.workloads import DockerWorkloads
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.drivers.driver import Check, Driver
from spacecloud.settings import Settings


@asynccontextmanager
async def docker_driver(
    settings: Settings, secret_values: SecretValues, now: Callable[[], datetime]
) -> AsyncGenerator[Driver]:
    networking = networking_of(settings)
    async with connect(settings.docker_host) as engine:
        workloads = DockerWorkloads(engine, settings, networking, secret_values, now)
        gateway = EnvoyTraffic(settings, now)
        async with gateway.serve(), workloads.run():
            yield Driver(
                workloads=workloads,
                images=workloads,
                resources=workloads.resources,
                logs=workloads.logs,
                traffic=gateway,
                edge=gateway,
                meter=gateway,
                refusals=gateway,
                names=DnsmasqNames(RunDirectory(settings.run_dir)),
                host=DockerHost(engine, settings, networking),
                gate=gateway.gate,
                revocation=gateway,
                cluster_type="docker",
                own_ports=settings.own_ports,
            )


def api_socket(settings: Settings) -> socket.socket:
    """Where the gateway brings requests to the API. ``Unavailable`` where there is no place."""
    return listen(RunDirectory(settings.run_dir))


@asynccontextmanager
async def docker_host(settings: Settings) -> AsyncGenerator[DockerHost]:
    """For taking everything away while no control plane runs."""
    async with connect(settings.docker_host) as engine:
        yield DockerHost(engine, settings, networking_of(settings))


async def adopt(settings: Settings) -> int:
    """Take over what a release without marks has made."""
    async with connect(settings.docker_host) as engine:
        return await adoption.adopt(engine, settings)


async def preflight(settings: Settings) -> tuple[str, ...]:
    """What this machine lacks, a sentence each with the fix; empty when it is ready."""
    async with connect(settings.docker_host) as engine:
        return await requirements.preflight(engine, settings, networking_of(settings))


async def examine(settings: Settings) -> tuple[Check, ...]:
    """Everything that can be wrong with this machine and our part of it."""
    async with connect(settings.docker_host) as engine:
        return await checks.examine(engine, settings, networking_of(settings))


async def inventory(settings: Settings) -> Mapping[str, Any]:
    """What there is of the instance on this machine."""
    async with connect(settings.docker_host) as engine:
        return await stock.inventory(engine, settings, networking_of(settings))


def networking_of(settings: Settings) -> Networking:
    return Networking(
        instance=settings.instance,
        pools=settings.pools,
        http_port=settings.http_port,
        mesh_port=settings.mesh_port,
        dns_port=settings.dns_port,
        metrics_port=settings.metrics_port,
        upstream_dns=settings.upstream_dns,
    )
