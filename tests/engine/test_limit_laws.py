"""Law 5 with every limit on, for every strategy, whatever evidence, commands and specs come."""

from hypothesis import given, settings

from engine.builders import error_rate, latency, release, spec
from engine.evidence_logs import Log, evidence_logs
from engine.test_decision_laws import excluded, successions
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.evidence import Command, Record, Spec
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import Release
from trimtab.schemas.strategy import Bandit

VARIANTS = ("stable", "canary", "newer")
OWN = [{"name": "stable"}, {"name": "canary", "minWeight": 250, "maxWeight": 4_500}, {"name": "newer"}]
LIMITS = {"minWeight": 150, "maxWeight": 5_000, "maxStep": 900, "holdout": 1_300, "hysteresis": 120, "cooldown": "3s"}
RAILS = (error_rate(0.1, onFail="stepBack"), latency(100, onFail="hold", severity="ordinary"))


def limited(strategy: dict[str, object], *, own: object = OWN) -> Spec:
    return spec(release(strategy=strategy, limits=LIMITS, guardrails=RAILS, own=own))  # type: ignore[arg-type]  # JSON


SPECS = (
    limited({"type": "bandit"}),
    limited({"type": "bandit", "interval": "100ms", "policy": {"type": "thompson"}}),
    limited({"type": "canary", "steps": [700, 5_000, 8_000], "hold": "1s", "minResponses": 1}),
    limited({"type": "canary", "steps": [2_000], "hold": "1s", "advance": "time", "minResponses": 1}),
    limited({"type": "abTest", "plannedTrials": 100, "onWinner": "promote", "alpha": 0.5}),
    limited({"type": "shadow", "duration": "3s", "minResponses": 5}),
    limited(
        {"type": "blueGreen", "preview": 500, "verify": "1s", "watch": "2s", "minResponses": 1},
        own=[{"name": "stable"}, {"name": "canary", "maxWeight": 700}],
    ),
)
LOGS = evidence_logs(SPECS, firsts=len(SPECS))


def is_ordered(record: Record, before: Decision, decision: Decision) -> bool:
    """Whether a person, a file or a guardrail asked for the move."""
    return (
        isinstance(record, Spec | Command)
        or bool(excluded(decision) - excluded(before))
        or decision.rule.startswith("guardrail: ")
    )


@settings(max_examples=120)
@given(LOGS)
def test_weights_sum_to_the_total_and_the_baseline_never_leaves_its_holdout(log: Log) -> None:
    for _, before, decision, applied in successions(log):
        weight, holdout = decision.weights[applied.spec.baseline], applied.spec.limits.holdout
        assert sum(decision.weights.values()) == BASIS_POINTS
        assert weight >= min(holdout, BASIS_POINTS if before is None else before.weights["stable"])


@settings(max_examples=120)
@given(LOGS)
def test_a_variant_keeps_to_its_own_floor_and_cap(log: Log) -> None:
    for record, before, decision, applied in successions(log):
        limits, strategy = applied.spec.limits, applied.spec.strategy
        if before is None or isinstance(record, Spec | Command) or is_chosen(before, decision):
            continue
        for variant in applied.spec.variants:
            weight, was = decision.weights[variant.name], before.weights[variant.name]
            if variant.name != applied.spec.baseline and strategy.type != "blueGreen":
                assert weight <= max(limits.cap_of(variant), was)
            may = variant.name not in excluded(decision) and not decision.phase.is_over
            if may and isinstance(strategy, Bandit) and was >= limits.floor_of(variant):
                assert weight >= limits.floor_of(variant)


def is_chosen(before: Decision, decision: Decision) -> bool:
    words = ("takes all", "it stays", "promote", "wins", "promoted", "rolled_back", "cooldown", "held", "guardrail")
    return any(word in of.rule for of in (before, decision) for word in words)


@settings(max_examples=120)
@given(LOGS)
def test_weights_do_not_move_within_a_cooldown_unless_somebody_orders_it(log: Log) -> None:
    moved_ms = -1
    for record, before, decision, applied in successions(log):
        if before is None or isinstance(record, Spec):
            moved_ms = -1
            continue
        if decision.weights != before.weights:
            if not is_ordered(record, before, decision) and moved_ms >= 0:
                assert decision.time_ms - moved_ms >= applied.spec.limits.cooldown
            moved_ms = decision.time_ms


@settings(max_examples=120)
@given(LOGS)
def test_a_policy_moves_some_weight_by_the_hysteresis_or_none(log: Log) -> None:
    for record, before, decision, applied in successions(log):
        is_free = before is not None and not is_ordered(record, before, decision) and not is_chosen(before, decision)
        if before is None or not is_free or not isinstance(applied.spec.strategy, Bandit) or not held(applied, before):
            continue
        moves = [abs(weight - before.weights[name]) for name, weight in decision.weights.items()]
        assert max(moves) == 0 or max(moves) >= applied.spec.limits.hysteresis


def held(applied: Release, decision: Decision) -> bool:
    """Whether all floors and caps hold already."""
    limits, spec = applied.spec.limits, applied.spec
    return decision.weights[spec.baseline] >= limits.holdout and all(
        limits.floor_of(one) <= decision.weights[one.name] <= limits.cap_of(one) or one.name == spec.baseline
        for one in spec.variants
    )


@settings(max_examples=120)
@given(LOGS)
def test_no_weight_moves_further_than_the_step_unless_traffic_is_withdrawn_or_switched(log: Log) -> None:
    for record, before, decision, applied in successions(log):
        if before is None or isinstance(record, Spec) or applied.spec.strategy.type == "blueGreen":
            continue
        if decision.phase is Phase.ROLLED_BACK or excluded(decision) - excluded(before):
            continue
        for name, weight in decision.weights.items():
            assert abs(weight - before.weights[name]) <= applied.spec.limits.max_step
