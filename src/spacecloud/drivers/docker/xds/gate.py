"""
The control plane's side of the gate: Envoy asks about each request, and tells of each connection.

A request is a question of Envoy's external authorization, and waits for its answer. A TCP
connection is told when it begins, and again as long as it may be held: what becomes of it Envoy
finds out by itself.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogCommon, AccessLogType
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.service.auth.v3.external_auth_pb2 import (
    CheckRequest,
    CheckResponse,
    DeniedHttpResponse,
    OkHttpResponse,
)
from envoy.type.v3.http_status_pb2 import HttpStatus
from google.rpc.status_pb2 import Status

from spacecloud.drivers.held_calls import HeldCalls
from spacecloud.mesh.envoy.gate import GATE, WAKE_HEADER
from spacecloud.mesh.envoy.names import gate_of
from spacecloud.model.gate_calls import CallRefused, HeldCall, Passed
from spacecloud.model.gate_limits import (
    BUFFERED_BYTES,
    BUFFERED_HTTP2_BYTES,
    UNSAID_BYTES,
)
from spacecloud.model.refs import ServiceRef

_BODILESS = ("GET", "HEAD", "DELETE", "OPTIONS")

_OK, _PERMISSION_DENIED = 0, 7
"""gRPC's codes: Envoy lets a request pass for the first alone."""


class GateServer(HeldCalls):
    """Fulfils ``Gate`` for an Envoy that asks ``check`` and tells ``hear``."""

    def __init__(
        self,
        now: Callable[[], float],
        gate_at: Callable[[str], tuple[ServiceRef, int] | None],
        called: Callable[[], None],
    ) -> None:
        """
        ``gate_at`` says whose gate listens on a socket; ``called`` hears of each call before it is
        answered.
        """
        super().__init__(now)
        self._gate_at = gate_at
        self._called = called

    async def check(self, request: CheckRequest) -> CheckResponse:
        """One held request. Cancelled when it is given up."""
        attributes = request.attributes
        gate = gate_of(attributes.context_extensions.get(GATE, ""))
        if gate is None:
            return _refuse(CallRefused("no gate of this name is known", 1))
        self._called()
        http = attributes.request.http
        call = HeldCall(*gate, "text/html" in http.headers.get("accept", ""), self.now())
        body = _body_bytes(http.method, http.protocol, http.headers)
        match await self.hold(call, body):
            case Passed() as passed:
                return _pass(passed)
            case CallRefused() as refused:
                return _refuse(refused, refused.html if call.accepts_html else None)

    async def hear(self, messages: AsyncIterator[StreamAccessLogsMessage]) -> None:
        """
        Ask about each connection that begins, for as long as it waits.

        When Envoy is gone, so are they.
        """
        waiting: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            async for message in messages:
                for entry in message.tcp_logs.log_entry:
                    self._hear(entry.common_properties, waiting, tasks)
            for task in waiting.values():
                task.cancel()

    def _hear(
        self,
        entry: AccessLogCommon,
        waiting: dict[str, asyncio.Task[None]],
        tasks: asyncio.TaskGroup,
    ) -> None:
        connection = entry.stream_id
        if entry.access_log_type == AccessLogType.TcpConnectionEnd:
            task = waiting.get(connection)
            if task is not None:
                task.cancel()
            return
        if connection in waiting or _is_connected(entry):
            return
        gate = self._gate_at(entry.downstream_local_address.pipe.path)
        if gate is not None:
            self._called()
            call = HeldCall(*gate, accepts_html=False, at=self.now())
            task = tasks.create_task(self._wait(call), name=f"hold {call.ref}")
            waiting[connection] = task
            task.add_done_callback(lambda _: waiting.pop(connection, None))

    async def _wait(self, call: HeldCall) -> None:
        await self.hold(call)


def _is_connected(entry: AccessLogCommon) -> bool:
    """To a replica: the gate's end of that connection has a port."""
    port: int = entry.upstream_local_address.socket_address.port_value
    return port != 0


def _body_bytes(method: str, protocol: str, headers: Mapping[str, str]) -> int:
    """What Envoy may have in memory of it."""
    length, is_http2 = headers.get("content-length", ""), protocol == "HTTP/2"
    if length.isdecimal():
        return min(int(length), BUFFERED_HTTP2_BYTES if is_http2 else BUFFERED_BYTES)
    has_body = "transfer-encoding" in headers or (is_http2 and method not in _BODILESS)
    return UNSAID_BYTES if has_body else 0


def _pass(answer: Passed) -> CheckResponse:
    told = {} if answer.wake_ms is None else {WAKE_HEADER: str(answer.wake_ms)}
    passed = OkHttpResponse(response_headers_to_add=_headers(told))
    return CheckResponse(status=Status(code=_OK), ok_response=passed)


def _refuse(answer: CallRefused, page: str | None = None) -> CheckResponse:
    said = json.dumps({"error": answer.sentence})
    kind = "application/json" if page is None else "text/html; charset=utf-8"
    headers = {"content-type": kind, "retry-after": str(answer.retry_after_seconds)}
    denied = DeniedHttpResponse(
        status=HttpStatus(code=503),
        headers=_headers(headers),
        body=said if page is None else page,
    )
    return CheckResponse(status=Status(code=_PERMISSION_DENIED), denied_response=denied)


def _headers(values: Mapping[str, str]) -> Iterable[HeaderValueOption]:
    return [
        HeaderValueOption(
            header=HeaderValue(key=key, value=value),
            append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        for key, value in values.items()
    ]
