"""The fold of one evidence partition: who gets which record, what is refused, and what restores."""

import msgspec
import pytest

from engine.builders import NOW_MS, NOW_S, error_rate, release, response, spec
from engine.evidence_rig import EvidenceRig, decision, decisions
from trimtab.engine.errors import EngineError
from trimtab.engine.ledger import Effects, Ledger
from trimtab.engine.release_state import ReleaseSnapshot
from trimtab.schemas.evidence import Command, Spec, Tick

THREE = ("stable", "canary", "newer")


def refused_events(*effects: object) -> int:
    return sum(pane.refusal.events for each in effects for pane in each.refused)  # type: ignore[attr-defined]  # Effects


def rig(*applied: object) -> EvidenceRig:
    fresh = EvidenceRig()
    for one in applied or (release(),):
        fresh.apply(one)  # type: ignore[arg-type]  # releases
    return fresh


def test_the_era_is_the_second_of_the_first_record_and_the_revision_the_offset_plus_one() -> None:
    fresh = EvidenceRig()
    fresh.wait(700)
    fresh.now_ms += 5_000
    assert decision(fresh.apply(release())).id == (NOW_S, 2)


def test_a_ledger_has_no_era_before_its_first_record() -> None:
    fresh = EvidenceRig()
    assert fresh.ledger.era == 0
    fresh.wait(700)
    assert fresh.ledger.era == NOW_S
    fresh.wait(5_000)
    assert fresh.ledger.era == NOW_S


def test_a_release_begins_with_all_traffic_on_its_baseline() -> None:
    made = decision(EvidenceRig().apply(release(variants=THREE)))
    assert made.weights == {"stable": 10_000, "canary": 0, "newer": 0}


def test_records_that_were_taken_are_skipped() -> None:
    running = rig()
    effects = running.ledger.advance(0, NOW_MS, spec(release("search")))
    assert (effects.published, effects.rejected, list(running.ledger.releases)) == ([], "", ["checkout"])


def test_panes_of_an_unknown_release_are_refused_once_when_they_are_final() -> None:
    running = rig()
    assert refused_events(running.bring(response(of="ghost"), response(of="ghost"))) == 0
    running.now_ms += 4_000
    final = running.panes()
    assert final is not None
    first, again = running.append(final), running.append(final)
    (pane,) = first.refused
    assert (pane.source, pane.first_offset, pane.last_offset) == (0, 0, 0)
    assert (pane.refusal.code, pane.refusal.events, pane.refusal.release) == ("unknown-release", 2, "ghost")
    assert again.refused == []


def test_a_refusal_names_its_pane() -> None:
    running = rig()
    running.bring(response(of="ghost", segment="mobile"), response("phantom"))
    running.now_ms += 4_000
    reasons = [pane.refusal.reason for pane in running.bring().refused]
    assert reasons == [
        f"release checkout: no variant 'phantom' (variant phantom, second {NOW_S})",
        f"no release 'ghost' (variant canary, segment mobile, second {NOW_S})",
    ]


def test_a_release_that_comes_before_its_panes_are_final_counts_them() -> None:
    running = rig()
    running.bring(response(of="ghost"))
    running.apply(release("ghost"))
    running.now_ms += 4_000
    effects = running.bring()
    assert (refused_events(effects), decision(effects).seen.counted) == (0, 1)


def test_a_variant_that_comes_before_its_panes_are_final_has_them_counted() -> None:
    running = rig()
    running.bring(response("newer"))
    running.apply(release(variants=THREE))
    running.now_ms += 4_000
    effects = running.bring()
    assert (refused_events(effects), decision(running.command("pause")).seen.counted) == (0, 1)


def test_of_a_pane_that_waits_the_greatest_content_counts_whatever_comes_last() -> None:
    running = rig()
    first, second = running.panes(response(of="ghost")), running.panes(response(of="ghost"))
    assert first is not None
    assert second is not None
    for panes in (first, second, first):
        running.append(panes)
    running.apply(release("ghost"))
    assert decision(running.command("pause", of="ghost")).seen.counted == 2


def test_panes_that_wait_are_read_again_after_a_restart_and_nothing_else_is() -> None:
    running = rig()
    running.bring(response())
    running.bring(response(of="ghost"), response())
    running.bring(response())
    restored = Ledger.restore(
        [running.ledger.snapshot()], [[fold.snapshot()] for fold in running.ledger.releases.values()]
    )
    due, end = restored.due, restored.offset + 1
    assert (due, end) == (2, 4)
    for offset in range(due, end):
        assert Ledger.restore([restored.snapshot()], []).due == due
        assert restored.advance(offset, *running.log[offset]) == Effects()
    running.now_ms += 4_000
    assert refused_events(running.bring()) == 1
    assert refused_events(restored.advance(end, *running.log[end])) == 1
    assert restored.snapshot() == running.ledger.snapshot()
    assert restored.due == end + 1


