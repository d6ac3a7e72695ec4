"""A log entry becomes the event it stands for, or is counted as none of ours."""

from typing import Any

import pytest
from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType, HTTPAccessLogEntry

from sidecar.entries import START_S, end, start
from sidecar.recorder import Recorder
from sidecar.weights import ERA, stamp_of, weights
from trimtab.schemas.stamp import OUTSIDE, stamp
from trimtab.schemas.telemetry import Failure, RoutingKey
from trimtab.sidecar.envoy.access_log import AccessLog

KEY = RoutingKey("checkout", "v2", "", ERA, 57)
START_MS = START_S * 1_000 + 250


def publish(*entries: HTTPAccessLogEntry) -> tuple[list[tuple[Any, ...]], int]:
    recorder = Recorder()
    log = AccessLog(recorder)
    log.publish(entries)
    return recorder.events, log.unattributed


def test_a_start_is_a_request_at_its_own_time() -> None:
    assert publish(start()) == ([("request", KEY, START_MS)], 0)


def test_the_trace_of_a_request_is_told_once_where_its_entry_has_it() -> None:
    recorder, tags = Recorder(), {"stamp": stamp_of(weights()), "cluster": "at-v2", "trace": "00-1-2-01"}
    ended = end()
    ended.common_properties.custom_tags.update(tags)
    AccessLog(recorder).publish([start(tags=tags), ended, end()])
    assert recorder.traces == ["00-1-2-01"]


def test_an_end_is_a_response_at_the_time_of_its_end() -> None:
    assert publish(end()) == ([("response", KEY, START_MS + 2, 1.5, 200, 253, Failure.NONE)], 0)


def test_the_response_time_is_the_whole_duration_where_no_byte_went_out() -> None:
    entry = end("downstream_connection_termination", status=0)
    entry.common_properties.ClearField("time_to_last_downstream_tx_byte")
    ((_, _, _, duration_ms, status, _, failure),), _ = publish(entry)
    assert (duration_ms, status, failure) == (2.5, 0, Failure.CLIENT)


def test_seconds_of_duration_count() -> None:
    entry = end()
    entry.common_properties.time_to_last_downstream_tx_byte.seconds = 3
    entry.common_properties.duration.seconds = 4
    ((_, _, time_ms, duration_ms, *_),), _ = publish(entry)
    assert (time_ms, duration_ms) == (START_MS + 4_002, 3_001.5)


def test_start_and_end_name_the_revision_that_routed_the_request() -> None:
    later = {"stamp": stamp_of(weights(revision=58)), "cluster": "at-v2"}
    events, _ = publish(start(), start(tags=later), end())
    assert [event[1].revision for event in events] == [57, 58, 57]


def test_a_reset_upstream_is_the_variants_failure() -> None:
    ((*_, status, _, failure),), _ = publish(end("upstream_remote_reset", status=503))
    assert (status, failure) == (503, Failure.RESET)


def test_a_response_larger_than_the_column_is_cut_to_it() -> None:
    ((*_, size, _),), _ = publish(end(size=1 << 33))
    assert size == (1 << 32) - 1


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"cluster": "at-v1"},
        {"stamp": stamp_of(weights())},
        {"stamp": stamp_of(weights()), "cluster": "-"},
        {"stamp": stamp_of(weights()), "cluster": "elsewhere"},
        {"stamp": "no stamp", "cluster": "at-v1"},
        {"stamp": "{}", "cluster": "at-v1"},
    ],
)
def test_an_entry_that_names_no_variant_of_ours_is_counted_and_skipped(tags: dict[str, str]) -> None:
    assert publish(start(tags=tags), start()) == ([("request", KEY, START_MS)], 1)


def test_a_request_that_takes_no_part_is_no_event_and_not_amiss() -> None:
    assert publish(start(tags={"stamp": OUTSIDE, "cluster": "at-v1"})) == ([], 0)


def test_an_event_is_of_the_segment_of_its_route() -> None:
    stamped = stamp("checkout", (ERA, 57), {"v2": "at-v2"}, "mobile")
    ((_, key, _),), _ = publish(start(tags={"stamp": stamped, "cluster": "at-v2"}))
    assert key == RoutingKey("checkout", "v2", "mobile", ERA, 57)


@pytest.mark.parametrize("kind", sorted({*AccessLogType.values()} - {4, 6}))
def test_entries_in_the_middle_of_a_request_are_no_events(kind: int) -> None:
    entry = start()
    entry.common_properties.access_log_type = kind
    assert publish(entry) == ([], 0)


def test_an_empty_entry_is_no_event() -> None:
    assert publish(HTTPAccessLogEntry()) == ([], 0)


def test_more_revisions_than_are_kept_are_still_told_apart() -> None:
    tags = [{"stamp": stamp_of(weights(revision=n)), "cluster": "at-v1"} for n in range(1, 3_000)]
    events, unattributed = publish(*(start(tags=tag) for tag in tags), *(start(tags=tag) for tag in tags))
    assert [event[1].revision for event in events] == [*range(1, 3_000), *range(1, 3_000)]
    assert unattributed == 0
