"""The gRPC server that Envoy speaks to: discovery and access log on one unix socket."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from trimtab.sidecar.envoy.access_log import AccessLog
from trimtab.sidecar.envoy.discovery import Discovery


def grpc_server(path: Path, discovery: Discovery, access_log: AccessLog) -> Any:
    """Gives a server, not yet started, that listens at `path`. Raises `RuntimeError` where it cannot."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_routes(discovery), _logs(access_log)))
    server.add_insecure_port(f"unix:{path}")
    return server


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
