"""Shadow: candidates answer copies of requests and take no traffic, until they have been seen for long enough.

A candidate that fails a guardrail is excluded, and gets no copies either; without any left the release is rolled back.
Nothing else moves: the baseline has all traffic throughout.
"""

from trimtab.engine.strategy.situation import Move, Situation, all_to
from trimtab.engine.strategy.steps import waits_for
from trimtab.schemas.strategy import Shadow


def shadow(situation: Situation, spec: Shadow) -> Move:
    """Gives all traffic to the baseline, and the end once every candidate that is left has passed."""
    target = all_to(situation.baseline, len(situation.weights))
    waits = "" if situation.is_cleared else waits_for(situation, 0, spec.duration, spec.min_responses)
    if waits:
        return Move(target, f"shadow: {waits}")
    passed = ", ".join(situation.name(arm) for arm in situation.candidates)
    return Move(target, f"shadow: {passed} passed", is_complete=True)
