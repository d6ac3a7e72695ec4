"""What a decision has to be, judged by nothing but itself, the decision it replaces, its record and its release file.

Weights are worked out anew, by the rules of the release file and not by the engine's path to them: only the arithmetic
of `allocate`, which has oracles of its own, is taken from there.
"""

import math
import re
from dataclasses import dataclass

import pytest

from trimtab.engine.allocation import Bounds, allocate
from trimtab.schemas.decision import Assessment, Decision, Phase, Verdict
from trimtab.schemas.evidence import Command, Reactions, Record, Sidecars, Spec
from trimtab.schemas.guardrail import ReactionGuardrail
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION
from trimtab.schemas.release import Release
from trimtab.schemas.release import Spec as FileSpec
from trimtab.schemas.strategy import AbTest, Bandit, BlueGreen, Canary, Ensemble, Shadow

HELD = re.compile(
    r"paused: |frozen: |cooldown: |observed: |guardrail: (weights are held|paused)|promoted: |rolled_back: |completed: "
)
"""Rules that leave weights where they are."""
REACTS = re.compile(r"guardrail: (.* excluded, |paused, |a step back, )")
"""Rules that may come of evidence that was told before: of seconds that are over by now."""
FOLLOWS = ": weights follow "
CHOSEN = re.compile(r"(?:canary: )?(?:all steps passed, )?(\S+) (?:takes all$|is best with .* it stays$)")


@dataclass(frozen=True)
class Step:
    """One decision and what there was before it."""

    record: Record
    before: Decision | None
    after: Decision
    release: Release

    @property
    def spec(self) -> FileSpec:
        """As it is in force: after a shadow phase it may be another."""
        whole, after = self.release.spec, self.release.spec.after_shadow
        return after if after is not None and self.after.strategy == after.strategy.type else whole

    @property
    def baseline(self) -> str:
        return self.release.spec.baseline

    @property
    def command(self) -> Command | None:
        """The one that the decision follows; one of another release may bring the second that this one was due in."""
        record = self.record
        return record if isinstance(record, Command) and record.release == self.after.release else None

    @property
    def starts_anew(self) -> bool:
        """Whether a spec was applied, or the release retried."""
        return self.after.rule.startswith(("applied: ", "retry by "))

    @property
    def goes_on(self) -> bool:
        """Whether a shadow phase is over, and another strategy begins with evidence of its own."""
        return ", goes on as " in self.after.rule


def check(step: Step) -> None:
    """Every law that a single step can be held to."""
    weights_are_whole(step)
    revisions_grow(step)
    limits_hold(step)
    weights_follow_from_the_rule(step)
    missing_is_not_zero(step)
    verdicts_follow_from_their_numbers(step)
    beliefs_follow_from_their_numbers(step)
    nothing_is_learnt_while_traffic_does_not_follow(step)


def excluded(decision: Decision) -> set[str]:
    return {arm.variant for arm in decision.arms if arm.excluded}


def weights_are_whole(step: Step) -> None:
    decision, names = step.after, [variant.name for variant in step.spec.variants]
    assert sum(decision.weights.values()) == BASIS_POINTS
    assert min(decision.weights.values()) >= 0
    assert list(decision.weights) == names == [arm.variant for arm in decision.arms]
    assert [arm.weight for arm in decision.arms] == list(decision.weights.values())
    assert all(decision.weights[name] == 0 for name in excluded(decision))
    for weights in decision.segments.values():
        assert sum(weights.values()) == BASIS_POINTS
        assert min(weights.values()) >= 0
        assert list(weights) == names
        assert all(weights[name] == 0 for name in excluded(decision))
    assert step.baseline not in excluded(decision)


