"""Steps: strategies that give the candidates a share of traffic together, look, and go on to the next share.

What a step waits for is decided here, and only here. It ends when the weights have reached its share, it has lasted
as long as it has to, every candidate that is left has had enough responses in it, every critical guardrail of each says
PASS, and no ordinary one FAIL. INCONCLUSIVE waits: missing evidence never moves traffic. A person may let a step end at
once.
"""

from collections.abc import Sequence
from typing import Final

from trimtab.engine.strategy.situation import Situation
from trimtab.schemas.decision import Verdict
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.part import duration_text
from trimtab.schemas.strategy import BlueGreen, Canary, Shadow, Strategy

WAITS_FOR_A_PERSON: Final = "ready, waits for a person to promote it"


def steps_of(strategy: Strategy) -> tuple[int, ...]:
    """Gives the basis points that the candidates take together in each step; nothing for strategies without steps."""
    match strategy:
        case Canary():
            return strategy.steps
        case BlueGreen():
            return (strategy.preview, BASIS_POINTS)
        case Shadow():
            return (0,)
        case _:
            return ()


def shortest_ms(strategy: Canary | BlueGreen | Shadow) -> int:
    """Gives the shortest time that a step lasts."""
    match strategy:
        case Canary():
            return strategy.hold
        case BlueGreen():
            return min(strategy.verify, strategy.watch)
        case Shadow():
            return strategy.duration


def share_of(steps: Sequence[int], step: int, max_weight: int, candidates: int) -> int:
    """Gives what the candidates together take in a step: less than it says where, after an exclusion, caps allow less.

    >>> share_of((2_000, 6_000), step=1, max_weight=3_000, candidates=1)
    3000
    """
    return min(steps[step], max_weight * candidates)


def has_reached(weights: Sequence[int], baseline: int, share: int) -> bool:
    """Whether the candidates together have `share` basis points."""
    return weights[baseline] == BASIS_POINTS - share


def shares(situation: Situation, share: int) -> tuple[float, ...]:
    """Gives the target under which the candidates that are left have `share` together, each as much as the others."""
    each = share / len(situation.candidates)
    target = [each if arm in situation.candidates else 0.0 for arm in range(len(situation.weights))]
    target[situation.baseline] = float(BASIS_POINTS - share)
    return tuple(target)


def waits_for(situation: Situation, share: int, hold_ms: int, min_responses: int) -> str:
    """Gives what the present step waits for; empty when its guardrails and its clock let it end."""
    return waits_for_time(situation, share, hold_ms, min_responses) or next(
        (reason for arm in situation.candidates if (reason := _unproven(situation, arm))), ""
    )


def waits_for_time(situation: Situation, share: int, hold_ms: int, min_responses: int) -> str:
    """Gives what the present step waits for apart from verdicts."""
    if not has_reached(situation.weights, situation.baseline, share):
        return "on the way"
    if situation.now_ms - situation.step_began_ms < hold_ms:
        return f"held until {duration_text(hold_ms)} have passed"
    return next((reason for arm in situation.candidates if (reason := _too_few(situation, arm, min_responses))), "")


def _too_few(situation: Situation, arm: int, min_responses: int) -> str:
    seen = situation.responses[arm] - situation.step_responses[arm]
    if seen < min_responses:
        return f"{situation.name(arm)} has had {seen} responses in it, waits for {min_responses}"
    return ""


def _unproven(situation: Situation, arm: int) -> str:
    for assessment in situation.assessments.get(situation.name(arm), ()):
        waits = {"critical": assessment.verdict is not Verdict.PASS, "ordinary": assessment.verdict is Verdict.FAIL}
        if waits.get(assessment.severity, False):
            return f"{assessment.guardrail} of {situation.name(arm)} is {assessment.verdict}"
    return ""
