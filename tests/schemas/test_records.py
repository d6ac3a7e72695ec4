import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.schemas import dead_letter, decision, evidence, sidecar
from trimtab.schemas.decision import Arm, Assessment, Decision, Phase, Seen, Verdict, WeightsRecord
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import Command, PaneKey, Panes, Spec, Tick

ARM = Arm(
    variant="v1", weight=9_000, trials=10, reward_sum=9.5, alpha=10.5, beta=1.5, mean=0.875, probability_best=0.75,
    requests=11, responses=10, errors=1, in_flight=1, error_ratio=0.1, p50_ms=5.5, p99_ms=None,
)  # fmt: skip
ASSESSMENT = Assessment(
    guardrail="error_rate", variant="v2", verdict=Verdict.INCONCLUSIVE, value=None, limit=0.02, n=0, breaches=0,
    allowed_ratio=0.02, probability=0.5, confidence=0.999, window_s=10,
)  # fmt: skip
DECISION = Decision(
    release="checkout", era=1, revision=8, replaces=(1, 7), time_ms=5, phase=Phase.PROGRESSING, strategy="canary",
    weights={"v1": 9_000, "v2": 1_000}, rule="canary step", reasons=["because"], arms=[ARM], assessments=[ASSESSMENT],
    seen=Seen(offset=7, sources={"0": 9}, counted=10, late=1, dead_lettered=0),
)  # fmt: skip
WEIGHTS = WeightsRecord(
    release="checkout", era=1, revision=8, time_ms=5, phase=Phase.PROGRESSING,
    weights={"v1": 9_000, "v2": 1_000}, targets={"v1": "a", "v2": "b"},
)  # fmt: skip
PANES = Panes(
    source=3, offset=9, final_s=100, keys=[PaneKey("checkout", "v1", "")], metrics=["m"], rows=1, key=b"\0\0",
    second=b"\1" * 8, counts=b"\2" * 64, first_offset=b"\3" * 8, sketch_row=b"", sketch_bucket=b"", sketch_count=b"",
    value_row=b"", value_metric=b"", value_sums=b"",
)  # fmt: skip
RECORDS = [
    PANES,
    Tick(),
    Spec(release="checkout", document=b"{}", actor="me"),
    Command(release="checkout", action="abort", reason="r", actor="me", variant="v1"),
]
LETTER = dead_letter.DeadLetter(
    source="trimtab.telemetry", partition=1, offset=2, last_offset=2, reason="not telemetry", code="undecodable",
    events=1, time_ms=5, payload=b"\xff\x00",
)  # fmt: skip

DEEP = b"[" * 100_000 + b"]" * 100_000
GARBAGE = [b"", b"null", b"{}", b"[]", b"5", b"\xff\xfe", b"not json", b"{", b'{"x": ' + DEEP + b"}", DEEP]


def changed(record: msgspec.Struct, **changes: object) -> bytes:
    fields: dict[str, object] = msgspec.json.decode(msgspec.json.encode(record))
    return msgspec.json.encode(fields | changes)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_evidence_is_read_back_as_it_was(record: evidence.Record) -> None:
    assert evidence.decode(evidence.encode(record)) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_evidence_of_a_newer_version_is_refused(record: evidence.Record) -> None:
    with pytest.raises(InvalidRecord, match="version 2: expected at most 1"):
        evidence.decode(msgspec.msgpack.encode(msgspec.structs.replace(record, v=2)))


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


def test_a_decision_of_a_newer_version_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="version 2"):
        decision.decode_decision(changed(DECISION, v=2))


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


def test_weights_of_a_newer_version_are_refused() -> None:
    with pytest.raises(InvalidRecord, match="version 2"):
        decision.decode_weights(changed(WEIGHTS, v=2))


def test_a_release_is_over_when_it_was_promoted_or_rolled_back() -> None:
    assert {phase for phase in Phase if phase.is_over} == {Phase.PROMOTED, Phase.ROLLED_BACK}


def test_a_dead_letter_is_read_back_as_it_was() -> None:
    assert dead_letter.decode(dead_letter.encode(LETTER)) == LETTER


def test_a_sidecar_report_is_read_back_as_it_was() -> None:
    report = sidecar.SidecarReport(sidecar="s", proxy="envoy", release="checkout", in_force=(1, 7), offered=(1, 8))
    assert sidecar.decode(sidecar.encode(report)) == report
