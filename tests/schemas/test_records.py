import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import COMMAND, DECISION, PANES, SPEC, WEIGHTS
from trimtab.schemas import decision, evidence
from trimtab.schemas.decision import Phase
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import Tick

RECORDS = [PANES, Tick(), SPEC, COMMAND]

DEEP = b"[" * 100_000 + b"]" * 100_000
GARBAGE = [b"", b"null", b"{}", b"[]", b"5", b"\xff\xfe", b"not json", b"{", b'{"x": ' + DEEP + b"}", DEEP]


def changed(record: msgspec.Struct, **changes: object) -> bytes:
    fields: dict[str, object] = msgspec.json.decode(msgspec.json.encode(record))
    return msgspec.json.encode(fields | changes)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc0",
        b"\x80",
        b"\xff",
        b"{}",
        evidence.encode(PANES)[:-1],
        evidence.encode(PANES) + b"\0",
        msgspec.msgpack.encode({"t": "dance"}),
        msgspec.msgpack.encode({"t": "spec", "release": "a"}),
        msgspec.msgpack.encode({"t": "spec", "release": "a", "document": "text"}),
        msgspec.msgpack.encode({"t": "command", "release": "a", "action": "dance"}),
        msgspec.msgpack.encode({"release": "a", "action": "abort"}),
        b"\x82\xa1t\xa4tick\xa1x" + b"\x91" * 100_000 + b"\xc0",
        b"\xdf\xff\xff\xff\xff",
    ],
    ids=lambda payload: repr(payload[:40]),
)
def test_what_is_no_evidence_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidRecord, match="not an evidence record"):
        evidence.decode(payload)


@given(st.data())
def test_damaged_evidence_is_read_or_refused(data: st.DataObject) -> None:
    payload = bytearray(msgspec.msgpack.encode(data.draw(st.sampled_from(RECORDS))))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        record = evidence.decode(bytes(payload))
    except InvalidRecord:
        return
    assert record.v <= evidence.VERSION


def test_a_decision_is_read_back_as_it_was() -> None:
    assert decision.decode_decision(decision.encode(DECISION)) == DECISION
    assert DECISION.id == (1, 8)


@pytest.mark.parametrize("payload", GARBAGE, ids=lambda payload: repr(payload[:20]))
def test_what_is_no_decision_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidRecord, match="not a decision"):
        decision.decode_decision(payload)


@pytest.mark.parametrize(
    "changes", [{"phase": "dancing"}, {"seen": None}, {"replaces": [1]}, {"revision": "8"}, {"arms": {}}]
)
def test_a_decision_with_a_wrong_field_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRecord, match="not a decision"):
        decision.decode_decision(changed(DECISION, **changes))


def test_weights_are_read_back_as_they_were() -> None:
    assert decision.decode_weights(decision.encode(WEIGHTS)) == WEIGHTS
    assert decision.decode_weights(decision.encode(WEIGHTS).decode()) == WEIGHTS
    assert WEIGHTS.id == (1, 8)


@pytest.mark.parametrize("payload", [*GARBAGE, decision.encode(WEIGHTS)[:-1]], ids=lambda payload: repr(payload[:20]))
def test_what_is_no_weights_record_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidRecord, match="not a weights record"):
        decision.decode_weights(payload)


@pytest.mark.parametrize(
    "weights",
    [{"v1": 9_999, "v2": 0}, {"v1": 10_001, "v2": 0}, {"v1": 10_001, "v2": -1}, {"v1": 10_000}, {},
     {"v1": 9_000, "v2": 500, "v3": 500}],
    ids=repr,
)  # fmt: skip
def test_weights_that_are_not_whole_are_refused(weights: dict[str, int]) -> None:
    with pytest.raises(InvalidRecord, match=r"release checkout: weights .* expected 10000"):
        decision.decode_weights(changed(WEIGHTS, weights=weights))


def test_a_release_is_over_when_it_was_promoted_rolled_back_or_completed() -> None:
    assert {phase for phase in Phase if phase.is_over} == {Phase.PROMOTED, Phase.ROLLED_BACK, Phase.COMPLETED}


@pytest.mark.parametrize("weights", [{"v1": 9_999, "v2": 0}, {"v1": 10_001, "v2": -1}, {"v1": 10_000}, {}], ids=str)
def test_weights_of_a_segment_that_do_not_sum_to_the_total_are_refused(weights: dict[str, int]) -> None:
    with pytest.raises(InvalidRecord, match=r"release checkout, segment 'mobile': weights .* expected 10000"):
        decision.decode_weights(changed(WEIGHTS, segments={"desktop": {"v1": 1, "v2": 9_999}, "mobile": weights}))