def test_what_was_refused_is_not_counted_when_it_comes_again_after_its_release() -> None:
    running = rig()
    panes = running.panes(response(of="ghost"))
    assert panes is not None
    running.append(panes)
    running.now_ms += 4_000
    assert refused_events(running.bring()) == 1
    running.apply(release("ghost"))
    assert refused_events(running.append(panes), running.wait(4_000)) == 0
    assert decision(running.command("pause", of="ghost")).seen.counted == 0


def test_what_was_refused_of_a_variant_is_not_counted_when_it_comes_again_after_it_takes_part() -> None:
    running = rig()
    panes = running.panes(response("newer"))
    assert panes is not None
    running.append(panes)
    running.now_ms += 4_000
    assert refused_events(running.bring()) == 1
    running.apply(release(variants=THREE))
    running.append(panes)
    seen = decision(running.command("pause")).seen
    assert (seen.counted, seen.dead_lettered) == (0, 1)


def test_a_variant_that_leaves_a_release_is_still_counted() -> None:
    running = rig(release(variants=THREE))
    running.bring(response("newer"))
    running.apply(release())
    running.bring(response("newer"))
    assert decision(running.command("pause")).seen.counted == 2


def test_a_document_that_is_no_release_is_rejected_and_the_release_goes_on() -> None:
    running = rig()
    effects = running.append(Spec(release="checkout", document=b"{}"))
    assert effects.rejected.startswith("release checkout: not a release file: ")
    assert effects.published == []
    assert decision(running.command("pause")).weights == {"stable": 10_000, "canary": 0}


@pytest.mark.parametrize("document", [b"", b"\xff\xfe", b"null", b"[]", b'{"kind": "Release"}'])
def test_nothing_is_applied_from_a_document_that_cannot_be_read(document: bytes) -> None:
    fresh = EvidenceRig()
    assert fresh.append(Spec(release="checkout", document=document)).rejected
    assert fresh.ledger.releases == {}


def test_a_document_of_another_release_is_rejected() -> None:
    fresh = EvidenceRig()
    effects = fresh.append(Spec(release="checkout", document=release("search").document()))
    assert effects.rejected == "release checkout: its document is of release 'search'"
    assert fresh.ledger.releases == {}


def test_a_command_to_an_unknown_release_is_rejected() -> None:
    assert EvidenceRig().append(Command(release="ghost", action="abort")).rejected == "abort: no release 'ghost'"


def test_a_new_second_lets_time_pass_for_every_release_once() -> None:
    running = rig(release(), release("search"))
    running.bring(response(), response(of="search"))
    running.now_ms += 999
    assert decisions(running.append(Tick())) == []
    running.now_ms += 1
    assert [made.release for made in decisions(running.append(Tick()))] == ["checkout", "search"]
    running.bring(response(time_ms=running.now_ms), response(time_ms=running.now_ms, of="search"))
    assert decisions(running.append(Tick())) == []


def test_a_repeated_contribution_lets_time_pass_like_any_other_record() -> None:
    running = rig()
    panes = running.panes(response())
    assert panes is not None
    running.append(panes)
    running.now_ms += 1_000
    assert decision(running.append(panes)).rule == "bandit: weights follow the policy adaptive"


def test_a_spec_that_is_applied_again_lets_time_pass_like_any_other_record() -> None:
    running = rig()
    running.bring(response())
    running.now_ms += 1_000
    assert decision(running.apply(release())).rule == "bandit: weights follow the policy adaptive"


def test_a_clock_that_goes_back_lets_no_time_pass() -> None:
    running = rig()
    running.bring(response())
    running.wait(1_000)
    running.bring(response(time_ms=running.now_ms))
    running.now_ms -= 60_000
    assert decisions(running.append(Tick())) == []


def test_a_ledger_is_idle_when_time_can_change_nothing() -> None:
    running = rig(release(), release("search"))
    idle = [Ledger().is_idle, running.ledger.is_idle]
    running.bring(response())
    idle.append(running.ledger.is_idle)
    running.wait(1_000)
    idle.append(running.ledger.is_idle)
    assert idle == [True, True, False, True]


def test_a_release_that_nothing_came_for_is_not_touched_however_long_it_takes() -> None:
    running = rig()
    running.bring(response())
    running.wait(1_000)
    running.ledger.take_changed()
    fold = running.ledger.releases["checkout"]
    before = fold.snapshot()
    for _ in range(100):
        running.wait(1_000)
    assert (running.ledger.take_changed(), fold.snapshot()) == ([], before)


def test_a_release_whose_seconds_wait_to_be_closed_is_ticked_until_they_are() -> None:
    running = rig(release(guardrails=[{"metric": "error_rate", "maxRatio": 2}]))
    running.bring(response("stable"), response())
    touched = []
    for _ in range(5):
        running.wait(1_000)
        touched.append(running.ledger.take_changed())
    assert touched == [["checkout"]] * 3 + [[]] * 2


