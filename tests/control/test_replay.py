"""Replay: the same evidence gives the recorded decisions, and whatever differs is found and named."""

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.memory_log import MemoryLog, log_of
from engine.builders import NOW_MS, NOW_S, release, response
from engine.evidence_logs import Log, evidence_logs
from engine.evidence_rig import EvidenceRig
from trimtab.control.evidence_log import SavedLog, save
from trimtab.control.replay import Comparison, Until, difference, replay
from trimtab.control.replay_report import lines_of
from trimtab.schemas.errors import InvalidRecord, NewerVersion
from trimtab.schemas.evidence import Tick, encode


def running_rig(seconds: int = 8) -> EvidenceRig:
    rig = EvidenceRig()
    rig.apply(release())
    rig.apply(release("search"))
    for _ in range(seconds):
        rig.now_ms += 1_000
        rig.bring(
            *[response(variant, rig.now_ms, of=of) for variant in ("stable", "canary") for of in ("checkout", "search")]
        )
    return rig


def changed(payload: bytes, **changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(payload) | changes)


@settings(max_examples=25)
@given(evidence_logs())
def test_any_log_replays_to_the_last_bit(drawn: Log) -> None:
    log = MemoryLog(drawn)
    found = replay(log)
    assert (found.identical, found.differing, found.records) == (len(log.recorded), 0, len(drawn))
    assert found.is_identical == bool(log.recorded)


@settings(max_examples=15)
@given(drawn=evidence_logs(), start=st.integers(0, 5))
def test_a_saved_log_is_the_log(tmp_path_factory: pytest.TempPathFactory, drawn: Log, start: int) -> None:
    log = MemoryLog(drawn)
    log.start = start
    path = tmp_path_factory.mktemp("saved") / "log.gz"
    assert save(log, path) == (len([*log.records()]), len(log.recorded))
    loaded = SavedLog(path)
    assert (loaded.partition, loaded.start) == (3, start)
    assert [*loaded.records()] == [*log.records()]
    assert [*loaded.decisions()] == [*log.decisions()]
    assert replay(loaded) == replay(log)


def test_the_first_field_that_differs_is_named_with_both_values() -> None:
    log = log_of(running_rig())
    plain = msgspec.json.decode(log.recorded[4])
    arms = [plain["arms"][0], plain["arms"][1] | {"probability_best": 0.125, "errors": 7}]
    log.recorded[4] = changed(log.recorded[4], arms=arms)
    log.recorded[6] = changed(log.recorded[6], rule="otherwise")
    found = replay(log)
    assert (found.differing, found.identical, found.is_identical) == (2, len(log.recorded) - 2, False)
    assert found.first is not None
    assert (found.first.field, found.first.recorded) == ("arms[1].probability_best", "0.125")
    assert float(found.first.replayed) == plain["arms"][1]["probability_best"]
    assert any("2 differ, first revision" in line for line in lines_of(found))


def test_a_decision_that_was_not_recorded_is_a_difference() -> None:
    log = log_of(running_rig())
    missing = msgspec.json.decode(log.recorded.pop(6))
    found = replay(log)
    assert found.differing == 1
    assert found.first == ((missing["release"], (NOW_S, missing["revision"]), "(decision)", "nothing", "one"))


def test_a_recorded_decision_that_replay_does_not_make_is_a_difference() -> None:
    log = log_of(running_rig())
    log.recorded.append(changed(log.recorded[4], release="ghost", revision=4))
    found = replay(log)
    assert found.differing == 1
    assert found.first == ("ghost", (NOW_S, 4), "(decision)", "one", "nothing")


def test_one_that_was_recorded_twice_has_to_be_the_same_both_times() -> None:
    log = log_of(running_rig())
    log.recorded += log.recorded[3:]
    assert replay(log).is_identical
    log.recorded.append(changed(log.recorded[3], rule="on second thought"))
    found = replay(log)
    assert found.first is not None
    assert (found.first.field, found.first.replayed) == ("rule", '"on second thought"')


def test_what_retention_took_and_what_is_not_decided_yet_is_no_difference() -> None:
    log = log_of(running_rig())
    total = len(log.recorded)
    log.recorded = log.recorded[4:-3]
    found = replay(log)
    assert (found.forgotten, found.identical, found.ahead, found.differing) == (4, total - 7, 3, 0)
    assert found.is_identical


def test_nothing_to_compare_is_not_the_same() -> None:
    log = log_of(running_rig())
    log.recorded = [b"garbage", b"{}"]
    found = replay(log)
    assert not found.is_identical
    assert "  nothing to compare" in lines_of(found)


def test_one_release_is_compared_by_itself() -> None:
    log = log_of(running_rig())
    log.recorded[5] = changed(log.recorded[5], release="search", rule="otherwise")
    assert replay(log, release="checkout").differing <= 1
    names = [msgspec.json.decode(payload)["release"] for payload in log.recorded]
    assert replay(log, release="search").identical == names.count("search") - 1


@pytest.mark.parametrize("until", [Until(revision=5), Until(time_ms=NOW_MS + 3_000)])
def test_it_ends_where_it_is_told_to(until: Until) -> None:
    log = log_of(running_rig())
    ids = [tuple(msgspec.json.decode(payload)[name] for name in ("revision", "time_ms")) for payload in log.recorded]
    found = replay(log, until=until)
    expected = [
        one
        for one in ids
        if (until.revision is None or one[0] <= 5) and (until.time_ms is None or one[1] <= until.time_ms)
    ]
    assert 0 < len(expected) < len(ids)
    assert (found.identical, found.differing) == (len(expected), 0)


