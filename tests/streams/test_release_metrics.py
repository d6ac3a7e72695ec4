"""What Prometheus is told of releases."""

from typing import get_args

import pytest
from prometheus_client.core import Metric

from control.decisions import arm, assessment, decision
from trimtab.schemas.decision import Decision, Phase, Seen, Verdict
from trimtab.schemas.divergence import Divergence, Kind
from trimtab.streams.decision_kind import kind_of
from trimtab.streams.release_metrics import release_metrics


def samples(*decisions: Decision, name: str) -> dict[tuple[str, ...], float]:
    """Values by label values, of a family."""
    families: list[Metric] = [family for family in release_metrics(decisions) if family.name == f"trimtab_{name}"]
    return {tuple(sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_a_phase_has_one_series_each_of_which_one_is_1() -> None:
    told = samples(decision(phase=Phase.PAUSED), name="release_phase")
    assert told == {("checkout", str(phase)): float(phase is Phase.PAUSED) for phase in Phase}


def test_a_verdict_has_one_series_each_of_which_one_is_1() -> None:
    told = samples(decision(assessments=[assessment(verdict=Verdict.INCONCLUSIVE)]), name="guardrail_status")
    assert {labels[-1]: value for labels, value in told.items()} == {"pass": 0.0, "fail": 0.0, "inconclusive": 1.0}


def test_every_event_of_a_release_has_one_fate() -> None:
    seen = Seen(offset=1, sources={}, counted=90, late=7, dead_lettered=3)
    assert samples(decision(seen=seen), name="release_events") == {
        ("checkout", "counted"): 90, ("checkout", "late"): 7, ("checkout", "dead_lettered"): 3,
    }  # fmt: skip


def test_divergences_are_counted_by_kind() -> None:
    seen = [Divergence(kind="stuck", words="edge-1 stays at 7.40"), Divergence(kind="stuck", words="edge-2, too")]
    told = samples(decision(divergences=seen), name="release_divergences")
    assert told == {("checkout", kind): 2.0 if kind == "stuck" else 0.0 for kind in get_args(Kind)}


def test_what_is_not_known_has_no_series_instead_of_a_zero() -> None:
    made = decision(arms=[arm(error_ratio=None, p50_ms=None, p99_ms=None)], assessments=[assessment(value=None)])
    for name in ("variant_error_ratio", "variant_latency_seconds", "guardrail_value"):
        assert samples(made, name=name) == {}
    assert samples(made, name="guardrail_limit") != {}


def test_latencies_are_in_seconds() -> None:
    made = decision(arms=[arm(p50_ms=12.5, p99_ms=40.0)])
    assert samples(made, name="variant_latency_seconds") == {
        ("checkout", "v2", "0.5"): 0.0125, ("checkout", "v2", "0.99"): 0.04,
    }  # fmt: skip


def test_no_release_has_no_series() -> None:
    assert [family.samples for family in release_metrics([]) if family.samples] == []


BEFORE = decision()


@pytest.mark.parametrize(
    ("before", "made", "action", "rule"),
    [
        (None, decision(rule="applied: all traffic on v1 until evidence comes"), "start", "applied"),
        (BEFORE, BEFORE, "hold", "bandit"),
        (BEFORE, decision(weights={"v1": 7_000, "v2": 3_000}), "move", "bandit"),
        (BEFORE, decision(segments={"eu": {"v1": 1, "v2": 9_999}}), "move", "bandit"),
        (BEFORE, decision(arms=[arm("v1"), arm(excluded="slow")], rule="guardrail: v2: slow"), "exclude", "guardrail"),
        (BEFORE, decision(phase=Phase.ROLLED_BACK, rule="abort by ann: wrong"), "roll_back", "abort"),
        (BEFORE, decision(phase=Phase.PROMOTED, rule="canary: all steps passed, v2 takes all"), "promote", "canary"),
        (BEFORE, decision(phase=Phase.PAUSED, rule="set-weights by ann"), "pause", "set-weights"),
        (decision(phase=Phase.PAUSED), decision(rule="resume by ann"), "resume", "resume"),
        (BEFORE, decision(rule="canary step 1 of 3: 5 s to go"), "hold", "canary"),
        (BEFORE, decision(rule="A/B test: no winner yet"), "hold", "a/b"),
        (BEFORE, decision(rule="v2 takes all"), "hold", "chosen"),
        (BEFORE, decision(rule="something a person has typed"), "hold", "other"),
    ],
)
def test_decisions_are_told_apart_by_what_they_did_and_by_rule(
    before: Decision | None, made: Decision, action: str, rule: str
) -> None:
    assert kind_of(before, made) == (action, rule)
