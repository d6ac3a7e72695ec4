"""Law 2: the same evidence gives the same decisions, bit for bit."""

import pytest
from hypothesis import given, settings

from engine.builders import NOW_MS, Json, batch, builder, emitted, error_rate, latency, release, response, spec
from engine.evidence_logs import Log, evidence_logs, take
from trimtab.engine import guard
from trimtab.engine.ledger import Ledger
from trimtab.engine.release import ReleaseFold
from trimtab.schemas import evidence


@settings(max_examples=30)
@given(evidence_logs())
def test_the_same_records_give_the_same_decisions_to_the_last_byte(log: Log) -> None:
    first, second = Ledger(), Ledger()
    for offset, entry in enumerate(log):
        assert take(first, offset, entry) == take(second, offset, entry)
    assert first.snapshot() == second.snapshot()
    assert [fold.snapshot() for fold in first.releases.values()] == [
        fold.snapshot() for fold in second.releases.values()
    ]


@settings(max_examples=20)
@given(evidence_logs())
def test_records_that_were_taken_are_skipped_when_they_come_again(log: Log) -> None:
    ledger, again = Ledger(), Ledger()
    for offset, entry in enumerate(log):
        expected = take(ledger, offset, entry)
        assert take(again, offset, entry) == expected
        for older in range(max(0, offset - 2), offset + 1):
            repeated = take(again, older, log[older])
            assert (repeated.published, repeated.refused, repeated.rejected) == ((), (), "")
    assert ledger.snapshot() == again.snapshot()


def assert_looking_everywhere_changes_nothing(log: Log) -> int:
    """Compares with a ledger that looks at every window whatever comes; gives how many decisions there were."""
    sparing, thorough, decided = Ledger(), Ledger(), 0
    for offset, entry in enumerate(log):
        expected = take(sparing, offset, entry)
        decided += len(expected.published)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(guard, "breaches_at_most", lambda _: lambda _: 1 << 40)
            assert take(thorough, offset, entry) == expected
    return decided


@settings(max_examples=60)
@given(evidence_logs())
def test_assessing_guardrails_only_where_one_may_fail_changes_no_decision(log: Log) -> None:
    assert_looking_everywhere_changes_nothing(log)


def is_over_and_told(fold: ReleaseFold) -> bool:
    return fold._state.phase.is_over and fold._evidence_count == fold._state.decided_on


@settings(max_examples=60)
@given(evidence_logs())
def test_letting_idle_releases_sleep_changes_no_decision(log: Log) -> None:
    sleeping, ticked = Ledger(), Ledger()
    for offset, entry in enumerate(log):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(ReleaseFold, "is_idle", property(is_over_and_told))
            expected = take(ticked, offset, entry)
        assert take(sleeping, offset, entry) == expected


@pytest.mark.parametrize("rail", [error_rate(0.1), latency(100, "p90")])
@pytest.mark.parametrize("minutes", [0, 1, 30])
def test_a_fall_is_found_within_twenty_responses_however_long_all_was_well(rail: Json, minutes: int) -> None:
    applied = release(strategy={"type": "bandit", "interval": "10h"}, guardrails=[rail])
    log, folding = [(NOW_MS, evidence.encode(spec(applied)))], builder()
    for second in range(60 * minutes + 10):
        time_ms = NOW_MS + second * 1000
        folding.update(second, time_ms, batch(*[response("canary", time_ms)] * 10))
        log.append((time_ms, evidence.encode(emitted(folding))))
    bad = [response("canary", time_ms + 1000, status=500, duration_ms=900)] * 20
    folding.update(second + 1, time_ms + 1000, batch(*bad))
    log.append((time_ms + 1000, evidence.encode(emitted(folding))))
    assert assert_looking_everywhere_changes_nothing(log) == 2