def revisions_grow(step: Step) -> None:
    before, after = step.before, step.after
    assert after.replaces == (before.id if before else NO_REVISION)
    assert after.id > after.replaces
    assert after.revision == after.seen.offset + 1
    if before is None:
        return
    assert after.time_ms >= before.time_ms
    assert after.seen.late >= before.seen.late
    assert after.seen.dead_lettered >= before.seen.dead_lettered
    assert all(after.seen.sources[source] >= offset for source, offset in before.seen.sources.items())
    if not step.starts_anew:
        assert excluded(before) <= excluded(after)


def limits_hold(step: Step) -> None:
    before, after, limits = step.before, step.after, step.spec.limits
    if before is None or step.starts_anew or is_free(step):
        return
    for variant, weight in zip(step.spec.variants, after.weights.values(), strict=True):
        was = before.weights[variant.name]
        assert abs(weight - was) <= limits.max_step
        if variant.name == step.baseline:
            assert weight >= min(limits.holdout, was)
        elif FOLLOWS in after.rule:
            assert weight <= max(limits.cap_of(variant), was)
        if FOLLOWS in after.rule and variant.name not in excluded(after):
            assert weight >= min(limits.floor_of(variant), was)
    moves = [abs(weight - before.weights[name]) for name, weight in after.weights.items()]
    if FOLLOWS in after.rule and within_limits(step, before):
        assert max(moves) == 0 or max(moves) >= min(limits.hysteresis, limits.max_step)


def within_limits(step: Step, before: Decision) -> bool:
    """Whether the weights before kept all limits, so that none of them asks for a move."""
    limits = step.spec.limits
    for variant in step.spec.variants:
        weight, is_baseline = before.weights[variant.name], variant.name == step.baseline
        floor = max(limits.floor_of(variant), limits.holdout if is_baseline else 0)
        cap = BASIS_POINTS if is_baseline else limits.cap_of(variant)
        if variant.name not in excluded(step.after) and not floor <= weight <= cap:
            return False
    return True


def is_free(step: Step) -> bool:
    """Whether weights may go further than the step limit: an abort, an exclusion, a person's weights, a switch."""
    action = step.command.action if step.command else ""
    gone = step.before is not None and excluded(step.after) - excluded(step.before)
    return bool(gone) or action in ("abort", "set-weights") or isinstance(step.spec.strategy, BlueGreen)


def chosen_in(step: Step) -> str:
    """The variant on its way to all traffic, as the rule names it; empty where none is."""
    match = CHOSEN.match(step.after.rule)
    return match[1] if match and match[1] in step.after.weights else ""


def weights_follow_from_the_rule(step: Step) -> None:
    before, after = step.before, step.after
    weights = list(after.weights.values())
    if before is None:
        assert after.rule == f"applied: all traffic on {step.baseline} until evidence comes"
        assert after.weights == only(step, step.baseline)
    elif step.starts_anew:
        assert weights == carried_over(step, before)
    elif (command := step.command) is not None and (expected := ordered(step, command, before)) is not None:
        assert after.weights == expected
    elif after.rule.startswith(("guardrail: ", "exclude ")) and (gone := excluded(after) - excluded(before)):
        assert after.weights == without(step, before, gone)
    elif HELD.match(after.rule):
        assert after.weights == before.weights
    elif (target := target_of(step)) is not None:
        assert tuple(weights) == moved(step, before, target)


def only(step: Step, variant: str) -> dict[str, int]:
    return {name: BASIS_POINTS * (name == variant) for name in step.after.weights}


def carried_over(step: Step, before: Decision) -> list[int]:
    """Weights stay with whom they are; what is left over goes to the baseline."""
    weights = {name: before.weights.get(name, 0) for name in step.after.weights}
    weights[step.baseline] += BASIS_POINTS - sum(weights.values())
    return list(weights.values())


def without(step: Step, before: Decision, gone: set[str]) -> dict[str, int]:
    weights = {name: 0 if name in gone else weight for name, weight in before.weights.items()}
    weights[step.baseline] += BASIS_POINTS - sum(weights.values())
    return weights


