import json
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.schemas.errors import InvalidEvent
from trimtab.schemas.telemetry import (
    MAX_DURATION_MS,
    ColumnBatch,
    Event,
    Failure,
    Kind,
    Outcome,
    Packer,
    Request,
    Response,
    RoutingKey,
    RowBatch,
)
from trimtab.schemas.telemetry_columns import pack
from trimtab.schemas.telemetry_message import decode, encode

NOW_MS = 1_800_000_000_000
KEY = RoutingKey("checkout", "v1", "", 1, 2)

NAMES = st.text(max_size=5)
WHERE = {
    "release": NAMES,
    "variant": NAMES,
    "time_ms": st.integers(NOW_MS - 10**6, NOW_MS + 10**6),
    "segment": NAMES,
    "era": st.integers(0, 2**53 - 1),
    "revision": st.integers(0, 2**53 - 1),
}
EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        st.builds(Request, **WHERE),
        st.builds(
            Response,
            **WHERE,
            duration_ms=st.integers(0, 2**32 - 1).map(lambda us: us / 1000),
            status=st.integers(0, 65_535),
            bytes=st.integers(0, 2**32 - 1),
            failure=st.sampled_from(Failure).map(int),
        ),
        st.builds(Outcome, **WHERE, metric=NAMES, value=st.floats(allow_nan=False, allow_infinity=False)),
    )
)


def request(**changes: object) -> Request:
    return msgspec.structs.replace(Request(release="checkout", variant="v1", time_ms=NOW_MS), **changes)


def columns(**changes: object) -> ColumnBatch:
    """A batch of two events."""
    return msgspec.structs.replace(pack([request()] * 2, publisher="p", seq=3, sent_ms=NOW_MS), **changes)


def cells(column: bytes, code: str, count: int) -> list[Any]:
    return memoryview(column).cast(code).tolist() if column else [0] * count  # type: ignore[call-overload]  # one of the contract's codes


def unpack(batch: ColumnBatch) -> list[Event]:
    """Reads columns back by the contract's words, with none of its code."""
    names, n = {0: Request, 1: Response, 2: Outcome}, batch.count
    rows = zip(
        batch.kind, cells(batch.key, "H", n), cells(batch.time, "i", n), cells(batch.duration_us, "I", n),
        cells(batch.status, "H", n), cells(batch.size, "I", n), cells(batch.failure, "B", n),
        cells(batch.metric, "B", n), cells(batch.value, "d", n), strict=True,
    )  # fmt: skip
    events: list[Event] = []
    for kind, key, time, duration_us, status, size, failure, metric, value in rows:
        of_kind: dict[str, Any] = {}
        if names[kind] is Response:
            of_kind = {"duration_ms": duration_us / 1000, "status": status, "bytes": size, "failure": failure}
        elif names[kind] is Outcome:
            of_kind = {"metric": batch.metrics[metric], "value": value}
        where = msgspec.structs.asdict(batch.keys[key])
        events.append(names[kind](**where, time_ms=batch.base_ms + time, **of_kind))
    return events


@given(EVENTS)
def test_columns_give_back_the_events_that_were_packed(events: list[Event]) -> None:
    batch = decode(encode(pack(events, publisher="p", seq=9, sent_ms=NOW_MS)))
    assert unpack(batch) == events
    assert (batch.publisher, batch.seq, batch.sent_ms, batch.count) == ("p", 9, NOW_MS, len(events))


@given(EVENTS)
def test_events_are_packed_as_a_packer_packs_them_one_by_one(events: list[Event]) -> None:
    packer = Packer()
    for event in events:
        key = RoutingKey(event.release, event.variant, event.segment, event.era, event.revision)
        match event:
            case Request():
                packer.request(key, event.time_ms)
            case Response():
                packer.response(
                    key, event.time_ms, event.duration_ms, event.status, size=event.bytes, failure=event.failure
                )
            case Outcome():
                packer.outcome(key, event.time_ms, event.metric, event.value)
    expected = packer.finish(publisher="p", seq=9, sent_ms=NOW_MS)
    assert pack(events, publisher="p", seq=9, sent_ms=NOW_MS) == expected


WAYS_TO_ENCODE: list[Callable[[object], bytes]] = [msgspec.json.encode, msgspec.msgpack.encode]


@pytest.mark.parametrize("form", WAYS_TO_ENCODE, ids=["JSON", "MessagePack"])
@given(events=EVENTS)
def test_rows_give_the_same_columns(form: Callable[[object], bytes], events: list[Event]) -> None:
    expected = pack(events, publisher="p", seq=9, sent_ms=NOW_MS)
    assert decode(form(RowBatch(events=events, publisher="p", seq=9, sent_ms=NOW_MS))) == expected


