"""Laws 5, 6 and 7 of any sequence of decisions, whatever evidence, commands and specs led to it."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from scipy import stats

from engine import quadrature
from engine.evidence_logs import Log, evidence_logs
from trimtab.engine.ledger import Ledger, Published
from trimtab.engine.posterior import Beta
from trimtab.schemas.decision import Decision, Phase, Verdict
from trimtab.schemas.evidence import Command, Record, Spec, decode
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION
from trimtab.schemas.release import Release, parse_document
from trimtab.schemas.strategy import Bandit


def decisions_of(log: Log) -> Iterator[tuple[Record, Published]]:
    ledger = Ledger()
    for offset, (append_ms, payload) in enumerate(log):
        record = decode(payload)
        for published in ledger.advance(offset, append_ms, record).published:
            yield record, published


def successions(log: Log) -> Iterator[tuple[Record, Decision | None, Decision, Release]]:
    """Every decision with the record that caused it, the one before it, and the release it was made under."""
    newest: dict[str, Decision] = {}
    for record, published in decisions_of(log):
        decision = published.decision
        yield record, newest.get(decision.release), decision, parse_document(published.document)
        newest[decision.release] = decision


@settings(max_examples=40)
@given(evidence_logs())
def test_every_decision_sums_to_the_total_and_has_the_variants_of_its_release(log: Log) -> None:
    for _, published in decisions_of(log):
        decision, weights = published.decision, published.weights
        variants = parse_document(published.document).spec.variants
        assert sum(decision.weights.values()) == BASIS_POINTS
        assert min(decision.weights.values()) >= 0
        assert (
            list(decision.weights) == [variant.name for variant in variants] == [arm.variant for arm in decision.arms]
        )
        assert [arm.weight for arm in decision.arms] == list(decision.weights.values())
        assert (weights.id, weights.weights, weights.phase) == (decision.id, decision.weights, decision.phase)
        assert weights.targets.keys() == decision.weights.keys()


@settings(max_examples=40)
@given(evidence_logs())
def test_revisions_grow_and_each_names_the_one_it_replaces(log: Log) -> None:
    for _, before, decision, _ in successions(log):
        assert decision.replaces == (before.id if before else NO_REVISION)
        assert decision.id > decision.replaces
        assert decision.revision == decision.seen.offset + 1
        assert before is None or decision.time_ms >= before.time_ms


@settings(max_examples=50)
@given(evidence_logs())
def test_no_weight_moves_further_than_the_step_unless_traffic_is_withdrawn(log: Log) -> None:
    for record, before, decision, release in successions(log):
        if before is None or isinstance(record, Spec):
            continue
        baseline = release.spec.baseline
        if is_abort(record) or excluded(decision) - excluded(before):
            assert_only_the_baseline_gains(before, decision, baseline)
        else:
            for name, weight in decision.weights.items():
                assert abs(weight - before.weights[name]) <= release.spec.limits.max_step


def is_abort(record: Record) -> bool:
    return isinstance(record, Command) and record.action == "abort"


def excluded(decision: Decision) -> set[str]:
    return {arm.variant for arm in decision.arms if arm.excluded}


def assert_only_the_baseline_gains(before: Decision, decision: Decision, baseline: str) -> None:
    gone = excluded(decision) if decision.phase is not Phase.ROLLED_BACK else set(decision.weights) - {baseline}
    for name, weight in decision.weights.items():
        if name != baseline:
            assert weight == (0 if name in gone else before.weights[name])


@settings(max_examples=40)
@given(evidence_logs())
def test_the_weights_of_an_applied_spec_are_those_before_it(log: Log) -> None:
    for record, before, decision, release in successions(log):
        if before is not None and isinstance(record, Spec) and decision.rule.startswith("applied"):
            for name, weight in decision.weights.items():
                if name != release.spec.baseline:
                    assert weight == before.weights.get(name, 0)


@settings(max_examples=50)
@given(evidence_logs())
def test_caps_hold_while_nothing_is_chosen_and_floors_once_they_are_reached(log: Log) -> None:
    for record, before, decision, release in successions(log):
        spec = release.spec
        if before is None or isinstance(record, Spec) or is_chosen(before, decision):
            continue
        for arm in decision.arms:
            weight, was = decision.weights[arm.variant], before.weights[arm.variant]
            if arm.variant != spec.baseline:
                assert weight <= max(spec.limits.max_weight, was)
            may = not arm.excluded and not decision.phase.is_over
            if isinstance(spec.strategy, Bandit) and may and was >= spec.limits.min_weight:
                assert weight >= spec.limits.min_weight


def is_chosen(before: Decision, decision: Decision) -> bool:
    """Whether a single variant was or is on its way to all traffic."""
    words = ("takes all", "it stays", "promote", "resume", "pause", "promoted", "rolled_back")
    return any(word in of.rule for of in (before, decision) for word in words)


@settings(max_examples=40)
@given(evidence_logs())
def test_an_excluded_arm_takes_no_traffic_until_another_spec_is_applied(log: Log) -> None:
    for record, before, decision, _ in successions(log):
        assert all(decision.weights[name] == 0 for name in excluded(decision))
        if before is not None and not isinstance(record, Spec):
            assert excluded(before) <= excluded(decision)


@settings(max_examples=40)
@given(evidence_logs())
def test_a_release_that_is_over_moves_no_more(log: Log) -> None:
    for record, before, decision, _ in successions(log):
        if before is not None and before.phase.is_over and not isinstance(record, Spec):
            assert (decision.weights, decision.phase) == (before.weights, before.phase)


@settings(max_examples=40)
@given(evidence_logs())
def test_a_paused_release_moves_only_to_exclude(log: Log) -> None:
    for record, before, decision, _ in successions(log):
        is_steered = isinstance(record, Spec | Command)
        if before is not None and before.phase is Phase.PAUSED and not is_steered:
            assert decision.weights == before.weights or excluded(decision) - excluded(before)


@settings(max_examples=50)
@given(evidence_logs())
def test_verdicts_follow_from_the_numbers_beside_them(log: Log) -> None:
    for _, published in decisions_of(log):
        spec = parse_document(published.document).spec
        rails = {rail.title: rail for rail in spec.bounds}
        sharing = [rail for rail in spec.bounds if rail.confidence is None]
        for verdict in published.decision.assessments:
            rail = rails[verdict.guardrail]
            alpha = spec.false_aborts / (len(sharing) * (len(spec.variants) - 1)) if rail in sharing else 0.0
            alpha = alpha if rail.confidence is None else 1 - rail.confidence
            assert verdict.threshold == pytest.approx(-math.log(alpha))
            assert verdict.limit == rail.max
            assert 0 <= verdict.breaches <= verdict.n
            assert (verdict.value is None) == (verdict.n == 0)
            assert (verdict.samples < rail.min_samples) <= (verdict.verdict is Verdict.INCONCLUSIVE)
            assert (verdict.verdict is Verdict.FAIL) == (
                verdict.samples >= rail.min_samples and verdict.ln_evidence >= verdict.threshold
            )
            assert (verdict.verdict is Verdict.PASS) <= (verdict.ln_evidence <= 0)
            assert verdict.reason


@settings(max_examples=25)
@given(evidence_logs())
def test_posteriors_and_probabilities_follow_from_the_numbers_beside_them(log: Log) -> None:
    for _, published in decisions_of(log):
        minimize = parse_document(published.document).spec.objective.goal == "minimize"
        arms = published.decision.arms
        for arm in arms:
            gained = min(max(arm.reward_sum, 0.0), arm.trials)
            alpha, beta = 1 + gained, 1 + arm.trials - gained
            assert (arm.alpha, arm.beta) == pytest.approx((beta, alpha) if minimize else (alpha, beta))
            assert arm.mean == pytest.approx(stats.beta(arm.alpha, arm.beta).mean())
        may = [arm for arm in arms if not arm.excluded]
        best = quadrature.probability_best([Beta(arm.alpha, arm.beta) for arm in may])
        assert [arm.probability_best for arm in may] == pytest.approx(best.tolist(), abs=1e-4)
        assert all(arm.probability_best == 0 for arm in arms if arm.excluded)


@settings(max_examples=40)
@given(evidence_logs())
def test_what_a_decision_has_seen_adds_up(log: Log) -> None:
    for _, published in decisions_of(log):
        seen, arms = published.decision.seen, published.decision.arms
        assert sum(arm.requests + arm.responses for arm in arms) <= seen.counted
        assert all(0 <= arm.errors <= arm.responses for arm in arms)
        assert all(offset >= 0 for offset in seen.sources.values())
