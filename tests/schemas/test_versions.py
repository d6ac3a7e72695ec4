import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas.records import ENTRY, EVENTS, MAPS, SAMPLES, WEIGHTS, Sample, title
from trimtab.schemas import audit, decision, evidence, telemetry_message
from trimtab.schemas.errors import InvalidEvent, InvalidRecord, NewerVersion, TrimtabError

FIRST, NEWER = 1, 99
each_map = pytest.mark.parametrize("sample", MAPS, ids=title)


def known(sample: Sample) -> int:
    """The newest version of its kind of record."""
    kind = sample.name.partition("-")[0]
    newest = {"evidence": evidence, "decision": decision, "weights": decision, "audit": audit}
    return newest[kind].VERSION if kind in newest else FIRST


def written(sample: Sample) -> int:
    """The version that it is written in: of evidence, the oldest that knows the record."""
    newer = {
        "evidence-sidecars": 3, "evidence-command-exclude": 4, "evidence-reactions": 5, "evidence-command-confirm": 5,
    }  # fmt: skip
    if sample.name.startswith("audit-entry"):
        return 2 if sample.name == "audit-entry-hook" else 1
    return newer.get(sample.name, 2) if sample.name.startswith("evidence-") else known(sample)


def test_an_order_to_exclude_tells_older_readers_that_it_is_not_for_them() -> None:
    order = evidence.Command(release="checkout", action="exclude", variant="v2")
    assert evidence.decode(evidence.encode(order)).v == 4
    assert evidence.decode(evidence.encode(evidence.Command(release="checkout", action="confirm"))).v == 5
    assert evidence.decode(evidence.encode(evidence.Command(release="checkout", action="abort"))).v == 2


def test_an_entry_of_a_hook_tells_older_readers_that_it_is_not_for_them() -> None:
    assert audit.decode(audit.encode(replace(ENTRY, source="hook"))).v == 2
    assert audit.decode(audit.encode(ENTRY)).v == 1


def refusal(sample: Sample, plain: Any) -> TrimtabError:
    with pytest.raises(TrimtabError) as raised:
        sample.decode(sample.encode(plain))
    return raised.value


@pytest.mark.parametrize("sample", SAMPLES, ids=title)
def test_every_record_tells_its_version(sample: Sample) -> None:
    plain = sample.plain
    assert {row["v"] for row in (plain if isinstance(plain, list) else [plain])} == {written(sample)}


@pytest.mark.parametrize("sample", SAMPLES, ids=title)
def test_every_record_is_read_back_as_it_was(sample: Sample) -> None:
    assert sample.decode(sample.payload) == sample.expected


@pytest.mark.parametrize("sample", [sample for sample in MAPS if sample.name.startswith("telemetry")], ids=title)
def test_telemetry_that_tells_no_version_is_of_the_first(sample: Sample) -> None:
    untold = {name: value for name, value in sample.plain.items() if name != "v"}
    assert sample.decode(sample.encode(untold)) == sample.expected


@each_map
def test_fields_that_a_later_release_adds_are_passed_over(sample: Sample) -> None:
    assert sample.decode(sample.encode(sample.plain | {"added": {"deep": [1, "two", None]}})) == sample.expected


@each_map
def test_a_newer_record_is_refused_as_newer_with_both_versions(sample: Sample) -> None:
    error = refusal(sample, sample.plain | {"v": NEWER})
    assert isinstance(error, NewerVersion)
    assert (error.version, error.known, error.code) == (NEWER, known(sample), "newer-version")
    assert re.fullmatch(rf"an? [a-z' ]+ of version 99: expected at most {known(sample)}", str(error))


@each_map
def test_a_newer_record_is_refused_as_newer_even_if_it_cannot_be_decoded(sample: Sample) -> None:
    strange = {name: {"changed": True} for name in sample.plain} | {"v": NEWER}
    error = refusal(sample, strange)
    assert isinstance(error, NewerVersion)
    assert error.version == NEWER


@each_map
@pytest.mark.parametrize("tag", ["t", "kind", "format"])
def test_a_newer_record_of_an_unknown_kind_is_refused_as_newer(sample: Sample, tag: str) -> None:
    error = refusal(sample, sample.plain | {tag: "teleport", "v": NEWER})
    assert isinstance(error, NewerVersion)


@each_map
@pytest.mark.parametrize("version", ["2", 2.5, None, [], 0, -1, {"v": 2}], ids=repr)
def test_a_version_that_is_none_is_no_newer_version(sample: Sample, version: object) -> None:
    error = refusal(sample, sample.plain | {"v": version})
    assert isinstance(error, InvalidEvent | InvalidRecord)
    assert not isinstance(error, NewerVersion)
    assert error.code == "undecodable"


@pytest.mark.parametrize("form", [msgspec.json.encode, msgspec.msgpack.encode], ids=["JSON", "MessagePack"])
@pytest.mark.parametrize("wrap", [list, lambda events: {"events": events}], ids=["array", "batch"])
@pytest.mark.parametrize("changes", [{}, {"kind": "teleport"}, {"time_ms": "noon"}], ids=repr)
def test_one_newer_event_makes_its_whole_message_newer(form: Any, wrap: Any, changes: dict[str, object]) -> None:
    known, newer = (msgspec.to_builtins(event) for event in EVENTS[:2])
    with pytest.raises(NewerVersion):
        telemetry_message.decode(form(wrap([known, newer | {"v": NEWER} | changes])))


def test_an_undecodable_event_beside_events_of_this_version_is_not_newer() -> None:
    fine, broken = (msgspec.to_builtins(event) for event in EVENTS[:2])
    with pytest.raises(InvalidEvent, match="not a telemetry message") as raised:
        telemetry_message.decode(msgspec.json.encode([fine, broken | {"kind": "teleport"}]))
    assert not isinstance(raised.value, NewerVersion)


def test_newer_weights_are_refused_before_their_sum_is_looked_at() -> None:
    wrong = msgspec.to_builtins(WEIGHTS) | {"weights": {"v1": 1}, "v": NEWER}
    with pytest.raises(NewerVersion, match="a weights record of version 99"):
        decision.decode_weights(msgspec.json.encode(wrong))


def test_whoever_refuses_what_cannot_be_read_refuses_what_is_newer() -> None:
    assert issubclass(NewerVersion, InvalidEvent)
    assert issubclass(NewerVersion, InvalidRecord)