@pytest.mark.parametrize("form", WAYS_TO_ENCODE, ids=["JSON", "MessagePack"])
@given(events=EVENTS)
def test_bare_rows_give_the_columns_of_a_publisher_without_a_name(
    form: Callable[[object], bytes], events: list[Event]
) -> None:
    assert decode(form(events)) == pack(events, publisher="", seq=0, sent_ms=0)


@given(EVENTS.filter(bool))
def test_one_event_as_json_gives_the_columns_of_a_batch_of_one(events: list[Event]) -> None:
    assert decode(msgspec.json.encode(events[0])) == pack(events[:1], publisher="", seq=0, sent_ms=0)


def test_events_within_an_event_do_not_make_it_a_batch() -> None:
    row = valid_row(x={"events": []})
    assert decode(json.dumps(row).encode()).count == 1


def test_the_name_of_a_batchs_events_may_be_escaped() -> None:
    text = json.dumps({"events": [valid_row(), valid_row()]})
    assert decode(text.replace('"events"', '"\\u0065vents"').encode()).count == 2


@pytest.mark.parametrize("longest", [4_294_967.0, 4_294_967.1, 1e300])
def test_rows_with_durations_beyond_71_minutes_are_cut(longest: float) -> None:
    rows = [valid_row(duration_ms=longest), valid_row(duration_ms=2.0)]
    assert cells(decode(json.dumps(rows).encode()).duration_us, "I", 2) == [4_294_967_000, 2_000]


def test_json_may_begin_with_white_space() -> None:
    text = json.dumps({"events": [{"kind": "request", "release": "a", "variant": "b", "time_ms": 5}]}, indent=2)
    assert decode(b"\n  " + text.encode()).count == 1


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert decode(b'{"kind": "request", "release": "a", "variant": "b", "time_ms": 5, "x": {"y": [1]}}').count == 1


def test_no_events_make_a_heartbeat() -> None:
    batch = decode(encode(pack([], publisher="p", seq=1, sent_ms=NOW_MS)))
    assert (batch.count, batch.keys, batch.sent_ms, batch.base_ms) == (0, [], NOW_MS, NOW_MS)


def test_an_event_at_the_epoch_stays_there() -> None:
    batch = pack([request(time_ms=0), request(time_ms=7)], publisher="p", seq=1, sent_ms=NOW_MS)
    assert [event.time_ms for event in unpack(batch)] == [0, 7]


def test_a_key_is_sent_once_per_batch() -> None:
    events = [request(), request(variant="v2"), request()]
    assert len(pack(events, publisher="p", seq=1, sent_ms=NOW_MS).keys) == 2


def test_columns_that_hold_zeros_only_are_left_out() -> None:
    batch = columns()
    assert (batch.duration_us, batch.status, batch.size, batch.failure, batch.metric, batch.value) == (b"",) * 6


def test_a_duration_beyond_71_minutes_is_cut() -> None:
    packer = Packer()
    packer.response(KEY, NOW_MS, 1e300, 200)
    packer.response(KEY, NOW_MS, 1e15, 200)
    batch = packer.finish(publisher="p", seq=1, sent_ms=NOW_MS)
    assert cells(batch.duration_us, "I", 2) == [int(MAX_DURATION_MS * 1000)] * 2


def valid_row(**changes: object) -> dict[str, object]:
    row = {"kind": "response", "release": "a", "variant": "b", "time_ms": NOW_MS, "duration_ms": 1.5, "status": 200}
    return {name: value for name, value in {**row, **changes}.items() if value is not ...}


@pytest.mark.parametrize(
    "row",
    [
        valid_row(kind="dance"),
        valid_row(kind=...),
        valid_row(kind=1),
        valid_row(kind=None),
        valid_row(release=...),
        valid_row(release=5),
        valid_row(release=None),
        valid_row(variant=...),
        valid_row(time_ms=...),
        valid_row(time_ms="now"),
        valid_row(time_ms=1.5),
        valid_row(time_ms=-1),
        valid_row(time_ms=2**53),
        valid_row(time_ms=2**64 - 1),
        valid_row(era=-1),
        valid_row(revision=2**63),
        valid_row(segment=None),
        valid_row(duration_ms=...),
        valid_row(duration_ms=-0.1),
        valid_row(duration_ms=-0.0001),
        valid_row(duration_ms="1"),
        valid_row(status=...),
        valid_row(status=-1),
        valid_row(status=65_536),
        valid_row(status=200.5),
        valid_row(bytes=-1),
        valid_row(bytes=2**32),
        valid_row(failure=256),
        valid_row(kind="outcome", metric="m"),
        valid_row(kind="outcome", value=1.0),
        valid_row(kind="outcome", metric="m", value="1"),
        {},
        [],
        5,
        None,
    ],
    ids=repr,
)
def test_a_row_that_does_not_follow_the_contract_is_refused(row: object) -> None:
    for message in ({"events": [row]}, [row]):
        with pytest.raises(InvalidEvent):
            decode(json.dumps(message).encode())
        with pytest.raises(InvalidEvent):
            decode(msgspec.msgpack.encode(message))


