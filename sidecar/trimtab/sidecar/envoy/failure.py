"""Why a response did not come from the service, by the flags that Envoy sets on its log entry.

What the upstream did comes first: a client that gives up on a request whose upstream has already failed is no excuse
for the upstream. Flags that are not in the table (rate limits, faults injected, authorisation, a cache) say that
Envoy was told to answer so; the status of the response speaks for itself then.
"""

from functools import lru_cache
from typing import Final

from envoy.data.accesslog.v3.accesslog_pb2 import ResponseFlags

from trimtab.schemas.telemetry import Failure

FAILURES: Final = {
    "upstream_request_timeout": Failure.TIMEOUT,
    "upstream_max_stream_duration_reached": Failure.TIMEOUT,
    "duration_timeout": Failure.TIMEOUT,
    "stream_idle_timeout": Failure.TIMEOUT,
    "upstream_connection_failure": Failure.CONNECT,
    "no_healthy_upstream": Failure.CONNECT,
    "no_cluster_found": Failure.CONNECT,
    "dns_resolution_failure": Failure.CONNECT,
    "failed_local_healthcheck": Failure.CONNECT,
    "upstream_overflow": Failure.OVERLOAD,
    "overload_manager": Failure.OVERLOAD,
    "upstream_remote_reset": Failure.RESET,
    "upstream_connection_termination": Failure.RESET,
    "upstream_protocol_error": Failure.RESET,
    "downstream_connection_termination": Failure.CLIENT,
    "downstream_remote_reset": Failure.CLIENT,
    "downstream_protocol_error": Failure.CLIENT,
    "invalid_envoy_request_headers": Failure.CLIENT,
    # Last, for Envoy also resets the upstream when it is the client that went away.
    "local_reset": Failure.RESET,
}
"""The first flag that is set decides."""


@lru_cache(maxsize=1024)
def failure(flags: bytes) -> Failure:
    """Gives the failure that `flags` (a `ResponseFlags`, serialised) tell of. Few combinations occur, many times."""
    read = ResponseFlags.FromString(flags)
    return next((found for flag, found in FAILURES.items() if getattr(read, flag)), Failure.NONE)
