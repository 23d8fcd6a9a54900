"""Refused calls as Envoy logs them, handed to whoever listens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogCommon
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage

from spacecloud.mesh.envoy.names import owner_of
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import DeniedCall

BACKLOG = 1000
"""Refusals kept for a listener that is slow; what comes on top is lost."""


class DeniedCallLog:
    def __init__(self, listeners: Callable[[], Iterable[str]]) -> None:
        """``listeners`` gives the names of those that Envoy has: they say whose address it was."""
        self._listeners = listeners
        self._queues: set[asyncio.Queue[DeniedCall]] = set()

    def subscribe(self) -> AsyncIterator[DeniedCall]:
        """From this call on."""
        queue: asyncio.Queue[DeniedCall] = asyncio.Queue(BACKLOG)
        self._queues.add(queue)
        return self._drain(queue)

    def hear(self, message: StreamAccessLogsMessage) -> None:
        entries = [
            *(entry.common_properties for entry in message.http_logs.log_entry),
            *(entry.common_properties for entry in message.tcp_logs.log_entry),
        ]
        if not self._queues or not entries:
            return
        for denied in self._read(entries):
            for queue in self._queues:
                if not queue.full():
                    queue.put_nowait(denied)

    async def _drain(self, queue: "asyncio.Queue[DeniedCall]") -> AsyncIterator[DeniedCall]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)

    def _read(self, entries: Iterable[AccessLogCommon]) -> Iterator[DeniedCall]:
        callees = self._callees()
        for entry in entries:
            dialled = entry.downstream_local_address.socket_address
            callee = callees.get(f"{dialled.address}:{dialled.port_value}")
            if callee is not None:
                caller = entry.downstream_direct_remote_address.socket_address.address
                yield DeniedCall(caller, callee, dialled.port_value)

    def _callees(self) -> dict[str, ServiceKey]:
        """Dialled address to the service behind it."""
        named = ((name.partition("|")[2], owner_of(name)) for name in self._listeners())
        return {address: owner for address, owner in named if owner is not None}