@pytest.mark.parametrize("duration_ms", [math.inf, -math.inf, math.nan])
def test_a_duration_that_is_no_number_is_refused(duration_ms: float) -> None:
    with pytest.raises(InvalidEvent, match="expected 0 or more, and no infinity"):
        Packer().response(KEY, NOW_MS, duration_ms, 200)
    for message in ({"events": [valid_row(duration_ms=duration_ms)]}, [valid_row(duration_ms=duration_ms)]):
        with pytest.raises(InvalidEvent, match="expected 0 or more, and no infinity"):
            decode(msgspec.msgpack.encode(message))


@pytest.mark.parametrize("number", ["99999999999999999999999", "1e400", "-1e400", "Infinity"])
def test_numbers_that_json_alone_can_write_are_refused(number: str) -> None:
    text = json.dumps(valid_row()).replace(str(NOW_MS), number)
    with pytest.raises(InvalidEvent):
        decode(text.encode())


def test_a_metric_beyond_the_256th_of_a_batch_is_refused() -> None:
    outcomes = [
        Outcome(release="a", variant="b", time_ms=NOW_MS, metric=f"m{number}", value=1.0) for number in range(257)
    ]
    assert pack(outcomes[:256], publisher="p", seq=0, sent_ms=NOW_MS).count == 256
    with pytest.raises(InvalidEvent):
        pack(outcomes, publisher="p", seq=0, sent_ms=NOW_MS)


def test_events_more_than_24_days_apart_do_not_fit_one_batch() -> None:
    with pytest.raises(InvalidEvent):
        pack([request(), request(time_ms=NOW_MS + 2**31)], publisher="p", seq=0, sent_ms=NOW_MS)


DEEP = b"[" * 100_000 + b"]" * 100_000
DEEP_PACKED = b"\x91" * 100_000 + b"\xc0"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"\x00",
        b"\xc0",
        b"\xc1",
        b"\xff" * 100,
        b"hello",
        b"null",
        b"{",
        b"[",
        b"{}",
        b"[{}]",
        b"[1]",
        b'{"events": null}',
        b'{"events": {}}',
        b'{"events": [], "sent_ms": "now"}',
        b'{"events": [], "sent_ms": -1}',
        b'{"events": [], "seq": 1e300}',
        b'{"kind": "request", "release": "\xff", "variant": "b", "time_ms": 5}',
        b'{"kind": "request", "release": "\\ud800", "variant": "b", "time_ms": 5}',
        b'{"kind": "outcome", "release": "a", "variant": "b", "time_ms": 5, "metric": "m", "value": NaN}',
        b'{"kind": "request", "release": "a", "variant": "b", "time_ms": 5} {}',
        b'{"kind": "request", "release": "a", "variant": "b", "time_ms": 5, "x": ' + DEEP + b"}",
        b'{"events": [], "x": ' + DEEP + b"}",
        DEEP,
        DEEP_PACKED,
        b"\x82\xa6events\x90\xa1x" + DEEP_PACKED,
        b"\x82\xa6format\xa7columns\xa1x" + DEEP_PACKED,
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        encode(columns())[:-1],
        encode(columns()) + b"\x00",
        encode(columns()).replace(b"columns", b"corners"),
    ],
    ids=lambda payload: repr(payload[:40]),
)
def test_what_is_no_telemetry_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidEvent, match="not a telemetry message: "):
        decode(payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_either_telemetry_or_refused(payload: bytes) -> None:
    try:
        batch = decode(payload)
    except InvalidEvent:
        return
    assert len(batch.kind) == batch.count


@given(st.data())
def test_a_damaged_message_is_either_telemetry_or_refused(data: st.DataObject) -> None:
    payload = bytearray(encode(pack([request(), request(variant="v2")], publisher="p", seq=1, sent_ms=NOW_MS)))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        batch = decode(bytes(payload))
    except InvalidEvent:
        return
    assert len(batch.kind) == batch.count


@pytest.mark.parametrize("payload", [encode(columns(v=2)), b'{"events": [], "v": 2}', b"\x82\xa6events\x90\xa1v\x02"])
def test_a_newer_version_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidEvent, match="version 2: expected at most 1"):
        decode(payload)


