"""Law 2: the same evidence gives the same decisions, bit for bit."""

import pytest
from hypothesis import given, settings

from engine.evidence_logs import Log, evidence_logs, take
from trimtab.engine import release
from trimtab.engine.ledger import Ledger


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


@settings(max_examples=60)
@given(evidence_logs())
def test_assessing_guardrails_only_where_one_may_fail_changes_no_decision(log: Log) -> None:
    sparing, thorough = Ledger(), Ledger()
    for offset, entry in enumerate(log):
        expected = take(sparing, offset, entry)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(release, "room", lambda *_: -1)
            assert take(thorough, offset, entry) == expected
