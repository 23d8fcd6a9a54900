"""
Closes connections that policy no longer allows, from outside the proxy.

Envoy asks policy when a request or a connection begins. What had begun before a caller was
revoked (a WebSocket, a stream, a TCP session) would live on, so its socket is destroyed in the
kernel: callers see a reset, Envoy sees an aborted read and lets go of the other side.

Level-triggered: every look compares all live connections with the policy of now. One thing
is remembered: an HTTP connection that began when its caller was refused already has got
nothing but 403s, and is left alone, so that a client that keeps it reads the next one too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spacecloud.drivers.docker import netlink
from spacecloud.drivers.docker.gateway.connections import Dialled, Peer, dialled
from spacecloud.drivers.docker.netlink import Connection, OpenNetlink
from spacecloud.errors import Transient
from spacecloud.mesh.addressing import SourceMatcher
from spacecloud.model.task import Protocol
from spacecloud.model.traffic import SourceRanges
from spacecloud.reasons.platform import HostFailed

Cookie = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Guarded:
    """What stands behind a dialled address."""

    protocol: Protocol
    allowed: SourceRanges
    """By policy as it is declared."""

    enforced: SourceRanges | None
    """By policy as Envoy has acknowledged it; None when this process does not know."""


@dataclass(frozen=True, slots=True)
class _Look:
    cookies: frozenset[Cookie]
    enforced: Mapping[Dialled, SourceRanges | None]


class RevokedConnections:
    def __init__(self, mesh_port: int, open_netlink: OpenNetlink) -> None:
        self._mesh_port = mesh_port
        self._open_netlink = open_netlink
        self._looks: tuple[_Look, ...] = ()
        self._harmless: dict[Cookie, SourceRanges] = {}

    def look(self, guarded: Mapping[Dialled, Guarded]) -> int:
        """
        How many were closed. A dialled address that ``guarded`` does not hold is left alone.

        Blocks while the kernel lists its connections. Raises ``Transient`` where it cannot.
        """
        try:
            with self._open_netlink(netlink.SOCK_DIAG) as diagnosis:
                live = netlink.connections(diagnosis, self._mesh_port)
                called = dialled(live, self._mesh_port, self._open_netlink)
                doomed = list(self._not_allowed(live, called, guarded))
                self._remember(live, guarded)
                return sum(netlink.destroy(diagnosis, connection) for connection in doomed)
        except OSError as error:
            raise Transient(
                HostFailed("list live connections, or close them", str(error))
            ) from error

    def _not_allowed(
        self,
        live: Iterable[Connection],
        called: Mapping[Peer, Dialled],
        guarded: Mapping[Dialled, Guarded],
    ) -> Iterable[Connection]:
        sources: dict[Dialled, SourceMatcher] = {}
        for connection in live:
            callee = called.get((connection.peer, connection.peer_port))
            if callee is None or callee not in guarded:
                continue
            if callee not in sources:
                sources[callee] = SourceMatcher(guarded[callee].allowed)
            if sources[callee].allowed(connection.peer):
                self._harmless.pop(connection.cookie, None)
            elif not self._is_harmless(connection, callee, guarded[callee]):
                yield connection

    def _is_harmless(self, connection: Connection, callee: Dialled, behind: Guarded) -> bool:
        """It is younger than two looks in a row at which its caller was refused already."""
        if behind.protocol != "http" or behind.enforced is None:
            return False
        if self._harmless.get(connection.cookie) == behind.enforced:
            return True
        refused_all_along = len(self._looks) == 2 and all(
            connection.cookie not in look.cookies and look.enforced.get(callee) == behind.enforced
            for look in self._looks
        )
        if refused_all_along and not SourceMatcher(behind.enforced).allowed(connection.peer):
            self._harmless[connection.cookie] = behind.enforced
            return True
        return False

    def _remember(self, live: Iterable[Connection], guarded: Mapping[Dialled, Guarded]) -> None:
        cookies = frozenset(connection.cookie for connection in live)
        enforced = {callee: behind.enforced for callee, behind in guarded.items()}
        self._looks = (*self._looks[-1:], _Look(cookies, enforced))
        for gone in self._harmless.keys() - cookies:
            del self._harmless[gone]
