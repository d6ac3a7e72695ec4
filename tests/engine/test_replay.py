"""Law 2: the same evidence gives the same decisions, bit for bit."""

import pytest
from hypothesis import given, settings

from engine.builders import NOW_MS, Json, batch, builder, emitted, error_rate, latency, release, response, spec
from engine.evidence_logs import Log, evidence_logs, take
from trimtab.engine import guardrail
from trimtab.engine.ledger import Ledger
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


def good_ones_leave(rail: Json, window_s: int, hop_s: int, hops: int) -> Log:
    """Of a window nothing leaves but good responses, up to `hops` before the next breach comes."""
    start_ms = NOW_MS // 300_000 * 300_000
    applied = release(strategy={"type": "bandit", "interval": "1h"}, guardrails=[rail])
    log = [(start_ms, evidence.encode(spec(applied)))]
    last_s = window_s + hops * hop_s
    folding = builder()
    for offset, (at_s, good, bad) in enumerate([(0, 200, 1), (window_s - hop_s, 0, 9), (last_s, 0, 1)]):
        time_ms = start_ms + at_s * 1000
        breaches = [response("canary", time_ms, status=500, duration_ms=900)] * bad
        folding.update(offset, time_ms, batch(*[response("canary", time_ms)] * good, *breaches))
        log.append((time_ms, evidence.encode(emitted(folding))))
    return log


def assert_looking_everywhere_changes_nothing(log: Log) -> int:
    """Compares with a ledger that looks at every window whatever comes; gives how many decisions there were."""
    sparing, thorough, decided = Ledger(), Ledger(), 0
    for offset, entry in enumerate(log):
        expected = take(sparing, offset, entry)
        decided += len(expected.published)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(guardrail, "room", lambda *_: -1)
            assert take(thorough, offset, entry) == expected
    return decided


@settings(max_examples=60)
@given(evidence_logs())
def test_assessing_guardrails_only_where_one_may_fail_changes_no_decision(log: Log) -> None:
    assert_looking_everywhere_changes_nothing(log)


@pytest.mark.parametrize(("window", "window_s", "hop_s"), [("10s", 10, 1), ("1m", 60, 10), ("5m", 300, 30)])
@pytest.mark.parametrize("hops", [0, 1, 4])
@pytest.mark.parametrize("rail", [error_rate(0.1), latency(100, "p90")])
def test_a_guardrail_fails_at_once_where_good_responses_have_left_its_window(
    rail: Json, window: str, window_s: int, hop_s: int, hops: int
) -> None:
    log = good_ones_leave({**rail, "window": window, "min_samples": 5}, window_s, hop_s, hops)
    assert assert_looking_everywhere_changes_nothing(log) == 2