def ordered(step: Step, command: Command, before: Decision) -> dict[str, int] | None:
    match command.action:
        case "pause" | "resume" | "freeze":
            return before.weights
        case "abort":
            return only(step, step.baseline)
        case "set-weights":
            return {name: command.weights.get(name, 0) for name in before.weights}
        case _:
            return None


def candidates(step: Step) -> list[str]:
    return [arm.variant for arm in step.after.arms if arm.variant != step.baseline and not arm.excluded]


def target_of(step: Step) -> dict[str, float] | None:
    """Where the rule of a strategy wants the weights; None where that is in nobody's account (a policy's shares)."""
    strategy, rule = step.spec.strategy, step.after.rule
    if chosen := chosen_in(step) or promoted_by(step):
        return {name: float(weight) for name, weight in only(step, chosen).items()}
    if not rule.startswith(("canary", "blue/green", "A/B test", "shadow", "guardrail: a step back")):
        return None
    if step.goes_on:
        return {name: float(weight) for name, weight in only(step, step.baseline).items()}
    match strategy:
        case Canary():
            target: dict[str, float] | None = shared(step, min(strategy.steps[step.after.step], most(step)))
        case BlueGreen():
            target = shared(step, (strategy.preview, BASIS_POINTS - step.spec.limits.holdout)[step.after.step])
        case AbTest():
            target = None if " wins" in rule and strategy.on_winner == "promote" else split(step, strategy)
        case Shadow():
            target = {name: float(weight) for name, weight in only(step, step.baseline).items()}
        case Bandit() | Ensemble():
            target = None
    return target


def most(step: Step) -> int:
    """What the candidates that are left may have together."""
    return min(BASIS_POINTS - step.spec.limits.holdout, sum(caps(step).values()))


def caps(step: Step) -> dict[str, int]:
    spec = step.spec
    return {
        variant.name: BASIS_POINTS if isinstance(spec.strategy, BlueGreen) else spec.limits.cap_of(variant)
        for variant in spec.variants
        if variant.name in candidates(step)
    }


def promoted_by(step: Step) -> str:
    command = step.command
    is_whole = command is not None and command.action == "promote" and command.full
    return command.variant if command is not None and is_whole else ""


def shared(step: Step, share: int) -> dict[str, float]:
    """The share dealt evenly among the candidates; who is capped below that has the cap."""
    target, open_to, left = dict.fromkeys(step.after.weights, 0.0), caps(step), share
    while full := [name for name, cap in open_to.items() if cap * len(open_to) < left]:
        least = min(full, key=open_to.__getitem__)
        target[least] = float(open_to[least])
        left -= open_to.pop(least)
    target |= {name: left / len(open_to) for name in open_to}
    target[step.baseline] = float(BASIS_POINTS - share)
    return target


def split(step: Step, strategy: AbTest) -> dict[str, float]:
    even = BASIS_POINTS / len(step.after.weights)
    gone = excluded(step.after)
    target = {name: 0.0 if name in gone else float(strategy.split.get(name, even)) for name in step.after.weights}
    target[step.baseline] += BASIS_POINTS - sum(target.values())
    return target


def moved(step: Step, before: Decision, target: dict[str, float]) -> tuple[int, ...]:
    """As far toward the target as limits let the weights go."""
    spec = step.spec
    is_chosen = bool(chosen_in(step) or promoted_by(step))
    most_of = dict.fromkeys(candidates(step), BASIS_POINTS) if is_chosen else caps(step)
    most_of[step.baseline] = BASIS_POINTS
    bounds = [Bounds(0, most_of.get(name, 0)) for name in before.weights]
    present = list(without(step, before, excluded(step.after)).values())
    max_step = BASIS_POINTS if isinstance(spec.strategy, BlueGreen) else spec.limits.max_step
    baseline = list(before.weights).index(step.baseline)
    return allocate(list(target.values()), present, bounds, max_step, baseline=baseline, holdout=spec.limits.holdout)


