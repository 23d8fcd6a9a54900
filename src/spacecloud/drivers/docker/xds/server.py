"""The gRPC end of the control plane: configuration, access logs, questions, load reports."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
from envoy.service.accesslog.v3.als_pb2 import (
    StreamAccessLogsMessage,
    StreamAccessLogsResponse,
)
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
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

Log = Callable[[AsyncIterator[StreamAccessLogsMessage]], Awaitable[None]]
Check = Callable[[CheckRequest], Awaitable[CheckResponse]]


@asynccontextmanager
async def serving(
    socket: Path,
    user_id: int,
    ads: Ads,
    logs: Mapping[str, Log],
    check: Check,
    loads: LoadReports,
) -> AsyncIterator[None]:
    """
    Listen on a new socket that ``user_id`` may connect to, until the block ends.

    ``logs`` are by name.
    """
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers(
        (_discovery(ads), _access_logs(logs), _authorization(check), _load_reports(loads))
    )
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


def _access_logs(logs: Mapping[str, Log]) -> grpc.GenericRpcHandler:
    async def stream(
        messages: AsyncIterator[StreamAccessLogsMessage],
        context: "grpc.aio.ServicerContext[StreamAccessLogsMessage, StreamAccessLogsResponse]",
    ) -> StreamAccessLogsResponse:
        arriving = aiter(messages)
        first = await anext(arriving, None)
        # It alone says which log it is.
        log = logs.get(first.identifier.log_name) if first is not None else None
        if first is not None and log is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await log(_beginning_with(first, arriving))
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


async def _beginning_with(
    first: StreamAccessLogsMessage, others: AsyncIterator[StreamAccessLogsMessage]
) -> AsyncIterator[StreamAccessLogsMessage]:
    yield first
    async for message in others:
        yield message


def _authorization(check: Check) -> grpc.GenericRpcHandler:
    async def answer(
        request: CheckRequest, context: "grpc.aio.ServicerContext[CheckRequest, CheckResponse]"
    ) -> CheckResponse:
        return await check(request)

    return grpc.method_handlers_generic_handler(
        "envoy.service.auth.v3.Authorization",
        {
            "Check": grpc.unary_unary_rpc_method_handler(
                answer,
                request_deserializer=CheckRequest.FromString,
                response_serializer=CheckResponse.SerializeToString,
            )
        },
    )