@pytest.mark.parametrize(
    ("column", "width"),
    [("kind", 1), ("key", 2), ("time", 4), ("duration_us", 4), ("status", 2), ("size", 4), ("failure", 1),
     ("metric", 1), ("value", 8)],
)  # fmt: skip
def test_a_column_of_another_length_is_refused_by_name(column: str, width: int) -> None:
    for size in (width, 2 * width - 1, 2 * width + 1, 3 * width):
        with pytest.raises(InvalidEvent, match=rf"column {column}: {size} bytes, expected {2 * width} for 2 events"):
            decode(encode(columns(**{column: bytes(size)})))


@pytest.mark.parametrize("column", ["kind", "key", "time"])
def test_a_column_that_every_event_needs_cannot_be_left_out(column: str) -> None:
    with pytest.raises(InvalidEvent, match=f"column {column}: 0 bytes"):
        decode(encode(columns(**{column: b""})))


@pytest.mark.parametrize(
    "changes",
    [
        {"count": -1},
        {"count": 2**60},
        {"base_ms": -1},
        {"base_ms": 2**53},
        {"base_ms": 2**64 - 1},
        {"sent_ms": -1},
        {"sent_ms": 2**63},
        {"seq": -1},
        {"publisher": 5},
        {"keys": [["a", "b"]]},
        {"keys": [["a", "b", "", -1, 0]]},
        {"keys": [["a", "b", "", 0, 2**63]]},
        {"metrics": [5]},
        {"kind": "a"},
    ],
    ids=repr,
)
def test_numbers_that_no_fold_could_take_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidEvent):
        decode(encode(columns(**changes)))


@pytest.mark.parametrize(
    ("time_ms", "duration_ms", "status", "size"),
    [(NOW_MS, -1, 200, 0), (NOW_MS, math.nan, 200, 0), (NOW_MS, 1, -1, 0), (NOW_MS, 1, 200, 2**32), (0.5, 1, 200, 0),
     (2**80, 1, 200, 0)],
)  # fmt: skip
def test_a_refused_event_leaves_no_trace_in_the_batch(time_ms: int, duration_ms: float, status: int, size: int) -> None:
    packer = Packer()
    with pytest.raises(InvalidEvent):
        packer.response(RoutingKey("bad", "v1", "", 0, 0), "now", 1, 200)  # type: ignore[arg-type]  # a caller's mistake
    packer.request(KEY, NOW_MS)
    with pytest.raises(InvalidEvent):
        packer.response(RoutingKey("bad", "v1", "", 0, 0), time_ms, duration_ms, status, size=size)
    with pytest.raises(InvalidEvent):
        packer.outcome(KEY, NOW_MS, "bad", "1")  # type: ignore[arg-type]  # a caller's mistake
    packer.outcome(KEY, NOW_MS, "good", 1)
    batch = packer.finish(publisher="p", seq=0, sent_ms=NOW_MS)
    assert (batch.count, batch.keys, batch.metrics) == (2, [KEY], ["good"])
    assert decode(encode(batch)) == batch


def test_a_packer_starts_anew_after_each_batch() -> None:
    packer = Packer()
    packer.response(KEY, NOW_MS, 1, 200)
    assert len(packer) == 1
    packer.finish(publisher="p", seq=0, sent_ms=NOW_MS)
    assert len(packer) == 0
    packer.request(KEY, NOW_MS + 5)
    batch = packer.finish(publisher="p", seq=1, sent_ms=NOW_MS)
    assert (batch.base_ms, batch.count, batch.status) == (NOW_MS + 5, 1, b"")


def test_the_codes_of_the_columns_are_fixed() -> None:
    assert {kind.name: kind.value for kind in Kind} == {"REQUEST": 0, "RESPONSE": 1, "OUTCOME": 2}
    assert {failure.name: failure.value for failure in Failure} == {
        "NONE": 0, "TIMEOUT": 1, "CONNECT": 2, "RESET": 3, "OVERLOAD": 4, "CLIENT": 5,
    }  # fmt: skip


def test_columns_are_little_endian() -> None:
    packer = Packer()
    packer.response(KEY, NOW_MS, 1.0, 200, size=258)
    batch = packer.finish(publisher="p", seq=0, sent_ms=NOW_MS)
    assert (batch.status, batch.size, batch.duration_us) == (b"\xc8\x00", b"\x02\x01\x00\x00", b"\xe8\x03\x00\x00")