def test_a_guardrail_that_failed_while_frozen_acts_once_people_let_it_although_nothing_comes() -> None:
    running = rig(release(guardrails=[error_rate(0.05)]))
    running.command("freeze")
    running.bring(*[response(status=500)] * 50)
    for _ in range(5):
        running.wait(1_000)
    assert decision(running.command("resume")).rule == "resume by an operator"
    assert decision(running.wait(1_000)).rule.startswith("guardrail: canary excluded")


def test_what_changed_is_told_once() -> None:
    running = rig(release("search"), release())
    assert running.ledger.take_changed() == ["checkout", "search"]
    assert running.ledger.take_changed() == []
    running.command("pause")
    assert running.ledger.take_changed() == ["checkout"]


def test_the_newest_snapshots_are_restored_whichever_order_they_come_in() -> None:
    running = rig()
    old = running.ledger.snapshot(), running.ledger.releases["checkout"].snapshot()
    running.command("pause")
    new = running.ledger.snapshot(), running.ledger.releases["checkout"].snapshot()
    for ledgers, folds in (([old[0], new[0]], [old[1], new[1]]), ([new[0], old[0]], [new[1], old[1]])):
        restored = Ledger.restore(ledgers, [folds])
        assert (restored.offset, restored.snapshot()) == (1, new[0])
        assert restored.releases["checkout"].snapshot() == new[1]


def test_snapshots_of_a_log_that_is_no_more_are_passed_over() -> None:
    long_ago = rig()
    for _ in range(20):
        long_ago.command("pause")
    later = EvidenceRig()
    later.now_ms += 86_400_000
    later.apply(release("search"))
    restored = Ledger.restore(
        [later.ledger.snapshot(), long_ago.ledger.snapshot()],
        [[fold.snapshot() for fold in rig.ledger.releases.values()] for rig in (long_ago, later)],
    )
    assert (restored.offset, list(restored.releases)) == (0, ["search"])
    assert restored.snapshot() == later.ledger.snapshot()


def test_a_release_of_a_new_log_is_restored_before_its_ledger_was_ever_written() -> None:
    long_ago, later = rig(), EvidenceRig()
    long_ago.command("pause")
    later.now_ms += 86_400_000
    later.apply(release())
    snapshots = [each.ledger.releases["checkout"].snapshot() for each in (long_ago, later)]
    restored = Ledger.restore([long_ago.ledger.snapshot()], [snapshots])
    assert (restored.offset, restored.releases["checkout"].snapshot()) == (-1, snapshots[1])


def test_nothing_restores_to_a_new_ledger() -> None:
    assert Ledger.restore([], []).snapshot() == Ledger().snapshot()


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x90", msgspec.msgpack.encode("ledger"), b"\x95" + b"\x01" * 4])
def test_what_is_no_snapshot_of_a_ledger_is_a_fault(payload: bytes) -> None:
    with pytest.raises(EngineError, match="not a snapshot of a ledger"):
        Ledger.restore([payload], [])


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x90", msgspec.msgpack.encode({"version": 1})])
def test_what_is_no_snapshot_of_a_release_is_a_fault(payload: bytes) -> None:
    with pytest.raises(EngineError, match="not a snapshot of a release"):
        Ledger.restore([], [[payload]])


def with_first(payload: bytes, first: object) -> bytes:
    """A snapshot with another version."""
    cells = msgspec.msgpack.decode(payload)
    return msgspec.msgpack.encode([first, *cells[1:]])


def test_a_snapshot_of_another_version_is_a_fault() -> None:
    running = rig()
    with pytest.raises(EngineError, match="ledger snapshot of version 2: expected 1"):
        Ledger.restore([with_first(running.ledger.snapshot(), 2)], [])
    with pytest.raises(EngineError, match=r"snapshot of version 0: expected one of \(2, 3\)"):
        Ledger.restore([], [[with_first(running.ledger.releases["checkout"].snapshot(), 0)]])


def test_a_snapshot_whose_release_file_cannot_be_read_is_a_fault() -> None:
    cells = msgspec.msgpack.decode(rig().ledger.releases["checkout"].snapshot())
    cells[2] = b"{}"
    with pytest.raises(EngineError, match="not a snapshot of a release"):
        Ledger.restore([], [[msgspec.msgpack.encode(cells)]])


def test_a_decision_is_published_with_what_sidecars_read_and_the_spec_it_was_made_under() -> None:
    applied = release(guardrails=[error_rate()])
    (published,) = EvidenceRig().apply(applied).published
    assert published.document == applied.document()
    assert published.weights.targets == {"stable": "stable", "canary": "canary"}
    assert published.weights.prefix == "/"


def test_a_release_whose_weights_do_not_add_up_is_a_fault() -> None:
    snapshot = msgspec.msgpack.decode(rig().ledger.releases["checkout"].snapshot(), type=ReleaseSnapshot)
    snapshot.state.weights = [9_000, 999]
    broken = Ledger.restore([], [[msgspec.msgpack.encode(snapshot)]])
    with pytest.raises(EngineError, match=r"release checkout: weights .9000, 999. sum to 9999 bp"):
        broken.advance(1, NOW_MS, Command(release="checkout", action="pause"))
