"""Each flag of Envoy tells whose fault it was, or that it was nobody's."""

import pytest
from envoy.data.accesslog.v3.accesslog_pb2 import ResponseFlags

from trimtab.schemas.telemetry import Failure
from trimtab.sidecar.envoy.failure import FAILURES, failure

EXPECTED = {
    "failed_local_healthcheck": Failure.CONNECT,
    "no_healthy_upstream": Failure.CONNECT,
    "upstream_request_timeout": Failure.TIMEOUT,
    "local_reset": Failure.RESET,
    "upstream_remote_reset": Failure.RESET,
    "upstream_connection_failure": Failure.CONNECT,
    "upstream_connection_termination": Failure.RESET,
    "upstream_overflow": Failure.OVERLOAD,
    "no_route_found": Failure.NONE,
    "delay_injected": Failure.NONE,
    "fault_injected": Failure.NONE,
    "rate_limited": Failure.NONE,
    "unauthorized_details": Failure.NONE,
    "rate_limit_service_error": Failure.NONE,
    "downstream_connection_termination": Failure.CLIENT,
    "upstream_retry_limit_exceeded": Failure.NONE,
    "stream_idle_timeout": Failure.TIMEOUT,
    "invalid_envoy_request_headers": Failure.CLIENT,
    "downstream_protocol_error": Failure.CLIENT,
    "upstream_max_stream_duration_reached": Failure.TIMEOUT,
    "response_from_cache_filter": Failure.NONE,
    "no_filter_config_found": Failure.NONE,
    "duration_timeout": Failure.TIMEOUT,
    "upstream_protocol_error": Failure.RESET,
    "no_cluster_found": Failure.CONNECT,
    "overload_manager": Failure.OVERLOAD,
    "dns_resolution_failure": Failure.CONNECT,
    "downstream_remote_reset": Failure.CLIENT,
}


def flags(*names: str) -> bytes:
    message = ResponseFlags()
    for name in names:
        if name == "unauthorized_details":
            message.unauthorized_details.SetInParent()
        else:
            setattr(message, name, True)
    return bytes(message.SerializeToString())


def test_the_table_below_names_every_flag_that_envoy_has() -> None:
    assert set(EXPECTED) == {field.name for field in ResponseFlags.DESCRIPTOR.fields}
    assert set(FAILURES) <= set(EXPECTED)


@pytest.mark.parametrize(("flag", "expected"), EXPECTED.items())
def test_a_flag_alone_tells_its_failure(flag: str, expected: Failure) -> None:
    assert failure(flags(flag)) is expected


def test_no_flag_is_no_failure() -> None:
    assert failure(b"") is Failure.NONE


@pytest.mark.parametrize(
    ("both", "expected"),
    [
        (("upstream_connection_failure", "upstream_retry_limit_exceeded"), Failure.CONNECT),
        (("upstream_connection_failure", "downstream_connection_termination"), Failure.CONNECT),
        (("local_reset", "downstream_connection_termination"), Failure.CLIENT),
        (("local_reset", "upstream_remote_reset"), Failure.RESET),
        (("upstream_request_timeout", "upstream_remote_reset"), Failure.TIMEOUT),
        (("fault_injected", "downstream_remote_reset"), Failure.CLIENT),
    ],
)
def test_of_two_flags_the_upstreams_comes_first(both: tuple[str, str], expected: Failure) -> None:
    assert failure(flags(*both)) is expected
