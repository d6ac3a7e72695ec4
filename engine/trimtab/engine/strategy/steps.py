"""Steps: strategies that give the candidates a share of traffic together, look, and go on to the next share.

What a step waits for is decided here, and only here. It ends when the weights have reached its share, it has lasted
as long as it has to, every candidate that is left has had enough responses in it, and some within the last minute,
every critical guardrail of each says PASS, and no ordinary one FAIL. INCONCLUSIVE waits: missing evidence never moves
traffic, nor does evidence that has run dry. A person may let a step end at once.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from trimtab.engine.strategy.situation import Situation
from trimtab.schemas.decision import Verdict
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.limits import cap_under
from trimtab.schemas.part import duration_text
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import AbTest, Bandit, BlueGreen, Canary, Ensemble, Shadow, Strategy

HEARD_MS: Final = 60_000
"""How long a candidate may be silent before its step waits."""
STEP_INTERVAL_MS: Final = 1_000
"""How often a strategy with steps looks at its gate, where it is alone."""
_LOOKS_PER_HOLD: Final = 20
"""How often it does within the time that a step lasts, at least, however many others there are."""
WAITS_FOR_A_PERSON: Final = "ready, waits for a person to promote it"


def steps_of(spec: Spec) -> tuple[int, ...]:
    """Gives the basis points that the candidates take together in each step; nothing for strategies without steps."""
    match spec.strategy:
        case Canary(steps=steps):
            return steps
        case BlueGreen(preview=preview):
            return (preview, BASIS_POINTS - spec.limits.holdout)
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
        case _:
            assert_never(strategy)


def interval_ms(strategy: Strategy, pace: int) -> int:
    """Gives how often weights are chosen, at most; `pace`: how many others take their turn meanwhile."""
    match strategy:
        case Bandit() | Ensemble():
            return strategy.interval
        case AbTest():
            return STEP_INTERVAL_MS * pace
        case _:
            return max(STEP_INTERVAL_MS, min(STEP_INTERVAL_MS * pace, shortest_ms(strategy) // _LOOKS_PER_HOLD))


def share_of(steps: Sequence[int], step: int, room: int) -> int:
    """Gives what the candidates together take in a step: less than it says where, after an exclusion, caps allow less.

    `room`: what those that are left may take together.

    >>> share_of((2_000, 6_000), step=1, room=3_000)
    3000
    """
    return min(steps[step], room)


def dealt(share: int, caps: Sequence[int]) -> list[float]:
    """Gives a share dealt evenly, what is over a cap to those with a higher one; `share` is at most the sum of caps.

    >>> dealt(6_000, [10_000, 1_000, 10_000])
    [2500.0, 1000.0, 2500.0]
    """
    parts, left = [0.0] * len(caps), float(share)
    by_cap = sorted(range(len(caps)), key=lambda arm: caps[arm])
    for taken, arm in enumerate(by_cap):
        parts[arm] = min(float(caps[arm]), left / (len(caps) - taken))
        left -= parts[arm]
    return parts


def has_reached(weights: Sequence[int], baseline: int, share: int) -> bool:
    """Whether the candidates together have `share` basis points."""
    return weights[baseline] == BASIS_POINTS - share


def shares(situation: Situation, share: int) -> tuple[float, ...]:
    """Gives the target under which the candidates that are left have `share` together, each as much as the others."""
    return target_of(situation.spec, situation.eligible, share)


def target_of(spec: Spec, eligible: Sequence[bool], share: int) -> tuple[float, ...]:
    """Gives the target under which candidates that may take traffic have `share` together, as even as caps allow."""
    target = [0.0] * len(eligible)
    baseline = [variant.name for variant in spec.variants].index(spec.baseline)
    candidates = [arm for arm, may in enumerate(eligible) if may and arm != baseline]
    caps = [cap_under(spec.limits, spec.variants[arm], spec.strategy) for arm in candidates]
    for arm, part in zip(candidates, dealt(share, caps), strict=True):
        target[arm] = part
    target[baseline] = float(BASIS_POINTS - share)
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
    looks = (_too_few(situation, arm, min_responses) or _silent(situation, arm) for arm in situation.candidates)
    return next(filter(None, looks), "")


def _too_few(situation: Situation, arm: int, min_responses: int) -> str:
    seen = situation.responses[arm] - situation.step_responses[arm]
    if seen < min_responses:
        return f"{situation.name(arm)} has had {seen} responses in it, waits for {min_responses}"
    return ""


def _silent(situation: Situation, arm: int) -> str:
    return (
        "" if situation.is_heard[arm] else f"{situation.name(arm)} has had no responses for {duration_text(HEARD_MS)}"
    )


def _unproven(situation: Situation, arm: int) -> str:
    for assessment in situation.assessments.get(situation.name(arm), ()):
        waits = {"critical": assessment.verdict is not Verdict.PASS, "ordinary": assessment.verdict is Verdict.FAIL}
        if waits.get(assessment.severity, False):
            return f"{assessment.guardrail} of {situation.name(arm)} is {assessment.verdict}"
    return ""
