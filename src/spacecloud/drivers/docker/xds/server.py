"""The gRPC end of the control plane: Envoy's configuration, its access log, its load reports."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
from envoy.service.accesslog.v3.als_pb2 import (
    StreamAccessLogsMessage,
    StreamAccessLogsResponse,
)
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse

from spacecloud.drivers.docker.xds.ads import Ads
from spacecloud.drivers.docker.xds.load_reports import LoadReports

_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
]

Request = TypeVar("Request")
Response = TypeVar("Response")

Logs = Callable[[StreamAccessLogsMessage], None]


@asynccontextmanager
async def serving(
    socket: Path, user_id: int, ads: Ads, logs: Logs, loads: LoadReports
) -> AsyncIterator[None]:
    """Listen on a new socket that ``user_id`` may connect to, until the block ends."""
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((_discovery(ads), _access_logs(logs), _load_reports(loads)))
    _make_room(socket)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    _hand_over(socket.parent, 0o700, user_id)
    _hand_over(socket, 0o600, user_id)
    try:
        yield
    finally:
        await server.stop(grace=None)


def _make_room(socket: Path) -> None:
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)


def _hand_over(path: Path, mode: int, user_id: int) -> None:
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, user_id, user_id)


def _discovery(ads: Ads) -> grpc.GenericRpcHandler:
    async def delta(
        requests: AsyncIterator[DeltaDiscoveryRequest],
        context: "grpc.aio.ServicerContext[DeltaDiscoveryRequest, DeltaDiscoveryResponse]",
    ) -> None:
        stream = ads.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(_speak(stream.outbox, context), name="speak to Envoy")
                async for request in requests:
                    stream.hear(request)
                speaking.cancel()
        finally:
            ads.close(stream)

    return grpc.method_handlers_generic_handler(
        "envoy.service.discovery.v3.AggregatedDiscoveryService",
        {
            "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(
                delta,
                request_deserializer=DeltaDiscoveryRequest.FromString,
                response_serializer=DeltaDiscoveryResponse.SerializeToString,
            )
        },
    )


async def _speak(
    outbox: "asyncio.Queue[Response]", context: "grpc.aio.ServicerContext[Request, Response]"
) -> None:
    while True:
        await context.write(await outbox.get())


def _load_reports(loads: LoadReports) -> grpc.GenericRpcHandler:
    async def stream(
        requests: AsyncIterator[LoadStatsRequest],
        context: "grpc.aio.ServicerContext[LoadStatsRequest, LoadStatsResponse]",
    ) -> None:
        outbox = loads.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(_speak(outbox, context), name="ask Envoy for loads")
                async for request in requests:
                    loads.hear(request)
                speaking.cancel()
        finally:
            loads.close(outbox)

    return grpc.method_handlers_generic_handler(
        "envoy.service.load_stats.v3.LoadReportingService",
        {
            "StreamLoadStats": grpc.stream_stream_rpc_method_handler(
                stream,
                request_deserializer=LoadStatsRequest.FromString,
                response_serializer=LoadStatsResponse.SerializeToString,
            )
        },
    )


def _access_logs(logs: Logs) -> grpc.GenericRpcHandler:
    async def stream(
        messages: AsyncIterator[StreamAccessLogsMessage],
        context: "grpc.aio.ServicerContext[StreamAccessLogsMessage, StreamAccessLogsResponse]",
    ) -> StreamAccessLogsResponse:
        with contextlib.suppress(asyncio.CancelledError):
            async for message in messages:
                logs(message)
        return StreamAccessLogsResponse()

    return grpc.method_handlers_generic_handler(
        "envoy.service.accesslog.v3.AccessLogService",
        {
            "StreamAccessLogs": grpc.stream_unary_rpc_method_handler(
                stream,
                request_deserializer=StreamAccessLogsMessage.FromString,
                response_serializer=StreamAccessLogsResponse.SerializeToString,
            )
        },
    )