def missing_is_not_zero(step: Step) -> None:
    before, after = step.before, step.after
    for verdict in after.assessments:
        assert (verdict.value is None) <= (verdict.verdict is Verdict.INCONCLUSIVE or verdict.samples > 0)
        if not verdict.samples:
            assert verdict.verdict is Verdict.INCONCLUSIVE
    if before is None:
        return
    if not isinstance(step.record, Spec | Command | Sidecars | Reactions) and not REACTS.match(after.rule):
        assert counted(after) != counted(before), "no decision without evidence, an order, a spec or word of a sidecar"
    for name in excluded(after) - excluded(before):
        is_ordered = step.command is not None and (step.command.action, step.command.variant) == ("exclude", name)
        has_failed = any(is_abort(verdict, name) for verdict in after.assessments)
        assert is_ordered or has_failed, f"{name} is excluded without a FAIL, and nobody asked for it"


def counted(decision: Decision) -> int:
    return decision.seen.counted + decision.seen.late


def is_abort(verdict: Assessment, variant: str) -> bool:
    fails = verdict.verdict is Verdict.FAIL and verdict.severity in ("critical", "ordinary")
    return verdict.variant == variant and fails and verdict.on_fail == "abort"


def verdicts_follow_from_their_numbers(step: Step) -> None:
    spec = step.spec
    rails = {rail.title: rail for rail in spec.guardrails}
    for verdict in step.after.assessments:
        rail = rails[verdict.guardrail]
        assert rail.severity != "muted"
        assert verdict.variant in step.after.weights
        assert (verdict.severity, verdict.on_fail) == (rail.severity, rail.on_fail)
        assert 0 <= verdict.breaches <= verdict.n
        assert verdict.reason
        is_enough = verdict.samples >= rail.min_samples
        if isinstance(rail, ReactionGuardrail):
            assert (verdict.threshold, verdict.samples) == (0, verdict.n)
            is_failed = verdict.breaches > rail.allowed * verdict.n
        else:
            assert rail.confidence is None or verdict.threshold == pytest.approx(-math.log(1 - rail.confidence))
            is_failed = verdict.ln_evidence >= verdict.threshold
        assert (verdict.verdict is Verdict.FAIL) == (is_enough and is_failed)
        assert is_enough or verdict.verdict is Verdict.INCONCLUSIVE


def beliefs_follow_from_their_numbers(step: Step) -> None:
    decision = step.after
    assert decision.reasons[0] == decision.rule
    gone = [reason for reason in decision.reasons if " takes no traffic: " in reason]
    assert sorted(gone) == sorted(
        f"{arm.variant} takes no traffic: {arm.excluded}" for arm in decision.arms if arm.excluded
    )
    arms = decision.arms
    assert sum(arm.requests + arm.responses for arm in arms) <= decision.seen.counted
    for arm in arms:
        assert 0 <= arm.errors <= arm.responses
        if step.spec.objective.values == "real":
            assert (arm.alpha, arm.beta) == (0, 0)
            assert (arm.scale or 0) > 0
            assert (arm.degrees or 0) > 0
        else:
            assert min(arm.alpha, arm.beta) > 0
            assert arm.mean == pytest.approx(arm.alpha / (arm.alpha + arm.beta))
        assert (arm.probability_best == 0) or not arm.excluded
    assert sum(arm.probability_best for arm in arms) == pytest.approx(1, abs=1e-6)
    assert decision.phase is not Phase.ROLLED_BACK or decision.weights[step.baseline] == BASIS_POINTS


def nothing_is_learnt_while_traffic_does_not_follow(step: Step) -> None:
    """Weights that something diverges from are moved by guardrails and people alone."""
    before, after = step.before, step.after
    if before is None or not after.divergences or isinstance(step.record, Command | Spec):
        return
    if after.weights != before.weights:
        assert after.rule.startswith(("guardrail: ", "scaling: ", "begins: ")), after.rule
