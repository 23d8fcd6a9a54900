"""Refused calls as Envoy logs them, handed to whoever listens."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogCommon
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage

from spacecloud.broadcast import Broadcast
from spacecloud.mesh.envoy.names import owner_of
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import DeniedCall

BACKLOG = 1000
"""Kept for a listener that is slow; of more, the oldest are not counted."""


class DeniedCallLog:
    def __init__(self, listeners: Callable[[], Iterable[str]]) -> None:
        """``listeners`` gives the names of those that Envoy has: they say whose address it was."""
        self._listeners = listeners
        self._denied: Broadcast[DeniedCall] = Broadcast(BACKLOG)

    def subscribe(self) -> AsyncIterator[DeniedCall]:
        """From this call on."""
        return self._denied.subscribe()

    async def hear(self, messages: AsyncIterator[StreamAccessLogsMessage]) -> None:
        async for message in messages:
            self._hear(message)

    def _hear(self, message: StreamAccessLogsMessage) -> None:
        entries = [
            *(entry.common_properties for entry in message.http_logs.log_entry),
            *(entry.common_properties for entry in message.tcp_logs.log_entry),
        ]
        if not self._denied.is_heard or not entries:
            return
        for denied in self._read(entries):
            self._denied.send(denied)

    def _read(self, entries: Iterable[AccessLogCommon]) -> Iterator[DeniedCall]:
        callees = self._callees()
        for entry in entries:
            dialled = entry.downstream_local_address.socket_address
            callee = callees.get(f"{dialled.address}:{dialled.port_value}")
            if callee is not None:
                caller = entry.downstream_direct_remote_address.socket_address.address
                yield DeniedCall(caller, callee, dialled.port_value, dialled.address)

    def _callees(self) -> dict[str, ServiceKey]:
        """Dialled address to the service behind it."""
        named = ((name.partition("|")[2], owner_of(name)) for name in self._listeners())
        return {address: owner for address, owner in named if owner is not None}
