"""Canary: candidates share each step in turn, as long as their guardrails pass; then the best of them takes all.

After the last step the candidate with the greatest P(best) is promoted, unless the baseline is better with probability
`_BASELINE_BETTER` and has shown more. P(best) alone does not tell: of two that never fail, the one with more traffic is
the best, as far as anybody can know.
"""

from typing import Final

from trimtab.engine.strategy.situation import Move, Situation, all_to
from trimtab.engine.strategy.steps import WAITS_FOR_A_PERSON, share_of, shares, waits_for, waits_for_time
from trimtab.schemas.strategy import Canary

_BASELINE_BETTER: Final = 0.95


def canary(situation: Situation, spec: Canary) -> Move:
    """Gives the weights of the step that the release stands on, or of the next one if its gate lets it pass."""
    step, last = situation.step, len(spec.steps) - 1
    waits = gate(situation, spec)
    if waits:
        rule = f"canary step {step + 1} of {last + 1}: {waits}"
        return Move(shares(situation, _share(situation, spec, step)), rule, step)
    if step == last:
        return _end(situation)
    rule = f"canary: step {step + 1} of {last + 1} passed"
    return Move(shares(situation, _share(situation, spec, step + 1)), rule, step + 1)


def gate(situation: Situation, spec: Canary) -> str:
    """Gives what the present step waits for; empty when its gate lets it pass."""
    if situation.is_cleared:
        return ""
    look = waits_for_time if spec.advance == "time" else waits_for
    waits = look(situation, _share(situation, spec, situation.step), spec.hold, spec.min_responses)
    return waits or (WAITS_FOR_A_PERSON if spec.advance == "manual" else "")


def _share(situation: Situation, spec: Canary, step: int) -> int:
    return share_of(spec.steps, step, situation.room)


def _end(situation: Situation) -> Move:
    chance = situation.probabilities[situation.baseline]
    chosen = max(situation.candidates, key=lambda arm: situation.probabilities[arm])
    rule = f"canary: all steps passed, {situation.name(chosen)} takes all"
    if chance >= _BASELINE_BETTER and not _has_shown_as_much(situation, chosen):
        chosen = situation.baseline
        rule = f"canary: {situation.name(chosen)} is best with probability {chance:.3f}, so it stays"
    return Move(all_to(chosen, len(situation.weights)), rule, situation.step, chosen)


def _has_shown_as_much(situation: Situation, candidate: int) -> bool:
    """Whether a candidate's mean reward is no worse than the baseline's; that of nothing is."""
    shown, baseline = situation.samples[candidate].mean, situation.samples[situation.baseline].mean
    return shown <= baseline if situation.spec.objective.goal == "minimize" else shown >= baseline
