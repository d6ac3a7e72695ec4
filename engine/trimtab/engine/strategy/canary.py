"""Canary: candidates share each step in turn, as long as their guardrails pass; then the best of them takes all.

A step is passed when it has lasted `hold`, every candidate that is left has had enough responses in it, and every
guardrail of each says PASS. INCONCLUSIVE waits: missing evidence never moves traffic. After the last step the
candidate with the greatest P(best) is promoted, unless the baseline is better with probability `_BASELINE_BETTER`.
"""

from collections.abc import Sequence
from typing import Final

from trimtab.engine.strategy.situation import Move, Situation, all_to
from trimtab.schemas.decision import Verdict
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.part import duration_text
from trimtab.schemas.strategy import Canary

_ENOUGH_RESPONSES: Final = 20
_BASELINE_BETTER: Final = 0.95


def canary(situation: Situation, spec: Canary) -> Move:
    """Gives the weights of the step that the release stands on, or of the next one if its gate lets it pass."""
    step, last = situation.step, len(spec.steps) - 1
    waits_for = gate(situation, spec)
    if waits_for:
        return Move(_shares(situation, spec, step), f"canary step {step + 1} of {last + 1}: {waits_for}", step)
    if step == last:
        return _end(situation)
    rule = f"canary: step {step + 1} of {last + 1} passed"
    return Move(_shares(situation, spec, step + 1), rule, step + 1)


def gate(situation: Situation, spec: Canary) -> str:
    """Gives what the present step waits for; empty when its gate lets it pass."""
    if not has_reached(situation.weights, situation.baseline, _share(situation, spec, situation.step)):
        return "on the way"
    if situation.now_ms - situation.step_began_ms < spec.hold:
        return f"held until {duration_text(spec.hold)} have passed"
    return next((reason for arm in situation.candidates if (reason := _waits_for(situation, arm))), "")


def share_of(spec: Canary, step: int, max_weight: int, candidates: int) -> int:
    """Gives what the candidates together take in a step: less than it says where, after an exclusion, caps allow less.

    >>> share_of(Canary(type="canary", steps=(2_000, 6_000)), step=1, max_weight=3_000, candidates=1)
    3000
    """
    return min(spec.steps[step], max_weight * candidates)


def has_reached(weights: Sequence[int], baseline: int, share: int) -> bool:
    """Whether the candidates together have `share` basis points."""
    return weights[baseline] == BASIS_POINTS - share


def _waits_for(situation: Situation, arm: int) -> str:
    seen = situation.responses[arm] - situation.step_responses[arm]
    if seen < _ENOUGH_RESPONSES:
        return f"{situation.name(arm)} has had {seen} responses in it, waits for {_ENOUGH_RESPONSES}"
    for assessment in situation.assessments.get(situation.name(arm), ()):
        if assessment.verdict is not Verdict.PASS:
            return f"{assessment.guardrail} of {situation.name(arm)} is {assessment.verdict}"
    return ""


def _share(situation: Situation, spec: Canary, step: int) -> int:
    return share_of(spec, step, situation.spec.limits.max_weight, len(situation.candidates))


def _shares(situation: Situation, spec: Canary, step: int) -> tuple[float, ...]:
    total = _share(situation, spec, step)
    each = total / len(situation.candidates)
    shares = [each if arm in situation.candidates else 0.0 for arm in range(len(situation.weights))]
    shares[situation.baseline] = float(BASIS_POINTS - total)
    return tuple(shares)


def _end(situation: Situation) -> Move:
    chance = situation.probabilities[situation.baseline]
    if chance >= _BASELINE_BETTER:
        chosen = situation.baseline
        rule = f"canary: {situation.name(chosen)} is best with probability {chance:.3f}, so it stays"
    else:
        chosen = max(situation.candidates, key=lambda arm: situation.probabilities[arm])
        rule = f"canary: all steps passed, {situation.name(chosen)} takes all"
    return Move(all_to(chosen, len(situation.weights)), rule, situation.step, chosen)
