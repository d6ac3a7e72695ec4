"""A line of Envoy's log becomes the events that it stands for, or is counted as none of ours."""

import pytest
from envoy.data.accesslog.v3.accesslog_pb2 import ResponseFlags

from sidecar.weights import ERA, stamp_of, weights
from trimtab.client.rows import Row
from trimtab.schemas.stamp import OUTSIDE, stamp
from trimtab.schemas.telemetry import Failure, RoutingKey
from trimtab.sidecar.envoy import failure as by_grpc
from trimtab.sidecar.envoy.log_line import FAILURES, LogLines, failure, log_format

KEY = RoutingKey("checkout", "v2", "", ERA, 57)
STAMP = stamp_of(weights(revision=57))
START_MS = 1_767_225_700_250


def line(kind: str = "DownstreamEnd", **fields: object) -> bytes:
    told = {
        "tag": "trimtab/1", "kind": kind, "start": START_MS, "duration": 3, "active": 1_500, "status": 200,
        "flags": "-", "size": 253, "cluster": "at-v2", "stamp": STAMP, **fields,
    }  # fmt: skip
    return "\t".join(map(str, told.values())).encode()


def read(*lines: bytes) -> tuple[list[Row], int]:
    log = LogLines()
    return log.rows(lines), log.unattributed


def test_a_start_is_a_request_at_its_own_time() -> None:
    assert read(line("DownstreamStart", active="-", status=0)) == ([(KEY, START_MS)], 0)


def test_an_end_is_a_response_at_the_time_of_its_end() -> None:
    assert read(line()) == ([(KEY, START_MS + 3, 1.5, 200, 253, Failure.NONE)], 0)


def test_the_response_time_is_the_whole_duration_where_no_byte_went_out() -> None:
    [(_, _, duration_ms, status, _, why)], _ = read(line(active="-", status=0, flags="DC"))  # type: ignore[misc]
    assert (duration_ms, status, why) == (3.0, 0, Failure.CLIENT)


def test_a_sticky_request_is_told_of_at_its_end() -> None:
    sticky = stamp("checkout", (ERA, 57), {"v2": "at-v2"}, is_sticky=True)
    rows, _ = read(line("DownstreamStart", stamp=sticky), line(stamp=sticky))
    assert rows == [(KEY, START_MS + 3), (KEY, START_MS + 3, 1.5, 200, 253, Failure.NONE)]


@pytest.mark.parametrize("told", ["UpstreamEnd", "TcpConnectionEnd", "NotSet"])
def test_lines_of_other_moments_are_passed_over(told: str) -> None:
    assert read(line(told)) == ([], 0)


def test_what_takes_no_part_is_passed_over() -> None:
    assert read(line(stamp=OUTSIDE)) == ([], 0)


WRONG = {
    "nothing": b"", "words": b"[2026-01-01] GET / 200", "another version": line(tag="trimtab/2"),
    "no stamp": line(stamp="-"), "a stamp of others": line(stamp="{}"), "an unknown cluster": line(cluster="nobody"),
    "no cluster": line(cluster="-"), "a time that is none": line(start="now"), "no size": line(size="-"),
    "bytes": b"\xff\xfe\t" * 12, "a part": line()[:40],
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_what_is_not_ours_is_counted_and_skipped(wrong: bytes) -> None:
    assert read(wrong, line()) == ([(KEY, START_MS + 3, 1.5, 200, 253, Failure.NONE)], 1)


def test_flags_mean_what_they_mean_over_grpc() -> None:
    assert list(FAILURES.values()) == list(by_grpc.FAILURES.values())
    assert len(FAILURES) == len(ResponseFlags.DESCRIPTOR.fields_by_name.keys() & by_grpc.FAILURES.keys())
    assert failure("URX,UF") is Failure.CONNECT
    assert failure("UR,DC") is Failure.RESET
    assert failure("RL") is Failure.NONE


def test_the_format_is_one_line_that_ends_with_the_stamp() -> None:
    assert log_format("S").endswith("\tS\n")
    assert log_format("S").count("\n") == 1
