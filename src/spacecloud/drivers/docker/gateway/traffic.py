"""The Docker driver's Traffic: one Envoy, told by xDS, believed when it has acknowledged."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from spacecloud.drivers.docker.gateway import admin, connections
from spacecloud.drivers.docker.gateway.connections import Dialled
from spacecloud.drivers.docker.gateway.ingress import Ingress
from spacecloud.drivers.docker.gateway.revocation import Guarded, RevokedConnections
from spacecloud.drivers.docker.netlink import OpenNetlink, open_netlink
from spacecloud.drivers.docker.run_directory import GATEWAY_UID, RunDirectory
from spacecloud.drivers.docker.xds.ads import NOTHING, Ads
from spacecloud.drivers.docker.xds.denied_calls import DeniedCallLog
from spacecloud.drivers.docker.xds.encoding import Messages, messages
from spacecloud.drivers.docker.xds.gate import GateServer
from spacecloud.drivers.docker.xds.load_reports import DRAINING, USUAL, LoadReports
from spacecloud.drivers.docker.xds.server import serving
from spacecloud.drivers.driver import GatewayView
from spacecloud.mesh.envoy.access_log import GATE_LOG_NAME, LOG_NAME
from spacecloud.mesh.envoy.gate import Gating, gate_socket, gated_clusters
from spacecloud.mesh.envoy.host_ports import host_port_listener, host_port_resources
from spacecloud.mesh.envoy.leases import lease_resources
from spacecloud.mesh.envoy.names import gate_name, gate_of, owner_of
from spacecloud.mesh.envoy.service import policy_resources, service_resources
from spacecloud.model.load import InFlightReport, LoadReport, OpenConnection
from spacecloud.model.refs import HOST, PLATFORM, PLATFORM_PROJECT, ServiceKey, ServiceRef
from spacecloud.model.traffic import (
    DeniedCall,
    Endpoint,
    Face,
    HostPortAccess,
    IngressTable,
    SourceRanges,
    VersionPort,
)
from spacecloud.settings import Settings
from spacecloud.workloads.observed import Published

_GuardedService = tuple[Face, Face | None, dict[Dialled, Guarded]]
"""What one was made of, and it."""


class EnvoyTraffic:
    """While ``serve`` is open ``Traffic``, ``Edge``, ``Meter``, ``Refusals`` and ``Revocation``."""

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], datetime],
        open_netlink: OpenNetlink = open_netlink,
    ) -> None:
        """``open_netlink`` opens sockets to the kernel in Envoy's network namespace."""
        self._revocation = RevokedConnections(settings.mesh_port, open_netlink)
        self._open_netlink = open_netlink
        self._settings = settings
        self._run = RunDirectory(settings.run_dir)
        self._ads = Ads(settings.ack_timeout_seconds, self._disowned)
        self._ingress = Ingress(settings, self._ads)
        self._denied_calls = DeniedCallLog(self._ads.listener_names)
        self._load_reports = LoadReports(now, self._clusters)
        self.gate = GateServer(time.monotonic, self._gate_at, self._load_reports.report_all)
        self._now = now
        self._published: dict[ServiceKey, Published] = {}
        self._draining: set[ServiceKey] = set()
        """Those with an endpoint that drains."""

        self._policies: dict[ServiceKey, Face] = {}
        """Those that were published alone."""

        self._host_ports: dict[int, HostPortAccess] = {}
        self._guarded: dict[ServiceKey, _GuardedService] = {}

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Listen for Envoy. It may come, go and come back while the block is open."""
        logs = {LOG_NAME: self._denied_calls.hear, GATE_LOG_NAME: self.gate.hear}
        socket = self._run.xds_socket
        loads = self._load_reports
        async with serving(socket, GATEWAY_UID, self._ads, logs, self.gate.check, loads):
            yield

    async def publish(
        self, face: Face, endpoints: tuple[Endpoint, ...], gated: tuple[str, ...] = ()
    ) -> None:
        self._mark_unacknowledged(face.key)
        await self._apply(
            face.key,
            lambda: messages(service_resources(face, endpoints, self._gating(face, gated))),
        )
        self._published[face.key] = Published(face, endpoints, gated=gated)
        self._policies.pop(face.key, None)
        self._note_draining(face.key, endpoints)

    def _gating(self, face: Face, gated: tuple[str, ...]) -> Gating:
        standing = frozenset(port for port in face.ports if self._has_gate(face.key, port))
        return Gating(str(self._run.gateway), frozenset(gated), standing)

    def _has_gate(self, key: ServiceKey, port: VersionPort) -> bool:
        return self._ads.holds("listeners", gate_name(key, port.version, port.port))

    async def _apply(self, key: ServiceKey, wanted: Callable[[], Messages]) -> None:
        before = self._gates_of(key)
        self._load_reports.report_all()
        try:
            await self._ads.apply(key, wanted)
        finally:
            # Of the time before its word, nothing that was not in flight counts.
            self._load_reports.report_all()
        for socket in before - self._gates_of(key):
            # Envoy makes it and leaves it behind.
            socket.unlink(missing_ok=True)

    def _clusters(self) -> Mapping[str, bool]:
        """Of services: do all calls of it wait at the gate? By what the gateway acknowledged."""
        asleep = {
            cluster
            for published in self._published.values()
            if published.acknowledged and published.gated
            for cluster in gated_clusters(
                published.face, self._gating(published.face, published.gated)
            )
        }
        return {
            cluster: cluster in asleep
            for cluster in self._ads.cluster_names()
            if _is_of_service(owner_of(cluster))
        }

    def _gates_of(self, key: ServiceKey) -> set[Path]:
        return {self._socket(name) for name in self._ads.listeners_of(key) if gate_of(name)}

    def _socket(self, gate: str) -> Path:
        return Path(gate_socket(str(self._run.gateway), gate))

    def _gate_at(self, socket: str) -> tuple[ServiceRef, int] | None:
        gates = {name: gate_of(name) for name in self._ads.listener_names()}
        return next((g for n, g in gates.items() if g and str(self._socket(n)) == socket), None)

    async def publish_policy(self, face: Face) -> None:
        await self._ads.amend(face.key, lambda: messages(policy_resources(face, self._leads_on)))
        self._policies[face.key] = face

    def _leads_on(self, cluster: str) -> bool:
        return self._ads.holds("clusters", cluster)

    async def withdraw(self, key: ServiceKey) -> None:
        self._mark_unacknowledged(key)
        await self._apply(key, lambda: NOTHING)
        self._published.pop(key, None)
        self._policies.pop(key, None)
        self._note_draining(key, ())

    async def publish_ingress(self, table: IngressTable) -> Mapping[str, str]:
        return await self._ingress.publish(table)

    async def publish_host_ports(self, host_ports: tuple[HostPortAccess, ...]) -> None:
        host_vip = str(self._settings.pools.host_vip)
        # A port that is closed now allows nobody: connections to it that live on are to be found.
        held = (name for name in self._ads.listener_names() if owner_of(name) == HOST)
        shut = {port: HostPortAccess(port, ()) for port in map(host_port_listener, held)}
        await self._ads.apply(HOST, lambda: messages(host_port_resources(host_ports, host_vip)))
        self._host_ports |= shut | {access.port: access for access in host_ports}

    async def publish_leases(self) -> None:
        pools = self._settings.pools
        resources = lease_resources(str(pools.platform_vip), pools.subnet_prefix)
        await self._ads.apply(PLATFORM, lambda: messages(resources))

    def view(self, key: ServiceKey) -> GatewayView:
        held = self._ads.has_of(key)
        return GatewayView(self._published.get(key), held, self._policies.get(key))

    def known(self) -> frozenset[ServiceKey]:
        return frozenset(filter(_is_of_service, self._ads.owners()))

    def load_reports(self) -> AsyncIterator[LoadReport]:
        return self._load_reports.subscribe()

    async def in_flight(self) -> tuple[InFlightReport, ...]:
        """
        By reports; by a poll where there are none: of a gateway that an earlier release made, and
        in the seconds until one has found this control plane.
        """
        return self._load_reports.recent or (await self._poll(),)

    async def _poll(self) -> InFlightReport:
        seconds = self._settings.ack_timeout_seconds
        counts = await admin.in_flight(self._run.admin_socket, seconds)
        at = self._now()
        return InFlightReport(at, at, counts)

    async def connections(self) -> Mapping[OpenConnection, int]:
        port, open_netlink = self._settings.mesh_port, self._open_netlink
        return await asyncio.to_thread(connections.count, port, open_netlink)

    async def refused_connections(self) -> int:
        return await admin.refused_connections(
            self._run.admin_socket, self._settings.ack_timeout_seconds
        )

    def denied_calls(self) -> AsyncIterator[DeniedCall]:
        return self._denied_calls.subscribe()

    async def close_revoked(self, allowed: Mapping[ServiceKey, Face]) -> int:
        self._guarded = {key: self._guarded_of(key, face) for key, face in allowed.items()}
        guarded: dict[Dialled, Guarded] = {}
        for _, _, of_service in self._guarded.values():
            guarded |= of_service
        host_vip = str(self._settings.pools.host_vip)
        for access in self._host_ports.values():
            sources = SourceRanges(blocks=access.blocks)
            guarded[host_vip, access.port] = Guarded("tcp", sources, sources)
        return await asyncio.to_thread(self._revocation.look, guarded)

    def _guarded_of(self, key: ServiceKey, face: Face) -> _GuardedService:
        """The last answer, where nothing of it changed."""
        published, known = self._published.get(key), self._guarded.get(key)
        enforced = published.face if published is not None else self._policies.get(key)
        if known is not None and known[0] is face and known[1] is enforced:
            return known
        behind = {
            (e.vip, e.port): Guarded(
                e.protocol,
                face.sources_at(e),
                enforced.sources_at(e) if enforced is not None else None,
            )
            for e in face.entries
        }
        return face, enforced, behind

    def _note_draining(self, key: ServiceKey, endpoints: tuple[Endpoint, ...]) -> None:
        if any(endpoint.draining for endpoint in endpoints):
            self._draining.add(key)
        else:
            self._draining.discard(key)
        self._load_reports.report_every(DRAINING if self._draining else USUAL)

    def _mark_unacknowledged(self, key: ServiceKey) -> None:
        """Until it has acknowledged what it is sent now: what it holds by then may be either."""
        if key in self._published:
            self._published[key] = replace(self._published[key], acknowledged=False)

    def _disowned(self, owner: ServiceKey) -> None:
        self._published.pop(owner, None)
        self._policies.pop(owner, None)


def _is_of_service(owner: ServiceKey | None) -> bool:
    return owner is not None and owner.project != PLATFORM_PROJECT
