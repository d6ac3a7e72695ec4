"""The gRPC server that Envoy speaks to: discovery and access log on one unix socket."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from trimtab.sidecar.endpoint import SocketTaken
from trimtab.sidecar.envoy.access_log import AccessLog
from trimtab.sidecar.envoy.discovery import Discovery

_NOISE: Final = ("ExecuteBatchError", "due to server stop")
"""What gRPC says, with a traceback, where a stream is cut off: an Envoy that goes away, or the end of the sidecar."""


def grpc_server(path: Path, discovery: Discovery, access_log: AccessLog | None) -> Any:
    """Gives a server, not yet started, that listens at `path`. Raises `SocketTaken` where it cannot.

    `access_log`: what takes log entries; None where they come otherwise.
    """
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_news)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_routes(discovery), *([_logs(access_log)] if access_log is not None else [])))
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise SocketTaken(f"socket {path}: {error}") from error
    return server


def _is_news(record: logging.LogRecord) -> bool:
    said = f"{record.getMessage()} {record.exc_info[0] if record.exc_info else ''}"
    return not any(noise in said for noise in _NOISE)


def _routes(discovery: Discovery) -> Any:
    method = grpc.stream_stream_rpc_method_handler(
        discovery.converse,
        request_deserializer=DiscoveryRequest.FromString,
        response_serializer=DiscoveryResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(
        "envoy.service.route.v3.RouteDiscoveryService", {"StreamRoutes": method}
    )


def _logs(access_log: AccessLog) -> Any:
    async def receive(messages: AsyncIterator[StreamAccessLogsMessage], _context: Any) -> StreamAccessLogsResponse:
        async for message in messages:
            access_log.publish(message.http_logs.log_entry)
        return StreamAccessLogsResponse()

    method = grpc.stream_unary_rpc_method_handler(
        receive,
        request_deserializer=StreamAccessLogsMessage.FromString,
        response_serializer=StreamAccessLogsResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(
        "envoy.service.accesslog.v3.AccessLogService", {"StreamAccessLogs": method}
    )