def test_records_that_cannot_be_read_are_passed_over_as_a_worker_does_and_newer_ones_are_told() -> None:
    rig = running_rig()
    newer = msgspec.msgpack.encode({"t": "tick", "v": 9})
    records = [(time_ms, encode(record)) for time_ms, record in rig.log]
    found = replay(MemoryLog([*records[:3], (NOW_MS + 900, b"\xff"), (NOW_MS + 900, newer), *records[3:]]))
    assert (found.unreadable, found.newer, found.is_identical) == (1, 1, True)
    assert any("upgrade trimtab here" in line for line in lines_of(found))


def test_of_a_log_whose_beginning_is_gone_releases_that_begin_later_are_compared() -> None:
    rig = EvidenceRig()
    rig.apply(release())
    for step in range(12):
        rig.now_ms += 1_000
        if step == 5:
            rig.apply(release("search"))
        rig.bring(*[response("stable", rig.now_ms, of=of) for of in ("checkout", "search")])
    log = log_of(rig)
    names = [msgspec.json.decode(payload)["release"] for payload in log.recorded]
    log.start = 2
    found = replay(log)
    assert found.began_before == ["checkout"]
    assert (found.identical, found.differing) == (names.count("search"), 0)
    assert found.is_identical
    assert "  checkout: cannot be replayed, for what it began with is gone" in lines_of(found)


def test_a_release_that_was_applied_again_behind_the_gap_is_not_taken_for_a_new_one() -> None:
    rig = running_rig()
    rig.apply(release(limits={"maxStep": 300}))
    rig.wait(1_000)
    log = log_of(rig)
    log.start = 4
    assert (replay(log).began_before, replay(log).differing) == (["checkout", "search"], 0)


@pytest.mark.parametrize(
    ("recorded", "replayed", "field"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1]"),
        ({"a": [1]}, {"a": [1, 2]}, "a"),
        ({"a": 1}, {"a": 1, "b": 2}, "b"),
        ({"a": 1, "b": 2}, {"a": 1}, "b"),
        ({"a": 1}, {"a": 1.0}, "a"),
        ({"w": {"x": 1, "y": 2}}, {"w": {"y": 2, "x": 1}}, "w (order)"),
        ({"a": None}, {"a": {}}, "a"),
    ],
)
def test_a_difference_is_named_by_its_path(recorded: object, replayed: object, field: str) -> None:
    found = difference("checkout", (7, 1), msgspec.json.encode(recorded), msgspec.json.encode(replayed))
    assert found.field == field


def test_bytes_that_differ_though_no_field_does_are_a_difference() -> None:
    assert difference("checkout", (7, 1), b'{"a":1}', b'{ "a":1}').field == "(bytes)"


def test_the_lowest_revision_is_told_first() -> None:
    found = Comparison(0, 0)
    for revision in (9, 4, 6):
        found.note(difference("checkout", (7, revision), b"1", b"2"))
    assert found.first is not None
    assert found.first.revision == (7, 4)


def zipped(content: bytes) -> bytes:
    """The same bytes at any time: they are a test's name."""
    return gzip.compress(content, mtime=0)


def frames(*payloads: bytes) -> bytes:
    return zipped(b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads))


HEAD = msgspec.msgpack.encode({"t": "evidence-log", "v": 1, "partition": 0, "start": 0})


@pytest.mark.parametrize(
    "content",
    [
        b"plain text", b"", zipped(b""), zipped(b"\0\0"), zipped(b"\0\0\0\x09abc"),
        frames(encode(Tick(v=1))), frames(HEAD, b"\xc1"), frames(HEAD, msgspec.msgpack.encode(["other", 1, 1, b""])),
        frames(HEAD)[:-3],
    ],
)  # fmt: skip
def test_a_file_that_is_no_saved_log_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(content)
    with pytest.raises(InvalidRecord, match="not a saved evidence log"):
        list(SavedLog(path).records())


def test_a_file_of_a_newer_version_is_refused_by_its_version(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(frames(msgspec.msgpack.encode({"t": "evidence-log", "v": 2, "partition": 0, "start": 0})))
    with pytest.raises(NewerVersion):
        SavedLog(path)


def test_saving_that_fails_leaves_no_file(tmp_path: Path) -> None:
    class Broken(MemoryLog):
        def records(self) -> Any:
            raise InvalidRecord("no more")

    with pytest.raises(InvalidRecord):
        save(Broken([]), tmp_path / "log.gz")
    assert list(tmp_path.iterdir()) == []


def test_the_era_of_a_replayed_log_is_that_of_its_first_record() -> None:
    assert msgspec.json.decode(log_of(running_rig()).recorded[0])["era"] == NOW_S


def test_records_that_are_missing_are_told() -> None:
    log = log_of(running_rig())
    del log.entries[4:6]
    found = replay(log)
    assert (found.missing, found.first_missing) == (2, 4)
    told = "  2 records are missing, the first at offset 4: what came of them may differ"
    assert told in lines_of(found)
    assert not any("missing" in line for line in lines_of(replay(log_of(running_rig()))))


def test_a_release_that_the_log_does_not_know_is_told_with_the_nearest() -> None:
    log = log_of(running_rig())
    found = replay(log, release="chekout")
    assert "  nothing to compare: no release 'chekout'; did you mean checkout?" in lines_of(found)
    assert not replay(log, release="checkout").absent
